"""Queries of messages: what a text means, how it is written back, what is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codes import Direction, MessageType
from gateway.core.records import MessageStatus
from gateway.flows.message_search import (
    ZONES,
    MessageQuery,
    QueryRefused,
    canonical,
    narrow,
    parse,
    parse_text,
)
from gateway.flows.ports_search import MessageFilter

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
UUID = "019ab6af-f760-7000-8000-000000000001"
REFERENCE = "GB01-7QK3M9ZT4XWC"


def asked(text: str) -> MessageFilter:
    return narrow(parse(parse_qs(text)), NOW)


QUERIES = st.builds(
    MessageQuery,
    text=st.sampled_from(["", UUID, REFERENCE, "GB02P-7", f"{UUID}@fr.example", "quota", "EBMS:*"]),
    types=st.lists(st.sampled_from(MessageType), unique=True).map(sorted).map(tuple),
    statuses=st.lists(st.sampled_from(MessageStatus), unique=True).map(sorted).map(tuple),
    direction=st.none() | st.sampled_from(Direction),
    begin=st.sampled_from(["", "2026-11-23", "2026-11-23T14:30"]),
    end=st.sampled_from(["", "2026-12-01"]),
    zone=st.sampled_from(ZONES),
    older=st.sampled_from(["", "90 min", "4 h"]),
    newer=st.sampled_from(["", "2 d"]),
    attempts=st.none() | st.integers(0, 9999),
    no_receipt=st.booleans(),
    endpoint=st.sampled_from(["", "urn:fr:party"]),
)


@given(QUERIES)
def test_a_query_is_written_one_way(query: MessageQuery) -> None:
    """Read back it is the same query, and written again the same text."""
    text = canonical(query)
    again = parse_text(text)
    assert canonical(again) == text
    assert narrow(again, NOW) == narrow(query, NOW)


def test_nothing_asked_is_nothing_written() -> None:
    """An empty form makes an empty query, and a zone without a time says nothing."""
    assert canonical(parse({})) == ""
    assert canonical(parse({"q": ["  "], "type": [""], "zone": ["Europe/Paris"]})) == ""
    assert asked("") == MessageFilter()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (UUID, {"id_prefix": UUID}),
        (UUID.upper(), {"id_prefix": UUID}),
        (UUID[:13], {"id_prefix": UUID[:13]}),
        (f"{UUID}@fr.example", {"as4_message_id": f"{UUID}@fr.example"}),
        (REFERENCE.lower(), {"reference": REFERENCE}),
        ("gb01-7qk", {"reference_prefix": "GB01-7QK"}),
        ("EBMS:0004", {"code_prefix": "EBMS:0004"}),
        ("quota", {"code_prefix": "quota"}),
    ],
)
def test_a_text_is_what_it_looks_like(text: str, expected: dict[str, Any]) -> None:
    """Ids, references and codes have forms of their own, in any case."""
    assert narrow(parse({"q": [text]}), NOW) == MessageFilter(**expected)


def test_times_are_those_of_the_zone() -> None:
    """A day is meant from midnight to midnight there, in winter and in summer; ages count from now."""
    winter = asked("from=2026-11-23&to=2026-11-23&zone=Europe/Paris")
    assert winter.received_from == dt.datetime(2026, 11, 22, 23, 0, tzinfo=dt.UTC)
    assert winter.received_before == dt.datetime(2026, 11, 23, 23, 0, tzinfo=dt.UTC)
    summer = asked("from=2026-07-01T08:30&zone=Europe/London")
    assert summer.received_from == dt.datetime(2026, 7, 1, 7, 30, tzinfo=dt.UTC)
    assert asked("older=4+h").received_before == NOW - dt.timedelta(hours=4)
    assert asked("newer=2+d").received_from == NOW - dt.timedelta(days=2)
    both = asked("older=1+d&to=2026-11-01&newer=30+d&from=2026-01-01")
    assert both.received_before == dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
    assert both.received_from == NOW - dt.timedelta(days=30)


@pytest.mark.parametrize(
    "text",
    ["2026-07-01T08:30:00Z", "2026-07-01 08:30:00Z", "2026-07-01T10:30%2B02:00", "2026-07-01T08:30:00.000Z"],
)
def test_an_instant_says_its_own_offset(text: str) -> None:
    """As tables and answers write it; the zone of the query does not count, and no day is added."""
    where = asked(f"from={text}&to={text}&zone=Europe/Paris")
    assert where.received_from == where.received_before == dt.datetime(2026, 7, 1, 8, 30, tzinfo=dt.UTC)


def test_a_star_makes_a_beginning() -> None:
    """Codes are exact without it; references that are not whole are beginnings anyway."""
    assert asked("code=EBMS:0004").code == "EBMS:0004"
    assert asked("code=EBMS:*").code_prefix == "EBMS:"
    assert asked("reference=GB02").reference_prefix == "GB02"
    assert asked(f"reference={REFERENCE}").reference == REFERENCE


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("type=Letter", "type"),
        ("status=lost", "status"),
        ("direction=UK_TO_DE", "direction"),
        ("direction=UK_TO_FR&direction=FR_TO_UK", "direction"),
        ("attempts=many", "attempts"),
        ("attempts=-1", "attempts"),
        ("receipt=yes", "receipt"),
        ("older=yesterday", "older"),
        ("newer=4", "newer"),
        ("from=23/11/2026", "from"),
        ("to=2026-02-30", "to"),
        ("from=2026-11-23&zone=Asia/Tokyo", "zone"),
        ("zone=Asia/Tokyo", "zone"),
        ("from=2026-11-23T25:00Z", "from"),
        ("to=9999-12-31T23:59-01:00", "to"),
        ("reference=FR01-7QK", "reference"),
        ("code=a b", "code"),
        ("q=Jean+Dupont", "q"),
        ("q=quota&code=EBMS:0004", "q"),
        ("name=x", "filter"),
        (f"q={'x' * 300}", "q"),
        ("to=9999-12-31", "to"),
    ],
)
def test_what_means_nothing_is_refused_by_its_field(text: str, name: str) -> None:
    """The error names the field, never what was typed there."""
    with pytest.raises(QueryRefused) as refused:
        asked(text)
    assert refused.value.name == name
    assert "Dupont" not in refused.value.detail


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text: str) -> None:
    """Whatever is typed into the search box is a filter or a refusal of that field."""
    refused: list[str] = []
    try:
        narrow(parse({"q": [text]}), NOW)
    except QueryRefused as error:
        refused.append(error.name)
    assert refused in ([], ["q"])
