"""Store port of actions on many messages at once; a part of ``gateway.flows.ports.Transaction``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.batches import BatchState, Planned, ReasonCode, Result
from gateway.core.records import Page
from gateway.core.resend import Action, Facts


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchRecord:
    """One action on a set of messages that was fixed when it was confirmed."""

    batch_id: str
    action: Action
    state: BatchState
    reason_code: ReasonCode
    reason: str
    selection: str
    """How the set was chosen, for people: names and values of a filter, or ``selected``."""
    digest: str
    """Of the set as it was confirmed."""
    count: int
    """All messages of the set."""
    to_do: int
    """Those that were not unsafe."""
    second_person: bool
    """Whether a second person is needed."""
    created_by: str
    created_at: dt.datetime
    approved_by: str | None = None
    approved_at: dt.datetime | None = None
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    next_at: dt.datetime | None = None
    """Not before this is the next message taken (bounded rate)."""
    updated_at: dt.datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchItem:
    """One message of a batch: as it was judged, and what became of it."""

    position: int
    """From 0, in the order of acceptance of the messages: the order in which they are taken."""
    planned: Planned
    """``updated_at``: when it was judged."""
    result: Result
    code: str | None
    """Why it was skipped or failed."""
    at: dt.datetime | None
    """When the result was written."""


class ActionRows(Protocol):
    """Batches, and the facts that their verdicts come from."""

    async def resend_facts(
        self, message_ids: Sequence[str], *, now: dt.datetime, apart_from: str | None = None
    ) -> Mapping[str, Facts]:
        """By message id, without unknown ones. ``apart_from``: the batch that does not count as another."""
        ...

    async def add_batch(self, batch: BatchRecord, items: Sequence[BatchItem]) -> None: ...
    async def get_batch(self, batch_id: str, *, lock: bool = False) -> BatchRecord | None:
        """``lock``: until commit nobody else changes the batch or takes a message of it."""
        ...

    async def save_batch(self, batch: BatchRecord) -> None:
        """State, approval and times; the rest of a batch never changes."""
        ...

    async def list_batches(
        self, *, state: BatchState | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[BatchRecord]:
        """Newest first. Raises BadCursor."""
        ...

    async def running_batch(self) -> str | None:
        """The id of the batch that was started first of those that run."""
        ...

    async def claim_batch(self, batch_id: str) -> BatchRecord | None:
        """Locks it if it runs and nobody else holds it at this moment; else None."""
        ...

    async def batch_items(
        self, batch_id: str, *, after: int = -1, limit: int = 100, result: Result | None = None
    ) -> tuple[BatchItem, ...]:
        """In their order, positions > ``after``."""
        ...

    async def batch_counts(self, batch_id: str) -> Mapping[Result, int]:
        """How many messages by result; every result is there."""
        ...

    async def finish_item(
        self, batch_id: str, position: int, *, result: Result, code: str | None, at: dt.datetime
    ) -> bool:
        """False when it had its result already."""
        ...
