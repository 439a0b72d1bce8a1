"""Store port: finding messages: filters, saved filters, counts.

A part of ``gateway.flows.ports.Transaction``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from contracts.codes import Direction, MessageType
from gateway.core.records import Attempt, Channel, MessageRecord, MessageStatus, Page
from gateway.core.roles import Side
from gateway.core.treaty.clocks import Deadline


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageFilter:
    """What a listing is narrowed to; everything that is given must hold. Nothing in it is personal."""

    reference: str | None = None
    type: MessageType | None = None
    direction: Direction | None = None
    status: MessageStatus | None = None
    types: tuple[MessageType, ...] = ()
    """Any of these; empty: any at all. ``type`` and ``status`` are one more of their kind."""
    statuses: tuple[MessageStatus, ...] = ()
    reference_prefix: str | None = None
    id_prefix: str | None = None
    """How the message id begins; a whole one may also be that of the conversation."""
    conversation_id: str | None = None
    as4_message_id: str | None = None
    """As AS4 knows it: of a message from France its MessageId, of ours ``<message id>@<our domain>``."""
    code: str | None = None
    code_prefix: str | None = None
    received_from: dt.datetime | None = None
    """At that instant or later."""
    received_before: dt.datetime | None = None
    attempts_from: int | None = None
    """So many attempts or more."""
    no_receipt: bool = False
    """Only messages to France for which no receipt was verified."""
    queued_for: str | None = None
    """Only messages of which something waits in the outbox for this endpoint."""
    for_room: bool | None = None
    """True: only messages that wait for room in a quota, or follow a case that does; False: none of them."""


class Place(NamedTuple):
    """A cell of the counts."""

    type: MessageType
    direction: Direction
    status: MessageStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounded:
    """A count that stops: ``value`` or, with ``more``, at least so many."""

    value: int
    more: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteMarks:
    """Of one direction."""

    last_success_at: dt.datetime | None
    """When the newest delivery was proven: to France by its receipt, to the UK by its acknowledgement."""
    oldest_waiting: MessageRecord | None
    """Accepted first of those that are not delivered yet."""
    oldest_unacknowledged: MessageRecord | None
    """Accepted first of those that the other side has not taken into account: to France of what is delivered
    (acknowledgements left out, which France never acknowledges), to the UK of what is in the inbox."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedFilter:
    filter_id: str
    owner: str
    side: Side
    shared: bool
    """Every operator of the side sees it; only the owner changes it."""
    name: str
    query: str
    """Canonical (``gateway.flows.message_search.canonical``)."""
    saved_at: dt.datetime


class SearchRows(Protocol):
    """Finding messages: filters, saved filters, counts."""

    async def list_messages(
        self,
        where: MessageFilter,
        *,
        cursor: str | None = None,
        limit: int = 50,
        newest_first: bool = True,
    ) -> Page[MessageRecord]:
        """By order of acceptance. The work is bounded whatever is asked: a page with ``cut`` may hold fewer
        messages than there are, or none, and its cursor goes on from where the search stopped. A message
        whose ``received_at`` lies more than five minutes off its place in the order of acceptance may be
        missed by ``received_…``. Raises BadCursor."""
        ...

    async def count_messages(self, where: MessageFilter, *, most: int = 1000) -> Bounded:
        """Exact for filters of type, status and direction alone, else up to ``most``."""
        ...

    async def message_counts(self) -> Mapping[Place, int]:
        """All messages by type, direction and status, exact in this transaction; zeros are left out."""
        ...

    async def fold_counts(self, *, limit: int = 20_000) -> int:
        """Adds up what changed since (PostgreSQL); returns how many changes, 0 when none wait or another
        node does it. The counts are the same before and after; only reading them gets faster."""
        ...

    async def route_marks(self, direction: Direction) -> RouteMarks: ...
    async def half_approved(self, *, limit: int) -> tuple[MessageRecord, ...]:
        """Held messages that one operator has approved and that wait for a second one, oldest first; of the
        first thousand that are held."""
        ...

    async def count_half_approved(self) -> int:
        """How many of them."""
        ...

    async def pressing_deadlines(self, *, breached: bool, limit: int) -> tuple[Deadline, ...]:
        """Not closed yet, the earliest due first: those that have passed, or those that were warned of."""
        ...

    async def count_pressing(self, *, breached: bool, most: int) -> Bounded:
        """How many of them, up to ``most``."""
        ...

    async def last_attempts(self, message_ids: Sequence[str]) -> Mapping[tuple[str, Channel], Attempt]:
        """The newest attempt of each message on each channel; what was never tried is left out."""
        ...

    async def next_limits(self, references: Sequence[str]) -> Mapping[str, dt.datetime]:
        """When the first open time limit of each case ends; cases without one are left out."""
        ...

    # saved filters
    async def save_filter(self, saved: SavedFilter) -> None:
        """A filter of the same owner, side and name is replaced (it keeps its id)."""
        ...

    async def saved_filters(self, side: Side, owner: str) -> tuple[SavedFilter, ...]:
        """The owner's own, and what others of that side share; by name."""
        ...

    async def remove_filter(self, filter_id: str, *, side: Side, owner: str) -> bool:
        """False when the owner has no such filter."""
        ...
