"""Every filter is a seek in an index and a bounded walk from there: asked of the databases themselves.

Over a year of messages whose odd ones lie far back, which is what misleads a planner: it believes that what
it looks for is spread evenly.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import pytest
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from bench.console import filters
from bench.fill import FRANCE, fill_postgresql, fill_sqlite
from contracts.codes import Direction
from gateway.core.treaty.quotas import QuotaKind
from gateway.flows.message_search import narrow, parse
from gateway.flows.ports import Transaction
from gateway.flows.ports_search import MessageFilter
from gateway.store import cursors, listing, migrate, open_store
from gateway.store.migrate import asyncpg_url
from tests.fixtures.databases import PlainKeys, PostgresServer

ROWS = 24_000
WALK = 400
NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
START = int((NOW - dt.timedelta(days=365)).timestamp() * 1000)
Statement = tuple[str, Any]


@pytest.fixture(scope="module")
def sqlite_year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("year") / "year.db"
    migrate(f"sqlite:///{path}")
    fill_sqlite(path, ROWS, start_ms=START, told=lambda _: None)
    return path


async def _connect(url: str) -> asyncpg.Connection:
    database, host = url.split("@/")[-1].split("?host=")
    return await asyncpg.connect(host=host, user="postgres", database=database)


@pytest.fixture(scope="module")
def postgresql_year(postgres_server: PostgresServer) -> Iterator[str]:
    url = postgres_server.new_database()

    async def fill() -> None:
        connection = await _connect(url)
        await fill_postgresql(connection, ROWS, start_ms=START, told=lambda _: None)
        await connection.close()

    asyncio.run(fill())
    yield url
    postgres_server.drop(url)


def _wheres() -> dict[str, MessageFilter]:
    found = {}
    for name, text in filters(ROWS, NOW).items():
        given = parse_qs(text.replace("FRANCE", FRANCE))
        found[name] = narrow(parse(given), NOW)
    return found


def _ask(connection: Connection, where: MessageFilter) -> None:
    """First and deep page, in both orders, and the count."""
    for newest_first, name in ((True, "messages-"), (False, "messages+")):
        for cursor in (None, cursors.encode(name, (ROWS // 2,))):
            listing.list_page(connection, where, cursor=cursor, limit=50, newest_first=newest_first)
    listing.count(connection, where, most=100)


def _visited(plan: dict[str, Any]) -> Iterator[tuple[str, str, int]]:
    """(kind of scan, table, rows that were read) of every part of a plan."""
    if "Relation Name" in plan:
        rows = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        rows += plan.get("Rows Removed by Index Recheck", 0)
        yield plan["Node Type"], plan["Relation Name"], int(rows * plan["Actual Loops"])
    for part in plan.get("Plans", ()):
        yield from _visited(part)


async def _explained(url: str, statements: list[Statement], *, careful: bool = True) -> int:
    """Rows that were read in all; no table of messages is read from one end to the other. ``careful``: with
    the settings of the listing."""
    connection, read = await _connect(url), 0
    try:
        for setting in ("enable_bitmapscan", "enable_seqscan", "jit") if careful else ():
            await connection.execute(f"SET {setting} = off")
        for sql, values in statements:
            [(text,)] = await connection.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *values)
            for kind, table, rows in _visited(json.loads(text)[0]["Plan"]):
                assert kind != "Seq Scan" or table != "messages", sql
                read += rows
    finally:
        await connection.close()
    return read


async def test_postgresql_reads_a_bounded_number_of_rows(
    postgresql_year: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the filter and wherever its messages lie, each statement reads what a page may cost."""
    monkeypatch.setattr(listing, "WALK", WALK)
    engine = create_async_engine(asyncpg_url(postgresql_year), poolclass=NullPool)
    run: list[Statement] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *a: run.append((a[2], a[3])))
    async with engine.connect() as connection:
        for name, where in _wheres().items():
            run.clear()
            await connection.run_sync(_ask, where)
            seen = [s for s in run if s[0].lstrip().upper().startswith("SELECT") and "set_config" not in s[0]]
            assert seen, name
            for statement in seen:
                read = await _explained(postgresql_year, [statement])
                # twice: the branches of one page, or an outbox that is read whole while it is short
                assert read <= 2 * max(WALK, listing.MANY), (name, read, statement[0])
    await engine.dispose()


