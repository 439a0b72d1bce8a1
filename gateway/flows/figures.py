"""What metrics and live views show of the database: read together, bounded, and kept for some seconds."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contracts.codes import Direction
from gateway.core.alert_kinds import AlertKind, Severity
from gateway.core.batches import BatchState
from gateway.core.records import Breaker, MessageStatus
from gateway.core.treaty.clocks import DeadlineState
from gateway.flows.endpoints import names
from gateway.flows.exchange import Exchange
from gateway.flows.ports_search import Place, RouteMarks

MOST: Final = 10_000
"""The inbox is counted no further: beyond it an operator knows enough, and counting costs."""
UNDER_WAY: Final = (BatchState.WAITING, BatchState.PAUSED, BatchState.RUNNING)
_BATCHES: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One reading of the database."""

    at: dt.datetime
    seconds: float
    """How long the reading took."""
    messages: Mapping[Place, int]
    """By type, direction and status; zeros are left out."""
    routes: Mapping[Direction, RouteMarks]
    inbox: int
    """Up to ``MOST``."""
    backlog: Mapping[str, int]
    """Outbox rows by endpoint, for every endpoint that is configured."""
    circuits: tuple[Breaker, ...]
    deadlines: Mapping[tuple[str, DeadlineState], int]
    alerts: Mapping[tuple[AlertKind, Severity], int]
    """Open ones."""
    batches: Mapping[BatchState, int]
    """Those under way, each counted up to 100."""
    newest_audit: int

    def count(self, status: MessageStatus, direction: Direction | None = None) -> int:
        """Messages in that status, of one direction or of both."""
        return sum(
            n
            for place, n in self.messages.items()
            if place.status is status and direction in {None, place.direction}
        )


async def read_figures(exchange: Exchange) -> Figures:
    """Raises Unavailable."""
    started = time.perf_counter()
    known = names(exchange)
    async with exchange.store.begin(read_only=True) as tx:
        messages = await tx.message_counts()
        routes = {direction: await tx.route_marks(direction) for direction in Direction}
        inbox = await tx.count_inbox(most=MOST)
        backlog = await tx.backlog()
        circuits = tuple([await tx.breaker(name) for name in known])
        deadlines = await tx.count_deadlines()
        alerts = await tx.count_alerts()
        batches = {
            state: len((await tx.list_batches(state=state, limit=_BATCHES)).items) for state in UNDER_WAY
        }
        newest_audit = await tx.newest_audit()
    return Figures(
        at=exchange.clock.now(),
        seconds=time.perf_counter() - started,
        messages=messages,
        routes=routes,
        inbox=inbox,
        backlog={name: backlog.get(name, 0) for name in known},
        circuits=circuits,
        deadlines=deadlines,
        alerts=alerts,
        batches=batches,
        newest_audit=newest_audit,
    )


class FigureCache:
    """However often and by however many it is asked: at most one reading in ``keep_s`` seconds."""

    def __init__(self, exchange: Exchange, *, keep_s: float) -> None:
        self._exchange = exchange
        self._keep_s = keep_s
        self._lock = asyncio.Lock()
        self._read_at: float | None = None
        self._figures: Figures | None = None

    async def get(self) -> Figures | None:
        """None while the database cannot be read. Never raises."""
        async with self._lock:
            now = time.monotonic()
            if self._read_at is None or now - self._read_at >= self._keep_s:
                try:
                    self._figures = await read_figures(self._exchange)
                except Exception:  # noqa: BLE001 — whatever it is, the scrape must say so, not fail
                    self._figures = None
                self._read_at = time.monotonic()
            return self._figures
