"""ISO 8601 weeks in a recorded zone: ``2026-W47`` begins on a Monday at midnight of that zone.

A week belongs to the year that holds its Thursday, so a year has 52 or 53 of them; with a clock change a week
is an hour shorter or longer, and its bounds as instants say so.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo

_FORM = re.compile(r"(\d{4})-W(\d{2})")
_WEEK = dt.timedelta(days=7)


def week_of_day(day: dt.date) -> str:
    """``YYYY-Www`` of a calendar day."""
    year, week, _ = day.isocalendar()
    return f"{year:04d}-W{week:02d}"


def week_of(instant: dt.datetime, zone: zoneinfo.ZoneInfo) -> str:
    """The week of an aware instant in that zone. Raises ValueError for a naive one."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return week_of_day(instant.astimezone(zone).date())


def monday_of(week: str) -> dt.date:
    """First day of a week. Raises ValueError for what is no week (form, or a 53rd that its year lacks)."""
    found = _FORM.fullmatch(week)
    if found is None:
        raise ValueError("a week is written YYYY-Www, for example 2026-W47")
    return dt.date.fromisocalendar(int(found[1]), int(found[2]), 1)


def bounds_of(week: str, zone: zoneinfo.ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
    """First instant of the week and of the next one, UTC. Raises ValueError."""
    first = monday_of(week)
    start, end = (dt.datetime.combine(day, dt.time(), tzinfo=zone) for day in (first, first + _WEEK))
    return start.astimezone(dt.UTC), end.astimezone(dt.UTC)


def shift(week: str, by: int) -> str:
    """So many weeks later (or earlier). Raises ValueError."""
    return week_of_day(monday_of(week) + by * _WEEK)


def span(first: str, last: str) -> tuple[str, ...]:
    """All weeks from the first to the last, both included; none when the last comes before the first."""
    count = (monday_of(last) - monday_of(first)).days // 7 + 1
    return tuple(shift(first, number) for number in range(count))
