"""ISO weeks in a zone: year ends, week 53, clock changes, both zones of the agreement."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest

from gateway.core.treaty.weeks import bounds_of, monday_of, shift, span, week_of

PARIS, LONDON = zoneinfo.ZoneInfo("Europe/Paris"), zoneinfo.ZoneInfo("Europe/London")
MS = dt.timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("instant", "zone", "week"),
    [
        ("2026-11-22T22:59:59.999Z", PARIS, "2026-W47"),
        ("2026-11-22T23:00:00Z", PARIS, "2026-W48"),
        ("2026-11-22T23:00:00Z", LONDON, "2026-W47"),
        ("2026-11-23T00:00:00Z", LONDON, "2026-W48"),
        ("2026-12-31T12:00:00Z", PARIS, "2026-W53"),
        ("2027-01-03T22:59:59Z", PARIS, "2026-W53"),
        ("2027-01-03T23:00:00Z", PARIS, "2027-W01"),
        ("2024-12-30T12:00:00Z", PARIS, "2025-W01"),
        ("2026-07-05T21:59:59Z", PARIS, "2026-W27"),
        ("2026-07-05T22:00:00Z", PARIS, "2026-W28"),
        ("2026-07-05T22:59:59Z", LONDON, "2026-W27"),
        ("2026-07-05T23:00:00Z", LONDON, "2026-W28"),
    ],
)
def test_week_of_an_instant(instant: str, zone: zoneinfo.ZoneInfo, week: str) -> None:
    """A week ends at Sunday midnight of its zone, in summer and winter, across years."""
    at = dt.datetime.fromisoformat(instant)
    assert week_of(at, zone) == week
    start, end = bounds_of(week, zone)
    assert start <= at < end


@pytest.mark.parametrize(("week", "hours"), [("2026-W13", 167), ("2026-W43", 169), ("2026-W44", 168)])
def test_weeks_with_a_clock_change_are_an_hour_shorter_or_longer(week: str, hours: int) -> None:
    """29 March 2026 has 23 hours, 25 October 25; the next week begins at midnight all the same."""
    for zone in (PARIS, LONDON):
        start, end = bounds_of(week, zone)
        assert (end - start) == dt.timedelta(hours=hours)
        assert week_of(end - MS, zone) == week != week_of(end, zone)


def test_counting_weeks_over_a_year_with_53() -> None:
    """2026 has 53 weeks, 2027 has 52."""
    assert span("2026-W52", "2027-W02") == ("2026-W52", "2026-W53", "2027-W01", "2027-W02")
    assert shift("2027-W01", -1) == "2026-W53"
    assert span("2027-W02", "2027-W01") == ()


@pytest.mark.parametrize("bad", ["2027-W53", "2026-W00", "2026-47", "2026W47", "W47", "", "2026-W47\n"])
def test_what_is_no_week_is_refused(bad: str) -> None:
    """Form, week 0, and a 53rd week of a year that has none."""
    with pytest.raises(ValueError, match=r"week|Invalid"):
        monday_of(bad)


def test_a_naive_instant_has_no_week() -> None:
    """Nobody's local time is guessed."""
    with pytest.raises(ValueError, match="zone"):
        week_of(dt.datetime(2026, 11, 23), PARIS)  # noqa: DTZ001 — the naive one is the point
