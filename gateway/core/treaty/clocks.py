"""The clocks of the agreement's table and the limits they set: lengths, last days, warnings. Pure.

Days are counted in the zone that is recorded with each deadline; the machine's zone plays no part.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from contracts import model
from gateway.core.treaty.age import add_months
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.clock_tables import Clocks, DeadlineTerms
from gateway.core.treaty.days import add_working_days, day_of, end_of

_DAY = dt.timedelta(days=1)
_MS = dt.timedelta(milliseconds=1)


class DeadlineState(StrEnum):
    OPEN = "open"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"


class Unit(StrEnum):
    DAYS = "days"
    MONTHS = "months"
    WORKING_DAYS = "working_days"


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """One row of the table with its length, unit and zone looked up."""

    terms: DeadlineTerms
    amount: int
    unit: Unit
    zone: str
    """IANA name; recorded with every deadline, so that a later change of the file moves none."""
    calendars: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.terms.id


@dataclass(frozen=True, kw_only=True, slots=True)
class NewDeadline:
    """A limit as it goes into the store; instants are UTC, whole milliseconds."""

    reference: str
    clock: str
    message_id: str
    """The message that started it."""
    zone: str
    started_at: dt.datetime
    due_at: dt.datetime
    """The last millisecond of the last day."""
    state: DeadlineState = DeadlineState.OPEN
    next_at: dt.datetime | None
    """When to look at it again (a warning, or the breach); None when there is nothing more to tell."""
    closed_at: dt.datetime | None = None
    closed_by: str | None = None
    """Message id; None when an operator ended it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadline(NewDeadline):
    deadline_id: int
    warnings: int
    """Warnings given so far."""


@lru_cache(maxsize=8)
def _table(clocks: Clocks, rows: tuple[DeadlineTerms, ...]) -> dict[str, Clock]:
    zones = {"arrival": clocks.arrival_zone, "answer": clocks.answer_zone}
    return {
        row.id: Clock(
            terms=row,
            amount=getattr(clocks, row.length),
            unit=next(u for u in (Unit.WORKING_DAYS, Unit.MONTHS, Unit.DAYS) if row.length.endswith(u)),
            zone=zones[row.zone],
            calendars=clocks.holidays,
        )
        for row in rows
    }


def clocks_of(agreement: Agreement) -> dict[str, Clock]:
    """The table by id, in the order of the file."""
    return _table(agreement.clocks, agreement.deadlines)


# ---- when ---------------------------------------------------------------------------------------


def last_day(clock: Clock, first: dt.date) -> dt.date:
    """The last day of a clock whose event was on that day (day 0)."""
    match clock.unit:
        case Unit.DAYS:
            return first + clock.amount * _DAY
        case Unit.MONTHS:
            return add_months(first, clock.amount)
        case Unit.WORKING_DAYS:
            return add_working_days(first, clock.amount, clock.calendars)


def due(start: dt.datetime, clock: Clock) -> dt.datetime:
    """The last millisecond of the clock's last day, counted in its zone; UTC. Never before the start."""
    zone = zoneinfo.ZoneInfo(clock.zone)
    return end_of(last_day(clock, day_of(start, zone)), zone)


def warnings_at(clock: Clock, zone: str, due_at: dt.datetime) -> tuple[dt.datetime, ...]:
    """When to warn, the earliest first: as many calendar days before the end, at the same local hour."""
    where = zoneinfo.ZoneInfo(zone)
    day = day_of(due_at, where)
    return tuple(end_of(day - days * _DAY, where) + _MS for days in clock.terms.warn_days)


def look_again(clock: Clock, zone: str, due_at: dt.datetime, *, after: dt.datetime) -> dt.datetime:
    """The next warning after that instant, or the instant of the breach."""
    return next((at for at in warnings_at(clock, zone, due_at) if at > after), due_at + _MS)


def stated_end(body: model.Body | None) -> dt.date | None:
    """The last day that the message itself gives: of the extension (Art 8), of the visa (Art 12)."""
    match body:
        case model.ReadmissionDecision():
            return body.extended_until
        case model.NominationOutcome():
            return body.visa_valid_until
        case _:
            return None
