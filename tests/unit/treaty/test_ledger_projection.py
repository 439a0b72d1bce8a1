"""What the cases in progress promise: announced transfers, visas by their end, and what has no date yet."""

from __future__ import annotations

import datetime as dt
import zoneinfo

from contracts.codes import CaseKind
from gateway.core.treaty.projection import Expected, expect, project
from tests.unit.treaty.builders import (
    NOMINATION,
    REQUEST,
    confirmation,
    correction,
    decision,
    message,
    notice,
    visa,
)

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
R, N = CaseKind.READMISSION, CaseKind.NOMINATION
PERSONS = len(REQUEST.body.persons)  # type: ignore[union-attr]  # the fixture is a request


def test_a_transfer_counts_in_the_week_of_its_arrival() -> None:
    """The last notice rules; an alternative time of France replaces it."""
    early = message(notice(arrival_at=dt.datetime(2026, 12, 1, 9, tzinfo=dt.UTC)))
    late = message(notice(arrival_at=dt.datetime(2026, 12, 8, 9, tzinfo=dt.UTC)))
    assert expect(R, "transfer_notified", [REQUEST, early, late], PARIS) == Expected(
        kind=R, persons=PERSONS, week="2026-W50"
    )
    other = confirmation("alternative_proposed")
    values = {name: getattr(other, name) for name in other.__struct_fields__}
    at = dt.datetime(2026, 12, 14, 9, tzinfo=dt.UTC)
    proposed = message(type(other)(**{**values, "at": at}))
    found = expect(R, "transfer_alternative", [REQUEST, late, proposed], PARIS)
    assert found is not None
    assert found.week == "2026-W51"


def test_accepted_without_a_notice_has_no_date() -> None:
    """Accepted, declined or failed: persons will come, nobody knows when."""
    for status in ("accepted", "transfer_declined", "transfer_failed"):
        found = expect(R, status, [REQUEST, message(decision("accepted")), message(notice())], PARIS)
        assert found == Expected(kind=R, persons=PERSONS, week=None)


def test_a_correction_changes_how_many_come() -> None:
    """The persons of the last correction, not those of the request."""
    persons = REQUEST.body.persons  # type: ignore[union-attr]  # the fixture is a request
    changed = message(correction(persons=(*persons, *persons)))
    found = expect(R, "accepted", [REQUEST, changed], PARIS)
    assert found == Expected(kind=R, persons=2 * PERSONS, week=None)


def test_a_visa_counts_in_the_week_of_its_end() -> None:
    """The last week in which the person can arrive."""
    granted = message(visa(until=dt.date(2027, 1, 3)), of=NOMINATION)
    found = expect(N, "visa_granted", [NOMINATION, granted], PARIS)
    assert found is not None
    assert found.week == "2026-W53"


def test_undecided_cases_promise_nothing() -> None:
    """Requested, refused, arrived: not (or no longer) to come."""
    for kind, status in ((R, "requested"), (R, "received"), (N, "nominated"), (N, "arrived")):
        assert expect(kind, status, [REQUEST], PARIS) is None


def test_projection_carries_the_balance_on() -> None:
    """What is overdue counts now, weeks have no gaps, the signed balance goes on from today's."""
    cases = [
        Expected(kind=R, persons=2, week="2026-W40"),
        Expected(kind=R, persons=1, week="2026-W50"),
        Expected(kind=N, persons=4, week="2026-W50"),
        Expected(kind=R, persons=3, week=None),
    ]
    projection = project(cases, now_week="2026-W48", difference=-1, at_least=2)
    assert [(w.week, w.readmissions, w.admissions, w.difference) for w in projection.weeks] == [
        ("2026-W48", 2, 0, 1),
        ("2026-W49", 0, 0, 1),
        ("2026-W50", 1, 4, -2),
    ]
    assert projection.undated_readmissions == 3
    assert [w.week for w in project([], now_week="2026-W52", difference=0, at_least=3).weeks] == [
        "2026-W52",
        "2026-W53",
        "2027-W01",
    ]
