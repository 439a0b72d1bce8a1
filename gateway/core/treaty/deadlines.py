"""Clocks of the agreement as pure functions: what a message starts and ends, when it is due, what to tell.

The table is ``[[deadlines]]`` of the agreement file. A row in the store is one running or ended limit:

    open ──▶ met          closed in time
      │ ├──▶ cancelled    nothing is awaited any more (withdrawal, rejection, a newer start)
      └───▶ breached      its last millisecond has passed; ``closed_at`` tells when it was closed after all

A breach is never undone, and silence is never a decision: nothing here touches the status of a case.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from contracts import model
from contracts.codes import CaseKind, Direction, MessageType
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.clock_tables import CountsFrom, Moment
from gateway.core.treaty.clocks import (
    Clock,
    Deadline,
    DeadlineState,
    NewDeadline,
    clocks_of,
    due,
    look_again,
    stated_end,
)
from gateway.core.treaty.days import end_of

_MS = dt.timedelta(milliseconds=1)
ACKNOWLEDGEMENT = MessageType.ACKNOWLEDGEMENT.value


@dataclass(frozen=True, kw_only=True, slots=True)
class Occurrence:
    """A message that counts: which, how its event is called, and when."""

    reference: str
    kind: CaseKind
    message_id: str
    direction: Direction
    names: frozenset[str]
    """Its type, and its event in ``gateway.core.treaty.states``."""
    moments: frozenset[Moment]
    at: dt.datetime
    """Of the moment (UTC)."""
    posted_at: dt.datetime
    """When the gateway stored the message."""
    of_message: str | None = None
    """The message that an acknowledgement speaks of."""
    body: model.Body | None = field(default=None, repr=False)
    """None when no clock needs to look into it."""
    held: bool = False
    """A held opening message: it starts clocks and ends none."""
    final: bool = False
    """Nothing more is awaited in the case: only clocks of single messages start."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a row changes; ``next_at`` is set when a breach is still to be told."""

    deadline_id: int
    clock: str
    state: DeadlineState
    next_at: dt.datetime | None
    closed_at: dt.datetime
    closed_by: str | None


