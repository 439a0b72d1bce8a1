"""The port's contract: enqueue, claim, lease, reschedule, cancel."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from contracts.codes import MessageType, StatusUpdateCode
from contracts.model import StatusUpdate
from gateway.core.records import CaseRecord, Channel, MessageStatus, OutboxEntry
from gateway.flows.ports import Transaction
from gateway.store import SqlStore
from tests.fixtures.store_records import FRANCE, LEASE, T0, accept, later, new_case, new_message


async def claim(
    tx: Transaction, *, at: float = 0, limit: int = 10, skip: tuple[str, ...] = ()
) -> tuple[OutboxEntry, ...]:
    return await tx.claim_due(now=later(at), limit=limit, lease=LEASE, skip_endpoints=skip)


async def case_of(tx: Transaction, count: int = 1) -> tuple[CaseRecord, list[str]]:
    """A case with ``count`` queued messages; their ids."""
    case = new_case()
    await tx.add_case(case)
    return case, [(await accept(tx, case, new=False)).message_id for _ in range(count)]


async def test_a_claim_gives_what_was_queued(store: SqlStore) -> None:
    """Every field of the row; what is not due yet is not given."""
    case = new_case()
    async with store.begin() as tx:
        record = await accept(tx, case, at=later(5))
        assert await claim(tx, at=4.999) == ()
        (entry,) = await claim(tx, at=5)
    assert entry == OutboxEntry(
        entry_id=entry.entry_id,
        channel=Channel.AS4,
        endpoint=FRANCE,
        message_id=record.message_id,
        reference=case.reference,
        attempts=0,
        first_due_at=later(5),
        lease=entry.lease,
        wire=None,
        wire_content_type=None,
    )
    assert len(entry.lease) >= 32


async def test_one_case_goes_in_order(store: SqlStore) -> None:
    """Only the head of a case is given; the next after it is complete, not while it is tried or waits."""
    async with store.begin() as tx:
        _, ids = await case_of(tx, 3)
        (first,) = await claim(tx)
        assert first.message_id == ids[0]
        assert await claim(tx) == ()
        assert await tx.reschedule(first, later(60))
        assert await claim(tx, at=59) == ()
        (again,) = await claim(tx, at=60)
        assert (again.entry_id, again.attempts) == (first.entry_id, 1)
        assert await tx.complete(again)
        (second,) = await claim(tx, at=60)
        assert second.message_id == ids[1]


async def test_cases_endpoints_and_channels_do_not_wait_for_each_other(store: SqlStore) -> None:
    """The order holds inside one (channel, endpoint, case) only."""
    async with store.begin() as tx:
        case, ids = await case_of(tx)
        _, others = await case_of(tx)
        for channel, endpoint in ((Channel.WEBHOOK, "hook"), (Channel.AS4, "urn:fr:second")):
            await tx.enqueue(
                channel=channel, endpoint=endpoint, message_id=ids[0], reference=case.reference, due_at=T0
            )
        claimed = await claim(tx)
    assert len(claimed) == 4
    assert {e.message_id for e in claimed} == {*ids, *others}


async def test_a_claim_takes_no_more_than_its_limit(store: SqlStore) -> None:
    """The oldest due first; the rest stays for the next claim."""
    async with store.begin() as tx:
        ids = [(await accept(tx, new_case(), at=later(-i))).message_id for i in range(5)]
        assert [e.message_id for e in await claim(tx, limit=2)] == [ids[4], ids[3]]
        assert [e.message_id for e in await claim(tx, limit=9)] == [ids[2], ids[1], ids[0]]


async def test_an_urgent_row_overtakes(store: SqlStore) -> None:
    """It goes before what waits in its case, and before other cases; the others of its case follow it."""
    async with store.begin() as tx:
        case, ids = await case_of(tx, 2)
        await accept(tx, new_case(), at=later(-100))
        urgent = await accept(tx, case, new=False, urgent=True)
        (first,) = await claim(tx, limit=1)
        assert first.message_id == urgent.message_id
        assert case.reference not in {e.reference for e in await claim(tx)}
        assert await tx.complete(first)
        assert [e.message_id for e in await claim(tx)] == [ids[0]]


async def test_an_urgent_row_does_not_wait_for_a_hung_attempt(store: SqlStore) -> None:
    """A withdrawal goes while another row of its case is under a live lease; two urgent ones in turn."""
    async with store.begin() as tx:
        case, _ = await case_of(tx, 2)
        assert len(await claim(tx)) == 1
        one = await accept(tx, case, new=False, urgent=True)
        two = await accept(tx, case, new=False, urgent=True)
        (first,) = await claim(tx)
        assert first.message_id == one.message_id
        assert await claim(tx) == ()
        await tx.complete(first)
        assert [e.message_id for e in await claim(tx)] == [two.message_id]


async def test_a_lease_that_ran_out_is_claimed_again(store: SqlStore) -> None:
    """The row is due again at the end of the lease, for a new holder; the old one can do nothing."""
    async with store.begin() as tx:
        await case_of(tx, 2)
        (dead,) = await claim(tx)
        assert await claim(tx, at=LEASE.total_seconds() - 0.001) == ()
        (alive,) = await claim(tx, at=LEASE.total_seconds())
        assert (alive.entry_id, alive.attempts) == (dead.entry_id, 0)
        assert alive.lease != dead.lease
        assert not await tx.complete(dead)
        assert not await tx.reschedule(dead, T0)
        assert not await tx.release(dead, T0)
        await tx.save_wire(dead, b"old", "old")
        await tx.save_wire(alive, b"new", "multipart/related")
        assert await tx.release(alive, later(300))
        (third,) = await claim(tx, at=300)
    assert (third.wire, third.wire_content_type, third.attempts) == (b"new", "multipart/related", 0)


async def test_a_holder_may_finish_late_when_nobody_took_over(store: SqlStore) -> None:
    """A lease that ran out is still the last one, so its success counts."""
    async with store.begin() as tx:
        await case_of(tx)
        (entry,) = await claim(tx)
    async with store.begin() as tx:
        assert await tx.complete(entry)
        assert not await tx.complete(entry)


async def test_skipped_endpoints_are_left_alone(store: SqlStore) -> None:
    """An endpoint with an open breaker gives nothing, and does not hide the others."""
    async with store.begin() as tx:
        case, ids = await case_of(tx)
        await tx.enqueue(
            channel=Channel.WEBHOOK, endpoint="hook", message_id=ids[0], reference=case.reference, due_at=T0
        )
        assert [e.endpoint for e in await claim(tx, skip=(FRANCE,))] == ["hook"]
        assert await claim(tx, skip=(FRANCE, "hook")) == ()
        assert [e.endpoint for e in await claim(tx)] == [FRANCE]


async def test_next_due_knows_heads_and_leases(store: SqlStore) -> None:
    """The earliest head; rows behind a head do not count; a lease counts by its end."""
    async with store.begin() as tx:
        assert await tx.next_due() is None
        case, _ = await case_of(tx, 2)
        assert await tx.next_due() == T0
        assert await tx.next_due(skip_endpoints=[FRANCE]) is None
        (entry,) = await claim(tx)
        assert await tx.next_due() == T0 + LEASE
        await tx.reschedule(entry, later(500))
        assert await tx.next_due() == later(500)
        await accept(tx, new_case(), at=later(400))
        assert await tx.next_due() == later(400)
        await accept(tx, case, new=False, urgent=True, at=later(7))
        assert await tx.next_due() == later(7)


async def test_cancel_queued_stops_what_has_not_gone(store: SqlStore) -> None:
    """AS4 rows of the case that wait; not the one under way, not the urgent one, no other case."""
    async with store.begin() as tx:
        case, ids = await case_of(tx, 3)
        _, others = await case_of(tx)
        await tx.enqueue(
            channel=Channel.WEBHOOK, endpoint="hook", message_id=ids[2], reference=case.reference, due_at=T0
        )
        held = {e.message_id for e in await tx.claim_due(now=T0, limit=1, lease=LEASE)}
        assert held == {ids[0]}
        urgent = await accept(tx, case, new=False, urgent=True)
        cancelled = await tx.cancel_queued(case.reference, at=later(1), code="withdrawn")
        assert set(cancelled) == {ids[1], ids[2]}
        for message_id in cancelled:
            record = await tx.get_message(message_id)
            assert record is not None
            assert (record.status, record.code, record.updated_at) == (
                MessageStatus.CANCELLED,
                "withdrawn",
                later(1),
            )
        assert {e.message_id for e in await claim(tx)} == {urgent.message_id, *others, ids[2]}
        first = await tx.get_message(ids[0])
        assert first is not None
        assert first.status is MessageStatus.ACCEPTED


async def test_cancel_queued_takes_a_row_whose_lease_ran_out(store: SqlStore) -> None:
    """Its worker is dead: nobody will send it any more."""
    async with store.begin() as tx:
        case, ids = await case_of(tx)
        await claim(tx)
        assert await tx.cancel_queued(case.reference, at=later(1), code="withdrawn") == ()
        assert await tx.cancel_queued(case.reference, at=T0 + LEASE, code="withdrawn") == tuple(ids)


async def test_cancel_message(store: SqlStore) -> None:
    """One message; False when it is on its way or gone."""
    async with store.begin() as tx:
        _, ids = await case_of(tx, 2)
        await claim(tx)
        assert not await tx.cancel_message(ids[0], at=T0, code="operator")
        assert await tx.cancel_message(ids[1], at=T0, code="operator")
        assert not await tx.cancel_message(ids[1], at=T0, code="operator")
        record = await tx.get_message(ids[1])
        assert record is not None
        assert record.status is MessageStatus.CANCELLED
        assert await tx.backlog() == {FRANCE: 1}


@pytest.mark.parametrize("zone", [dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))])
async def test_instants_keep_their_moment(store: SqlStore, zone: dt.tzinfo) -> None:
    """Whatever the zone, the same millisecond comes back, in UTC."""
    at = dt.datetime(2026, 11, 23, 9, 0, 0, 123000, tzinfo=zone)
    case = dataclasses.replace(new_case(), created_at=at)
    async with store.begin() as tx:
        await tx.add_case(case)
        back = await tx.get_case(case.reference)
    assert back is not None
    assert back.created_at == at
    assert back.created_at.tzinfo is dt.UTC


async def test_cancel_queued_keeps_the_types_named(store: SqlStore) -> None:
    """A withdrawal stops a notice, not the acknowledgement that we owe France for its own message."""
    async with store.begin() as tx:
        case, (acknowledgement,) = await case_of(tx)
        update = new_message(case, StatusUpdate(code=StatusUpdateCode.ABSCONDED, since=T0))
        stopped = await accept(tx, case, update, new=False)
        cancelled = await tx.cancel_queued(
            case.reference, at=later(1), code="withdrawn", keep={MessageType.ACKNOWLEDGEMENT}
        )
        assert cancelled == (stopped.message_id,)
        assert {e.message_id for e in await claim(tx)} == {acknowledgement}
