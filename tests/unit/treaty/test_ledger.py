"""The ledger derived from outcome messages: what books, what is countered, what stands, what is noted."""

from __future__ import annotations

import dataclasses
import datetime as dt
import zoneinfo

import pytest

from contracts import model
from gateway.core.treaty.ledger import (
    BalanceState,
    Entry,
    LedgerBroken,
    Reason,
    Side,
    check_case,
    correct,
    counter,
    derive,
    difference,
    judge_balance,
    last_week_of,
    standing,
    weekly,
)
from tests.unit.treaty.builders import LATER, NOMINATION, admission, message, outcome, receipt

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
AFTER = LATER + dt.timedelta(hours=3)


def booked(*bodies: model.Body, of: model.Message | None = None) -> tuple[Entry, ...]:
    """What these messages of one case derive."""
    messages = [message(body, at=LATER + dt.timedelta(minutes=n)) for n, body in enumerate(bodies)]
    if of is not None:
        messages = [message(body, of=of) for body in bodies]
    return derive(messages, PARIS)


def shape(entries: tuple[Entry, ...]) -> list[tuple[str, int, str | None]]:
    return [(e.side.value, e.persons, e.reason and e.reason.value) for e in entries]


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [
        ([outcome("carried_out", 2)], [("readmitted", 2, None)]),
        ([outcome("carried_out", 2), receipt(2)], [("readmitted", 2, None)]),
        ([receipt(2), outcome("carried_out", 2)], [("readmitted", 2, None)]),
        (
            [outcome("carried_out", 3), receipt(2)],
            [("readmitted", 3, None), ("readmitted", -3, "receipt_differs"), ("readmitted", 2, None)],
        ),
        (
            [receipt(2), outcome("carried_out", 3)],
            [("readmitted", 2, None), ("readmitted", 0, "outcome_differs")],
        ),
        ([outcome("failed")], []),
        ([outcome("failed"), outcome("carried_out", 1)], [("readmitted", 1, None)]),
        ([outcome("carried_out", 1), outcome("carried_out", 1)], [("readmitted", 1, None)]),
        ([admission("arrived", 4)], [("admitted", 4, None)]),
        ([admission("lapsed")], []),
    ],
)
def test_one_transfer_counts_once(
    bodies: list[model.Body], expected: list[tuple[str, int, str | None]]
) -> None:
    """Whichever report comes first, France's number stands, and a difference stays visible."""
    entries = booked(*bodies)
    assert shape(entries) == expected
    numbers = {entry.entry_id: entry.persons for entry in entries}
    assert all(numbers[e.corrects] == -e.persons for e in entries if e.corrects is not None)


def test_receipt_in_another_week_moves_the_persons() -> None:
    """Departure late on Sunday, taken charge on Monday: they count in the week of the receiving side."""
    sunday = dt.datetime(2026, 11, 22, 22, 30, tzinfo=dt.UTC)
    first = message(dataclasses_replace(outcome("carried_out", 1), at=sunday))
    second = message(dataclasses_replace(receipt(1), taken_charge_at=sunday + dt.timedelta(hours=1)))
    entries = derive([first, second], PARIS)
    assert [(e.week, e.persons, e.reason) for e in entries] == [
        ("2026-W47", 1, None),
        ("2026-W47", -1, Reason.RECEIPT_OTHER_WEEK),
        ("2026-W48", 1, None),
    ]
    assert not any(e.is_difference for e in entries)


def dataclasses_replace(body: model.Body, **changes: object) -> model.Body:
    values = {name: getattr(body, name) for name in body.__struct_fields__}
    return type(body)(**{**values, **changes})


def numbered(entries: list[Entry]) -> list[Entry]:
    return [dataclasses.replace(entry, entry_id=n) for n, entry in enumerate(entries, 1)]


