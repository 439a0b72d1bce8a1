"""Masked content: no field without a rule, nothing personal in any masked row, labels both ways."""

from __future__ import annotations

import datetime as dt
import inspect
import json

import msgspec
import pytest

from contracts import model
from contracts.codes import MessageType
from gateway.core.field_words import FIELDS, Mask
from gateway.core.masking import FROM_FRANCE_ONLY, HIDDEN, content_rows, masked
from gateway.core.reveal import REASONS, RevealReason
from gateway.core.treaty.privacy import FROM_FRANCE
from tests.fixtures.cases import load_cases, to_message
from tests.integration.privacy.search import Search

RECORDS = load_cases()
HEADER = {"message_id", "reference", "conversation_id", "issued_at", "in_reply_to", "body"}


def test_every_field_has_words_and_a_mask() -> None:
    """A field added to the model is missing here until somebody decides how it is shown."""
    structs = [c for _, c in inspect.getmembers(model, inspect.isclass) if issubclass(c, msgspec.Struct)]
    fields = {name for c in structs for name in c.__struct_fields__} - HEADER
    assert fields - set(FIELDS) == set()
    assert set(FIELDS) - fields == set()


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r["case"])
def test_masked_rows_hold_nothing_of_the_person(record: dict[str, object]) -> None:
    """Of all 120 cases no name, number or birth date is in what the page gets while it is masked."""
    message, _ = to_message(record)
    rows = content_rows(message, revealed=False)
    assert Search.of([record]).in_text(json.dumps(rows, ensure_ascii=False)) == set()
    assert any(r["masked"] for r in rows)


@pytest.mark.parametrize("record", RECORDS[::12], ids=lambda r: r["case"])
def test_a_reveal_shows_all_of_it(record: dict[str, object]) -> None:
    """The same rows with values; no row is masked any more."""
    message, _ = to_message(record)
    hidden, clear = content_rows(message, revealed=False), content_rows(message, revealed=True)
    assert [r["path"] for r in hidden][:5] == [r["path"] for r in clear][:5]
    assert not any(r["masked"] for r in clear)
    text = " ".join(r["value"]["en"] for r in clear if r["value"])
    assert Search.of([record]).in_text(text)


def test_codes_are_in_words_of_each_side() -> None:
    """Coded values carry the labels of the code lists."""
    message, _ = to_message(RECORDS[0])
    rows = {r["path"]: r for r in content_rows(message, revealed=True)}
    role = rows["/persons/0/role"]["value"]
    assert role["en"] != role["fr"]


def test_an_empty_heading_is_masked_like_a_full_one() -> None:
    """That somebody has no document says something about them."""
    message, _ = to_message(RECORDS[0])
    rows = {r["path"]: r for r in content_rows(message, revealed=False)}
    assert rows["/persons/0/civil_status"]["masked"]


@pytest.mark.parametrize(
    ("value", "mask", "shown"),
    [
        ("P57126116", Mask.LAST, f"{HIDDEN}16"),
        ("12345", Mask.LAST, HIDDEN),
        (model.BirthDate(year=1990, month=4, day=20), Mask.YEAR, f"1990 {HIDDEN}"),
        (model.BirthDate(year=None, month=None, day=None), Mask.YEAR, HIDDEN),
        (dt.date(2030, 5, 6), Mask.YEAR, f"2030 {HIDDEN}"),
        ("Anything", Mask.HIDE, HIDDEN),
        (7, Mask.HIDE, HIDDEN),
    ],
)
def test_masks(value: object, mask: Mask, shown: str) -> None:
    """Nothing but the year, or the last two of a number that is long enough."""
    assert masked(value, mask) == shown


def test_what_only_france_sends_holds_nothing_to_mask() -> None:
    """The types shown in clear are those that the privacy gate lets France send, and only France sends."""
    assert set(FROM_FRANCE) > FROM_FRANCE_ONLY
    shared = {MessageType.ACKNOWLEDGEMENT, MessageType.STATUS_UPDATE}
    assert set(FROM_FRANCE) - FROM_FRANCE_ONLY == shared


def test_reasons_are_in_both_languages() -> None:
    """Each coded reason has its words."""
    assert set(REASONS) == set(RevealReason)
    assert all(w.en and w.fr and w.en != w.fr for w in REASONS.values())


def test_names_that_senders_choose_are_hidden() -> None:
    """People name a file, and so its part, after the person: neither it nor a reference to it is shown."""
    for field in ("content_id", "file_name", "attachment", "photo"):
        assert FIELDS[field][1] is Mask.HIDE, field
