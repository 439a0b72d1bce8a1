"""The part of the store's transaction that keeps the ledger, the quotas and the queue before them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.core.records import MessageRecord, MessageStatus
from gateway.core.treaty.ledger import Entry, Side
from gateway.core.treaty.quotas import QuotaChange, QuotaKind


@dataclass(frozen=True, kw_only=True, slots=True)
class TakenPlace:
    """A place in a quota that was not given back, with what became of its message and case."""

    entry: Entry
    message: MessageStatus
    case_status: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningOut:
    """What waits for room, and will have passed its time limit before long."""

    count: int
    first_due: dt.datetime | None
    """Of them all; None: there are none."""
    messages: tuple[str, ...]
    """The first ids, the earliest due first."""


class BalanceRows(Protocol):
    # ledger
    async def add_entry(self, entry: Entry, *, at: dt.datetime) -> int:
        """Books at ``at``; returns the entry's id. Countering the same entry twice is an error of the caller:
        hold the case."""
        ...

    async def entry(self, entry_id: int) -> Entry | None: ...
    async def case_entries(self, reference: str) -> tuple[Entry, ...]:
        """All entries of a case, of every side, in order of booking."""
        ...

    async def list_entries(
        self, *, after: int = 0, limit: int = 500, week: str | None = None, outcomes_only: bool = False
    ) -> tuple[Entry, ...]:
        """In order of booking, those with a higher id than ``after``."""
        ...

    async def differences(self, limit: int) -> tuple[Entry, ...]:
        """Entries that note different numbers of the two sides, newest first."""
        ...

    async def outcome_sums(self) -> Mapping[tuple[str, str], int]:
        """(week, side) → persons, signed; readmitted and admitted only."""
        ...

    async def miscounted(self) -> tuple[tuple[str, str], ...]:
        """(week, side) whose sum is not what the entries add up to: none, if all is well."""
        ...

    # quotas
    async def lock_quota(self, kind: QuotaKind) -> None:
        """Until commit no other transaction decides about places of this kind."""
        ...

    async def places(self, week: str, side: Side) -> int:
        """Persons that have a place in that week."""
        ...

    async def places_taken(self, week: str, side: Side) -> tuple[TakenPlace, ...]: ...
    async def add_quota_change(self, change: QuotaChange) -> int:
        """Returns its id; the one given is ignored."""
        ...

    async def quota_changes(self) -> tuple[QuotaChange, ...]:
        """All of them, oldest first."""
        ...

    async def quota_queue(
        self, kind: QuotaKind, *, priority_first: bool, limit: int
    ) -> tuple[MessageRecord, ...]:
        """Opening messages that wait for room, in the order in which they will go."""
        ...

    async def quota_queue_length(self, kind: QuotaKind) -> int: ...
    async def running_out(
        self, kind: QuotaKind, clock: str, *, now: dt.datetime, until: dt.datetime, limit: int
    ) -> RunningOut:
        """Those that wait for room while that clock of theirs ends after ``now`` and not after ``until``."""
        ...
