"""The worker: claims due outbox rows and delivers them, a bounded number at a time.

It holds no state of its own: what it claims is leased, so that a row comes back when this process dies, and
any number of workers may share a database. One round: (1) leave out endpoints whose circuit is open,
(2) claim up to the free places, (3) deliver each in a task, (4) sleep until a row falls due or we are woken.
An unknown exception is a bug: it is logged and the row goes back for a later try, never lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from gateway.core import breaker as circuit
from gateway.core.errors import PasserelleError
from gateway.core.records import Channel, OutboxEntry
from gateway.flows.large import LargeLane
from gateway.flows.ports import Clock, Store
from gateway.logs import get_logger

Handler = Callable[[OutboxEntry], Awaitable[str]]
"""Makes one attempt and records it; returns the outcome for the log."""
_NAP: Final = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerPlan:
    """How the worker works; times in seconds but ``lease``."""

    concurrency: int = 4
    poll_s: float = 5
    lease: dt.timedelta = dt.timedelta(seconds=120)
    drain_s: float = 20
    after_bug_s: float = 30


@dataclass(kw_only=True)
class Worker:
    """One worker of one process. ``run`` until ``stop``; then what is under way may finish (drain)."""

    store: Store
    clock: Clock
    handlers: Mapping[Channel, Handler]
    endpoints: tuple[str, ...]
    """Endpoints whose circuit is looked at before claiming."""
    plan: WorkerPlan = field(default_factory=WorkerPlan)
    fetched: tuple[Channel, ...] = ()
    """Channels that the receiver empties itself (pull): never claimed here."""
    lane: LargeLane = field(default_factory=LargeLane)
    """Large deliveries have places of their own: they take none of ``plan.concurrency``."""

    def __post_init__(self) -> None:
        self._stopping = False
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self.last_round = time.monotonic()
        """When it last looked for work (monotonic seconds): a worker that hangs no longer does."""

    def stop(self) -> None:
        """Claim nothing more; ``run`` returns when what is under way has ended, or after ``drain_s``."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Runs until ``stop``; survives an unreachable store."""
        listener = asyncio.create_task(self._listen())
        try:
            while not self._stopping:
                self._wake.clear()  # before looking: what comes in between wakes us at once
                pause = await self._round_or_pause()
                if pause > 0 and not self._stopping:
                    await self._sleep(pause)
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
            await self._drain()

    async def _round_or_pause(self) -> float:
        self.last_round = time.monotonic()
        try:
            return await self._round()
        except PasserelleError as exc:
            get_logger().error("worker.store_unavailable", code=exc.code)
        except Exception:  # noqa: BLE001 — a bug here must not end all deliveries: logged, tried again
            get_logger().exception("worker.bug")
        return self.plan.poll_s

    async def _round(self) -> float:
        """Claims what is due and starts it; returns how long to sleep (seconds, 0: look again)."""
        free = self.plan.concurrency - (len(self._running) - self.lane.taken)
        if free <= 0:
            return self.plan.poll_s  # the end of any delivery wakes us
        now = self.clock.now()
        async with self.store.begin(read_only=True) as tx:
            skip = [e for e in self.endpoints if not circuit.may_send(await tx.breaker(e), now)]
            probes = [b.probe_at for e in skip if (b := await tx.breaker(e)).probe_at and not b.paused]
            due = await tx.next_due(skip_endpoints=skip, skip_channels=self.fetched)
        if due is None or due > now:
            return self._pause(now, [*probes, due])
        async with self.store.begin() as tx:
            entries = await tx.claim_due(
                now=now,
                limit=free,
                lease=self.plan.lease,
                skip_endpoints=skip,
                skip_channels=self.fetched,
            )
        for entry in entries:
            task = asyncio.create_task(self._handle(entry))
            self._running.add(task)
            task.add_done_callback(self._ended)
        return 0 if entries else _NAP

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()

    def _pause(self, now: dt.datetime, moments: Sequence[dt.datetime | None]) -> float:
        waits = [(m - now).total_seconds() for m in moments if m is not None]
        return min(max(min(waits, default=self.plan.poll_s), _NAP), self.plan.poll_s)

    async def _handle(self, entry: OutboxEntry) -> None:
        structlog.contextvars.bind_contextvars(  # of this task alone: whatever it logs names the message
            message_id=entry.message_id,
            channel=entry.channel.value,
            endpoint=entry.endpoint,
            attempt=entry.attempts + 1,
        )
        log = get_logger()
        try:
            outcome = await self.handlers[entry.channel](entry)
        except PasserelleError as exc:
            log.warning("delivery.interrupted", code=exc.code)
            await self._give_back(entry, self.plan.poll_s)
        except Exception:  # an unknown exception is a bug: said so, and the row is kept
            log.exception("delivery.bug")
            await self._give_back(entry, self.plan.after_bug_s)
        else:
            log.info("delivery", status=str(outcome))

    async def _give_back(self, entry: OutboxEntry, seconds: float) -> None:
        """Counts the attempt. When even this fails, the end of the lease brings the row back."""
        try:
            async with self.store.begin() as tx:
                await tx.reschedule(entry, self.clock.now() + dt.timedelta(seconds=seconds))
        except PasserelleError as exc:
            get_logger().error("worker.give_back_failed", message_id=entry.message_id, code=exc.code)

    async def _listen(self) -> None:
        """Turns wake-ups of the store into ``_wake``; one long task, so that none is lost (store port)."""
        while True:
            try:
                await self.store.wait("outbox", self.plan.poll_s)
            except PasserelleError:
                await asyncio.sleep(self.plan.poll_s)
            self._wake.set()

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _drain(self) -> None:
        """What is under way may finish within ``drain_s``; then it is cancelled, and its lease runs out."""
        running = set(self._running)
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=self.plan.drain_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
