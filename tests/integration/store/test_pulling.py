"""The outbox as its receiver empties it: oldest first, one at a time, never the same row to two callers."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from gateway.core.records import Channel, Claim
from gateway.flows.ports import Transaction
from gateway.store import SqlStore, open_store
from tests.fixtures.databases import PlainKeys
from tests.fixtures.store_records import FRANCE, LEASE, accept, later, new_case

pytestmark = pytest.mark.as4(36)


async def oldest(tx: Transaction, at: float = 0, *, endpoint: str = FRANCE) -> Claim | None:
    return await tx.claim_oldest(Channel.AS4, endpoint, now=later(at), lease=LEASE)


async def fetched(store: SqlStore, at: float = 0) -> str | None:
    async with store.begin() as tx:
        claim = await oldest(tx, at)
    return None if claim is None else claim.entry.message_id


async def queued(store: SqlStore, *per_case: int) -> list[list[str]]:
    """Message ids of cases with so many messages each, in the order of acceptance."""
    ids: list[list[str]] = []
    for count in per_case:
        case = new_case()
        async with store.begin() as tx:
            await tx.add_case(case)
            ids.append([(await accept(tx, case, new=False)).message_id for _ in range(count)])
    return ids


async def test_the_oldest_first_and_each_case_in_order(store: SqlStore) -> None:
    """Across cases by acceptance; the second message of a case only after the first is gone."""
    (first, second), (third,) = await queued(store, 2, 1)
    async with store.begin() as tx:
        claim = await oldest(tx)
        assert claim is not None
        assert claim.entry.message_id == first
        assert claim.lapsed_at is None
    assert await fetched(store) == third
    assert await fetched(store) is None
    async with store.begin() as tx:
        assert await tx.complete(claim.entry)
    assert await fetched(store) == second


async def test_a_lapsed_lease_counts_and_stays_the_oldest(store: SqlStore) -> None:
    """A message that was handed out without a receipt comes again before younger ones, with its attempts."""
    (first,), (second,) = await queued(store, 1, 1)
    async with store.begin() as tx:
        claim = await oldest(tx)
        assert claim is not None
        await tx.save_wire(claim.entry, b"sealed", "multipart/related")
    end = LEASE.total_seconds()
    async with store.begin() as tx:
        again = await oldest(tx, end)
    assert again is not None
    assert again.entry.message_id == first
    assert again.entry.attempts == 1
    assert again.lapsed_at == later(end)
    assert again.entry.wire == b"sealed"
    assert again.entry.wire_content_type == "multipart/related"
    async with store.begin() as tx:
        assert not await tx.complete(claim.entry)  # its lease is another's now
    assert await fetched(store, end) == second


async def test_a_claim_that_never_left_is_no_attempt(store: SqlStore) -> None:
    """A node that died before it had sealed handed nothing out."""
    await queued(store, 1)
    assert await fetched(store) is not None
    async with store.begin() as tx:
        again = await oldest(tx, LEASE.total_seconds())
    assert again is not None
    assert (again.entry.attempts, again.lapsed_at) == (0, None)


async def test_an_urgent_row_overtakes(store: SqlStore) -> None:
    """A withdrawal goes before everything else, even while its case has a message out."""
    (first, _), _ = await queued(store, 2, 1)
    async with store.begin() as tx:
        claim = await oldest(tx)
        assert claim is not None
        await tx.enqueue(
            channel=Channel.AS4,
            endpoint=FRANCE,
            message_id=first,
            reference=claim.entry.reference,
            due_at=later(0),
            urgent=True,
        )
    async with store.begin() as tx:
        urgent = await oldest(tx)
    assert urgent is not None
    assert urgent.entry.reference == claim.entry.reference


async def test_other_endpoints_and_channels_are_others(store: SqlStore) -> None:
    """Only rows of the receiver and of the messages' channel are given."""
    await queued(store, 1)
    async with store.begin() as tx:
        assert await oldest(tx, endpoint="other") is None
        assert await tx.claim_oldest(Channel.AS4_SIGNAL, FRANCE, now=later(0), lease=LEASE) is None
        assert await oldest(tx, -1) is None  # not due yet


async def test_two_nodes_never_get_the_same_row(store: SqlStore, store_url: str) -> None:
    """Concurrent PullRequests on two nodes take every row once."""
    expected = {message for case in await queued(store, *[1] * 20) for message in case}
    other = open_store(store_url, keyring=PlainKeys())
    taken: list[str] = []

    async def pull(mine: SqlStore) -> None:
        for _ in range(40):
            found = await fetched(mine)
            if found is not None:
                taken.append(found)
            elif len(taken) == len(expected):
                return

    try:
        await asyncio.gather(*(pull(s) for s in (store, other) for _ in range(4)))
    finally:
        await other.close()
    assert len(taken) == len(set(taken))
    assert set(taken) == expected


async def test_seizing_takes_the_lease(store: SqlStore) -> None:
    """The receipt's bearer gets the row whoever held it; the former holder's lease is worth nothing."""
    ((message_id,),) = await queued(store, 1)
    async with store.begin() as tx:
        claim = await oldest(tx)
        assert claim is not None
        looked = await tx.waiting(message_id, Channel.AS4)
        assert looked is not None
        assert looked.lease == claim.entry.lease
    until = later(0) + dt.timedelta(seconds=30)
    async with store.begin() as tx:
        seized = await tx.seize(message_id, Channel.AS4, until=until)
        assert seized is not None
    async with store.begin() as tx:
        assert not await tx.complete(claim.entry)
        assert await tx.complete(seized)
        assert await tx.seize(message_id, Channel.AS4, until=until) is None
        assert await tx.waiting(message_id, Channel.AS4) is None


async def test_the_worker_leaves_a_fetched_channel_alone(store: SqlStore) -> None:
    """Channels that the receiver empties are neither claimed nor waited for; others are."""
    ((message_id,),) = await queued(store, 1)
    async with store.begin() as tx:
        assert await tx.next_due(skip_channels=[Channel.AS4]) is None
        await tx.enqueue(
            channel=Channel.AS4_SIGNAL,
            endpoint=FRANCE,
            message_id=message_id,
            reference=(await tx.get_message(message_id)).reference,  # type: ignore[union-attr]
            due_at=later(0),
        )
    async with store.begin() as tx:
        assert await tx.next_due(skip_channels=[Channel.AS4]) == later(0)
        claimed = await tx.claim_due(now=later(0), limit=9, lease=LEASE, skip_channels=[Channel.AS4])
        assert [e.channel for e in claimed] == [Channel.AS4_SIGNAL]
        assert await tx.claim_due(now=later(0), limit=9, lease=LEASE, skip_endpoints=[FRANCE]) == ()