def test_sqlite_walks_indexes(sqlite_year: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No statement passes over the table of messages, and none sorts what it found there."""
    monkeypatch.setattr(listing, "WALK", WALK)
    engine = create_engine(f"sqlite:///{sqlite_year}", poolclass=NullPool)
    run: list[Statement] = []
    event.listen(engine, "before_cursor_execute", lambda *a: run.append((a[2], a[3])))
    raw = sqlite3.connect(sqlite_year)
    with engine.connect() as connection:
        for name, where in _wheres().items():
            run.clear()
            _ask(connection, where)
            for sql, values in run:
                steps = [row[-1] for row in raw.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
                assert not [s for s in steps if s.startswith("SCAN messages")], (name, steps, sql)
                assert not [s for s in steps if "TEMP B-TREE FOR ORDER" in s], (name, steps, sql)
    raw.close()
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_first_page_is_read_from_indexes(
    kind: str, sqlite_year: Path, postgresql_year: str
) -> None:
    """Marks of both routes, pressing time limits and half-approved holds cost a few look-ups."""
    url = f"sqlite:///{sqlite_year}" if kind == "sqlite" else postgresql_year
    store = open_store(url, keyring=PlainKeys())
    async with store.begin(read_only=True) as tx:
        outbound = await tx.route_marks(Direction.UK_TO_FR)
        inbound = await tx.route_marks(Direction.FR_TO_UK)
        breached = await tx.pressing_deadlines(breached=True, limit=1001)
        warned = await tx.pressing_deadlines(breached=False, limit=1001)
        counts = await tx.message_counts()
    await store.close()
    assert sum(counts.values()) == ROWS
    assert outbound.oldest_waiting is not None
    assert outbound.oldest_unacknowledged is not None
    assert inbound.oldest_unacknowledged is not None
    assert outbound.last_success_at is not None
    assert inbound.last_success_at is not None
    assert all(row.closed_at is None for row in (*breached, *warned))
    assert breached
    assert warned


@contextlib.contextmanager
def _listened() -> Iterator[list[Statement]]:
    """Every SELECT that any store of this process runs meanwhile."""
    run: list[Statement] = []

    def hear(*call: Any) -> None:
        if call[2].lstrip().upper().startswith("SELECT"):
            run.append((call[2], call[3]))

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield run
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


@pytest.fixture(scope="module")
def queues(sqlite_year: Path, postgresql_year: str) -> dict[str, str]:
    """Both years, with requests that wait for their quota and the clock of every request there ever was."""
    waits = (
        "UPDATE messages SET status = 'held', code = 'quota.readmissions' WHERE type = 'ReadmissionRequest'"
        " AND status = 'held'"
    )
    limits = (
        "INSERT INTO deadlines (reference, clock, message_id, zone, started_at, due_at, state, warnings)"
        " SELECT reference, 'request', message_id, 'Europe/London', received_at, received_at + 1209600000,"
        " CASE WHEN status = 'held' THEN 'open' ELSE 'met' END, 0 FROM messages"
        " WHERE type = 'ReadmissionRequest'"
    )
    with sqlite3.connect(sqlite_year) as raw:
        for statement in (waits, limits):
            raw.execute(statement)
    raw.close()

    async def fill() -> None:
        connection = await _connect(postgresql_year)
        for statement in (waits, limits, "ANALYZE messages", "ANALYZE deadlines"):
            await connection.execute(statement)
        await connection.close()

    asyncio.run(fill())
    return {"sqlite": f"sqlite:///{sqlite_year}", "postgresql": postgresql_year}


async def _marks(tx: Transaction) -> object:
    return [await tx.route_marks(direction) for direction in Direction]


async def _half_approved(tx: Transaction) -> object:
    return [await tx.half_approved(limit=5), await tx.count_half_approved()]


async def _running_out(tx: Transaction) -> object:
    begin = NOW - dt.timedelta(days=400)
    return [await tx.running_out(kind, "request", now=begin, until=NOW, limit=20) for kind in QuotaKind]


_FEW = "USING INDEX ix_messages_inbox"
"""The one index that holds nothing but what waits in the inbox: its first entry is taken."""
READINGS: dict[str, tuple[Callable[[Transaction], Awaitable[object]], int]] = {
    # what is read, and how many rows that may take: each mark is the first of a stretch of an index
    "marks of the routes": (_marks, 100),
    "half-approved holds": (_half_approved, 100),
    "requests whose quota comes too late": (_running_out, 100),
}


@pytest.mark.parametrize("what", READINGS)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_readings_of_the_first_page_and_of_alerts_count_few_rows(
    queues: dict[str, str], kind: str, what: str
) -> None:
    """As the databases plan them by themselves: no passing over messages or deadlines, and few rows."""
    reading, most = READINGS[what]
    store = open_store(queues[kind], keyring=PlainKeys())
    with _listened() as run:
        async with store.begin(read_only=True) as tx:
            run.clear()
            found = await reading(tx)
            seen = list(run)
    await store.close()
    assert found
    assert seen
    if kind == "postgresql":
        read = await _explained(queues[kind], seen, careful=False)
        assert read <= most, read
        return
    raw = sqlite3.connect(queues[kind].removeprefix("sqlite:///"))
    for sql, values in seen:
        steps = [row[-1] for row in raw.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
        walked = [s for s in steps if s.startswith(("SCAN messages", "SCAN deadlines"))]
        assert not [s for s in walked if not s.endswith(_FEW)], steps
        assert not [s for s in steps if "deadlines" in s and "message_id=?" not in s], steps
    raw.close()


async def test_the_queue_of_the_year_is_not_empty(queues: dict[str, str]) -> None:
    """So that the row counts above count something: many requests, few of them waiting."""
    for url in queues.values():
        store = open_store(url, keyring=PlainKeys())
        async with store.begin(read_only=True) as tx:
            found = await tx.running_out(
                QuotaKind.READMISSIONS, "request", now=NOW - dt.timedelta(days=400), until=NOW, limit=1
            )
        await store.close()
        assert found.count > len(found.messages) == 1
