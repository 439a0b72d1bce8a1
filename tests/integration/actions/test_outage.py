"""The play with real processes: a French outage, fifty dead letters, one batch, everything there once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.bootstrap import Instance
from gateway.core.batches import BatchState
from gateway.flows import batches
from gateway.flows.exchange import Exchange
from tests.fixtures.actions import NADIA, WHY, all_failed, approved, made, seen_of
from tests.fixtures.world import World, make_world, post, readmission_request, until

REQUESTS = "/v1/readmission-requests"
MANY = 50
LOST = 4
"""Of them so many reach France although every receipt is lost."""
SETTINGS: dict[str, dict[str, Any]] = {
    "retry": {"schedule_s": (0, 2)},
    "breaker": {"failures": 1000, "first_wait_s": 0.2, "longest_wait_s": 0.5},
    "console": {"batch_per_second": 25},
}
SCRIPT = """
[services]
"DGEF-PERDU" = "lost"
[scenarios.lost]
lose_receipts = 1
silent = true
"""


@asynccontextmanager
async def operators(world: World) -> AsyncIterator[Exchange]:
    """What console and command line work with, on the database of the running gateway."""
    async with world.client() as client:
        await client.get("/v1/inbox")  # the listener is there before the database: once it answers, both are
    instance = Instance.load(world.uk)
    store = await instance.open_store()
    try:
        yield instance.exchange(store)
    finally:
        await store.close()


async def _count(exchange: Exchange, batch_id: str, *, least: int) -> bool:
    async with exchange.store.begin(read_only=True) as tx:
        return (await tx.batch_counts(batch_id))["done"] >= least  # type: ignore[index] — a StrEnum


async def _state(exchange: Exchange, batch_id: str) -> BatchState:
    async with exchange.store.begin(read_only=True) as tx:
        return (await batches.get(tx, batch_id)).state


async def test_outage_of_france_is_made_good_by_one_batch() -> None:
    """France is down, fifty messages become dead letters, four of them had arrived. Two persons send all
    again; the gateway is killed in the middle, another node helps. At the end each is there exactly once."""
    with make_world(settings=SETTINGS, script=SCRIPT) as world:
        async with world.client() as client, operators(world) as exchange:

            async def status(message_id: str) -> str:
                return str((await client.message(message_id))["status"])

            lost = [
                (await post(client, REQUESTS, readmission_request("DGEF-PERDU", number=n))).message_id
                for n in range(LOST)
            ]

            async def lost_once() -> bool:
                return all([(await client.message(i))["attempts"] == 1 for i in lost])

            await until(lost_once, what="lost receipts")
            world.control(down={"seconds": 600})
            ids = lost + [
                (await post(client, REQUESTS, readmission_request(number=n))).message_id
                for n in range(LOST, MANY)
            ]

            async def all_dead() -> bool:
                return (await seen_of(exchange, all_failed())).to_do == MANY

            await until(all_dead, seconds=60, what="dead letters")
            shown = await seen_of(exchange, all_failed())
            assert {i.message_id for i in shown.items} == set(ids)
            assert {i.message_id for i in shown.items if i.verdict == "uncertain"} >= set(lost)
            world.control(down={"seconds": 0})

            batch = await approved(exchange, await made(exchange))
            world.start_worker()
            await batches.start(exchange, batch.batch_id, by=NADIA, reason=WHY)
            await until(lambda: _count(exchange, batch.batch_id, least=10), what="the first messages")
            world.kill_gateway()
            await asyncio.sleep(0.3)
            world.start_gateway()

            async def over() -> bool:
                return await _state(exchange, batch.batch_id) is BatchState.DONE

            await until(over, seconds=60, what="the end of the batch")

            async def all_proven() -> bool:
                """France's answer may come before the receipt: who sent it was killed before storing that."""
                async with exchange.store.begin(read_only=True) as tx:
                    records = [await tx.get_message(i) for i in ids]
                return all(r is not None and r.receipt_verified for r in records)

            await until(all_proven, seconds=60, what="receipts")
            assert {await status(i) for i in ids} <= {"delivered", "acknowledged"}
            async with exchange.store.begin(read_only=True) as tx:
                replays = Counter(
                    e.subject
                    for e in await tx.audit_entries(limit=5000)
                    if e.action == "message.replayed" and e.data.get("batch") == batch.batch_id
                )
            assert replays == Counter(ids)
        received = Counter(m["message_id"] for m in world.ministry_status()["received"])
        assert {i: received[i] for i in ids} == dict.fromkeys(ids, 1)
