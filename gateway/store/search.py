"""Finding messages: counts, marks of the routes, saved filters. The listing itself is ``listing``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite

from contracts.codes import Direction, MessageType
from gateway.core.records import Attempt, Channel, MessageRecord, MessageStatus
from gateway.core.roles import Side
from gateway.core.treaty.clocks import Deadline, DeadlineState
from gateway.flows.ports_holds import HoldDecision
from gateway.flows.ports_search import Bounded, MessageFilter, Place, RouteMarks, SavedFilter
from gateway.store import tables as t
from gateway.store import tables_search as s
from gateway.store.listing import ListingTransaction, count
from gateway.store.paths import LAST, Branch, all_statuses, all_types, limited, rests_of
from gateway.store.rows import attempt_of, deadline_of, record_of

_M, _D, _H, _F = t.messages.c, t.deadlines.c, t.hold_decisions.c, s.saved_filters.c
_COUNTS = text(
    "SELECT type, direction, status, CAST(SUM(n) AS BIGINT) FROM ("
    " SELECT type, direction, status, messages AS n FROM message_counts"
    " UNION ALL SELECT type, direction, status, delta FROM message_changes"
    ") AS cells GROUP BY type, direction, status HAVING SUM(n) <> 0"
)
_FOLD_LOCK = 0x70617373_00000007
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
_FOLD = text(
    "WITH gone AS (DELETE FROM message_changes WHERE change_id IN"
    " (SELECT change_id FROM message_changes ORDER BY change_id LIMIT :most)"
    " RETURNING type, direction, status, delta),"
    " added AS (INSERT INTO message_counts AS m (type, direction, status, messages)"
    " SELECT type, direction, status, SUM(delta) FROM gone GROUP BY type, direction, status"
    " ON CONFLICT (type, direction, status) DO UPDATE SET messages = m.messages + excluded.messages)"
    " SELECT COUNT(*) FROM gone"
)
_ANY_CHANGE = select(s.message_changes.c.change_id).limit(1)

_LOOK_AT = 5000
"""Index entries that are passed over at the most to find one of the right direction."""
_UNDELIVERED = (MessageStatus.ACCEPTED, MessageStatus.SENDING)
_LAST_SUCCESS = (
    select(_M.delivered_at)
    .where(_M.direction == bindparam("way"), _M.delivered_at.is_not(None))
    .order_by(_M.direction.desc(), _M.delivered_at.desc())
    .limit(1)
)


_NEWEST_OF_EACH_STATUS = union_all(
    *(
        select(func.max(_M.sequence)).where(_M.status == status.value, _M.direction == bindparam("way"))
        for status in MessageStatus
    )
)
"""One step into the index of statuses for each."""


def _walked(branch: Branch, dialect: str, *names: str) -> Select[Any]:
    """The rows of a stretch of an index, those accepted first in front (see ``Branch``: never by the primary
    key, which would pass over every message that was accepted before)."""
    return branch.select(["sequence", *names], after=-1, until=LAST, newest_first=False, dialect=dialect)


@cache
def _first_waiting(way: Direction, dialect: str) -> Any:
    lanes = [Branch(columns=("status", "direction"), values=(s.value, way.value)) for s in _UNDELIVERED]
    return union_all(*(select(limited(_walked(lane, dialect), 1).subquery()) for lane in lanes))


@cache
def _first_unacknowledged(way: Direction, dialect: str) -> Any:
    if way is Direction.FR_TO_UK:
        return _FIRST_OF_INBOX
    found = []
    for kind in MessageType:
        if kind is not MessageType.ACKNOWLEDGEMENT:
            pair = (kind.value, MessageStatus.DELIVERED.value)
            walked = _walked(Branch(columns=("type", "status"), values=pair), dialect, "direction")
            rows = limited(walked, _LOOK_AT).subquery()
            one = limited(select(rows.c.sequence).where(rows.c.direction == way.value), 1)
            found.append(select(one.subquery()))
    return union_all(*found)


_FIRST_OF_INBOX = (
    select(_M.sequence)
    .where(literal_column("in_inbox") == literal_column("1"))  # as the partial index says it
    .order_by(_M.sequence)
    .limit(1)
)
_BY_SEQUENCE = select(t.messages).where(_M.sequence == bindparam("place"))

_HELD_FIRST = 1000
_later = t.hold_decisions.alias("later")


@cache
def _half_approved(dialect: str) -> Any:
    """Message ids with their sequences."""
    lane = Branch(
        columns=("status", "direction"), values=(MessageStatus.HELD.value, Direction.UK_TO_FR.value)
    )
    held = limited(_walked(lane, dialect, "message_id"), _HELD_FIRST).subquery()
    return select(held.c.sequence).where(
        exists().where(
            _H.message_id == held.c.message_id,
            _H.decision == HoldDecision.APPROVED.value,
            ~exists().where(_later.c.message_id == _H.message_id, _later.c.round > _H.round),
            ~exists().where(
                _later.c.message_id == _H.message_id,
                _later.c.round == _H.round,
                _later.c.decision != HoldDecision.APPROVED.value,
            ),
        )
    )


@cache
def _first_half_approved(dialect: str) -> Any:
    return _half_approved(dialect).order_by("sequence").limit(bindparam("most"))


@cache
def _count_half_approved(dialect: str) -> Any:
    return select(func.count()).select_from(_half_approved(dialect).subquery())


_OF_SEQUENCES = (
    select(t.messages).where(_M.sequence.in_(bindparam("sequences", expanding=True))).order_by(_M.sequence)
)

_BREACHED = (
    select(t.deadlines)
    .where(_D.closed_at.is_(None), _D.state == DeadlineState.BREACHED.value)
    .order_by(_D.state, _D.due_at, _D.deadline_id)
    .limit(bindparam("most"))
)
_WARNED = (
    select(t.deadlines)
    .where(text("closed_at IS NULL AND state = 'open' AND warnings > 0"))  # as the index says it
    .order_by(_D.due_at, _D.deadline_id)
    .limit(bindparam("most"))
)

_COUNT_PRESSING = {
    breached: select(func.count()).select_from(rows.with_only_columns(_D.deadline_id).subquery())
    for breached, rows in ((True, _BREACHED), (False, _WARNED))
}

_KEPT = ("query", "shared", "saved_at")
_SAVE = {
    name: statement.on_conflict_do_update(
        index_elements=["side", "owner", "name"],
        set_={column: statement.excluded[column] for column in _KEPT},
    )
    for name, statement in (
        ("sqlite", sqlite.insert(s.saved_filters)),
        ("postgresql", postgresql.insert(s.saved_filters)),
    )
}
_SAVED = (
    select(s.saved_filters)
    .where(
        _F.side == bindparam("of_side"),
        or_(_F.owner == bindparam("whose"), _F.shared == literal(1)),
    )
    .order_by(_F.name, _F.owner)
)
_REMOVE = delete(s.saved_filters).where(
    and_(_F.filter_id == bindparam("id"), _F.side == bindparam("of_side"), _F.owner == bindparam("whose"))
)


def _inside(place: Place, where: MessageFilter) -> bool:
    types, statuses = all_types(where), all_statuses(where)
    return (
        (not types or place.type in types)
        and (not statuses or place.status in statuses)
        and where.direction in {None, place.direction}
    )


def counts(connection: Connection) -> dict[Place, int]:
    """All messages by cell: what was added up, and what was not yet, in one statement."""
    return {
        Place(MessageType(kind), Direction(way), MessageStatus(status)): int(number)
        for kind, way, status, number in connection.execute(_COUNTS).all()
    }


_NEWEST_OF_EACH = (
    select(func.max(t.attempts.c.attempt_id))
    .where(t.attempts.c.message_id.in_(bindparam("ids", expanding=True)))
    .group_by(t.attempts.c.message_id, t.attempts.c.channel)
)
_LAST_ATTEMPTS = select(t.attempts).where(t.attempts.c.attempt_id.in_(_NEWEST_OF_EACH))
_NEXT_LIMITS = (
    select(_D.reference, func.min(_D.due_at))
    .where(_D.reference.in_(bindparam("references", expanding=True)), _D.closed_at.is_(None))
    .group_by(_D.reference)
)


class SearchTransaction(ListingTransaction):
    """Implements ``gateway.flows.ports_search.SearchRows``."""

    async def count_messages(self, where: MessageFilter, *, most: int = 1000) -> Bounded:
        if rests_of(where).keys() <= {"types", "statuses", "direction"}:
            cells = await self.message_counts()
            return Bounded(value=sum(n for place, n in cells.items() if _inside(place, where)))
        return await self._run(lambda c: count(c, where, most=most), heavy=True)

    async def message_counts(self) -> Mapping[Place, int]:
        return await self._run(counts)

    async def fold_counts(self, *, limit: int = 20_000) -> int:
        def work(connection: Connection) -> int:
            if connection.dialect.name != "postgresql":
                return 0  # the triggers do it
            if connection.execute(_ANY_CHANGE).first() is None:
                return 0
            if not connection.execute(_TRY_LOCK, {"key": _FOLD_LOCK}).scalar_one():
                return 0  # another node is at it
            return int(connection.execute(_FOLD, {"most": limit}).scalar_one())

        return await self._run(work)

    async def route_marks(self, direction: Direction) -> RouteMarks:
        def first(connection: Connection, statement: Any) -> MessageRecord | None:
            found = min(connection.execute(statement).scalars().all(), default=None)
            row = None if found is None else connection.execute(_BY_SEQUENCE, {"place": found}).one_or_none()
            return None if row is None else record_of(row)

        def last_success(connection: Connection) -> dt.datetime | None:
            """What left was proven by a receipt; what came was taken, or it would not be here."""
            way = {"way": direction.value}
            if direction is Direction.UK_TO_FR:
                proven: dt.datetime | None = connection.execute(_LAST_SUCCESS, way).scalar_one_or_none()
                return proven
            newest = [place for place in connection.execute(_NEWEST_OF_EACH_STATUS, way).scalars() if place]
            if not newest:
                return None
            return record_of(connection.execute(_BY_SEQUENCE, {"place": max(newest)}).one()).received_at

        def work(connection: Connection) -> RouteMarks:
            dialect = connection.dialect.name
            return RouteMarks(
                last_success_at=last_success(connection),
                oldest_waiting=first(connection, _first_waiting(direction, dialect)),
                oldest_unacknowledged=first(connection, _first_unacknowledged(direction, dialect)),
            )

        return await self._run(work)

    async def half_approved(self, *, limit: int) -> tuple[MessageRecord, ...]:
        def work(connection: Connection) -> tuple[MessageRecord, ...]:
            statement = _first_half_approved(connection.dialect.name)
            places = connection.execute(statement, {"most": limit}).scalars().all()
            rows = connection.execute(_OF_SEQUENCES, {"sequences": places}).all() if places else ()
            return tuple(record_of(row) for row in rows)

        return await self._run(work)

    async def count_half_approved(self) -> int:
        return await self._run(lambda c: int(c.execute(_count_half_approved(c.dialect.name)).scalar_one()))

    async def pressing_deadlines(self, *, breached: bool, limit: int) -> tuple[Deadline, ...]:
        statement = _BREACHED if breached else _WARNED
        rows = await self._run(lambda c: c.execute(statement, {"most": limit}).all())
        return tuple(deadline_of(row) for row in rows)

    async def count_pressing(self, *, breached: bool, most: int) -> Bounded:
        values = {"most": most + 1}
        number = await self._run(lambda c: int(c.execute(_COUNT_PRESSING[breached], values).scalar_one()))
        return Bounded(value=min(number, most), more=number > most)

    # saved filters

    async def save_filter(self, saved: SavedFilter) -> None:
        values = {
            "filter_id": saved.filter_id,
            "side": saved.side.value,
            "owner": saved.owner,
            "shared": int(saved.shared),
            "name": saved.name,
            "query": saved.query,
            "saved_at": saved.saved_at,
        }
        await self._run(lambda c: c.execute(_SAVE[c.dialect.name], values))

    async def saved_filters(self, side: Side, owner: str) -> tuple[SavedFilter, ...]:
        values = {"of_side": side.value, "whose": owner}
        rows = await self._run(lambda c: c.execute(_SAVED, values).all())
        return tuple(
            SavedFilter(
                filter_id=row.filter_id,
                owner=row.owner,
                side=Side(row.side),
                shared=bool(row.shared),
                name=row.name,
                query=row.query,
                saved_at=row.saved_at,
            )
            for row in rows
        )

    async def remove_filter(self, filter_id: str, *, side: Side, owner: str) -> bool:
        values = {"id": filter_id, "of_side": side.value, "whose": owner}
        return await self._run(lambda c: c.execute(_REMOVE, values).rowcount > 0)

    async def last_attempts(self, message_ids: Sequence[str]) -> Mapping[tuple[str, Channel], Attempt]:
        rows = await self._run(lambda c: c.execute(_LAST_ATTEMPTS, {"ids": list(message_ids)}).all())
        found = [attempt_of(row) for row in rows]
        return {(attempt.message_id, attempt.channel): attempt for attempt in found}

    async def next_limits(self, references: Sequence[str]) -> Mapping[str, dt.datetime]:
        rows = await self._run(lambda c: c.execute(_NEXT_LIMITS, {"references": list(references)}).all())
        return {row[0]: row[1] for row in rows}
