"""Which persons will be readmitted and admitted in the coming weeks, from the cases in progress.

Deliberately simple, and no promise. (1) a transfer that was announced counts in the week of its arrival, or
of the alternative that France proposed; (2) a readmission that was accepted and has no date yet is *undated*;
(3) a visa counts in the week in which its validity ends, the last one in which the person can arrive. What
should have happened before the present week counts in the present one. Everything else is not counted: it is
not decided.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contracts.codes import CaseKind
from contracts.model import (
    Correction,
    Message,
    Nomination,
    NominationOutcome,
    ReadmissionRequest,
    TransferConfirmation,
    TransferNotice,
)
from gateway.core.treaty.states import NominationStatus, Readmission
from gateway.core.treaty.weeks import shift, span, week_of, week_of_day

DATED = (Readmission.TRANSFER_NOTIFIED, Readmission.TRANSFER_CONFIRMED, Readmission.TRANSFER_ALTERNATIVE)
UNDATED = (Readmission.ACCEPTED, Readmission.TRANSFER_DECLINED, Readmission.TRANSFER_FAILED)
IN_PROGRESS: tuple[tuple[CaseKind, str], ...] = (
    *((CaseKind.READMISSION, str(status)) for status in (*DATED, *UNDATED)),
    (CaseKind.NOMINATION, str(NominationStatus.VISA_GRANTED)),
)
"""Kinds and statuses of the cases that are looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """Persons of one case; ``week`` None: no date is known yet."""

    kind: CaseKind
    persons: int
    week: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectedWeek:
    week: str
    readmissions: int
    admissions: int
    difference: int
    """The signed balance at the end of that week, if all this happens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Projection:
    weeks: tuple[ProjectedWeek, ...]
    """From the present week on, without gaps."""
    undated_readmissions: int


def expect(
    kind: CaseKind, status: str, messages: Sequence[Message], zone: zoneinfo.ZoneInfo
) -> Expected | None:
    """What one case promises; None when nothing is decided. ``messages`` in order of acceptance."""
    if (kind, status) not in IN_PROGRESS:
        return None
    persons, week = 0, None
    for message in messages:
        body = message.body
        match body:
            case ReadmissionRequest() | Nomination():
                persons = len(body.persons)
            case Correction(persons=tuple(corrected)):
                persons = len(corrected)
            case TransferNotice():
                week = week_of(body.arrival_at, zone)
            case TransferConfirmation(at=dt.datetime() as at):
                week = week_of(at, zone)
            case NominationOutcome(visa_valid_until=dt.date() as end):
                week = week_of_day(end)
            case _:
                pass
    return Expected(kind=kind, persons=persons, week=None if status in UNDATED else week)


def project(cases: Iterable[Expected], *, now_week: str, difference: int, at_least: int = 4) -> Projection:
    """The weeks from ``now_week`` to the last with anything expected, ``at_least`` so many.

    ``difference``: the signed balance now.
    """
    expected: dict[tuple[str, CaseKind], int] = {}
    undated = 0
    for case in cases:
        if case.week is None:
            undated += case.persons
            continue
        key = (max(case.week, now_week), case.kind)
        expected[key] = expected.get(key, 0) + case.persons
    weeks: list[ProjectedWeek] = []
    last = max([now_week, *(week for week, _ in expected)])
    for week in span(now_week, max(last, shift(now_week, at_least - 1))):
        gone = expected.get((week, CaseKind.READMISSION), 0)
        come = expected.get((week, CaseKind.NOMINATION), 0)
        difference += gone - come
        weeks.append(ProjectedWeek(week=week, readmissions=gone, admissions=come, difference=difference))
    return Projection(weeks=tuple(weeks), undated_readmissions=undated)
