"""Figures for metrics and live views: bounded, by direction, on both databases."""

from __future__ import annotations

import dataclasses

from contracts.codes import Direction
from gateway.core.breaker import new
from gateway.core.records import MessageStatus
from gateway.store import SqlStore
from tests.fixtures.store_records import FRANCE, T0, accept, later, new_case, new_message, record_for

OPEN = (MessageStatus.ACCEPTED, MessageStatus.FAILED)


async def test_an_empty_store_has_figures(store: SqlStore) -> None:
    """Nothing is an error: zeros and no moments."""
    async with store.begin(read_only=True) as tx:
        assert set((await tx.count_statuses(OPEN, most=10)).values()) == {0}
        figures = await tx.route_figures(Direction.UK_TO_FR)
        assert (figures.last_success_at, figures.oldest_at) == (None, None)
        assert await tx.count_inbox(most=10) == 0
        assert await tx.breakers() == ()
        assert (await tx.newest_audit(), await tx.newest_message()) == (0, 0)


async def test_counts_stop_at_their_bound(store: SqlStore) -> None:
    """By direction and status, each no further than asked."""
    for _ in range(4):
        async with store.begin() as tx:
            await accept(tx, new_case())
    async with store.begin(read_only=True) as tx:
        assert (await tx.count_statuses(OPEN, most=10))[Direction.UK_TO_FR, MessageStatus.ACCEPTED] == 4
        counted = await tx.count_statuses(OPEN, most=3)
        assert counted[Direction.UK_TO_FR, MessageStatus.ACCEPTED] == 3
        assert counted[Direction.FR_TO_UK, MessageStatus.ACCEPTED] == 0
        assert await tx.newest_audit() == 4
        assert await tx.newest_message() == 4


async def test_towards_france_the_oldest_has_no_receipt(store: SqlStore) -> None:
    """The oldest that waits or is sent; the last success is the newest delivery."""
    records = []
    for number in range(3):
        async with store.begin() as tx:
            records.append(await accept(tx, new_case(at=later(number)), at=later(number)))
    async with store.begin() as tx:
        await tx.update_message(
            records[0].message_id, at=later(9), status=MessageStatus.DELIVERED, delivered_at=later(9)
        )
        await tx.update_message(records[1].message_id, at=later(9), status=MessageStatus.SENDING)
    async with store.begin(read_only=True) as tx:
        figures = await tx.route_figures(Direction.UK_TO_FR)
    assert figures.oldest_at == later(1)
    assert figures.last_success_at == later(9)


async def test_from_france_the_oldest_waits_in_the_inbox(store: SqlStore) -> None:
    """What the UK has acknowledged no longer counts as waiting, but as the last success."""
    ids = []
    for number in range(2):
        case = new_case(at=later(number))
        async with store.begin() as tx:
            await tx.add_case(case)
            message = new_message(case)
            record = record_for(
                message, direction=Direction.FR_TO_UK, client_id=FRANCE, as4_message_id=f"{number}@fr"
            )
            await tx.add_message(dataclasses.replace(record, received_at=later(number)), message, ())
        ids.append(message.message_id)
    async with store.begin() as tx:
        assert await tx.count_inbox(most=10) == 2
        assert await tx.count_inbox(most=1) == 1
        assert (await tx.route_figures(Direction.FR_TO_UK)).oldest_at == T0
        await tx.update_message(ids[0], at=later(5), status=MessageStatus.ACKNOWLEDGED)
    async with store.begin(read_only=True) as tx:
        figures = await tx.route_figures(Direction.FR_TO_UK)
        assert await tx.count_inbox(most=10) == 1
    assert figures.oldest_at == later(1)
    assert figures.last_success_at is not None


async def test_circuits_are_read_together(store: SqlStore) -> None:
    """Every circuit that was ever saved, by name."""
    paused = dataclasses.replace(new("b"), paused=True)
    opened = dataclasses.replace(new("a"), opened_at=T0, probe_at=later(30), consecutive_failures=5)
    async with store.begin() as tx:
        await tx.save_breaker(paused)
        await tx.save_breaker(opened)
    async with store.begin(read_only=True) as tx:
        assert await tx.breakers() == (opened, paused)
