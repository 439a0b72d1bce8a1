"""SQLite: WAL, synchronous=FULL, one writer at a time, any number of readers, several processes.

Statements on an embedded database take microseconds, less than a hop to another thread, so they run
where they are called; what may block (the commit with its fsync, large contents) runs in a thread. The
writer never blocks either: within the process writers queue on a lock, and against other processes
``BEGIN IMMEDIATE`` is tried again after a short sleep of the task.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError

from gateway.core.errors import ConfigError, Unavailable
from gateway.store.prepared import Plans, PreparedConnection
from gateway.store.session import Session, Wakeups, translated

R = TypeVar("R")

_READERS = 4
_BUSY_SECONDS = 30.0
_POLL_SECONDS = 0.2
_BUSY_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_FIRST_BYTE = 0xFF  # extended result codes keep the primary code in the low byte


def sqlite_path(url: str) -> Path:
    """The file of ``sqlite:///path`` (any driver name). Raises ConfigError for an in-memory database:
    nothing that we accept may live in memory only."""
    name = make_url(url).database
    if not name or name == ":memory:" or name.startswith("file:"):
        raise ConfigError("The SQLite address must name a file: sqlite:////folder/passerelle.db.")
    return Path(name)


def _engine(
    path: Path, *, create: bool = False, busy_seconds: float, read_only: bool, pool_size: int
) -> Engine:
    """SQLAlchemy neither begins nor commits here: whoever uses it does (``_Handle``)."""
    mode = "rwc" if create else "rw"
    engine = create_engine(
        f"sqlite+pysqlite:///file:{path}?mode={mode}&uri=true",
        connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS, "cached_statements": 256},
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin by itself (SQLAlchemy, pysqlite)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=FAST",
            "temp_store=MEMORY",
            "cache_size=-4000",  # of each connection: a blob read or written fills it, whatever its size
            f"query_only={'ON' if read_only else 'OFF'}",
            f"busy_timeout={int(busy_seconds * 1000)}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    return engine


def writer_engine(path: Path, *, create: bool = False, busy_seconds: float = 0) -> Engine:
    """One connection; every transaction of SQLAlchemy is BEGIN IMMEDIATE. For migrations."""
    engine = _engine(path, create=create, busy_seconds=busy_seconds, read_only=False, pool_size=1)

    @event.listens_for(engine, "begin")
    def _begin_immediate(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _is_busy(error: OperationalError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", 0) or 0
    return (code & _FIRST_BYTE) in _BUSY_CODES


class _Handle:
    """One connection, kept open: taking it from a pool and giving it back for each of a message's seven
    transactions would cost as much as the transactions."""

    def __init__(self, engine: Engine, plans: Plans, begin: str) -> None:
        with translated():
            self._connection = engine.connect()
        self._begin = begin
        self.prepared = PreparedConnection(self._connection, plans)

    def begin(self) -> None:
        self.prepared.execute_sql(self._begin)

    def commit(self) -> None:
        self.prepared.execute_sql("COMMIT")

    def end(self) -> None:
        """Rolls back what was not committed."""
        self.prepared.end()
        if self._connection.in_transaction():  # SQLAlchemy ran a statement, and has begun in its own books
            self._connection.rollback()

    def close(self) -> None:
        self._connection.close()


class SqliteSession:
    def __init__(self, connection: PreparedConnection, threads: ThreadPoolExecutor) -> None:
        self._connection = cast("Connection", connection)  # it has what the statements of the store use
        self._threads = threads

    async def run(self, work: Callable[[Connection], R], *, heavy: bool = False) -> R:
        with translated():
            if heavy:
                return await _to_end(self._threads, lambda: work(self._connection))
            return work(self._connection)


async def _to_end(threads: ThreadPoolExecutor, work: Callable[[], R]) -> R:
    """Runs in a thread and, even when cancelled, waits until the thread has let go of the connection."""
    future = asyncio.get_running_loop().run_in_executor(threads, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with suppress(asyncio.CancelledError, Exception):
                await asyncio.shield(future)
        raise


class SqliteDatabase:
    """Implements ``gateway.store.session.Database``."""

    def __init__(self, path: Path) -> None:
        self._writer = _engine(path, busy_seconds=0, read_only=False, pool_size=1)
        self._reader = _engine(path, busy_seconds=_BUSY_SECONDS, read_only=True, pool_size=_READERS + 1)
        self._plans = Plans(self._writer.dialect)
        self._write_handle: _Handle | None = None
        self._read_handles: list[_Handle] = []
        self._write_lock = asyncio.Lock()
        self._read_slots = asyncio.Semaphore(_READERS)
        self._threads = ThreadPoolExecutor(_READERS + 1, thread_name_prefix="sqlite")
        self._wakeups = Wakeups()
        self._poller: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def session(
        self, *, read_only: bool, finish: Callable[[Connection], None]
    ) -> AsyncIterator[Session]:
        async with self._read_slots if read_only else self._write_lock:
            await asyncio.sleep(0)  # nothing below need wait: a loop over readings must not starve others
            handle = self._take(read_only=read_only)
            try:
                await self._begin(handle)
                yield SqliteSession(handle.prepared, self._threads)
                with translated():
                    finish(cast("Connection", handle.prepared))
                    if read_only:
                        handle.commit()
                    else:
                        await _to_end(self._threads, handle.commit)
            finally:
                handle.end()
                if read_only:
                    self._read_handles.append(handle)

    def _take(self, *, read_only: bool) -> _Handle:
        """A handle that nobody else uses: the lock and the slots see to that."""
        if read_only:
            return self._read_handles.pop() if self._read_handles else self._open(self._reader, "BEGIN")
        if self._write_handle is None:
            self._write_handle = self._open(self._writer, "BEGIN IMMEDIATE")
        return self._write_handle

    def _open(self, engine: Engine, begin: str) -> _Handle:
        return _Handle(engine, self._plans, begin)

    async def _begin(self, handle: _Handle) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _BUSY_SECONDS
        while True:
            try:
                with translated():
                    handle.begin()
            except Unavailable as error:
                cause = error.__cause__
                if not isinstance(cause, OperationalError) or not _is_busy(cause) or loop.time() > deadline:
                    raise
            else:
                return
            handle.end()
            await asyncio.sleep(random.uniform(0.001, 0.004))  # noqa: S311 — jitter, not a secret

    async def notify(self, channel: str) -> None:
        """Wakes this process at once; other processes see the commit itself (``_poll``)."""
        self._wakeups.wake(channel)

    async def wait(self, channel: str, seconds: float) -> None:
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        await self._wakeups.wait(channel, seconds)

    async def _poll(self) -> None:
        """PRAGMA data_version changes when another connection, in any process, has committed."""
        last: int | None = None
        with self._reader.connect() as connection:
            while True:
                try:
                    version = connection.exec_driver_sql("PRAGMA data_version").scalar_one()
                    connection.rollback()
                except OperationalError:
                    version = None  # out of reach: waiters wake, look and meet the error themselves
                if last is not None and version != last:
                    self._wakeups.wake_all()
                last = version
                await asyncio.sleep(_POLL_SECONDS)

    async def checkpoint(self) -> None:
        """Copies the log into the file and empties it; skipped while readers hold it."""

        async with self._write_lock:
            handle = self._take(read_only=False)
            with translated():
                await _to_end(
                    self._threads, lambda: handle.prepared.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                )

    async def close(self) -> None:
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller
        async with self._write_lock:
            handles = [*self._read_handles, *([self._write_handle] if self._write_handle else ())]
            self._read_handles, self._write_handle = [], None
            for handle in handles:
                handle.close()
            self._writer.dispose()
        self._reader.dispose()
        self._threads.shutdown(wait=True)
