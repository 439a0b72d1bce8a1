"""Counting days: known dates around clock changes, month ends, leap years and holidays; and for any date."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import time
import zoneinfo
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.treaty.agreement import uk_fr
from gateway.core.treaty.clock_tables import SHIPPED_CALENDARS
from gateway.core.treaty.clocks import Clock, Unit, clocks_of, due, look_again, warnings_at
from gateway.core.treaty.days import add_working_days, calendar_of, day_of, end_of, is_working

CLOCKS = clocks_of(uk_fr())
LONDON, PARIS = zoneinfo.ZoneInfo("Europe/London"), zoneinfo.ZoneInfo("Europe/Paris")
BOTH = ("GB-ENG", "FR")
MS = dt.timedelta(milliseconds=1)
DAY = dt.timedelta(days=1)
INSTANTS = st.datetimes(
    min_value=dt.datetime(2025, 8, 6),  # noqa: DTZ001 — hypothesis wants naive bounds and adds the zone
    max_value=dt.datetime(2035, 12, 31),  # noqa: DTZ001 — as above
    timezones=st.just(dt.UTC),
)
ANY_CLOCK = st.sampled_from(list(CLOCKS.values()))


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def with_zone(clock_id: str, zone: str) -> Clock:
    return dataclasses.replace(CLOCKS[clock_id], zone=zone)


KNOWN = [
    ("autumn, Paris", "answer", "2026-10-20T10:00:00+02:00", "2026-11-03T23:59:59.999+01:00"),
    (
        "autumn, ends on the day of the change",
        "answer",
        "2026-10-11T10:00:00Z",
        "2026-10-25T23:59:59.999+01:00",
    ),
    (
        "autumn, in the hour that comes twice",
        "answer",
        "2026-10-25T00:30:00Z",
        "2026-11-08T23:59:59.999+01:00",
    ),
    ("spring, Paris", "answer", "2026-03-20T10:00:00Z", "2026-04-03T23:59:59.999+02:00"),
    (
        "spring, ends on the day of the change",
        "answer",
        "2026-03-15T10:00:00Z",
        "2026-03-29T23:59:59.999+02:00",
    ),
    ("spring, London", "request", "2026-03-28T23:30:00Z", "2026-04-11T23:59:59.999+01:00"),
    (
        "late in the evening it is the next day in Paris",
        "answer",
        "2026-06-01T22:30:00Z",
        "2026-06-16T23:59:59.999+02:00",
    ),
    (
        "and still the same day in London in winter",
        "request",
        "2026-12-01T23:30:00Z",
        "2026-12-15T23:59:59.999Z",
    ),
    (
        "the last millisecond of a day",
        "answer",
        "2026-12-01T23:59:59.999+01:00",
        "2026-12-15T23:59:59.999+01:00",
    ),
    ("the first of the next", "answer", "2026-12-02T00:00:00+01:00", "2026-12-16T23:59:59.999+01:00"),
    ("28 days over the change", "answer_extended", "2026-10-05T10:00:00Z", "2026-11-02T23:59:59.999+01:00"),
    ("three months, no such day", "procedure", "2026-11-30T12:00:00Z", "2027-02-28T23:59:59.999Z"),
    ("three months into a leap February", "procedure", "2027-11-30T12:00:00Z", "2028-02-29T23:59:59.999Z"),
    ("three months from a leap day", "procedure", "2028-02-29T12:00:00Z", "2028-05-29T23:59:59.999+01:00"),
    ("three months over the year", "visa", "2026-12-15T12:00:00Z", "2027-03-15T23:59:59.999Z"),
    ("14 days over a leap day", "answer", "2028-02-20T12:00:00Z", "2028-03-05T23:59:59.999+01:00"),
    (
        "two working days over Christmas",
        "acknowledgement_france",
        "2026-12-23T12:00:00Z",
        "2026-12-29T23:59:59.999+01:00",
    ),
    (
        "a bank holiday in England only",
        "acknowledgement_uk",
        "2026-08-27T12:00:00Z",
        "2026-09-01T23:59:59.999+01:00",
    ),
    ("14 July", "transfer_acknowledgement", "2026-07-13T12:00:00Z", "2026-07-16T23:59:59.999+02:00"),
    ("from a Saturday", "acknowledgement_france", "2026-11-21T12:00:00Z", "2026-11-24T23:59:59.999+01:00"),
]


@pytest.mark.parametrize(("clock", "start", "end"), [k[1:] for k in KNOWN], ids=[k[0] for k in KNOWN])
def test_known_dates(clock: str, start: str, end: str) -> None:
    """Counted by hand with a calendar of both countries."""
    assert due(utc(start), CLOCKS[clock]) == utc(end)


def test_one_month_after_the_last_of_january() -> None:
    """The last of February, in either kind of year."""
    month = dataclasses.replace(CLOCKS["procedure"], amount=1)
    assert due(utc("2027-01-31T12:00:00Z"), month) == utc("2027-02-28T23:59:59.999Z")
    assert due(utc("2028-01-31T12:00:00Z"), month) == utc("2028-02-29T23:59:59.999Z")


def test_days_of_the_clock_changes_have_their_own_length() -> None:
    """23 hours in spring, 25 in autumn, in both zones."""
    for zone in (LONDON, PARIS):
        for day, hours in (
            (dt.date(2026, 3, 29), 23),
            (dt.date(2026, 10, 25), 25),
            (dt.date(2026, 7, 1), 24),
        ):
            assert end_of(day, zone) - end_of(day - DAY, zone) == dt.timedelta(hours=hours)


def test_warnings_keep_their_local_hour_over_the_change() -> None:
    """Four days before the end means four midnights of that zone, not 96 hours."""
    clock = CLOCKS["answer"]
    end = due(utc("2026-10-13T10:00:00Z"), clock)
    assert end == utc("2026-10-27T23:59:59.999+01:00")
    assert warnings_at(clock, clock.zone, end) == (
        utc("2026-10-24T00:00+02:00"),
        utc("2026-10-27T00:00+01:00"),
    )


def test_shipped_calendars_are_known() -> None:
    """Those that the file is read without asking the library for are really there."""
    assert {*uk_fr().clocks.holidays} == SHIPPED_CALENDARS
    assert dt.date(2026, 8, 31) in calendar_of("GB-ENG")
    assert dt.date(2026, 7, 14) in calendar_of("FR")


def test_a_naive_instant_is_refused() -> None:
    """Nobody guesses a zone."""
    with pytest.raises(ValueError, match="zone"):
        day_of(dt.datetime(2026, 1, 1), PARIS)  # noqa: DTZ001 — that is the point


@pytest.fixture(params=["Pacific/Kiritimati", "America/Los_Angeles", "Australia/Lord_Howe"])
def machine_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """The zone of the machine, for the time of a test."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_the_machines_zone_plays_no_part(machine_zone: str) -> None:
    """The same ends wherever a node stands."""
    assert time.tzname
    for _, clock, start, end in KNOWN:
        assert due(utc(start), CLOCKS[clock]) == utc(end), machine_zone


