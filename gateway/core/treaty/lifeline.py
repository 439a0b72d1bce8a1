"""The life of one case as a line: the states it went through, where it is, and the way that lies ahead.

Everything comes from the tables of ``gateway.core.treaty.states``: the way walked is the messages played
through them, the way ahead the most ordinary path to the end that the case was opened for. Pure.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contracts.codes import CaseKind
from contracts.model import Message
from gateway.core.errors import OutOfSequence
from gateway.core.treaty import states
from gateway.core.treaty.states import NominationStatus, Readmission

MAIN: Final[Mapping[CaseKind, tuple[str, ...]]] = {
    CaseKind.READMISSION: (
        Readmission.REQUESTED,
        Readmission.ACKNOWLEDGED,
        Readmission.ACCEPTED,
        Readmission.TRANSFER_NOTIFIED,
        Readmission.TRANSFER_CONFIRMED,
        Readmission.TRANSFERRED,
        Readmission.RECEIVED,
    ),
    CaseKind.NOMINATION: (
        NominationStatus.NOMINATED,
        NominationStatus.ACKNOWLEDGED,
        NominationStatus.NO_OBJECTION,
        NominationStatus.VISA_GRANTED,
        NominationStatus.ARRIVED,
    ),
}
"""The ordinary life; a test proves that every step of it is a row of the table."""


class Mark(StrEnum):
    DONE = "done"
    NOW = "now"
    AHEAD = "todo"
    GOAL = "goal"
    """Reached the end that the case was opened for."""
    STOPPED = "stopped"
    """Ended otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One state of the line. ``at`` and ``message_id`` say what brought it, where that is known."""

    status: str
    mark: Mark
    at: dt.datetime | None = None
    message_id: str | None = None
    event: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """A message of the case, in order of acceptance; ``counts`` is False for one that is held or was stopped
    before it left: it moved nothing."""

    message: Message
    at: dt.datetime
    counts: bool


def walk(kind: CaseKind, current: str, messages: Iterable[Moved]) -> tuple[Step, ...]:
    """The states in their order, the present one last."""
    steps: list[Step] = []
    status: str | None = None
    opening: str | None = None
    for moved in messages:
        if not moved.counts and status is not None:
            continue
        try:
            after = states.next_status(kind, status, moved.message, opening_id=opening)
        except OutOfSequence:
            continue
        if status is None:
            opening = moved.message.message_id
        if after != status:
            event = states.event_of(moved.message, opening_id=opening)
            steps.append(
                Step(
                    status=after,
                    mark=Mark.DONE,
                    at=moved.at,
                    message_id=moved.message.message_id,
                    event=event,
                )
            )
        status = after
    if not steps or steps[-1].status != current:  # content deleted, or an operator's decision came between
        steps.append(Step(status=current, mark=Mark.DONE))
    last = steps[-1]
    mark = _end(kind, current)
    steps[-1] = Step(status=last.status, mark=mark, at=last.at, message_id=last.message_id, event=last.event)
    return tuple(steps)


def _end(kind: CaseKind, status: str) -> Mark:
    if status not in states.FINAL[kind]:
        return Mark.NOW
    return Mark.GOAL if status == MAIN[kind][-1] else Mark.STOPPED


def _moves(kind: CaseKind) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for (status, _), to in states.TABLES[kind].items():
        if status != to:
            found.setdefault(status, set()).add(to)
    return {status: frozenset(to) for status, to in found.items()}


def ahead(kind: CaseKind, current: str) -> tuple[str, ...]:
    """The ordinary way from ``current`` to the goal, without ``current``; empty once the case has ended."""
    main = MAIN[kind]
    if current in states.FINAL[kind]:
        return ()
    moves, index = _moves(kind), {status: n for n, status in enumerate(main)}
    queue: list[tuple[int, tuple[str, ...]]] = [(0, (current,))]
    seen: set[str] = set()
    while queue:
        cost, path = heapq.heappop(queue)
        here = path[-1]
        if here == main[-1]:
            return path[1:]
        if here in seen:
            continue
        seen.add(here)
        for to in moves.get(here, frozenset()) & index.keys():
            heapq.heappush(queue, (cost + _cost(index.get(here), index[to], len(main) - 1), (*path, to)))
    return ()


def _cost(here: int | None, to: int, goal: int) -> int:
    """One step along the ordinary life costs least; leaving some of it out costs more than going through, and
    a side road (``here`` None) leads back to it, not to its end."""
    if here is None:
        return 3 * goal if to == goal else 1
    return 1 if to == here + 1 else 3 * abs(to - here)


def exits(kind: CaseKind, current: str) -> tuple[str, ...]:
    """States that may follow besides the next ordinary one, in the order of the table's statuses."""
    following = ahead(kind, current)[:1]
    possible = _moves(kind).get(current, frozenset()) - set(following)
    return tuple(status for status in states.STATUSES[kind] if status in possible)


def line(kind: CaseKind, current: str, messages: Iterable[Moved]) -> tuple[Step, ...]:
    """The whole line: what was, what is, what lies ahead."""
    rest = tuple(Step(status=status, mark=Mark.AHEAD) for status in ahead(kind, current))
    return (*walk(kind, current, messages), *rest)
