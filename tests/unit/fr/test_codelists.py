"""Code lists are complete, bilingual and unambiguous."""

from __future__ import annotations

import csv
from enum import StrEnum
from pathlib import Path

import pytest

import contracts
from contracts import codelists, codes

FOLDER = Path(contracts.__file__).parent / "codelists"


@pytest.mark.parametrize("enum", codelists.CODE_LISTS, ids=lambda e: e.__name__)
def test_every_member_has_both_labels_and_no_row_is_an_orphan(enum: type[StrEnum]) -> None:
    """Members and rows are the same, in the same order, and every cell is filled."""
    rows = list(csv.DictReader((FOLDER / codelists.file_name(enum)).read_text("utf-8").splitlines()))
    assert [row["code"] for row in rows] == [member.value for member in enum]
    assert all(cell and cell == cell.strip() for row in rows for cell in row.values())
    for member in enum:
        assert codelists.label(member, "en")
        assert codelists.label(member, "fr")


def test_no_file_lacks_its_list() -> None:
    """The folder holds exactly one file per list, and the country table."""
    expected = {codelists.file_name(enum) for enum in codelists.CODE_LISTS} | {"countries.csv"}
    assert {path.name for path in FOLDER.glob("*.csv")} == expected
    assert codes.RefusalGround in codelists.CODE_LISTS
    assert codes.MessageType in codelists.CODE_LISTS


@pytest.mark.parametrize(
    "enum", [e for e in codelists.CODE_LISTS if e is not codes.Sex], ids=lambda e: e.__name__
)
def test_french_codes_go_there_and_back(enum: type[StrEnum]) -> None:
    """French codes are unique, so each leads back to its member."""
    there, back = codelists.to_french(enum), codelists.from_french(enum)
    assert [back[there[member]] for member in enum] == list(enum)
    assert all(code.isascii() and code.replace("_", "").isalnum() for code in there.values())


def test_the_french_sex_codes_are_ambiguous_and_say_so() -> None:
    """X and unknown share NP: the plain table must not pretend to lead back."""
    assert codelists.to_french(codes.Sex)[codes.Sex.X] == "NP"
    with pytest.raises(ValueError, match="not unique"):
        codelists.from_french(codes.Sex)


def test_labels_are_in_the_language_asked_for() -> None:
    """English and French are not swapped."""
    assert codelists.label(codes.AckCode.UNKNOWN_CASE, "en") == "Unknown case"
    assert codelists.label(codes.AckCode.UNKNOWN_CASE, "fr") == "Dossier inconnu"


def test_countries_are_unambiguous_and_hold_no_icao_code() -> None:
    """Every INSEE code leads back to one ISO code; ICAO codes are not countries."""
    table = codelists.countries()
    assert len(table) > 190
    assert len(codelists.iso_by_cog()) == len(table)
    assert table["FRA"].cog == "99100"
    assert table["RKS"].cog == "99157"
    assert codelists.iso_by_cog()["99157"] == "RKS"
    assert not {"XXA", "XXB", "XXC", "XXX"} & set(table)
    assert all(len(c.cog) == 5 and c.cog.startswith("99") for c in table.values())
