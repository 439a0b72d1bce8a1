"""The worker over a real store: claims, bounded concurrency, wake-ups, bugs, draining."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.core.breaker import BreakerPolicy
from gateway.core.errors import ConnectionFailed, Unavailable
from gateway.core.records import Channel, OutboxEntry
from gateway.flows.deliver import deliver
from gateway.flows.delivery_record import Outcome
from gateway.worker import Worker, WorkerPlan
from tests.fixtures.ends import Ends, make_ends
from tests.fixtures.world import until


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    async with make_ends() as made:
        yield made


@asynccontextmanager
async def working(
    ends: Ends, handler: Callable[[OutboxEntry], object], *, endpoints: tuple[str, ...] = (), **plan: object
) -> AsyncIterator[Worker]:
    settings = {"poll_s": 0.2, "drain_s": 2, **plan}
    worker = Worker(
        store=ends.store,
        clock=ends.clock,
        handlers={Channel.AS4: handler},  # type: ignore[dict-item]
        endpoints=endpoints,
        plan=WorkerPlan(**settings),  # type: ignore[arg-type]
    )
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


async def _complete(ends: Ends, entry: OutboxEntry) -> str:
    async with ends.store.begin() as tx:
        await tx.complete(entry)
    return "done"


async def test_no_more_at_a_time_than_allowed(ends: Ends) -> None:
    """Of eight due rows at most three are under way together, and all get their turn."""
    running, most, done = 0, 0, 0

    async def handle(entry: OutboxEntry) -> str:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        done += 1
        return await _complete(ends, entry)

    for _ in range(8):
        await ends.open_case()
    async with working(ends, handle, concurrency=3):
        await until(lambda: done == 8, what="all handled")
    assert most == 3


async def test_a_notification_wakes_the_worker(ends: Ends) -> None:
    """A new row is taken at once, not at the next poll."""
    taken = asyncio.Event()

    async def handle(entry: OutboxEntry) -> str:
        taken.set()
        return await _complete(ends, entry)

    async with working(ends, handle, poll_s=30):
        await asyncio.sleep(0.1)
        await ends.open_case()
        started = time.monotonic()
        await ends.store.notify("outbox")
        async with asyncio.timeout(5):
            await taken.wait()
        assert time.monotonic() - started < 2


async def test_a_later_row_is_taken_when_due(ends: Ends) -> None:
    """The worker sleeps until the next row falls due, without polling."""
    times: list[float] = []

    async def handle(entry: OutboxEntry) -> str:
        times.append(time.monotonic())
        if len(times) > 1:
            return await _complete(ends, entry)
        async with ends.store.begin() as tx:
            await tx.reschedule(entry, ends.clock.now() + dt.timedelta(seconds=0.3))
        return "retry"

    await ends.open_case()
    async with working(ends, handle, poll_s=30):
        await until(lambda: len(times) == 2, what="second attempt")
    assert 0.25 < times[1] - times[0] < 3


async def test_a_bug_ends_one_attempt_only(ends: Ends) -> None:
    """An unknown exception gives its row back, counted, and the other rows go on."""
    seen: list[int] = []

    async def handle(entry: OutboxEntry) -> str:
        seen.append(entry.attempts)
        if len(seen) == 1:
            raise RuntimeError("a bug")
        return await _complete(ends, entry)

    await ends.open_case()
    await ends.open_case()
    async with working(ends, handle, after_bug_s=0.1, concurrency=1):
        await until(lambda: len(seen) == 3, what="the row came back")
    assert sorted(seen) == [0, 0, 1]
    assert await ends.backlog() == 0


async def test_an_unreachable_store_is_survived(ends: Ends) -> None:
    """When the store fails for a while the worker goes on afterwards."""
    calls = 0
    begin = ends.store.begin

    def failing(*, read_only: bool = False) -> contextlib.AbstractAsyncContextManager[object]:
        nonlocal calls
        calls += 1
        if calls <= 3:
            raise Unavailable("gone")
        return begin(read_only=read_only)

    done = asyncio.Event()

    async def handle(entry: OutboxEntry) -> str:
        done.set()
        return await _complete(ends, entry)

    await ends.open_case()
    ends.store.begin = failing  # type: ignore[method-assign, assignment]
    async with working(ends, handle, poll_s=0.05), asyncio.timeout(5):
        await done.wait()


async def test_an_open_circuit_is_left_alone(ends: Ends) -> None:
    """Rows given back because of an open circuit are due at once, and still nobody claims them over and over:
    the worker leaves their endpoint out until the probe."""
    waits = calls = 0
    delivery = dataclasses.replace(ends.delivery, breaker=BreakerPolicy())

    async def handle(entry: OutboxEntry) -> str:
        nonlocal calls, waits
        calls += 1
        outcome = await deliver(entry, delivery)
        waits += outcome is Outcome.WAITING
        return str(outcome)

    for _ in range(12):
        await ends.open_case()
    ends.partner.error = ConnectionFailed("nobody answers")
    france = (ends.delivery.agreement.parties.fr.id,)
    async with working(ends, handle, endpoints=france, poll_s=0.05, concurrency=3):
        await asyncio.sleep(1.5)
    threshold = delivery.breaker.threshold
    assert threshold <= calls <= threshold + 2 * 3, "what was claimed before it opened, and no more"
    assert waits <= 2 * 3
    assert await ends.backlog() == 12


async def test_stopping_lets_running_work_finish(ends: Ends) -> None:
    """After ``stop`` nothing new is claimed, and what is under way ends."""
    finished: list[str] = []

    async def handle(entry: OutboxEntry) -> str:
        await asyncio.sleep(0.2)
        finished.append(entry.message_id)
        return await _complete(ends, entry)

    await ends.open_case()
    await ends.open_case()
    async with working(ends, handle, concurrency=1):
        await asyncio.sleep(0.1)
    assert len(finished) == 1
    assert await ends.backlog() == 1


async def test_draining_has_an_end(ends: Ends) -> None:
    """Work that outlasts ``drain_s`` is cancelled; its lease brings the row back."""

    async def handle(_: OutboxEntry) -> str:
        await asyncio.sleep(60)
        return "never"

    await ends.open_case()
    started = time.monotonic()
    async with working(ends, handle, drain_s=0.1):
        await asyncio.sleep(0.1)
    assert time.monotonic() - started < 3
    assert await ends.backlog() == 1
