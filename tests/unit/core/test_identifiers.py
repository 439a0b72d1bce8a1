"""Normalised identifiers: the same person gives the same pairs, however the text is written."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from contracts import codes, model
from gateway.core import identifiers as ids
from tests.fixtures.cases import load_cases, to_message
from tests.unit.treaty import builders as b

CASES = {record["case"]: record for record in load_cases()}
replace = msgspec.structs.replace


def opening(case: str) -> model.Message:
    return to_message(CASES[case])[0]


def test_the_returned_person_matches() -> None:
    """Row 9: the nomination S7-003 shares the document with the readmission S7-001; the name is no proof."""
    shared = set(ids.strong_identifiers(opening("S7-001"))) & set(ids.strong_identifiers(opening("S7-003")))
    assert shared == {("document_issued", "P57126116|SOM")}


def test_no_other_nomination_matches() -> None:
    """No other nomination shares a strong identifier with a readmission: no one is refused by accident."""
    messages = [to_message(record)[0] for record in load_cases()]
    known = {p for m in messages if m.reference.startswith("GB01") for p in ids.strong_identifiers(m)}
    hits = [
        m.reference
        for m in messages
        if m.reference.startswith("GB02") and known & set(ids.strong_identifiers(m))
    ]
    assert hits == [opening("S7-003").reference]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("P 571-26116", "P57126116"), ("p57126116", "P57126116"), ("Ｐ５７", "P57"), ("---", "")],
)
def test_numbers(text: str, expected: str) -> None:
    """Numbers are compared without blanks, hyphens, case or width."""
    assert ids.normalise(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("al-Ḥamwī", "AL HAMWI"),
        ("Al-ʿAmri", "AL AMRI"),
        ("D’Souza", "DSOUZA"),
        ("D'Souza", "DSOUZA"),
        ("  Işık  ", "ISIK"),
        ("Đặng", "DANG"),
    ],
)
def test_names(text: str, expected: str) -> None:
    """Names are compared in ASCII capitals, words apart."""
    assert ids.normalise_name(text) == expected


def test_family_and_given_names_may_change_places() -> None:
    """A swapped or mononymous record still matches."""
    one = model.PersonName(family_name="Abu Shamala", given_names="Yousef")
    two = model.PersonName(family_name="Yousef", given_names="Abu Shamala")
    three = model.PersonName(family_name=None, given_names="Yousef Abu-Shamala")
    assert ids.name_key(one) == ids.name_key(two) == ids.name_key(three) == "ABU SHAMALA YOUSEF"


def _with_birth(year: int | None, month: int | None, day: int | None) -> set[str]:
    body: Any = b.REQUEST.body
    person = replace(
        body.persons[0], birth_date=model.BirthDate(year=year, month=month, day=day), documents=()
    )
    message = replace(b.REQUEST, body=replace(body, persons=(person,)))
    return {kind for kind, _ in ids.identifiers(message)}


def test_a_partial_birth_date_is_weak() -> None:
    """Name and year do not point to one person, and a name alone is not indexed."""
    assert _with_birth(1990, 5, 1) == {"name_birth"}
    assert _with_birth(1990, 5, None) == _with_birth(1990, None, None) == {"name_birth_partial"}
    assert _with_birth(None, None, None) == set()
    assert not {"name_birth", "name_birth_partial", "document"} & ids.STRONG


def test_references_and_aliases() -> None:
    """National references and every other name are indexed."""
    body: Any = b.REQUEST.body
    message = replace(
        b.REQUEST,
        body=replace(
            body, home_office_reference="K1234567/001", unique_application_number="1234-5678-9012-3456"
        ),
    )
    found = ids.identifiers(message)
    assert ("home_office_reference", "K1234567001") in found
    assert ("uan", "1234567890123456") in found
    assert {v.split("|")[0] for k, v in found if k == "name_birth"} == {"KRASNIQI LULEZIM", "GASHI LULEZIM"}
    nominee = dict(ids.identifiers(opening("S7-003")))
    assert (nominee["eoi"], nominee["gwf"]) == ("EOI30399018", "GWF625020128")


def test_other_messages() -> None:
    """Corrections and travel documents are indexed, coded messages have nothing to index."""
    document = model.TravelDocument(type=codes.DocumentType.LAISSEZ_PASSER, number="lp 12", expires_on=None)
    assert ids.identifiers(b.message(b.notice(travel_document=document))) == (("document", "LP12"),)
    assert ids.identifiers(b.message(b.notice())) == ids.identifiers(b.message(b.withdrawal())) == ()
    body: Any = b.REQUEST.body
    corrected = b.message(b.correction(persons=body.persons))
    assert set(ids.identifiers(corrected)) == set(ids.identifiers(b.REQUEST))
    assert ids.identifiers(b.message(b.correction())) == ()


def test_names_for_the_gate() -> None:
    """The Art 16 gate gets every part of every name, aliases included."""
    assert ids.names_of(b.REQUEST) == ("GASHI", "KRASNIQI", "LULEZIM")