def test_operator_correction_is_a_counter_entry_and_a_new_one() -> None:
    """The sum changes, the first entry does not; what stands is the replacement, or nothing."""
    entries = list(booked(outcome("carried_out", 3)))
    made = correct(entries[0], persons=2, event_at=None, actor="operator:a", zone=PARIS)
    after = numbered([*entries, *made])
    assert [e.persons for e in after] == [3, -3, 2]
    assert standing(after, Side.READMITTED) == after[2]
    gone = numbered([*after, *correct(after[2], persons=None, event_at=None, actor="operator:a", zone=PARIS)])
    assert standing(gone, Side.READMITTED) is None
    assert sum(e.persons for e in gone) == 0


def test_check_accepts_corrections_between_messages_and_finds_any_change() -> None:
    """Messages with a correction in between hold; one person more, one row less, another week do not."""
    messages = [message(outcome("carried_out", 3)), message(receipt(2), at=AFTER)]
    first = numbered(list(derive(messages[:1], PARIS)))
    second = numbered([*first, *correct(first[0], persons=1, event_at=None, actor="operator:a", zone=PARIS)])
    back = counter(second[2], Reason.RECEIPT_DIFFERS, message_id=messages[1].message_id)
    booked_receipt = dataclasses.replace(
        derive(messages[1:], PARIS)[0], entry_id=0, message_id=messages[1].message_id
    )
    whole = numbered([*second, back, booked_receipt])
    check_case(messages, whole, PARIS)
    bad = [
        whole[:-1],
        whole[1:],
        [*whole[:-1], dataclasses.replace(whole[-1], persons=3)],
        [*whole[:-1], dataclasses.replace(whole[-1], week="2026-W01")],
        [dataclasses.replace(whole[0], actor="operator:a"), *whole[1:]],
        numbered([*whole, dataclasses.replace(whole[-1], entry_id=0)]),
    ]
    for rows in bad:
        with pytest.raises(LedgerBroken):
            check_case(messages, rows, PARIS)


def test_a_correction_by_the_gateway_is_none() -> None:
    """A counter-entry that no operator made, and that no message derives, breaks the ledger."""
    messages = [message(outcome("carried_out", 3))]
    first = list(derive(messages, PARIS))
    forged = numbered([*first, counter(first[0], Reason.CORRECTED)])
    with pytest.raises(LedgerBroken):
        check_case(messages, forged, PARIS)


def test_weeks_have_no_gaps_and_cumulate() -> None:
    """A week without anybody is a row of zeros that carries the sums on; quota places are not counted."""
    sums = {
        ("2026-W45", "readmitted"): 3,
        ("2026-W47", "admitted"): 5,
        ("2026-W44", "requested"): 9,
        ("2026-W48", "readmitted"): 1,
    }
    figures = weekly(sums, until="2026-W47")
    assert [(f.week, f.readmitted, f.admitted, f.difference, f.total_difference) for f in figures] == [
        ("2026-W45", 3, 0, 3, 3),
        ("2026-W46", 0, 0, 0, 3),
        ("2026-W47", 0, 5, -5, -2),
    ]
    assert difference(sums) == -1
    assert last_week_of(sums, "2026-W47") == "2026-W48"
    assert [f.week for f in weekly({}, until="2026-W47")] == ["2026-W47"]


@pytest.mark.parametrize(
    ("signed", "hold", "state"),
    [
        (49, 0, BalanceState.LEVEL),
        (50, 0, BalanceState.WARN),
        (-50, 0, BalanceState.WARN),
        (10_000, 0, BalanceState.WARN),
        (99, 100, BalanceState.WARN),
        (100, 100, BalanceState.HOLD_READMISSIONS),
        (-100, 100, BalanceState.HOLD_NOMINATIONS),
    ],
)
def test_thresholds_act_on_the_direction_that_is_ahead(signed: int, hold: int, state: BalanceState) -> None:
    """At the threshold itself it acts; without one nothing is ever held."""
    assert judge_balance(signed, warn=50, hold=hold) is state


def test_entries_name_message_and_case() -> None:
    """An admission is booked on its own message, with the instant of the arrival."""
    (entry,) = booked(admission("arrived", 1), of=NOMINATION)
    assert (entry.reference, entry.event_at, entry.actor) == (NOMINATION.reference, LATER, "gateway")
