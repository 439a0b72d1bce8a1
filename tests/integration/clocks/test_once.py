"""Each warning and breach is told once: with several nodes at the same time, and whenever one of them dies.

On both databases; a node is a store of its own on the same one.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import datetime as dt
import json
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import Unavailable
from gateway.core.records import Channel
from gateway.core.treaty.clocks import DeadlineState, NewDeadline
from gateway.flows.deadlines import Event, sweep
from gateway.flows.exchange import Exchange
from gateway.flows.ports import DeadlineFilter, Store, Transaction
from gateway.flows.webhooks import WebhookTarget
from gateway.store import SqlStore, open_store
from gateway.sweeper import watch_deadlines
from tests.fixtures.databases import PlainKeys
from tests.fixtures.store_records import accept, new_case
from tests.fixtures.uk_gateway import Gateway, running_gateway

ROWS = 23
DAY = dt.timedelta(days=1)
Told = collections.Counter[tuple[int, str]]


@pytest.fixture
async def gateway(tmp_path: Path, store_url: str) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path, tmp_path, url=store_url) as running:
        yield running


@contextlib.asynccontextmanager
async def another_node(gateway: Gateway, url: str) -> AsyncIterator[Exchange]:
    store = open_store(url, keyring=PlainKeys())
    try:
        yield dataclasses.replace(gateway.exchange, store=store)
    finally:
        await store.close()


async def fill(gateway: Gateway) -> None:
    """Deadlines that are all breached now; every other one had a warning that is due too."""
    now = gateway.clock.now()
    async with gateway.exchange.store.begin() as tx:
        for number in range(ROWS):
            case = new_case(at=now)
            record = await accept(tx, case, at=now)
            due = now - DAY if number % 2 else now + DAY / 2
            await tx.start_deadline(
                NewDeadline(
                    reference=case.reference,
                    clock="answer",
                    message_id=record.message_id,
                    zone="Europe/Paris",
                    started_at=now - 14 * DAY,
                    due_at=due,
                    next_at=now,
                )
            )


async def told_in(store: SqlStore) -> tuple[Told, Told, Told]:
    """(deadline, what) as the audit log, as the webhook rows and as the inbox have it."""
    audited: Told = collections.Counter()
    hooked: Told = collections.Counter()
    async with store.begin() as tx:
        events = await tx.inbox_events(after=0, limit=5000)
        inbox: Told = collections.Counter((int(str(e.data["deadline_id"])), _kind(e.type)) for e in events)
        for entry in await tx.audit_entries(limit=5000):
            if entry.action.startswith("deadline."):
                audited[int(entry.data["deadline_id"] or 0), entry.action] += 1
    while True:
        async with store.begin() as tx:
            entries = await tx.claim_due(
                now=dt.datetime(2100, 1, 1, tzinfo=dt.UTC),
                limit=100,
                lease=DAY,
                skip_channels=(Channel.AS4,),
            )
            for entry in entries:
                await tx.complete(entry)
        if not entries:
            return audited, hooked, inbox
        for entry in entries:
            event = json.loads(entry.wire or b"{}")
            hooked[int(event["data"]["deadline_id"]), _kind(event["type"])] += 1


def _kind(event_type: str) -> str:
    return event_type.removeprefix("passerelle.").removesuffix(".v1")


async def everything(exchange: Exchange, *, limit: int = 4) -> list[Event]:
    found: list[Event] = []
    while events := await sweep(exchange, limit=limit):
        found += events
    return found


async def check(gateway: Gateway, expected: Told) -> None:
    audited, hooked, inbox = await told_in(gateway.exchange.store)  # type: ignore[arg-type]  # a SqlStore
    assert audited == expected
    assert hooked == expected
    assert inbox == expected
    async with gateway.exchange.store.begin(read_only=True) as tx:
        rows = (await tx.deadlines(DeadlineFilter(), limit=200)).items
    assert len(rows) == ROWS
    assert {r.state for r in rows} == {DeadlineState.BREACHED}
    assert all(r.next_at is None for r in rows)


def all_told(gateway_rows: int = ROWS) -> Told:
    """One breach each, and one warning for those whose end was still to come."""
    expected: Told = collections.Counter()
    for number in range(gateway_rows):
        expected[number + 1, "deadline.breached"] = 1
        if number % 2 == 0:
            expected[number + 1, "deadline.warning"] = 1
    return expected


async def test_several_nodes_tell_each_once(gateway: Gateway, store_url: str) -> None:
    """Four sweepers of two nodes at the same time, before the end and after it."""
    await fill(gateway)
    async with another_node(gateway, store_url) as other:
        nodes = [gateway.exchange, other] * 2
        first = await asyncio.gather(*(everything(node) for node in nodes))
        assert sum(len(found) for found in first) == ROWS
        gateway.clock.skip(DAY)
        again = await asyncio.gather(*(everything(node) for node in nodes))
        assert sum(len(found) for found in again) == (ROWS + 1) // 2
    await check(gateway, all_told())


class Dying(tuple[WebhookTarget, ...]):
    """Webhook targets of a node that dies while it tells the third deadline."""

    left = 3

    def __iter__(self) -> Iterator[Any]:
        Dying.left -= 1
        if Dying.left <= 0:
            raise SystemError("killed")
        return super().__iter__()


async def test_a_node_that_dies_in_between_has_told_nothing(gateway: Gateway) -> None:
    """Its transaction is gone with it: state, audit and webhooks; the next node tells everything once."""
    await fill(gateway)
    Dying.left = 3
    dying = dataclasses.replace(gateway.exchange, webhooks=Dying(gateway.exchange.webhooks))
    with pytest.raises(SystemError):
        await sweep(dying, limit=10)
    told = await told_in(gateway.exchange.store)  # type: ignore[arg-type]  # a SqlStore
    assert told == (collections.Counter(),) * 3
    await everything(gateway.exchange)
    gateway.clock.skip(DAY)
    await everything(gateway.exchange)
    await check(gateway, all_told())


async def test_stopped_at_any_point_nothing_is_lost_or_repeated(gateway: Gateway) -> None:
    """The task is cancelled after any time, again and again, as a stopping process does."""
    await fill(gateway)
    for steps in range(40):
        if steps == 20:
            await everything(gateway.exchange)
            gateway.clock.skip(DAY)
        task = asyncio.create_task(everything(gateway.exchange, limit=1))
        await asyncio.sleep(0.002 * (steps % 20))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await everything(gateway.exchange)
    await check(gateway, all_told())


def kill_while_it_tells(url: str, now: dt.datetime, delay: float) -> bool:
    """Starts a node and kills it (kill -9) ``delay`` seconds after its first commit; whether it was done."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.clocks.sweep_child", url, now.isoformat()],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    with child.stdout:
        child.stdout.readline()
        time.sleep(delay)
        child.kill()
    return child.wait() == 0


