"""Figures for metrics and live views. Every statement is a seek in an index and a bounded walk from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, literal_column, select

from contracts.codes import Direction
from gateway.core.records import Breaker, MessageStatus
from gateway.flows.ports_figures import RouteFigures
from gateway.store import tables as t
from gateway.store.base import TransactionBase

_M = t.messages.c
_IN_INBOX = literal_column("in_inbox") == literal_column("1")  # as the partial index says it
_SOME = (
    select(_M.sequence)
    .where(_M.status == bindparam("status"), _M.direction == bindparam("direction"))
    .limit(bindparam("most"))
    .subquery()
)
_COUNT = select(func.count()).select_from(_SOME)
_INBOX = select(func.count()).select_from(
    select(_M.sequence).where(_IN_INBOX).limit(bindparam("most")).subquery()
)
_OLDEST = (
    select(_M.received_at)
    .where(_M.status == bindparam("status"), _M.direction == bindparam("direction"))
    .order_by(_M.sequence)
    .limit(1)
)
_NEWEST = (
    select(_M.delivered_at, _M.received_at)
    .where(_M.status == bindparam("status"), _M.direction == bindparam("direction"))
    .order_by(_M.sequence.desc())
    .limit(1)
)
_OLDEST_INBOX = select(_M.received_at).where(_IN_INBOX).order_by(_M.sequence).limit(1)
_NEWEST_AUDIT = select(func.max(t.audit.c.sequence))
_NEWEST_MESSAGE = select(func.max(_M.sequence))
_BREAKERS = select(t.breakers).order_by(t.breakers.c.endpoint)
_WAITING = (MessageStatus.ACCEPTED, MessageStatus.SENDING)
_ARRIVED = {
    Direction.UK_TO_FR: (MessageStatus.DELIVERED, MessageStatus.ACKNOWLEDGED),
    # what came from France is ours from its acceptance on
    Direction.FR_TO_UK: (MessageStatus.ACCEPTED, MessageStatus.DELIVERED, MessageStatus.ACKNOWLEDGED),
}


def _moments(
    connection: Connection, statement: Any, direction: Direction, statuses: Sequence[str]
) -> list[Any]:
    return [
        row
        for status in statuses
        for row in connection.execute(statement, {"status": status, "direction": direction.value}).all()
    ]


class FigureTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_figures.FigureRows``."""

    async def count_statuses(
        self, statuses: Sequence[MessageStatus], *, most: int
    ) -> Mapping[tuple[Direction, MessageStatus], int]:
        def work(connection: Connection) -> dict[tuple[Direction, MessageStatus], int]:
            return {
                (direction, status): connection.execute(
                    _COUNT, {"status": status.value, "direction": direction.value, "most": most}
                ).scalar_one()
                for direction in Direction
                for status in statuses
            }

        return await self._run(work)

    async def route_figures(self, direction: Direction) -> RouteFigures:
        def work(connection: Connection) -> RouteFigures:
            if direction is Direction.FR_TO_UK:
                oldest = [row.received_at for row in connection.execute(_OLDEST_INBOX).all()]
            else:
                oldest = [row.received_at for row in _moments(connection, _OLDEST, direction, _WAITING)]
            newest = [
                row.delivered_at or row.received_at
                for row in _moments(connection, _NEWEST, direction, _ARRIVED[direction])
            ]
            return RouteFigures(
                last_success_at=max(newest, default=None), oldest_at=min(oldest, default=None)
            )

        return await self._run(work)

    async def count_inbox(self, *, most: int) -> int:
        return int(await self._run(lambda c: c.execute(_INBOX, {"most": most}).scalar_one()))

    async def breakers(self) -> tuple[Breaker, ...]:
        rows = await self._run(lambda c: c.execute(_BREAKERS).all())
        return tuple(
            Breaker(
                endpoint=row.endpoint,
                consecutive_failures=row.consecutive_failures,
                opened_at=row.opened_at,
                probe_at=row.probe_at,
                paused=bool(row.paused),
            )
            for row in rows
        )

    async def newest_audit(self) -> int:
        return int(await self._run(lambda c: c.execute(_NEWEST_AUDIT).scalar_one_or_none()) or 0)

    async def newest_message(self) -> int:
        return int(await self._run(lambda c: c.execute(_NEWEST_MESSAGE).scalar_one_or_none()) or 0)
