"""Events of the inbox that were acknowledged long ago go, and nothing else does."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from gateway import bootstrap
from gateway.cli.setup import make_instance
from gateway.config import make_settings
from gateway.flows import inbox_retention
from gateway.flows.exchange import Exchange
from gateway.flows.inbox_retention import ACTION, remove_old_events
from gateway.flows.ports_inbox import InboxEvent
from gateway.instance import Instance
from gateway.store import SqlStore, open_store
from tests.fixtures.console import MovingClock, make_exchange
from tests.fixtures.databases import PlainKeys

DAY = dt.timedelta(days=1)


async def told(exchange: Exchange, name: str, *, acknowledged: dt.timedelta | None = None) -> str:
    """An event, and how long ago it was acknowledged; its id."""
    now = exchange.clock.now()
    event = InboxEvent(
        event_id=exchange.clock.new_id(),
        type="passerelle.deadline.warning.v1",
        fact=name,
        at=now - 200 * DAY,
        reference=None,
        message_id=None,
        path=None,
        data={},
    )
    async with exchange.store.begin() as tx:
        await tx.add_inbox_event(event)
    if acknowledged is not None:
        async with exchange.store.begin() as tx:
            assert await tx.acknowledge_inbox_event(event.event_id, at=now - acknowledged, by="home-office")
    return event.event_id


async def left(exchange: Exchange, ids: list[str]) -> list[bool]:
    async with exchange.store.begin(read_only=True) as tx:
        return [await tx.inbox_event(event_id) is not None for event_id in ids]


async def removals(exchange: Exchange) -> list[object]:
    async with exchange.store.begin(read_only=True) as tx:
        return [e.data["count"] for e in await tx.audit_entries() if e.action == ACTION]


async def test_only_what_was_acknowledged_long_ago_goes(store: SqlStore) -> None:
    """Ninety days after the acknowledgement; never what waits, however old; the audit log counts them."""
    exchange = make_exchange(store, MovingClock())
    ids = [
        await told(exchange, "old", acknowledged=91 * DAY),
        await told(exchange, "waiting"),
        await told(exchange, "fresh", acknowledged=89 * DAY),
        await told(exchange, "also old", acknowledged=100 * DAY),
    ]
    assert await remove_old_events(exchange) == 0
    assert await left(exchange, ids) == [False, True, True, False]
    assert await removals(exchange) == [2]
    assert await remove_old_events(exchange) == 0
    assert await removals(exchange) == [2]
    async with store.begin(read_only=True) as tx:
        assert [e.fact for e in await tx.inbox_events(after=0, limit=10)] == ["waiting"]


async def test_a_long_table_is_walked_in_pieces(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call looks at so many rows, and the next one goes on; at the end it begins again."""
    monkeypatch.setattr(inbox_retention, "PIECE", 2)
    monkeypatch.setattr(inbox_retention, "_PIECES", 2)
    exchange = make_exchange(store, MovingClock())
    ids = [await told(exchange, f"old {n}", acknowledged=91 * DAY) for n in range(6)]
    place = await remove_old_events(exchange)
    assert place > 0
    assert await left(exchange, ids) == [False] * 4 + [True] * 2
    assert await remove_old_events(exchange, place) == 0
    assert await left(exchange, ids) == [False] * 6
    assert await removals(exchange) == [2, 2, 2]


async def test_two_nodes_remove_and_write_it_down_once(store: SqlStore) -> None:
    """Whoever is second finds nothing left."""
    exchange = make_exchange(store, MovingClock())
    for n in range(5):
        await told(exchange, f"old {n}", acknowledged=91 * DAY)
    await asyncio.gather(*(remove_old_events(exchange) for _ in range(3)))
    assert sum(int(str(n)) for n in await removals(exchange)) == 5


async def test_for_ever_when_set_so(store: SqlStore) -> None:
    """None removes nothing."""
    exchange = dataclasses.replace(make_exchange(store, MovingClock()), events_kept=None)
    ids = [await told(exchange, "old", acknowledged=1000 * DAY)]
    assert await remove_old_events(exchange) == 0
    assert await left(exchange, ids) == [True]


async def test_the_housekeeping_of_a_running_gateway_does_it(store: SqlStore) -> None:
    """Beside what else it removes, and over and over."""
    exchange = make_exchange(store, MovingClock())
    ids = [await told(exchange, "old", acknowledged=91 * DAY)]
    keeping = asyncio.create_task(bootstrap._housekeeping(exchange))
    async with asyncio.timeout(20):
        while await left(exchange, ids) != [False]:  # noqa: ASYNC110 — what is awaited is in the store
            await asyncio.sleep(0.01)
    assert not keeping.done()
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping


@pytest.mark.parametrize(("days", "kept"), [(0, None), (7.5, 7.5 * DAY), (None, 90 * DAY)])
def test_the_setting_arrives_where_events_are_removed(
    tmp_path: Path, days: float | None, kept: dt.timedelta | None
) -> None:
    """``uk_api.events_kept_days``; 0 is for ever, without it 90."""
    make_instance(tmp_path / "gw")
    section = {} if days is None else {"uk_api": {"events_kept_days": days}}
    instance = dataclasses.replace(Instance.load(tmp_path / "gw"), settings=make_settings(section))
    made = open_store(f"sqlite:///{tmp_path}/x.db", keyring=PlainKeys(), create=True)
    assert instance.exchange(made).events_kept == kept
