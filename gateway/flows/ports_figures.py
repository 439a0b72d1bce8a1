"""Store port: figures for metrics and live views; a part of ``gateway.flows.ports.Transaction``.

Each is bounded: it costs the same in a store of ten messages and of ten million.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.codes import Direction
from gateway.core.records import Breaker, MessageStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteFigures:
    """One direction, as its route card shows it."""

    last_success_at: dt.datetime | None
    """When the newest delivered message was delivered: to France with a verified receipt, from France with
    ours."""
    oldest_at: dt.datetime | None
    """When the oldest unacknowledged message was taken in: to France without a receipt yet, from France not
    yet acknowledged by the UK."""


class FigureRows(Protocol):
    async def count_statuses(
        self, statuses: Sequence[MessageStatus], *, most: int
    ) -> Mapping[tuple[Direction, MessageStatus], int]:
        """Messages by direction and status, each counted up to ``most``."""
        ...

    async def route_figures(self, direction: Direction) -> RouteFigures: ...
    async def count_inbox(self, *, most: int) -> int:
        """Messages from France that the UK has not acknowledged, counted up to ``most``."""
        ...

    async def breakers(self) -> tuple[Breaker, ...]:
        """Every circuit that ever changed, by endpoint."""
        ...

    async def newest_audit(self) -> int:
        """Sequence of the newest entry of the audit chain, 0 when there is none. It rises with every commit
        that changes something: the cheapest way to ask whether anything happened."""
        ...

    async def newest_message(self) -> int:
        """Sequence of the newest message, 0 when there is none."""
        ...
