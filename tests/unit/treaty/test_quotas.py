"""Quotas: which limit rules in a week, which places are given back, what parity stops, and what it says."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from contracts.codes import CaseKind
from gateway.core.records import MessageStatus
from gateway.core.treaty.agreement import Agreement, uk_fr
from gateway.core.treaty.ledger import OUTCOMES
from gateway.core.treaty.quotas import (
    CODES,
    FOLLOWS,
    QuotaChange,
    QuotaKind,
    frees,
    held_by_parity,
    limit_of,
    persons_of,
    problem_of,
)
from tests.unit.treaty.builders import NOMINATION, REQUEST, message, withdrawal

AGREEMENT = uk_fr()
R, N = QuotaKind.READMISSIONS, QuotaKind.NOMINATIONS
AT = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)


def change(number: int, persons: int, week: str, kind: QuotaKind = R) -> QuotaChange:
    return QuotaChange(
        change_id=number, kind=kind, persons=persons, from_week=week, reason="r", actor="a", at=AT
    )


@pytest.mark.parametrize(
    ("week", "limit"),
    [("2026-W46", 50), ("2026-W47", 60), ("2026-W49", 60), ("2026-W50", 80), ("2027-W01", 80)],
)
def test_the_last_change_that_has_begun_rules(week: str, limit: int) -> None:
    """Before any change the agreement; a later change for an earlier week ends where a planned one begins."""
    changes = [
        change(1, 80, "2026-W50"),
        change(2, 55, "2026-W47"),
        change(3, 60, "2026-W47"),
        change(4, 1, "2026-W40", N),
    ]
    found, ruling = limit_of(R, week, changes, AGREEMENT)
    assert found == limit
    assert (ruling is None) == (week == "2026-W46")
    assert limit_of(N, week, changes, AGREEMENT)[0] == 1


def with_hold(difference: int) -> Agreement:
    balance = msgspec.structs.replace(AGREEMENT.balance, hold_difference=difference)
    return msgspec.structs.replace(AGREEMENT, balance=balance)


def test_parity_stops_the_direction_that_is_ahead() -> None:
    """Too many readmitted: requests wait; too many admitted: nominations; switched off: nobody."""
    assert held_by_parity(R, 10, with_hold(10))
    assert not held_by_parity(N, 10, with_hold(10))
    assert held_by_parity(N, -10, with_hold(10))
    assert not held_by_parity(R, -10, with_hold(10))
    assert not held_by_parity(R, 9, with_hold(10))
    assert not held_by_parity(R, 100_000, with_hold(0))


@pytest.mark.parametrize(
    ("rule", "message_status", "case_status", "given_back"),
    [
        ("never", MessageStatus.CANCELLED, "withdrawn", False),
        ("unsent", MessageStatus.CANCELLED, "withdrawn", True),
        ("unsent", MessageStatus.DELIVERED, "withdrawn", False),
        ("unsent", MessageStatus.DELIVERED, "refused", False),
        ("ended", MessageStatus.DELIVERED, "refused", True),
        ("ended", MessageStatus.DELIVERED, "withdrawn", True),
        ("ended", MessageStatus.DELIVERED, "received", False),
        ("ended", MessageStatus.DELIVERED, "accepted", False),
    ],
)
def test_which_places_are_given_back(
    rule: str, message_status: MessageStatus, case_status: str, given_back: bool
) -> None:
    """As the agreement says: never, only what never left, or also what ended without a transfer."""
    kind = CaseKind.READMISSION
    assert frees(rule, kind=kind, message=message_status, case_status=case_status) is given_back


def test_an_arrival_keeps_its_place() -> None:
    """The nomination did what it was for; a lapsed visa did not."""
    kind = CaseKind.NOMINATION
    delivered = MessageStatus.DELIVERED
    assert not frees("ended", kind=kind, message=delivered, case_status="arrived")
    assert frees("ended", kind=kind, message=delivered, case_status="lapsed")


def test_each_direction_has_an_account_of_its_own() -> None:
    """Places are not persons: they are booked beside readmitted and admitted, never among them."""
    assert [kind.side.value for kind in QuotaKind] == ["requested", "nominated"]
    assert not {kind.side for kind in QuotaKind} & set(OUTCOMES)


def test_only_opening_messages_take_places() -> None:
    """One place for each person of the request or nomination."""
    assert persons_of(REQUEST) == len(REQUEST.body.persons)  # type: ignore[union-attr]  # a request
    assert persons_of(NOMINATION) == len(NOMINATION.body.persons)  # type: ignore[union-attr]  # a nomination
    assert persons_of(message(withdrawal())) == 0


@pytest.mark.parametrize("code", sorted({*CODES, FOLLOWS}))
def test_every_code_has_both_texts(code: str) -> None:
    """The receipt says in both languages why the message waits."""
    problem = problem_of(code)
    assert problem.code == code
    assert problem.message_en
    assert problem.message_fr
    assert problem.message_en != problem.message_fr


def test_the_shipped_quotas_are_labelled_unverified() -> None:
    """Fifty a week was talked of, not published; no hold threshold is known, so none acts."""
    assert AGREEMENT.quotas.unverified
    assert AGREEMENT.balance.unverified
    assert (AGREEMENT.quotas.readmissions, AGREEMENT.balance.hold_difference) == (50, 0)
