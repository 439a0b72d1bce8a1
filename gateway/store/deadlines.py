"""Deadlines: running and ended time limits of cases, each started by one message."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, or_, select, update

from gateway.core.records import Page
from gateway.core.treaty.clocks import Deadline, DeadlineState, NewDeadline
from gateway.core.treaty.deadlines import Ending
from gateway.flows.ports_deadlines import DeadlineFilter
from gateway.store import cursors
from gateway.store import tables as t
from gateway.store.base import TransactionBase, insert_or_nothing
from gateway.store.rows import deadline_of

_LISTING = "deadlines"
_D = t.deadlines.c
_OF_CASE = select(t.deadlines).where(_D.reference == bindparam("ref")).order_by(_D.deadline_id)
_OF_CASE_LOCKED = _OF_CASE.with_for_update()
_END = (
    update(t.deadlines)
    .where(_D.deadline_id == bindparam("id"), _D.closed_at.is_(None))
    .values(
        state=bindparam("new_state"),
        next_at=bindparam("again"),
        closed_at=bindparam("at"),
        closed_by=bindparam("by"),
    )
)
_DUE = (
    select(t.deadlines)
    .where(_D.next_at <= bindparam("now"))
    .order_by(_D.next_at, _D.deadline_id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_TELL = (
    update(t.deadlines)
    .where(_D.deadline_id == bindparam("id"))
    .values(state=bindparam("new_state"), warnings=bindparam("given"), next_at=bindparam("again"))
)
_NEXT = select(func.min(_D.next_at)).where(_D.next_at.is_not(None))
_COUNT = (
    select(_D.clock, _D.state, func.count())
    .where(_D.state.in_((DeadlineState.OPEN.value, DeadlineState.BREACHED.value)), _D.closed_at.is_(None))
    .group_by(_D.clock, _D.state)
)


def _narrowed(where: DeadlineFilter) -> Select[Any]:
    query = select(t.deadlines)
    if where.reference is not None:
        query = query.where(_D.reference == where.reference)
    if where.clock is not None:
        query = query.where(_D.clock == where.clock)
    if where.clocks is not None:
        query = query.where(_D.clock.in_(where.clocks))
    if where.after is not None:
        query = query.where(_D.due_at >= where.after)
    if where.before is not None:
        query = query.where(_D.due_at < where.before)
    if where.told:
        query = query.where(or_(_D.warnings > 0, _D.state == DeadlineState.BREACHED.value))
    return query.where(_D.closed_at.is_(None)) if where.unclosed else query


class DeadlineTransaction(TransactionBase):
    async def start_deadline(self, new: NewDeadline) -> bool:
        """False when that message has started that clock before: a clock is never set back."""
        values = {
            "reference": new.reference,
            "clock": new.clock,
            "message_id": new.message_id,
            "zone": new.zone,
            "started_at": new.started_at,
            "due_at": new.due_at,
            "state": new.state.value,
            "warnings": 0,
            "next_at": new.next_at,
            "closed_at": new.closed_at,
            "closed_by": new.closed_by,
        }

        def work(connection: Connection) -> bool:
            insert = insert_or_nothing(connection.dialect.name, t.deadlines)
            return connection.execute(insert, values).rowcount > 0

        return await self._run(work)

    async def case_deadlines(self, reference: str, *, lock: bool = False) -> tuple[Deadline, ...]:
        statement = _OF_CASE_LOCKED if lock else _OF_CASE
        rows = await self._run(lambda c: c.execute(statement, {"ref": reference}).all())
        return tuple(deadline_of(row) for row in rows)

    async def close_deadlines(self, endings: Sequence[Ending]) -> None:
        """A row that is closed already stays as it is."""
        for ending in endings:
            self._later(
                _END,
                {
                    "id": ending.deadline_id,
                    "new_state": ending.state.value,
                    "again": ending.next_at,
                    "at": ending.closed_at,
                    "by": ending.closed_by,
                },
            )

    async def deadlines(
        self, where: DeadlineFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Deadline]:
        """The earliest due first. Raises BadCursor."""
        query = _narrowed(where).order_by(_D.due_at, _D.deadline_id).limit(limit + 1)
        if cursor is not None:
            at, last = cursors.decode(cursor, _LISTING, (int, int))
            edge = t.from_ms(int(at))
            query = query.where(
                and_(_D.due_at >= edge, or_(_D.due_at > edge, _D.deadline_id > int(last)))
            )  # the first term lets the index start at the edge
        ends = (DeadlineState.MET, DeadlineState.CANCELLED) if not where.unclosed else ()
        states = [DeadlineState.OPEN, DeadlineState.BREACHED, *ends] if where.state is None else [where.state]

        def work(connection: Connection) -> list[Row[Any]]:
            if where.reference is not None and where.state is None:
                return list(connection.execute(query).all())  # the few of one case
            found: list[Row[Any]] = []
            for state in states:  # the index is by state: a page of each, never a scan of all
                found += connection.execute(query.where(_D.state == state.value)).all()
            return sorted(found, key=lambda row: (row.due_at, row.deadline_id))

        rows = await self._run(work)
        items = tuple(deadline_of(row) for row in rows[:limit])
        more = len(rows) > limit
        position = (t.to_ms(items[-1].due_at), items[-1].deadline_id) if more else None
        return Page(items=items, next_cursor=cursors.encode(_LISTING, position) if position else None)

    async def due_deadlines(self, now: dt.datetime, *, limit: int) -> tuple[Deadline, ...]:
        values = {"now": now, "most": limit}
        rows = await self._run(lambda c: c.execute(_DUE, values).all())
        return tuple(deadline_of(row) for row in rows)

    async def told_deadline(self, row: Deadline) -> None:
        self._later(
            _TELL,
            {
                "id": row.deadline_id,
                "new_state": row.state.value,
                "given": row.warnings,
                "again": row.next_at,
            },
        )

    async def next_deadline(self) -> dt.datetime | None:
        return await self._run(lambda c: c.execute(_NEXT).scalar_one_or_none())

    async def count_deadlines(self) -> Mapping[tuple[str, DeadlineState], int]:
        rows = await self._run(lambda c: c.execute(_COUNT).all())
        return {(clock, DeadlineState(state)): count for clock, state, count in rows}
