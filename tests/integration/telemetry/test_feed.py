"""The live feed on both databases: what one process commits, another one tells."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from gateway.flows.live import AREAS, LiveFeed, TooManyListeners, areas_of, changed_since, newest
from gateway.store import SqlStore, open_store
from tests.fixtures.databases import PlainKeys
from tests.fixtures.store_records import T0, accept, new_case


async def something_happens(url: str, *, action: str = "") -> None:
    """In another store object: to the database another process, which notifies nobody."""
    other = open_store(url, keyring=PlainKeys())
    async with other.begin() as tx:
        if action:
            await tx.append_audit(at=T0, actor="test", action=action, subject="x", data={})
        else:
            await accept(tx, new_case())
    await other.close()


async def test_another_process_is_heard(store: SqlStore, store_url: str) -> None:
    """Without any notification within the time of one look; several listeners hear the same."""
    feed = LiveFeed(store, poll_s=0.3, gather_s=0.01)
    with feed.listening("a") as first, feed.listening("b") as second:
        await asyncio.sleep(0.2)
        await something_happens(store_url)
        told = [await listener.next(10) for listener in (first, second)]
    assert told[0] == told[1]
    assert told[0] is not None
    assert told[0].number == await newest(store)
    assert "messages" in told[0].areas
    await feed.close()


async def test_what_comes_while_nobody_takes_it_is_merged(store: SqlStore, store_url: str) -> None:
    """A slow listener hears once, of everything: nothing piles up."""
    feed = LiveFeed(store, poll_s=0.1, gather_s=0.01)
    with feed.listening("a") as listener:
        await asyncio.sleep(0.2)
        for action in ("endpoint.paused", "alert.opened"):
            await something_happens(store_url, action=action)
        await asyncio.sleep(1.0)
        told = await listener.next(5)
        assert told is not None
        assert {"endpoints", "alerts"} <= told.areas
        assert await listener.next(0.3) is None
    await feed.close()


async def test_whoever_is_far_behind_hears_that_all_changed(store: SqlStore) -> None:
    """No reading of a year's entries for one browser that was asleep."""
    async with store.begin() as tx:
        for _ in range(501):
            await tx.append_audit(at=T0, actor="test", action="endpoint.paused", subject="x", data={})
    behind = await changed_since(store, 0)
    assert behind is not None
    assert (behind.number, behind.areas) == (501, AREAS)
    near = await changed_since(store, 1)
    assert near is not None
    assert near.areas == {"audit", "endpoints"}
    assert await changed_since(store, 501) is None
    future = await changed_since(store, 10_000)
    assert future is not None
    assert (future.number, future.areas) == (501, AREAS)


async def test_the_feed_looks_only_while_somebody_listens(store: SqlStore) -> None:
    """Without listeners its task ends by itself."""
    feed = LiveFeed(store, poll_s=0.05, gather_s=0.01)
    with feed.listening("a"):
        await asyncio.sleep(0.1)
        task = feed._task
        assert task is not None
        assert not task.done()
    await asyncio.wait_for(task, 5)
    await feed.close()


async def test_places_are_bounded(store: SqlStore) -> None:
    """By name and altogether; a closed feed takes nobody."""
    feed = LiveFeed(store, most=3, most_each=2)
    with feed.listening("a"), feed.listening("a"), feed.listening("b"):
        for name in ("a", "c"):
            with pytest.raises(TooManyListeners), feed.listening(name):
                pass
    with feed.listening("a"):
        pass
    await feed.close()
    with pytest.raises(TooManyListeners), feed.listening("a"):
        pass


async def test_unknown_actions_are_other(store: SqlStore) -> None:
    """A new kind of entry is told, not lost."""
    async with store.begin() as tx:
        await accept(tx, new_case())
    async with store.begin(read_only=True) as tx:
        (entry,) = await tx.audit_entries()
    assert areas_of([dataclasses.replace(entry, action="surprise.happened")]) == {"audit", "other"}
    assert areas_of([]) == {"audit"}