async def test_killed_at_any_instant_nothing_is_lost_or_repeated(gateway: Gateway, store_url: str) -> None:
    """Whole processes, killed while they tell; the next one goes on where the last commit was."""
    await fill(gateway)
    for _ in range(3):
        await asyncio.to_thread(
            kill_while_it_tells, store_url, gateway.clock.now(), random.uniform(0.0, 0.02)
        )
    await everything(gateway.exchange)
    gateway.clock.skip(DAY)
    await everything(gateway.exchange)
    await check(gateway, all_told())


async def test_the_watching_task_tells_by_itself(gateway: Gateway, store_url: str) -> None:
    """Two nodes watch; one is stopped and a third starts; what comes due while they run is told once."""
    await fill(gateway)
    async with another_node(gateway, store_url) as other:
        first, second = (
            asyncio.create_task(watch_deadlines(node, longest_s=0.05)) for node in (gateway.exchange, other)
        )
        await _until_told(gateway, ROWS)
        first.cancel()
        third = asyncio.create_task(watch_deadlines(gateway.exchange, longest_s=0.05))
        gateway.clock.skip(DAY)
        await _until_told(gateway, ROWS + (ROWS + 1) // 2)
        for task in (second, third):
            task.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
    await check(gateway, all_told())


class Outage:
    """A store that cannot be reached twice, then fails as a bug would, then works."""

    def __init__(self, store: Store) -> None:
        self._store, self._faults = store, [RuntimeError("bug"), Unavailable("gone"), Unavailable("gone")]

    def begin(self, *, read_only: bool = False) -> AbstractAsyncContextManager[Transaction]:
        if self._faults:
            raise self._faults.pop()
        return self._store.begin(read_only=read_only)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_the_watching_task_outlives_an_outage(gateway: Gateway) -> None:
    """What came due while the database was away is told when it is back."""
    await fill(gateway)
    store = gateway.exchange.store
    node = dataclasses.replace(gateway.exchange, store=Outage(store))  # type: ignore[arg-type]  # delegates the rest
    watching = asyncio.create_task(watch_deadlines(node, longest_s=0.05))
    await _until_told(gateway, ROWS)
    gateway.clock.skip(DAY)
    await _until_told(gateway, ROWS + (ROWS + 1) // 2)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await check(gateway, all_told())


async def _until_told(gateway: Gateway, count: int) -> None:
    async with asyncio.timeout(30):
        while True:
            async with gateway.exchange.store.begin(read_only=True) as tx:
                entries = await tx.audit_entries(limit=5000)
            if sum(e.action.startswith("deadline.") for e in entries) >= count:
                return
            await asyncio.sleep(0.02)