@given(INSTANTS, ANY_CLOCK, st.sampled_from(["Europe/London", "Europe/Paris"]))
def test_days_are_counted_right(start: dt.datetime, clock: Clock, zone: str) -> None:
    """The end is the last millisecond of a local day, after the start, the right number of days on."""
    clock = with_zone(clock.id, zone)
    end = due(start, clock)
    assert end > start
    where = zoneinfo.ZoneInfo(zone)
    local, first = end.astimezone(where), start.astimezone(where).date()
    assert local.time() == dt.time(23, 59, 59, 999_000)
    passed = [first + n * DAY for n in range(1, (local.date() - first).days + 1)]
    match clock.unit:
        case Unit.DAYS:
            assert len(passed) == clock.amount
        case Unit.WORKING_DAYS:
            assert sum(is_working(day, BOTH) for day in passed) == clock.amount
            assert is_working(local.date(), BOTH)
        case Unit.MONTHS:
            months = (local.year - first.year) * 12 + local.month - first.month
            assert months == clock.amount
            assert local.day == first.day or (local.date() + DAY).day == 1


@given(INSTANTS, st.timedeltas(min_value=dt.timedelta(), max_value=dt.timedelta(days=400)), ANY_CLOCK)
def test_a_later_start_is_never_due_earlier(start: dt.datetime, more: dt.timedelta, clock: Clock) -> None:
    """``due`` is monotone."""
    assert due(start, clock) <= due(start + more, clock)


@given(INSTANTS, ANY_CLOCK)
def test_looking_again_leads_through_every_warning_to_the_breach(start: dt.datetime, clock: Clock) -> None:
    """Each step is later than the one before; the last is the first millisecond after the end."""
    end = due(start, clock)
    steps, after = [], start
    while not steps or steps[-1] <= end:
        after = look_again(clock, clock.zone, end, after=after)
        steps.append(after)
    assert steps == sorted(set(steps))
    assert steps[-1] == end + MS
    assert steps[:-1] == [at for at in warnings_at(clock, clock.zone, end) if at > start]


@given(st.dates(min_value=dt.date(2025, 1, 1), max_value=dt.date(2035, 1, 1)), st.integers(0, 15))
def test_working_days_add_up(day: dt.date, count: int) -> None:
    """n days and then m are n + m days."""
    assert add_working_days(add_working_days(day, count, BOTH), 3, BOTH) == add_working_days(
        day, count + 3, BOTH
    )
