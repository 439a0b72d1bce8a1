"""Actions on many messages at once: batches, their messages, and the facts that verdicts come from."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, insert, select, update

from contracts.codes import CaseKind, MessageType
from gateway.core.batches import LIVE, BatchState, Planned, ReasonCode, Result
from gateway.core.records import Channel, EvidenceKind, MessageStatus, Page
from gateway.core.resend import Action, Facts, Queued, TriedOnce, Verdict, Why, tried
from gateway.flows.ports_actions import BatchItem, BatchRecord
from gateway.store import cursors
from gateway.store import tables as t
from gateway.store.base import TransactionBase
from gateway.store.messages import record_of
from gateway.store.tables_actions import batch_items, batches

_LISTING = "batches"
_AT_ONCE = 400
"""Ids in one query."""
_B, _I = batches.c, batch_items.c
_ADD = insert(batches)
_ADD_ITEMS = insert(batch_items)
_BY_ID = select(batches).where(_B.batch_id == bindparam("id"))
_BY_ID_LOCKED = _BY_ID.with_for_update()
_CLAIM = _BY_ID.where(_B.state == BatchState.RUNNING.value).with_for_update(skip_locked=True)
_RUNNING = (
    select(_B.batch_id)
    .where(_B.state == BatchState.RUNNING.value)
    .order_by(_B.started_at, _B.batch_id)
    .limit(1)
)
_SAVE = (
    update(batches)
    .where(_B.batch_id == bindparam("id"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "state",
                "approved_by",
                "approved_at",
                "started_at",
                "ended_at",
                "next_at",
                "updated_at",
            )
        }
    )
)
_COUNTS = select(_I.result, func.count()).where(_I.batch_id == bindparam("id")).group_by(_I.result)
_ITEMS = select(batch_items, t.messages.c.reference, t.messages.c.type).join_from(
    batch_items, t.messages, t.messages.c.message_id == _I.message_id
)
_FINISH = (
    update(batch_items)
    .where(
        _I.batch_id == bindparam("id"),
        _I.position == bindparam("place"),
        _I.result == Result.PENDING.value,
    )
    .values(result=bindparam("new_result"), code=bindparam("new_code"), at=bindparam("new_at"))
)


def _batch(row: Row[Any]) -> BatchRecord:
    return BatchRecord(
        batch_id=row.batch_id,
        action=Action(row.action),
        state=BatchState(row.state),
        reason_code=ReasonCode(row.reason_code),
        reason=row.reason,
        selection=row.selection,
        digest=row.digest,
        count=row.items,
        to_do=row.to_do,
        second_person=bool(row.second_person),
        created_by=row.created_by,
        created_at=row.created_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        next_at=row.next_at,
        updated_at=row.updated_at,
    )


def _row(batch: BatchRecord) -> dict[str, Any]:
    values = dataclasses.asdict(batch)
    values["items"] = values.pop("count")
    values["second_person"] = int(batch.second_person)
    for name in ("action", "state", "reason_code"):
        values[name] = values[name].value
    return values


def _item(row: Row[Any]) -> BatchItem:
    return BatchItem(
        position=row.position,
        planned=Planned(
            message_id=row.message_id,
            reference=row.reference,
            type=MessageType(row.type),
            status=MessageStatus(row.seen_status),
            code=row.seen_code,
            verdict=Verdict(row.verdict),
            why=Why(row.why),
            updated_at=row.judged_at,
        ),
        result=Result(row.result),
        code=row.code,
        at=row.at,
    )


def _item_row(batch_id: str, item: BatchItem) -> dict[str, Any]:
    planned = item.planned
    return {
        "batch_id": batch_id,
        "position": item.position,
        "message_id": planned.message_id,
        "seen_status": planned.status.value,
        "seen_code": planned.code,
        "verdict": planned.verdict.value,
        "why": planned.why.value,
        "judged_at": planned.updated_at,
        "result": item.result.value,
        "code": item.code,
        "at": item.at,
    }


class ActionTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_actions.ActionRows``."""

    async def resend_facts(
        self, message_ids: Sequence[str], *, now: dt.datetime, apart_from: str | None = None
    ) -> Mapping[str, Facts]:
        unique = list(dict.fromkeys(message_ids))

        def work(connection: Connection) -> dict[str, Facts]:
            found: dict[str, Facts] = {}
            for start in range(0, len(unique), _AT_ONCE):
                found |= _facts(connection, unique[start : start + _AT_ONCE], now, apart_from)
            return found

        return await self._run(work, heavy=len(unique) > 1)

    async def add_batch(self, batch: BatchRecord, items: Sequence[BatchItem]) -> None:
        rows = [_item_row(batch.batch_id, item) for item in items]

        def work(connection: Connection) -> None:
            connection.execute(_ADD, _row(batch))
            if rows:
                connection.execute(_ADD_ITEMS, rows)

        await self._run(work, heavy=True)

    async def get_batch(self, batch_id: str, *, lock: bool = False) -> BatchRecord | None:
        statement = _BY_ID_LOCKED if lock else _BY_ID
        row = await self._run(lambda c: c.execute(statement, {"id": batch_id}).one_or_none())
        return None if row is None else _batch(row)

    async def save_batch(self, batch: BatchRecord) -> None:
        values = {
            "id": batch.batch_id,
            "new_state": batch.state.value,
            "new_approved_by": batch.approved_by,
            "new_approved_at": batch.approved_at,
            "new_started_at": batch.started_at,
            "new_ended_at": batch.ended_at,
            "new_next_at": batch.next_at,
            "new_updated_at": batch.updated_at,
        }
        await self._run(lambda c: c.execute(_SAVE, values))

    async def list_batches(
        self, *, state: BatchState | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[BatchRecord]:
        query = select(batches).order_by(_B.batch_id.desc()).limit(limit + 1)
        if state is not None:
            query = query.where(_B.state == state.value)
        if cursor is not None:
            (last,) = cursors.decode(cursor, _LISTING, (str,))
            query = query.where(_B.batch_id < last)
        rows = await self._run(lambda c: c.execute(query).all())
        items = tuple(_batch(row) for row in rows[:limit])
        more = len(rows) > limit
        after = cursors.encode(_LISTING, (items[-1].batch_id,)) if more else None
        return Page(items=items, next_cursor=after)

    async def running_batch(self) -> str | None:
        found = await self._run(lambda c: c.execute(_RUNNING).scalar_one_or_none())
        return None if found is None else str(found)

    async def claim_batch(self, batch_id: str) -> BatchRecord | None:
        row = await self._run(lambda c: c.execute(_CLAIM, {"id": batch_id}).one_or_none())
        return None if row is None else _batch(row)

    async def batch_items(
        self, batch_id: str, *, after: int = -1, limit: int = 100, result: Result | None = None
    ) -> tuple[BatchItem, ...]:
        query = _ITEMS.where(_I.batch_id == batch_id, _I.position > after)
        if result is not None:
            query = query.where(_I.result == result.value)
        query = query.order_by(_I.position).limit(limit)
        rows = await self._run(lambda c: c.execute(query).all())
        return tuple(_item(row) for row in rows)

    async def batch_counts(self, batch_id: str) -> Mapping[Result, int]:
        rows = await self._run(lambda c: c.execute(_COUNTS, {"id": batch_id}).all())
        found = {Result(row[0]): int(row[1]) for row in rows}
        return {result: found.get(result, 0) for result in Result}

    async def finish_item(
        self, batch_id: str, position: int, *, result: Result, code: str | None, at: dt.datetime
    ) -> bool:
        values = {
            "id": batch_id,
            "place": position,
            "new_result": result.value,
            "new_code": code,
            "new_at": at,
        }
        return await self._run(lambda c: c.execute(_FINISH, values).rowcount > 0)


# ---- facts --------------------------------------------------------------------------------------


def _facts(
    connection: Connection, some: list[str], now: dt.datetime, apart_from: str | None
) -> dict[str, Facts]:
    records = connection.execute(
        select(
            t.messages,
            t.cases.c.kind.label("case_kind"),
            t.cases.c.status.label("case_status"),
            t.case_keys.c.wrapped.is_not(None).label("readable"),
        )
        .join_from(t.messages, t.cases, t.cases.c.reference == t.messages.c.reference)
        .join(t.case_keys, t.case_keys.c.reference == t.messages.c.reference)
        .where(t.messages.c.message_id.in_(some))
    ).all()
    receipts = set(
        connection.execute(
            select(t.evidence.c.message_id).where(
                t.evidence.c.message_id.in_(some), t.evidence.c.kind == EvidenceKind.NRR_RECEIPT.value
            )
        ).scalars()
    )
    attempts = _attempts(connection, some)
    queued = _queued(connection, some, now)
    elsewhere = _elsewhere(connection, some, apart_from)
    return {
        row.message_id: Facts(
            record=record_of(row),
            case_kind=CaseKind(row.case_kind),
            case_status=row.case_status,
            readable=bool(row.readable),
            receipt=row.message_id in receipts,
            queued=queued.get(row.message_id, Queued.NO),
            tried=tried(attempts.get(row.message_id, ())),
            elsewhere=row.message_id in elsewhere,
        )
        for row in records
    }


def _attempts(connection: Connection, some: list[str]) -> Mapping[str, list[TriedOnce]]:
    made: dict[str, list[TriedOnce]] = defaultdict(list)
    a = t.attempts.c
    query = select(a.message_id, a.outcome, a.detail, a.http_status).where(
        a.message_id.in_(some), a.channel == Channel.AS4.value
    )
    for row in connection.execute(query).all():
        made[row.message_id].append(
            TriedOnce(outcome=row.outcome, detail=row.detail, http_status=row.http_status)
        )
    return made


def _queued(connection: Connection, some: list[str], now: dt.datetime) -> Mapping[str, Queued]:
    """A row is under a live lease while it has a lease and is not due (gateway.store.outbox)."""
    o = t.outbox.c
    query = select(o.message_id, and_(o.lease.is_not(None), o.due_at > now).label("leased")).where(
        o.message_id.in_(some), o.channel == Channel.AS4.value
    )
    found: dict[str, Queued] = {}
    for row in connection.execute(query).all():
        if row.leased or row.message_id not in found:
            found[row.message_id] = Queued.LEASED if row.leased else Queued.WAITING
    return found


def _elsewhere(connection: Connection, some: list[str], apart_from: str | None) -> set[str]:
    query = (
        select(_I.message_id)
        .join_from(batch_items, batches, _B.batch_id == _I.batch_id)
        .where(
            _I.message_id.in_(some),
            _I.result == Result.PENDING.value,
            _B.state.in_([state.value for state in LIVE]),
        )
    )
    if apart_from is not None:
        query = query.where(_B.batch_id != apart_from)
    return set(connection.execute(query).scalars())
