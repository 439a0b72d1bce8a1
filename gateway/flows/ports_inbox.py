"""Store port: events of the inbox.

A part of ``gateway.flows.ports.Transaction``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

EventData = Mapping[str, str | int | bool | Sequence[str] | None]
"""Codes, numbers, instants as text; never content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InboxEvent:
    """One fact that the UK systems hear of beside the messages of France."""

    event_id: str
    """A UUID: what an acknowledgement names."""
    type: str
    """CloudEvents type, ``passerelle.….v1``."""
    fact: str
    """Names what happened; of one fact there is one event, whoever tells it."""
    at: dt.datetime
    reference: str | None
    """None: it is about no single case."""
    message_id: str | None
    path: str | None
    """Where to fetch the rest, below the gateway's address; None: there is nothing to fetch."""
    data: EventData = field(default_factory=dict)
    sequence: int = 0
    """Rises in the order of the commits; 0 before it is stored."""
    acknowledged_at: dt.datetime | None = None
    acknowledged_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OldEvents:
    """What a walk over a piece of the table found."""

    sequences: tuple[int, ...]
    """Of events that were acknowledged long enough ago."""
    last: int | None
    """The last row that was looked at; None: the table ends here."""


class InboxEventRows(Protocol):
    """Events that reach the inbox beside messages: time limits, refusals after waiting, thresholds."""

    async def add_inbox_event(self, event: InboxEvent) -> None:
        """Written at commit, under the lock of the audit chain, so that sequences rise in commit order (a
        reader's cursor never passes one that is not there yet). Does nothing for a fact that was told before.
        Wakes ``wait("inbox")`` everywhere after the commit."""
        ...

    async def inbox_events(self, *, after: int, limit: int) -> tuple[InboxEvent, ...]:
        """Those that nobody has acknowledged, sequence > after, oldest first."""
        ...

    async def inbox_event(self, event_id: str, *, lock: bool = False) -> InboxEvent | None:
        """A committed one; ``lock`` holds it against other transactions until commit."""
        ...

    async def acknowledge_inbox_event(self, event_id: str, *, at: dt.datetime, by: str) -> bool:
        """False when it was acknowledged before, or is not known."""
        ...

    async def acknowledged_events(self, *, after: int, before: dt.datetime, limit: int) -> OldEvents:
        """Looks at ``limit`` rows at the most, sequence > after, for those acknowledged before that time."""
        ...

    async def remove_events(self, sequences: Sequence[int], *, before: dt.datetime) -> int:
        """Of these, those that were acknowledged before that time; how many there were."""
        ...

    async def count_inbox_events(self) -> Mapping[str, int]:
        """How many wait, by type."""
        ...
