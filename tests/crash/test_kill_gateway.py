"""Promise 1: what was accepted survives ``kill -9`` at any instant and is delivered once."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

import pytest

from gateway.bootstrap import Instance
from gateway.core import audit
from gateway.core.errors import PasserelleError
from gateway.uk_client import Receipt
from tests.fixtures.agreements import roomy
from tests.fixtures.world import World, make_world, parts_of, readmission_request, until

KILLS = 15
SECONDS = 16.0
"""Kills end after this time even when there were fewer (a slow machine); at least ``LEAST`` happen."""
LEAST = 5
POSTERS = 3


async def _post_until(world: World, stop: asyncio.Event, poster: int, accepted: list[Receipt]) -> None:
    """Posts one request after the other; after a broken connection the same one again, with the same key."""
    number = 0
    while not stop.is_set():
        number += 1
        body = readmission_request(number=poster * 10_000 + number)
        key = f"crash-{poster}-{number}"
        while True:
            try:
                async with world.client() as client:
                    receipt = await client.send(
                        "/v1/readmission-requests", body, key=key, attachments=parts_of(body)
                    )
            except PasserelleError:
                await asyncio.sleep(0.05)  # killed meanwhile, or not up yet
                continue
            accepted.append(receipt)
            break
        await asyncio.sleep(0.02)


async def _kill_again_and_again(world: World, seed: random.Random, accepted: list[Receipt]) -> int:
    """Kills the gateway at random moments of its work and starts it again; returns how often.

    Every other kill waits until something was accepted since the last, so that a slow machine has work in
    its hands too; the rest also hit a gateway that has only just started.
    """
    ends, kills = time.monotonic() + SECONDS, 0
    while kills < KILLS and (time.monotonic() < ends or kills < LEAST):
        if kills % 2 == 0:
            before = len(accepted)
            await until(lambda before=before: len(accepted) > before, seconds=30, what="an accepted request")
        await asyncio.sleep(seed.uniform(0.02, 0.6))
        world.kill_gateway()
        await asyncio.to_thread(world.start_gateway)
        kills += 1
    return kills


def _case_of(world: World) -> Counter[str]:
    """Decisions that the ministry delivered, by case."""
    sent = world.ministry_status()["sent"]
    assert all(m["status"] in {"delivered", "queued"} for m in sent)
    return Counter(m["reference"] for m in sent if m["type"] == "ReadmissionDecision")


@pytest.mark.slow
async def test_everything_accepted_is_delivered_once_in_spite_of_kills() -> None:
    """After many kill -9 each accepted request was taken in once by the ministry, its answers came back with
    verified receipts, and the audit chain is whole."""
    seed = random.Random()
    accepted: list[Receipt] = []
    with make_world(agreement=roomy()) as world:
        stop = asyncio.Event()
        posters = [
            asyncio.create_task(_post_until(world, stop, number, accepted))
            for number in range(1, POSTERS + 1)
        ]
        kills = await _kill_again_and_again(world, seed, accepted)
        stop.set()
        await asyncio.gather(*posters)
        assert kills >= LEAST
        assert len(accepted) >= (kills + 1) // 2

        references = {receipt.reference for receipt in accepted}
        assert len(references) == len({r.message_id for r in accepted}) == len(accepted)

        def all_answered() -> bool:
            sent = world.ministry_status()["sent"]
            done = {
                m["reference"] for m in sent if m["type"] == "ReadmissionDecision" and m["receipt_verified"]
            }
            return references <= done

        await until(all_answered, seconds=40, what=f"all {len(accepted)} answered after {kills} kills")
        received = world.ministry_status()["received"]
        assert Counter(m["message_id"] for m in received) == Counter(r.message_id for r in accepted)
        assert _case_of(world) == Counter(references)
        await _check_store(world, accepted)


async def _check_store(world: World, accepted: list[Receipt]) -> None:
    """Every accepted message is acknowledged with its receipt verified; the audit chain is whole."""
    store = await Instance.load(world.uk).open_store()

    async def nothing_waits() -> bool:
        async with store.begin(read_only=True) as tx:
            return dict(await tx.backlog()) == {}

    try:
        # a row that was under way at the last kill comes back when its lease has run out
        await until(nothing_waits, seconds=30, what="the outbox is empty")
        async with store.begin(read_only=True) as tx:
            for receipt in accepted:
                record = await tx.get_message(receipt.message_id)
                assert record is not None
                assert (record.status, record.receipt_verified) == ("acknowledged", True)
            entries = []
            while page := await tx.audit_entries(after=len(entries), limit=500):
                entries += page
    finally:
        await store.close()
    audit.verify_chain(entries)
