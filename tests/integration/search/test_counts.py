"""Counts by type, direction and status are kept, not counted: always what counting would give."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path

import pytest

from contracts.codes import Direction, MessageType
from gateway.core.records import MessageStatus
from gateway.flows.ports import DuplicateMessage, Transaction
from gateway.flows.ports_search import Place
from gateway.store import SqlStore, migrate
from tests.fixtures.databases import PostgresServer
from tests.fixtures.raw_sql import raw
from tests.fixtures.searched import fill
from tests.fixtures.store_records import later, new_case, new_message, record_for

_GROUPED = "SELECT type, direction, status, COUNT(*) FROM messages GROUP BY type, direction, status"


async def _truth(url: str) -> dict[Place, int]:
    return {
        Place(MessageType(str(kind)), Direction(str(way)), MessageStatus(str(status))): int(str(number))
        for kind, way, status, number in await raw(url, _GROUPED)
    }


async def _kept(store: SqlStore) -> dict[Place, int]:
    async with store.begin(read_only=True) as tx:
        return dict(await tx.message_counts())


class _Undone(Exception):
    pass


async def _step(store: SqlStore, url: str, ids: list[str], dice: random.Random) -> None:
    """One thing that happens to messages: accepted, moved, undone, changed or removed behind our back."""
    what = dice.choice(["add", "add", "move", "move", "move", "undo", "retype", "remove", "fold"])
    if what == "fold":
        async with store.begin() as tx:
            await tx.fold_counts(limit=dice.choice([1, 3, 1000]))
    elif what == "add" or not ids:
        async with store.begin() as tx:
            ids += await _added(tx, dice)
    elif what == "move":
        async with store.begin() as tx:
            await tx.update_message(dice.choice(ids), at=later(1), status=dice.choice(list(MessageStatus)))
    elif what == "undo":
        with contextlib.suppress(_Undone):
            await _undone(store, dice, ids)
    elif what == "retype":
        kind = dice.choice(list(MessageType)).value
        await raw(url, "UPDATE messages SET type = :kind WHERE message_id = :id", kind=kind, id=ids[0])
    else:
        gone = ids.pop()
        await raw(url, "DELETE FROM contents WHERE message_id = :id", id=gone)
        await raw(url, "DELETE FROM messages WHERE message_id = :id", id=gone)


async def _undone(store: SqlStore, dice: random.Random, ids: list[str]) -> None:
    async with store.begin() as tx:
        await _added(tx, dice)
        await tx.update_message(dice.choice(ids), at=later(1), status=MessageStatus.FAILED)
        raise _Undone


async def _added(tx: Transaction, dice: random.Random) -> list[str]:
    case = new_case()
    await tx.add_case(case)
    message = new_message(case)
    record = record_for(
        message, direction=dice.choice(list(Direction)), status=dice.choice(list(MessageStatus))
    )
    return [(await tx.add_message(record, message, ())).message_id]


async def test_counts_are_what_counting_gives(store: SqlStore, store_url: str) -> None:
    """After each of two hundred random steps, rollbacks and additions of changes among them."""
    dice, ids = random.Random(11), list[str]()
    for _ in range(200):
        await _step(store, store_url, ids, dice)
        assert await _kept(store) == await _truth(store_url)


async def test_many_at_once_keep_the_counts_exact(store: SqlStore, store_url: str) -> None:
    """Writers and those who add up at the same time, as several nodes do; nobody waits for a deadlock."""

    async def write(seed: int) -> None:
        dice, ids = random.Random(seed), list[str]()
        for _ in range(25):
            async with store.begin() as tx:
                ids += await _added(tx, dice)
                await tx.update_message(
                    dice.choice(ids), at=later(1), status=dice.choice(list(MessageStatus))
                )

    async def add_up() -> None:
        for _ in range(30):
            async with store.begin() as tx:
                await tx.fold_counts(limit=7)

    await asyncio.gather(*(write(seed) for seed in range(4)), add_up(), add_up())
    assert await _kept(store) == await _truth(store_url)
    folded = 1
    while folded:
        async with store.begin() as tx:
            folded = await tx.fold_counts(limit=50)
    assert await raw(store_url, "SELECT COUNT(*) FROM message_changes") == [(0,)]
    assert await _kept(store) == await _truth(store_url)


async def test_a_refused_duplicate_counts_once(store: SqlStore) -> None:
    """An insert that the store turns into nothing does not count."""
    records = await fill(store, 1)
    before = await _kept(store)
    async with store.begin() as tx:
        message = await tx.content(records[0].message_id)
        with pytest.raises(DuplicateMessage):
            await tx.add_message(records[0], message, ())
    assert await _kept(store) == before


async def test_the_migration_counts_what_is_there(
    backend: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """A database of the schema before has its counts filled, and they go on from there."""
    url = f"sqlite:///{tmp_path / 'old.db'}" if backend == "sqlite" else postgres_server.empty_database()
    migrate(url, to="0006")
    await raw(url, "INSERT INTO cases VALUES ('r', 'readmission', 'c', 'new', 0, 5, 6)")
    for number in range(7):
        status = "failed" if number % 3 == 0 else "accepted"
        await raw(
            url,
            """INSERT INTO messages (message_id, reference, conversation_id, type, direction, status,
            body_sha256, attempts, receipt_verified, received_at, updated_at, in_inbox)
            VALUES (:id, 'r', 'c', 'Nomination', 'UK_TO_FR', :status, 'd', 0, 0, 7, 8, 0)""",
            id=f"m{number}",
            status=status,
        )
    migrate(url)
    counted = "SELECT status, messages FROM message_counts ORDER BY status"
    assert await raw(url, counted) == [("accepted", 4), ("failed", 3)]
    await raw(url, "UPDATE messages SET status = 'cancelled' WHERE message_id = 'm0'")
    every = """SELECT status, SUM(n) FROM (SELECT status, messages AS n FROM message_counts
        UNION ALL SELECT status, delta FROM message_changes) AS x GROUP BY status ORDER BY status"""
    assert [(s, int(str(n))) for s, n in await raw(url, every)] == [
        ("accepted", 4),
        ("cancelled", 1),
        ("failed", 2),
    ]
    if backend == "postgresql":
        postgres_server.drop(url)
