"""Events of the inbox: each fact once, in the order of the commits, off it when acknowledged."""

from __future__ import annotations

import asyncio

import pytest

from gateway.flows.ports_inbox import InboxEvent
from gateway.store import SqlStore
from tests.fixtures.store_records import CLOCK, T0


def event(fact: str, **changes: object) -> InboxEvent:
    values: dict[str, object] = {
        "event_id": CLOCK.new_id(),
        "type": "passerelle.deadline.warning.v1",
        "fact": fact,
        "at": T0,
        "reference": None,
        "message_id": None,
        "path": "/v1/deadlines",
        "data": {"deadline_id": 7, "codes": ["a", "b"], "none": None},
    }
    return InboxEvent(**{**values, **changes})  # type: ignore[arg-type]  # values of a test


async def add(store: SqlStore, *events: InboxEvent) -> None:
    async with store.begin() as tx:
        for one in events:
            await tx.add_inbox_event(one)


async def waiting(store: SqlStore, *, after: int = 0, limit: int = 50) -> tuple[InboxEvent, ...]:
    async with store.begin(read_only=True) as tx:
        return await tx.inbox_events(after=after, limit=limit)


async def test_what_is_stored_comes_back(store: SqlStore) -> None:
    """Every field, with data of numbers, lists and null; the sequence is the store's."""
    told = event("dl_7_warning_1", reference="GB01-7QK3M9ZT4XWC", message_id=CLOCK.new_id())
    await add(store, told)
    (found,) = await waiting(store)
    assert found.sequence > 0
    fields = ("event_id", "type", "fact", "at", "reference", "message_id", "path", "data", "acknowledged_at")
    assert [getattr(found, f) for f in fields] == [getattr(told, f) for f in fields]


async def test_a_fact_is_told_once(store: SqlStore) -> None:
    """Whoever tells it again, in the same transaction or a later one, adds nothing."""
    first = event("dl_7_warning_1")
    await add(store, first, event("dl_7_warning_1"))
    await add(store, event("dl_7_warning_1"), event("dl_7_breached_1"))
    assert [e.fact for e in await waiting(store)] == ["dl_7_warning_1", "dl_7_breached_1"]
    assert (await waiting(store))[0].event_id == first.event_id


async def test_what_is_rolled_back_was_never_told(store: SqlStore) -> None:
    """The event belongs to its transaction."""

    async def failing() -> None:
        async with store.begin() as tx:
            await tx.add_inbox_event(event("dl_1_warning_1"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await failing()
    assert await waiting(store) == ()


async def test_acknowledged_ones_wait_no_more(store: SqlStore) -> None:
    """By id, once; who and when are kept; an unknown id is not acknowledged."""
    told, other = event("one"), event("two", type="passerelle.balance.threshold.v1")
    await add(store, told, other)
    async with store.begin() as tx:
        assert await tx.acknowledge_inbox_event(told.event_id, at=T0, by="home-office")
        assert not await tx.acknowledge_inbox_event(told.event_id, at=T0, by="somebody")
        assert not await tx.acknowledge_inbox_event(CLOCK.new_id(), at=T0, by="home-office")
    assert [e.fact for e in await waiting(store)] == ["two"]
    async with store.begin() as tx:
        found = await tx.inbox_event(told.event_id, lock=True)
        assert await tx.inbox_event(CLOCK.new_id()) is None
        assert await tx.count_inbox_events() == {"passerelle.balance.threshold.v1": 1}
    assert found is not None
    assert (found.acknowledged_at, found.acknowledged_by) == (T0, "home-office")


async def test_reading_on_misses_none(store: SqlStore) -> None:
    """Many tell at once while a reader goes on from its cursor: it sees every one, in the order of the
    sequences."""
    count = 40
    seen: list[int] = []

    async def read() -> None:
        after = 0
        while len(seen) < count:
            for one in await waiting(store, after=after, limit=3):
                seen.append(one.sequence)
                after = one.sequence
            await asyncio.sleep(0)

    async def tell(number: int) -> None:
        async with store.begin() as tx:
            await tx.add_inbox_event(event(f"fact_{number}"))
            await asyncio.sleep(0.001 * (number % 7))

    async with asyncio.timeout(60):
        await asyncio.gather(read(), *(tell(number) for number in range(count)))
    assert seen == sorted(seen)
    assert len(set(seen)) == count


async def test_the_commit_wakes_who_waits(store: SqlStore) -> None:
    """No flow has to remember it."""
    waiter = asyncio.create_task(store.wait("inbox", 30))
    await asyncio.sleep(0.5)
    await add(store, event("dl_2_warning_1"))
    async with asyncio.timeout(10):
        await waiter
