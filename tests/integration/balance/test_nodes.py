"""Several nodes on one database never give away more places than there are, and lose nobody."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.codes import MessageType
from gateway.core.records import MessageRecord, MessageStatus
from gateway.core.treaty.ledger import Side
from gateway.core.treaty.quotas import CODES, QuotaKind, limit_of
from gateway.core.treaty.weeks import bounds_of, week_of
from gateway.flows.ledger import quota_zone, verify_ledger
from gateway.flows.ports import MessageFilter
from gateway.flows.quotas import release_waiting, set_quota
from gateway.web.rest.clients import make_registry
from tests.fixtures.uk_gateway import Gateway, client_of, es256, running_gateway
from tests.integration.balance.steps import READMISSIONS, agreed, open_request

SIGNER = es256()
R = QuotaKind.READMISSIONS
WHO = {"actor": "operator:test", "reason": "ramp up"}


@pytest.fixture
async def nodes(
    store_url: str, tmp_path: Path, sqlite_template: Path
) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Two gateways with stores of their own on one database, SQLite or PostgreSQL; five a week."""
    registry, keys = make_registry([client_of(SIGNER)]), (es256(), es256())
    agreement = agreed(readmissions=5)
    async with (
        running_gateway(
            tmp_path, sqlite_template, registry=registry, url=store_url, keys=keys, agreement=agreement
        ) as one,
        running_gateway(
            tmp_path, sqlite_template, registry=registry, url=store_url, keys=keys, agreement=agreement
        ) as two,
    ):
        two.clock.shift = one.clock.shift
        yield one, two


async def requests(gateway: Gateway) -> list[MessageRecord]:
    """All requests in order of acceptance."""
    where = MessageFilter(type=MessageType.READMISSION_REQUEST)
    async with gateway.exchange.store.begin(read_only=True) as tx:
        return list((await tx.list_messages(where, limit=200, newest_first=False)).items)


async def places(gateway: Gateway) -> tuple[int, int]:
    """Used and allowed in the present week."""
    agreement = gateway.exchange.agreement
    week = week_of(gateway.clock.now(), quota_zone(agreement))
    async with gateway.exchange.store.begin(read_only=True) as tx:
        limit, _ = limit_of(R, week, await tx.quota_changes(), agreement)
        return await tx.places(week, Side.REQUESTED), limit


async def test_many_requests_at_once_fill_the_quota_exactly(nodes: tuple[Gateway, Gateway]) -> None:
    """Sixteen at once on two nodes: five leave, eleven wait; both releasing at once keep to the limit."""
    one, two = nodes
    async with one.client(signer=SIGNER) as first, two.client(signer=SIGNER) as second:
        await asyncio.gather(first.token(), second.token())
        answers = await asyncio.gather(*(open_request(c) for c in (first, second) * 8))
    assert sorted(a["status"] for a in answers) == ["accepted"] * 5 + ["held"] * 11
    assert await places(one) == (5, 5)
    await set_quota(one.exchange, R, 9, **WHO)
    await asyncio.gather(*(release_waiting(node.exchange) for node in (*nodes, *nodes)))
    assert await places(one) == (9, 9)
    statuses = [record.status for record in await requests(two)]
    assert statuses.count(MessageStatus.HELD) == 7
    assert MessageStatus.HELD not in statuses[:5]


@pytest.mark.parametrize("seed", range(3))
async def test_no_order_of_events_breaks_the_queue(nodes: tuple[Gateway, Gateway], seed: int) -> None:
    """Random posts, raises, withdrawals, releases and new weeks on two nodes: never above the limit, nobody
    lost, and once nothing waits for a larger quota, who came first left first."""
    chance = random.Random(seed)
    limits = [5]
    async with nodes[0].client(signer=SIGNER) as first, nodes[1].client(signer=SIGNER) as second:
        for _ in range(25):
            node = chance.choice(nodes)
            match chance.randrange(6):
                case 0 | 1 | 2:
                    sizes = [chance.randint(1, 3) for _ in range(chance.randint(1, 3))]
                    await asyncio.gather(
                        *(open_request(chance.choice((first, second)), persons=n) for n in sizes)
                    )
                case 3:
                    limits.append(max(limits) + chance.randint(0, 2))
                    await set_quota(node.exchange, R, limits[-1], **WHO)
                case 4:
                    found = [r for r in await requests(node) if r.status is not MessageStatus.CANCELLED]
                    if found:
                        path = f"{READMISSIONS}/{chance.choice(found).reference}/withdrawals"
                        body = {"type": "Withdrawal", "reason": "litigation", "at": "2026-11-18T09:00:00Z"}
                        await first.send(path, body)
                case _:
                    await asyncio.gather(*(release_waiting(n.exchange) for n in nodes))
            used, limit = await places(node)
            assert used <= limit
    records = await requests(nodes[0])
    allowed = {MessageStatus.ACCEPTED, MessageStatus.HELD, MessageStatus.CANCELLED}
    assert {r.status for r in records} <= allowed
    waiting = [r.sequence for r in records if r.status is MessageStatus.HELD]
    assert all(r.code in CODES for r in records if r.status is MessageStatus.HELD)
    gone = [r.sequence for r in records if r.status is MessageStatus.ACCEPTED]
    assert not waiting or not gone or min(waiting) > max(gone)
    await let_all_go(nodes)
    assert (await verify_ledger(nodes[0].exchange)).ok


async def let_all_go(nodes: tuple[Gateway, Gateway]) -> None:
    """Week after week; every one within its quota, until nobody waits: gone, or too late and refused."""
    for _ in range(20):
        if all(r.status is not MessageStatus.HELD for r in await requests(nodes[0])):
            return
        _, end = bounds_of(
            week_of(nodes[0].clock.now(), quota_zone(nodes[0].exchange.agreement)),
            quota_zone(nodes[0].exchange.agreement),
        )
        for node in nodes:
            node.clock.skip(end - node.clock.now())
        await asyncio.gather(*(release_waiting(node.exchange) for node in nodes))
        used, limit = await places(nodes[0])
        assert used <= limit
    raise AssertionError("somebody waits for ever")
