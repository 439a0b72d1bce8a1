"""Brings a database to the current schema. Alembic is the only maker of tables."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from gateway.core.errors import ConfigError
from gateway.store.sqlite import sqlite_path, writer_engine

if TYPE_CHECKING:
    from alembic.config import Config

_ALEMBIC = threading.Lock()  # Alembic's environment lives in module globals
_MIGRATION_LOCK = 0x70617373_00000003  # advisory lock on PostgreSQL: one node migrates, the others wait


def _config() -> Config:
    from alembic.config import Config  # Alembic takes a tenth of a second: only where schemas are looked at

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """The revision this program needs."""
    from alembic.script import ScriptDirectory  # as above

    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:  # pragma: no cover — a broken installation
        raise ConfigError("The program's migrations are missing: install it again.")
    return revision


def _upgrade(connection: Connection, to: str) -> None:
    from alembic import command  # as above

    config = _config()
    config.attributes["connection"] = connection
    with _ALEMBIC:
        command.upgrade(config, to)


def _upgrade_locked(connection: Connection, to: str) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    _upgrade(connection, to)


async def _migrate_postgresql(url: str, to: str) -> None:
    engine = create_async_engine(asyncpg_url(url), poolclass=NullPool, hide_parameters=True)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade_locked, to)
    finally:
        await engine.dispose()


def asyncpg_url(url: str) -> str:
    """The same address with the driver we use."""
    return make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def migrate(url: str, *, to: str = "head") -> None:
    """Creates or upgrades the schema, to that revision or beyond; does nothing when it is current. Blocks;
    may be called with or without a running event loop. Raises ConfigError for a database that we do not
    support."""
    backend = make_url(url).get_backend_name()
    if backend == "sqlite":
        engine = writer_engine(sqlite_path(url), create=True, busy_seconds=30)
        try:
            with engine.begin() as connection:
                _upgrade(connection, to)
        finally:
            engine.dispose()
    elif backend == "postgresql":
        with ThreadPoolExecutor(1, thread_name_prefix="migrate") as pool:
            pool.submit(lambda: asyncio.run(_migrate_postgresql(url, to))).result()
    else:
        raise ConfigError("The database address must begin with sqlite: or postgresql: (setting: database).")


async def migrate_async(url: str) -> None:
    """``migrate`` beside a running event loop."""
    await asyncio.to_thread(migrate, url)
