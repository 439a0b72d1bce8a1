"""Looking into the audit log from its end. Each filter has an index that ends with the sequence; a time is
turned into a bound of the sequence first, so that an old day costs no more than today."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, func, select

from gateway.core.records import AuditEntry, Page
from gateway.flows.ports_audit import AuditFilter
from gateway.store import cursors
from gateway.store import tables as t
from gateway.store.base import TransactionBase
from gateway.store.ledger import audit_entry

_LISTING: Final = "audit"
_A = t.audit.c
_SLACK: Final = dt.timedelta(hours=1)
"""How far entries may stand out of the order of their times: transactions end after they began."""
_ENDS = select(func.min(_A.sequence), func.max(_A.sequence))
_AT = select(_A.at).where(_A.sequence == bindparam("place"))


def _first_from(connection: Connection, moment: dt.datetime) -> int:
    """The first sequence whose entry is not before ``moment``, by halving; one past the end if there is
    none."""
    low, high = connection.execute(_ENDS).one()
    if low is None:
        return 1
    high += 1
    while low < high:
        middle = (low + high) // 2
        at = connection.execute(_AT, {"place": middle}).scalar_one_or_none()
        # a missing link (the chain is broken there) counts as early: what follows is still looked at
        if at is None or at < moment:
            low = middle + 1
        else:
            high = middle
    return int(low)


class AuditTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_audit.AuditRows``."""

    async def find_audit(
        self, where: AuditFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[AuditEntry]:
        query = select(t.audit).order_by(_A.sequence.desc()).limit(limit + 1)
        for column, value in (
            (_A.subject, where.subject),
            (_A.actor, where.actor),
            (_A.action, where.action),
        ):
            if value is not None:
                query = query.where(column == value)
        if cursor is not None:
            (last,) = cursors.decode(cursor, _LISTING, (int,))
            query = query.where(_A.sequence < int(last))
        rows = await self._run(lambda c: _between(c, query, where))
        items = tuple(audit_entry(row) for row in rows[:limit])
        more = cursors.encode(_LISTING, (items[-1].sequence,)) if len(rows) > limit else None
        return Page(items=items, next_cursor=more)


def _between(connection: Connection, query: Select[Any], where: AuditFilter) -> list[Row[Any]]:
    if where.since is not None:
        first = _first_from(connection, where.since - _SLACK)
        query = query.where(_A.sequence >= first, _A.at >= where.since)
    if where.until is not None:
        end = _first_from(connection, where.until + _SLACK)
        query = query.where(_A.sequence < end, _A.at < where.until)
    return list(connection.execute(query).all())
