"""The audit log from its end: filters, pages, times; on every database."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.core.errors import BadCursor
from gateway.flows.ports_audit import AuditFilter
from gateway.store import SqlStore
from tests.fixtures.store_records import T0, later

HOUR = 3600.0


async def _fill(store: SqlStore, count: int = 30) -> None:
    """One entry each hour: two actors, three actions, five subjects in turn."""
    for number in range(count):
        async with store.begin() as tx:
            await tx.append_audit(
                at=later(number * HOUR),
                actor=("gateway", "operator:nadia")[number % 2],
                action=("message.held", "message.released", "console.login")[number % 3],
                subject=f"subject-{number % 5}",
                data={"number": number},
            )


async def _numbers(store: SqlStore, where: AuditFilter, limit: int = 100) -> list[int]:
    async with store.begin(read_only=True) as tx:
        page = await tx.find_audit(where, limit=limit)
    return [int(entry.data["number"] or 0) for entry in page.items]


async def test_newest_first_in_pages(store: SqlStore) -> None:
    """Pages join without gap or overlap, and the last has no cursor."""
    await _fill(store, 7)
    seen: list[int] = []
    cursor: str | None = None
    while True:
        async with store.begin(read_only=True) as tx:
            page = await tx.find_audit(AuditFilter(), cursor=cursor, limit=3)
        seen += [entry.sequence for entry in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_filters_narrow_together(store: SqlStore) -> None:
    """Subject, actor and action are compared exactly, alone and together."""
    await _fill(store)
    assert await _numbers(store, AuditFilter(subject="subject-3")) == [28, 23, 18, 13, 8, 3]
    assert await _numbers(store, AuditFilter(actor="operator:nadia"), 3) == [29, 27, 25]
    assert await _numbers(store, AuditFilter(action="console.login"), 3) == [29, 26, 23]
    both = AuditFilter(actor="operator:nadia", action="console.login")
    assert await _numbers(store, both) == [29, 23, 17, 11, 5]
    assert await _numbers(store, AuditFilter(actor="operator:nad")) == []


async def test_times_bound_exactly(store: SqlStore) -> None:
    """``since`` is included, ``until`` is not; also with another filter, and outside of all entries."""
    await _fill(store)
    window = AuditFilter(since=later(10 * HOUR), until=later(13 * HOUR))
    assert await _numbers(store, window) == [12, 11, 10]
    some = AuditFilter(since=later(10 * HOUR), until=later(20 * HOUR), action="console.login")
    assert await _numbers(store, some) == [17, 14, 11]
    assert await _numbers(store, AuditFilter(until=T0)) == []
    assert await _numbers(store, AuditFilter(since=later(100 * HOUR))) == []
    assert len(await _numbers(store, AuditFilter(since=T0 - dt.timedelta(days=9)))) == 30


async def test_an_entry_a_little_out_of_order_is_found(store: SqlStore) -> None:
    """Transactions commit after they took their time: half an hour of disorder loses nothing."""
    for minutes in (0, 90, 60, 120):
        async with store.begin() as tx:
            at = T0 + dt.timedelta(minutes=minutes)
            await tx.append_audit(at=at, actor="a", action="b", subject="c", data={"number": minutes})
    window = AuditFilter(since=T0 + dt.timedelta(minutes=80), until=T0 + dt.timedelta(minutes=100))
    assert await _numbers(store, window) == [90]
    early = AuditFilter(since=T0 + dt.timedelta(minutes=50), until=T0 + dt.timedelta(minutes=70))
    assert await _numbers(store, early) == [60]


async def test_an_empty_log_and_a_foreign_cursor(store: SqlStore) -> None:
    """Nothing is found in an empty log; a cursor of another listing is refused."""
    assert await _numbers(store, AuditFilter(since=T0)) == []
    with pytest.raises(BadCursor):
        async with store.begin(read_only=True) as tx:
            await tx.find_audit(AuditFilter(), cursor="bm90LWE", limit=3)
