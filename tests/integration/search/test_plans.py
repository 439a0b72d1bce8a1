"""Every filter is a seek in an index and a bounded walk from there: asked of the databases themselves.

Over a year of messages whose odd ones lie far back, which is what misleads a planner: it believes that what
it looks for is spread evenly.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import pytest
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from bench.console import filters
from bench.fill import FRANCE, fill_postgresql, fill_sqlite
from contracts.codes import Direction
from gateway.flows.message_search import narrow, parse
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


async def _explained(url: str, statements: list[Statement]) -> int:
    """Rows that were read in all; no table of messages is read from one end to the other."""
    connection, read = await _connect(url), 0
    try:
        for setting in ("enable_bitmapscan", "enable_seqscan", "jit"):  # as the listing sets them
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
    assert all(row.closed_at is None for row in (*breached, *warned))
    assert breached
    assert warned
