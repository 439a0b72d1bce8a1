"""The ledger of persons, the changes of quotas, and the queue of what waits for room.

Entries are only ever added; the unique ``corrects`` lets an entry be countered once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import ModuleType
from typing import Any, cast

from sqlalchemy import Connection, Insert, Row, bindparam, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from gateway.core.records import MessageRecord, MessageStatus
from gateway.core.treaty.ledger import OUTCOMES, Entry, Reason, Side
from gateway.core.treaty.quotas import QuotaChange, QuotaKind
from gateway.flows.ports_balance import RunningOut, TakenPlace
from gateway.store import tables as t
from gateway.store.base import TransactionBase, advisory_lock
from gateway.store.messages import record_of

_QUOTA_LOCKS = {
    QuotaKind.READMISSIONS: 0x70617373_00000011,
    QuotaKind.NOMINATIONS: 0x70617373_00000012,
}
"""Advisory locks on PostgreSQL, taken before the one of the sequence (``gateway.store.base``)."""

_L, _M, _C, _Q = t.ledger.c, t.messages.c, t.cases.c, t.quota_changes.c
_OUTCOME_SIDES = tuple(side.value for side in OUTCOMES)
_INSERT = insert(t.ledger).returning(_L.entry_id)
_BY_ID = select(t.ledger).where(_L.entry_id == bindparam("id"))
_OF_CASE = (
    select(t.ledger)
    .join_from(t.messages, t.ledger, _L.message_id == _M.message_id)
    .where(_M.reference == bindparam("ref"))
    .order_by(_L.entry_id)
)
_LIST = (
    select(t.ledger).where(_L.entry_id > bindparam("after")).order_by(_L.entry_id).limit(bindparam("most"))
)
_DIFFERENCES = (
    select(t.ledger)
    .where(_L.reason.in_([Reason.RECEIPT_DIFFERS.value, Reason.OUTCOME_DIFFERS.value]))
    .order_by(_L.entry_id.desc())
)
_W = t.ledger_weeks.c
_SUMS = select(_W.week, _W.side, _W.persons)
_SUM = select(_W.persons).where(_W.week == bindparam("in_week"), _W.side == bindparam("of_side"))
_BOOKED = select(_L.week, _L.side, func.sum(_L.persons)).group_by(_L.week, _L.side)


def _count(dialect: ModuleType) -> Insert:
    """The first of a week and side, or so many more."""
    statement = dialect.insert(t.ledger_weeks)
    added = _W.persons + statement.excluded.persons
    return cast(
        "Insert", statement.on_conflict_do_update(index_elements=[_W.week, _W.side], set_={"persons": added})
    )


_COUNT = {d.dialect.name: _count(d) for d in (sqlite, postgresql)}
_BACK = aliased(t.ledger)
_TAKEN = (
    select(t.ledger, _M.status.label("message_status"), _C.status.label("case_status"))
    .join_from(t.ledger, t.messages, _L.message_id == _M.message_id)
    .join(t.cases, _C.reference == _M.reference)
    .join(_BACK, _BACK.c.corrects == _L.entry_id, isouter=True)
    .where(
        _L.week == bindparam("in_week"),
        _L.side == bindparam("of_side"),
        _L.corrects.is_(None),
        _BACK.c.entry_id.is_(None),
    )
    .order_by(_L.entry_id)
)
_INSERT_CHANGE = insert(t.quota_changes).returning(_Q.change_id)
_CHANGES = select(t.quota_changes).order_by(_Q.change_id)
_WAITING = (
    _M.type == bindparam("of_type"),
    _M.status == MessageStatus.HELD.value,
    (_M.code == bindparam("quota")) | (_M.code == bindparam("parity")),
)
_QUEUE = select(t.messages).where(*_WAITING).order_by(_M.sequence).limit(bindparam("most"))
_QUEUE_BY_PRIORITY = (
    select(t.messages)
    .join_from(t.messages, t.cases, _C.reference == _M.reference)
    .where(*_WAITING)
    .order_by(_C.priority.desc(), _M.sequence)
    .limit(bindparam("most"))
)
_QUEUE_LENGTH = select(func.count()).select_from(t.messages).where(*_WAITING)
_D = t.deadlines.c
# the queue first, then one look-up for each of it: joined, a planner may begin with every row of the clock
_LIMIT_OF = (
    select(_D.due_at)
    .where(_D.clock == bindparam("of_clock"), _D.message_id == _M.message_id, _D.closed_at.is_(None))
    .scalar_subquery()
)
_LIMITS = select(_M.message_id, _LIMIT_OF.label("due_at")).where(*_WAITING).subquery()
_RUNNING_OUT = (
    select(_LIMITS.c.message_id, _LIMITS.c.due_at, func.count().over().label("number"))
    .where(_LIMITS.c.due_at > bindparam("now"), _LIMITS.c.due_at <= bindparam("until"))
    .order_by(_LIMITS.c.due_at, _LIMITS.c.message_id)
    .limit(bindparam("most"))
)


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        entry_id=row.entry_id,
        side=Side(row.side),
        persons=row.persons,
        event_at=row.event_at,
        week=row.week,
        booked_at=row.booked_at,
        reference=row.reference,
        message_id=row.message_id,
        corrects=row.corrects,
        reason=None if row.reason is None else Reason(row.reason),
        actor=row.actor,
    )


def _change(row: Row[Any]) -> QuotaChange:
    return QuotaChange(
        change_id=row.change_id,
        kind=QuotaKind(row.side),
        persons=row.persons,
        from_week=row.from_week,
        reason=row.reason,
        actor=row.actor,
        at=row.at,
    )


def _waiting(kind: QuotaKind) -> dict[str, Any]:
    return {"of_type": kind.opening.value, "quota": kind.quota_code, "parity": kind.parity_code}


class BalanceTransaction(TransactionBase):
    async def add_entry(self, entry: Entry, *, at: dt.datetime) -> int:
        """sqlalchemy IntegrityError when the entry that it counters was countered before."""
        row = {
            "side": entry.side.value,
            "persons": entry.persons,
            "event_at": entry.event_at,
            "week": entry.week,
            "booked_at": at,
            "reference": entry.reference,
            "message_id": entry.message_id,
            "corrects": entry.corrects,
            "reason": None if entry.reason is None else entry.reason.value,
            "actor": entry.actor,
        }
        counted = {"week": entry.week, "side": entry.side.value, "persons": entry.persons}

        def work(connection: Connection) -> int:
            connection.execute(_COUNT[connection.dialect.name], counted)
            return int(connection.execute(_INSERT, row).scalar_one())

        return await self._run(work)

    async def entry(self, entry_id: int) -> Entry | None:
        row = await self._run(lambda c: c.execute(_BY_ID, {"id": entry_id}).one_or_none())
        return None if row is None else _entry(row)

    async def case_entries(self, reference: str) -> tuple[Entry, ...]:
        rows = await self._run(lambda c: c.execute(_OF_CASE, {"ref": reference}).all())
        return tuple(_entry(row) for row in rows)

    async def list_entries(
        self, *, after: int = 0, limit: int = 500, week: str | None = None, outcomes_only: bool = False
    ) -> tuple[Entry, ...]:
        query = _LIST
        if week is not None:
            query = query.where(_L.week == week)
        if outcomes_only:
            query = query.where(_L.side.in_(_OUTCOME_SIDES))
        values = {"after": after, "most": limit}
        rows = await self._run(lambda c: c.execute(query, values).all())
        return tuple(_entry(row) for row in rows)

    async def differences(self, limit: int) -> tuple[Entry, ...]:
        rows = await self._run(lambda c: c.execute(_DIFFERENCES.limit(limit)).all())
        return tuple(_entry(row) for row in rows)

    async def outcome_sums(self) -> Mapping[tuple[str, str], int]:
        rows = await self._run(lambda c: c.execute(_SUMS).all())
        return {(week, side): int(n) for week, side, n in rows if side in _OUTCOME_SIDES}

    async def miscounted(self) -> tuple[tuple[str, str], ...]:
        counted = await self._run(lambda c: c.execute(_SUMS).all())
        booked = await self._run(lambda c: c.execute(_BOOKED).all())
        one, two = ({(week, side): int(n) for week, side, n in rows} for rows in (counted, booked))
        return tuple(sorted(key for key in one.keys() | two.keys() if one.get(key, 0) != two.get(key, 0)))

    # quotas

    async def lock_quota(self, kind: QuotaKind) -> None:
        """SQLite needs none: it has one writer."""

        def work(connection: Connection) -> None:
            advisory_lock(connection, _QUOTA_LOCKS[kind])

        await self._run(work)

    async def places(self, week: str, side: Side) -> int:
        values = {"in_week": week, "of_side": side.value}
        return int(await self._run(lambda c: c.execute(_SUM, values).scalar_one_or_none()) or 0)

    async def places_taken(self, week: str, side: Side) -> tuple[TakenPlace, ...]:
        values = {"in_week": week, "of_side": side.value}
        rows = await self._run(lambda c: c.execute(_TAKEN, values).all())
        return tuple(
            TakenPlace(
                entry=_entry(row), message=MessageStatus(row.message_status), case_status=row.case_status
            )
            for row in rows
        )

    async def add_quota_change(self, change: QuotaChange) -> int:
        row = {
            "side": change.kind.value,
            "persons": change.persons,
            "from_week": change.from_week,
            "reason": change.reason,
            "actor": change.actor,
            "at": change.at,
        }
        return int(await self._run(lambda c: c.execute(_INSERT_CHANGE, row).scalar_one()))

    async def quota_changes(self) -> tuple[QuotaChange, ...]:
        rows = await self._run(lambda c: c.execute(_CHANGES).all())
        return tuple(_change(row) for row in rows)

    async def quota_queue(
        self, kind: QuotaKind, *, priority_first: bool, limit: int
    ) -> tuple[MessageRecord, ...]:
        query = _QUEUE_BY_PRIORITY if priority_first else _QUEUE
        values = {**_waiting(kind), "most": limit}
        rows = await self._run(lambda c: c.execute(query, values).all())
        return tuple(record_of(row) for row in rows)

    async def quota_queue_length(self, kind: QuotaKind) -> int:
        values = _waiting(kind)
        return int(await self._run(lambda c: c.execute(_QUEUE_LENGTH, values).scalar_one()))

    async def running_out(
        self, kind: QuotaKind, clock: str, *, now: dt.datetime, until: dt.datetime, limit: int
    ) -> RunningOut:
        values = {**_waiting(kind), "of_clock": clock, "now": now, "until": until, "most": limit}
        rows = await self._run(lambda c: c.execute(_RUNNING_OUT, values).all())
        return RunningOut(
            count=rows[0].number if rows else 0,
            first_due=rows[0].due_at if rows else None,
            messages=tuple(row.message_id for row in rows),
        )
