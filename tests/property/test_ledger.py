"""No sequence of outcome messages and corrections makes the ledger disagree with what happened."""

from __future__ import annotations

import dataclasses
import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import codes, model
from gateway.core.treaty.ledger import (
    OUTCOMES,
    Entry,
    LedgerBroken,
    Side,
    check_case,
    check_told,
    correct,
    facts,
    standing,
    step,
    weekly,
)
from gateway.core.treaty.weeks import week_of

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
START = dt.datetime(2026, 12, 20, tzinfo=dt.UTC)
INSTANTS = st.integers(0, 21 * 24 * 60).map(lambda minutes: START + dt.timedelta(minutes=minutes))
COUNTS = st.integers(0, 20)

OUTCOME = st.builds(
    lambda done, at, n: model.TransferOutcome(
        outcome=codes.TransferOutcomeCode.CARRIED_OUT if done else codes.TransferOutcomeCode.FAILED,
        reason=None if done else codes.TransferReason.COURT_ORDER,
        at=at,
        persons_transferred=n,
    ),
    st.booleans(),
    INSTANTS,
    COUNTS,
)
RECEIPT = st.builds(
    lambda at, n: model.TransferReceipt(taken_charge_at=at, place="FRCDG", flight=None, persons_received=n),
    INSTANTS,
    COUNTS,
)
ADMISSION = st.builds(
    lambda arrived, at, n: model.AdmissionOutcome(
        outcome=codes.AdmissionOutcomeCode.ARRIVED if arrived else codes.AdmissionOutcomeCode.LAPSED,
        at=at,
        persons_admitted=n,
    ),
    st.booleans(),
    INSTANTS,
    COUNTS,
)
CORRECTION = st.tuples(st.sampled_from(OUTCOMES), st.one_of(st.none(), COUNTS), st.none() | INSTANTS)
EVENTS = st.lists(st.one_of(OUTCOME, RECEIPT, ADMISSION, CORRECTION), max_size=12)


def message(body: model.Body, number: int) -> model.Message:
    return model.Message(
        message_id=f"00000000-0000-7000-8000-{number:012d}",
        reference="GB01-7QK3M9ZT4XWC",
        conversation_id="00000000-0000-7000-8000-ffffffffffff",
        issued_at=START,
        in_reply_to=None,
        body=body,
    )


def play(events: list[object]) -> tuple[list[model.Message], list[Entry], dict[Side, tuple[int, str] | None]]:
    """Messages, stored entries, and by a model of its own what stands on each side: (persons, week)."""
    messages: list[model.Message] = []
    entries: list[Entry] = []
    truth: dict[Side, tuple[int, str] | None] = dict.fromkeys(OUTCOMES)
    spoken: set[Side] = set()

    def add(new: tuple[Entry, ...]) -> None:
        for entry in new:
            entries.append(dataclasses.replace(entry, entry_id=len(entries) + 1, booked_at=START))

    for event in events:
        if isinstance(event, tuple):
            side, persons, at = event
            stands = standing(entries, side)
            if stands is not None:
                add(correct(stands, persons=persons, event_at=at, actor="operator:x", zone=PARIS))
                week = stands.week if at is None else week_of(at, PARIS)
                truth[side] = None if persons is None else (persons, week)
            continue
        messages.append(message(event, len(messages)))
        add(step(messages[-1], entries, PARIS))
        match event:
            case model.TransferOutcome(outcome=codes.TransferOutcomeCode.CARRIED_OUT):
                if Side.READMITTED not in spoken:
                    truth[Side.READMITTED] = (event.persons_transferred, week_of(event.at, PARIS))
                spoken.add(Side.READMITTED)
            case model.TransferReceipt():
                truth[Side.READMITTED] = (event.persons_received, week_of(event.taken_charge_at, PARIS))
                spoken.add(Side.READMITTED)
            case model.AdmissionOutcome(outcome=codes.AdmissionOutcomeCode.ARRIVED):
                if Side.ADMITTED not in spoken:
                    truth[Side.ADMITTED] = (event.persons_admitted, week_of(event.at, PARIS))
                spoken.add(Side.ADMITTED)
    return messages, entries, truth


@given(EVENTS)
def test_the_ledger_says_what_happened(events: list[object]) -> None:
    """Sums by side and week are those of an independent model, and the stored rows prove themselves."""
    messages, entries, truth = play(events)
    sums: dict[tuple[str, str], int] = {}
    for entry in entries:
        key = (entry.week, entry.side.value)
        sums[key] = sums.get(key, 0) + entry.persons
    expected = {(stands[1], side.value): stands[0] for side, stands in truth.items() if stands}
    assert {k: v for k, v in sums.items() if v} == {k: v for k, v in expected.items() if v}
    check_case(messages, entries, PARIS)
    check_told(entries, map(facts, entries))
    last = weekly(sums, until=max([week for week, _ in sums], default="2026-W52"))[-1]
    totals = {side.value: truth[side] or (0, "") for side in OUTCOMES}
    assert last.total_difference == totals["readmitted"][0] - totals["admitted"][0]


@given(EVENTS, st.data())
def test_any_change_of_a_row_is_found(events: list[object], data: st.DataObject) -> None:
    """One more or fewer person, or a row lost, in any place: the checks say so. Where operators corrected, a
    row can be missing without contradicting the messages; the audit log tells of it all the same."""
    messages, entries, _ = play(events)
    if not entries:
        return
    place = data.draw(st.integers(0, len(entries) - 1))
    gateway_only = entries[place].actor == "gateway"
    if gateway_only:
        worse = [*entries]
        worse[place] = dataclasses.replace(worse[place], persons=worse[place].persons + 1)
        with pytest.raises(LedgerBroken):
            check_case(messages, worse, PARIS)
        with pytest.raises(LedgerBroken):
            check_told(worse, map(facts, entries))
    fewer = entries[:place] + entries[place + 1 :]
    with pytest.raises(LedgerBroken):
        check_told(fewer, map(facts, entries))
    if not any(isinstance(event, tuple) for event in events) and entries[place].persons:
        with pytest.raises(LedgerBroken):
            check_case(messages, fewer, PARIS)


@given(EVENTS)
def test_an_entry_is_countered_once_at_the_most(events: list[object]) -> None:
    """Every counter-entry names another entry and is its exact negative."""
    _, entries, _ = play(events)
    countered = [e.corrects for e in entries if e.corrects is not None]
    assert len(countered) == len(set(countered))
    by_id = {e.entry_id: e for e in entries}
    for entry in entries:
        if entry.corrects is not None:
            original = by_id[entry.corrects]
            assert (original.persons, original.week) == (-entry.persons, entry.week)
            assert original.corrects is None
