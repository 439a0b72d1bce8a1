"""Migrations make exactly the schema that the code expects, and queries use its indexes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from gateway.store import migrate, migrate_async
from gateway.store.schema import metadata
from gateway.store.sqlite import writer_engine
from tests.fixtures.databases import PostgresServer
from tests.fixtures.raw_sql import raw


@pytest.fixture
def empty_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.empty_database()
    yield url
    server.drop(url)


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_the_migrations_make_the_tables_of_the_code(store_url: str) -> None:
    """Alembic's own comparison finds no table, column or index that differs."""
    driver = "sqlite+aiosqlite" if store_url.startswith("sqlite") else "postgresql+asyncpg"
    engine = create_async_engine(f"{driver}:{store_url.split(':', 1)[1]}", poolclass=NullPool)
    async with engine.connect() as connection:
        assert await connection.run_sync(_differences) == []
    await engine.dispose()


async def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    """From inside a running loop too; the second time is a no-op."""
    migrate(empty_url)
    await migrate_async(empty_url)
    assert len(await raw(empty_url, "SELECT version_num FROM alembic_version")) == 1


async def test_the_second_schema_keeps_what_the_first_held(empty_url: str) -> None:
    """A database of revision 0001 with a queued message is brought up; its content and wire are as before."""
    migrate(empty_url, to="0001")
    case = "INSERT INTO cases VALUES ('r', 'readmission', 'c', 'new', 0, 5, 6)"
    message = """INSERT INTO messages (message_id, reference, conversation_id, type, direction, status,
        body_sha256, attempts, receipt_verified, received_at, updated_at, in_inbox)
        VALUES ('m', 'r', 'c', 't', 'uk_to_fr', 'sending', 'd', 0, 0, 7, 8, 0)"""
    row = """INSERT INTO outbox (channel, endpoint, message_id, reference, urgent, attempts, due_at,
        first_due_at, wire_content_type) VALUES ('as4', 'fr', 'm', 'r', 0, 1, 9, 10, 'text/plain')"""
    for statement in (case, message, row):
        await raw(empty_url, statement)
    await raw(empty_url, "UPDATE outbox SET wire = :wire", wire=b"wire")
    await migrate_async(empty_url)
    found = await raw(
        empty_url, "SELECT message_id, attempts, wire, wire_content_type, wire_blob FROM outbox"
    )
    assert found == [("m", 1, b"wire", "text/plain", None)]
    assert await raw(empty_url, "SELECT message_id, status FROM messages") == [("m", "sending")]


async def test_sqlite_is_durable(tmp_path: Path) -> None:
    """The file is in WAL mode, our connections sync fully, check foreign keys, wipe what is deleted."""
    path = tmp_path / "x.db"
    migrate(f"sqlite:///{path}")
    engine = writer_engine(path)
    with engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    engine.dispose()
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 2}


PLANS = {
    "inbox": "SELECT * FROM messages WHERE in_inbox = 1 AND sequence > 5 ORDER BY sequence LIMIT 5",
    "by status": "SELECT * FROM messages WHERE status = 'x' AND direction = 'y' ORDER BY sequence LIMIT 5",
    "by reference": "SELECT * FROM messages WHERE reference = 'x' ORDER BY sequence DESC LIMIT 5",
    "all": "SELECT * FROM messages WHERE sequence < 9 ORDER BY sequence DESC LIMIT 5",
    "cases": "SELECT * FROM cases WHERE created_at <= 5 ORDER BY created_at DESC, reference DESC LIMIT 5",
    "claims": "SELECT * FROM outbox WHERE urgent = 0 AND due_at <= 9 ORDER BY due_at, entry_id LIMIT 5",
    "blobs to remove": "SELECT blob_id FROM blobs WHERE expires_at <= 5 ORDER BY expires_at LIMIT 5",
    "blobs of a message": "SELECT * FROM blobs WHERE message_id = 'x'",
    "chunks": "SELECT * FROM blob_chunks WHERE blob_id = 'x' AND number BETWEEN 3 AND 6 ORDER BY number",
    "audit": "SELECT * FROM audit WHERE subject = 'x' AND sequence > 3 ORDER BY sequence LIMIT 5",
}


@pytest.mark.parametrize("what", PLANS)
async def test_listings_walk_an_index(sqlite_template: Path, what: str) -> None:
    """SQLite plans these without a full scan and without sorting: cost stays flat with size."""
    plan = await raw(f"sqlite:///{sqlite_template}", f"EXPLAIN QUERY PLAN {PLANS[what]}")
    steps = [str(step[-1]) for step in plan]
    assert all(step.startswith("SEARCH") for step in steps), steps
