"""Age as far as a birth date of any precision proves it; nothing is invented (domain: conventions)."""

from __future__ import annotations

import calendar
import datetime as dt
from enum import StrEnum

from contracts.model import BirthDate

ADULT_YEARS = 18


class Age(StrEnum):
    ADULT = "adult"
    MINOR = "minor"
    UNCERTAIN = "uncertain"


def _adult_on(born: dt.date) -> dt.date:
    """Eighteenth birthday; for 29 February the 1st of March, the later reading."""
    try:
        return born.replace(year=born.year + ADULT_YEARS)
    except ValueError:
        return dt.date(born.year + ADULT_YEARS, 3, 1)


def age(birth: BirthDate, on: dt.date) -> Age:
    """Adult or minor on that day when every possible birth date agrees, else uncertain."""
    if birth.year is None:
        return Age.UNCERTAIN
    first_month, last_month = (birth.month, birth.month) if birth.month else (1, 12)
    last_day = birth.day or calendar.monthrange(birth.year, last_month)[1]
    earliest = dt.date(birth.year, first_month, birth.day or 1)
    latest = dt.date(birth.year, last_month, last_day)
    if _adult_on(latest) <= on:
        return Age.ADULT
    if _adult_on(earliest) > on:
        return Age.MINOR
    return Age.UNCERTAIN


def add_months(day: dt.date, months: int) -> dt.date:
    """Same day of a later month, or that month's last day."""
    years, index = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, index + 1
    return dt.date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
