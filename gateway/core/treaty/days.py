"""Counting days: in a recorded zone, across clock changes and month ends, over weekends and public holidays.

Nothing here looks at the machine's zone: every function is given the zone or works on plain dates.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping
from functools import cache

_DAY = dt.timedelta(days=1)
_MS = dt.timedelta(milliseconds=1)
_SATURDAY = 5


def day_of(instant: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.date:
    """Calendar day of an aware instant in the zone. Raises ValueError for a naive one."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(zone).date()


def end_of(day: dt.date, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """The last millisecond of that day in the zone, UTC."""
    midnight = dt.datetime.combine(day + _DAY, dt.time(), tzinfo=zone)
    return midnight.astimezone(dt.UTC) - _MS


@cache
def calendar_of(name: str) -> Mapping[dt.date, str]:
    """Public holidays of a country or its part (``FR``, ``GB-ENG``); grows by itself with the years asked
    for. Raises LookupError for an unknown one."""
    import holidays  # takes a tenth of a second: only where days are counted

    country, _, part = name.partition("-")
    try:
        return holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError as exc:
        raise LookupError("no such calendar of public holidays") from exc


def is_working(day: dt.date, calendars: Iterable[str]) -> bool:
    """Monday to Friday, and a public holiday in none of the calendars."""
    return day.weekday() < _SATURDAY and not any(day in calendar_of(name) for name in calendars)


def add_working_days(day: dt.date, count: int, calendars: Iterable[str]) -> dt.date:
    """The ``count``-th working day after that day, which itself is day 0 whether one works on it or not."""
    names = tuple(calendars)
    while count > 0:
        day += _DAY
        if is_working(day, names):
            count -= 1
    return day
