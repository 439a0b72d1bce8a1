"""What the use cases tell whoever watches them (metrics, traces): facts about messages, never content.

Each fact is told once what it says is committed. A watcher must not raise, and must cost next to nothing: it
runs inside the delivery. Nothing here is needed for the exchange to work.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from contracts.codes import Direction, MessageType
from gateway.core.records import Channel, MessageRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A message was stored: from the UK by a POST, or from France by a push or a pull."""

    record: MessageRecord
    started_at: dt.datetime
    """When taking in began."""
    stored_at: dt.datetime
    """After the commit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """The HTTP answer to a POST that stored a message."""

    record: MessageRecord
    route: str
    """The template, never the path as it came."""
    http_status: int
    started_at: dt.datetime
    finished_at: dt.datetime
    request_id: str
    """The correlation id of the request."""
    caller: str | None
    """The caller's ``traceparent`` (W3C Trace Context) as it came; not checked yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """What became of an outbox row: an attempt, or an end without one (``started_at`` None)."""

    message_id: str
    type: MessageType | None
    """None where only the row is known (receipts by callback)."""
    direction: Direction
    channel: Channel
    endpoint: str
    number: int
    """1 for the first attempt."""
    outcome: str
    """``delivered``, ``retry``, ``rejected``, ``failed``, ``held``, ``cancelled`` or ``awaiting``."""
    code: str | None
    """Machine code of what went wrong."""
    http_status: int | None
    started_at: dt.datetime | None
    finished_at: dt.datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipted:
    """The partner's signed receipt for a message of ours was verified and stored."""

    record: MessageRecord
    number: int
    """Of the attempt that it answers."""
    at: dt.datetime


class Watch(Protocol):
    """Told about each fact after its commit."""

    def traceparent(self, message_id: str) -> str | None:
        """What answers and webhooks about a message name as its trace; None when there are no traces."""
        ...

    def taken(self, fact: Taken) -> None: ...
    def answered(self, fact: Answered) -> None: ...
    def tried(self, fact: Tried) -> None: ...
    def receipted(self, fact: Receipted) -> None: ...


class Unwatched:
    """Nobody looks."""

    def traceparent(self, message_id: str) -> str | None:
        return None

    def taken(self, fact: Taken) -> None:
        pass

    def answered(self, fact: Answered) -> None:
        pass

    def tried(self, fact: Tried) -> None:
        pass

    def receipted(self, fact: Receipted) -> None:
        pass


UNWATCHED: Final = Unwatched()


class Watches:
    """Tells several watchers."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = tuple(watches)

    def traceparent(self, message_id: str) -> str | None:
        return next((p for w in self._watches if (p := w.traceparent(message_id)) is not None), None)

    def taken(self, fact: Taken) -> None:
        for watch in self._watches:
            watch.taken(fact)

    def answered(self, fact: Answered) -> None:
        for watch in self._watches:
            watch.answered(fact)

    def tried(self, fact: Tried) -> None:
        for watch in self._watches:
            watch.tried(fact)

    def receipted(self, fact: Receipted) -> None:
        for watch in self._watches:
            watch.receipted(fact)


def _implement_the_port(one: Unwatched, many: Watches) -> tuple[Watch, ...]:
    """For the type checker alone."""
    return one, many
