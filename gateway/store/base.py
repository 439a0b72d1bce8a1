"""What every part of a transaction uses: running statements, and writing later what has no answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection, Insert, Table, bindparam, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.base import Executable

from gateway.store import schema
from gateway.store import tables as t
from gateway.store.sealing import KeyService, new_data_key
from gateway.store.session import Session

R = TypeVar("R")

SEQUENCE_LOCK = 0x70617373_00000001
"""Advisory lock on PostgreSQL: from ``add_message`` to commit: sequences rise in commit order."""
AUDIT_LOCK = 0x70617373_00000002
"""Advisory lock on PostgreSQL: held from the last statement to commit; nothing is locked after it."""
RETURNED_LOCK = 0x70617373_00000004
"""Advisory lock on PostgreSQL: shared by whoever compares with the returned, alone for whoever adds."""

_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_LOCK_SHARED = text("SELECT pg_advisory_xact_lock_shared(:key)")
_GET_KEY = select(t.case_keys.c.kek_id, t.case_keys.c.wrapped).where(
    t.case_keys.c.reference == bindparam("reference")
)


def advisory_lock(connection: Connection, key: int, *, shared: bool = False) -> None:
    """Until commit. SQLite needs none: it has one writer."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_SHARED if shared else _LOCK, {"key": key})


def insert_or_nothing(dialect: str, table: Table) -> Insert:
    """INSERT that does nothing when a unique key is taken, on either database."""
    return _INSERT_OR_NOTHING[dialect, table.name]


_INSERT_OR_NOTHING: dict[tuple[str, str], Insert] = {
    (dialect.dialect.name, table.name): dialect.insert(table).on_conflict_do_nothing()
    for dialect in (sqlite, postgresql)
    for table in schema.metadata.sorted_tables
}


class TransactionBase:
    """State of one transaction. ``_later`` queues writes; they run before the next statement that has an
    answer, or at commit, in their order: fewer trips to the database."""

    def __init__(self, keys: KeyService) -> None:
        self._keys = keys
        self._open_session: Session | None = None
        self._queued: list[tuple[Executable, list[dict[str, Any]]]] = []
        self._case_keys: dict[str, bytes] = {}

    def attach(self, session: Session) -> None:
        self._open_session = session

    async def _run(self, work: Callable[[Connection], R], *, heavy: bool = False) -> R:
        if self._open_session is None:
            raise RuntimeError("the transaction is not open")

        def flushed(connection: Connection) -> R:
            self.flush(connection)
            return work(connection)

        return await self._open_session.run(flushed, heavy=heavy)

    def _later(self, statement: Executable, values: Mapping[str, Any]) -> None:
        if self._queued and self._queued[-1][0] is statement:
            self._queued[-1][1].append(dict(values))
        else:
            self._queued.append((statement, [dict(values)]))

    def flush(self, connection: Connection) -> None:
        queued, self._queued = self._queued, []
        for statement, rows in queued:
            connection.execute(statement, rows if len(rows) > 1 else rows[0])

    # data keys of cases

    def _new_case_key(self, reference: str) -> dict[str, Any]:
        """The row of ``case_keys`` for a new case."""
        key = new_data_key()
        kek_id, wrapped = self._keys.wrap(key, context=f"case_keys.wrapped|{reference}")
        self._case_keys[reference] = key
        return {"reference": reference, "kek_id": kek_id, "wrapped": wrapped}

    def _case_key(self, connection: Connection, reference: str) -> bytes:
        """Raises LookupError when the case is unknown or its key destroyed."""
        if reference not in self._case_keys:
            row = connection.execute(_GET_KEY, {"reference": reference}).one_or_none()
            if row is None:
                raise LookupError("this case is not known")
            self._remember_key(reference, row.kek_id, row.wrapped)
        return self._case_keys[reference]

    def _remember_key(self, reference: str, kek_id: str, wrapped: bytes | None) -> None:
        if wrapped is None:
            raise LookupError("retention has destroyed the key of this case")
        context = f"case_keys.wrapped|{reference}"
        self._case_keys[reference] = self._keys.unwrap(kek_id, bytes(wrapped), context=context)
