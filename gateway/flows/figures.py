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
from gateway.core.records import Breaker, MessageStatus
from gateway.core.treaty.clocks import DeadlineState
from gateway.flows.endpoints import names
from gateway.flows.exchange import Exchange
from gateway.flows.ports_figures import RouteFigures

MOST: Final = 10_000
"""No count goes further: beyond it an operator knows enough, and counting costs."""
COUNTED: Final = (
    MessageStatus.ACCEPTED,
    MessageStatus.SENDING,
    MessageStatus.REJECTED,
    MessageStatus.FAILED,
    MessageStatus.HELD,
)
"""Statuses in which few messages are at a time; all others only grow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One reading of the database."""

    at: dt.datetime
    seconds: float
    """How long the reading took."""
    messages: Mapping[tuple[Direction, MessageStatus], int]
    routes: Mapping[Direction, RouteFigures]
    inbox: int
    backlog: Mapping[str, int]
    """Outbox rows by endpoint, for every endpoint that is configured."""
    circuits: tuple[Breaker, ...]
    deadlines: Mapping[tuple[str, DeadlineState], int]
    alerts: Mapping[tuple[AlertKind, Severity], int]
    """Open ones."""
    newest_message: int
    newest_audit: int


async def read_figures(exchange: Exchange) -> Figures:
    """Raises Unavailable."""
    started = time.perf_counter()
    known = names(exchange)
    async with exchange.store.begin(read_only=True) as tx:
        messages = await tx.count_statuses(COUNTED, most=MOST)
        routes = {direction: await tx.route_figures(direction) for direction in Direction}
        inbox = await tx.count_inbox(most=MOST)
        backlog = await tx.backlog()
        circuits = tuple([await tx.breaker(name) for name in known])
        deadlines = await tx.count_deadlines()
        alerts = await tx.count_alerts()
        newest_message, newest_audit = await tx.newest_message(), await tx.newest_audit()
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
        newest_message=newest_message,
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
