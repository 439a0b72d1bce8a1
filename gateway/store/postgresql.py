"""PostgreSQL over asyncpg: any number of nodes share it; LISTEN/NOTIFY wakes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from gateway.core.errors import Unavailable
from gateway.store.migrate import asyncpg_url
from gateway.store.session import Session, Wakeups, translated

R = TypeVar("R")

_POOL_SIZE = 10
_CHANNEL = "passerelle"
_RECONNECT_SECONDS = 1.0


class PostgresqlSession:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def run(self, work: Callable[[Connection], R], *, heavy: bool = False) -> R:
        with translated():
            return await self._connection.run_sync(work)


class PostgresqlDatabase:
    """Implements ``gateway.store.session.Database``. READ COMMITTED: every statement after a lock sees
    what its last holder committed."""

    def __init__(self, url: str) -> None:
        self._url = asyncpg_url(url)
        self._engine = create_async_engine(
            self._url,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_SIZE,
            pool_timeout=10,
            pool_pre_ping=True,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
        )
        self._wakeups = Wakeups()
        self._listener: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def session(
        self, *, read_only: bool, finish: Callable[[Connection], None]
    ) -> AsyncIterator[Session]:
        with translated(), _network():
            connection = await self._engine.connect()
        try:
            if read_only:
                await connection.execution_options(postgresql_readonly=True)
            yield PostgresqlSession(connection)
            with translated(), _network():
                await connection.run_sync(finish)
                await connection.commit()
        finally:
            await asyncio.shield(connection.close())  # rolls back what was not committed

    async def notify(self, channel: str) -> None:
        """Outside any transaction: NOTIFY inside one would hold a lock over its commit."""
        with translated(), _network():
            async with self._engine.begin() as connection:
                await connection.execute(_NOTIFY, {"name": _CHANNEL, "channel": channel})

    async def wait(self, channel: str, seconds: float) -> None:
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen())
        await self._wakeups.wait(channel, seconds)

    async def _listen(self) -> None:
        """Keeps one connection listening; whatever was missed while it was down wakes everybody."""
        while True:
            connection: Any = None
            try:
                connection = await self._connect()
                lost = asyncio.Event()
                connection.add_termination_listener(lambda *_, lost=lost: lost.set())
                await connection.add_listener(_CHANNEL, self._heard)
                self._wakeups.wake_all()
                await lost.wait()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pass  # waiters meet the same error in their next transaction; we try again
            finally:
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _connect(self) -> Any:
        url = make_url(self._url)
        host = url.query.get("host", url.host)
        return await asyncpg.connect(
            host=host,
            port=url.port or int(str(url.query.get("port", 5432))),
            user=url.username,
            password=url.password,
            database=url.database,
            timeout=10,
        )

    def _heard(self, _connection: object, _pid: int, _name: str, channel: str) -> None:
        self._wakeups.wake(channel)

    async def checkpoint(self) -> None:
        """Nothing to do at once: old row versions go with the next vacuum (operator guide)."""

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
        await self._engine.dispose()


_NOTIFY = text("SELECT pg_notify(:name, :channel)")


class _network:  # noqa: N801 — reads as a context
    """Errors of the socket itself, which SQLAlchemy does not wrap when connecting."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError | asyncpg.PostgresError | asyncpg.InterfaceError):
            raise Unavailable("The database cannot be reached; nothing was stored.") from error
