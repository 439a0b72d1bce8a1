"""Events that reach the inbox beside messages: time limits, refusals after waiting, thresholds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from gateway.flows.ports_inbox import InboxEvent, OldEvents
from gateway.store.base import AUDIT_LOCK, TransactionBase, advisory_lock, insert_or_nothing
from gateway.store.tables_inbox import inbox_events

_E = inbox_events.c
_WAITING = (
    select(inbox_events)
    .where(_E.acknowledged_at.is_(None), _E.sequence > bindparam("after"))
    .order_by(_E.sequence)
    .limit(bindparam("most"))
)
_BY_ID = select(inbox_events).where(_E.event_id == bindparam("id"))
_BY_ID_LOCKED = _BY_ID.with_for_update()
_ACKNOWLEDGE = (
    update(inbox_events)
    .where(_E.event_id == bindparam("id"), _E.acknowledged_at.is_(None))
    .values(acknowledged_at=bindparam("when"), acknowledged_by=bindparam("who"))
)
_WALK = (
    select(_E.sequence, _E.acknowledged_at)
    .where(_E.sequence > bindparam("after"))
    .order_by(_E.sequence)
    .limit(bindparam("most"))
)
_REMOVE = delete(inbox_events).where(
    _E.sequence.in_(bindparam("some", expanding=True)), _E.acknowledged_at < bindparam("limit")
)
_COUNT = select(_E.type, func.count()).where(_E.acknowledged_at.is_(None)).group_by(_E.type)


def _event(row: Row[Any]) -> InboxEvent:
    return InboxEvent(
        event_id=row.event_id,
        type=row.type,
        fact=row.fact,
        at=row.at,
        reference=row.reference,
        message_id=row.message_id,
        path=row.path,
        data=msgspec.json.decode(row.data),
        sequence=row.sequence,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
    )


class InboxEventTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_inbox.InboxEventRows``."""

    _untold: list[dict[str, Any]]
    tells_inbox: bool
    """Whether the commit brings something into the inbox: then waiters are woken after it."""

    async def add_inbox_event(self, event: InboxEvent) -> None:
        self._untold.append(
            {
                "event_id": event.event_id,
                "type": event.type,
                "fact": event.fact,
                "at": event.at,
                "reference": event.reference,
                "message_id": event.message_id,
                "path": event.path,
                "data": msgspec.json.encode(event.data, order="sorted").decode(),
            }
        )
        self.tells_inbox = True

    def write_inbox_events(self, connection: Connection) -> None:
        """Last before the links of the audit chain, under the same lock: nobody commits in between."""
        rows, self._untold = self._untold, []
        if not rows:
            return
        advisory_lock(connection, AUDIT_LOCK)
        insert = insert_or_nothing(connection.dialect.name, inbox_events)
        for row in rows:
            connection.execute(insert, row)

    async def inbox_events(self, *, after: int, limit: int) -> tuple[InboxEvent, ...]:
        rows = await self._run(lambda c: c.execute(_WAITING, {"after": after, "most": limit}).all())
        return tuple(_event(row) for row in rows)

    async def inbox_event(self, event_id: str, *, lock: bool = False) -> InboxEvent | None:
        statement = _BY_ID_LOCKED if lock else _BY_ID
        row = await self._run(lambda c: c.execute(statement, {"id": event_id}).one_or_none())
        return None if row is None else _event(row)

    async def acknowledge_inbox_event(self, event_id: str, *, at: dt.datetime, by: str) -> bool:
        values = {"id": event_id, "when": at, "who": by}
        return await self._run(lambda c: c.execute(_ACKNOWLEDGE, values).rowcount > 0)

    async def acknowledged_events(self, *, after: int, before: dt.datetime, limit: int) -> OldEvents:
        rows = await self._run(lambda c: c.execute(_WALK, {"after": after, "most": limit}).all())
        old = tuple(
            row.sequence for row in rows if row.acknowledged_at is not None and row.acknowledged_at < before
        )
        return OldEvents(sequences=old, last=rows[-1].sequence if len(rows) == limit else None)

    async def remove_events(self, sequences: Sequence[int], *, before: dt.datetime) -> int:
        values = {"some": list(sequences), "limit": before}
        return await self._run(lambda c: int(c.execute(_REMOVE, values).rowcount), heavy=True)

    async def count_inbox_events(self) -> Mapping[str, int]:
        rows = await self._run(lambda c: c.execute(_COUNT).all())
        return {row[0]: row[1] for row in rows}
