"""The store: transactions over a database, with the keys that seal contents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache

from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError

from gateway.clock import SystemClock
from gateway.core.errors import ConfigError, Unavailable
from gateway.core.records import Blob
from gateway.flows.ports import Clock, Store
from gateway.store import blobs
from gateway.store.actions import ActionTransaction
from gateway.store.alerts import AlertTransaction
from gateway.store.apisecurity import SecurityTransaction
from gateway.store.audit import AuditTransaction
from gateway.store.balance import BalanceTransaction
from gateway.store.blobs import BlobTransaction
from gateway.store.cases import CaseTransaction
from gateway.store.deadlines import DeadlineTransaction
from gateway.store.endpoints import EndpointTransaction
from gateway.store.figures import FigureTransaction
from gateway.store.holds import HoldTransaction
from gateway.store.inbox import InboxEventTransaction
from gateway.store.ledger import LedgerTransaction
from gateway.store.messages import MessageTransaction
from gateway.store.migrate import head, migrate
from gateway.store.postgresql import PostgresqlDatabase
from gateway.store.pulling import PullTransaction
from gateway.store.reveals import RevealTransaction
from gateway.store.sealing import KeyService
from gateway.store.search import SearchTransaction
from gateway.store.session import Database
from gateway.store.sqlite import SqliteDatabase, sqlite_path
from gateway.store.users import UserTransaction

_VERSION = text("SELECT version_num FROM alembic_version")


class SqlTransaction(
    CaseTransaction,
    MessageTransaction,
    PullTransaction,
    LedgerTransaction,
    SecurityTransaction,
    BlobTransaction,
    BalanceTransaction,
    HoldTransaction,
    DeadlineTransaction,
    InboxEventTransaction,
    UserTransaction,
    AlertTransaction,
    SearchTransaction,
    ActionTransaction,
    FigureTransaction,
    AuditTransaction,
    EndpointTransaction,
    RevealTransaction,
):
    """Implements ``gateway.flows.ports.Transaction``."""

    def __init__(self, keys: KeyService) -> None:
        super().__init__(keys)
        self._unlinked = []
        self._untold = []
        self.tells_inbox = False

    def finish(self, connection: Connection) -> None:
        """Last before commit: queued writes, then events of the inbox and the links of the audit chain."""
        self.flush(connection)
        self.write_inbox_events(connection)
        self.link_audit(connection)

    async def schema_version(self) -> str:
        return str(await self._run(lambda c: c.execute(_VERSION).scalar_one()))


class SqlStore:
    """Implements ``gateway.flows.ports.Store`` on SQLite and PostgreSQL."""

    def __init__(self, database: Database, keys: KeyService, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    @asynccontextmanager
    async def begin(self, *, read_only: bool = False) -> AsyncIterator[SqlTransaction]:
        """Raises Unavailable when the database cannot be reached or gave up; then nothing was stored,
        except that a connection lost during the commit itself leaves that open: ask again by id."""
        transaction = SqlTransaction(self._keys)
        async with self._database.session(read_only=read_only, finish=transaction.finish) as session:
            transaction.attach(session)
            yield transaction
        if transaction.key_destroyed:
            await self._database.checkpoint()
        if transaction.tells_inbox:
            with suppress(Unavailable):  # it is committed; waiters look again by themselves
                await self._database.notify("inbox")

    async def write_blob(self, chunks: AsyncIterator[bytes]) -> Blob:
        """Raises Unavailable, and what ``chunks`` raises."""
        return await blobs.write(self.begin, self._clock, chunks)

    def read_blob(self, blob: Blob, begin: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Raises SealBroken, LookupError, ValueError, Unavailable while it is read."""
        return blobs.read(self.begin, blob, begin, end)

    async def drop_blob(self, blob: Blob) -> None:
        """Raises Unavailable; then it expires by itself."""
        await blobs.remove(self.begin, blob.blob_id)

    async def notify(self, channel: str) -> None:
        await self._database.notify(channel)

    async def wait(self, channel: str, seconds: float) -> None:
        """May also return early without cause: look again."""
        await self._database.wait(channel, seconds)

    async def ping(self) -> None:
        """Raises Unavailable."""
        try:
            async with self.begin(read_only=True) as tx:
                version = await tx.schema_version()
        except DBAPIError as error:  # PostgreSQL: no such table
            raise Unavailable(
                "The database has no schema: run `passerelle init` or the migration."
            ) from error
        if version != _head():
            raise Unavailable(f"The database schema is {version}, this program needs {_head()}: migrate it.")

    async def close(self) -> None:
        await self._database.close()


@cache
def _head() -> str:
    return head()


def open_store(
    url: str, *, keyring: KeyService, create: bool = False, clock: Clock | None = None
) -> SqlStore:
    """A store on ``sqlite:///…`` or ``postgresql://…`` (a driver name is accepted and ignored). ``clock``
    (by default the machine's) says when blobs that belong to nothing expire; give ``purge`` the same one.

    ``create`` brings the schema up to date first (blocks). Opens no connection otherwise. Raises
    ConfigError for another kind of database or for a SQLite file that is not there.
    """
    clock = clock or SystemClock()
    if create:
        migrate(url)
    backend = make_url(url).get_backend_name()
    if backend == "sqlite":
        path = sqlite_path(url)
        if not path.exists():
            raise ConfigError("The SQLite file does not exist: run `passerelle init`, or check the setting.")
        return SqlStore(SqliteDatabase(path), keyring, clock)
    if backend == "postgresql":
        return SqlStore(PostgresqlDatabase(url), keyring, clock)
    raise ConfigError("The database address must begin with sqlite: or postgresql: (setting: database).")


def _implements_the_port(store: SqlStore) -> Store:
    """For the type checker alone."""
    return store