class DateRemark(StrEnum):
    """What was wrong with an end date that the message states."""

    BEYOND_LIMIT = "beyond_limit"
    """Later than the agreement allows: the agreement's limit counts."""
    BEFORE_START = "before_start"
    """Before the start: the agreement's limit counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    endings: tuple[Ending, ...]
    starts: tuple[NewDeadline, ...]
    remarks: tuple[tuple[str, DateRemark], ...]
    """(clock, what was wrong with the date that the message states for it)"""


# ---- what a message does ------------------------------------------------------------------------


def _applies(clock: Clock, what: Occurrence) -> bool:
    return clock.terms.case is None or clock.terms.case is what.kind


def _starts(clock: Clock, what: Occurrence) -> bool:
    terms = clock.terms
    if terms.direction is not what.direction or terms.starts_when not in what.moments:
        return False
    if what.names.isdisjoint(terms.starts) or (what.final and terms.per == "case"):
        return False
    return terms.counts_from is not CountsFrom.ARRIVAL or _arrival(what.body) is not None


def _corrects(clock: Clock, what: Occurrence) -> bool:
    """Whether the message only says when the clock began."""
    return clock.terms.counts_from is CountsFrom.ARRIVAL and MessageType.CORRECTION.value in what.names


def _arrival(body: model.Body | None) -> dt.datetime | None:
    arrival = body.arrival if isinstance(body, model.ReadmissionRequest | model.Correction) else None
    return arrival.at if arrival is not None else None


def _closes(clock: Clock, what: Occurrence) -> bool:
    """Whether the message closes deadlines of this clock at all."""
    if what.held or clock.terms.closes_when not in what.moments:
        return False
    return _may_close(clock, what) and not what.names.isdisjoint(clock.terms.closes)


def _may_close(clock: Clock, what: Occurrence) -> bool:
    """An acknowledgement closes what the other side's messages started, never a clock on its own side's."""
    return ACKNOWLEDGEMENT not in what.names or clock.terms.direction is not what.direction


def _is_closed(clock: Clock, what: Occurrence, row: Deadline) -> bool:
    if not _closes(clock, what):
        return False
    if ACKNOWLEDGEMENT in what.names:
        return row.message_id == what.of_message
    # what we had posted before the clock started answers nothing
    return what.direction is Direction.FR_TO_UK or row.started_at <= what.posted_at


def _is_cancelled(clock: Clock, what: Occurrence) -> bool:
    accepted = Moment.ACCEPTED in what.moments and not what.held
    return accepted and not what.names.isdisjoint(clock.terms.cancels)


def end(row: Deadline, state: DeadlineState, *, at: dt.datetime, by: str | None) -> Ending:
    """``row`` closed at that instant: met or cancelled if it was open and in time, else breached."""
    late = row.state is DeadlineState.BREACHED or at > row.due_at
    untold = row.next_at if row.state is DeadlineState.BREACHED else at
    return Ending(
        deadline_id=row.deadline_id,
        clock=row.clock,
        state=DeadlineState.BREACHED if late else state,
        next_at=untold if late else None,
        closed_at=at,
        closed_by=by,
    )


def is_relevant(agreement: Agreement, what: Occurrence) -> bool:
    """Whether any clock starts or ends with the message; rows need be read only then."""
    clocks = [c for c in clocks_of(agreement).values() if _applies(c, what)]
    return any(_starts(c, what) or _closes(c, what) or _is_cancelled(c, what) for c in clocks)


def overtaken(agreement: Agreement, what: Occurrence, rows: Sequence[Deadline]) -> frozenset[str]:
    """Types of our messages whose receipt may still be unproven although France answers them already: the
    caller looks for such messages and gives them to ``changes``."""
    if what.direction is not Direction.FR_TO_UK:
        return frozenset()
    early = list(_early(agreement, what))
    if ACKNOWLEDGEMENT in what.names:
        ids = {clock.id for clock in early}
        if any(row.message_id == what.of_message and row.clock in ids for row in rows):
            return frozenset()  # its clocks have started: its receipt is proven
    else:
        running = {row.clock for row in rows if row.closed_at is None}
        early = [clock for clock in early if clock.id not in running]
    return frozenset(event for clock in early for event in clock.terms.starts)


def _early(agreement: Agreement, what: Occurrence) -> Iterator[Clock]:
    for clock in clocks_of(agreement).values():
        ours = clock.terms.direction is Direction.UK_TO_FR and clock.terms.starts_when is Moment.RECEIVED
        if ours and _applies(clock, what) and _closes(clock, what):
            yield clock


def changes(
    agreement: Agreement,
    what: Occurrence,
    rows: Sequence[Deadline],
    unproven: Sequence[tuple[str, str]] = (),
) -> Changes:
    """What the message does to the deadlines of its case.

    ``rows``: all of the case. ``unproven``: (type, message id) of our messages without a proven receipt; what
    France answers it has received, so their clocks are closed before they start.

    (1) what is closed or cancelled, (2) what is answered before its receipt was proven, (3) what starts, and
    what a newer start replaces.
    """
    table = clocks_of(agreement)
    endings: dict[int, Ending] = {}
    for row in rows:  # (1)
        clock = table.get(row.clock)
        if clock is None or row.closed_at is not None:
            continue
        if _is_closed(clock, what, row):
            ending = end(row, DeadlineState.MET, at=what.at, by=what.message_id)
        elif _is_cancelled(clock, what):
            ending = end(row, DeadlineState.CANCELLED, at=what.at, by=what.message_id)
        else:
            continue
        endings[row.deadline_id] = ending
    starts = list(_answered_early(agreement, what, rows, unproven))  # (2)
    remarks: list[tuple[str, DateRemark]] = []
    known = {(row.clock, row.message_id) for row in rows}
    for clock in table.values():  # (3)
        if not _applies(clock, what) or not _starts(clock, what) or (clock.id, what.message_id) in known:
            continue
        running = [r for r in rows if r.clock == clock.id and r.closed_at is None]
        replaced = [r for r in running if clock.terms.per == "case" and r.deadline_id not in endings]
        if _corrects(clock, what) and not replaced:
            continue  # what has ended does not begin anew because its start was wrong
        new, remark = _new(clock, what, [*rows, *starts])
        starts.append(new)
        if remark is not None:
            remarks.append((clock.id, remark))
        for row in replaced:
            endings[row.deadline_id] = end(row, DeadlineState.CANCELLED, at=what.at, by=what.message_id)
    return Changes(endings=tuple(endings.values()), starts=tuple(starts), remarks=tuple(remarks))


def _answered_early(
    agreement: Agreement,
    what: Occurrence,
    rows: Sequence[Deadline],
    unproven: Sequence[tuple[str, str]],
) -> Iterator[NewDeadline]:
    known = {(row.clock, row.message_id) for row in rows}
    for clock in _early(agreement, what):
        for type_, message_id in unproven:
            if type_ not in clock.terms.starts or (clock.id, message_id) in known:
                continue
            if ACKNOWLEDGEMENT in what.names and message_id != what.of_message:
                continue
            yield NewDeadline(
                reference=what.reference,
                clock=clock.id,
                message_id=message_id,
                zone=clock.zone,
                started_at=what.at,
                due_at=due(what.at, clock),
                state=DeadlineState.MET,
                next_at=None,
                closed_at=what.at,
                closed_by=what.message_id,
            )


def _new(
    clock: Clock, what: Occurrence, rows: Sequence[NewDeadline]
) -> tuple[NewDeadline, DateRemark | None]:
    start = _start(clock, what, rows)
    due_at, remark = _with_stated_end(clock, start, due(start, clock), what.body)
    return (
        NewDeadline(
            reference=what.reference,
            clock=clock.id,
            message_id=what.message_id,
            zone=clock.zone,
            started_at=start,
            due_at=due_at,
            next_at=look_again(clock, clock.zone, due_at, after=what.at),
        ),
        remark,
    )


def _start(clock: Clock, what: Occurrence, rows: Sequence[NewDeadline]) -> dt.datetime:
    match clock.terms.counts_from:
        case CountsFrom.ARRIVAL:
            return _arrival(what.body) or what.at
        case CountsFrom.DECISION:
            decided: dt.datetime = getattr(what.body, "decided_at", what.at)
            return decided
        case CountsFrom.ANSWER:
            earlier = [row.started_at for row in rows if row.clock == "answer"]
            return max(earlier, default=what.at)
        case CountsFrom.EVENT:
            return what.at


def _with_stated_end(
    clock: Clock, start: dt.datetime, due_at: dt.datetime, body: model.Body | None
) -> tuple[dt.datetime, DateRemark | None]:
    """The earlier of the agreement's limit and the date that the message gives for it."""
    day = stated_end(body) if clock.terms.counts_from in {CountsFrom.ANSWER, CountsFrom.DECISION} else None
    if day is None:
        return due_at, None
    zone = zoneinfo.ZoneInfo(clock.zone)
    stated = end_of(day, zone)
    if stated > due_at:
        return due_at, DateRemark.BEYOND_LIMIT
    if stated < start:
        return due_at, DateRemark.BEFORE_START
    return stated, None


# ---- time passes --------------------------------------------------------------------------------


class Told(StrEnum):
    """What is told about a deadline, once each."""

    WARNING = "deadline.warning"
    BREACHED = "deadline.breached"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """The row as it is after looking at it, and what to tell."""

    row: Deadline
    told: Told


def look(agreement: Agreement, row: Deadline, now: dt.datetime) -> Step | None:
    """What ``now`` means for a row whose ``next_at`` has come. Warnings that were slept through are given as
    one, and none after the breach. None when there is nothing to tell yet."""
    if row.next_at is None or row.next_at > now:
        return None
    if row.state is DeadlineState.BREACHED:  # closed too late before anybody looked
        return Step(row=replace(row, next_at=None), told=Told.BREACHED)
    if now > row.due_at:
        return Step(row=replace(row, state=DeadlineState.BREACHED, next_at=None), told=Told.BREACHED)
    clock = clocks_of(agreement).get(row.clock)
    again = row.due_at + _MS if clock is None else look_again(clock, row.zone, row.due_at, after=now)
    return Step(row=replace(row, warnings=row.warnings + 1, next_at=again), told=Told.WARNING)
