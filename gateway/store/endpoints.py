"""How sending to each endpoint goes: what waits in the outbox, and the newest attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection, bindparam, func, select

from gateway.flows.ports_endpoints import EndpointFigures
from gateway.store import tables as t
from gateway.store.base import TransactionBase

_O, _T = t.outbox.c, t.attempts.c
_WAITING = select(
    _O.endpoint,
    func.count().label("waiting"),
    func.min(_O.first_due_at).label("oldest_at"),
    func.min(_O.due_at).label("next_at"),
).group_by(_O.endpoint)
_NEWEST = (
    select(_T.endpoint, _T.finished_at, _T.outcome).order_by(_T.attempt_id.desc()).limit(bindparam("most"))
)
_SUCCESS = "delivered"


class EndpointTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_endpoints.EndpointRows``."""

    async def endpoint_figures(self, *, attempts: int) -> Mapping[str, EndpointFigures]:
        def work(connection: Connection) -> dict[str, EndpointFigures]:
            found = {
                row.endpoint: EndpointFigures(
                    waiting=row.waiting, oldest_at=row.oldest_at, next_at=row.next_at
                )
                for row in connection.execute(_WAITING)
            }
            for row in connection.execute(_NEWEST, {"most": attempts}):
                known = found.get(row.endpoint, EndpointFigures())
                if known.tried_at is None:
                    known = replace(known, tried_at=row.finished_at, outcome=row.outcome)
                if known.succeeded_at is None and row.outcome == _SUCCESS:
                    known = replace(known, succeeded_at=row.finished_at)
                found[row.endpoint] = known
            return found

        return await self._run(work)
