"""The part of the store's transaction that keeps deadlines; ``flows.ports`` makes it one with the rest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.records import Page
from gateway.core.treaty.clocks import Deadline, DeadlineState, NewDeadline
from gateway.core.treaty.deadlines import Ending


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadlineFilter:
    reference: str | None = None
    state: DeadlineState | None = None
    clock: str | None = None
    clocks: tuple[str, ...] | None = None
    """Only these; None for all."""
    after: dt.datetime | None = None
    """Due at that instant or later."""
    before: dt.datetime | None = None
    """Due before that instant."""
    unclosed: bool = False
    """Only those that nothing has closed yet."""
    told: bool = False
    """Only those that were warned of or have passed."""


class DeadlineRows(Protocol):
    async def start_deadline(self, new: NewDeadline) -> bool:
        """Stores; False when that message has started that clock before."""
        ...

    async def case_deadlines(self, reference: str, *, lock: bool = False) -> tuple[Deadline, ...]:
        """All of a case, in order of their start; ``lock`` holds them against other transactions."""
        ...

    async def close_deadlines(self, endings: Sequence[Ending]) -> None: ...
    async def deadlines(
        self, where: DeadlineFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Deadline]:
        """The earliest due first. Raises BadCursor."""
        ...

    async def due_deadlines(self, now: dt.datetime, *, limit: int) -> tuple[Deadline, ...]:
        """Those whose ``next_at`` has come, held until commit; what another transaction holds is left out
        (FOR UPDATE SKIP LOCKED on PostgreSQL)."""
        ...

    async def told_deadline(self, row: Deadline) -> None:
        """Keeps state, warnings and ``next_at`` of a row from ``due_deadlines``."""
        ...

    async def next_deadline(self) -> dt.datetime | None:
        """The earliest ``next_at``."""
        ...

    async def count_deadlines(self) -> Mapping[tuple[str, DeadlineState], int]:
        """Open ones, and breached ones that nothing has closed yet, by clock and state."""
        ...
