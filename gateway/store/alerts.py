"""Alerts: one row per incident, and what was sent about it."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    RowMapping,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from contracts.codes import Direction
from gateway.core.alert_kinds import AlertKind, Severity
from gateway.core.alert_records import (
    FailedGroup,
    NewNotice,
    Node,
    Notice,
    NoticeAttempt,
    NoticeState,
    ToldLimits,
    Waiting,
    Watch,
)
from gateway.core.alerts import Alert, AlertEvent
from gateway.core.errors import Side
from gateway.core.records import MessageStatus, Page
from gateway.core.treaty.clocks import DeadlineState
from gateway.flows.ports_alerts import AlertFilter
from gateway.store import cursors
from gateway.store import tables as t
from gateway.store.base import TransactionBase, insert_or_nothing
from gateway.store.tables_alerts import alert_attempts, alert_nodes, alert_notices, alert_watch, alerts

_LISTING = "alerts"
_FORGOTTEN = dt.timedelta(days=7)
_A, _N, _W = alerts.c, alert_notices.c, alert_watch.c
_PLAIN = tuple(
    name
    for name in Alert.__dataclass_fields__
    if name not in {"alert_id", "kind", "severity", "side", "facts", "messages"}
)
_WATCH = select(alert_watch).where(_W.watch_id == 1)
_WATCH_FIELDS = tuple(Watch.__dataclass_fields__)
_SAVE_WATCH = (
    update(alert_watch).where(_W.watch_id == 1).values({f: bindparam(f"new_{f}") for f in _WATCH_FIELDS})
)
_OPEN = select(alerts).where(_A.cleared_at.is_(None))  # sorted here: SQLite would walk all there ever were
_BY_ID = select(alerts).where(_A.alert_id == bindparam("id"))
_COUNT = (
    select(_A.kind, _A.severity, func.count()).where(_A.cleared_at.is_(None)).group_by(_A.kind, _A.severity)
)
_SAVED = [c.name for c in alerts.columns if c.name not in {"alert_id", "kind", "key", "opened_at"}]
_SAVE = (
    update(alerts)
    .where(_A.alert_id == bindparam("id"))
    .values({name: bindparam(f"new_{name}") for name in _SAVED})
)
_ADD_NOTICE = insert(alert_notices).returning(_N.notice_id)
_WAITING = text("state = 'waiting'")  # as in the index ``ix_alert_notices_due``: a parameter would hide it
_DUE = (
    select(_N.notice_id)
    .where(_WAITING, _N.due_at <= bindparam("now"))
    .order_by(_N.due_at, _N.notice_id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(alert_notices)
    .where(_N.notice_id.in_(bindparam("ids", expanding=True)))
    .values(lease=bindparam("token"), due_at=bindparam("until"))
    .returning(alert_notices)
)
_HELD = and_(_N.notice_id == bindparam("id"), _N.lease == bindparam("token"), _WAITING)
_END = (
    update(alert_notices)
    .where(_HELD)
    .values(state=bindparam("new_state"), ended_at=bindparam("at"), attempts=_N.attempts + 1, lease=None)
)
_PUT_OFF = (
    update(alert_notices)
    .where(_HELD)
    .values(due_at=bindparam("new_due"), attempts=_N.attempts + 1, lease=None)
)
_ADD_ATTEMPT = insert(alert_attempts)
_NEXT = select(func.min(_N.due_at)).where(_WAITING)
_NODES = select(alert_nodes)
_M, _D, _O = t.messages.c, t.deadlines.c, t.outbox.c
_FAILED = (
    select(_M.direction, _M.code, func.count().label("number"), func.max(_M.updated_at).label("newest"))
    .where(_M.status == MessageStatus.FAILED.value)
    .group_by(_M.direction, _M.code)
)
_FAILED_IDS = (
    select(_M.message_id)
    .where(_M.status == MessageStatus.FAILED.value, _M.direction == bindparam("way"))
    .order_by(_M.sequence.desc())
    .limit(bindparam("most"))
)
_BACKLOG = select(
    _O.endpoint, func.count().label("number"), func.min(_O.first_due_at).label("since")
).group_by(_O.endpoint)
# the index ``ix_deadlines_told`` holds just these; SQLite takes it only for the very same words
_TOLD_ONES = text("closed_at IS NULL AND (warnings > 0 OR state = 'breached')")
_TOLD = (
    select(
        _D.clock,
        _D.state,
        func.count().label("number"),
        func.min(_D.due_at).label("first"),
        func.max(_D.due_at).label("last"),
    )
    .where(_TOLD_ONES)
    .group_by(_D.clock, _D.state)
)
_TOLD_IDS = (
    select(_D.message_id)
    .where(_TOLD_ONES, _D.clock == bindparam("name"), _D.state == bindparam("in_state"))
    .order_by(_D.due_at)
    .limit(bindparam("most"))
)
_HEAD = select(func.max(t.audit.c.sequence))


def _seen(dialect: Any) -> Any:
    statement = dialect.insert(alert_nodes)
    new = {"seen_at": statement.excluded.seen_at, "works": statement.excluded.works}
    return statement.on_conflict_do_update(index_elements=[alert_nodes.c.node], set_=new)


_SEEN = {d.dialect.name: _seen(d) for d in (sqlite, postgresql)}


def _alert(row: RowMapping) -> Alert:
    return Alert(
        alert_id=row["alert_id"],
        kind=AlertKind(row["kind"]),
        severity=Severity(row["severity"]),
        side=Side(row["side"]),
        facts=json.loads(row["facts"]),
        messages=tuple(json.loads(row["messages"])),
        **{name: row[name] for name in _PLAIN},
    )


def _values(alert: Alert) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id,
        "kind": alert.kind.value,
        "severity": alert.severity.value,
        "side": alert.side.value,
        "facts": json.dumps(dict(alert.facts), ensure_ascii=False, sort_keys=True),
        "messages": json.dumps(list(alert.messages)),
        **{name: getattr(alert, name) for name in _PLAIN},
    }


def _notice(row: Row[Any]) -> Notice:
    return Notice(
        notice_id=row.notice_id,
        alert_id=row.alert_id,
        test_id=row.test_id,
        event=AlertEvent(row.event),
        target_id=row.target_id,
        content=row.content,
        state=NoticeState(row.state),
        attempts=row.attempts,
        created_at=row.created_at,
        due_at=row.due_at,
        first_due_at=row.first_due_at,
        ended_at=row.ended_at,
        lease=row.lease,
    )


class _AlertConditions(TransactionBase):
    """What is looked at; each of these costs little, however much the store holds."""

    async def failed_groups(self) -> tuple[FailedGroup, ...]:
        rows = await self._run(lambda c: c.execute(_FAILED).all())
        return tuple(
            FailedGroup(
                direction=Direction(row.direction), code=row.code, count=row.number, newest_at=row.newest
            )
            for row in rows
        )

    async def failed_messages(self, direction: Direction, *, limit: int) -> tuple[str, ...]:
        values = {"way": direction.value, "most": limit}
        return tuple(await self._run(lambda c: c.execute(_FAILED_IDS, values).scalars().all()))

    async def waiting_by_endpoint(self) -> tuple[Waiting, ...]:
        rows = await self._run(lambda c: c.execute(_BACKLOG).all())
        return tuple(Waiting(endpoint=row.endpoint, count=row.number, since=row.since) for row in rows)

    async def told_limits(self) -> tuple[ToldLimits, ...]:
        rows = await self._run(lambda c: c.execute(_TOLD).all())
        return tuple(
            ToldLimits(
                clock=row.clock,
                state=DeadlineState(row.state),
                count=row.number,
                first_due=row.first,
                last_due=row.last,
            )
            for row in rows
        )

    async def told_messages(self, clock: str, state: DeadlineState, *, limit: int) -> tuple[str, ...]:
        values = {"name": clock, "in_state": state.value, "most": limit}
        return tuple(await self._run(lambda c: c.execute(_TOLD_IDS, values).scalars().all()))

    async def audit_head(self) -> int:
        return await self._run(lambda c: c.execute(_HEAD).scalar_one()) or 0


class _AlertNotices(TransactionBase):
    """What is told, and how that went."""

    async def add_notice(self, new: NewNotice, *, at: dt.datetime) -> int:
        values = {
            "alert_id": new.alert_id,
            "test_id": new.test_id,
            "event": new.event.value,
            "target_id": new.target_id,
            "content": new.content,
            "state": new.state.value,
            "attempts": 0,
            "created_at": at,
            "due_at": new.due_at,
            "first_due_at": new.due_at,
            "ended_at": None if new.state is NoticeState.WAITING else at,
        }
        return int(await self._run(lambda c: c.execute(_ADD_NOTICE, values).scalar_one()))

    async def claim_notices(self, now: dt.datetime, *, limit: int, lease: dt.timedelta) -> tuple[Notice, ...]:
        token = secrets.token_hex(16)

        def work(connection: Connection) -> list[Notice]:
            ids = connection.execute(_DUE, {"now": now, "most": limit}).scalars().all()
            if not ids:
                return []
            values = {"ids": ids, "token": token, "until": now + lease}
            return [_notice(row) for row in connection.execute(_CLAIM, values).all()]

        return tuple(sorted(await self._run(work), key=lambda notice: notice.notice_id))

    async def end_notice(self, notice: Notice, state: NoticeState, *, at: dt.datetime) -> bool:
        values = {"id": notice.notice_id, "token": notice.lease, "new_state": state.value, "at": at}
        return await self._run(lambda c: c.execute(_END, values).rowcount > 0)

    async def put_off_notice(self, notice: Notice, due_at: dt.datetime) -> bool:
        values = {"id": notice.notice_id, "token": notice.lease, "new_due": due_at}
        return await self._run(lambda c: c.execute(_PUT_OFF, values).rowcount > 0)

    async def add_notice_attempt(self, attempt: NoticeAttempt) -> None:
        names = NoticeAttempt.__dataclass_fields__
        self._later(_ADD_ATTEMPT, {name: getattr(attempt, name) for name in names})

    async def alert_notices(self, alert_id: str) -> tuple[Notice, ...]:
        query = select(alert_notices).where(_N.alert_id == alert_id).order_by(_N.notice_id)
        return tuple(_notice(row) for row in await self._run(lambda c: c.execute(query).all()))

    async def test_notices(self, test_id: str) -> tuple[Notice, ...]:
        query = select(alert_notices).where(_N.test_id == test_id).order_by(_N.notice_id)
        return tuple(_notice(row) for row in await self._run(lambda c: c.execute(query).all()))

    async def notice_attempts(self, notice_ids: Sequence[int]) -> tuple[NoticeAttempt, ...]:
        if not notice_ids:
            return ()
        column = alert_attempts.c
        query = select(alert_attempts).where(column.notice_id.in_(notice_ids)).order_by(column.attempt_id)
        names = NoticeAttempt.__dataclass_fields__
        rows = await self._run(lambda c: c.execute(query).all())
        return tuple(NoticeAttempt(**{name: getattr(row, name) for name in names}) for row in rows)

    async def next_notice(self) -> dt.datetime | None:
        return await self._run(lambda c: c.execute(_NEXT).scalar_one_or_none())


class AlertTransaction(_AlertConditions, _AlertNotices):
    """Implements ``gateway.flows.ports_alerts.AlertRows``."""

    async def watch(self, *, lock: bool = False) -> Watch:
        statement = _WATCH.with_for_update() if lock else _WATCH
        row = await self._run(lambda c: c.execute(statement).one())
        return Watch(**{name: getattr(row, name) for name in _WATCH_FIELDS})

    async def save_watch(self, watch: Watch) -> None:
        self._later(_SAVE_WATCH, {f"new_{name}": getattr(watch, name) for name in _WATCH_FIELDS})

    async def open_alerts(self) -> tuple[Alert, ...]:
        rows = await self._run(lambda c: c.execute(_OPEN).mappings().all())
        found = [_alert(row) for row in rows]
        return tuple(sorted(found, key=lambda a: (a.opened_at, a.alert_id), reverse=True))

    async def get_alert(self, alert_id: str) -> Alert | None:
        row = await self._run(lambda c: c.execute(_BY_ID, {"id": alert_id}).mappings().one_or_none())
        return None if row is None else _alert(row)

    async def list_alerts(
        self, where: AlertFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Alert]:
        """Newest first. Raises BadCursor."""
        query = select(alerts).order_by(_A.opened_at.desc(), _A.alert_id.desc()).limit(limit + 1)
        if where.kind is not None:
            query = query.where(_A.kind == where.kind.value)
        if where.is_open is not None:
            query = query.where(_A.cleared_at.is_(None) if where.is_open else _A.cleared_at.is_not(None))
        if cursor is not None:
            at, last = cursors.decode(cursor, _LISTING, (int, str))
            edge = t.from_ms(int(at))
            query = query.where(
                _A.opened_at <= edge, or_(_A.opened_at < edge, _A.alert_id < str(last))
            )  # the first term lets the index start at the edge
        rows = await self._run(lambda c: c.execute(query).mappings().all())
        items = tuple(_alert(row) for row in rows[:limit])
        more = len(rows) > limit
        position = (t.to_ms(items[-1].opened_at), items[-1].alert_id) if more else None
        return Page(items=items, next_cursor=cursors.encode(_LISTING, position) if position else None)

    async def count_alerts(self) -> Mapping[tuple[AlertKind, Severity], int]:
        rows = await self._run(lambda c: c.execute(_COUNT).all())
        return {(AlertKind(kind), Severity(severity)): count for kind, severity, count in rows}

    async def add_alert(self, alert: Alert) -> bool:
        def work(connection: Connection) -> bool:
            statement = insert_or_nothing(connection.dialect.name, alerts)
            return connection.execute(statement, _values(alert)).rowcount > 0

        return await self._run(work)

    async def save_alert(self, alert: Alert) -> None:
        values = _values(alert)
        self._later(_SAVE, {"id": alert.alert_id, **{f"new_{name}": values[name] for name in _SAVED}})

    async def node_seen(self, node: Node) -> None:
        values = {"node": node.node, "seen_at": node.seen_at, "works": int(node.works)}
        forgotten = delete(alert_nodes).where(alert_nodes.c.seen_at < node.seen_at - _FORGOTTEN)
        await self._run(lambda c: c.execute(_SEEN[c.dialect.name], values))
        await self._run(lambda c: c.execute(forgotten))

    async def forget_node(self, node: str) -> None:
        await self._run(lambda c: c.execute(delete(alert_nodes).where(alert_nodes.c.node == node)))

    async def nodes(self) -> tuple[Node, ...]:
        rows = await self._run(lambda c: c.execute(_NODES).all())
        return tuple(Node(node=row.node, seen_at=row.seen_at, works=bool(row.works)) for row in rows)
