"""Cases, their data keys, and the blind index of personal identifiers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, insert, or_, select, update

from contracts.codes import CaseKind
from gateway.core.records import CaseRecord, Page
from gateway.store import blobs, cursors
from gateway.store import tables as t
from gateway.store.base import TransactionBase, insert_or_nothing

_LISTING = "cases"

_INSERT_CASE = insert(t.cases)
_INSERT_KEY = insert(t.case_keys)
_BY_REFERENCE = select(t.cases).where(t.cases.c.reference == bindparam("ref"))
# NO KEY UPDATE: holds the case without blocking rows of others that only refer to it
_BY_REFERENCE_LOCKED = _BY_REFERENCE.with_for_update(key_share=True)
_BY_CONVERSATION = select(t.cases).where(t.cases.c.conversation_id == bindparam("conversation"))
_SET_STATUS = (
    update(t.cases)
    .where(t.cases.c.reference == bindparam("ref"))
    .values(status=bindparam("new_status"), updated_at=bindparam("at"))
)
_DESTROY_KEY = (
    update(t.case_keys)
    .where(t.case_keys.c.reference == bindparam("ref"), t.case_keys.c.wrapped.is_not(None))
    .values(wrapped=None, destroyed_at=bindparam("at"))
)
_FIND = (
    select(t.identifiers.c.reference)
    .where(t.identifiers.c.kind == bindparam("kind"), t.identifiers.c.digest == bindparam("digest"))
    .order_by(t.identifiers.c.reference)
)


def _record(row: Row[Any]) -> CaseRecord:
    return CaseRecord(
        reference=row.reference,
        kind=CaseKind(row.kind),
        conversation_id=row.conversation_id,
        status=row.status,
        priority=bool(row.priority),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


class CaseTransaction(TransactionBase):
    key_destroyed = False
    """Whether this transaction destroyed a key: the store then empties the log after commit."""

    async def add_case(self, case: CaseRecord) -> None:
        """Also makes the data key of the case. An existing reference or conversation is an error
        (sqlalchemy IntegrityError): look first, with ``lock``."""
        row = {
            "reference": case.reference,
            "kind": case.kind.value,
            "conversation_id": case.conversation_id,
            "status": case.status,
            "priority": int(case.priority),
            "created_at": case.created_at,
            "updated_at": case.updated_at,
        }
        key = self._new_case_key(case.reference)

        def work(connection: Connection) -> None:
            connection.execute(_INSERT_CASE, row)
            connection.execute(_INSERT_KEY, key)

        await self._run(work)

    async def get_case(self, reference: str, *, lock: bool = False) -> CaseRecord | None:
        statement = _BY_REFERENCE_LOCKED if lock else _BY_REFERENCE
        row = await self._run(lambda c: c.execute(statement, {"ref": reference}).one_or_none())
        return None if row is None else _record(row)

    async def case_by_conversation(self, conversation_id: str) -> CaseRecord | None:
        row = await self._run(
            lambda c: c.execute(_BY_CONVERSATION, {"conversation": conversation_id}).one_or_none()
        )
        return None if row is None else _record(row)

    async def set_case_status(self, reference: str, status: str, at: dt.datetime) -> None:
        """Raises LookupError for an unknown case."""
        values = {"ref": reference, "new_status": status, "at": at}
        if not await self._run(lambda c: c.execute(_SET_STATUS, values).rowcount):
            raise LookupError("this case is not known")

    async def list_cases(
        self,
        *,
        kind: CaseKind | None = None,
        status: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[CaseRecord]:
        """Newest first. Raises BadCursor."""
        created, reference = t.cases.c.created_at, t.cases.c.reference
        query: Select[Any] = select(t.cases).order_by(created.desc(), reference.desc()).limit(limit + 1)
        if kind is not None:
            query = query.where(t.cases.c.kind == kind.value)
        if status is not None:
            query = query.where(t.cases.c.status == status)
        if cursor is not None:
            at, last = cursors.decode(cursor, _LISTING, (int, str))
            edge = t.from_ms(int(at))
            query = query.where(
                and_(created <= edge, or_(created < edge, reference < last))
            )  # the first term lets the index start at the edge
        rows = await self._run(lambda c: c.execute(query).all())
        items = tuple(_record(row) for row in rows[:limit])
        more = len(rows) > limit
        position = (t.to_ms(items[-1].created_at), items[-1].reference) if more else None
        return Page(items=items, next_cursor=cursors.encode(_LISTING, position) if position else None)

    async def destroy_case_key(self, reference: str, *, at: dt.datetime) -> bool:
        """Content of the case can never be read again; False when that was done before.
        Raises LookupError for an unknown case."""

        def work(connection: Connection) -> bool:
            destroyed = connection.execute(_DESTROY_KEY, {"ref": reference, "at": at}).rowcount > 0
            if destroyed:
                blobs.drop_of_case(connection, reference)
            if not destroyed and connection.execute(_BY_REFERENCE, {"ref": reference}).first() is None:
                raise LookupError("this case is not known")
            return destroyed

        destroyed = await self._run(work)
        self._case_keys.pop(reference, None)
        self.key_destroyed = self.key_destroyed or destroyed
        return destroyed

    async def index_identifiers(self, reference: str, identifiers: Sequence[tuple[str, str]]) -> None:
        """Stores keyed hashes only; a pair that is there already stays."""
        rows = [
            {"kind": kind, "digest": self._keys.blind_index(kind, value), "reference": reference}
            for kind, value in dict.fromkeys(identifiers)
        ]
        if rows:
            await self._run(lambda c: c.execute(insert_or_nothing(c.dialect.name, t.identifiers), rows))

    async def find_by_identifier(self, kind: str, value: str) -> tuple[str, ...]:
        digest = self._keys.blind_index(kind, value)
        return await self._run(
            lambda c: tuple(c.execute(_FIND, {"kind": kind, "digest": digest}).scalars().all())
        )
