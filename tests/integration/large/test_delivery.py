"""Delivering large messages: the same bytes on every try, a lease that lasts, places of their own."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from typing import Any

import pytest

from gateway.core import breaker as circuit
from gateway.core.as4.content import whole
from gateway.core.as4.message import SealedMessage
from gateway.core.as4.verified import VerifiedUserMessage
from gateway.core.errors import ConnectionFailed, Unavailable
from gateway.core.records import Blob, EvidenceKind, MessageRecord, MessageStatus, OutboxEntry
from gateway.flows.access_point import AccessPoint
from gateway.flows.deliver import deliver
from gateway.flows.delivery_record import Outcome
from gateway.flows.large import LargeLane, LeaseLost, under_lease
from gateway.flows.ports import HttpAnswer
from tests.fixtures.blobs import pieces
from tests.fixtures.ends import Ends, receipt
from tests.fixtures.large import noise, part_of

SIZE = 3_000_000


async def large_case(ends: Ends, seed: int = 0, size: int = SIZE) -> MessageRecord:
    """A stored message with one attachment that is a blob, queued for France."""
    blob = await ends.store.write_blob(pieces(noise(size, seed)))
    part = dataclasses.replace(part_of(b""), content=blob)
    return await ends.open_case(attachments=(part,))


@pytest.mark.as4(31)
async def test_a_retry_sends_identical_bytes(ends: Ends) -> None:
    """What was sealed once is kept as a blob and sent again bit by bit; sealing happens once."""
    message = await large_case(ends)
    ends.partner.error = ConnectionFailed("the connection to the partner broke")
    assert await ends.deliver() is Outcome.RETRY
    ends.clock.skip(10)
    entry = await ends.claim()
    assert isinstance(entry.wire, Blob)
    ends.partner.error = None
    assert await deliver(entry, ends.delivery) is Outcome.DELIVERED
    first, second = ends.partner.posted
    assert first == second
    assert len(first) > SIZE
    record = await ends.record(message.message_id)
    assert (record.status, record.receipt_verified) == (MessageStatus.DELIVERED, True)
    assert (await ends.audit(message.message_id)).count("message.sealed") == 1
    kinds = await ends.evidence_kinds(message.message_id)
    assert kinds == [EvidenceKind.AS4_USER_MESSAGE, EvidenceKind.NRR_RECEIPT]
    with pytest.raises(LookupError):  # the wire went with its row
        [_ async for _ in ends.store.read_blob(entry.wire)]


async def test_the_partner_gets_what_was_stored(ends: Ends) -> None:
    """The attachment that the partner opens has the octets of the blob."""
    await large_case(ends, seed=5)
    seen: list[bytes] = []

    def look(ends: Ends, verified: VerifiedUserMessage) -> HttpAnswer:
        seen.append(whole(verified.payloads[1].content))
        return receipt(ends, verified)

    ends.partner.answer = look
    assert await ends.deliver() is Outcome.DELIVERED
    assert seen == [noise(SIZE, 5)]


async def test_the_lease_lasts_as_long_as_the_delivery(ends: Ends) -> None:
    """A POST that takes longer than the lease keeps it: nobody else can claim the row meanwhile."""
    await large_case(ends)
    lease = dt.timedelta(seconds=0.6)
    taken: list[OutboxEntry] = []

    async def slow() -> None:
        for _ in range(12):
            await asyncio.sleep(0.1)
            async with ends.store.begin() as tx:
                taken.extend(await tx.claim_due(now=ends.clock.now(), limit=1, lease=lease))

    ends.partner.before = slow
    delivery = dataclasses.replace(ends.delivery, lease=lease)
    assert await deliver(await ends.claim(lease), delivery) is Outcome.DELIVERED
    assert taken == []
    assert await ends.backlog() == 0


async def test_a_lost_lease_stops_the_attempt(ends: Ends) -> None:
    """When another node has taken the row, the POST is broken off and nothing of it is recorded."""
    message = await large_case(ends)
    lease = dt.timedelta(seconds=0.6)
    ended = asyncio.Event()

    async def robbed() -> None:
        async with ends.store.begin() as tx:
            ends.clock.skip(3600)  # while nobody else can write, so that the lease is not extended in between
            assert await tx.claim_due(now=ends.clock.now(), limit=1, lease=dt.timedelta(hours=1))
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    ends.partner.before = robbed
    delivery = dataclasses.replace(ends.delivery, lease=lease)
    async with asyncio.timeout(10):
        assert await deliver(await ends.claim(lease), delivery) is Outcome.LEASE_LOST
    assert ended.is_set()
    assert await ends.attempts(message.message_id) == ()
    assert (await ends.record(message.message_id)).status is MessageStatus.SENDING
    assert ends.delivery.lane.taken == 0


async def test_a_store_out_of_reach_for_a_lease_stops_the_attempt(ends: Ends) -> None:
    """While it may come back the delivery goes on; after a whole lease another may have the row."""
    await large_case(ends)
    entry = await ends.claim()

    class Away:
        """The store as the keeper of the lease finds it."""

        def begin(self) -> Any:
            raise Unavailable("the database cannot be reached")

    async def work() -> None:
        await asyncio.sleep(30)

    store: Any = Away()
    began, lease = asyncio.get_running_loop().time(), dt.timedelta(seconds=0.6)
    with pytest.raises(LeaseLost):
        await under_lease(entry, work(), store=store, clock=ends.clock, lease=lease)
    assert asyncio.get_running_loop().time() - began >= 0.59


async def test_a_row_lost_while_sealing_keeps_no_wire(ends: Ends) -> None:
    """The new holder seals for itself; what the first one sealed is dropped, and is no evidence."""
    message = await large_case(ends)
    entry = await ends.claim(dt.timedelta(seconds=1))
    ends.clock.skip(2)
    other = await ends.claim()
    assert await deliver(entry, ends.delivery) is Outcome.LEASE_LOST
    assert ends.partner.posted == []
    assert await ends.evidence_kinds(message.message_id) == []
    assert await deliver(other, ends.delivery) is Outcome.DELIVERED


async def test_one_place_for_large_ones(ends: Ends) -> None:
    """While a large delivery is under way another gives its row back without an attempt, a small one goes."""
    first, second = await large_case(ends), await large_case(ends, seed=1)
    little = await ends.open_case()
    outcomes: list[Outcome] = []

    async def meanwhile() -> None:
        ends.partner.before = None
        outcomes.extend([await ends.deliver(), await ends.deliver()])

    ends.partner.before = meanwhile
    assert await ends.deliver() is Outcome.DELIVERED
    assert outcomes == [Outcome.WAITING, Outcome.DELIVERED]
    assert (await ends.record(first.message_id)).receipt_verified
    assert (await ends.record(little.message_id)).receipt_verified
    assert await ends.attempts(second.message_id) == ()
    ends.clock.skip(6)
    assert await ends.deliver() is Outcome.DELIVERED
    assert (await ends.record(second.message_id)).receipt_verified


async def test_a_large_one_without_a_place_gives_up_the_probe(ends: Ends) -> None:
    """Of an open circuit one attempt is the probe; one that finds no place leaves the probe to another."""
    await large_case(ends)
    entry = await ends.claim()
    policy = dataclasses.replace(ends.delivery.breaker, threshold=1)
    delivery = dataclasses.replace(ends.delivery, breaker=policy, lane=LargeLane(1))
    async with ends.store.begin() as tx:
        broken = circuit.after_failure(await tx.breaker(entry.endpoint), ends.clock.now(), policy)
        await tx.save_breaker(broken)
    ends.clock.skip(3600)
    assert delivery.lane.enter()
    assert await deliver(entry, delivery) is Outcome.WAITING
    async with ends.store.begin(read_only=True) as tx:
        assert circuit.may_send(await tx.breaker(entry.endpoint), ends.clock.now())
    delivery.lane.leave()
    ends.clock.skip(10)
    assert await deliver(await ends.claim(), delivery) is Outcome.DELIVERED


async def test_those_turned_away_come_back_later_and_later() -> None:
    """The wait grows with those that asked in vain, up to five seconds; a free place starts it again."""
    lane, now = LargeLane(1), dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    assert lane.enter()
    waits = []
    for _ in range(30):
        assert not lane.enter()
        waits.append((lane.come_back(now) - now).total_seconds())
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.25, 5.0)
    lane.leave()
    assert lane.enter()
    assert not lane.enter()
    assert (lane.come_back(now) - now).total_seconds() == 0.25


async def test_destroyed_content_fails_for_good(ends: Ends) -> None:
    """Retention destroyed the key of the case before the first attempt: failed, and not tried again."""
    message = await large_case(ends)
    async with ends.store.begin() as tx:
        await tx.destroy_case_key(message.reference, at=ends.clock.now())
    assert await ends.deliver() is Outcome.FAILED
    record = await ends.record(message.message_id)
    assert (record.status, record.code) == (MessageStatus.FAILED, "content_destroyed")
    assert ends.partner.posted == []


async def test_a_withdrawn_large_message_is_not_sealed(ends: Ends) -> None:
    """A row under lease escapes the withdrawal; its next attempt, which would be the sealing, cancels it."""
    message = await large_case(ends)
    async with ends.store.begin() as tx:
        await tx.set_case_status(message.reference, "withdrawn", ends.clock.now())
    assert await ends.deliver() is Outcome.CANCELLED
    assert await ends.evidence_kinds(message.message_id) == []
    assert ends.partner.posted == []


async def test_a_withdrawal_stops_what_is_being_sealed(ends: Ends) -> None:
    """It came while the large message was sealed: nothing of it leaves, and its sealing is dropped."""
    message = await large_case(ends)
    sealing = ends.delivery.access_point.seal

    class Withdrawing(AccessPoint):
        def seal(self, *arguments: Any, **values: Any) -> SealedMessage:
            asyncio.run_coroutine_threadsafe(withdraw(), loop).result(5)
            return sealing(*arguments, **values)

    async def withdraw() -> None:
        async with ends.store.begin() as tx:
            await tx.set_case_status(message.reference, "withdrawn", ends.clock.now())

    loop = asyncio.get_running_loop()
    british = {f.name: getattr(ends.british, f.name) for f in dataclasses.fields(ends.british)}
    delivery = dataclasses.replace(ends.delivery, access_point=Withdrawing(**british))
    assert await deliver(await ends.claim(), delivery) is Outcome.CANCELLED
    assert ends.partner.posted == []
    assert (await ends.record(message.message_id)).status is MessageStatus.CANCELLED


async def test_stopping_in_the_middle_of_sealing(ends: Ends) -> None:
    """A worker that is stopped ends the sealing thread and gives the row back: it is delivered at once."""
    await large_case(ends, size=20_000_000)
    task = asyncio.create_task(ends.deliver())
    await asyncio.sleep(0.3)
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ends.delivery.lane.taken == 0
    assert await ends.deliver() is Outcome.DELIVERED
