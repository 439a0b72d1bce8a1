"""Figures for metrics and live views: a seek in an index each, and a bounded walk from there."""

from __future__ import annotations

from sqlalchemy import bindparam, func, literal_column, select

from gateway.store import tables as t
from gateway.store.base import TransactionBase

_IN_INBOX = literal_column("in_inbox") == literal_column("1")  # as the partial index says it
_INBOX = select(func.count()).select_from(
    select(t.messages.c.sequence).where(_IN_INBOX).limit(bindparam("most")).subquery()
)
_NEWEST_AUDIT = select(func.max(t.audit.c.sequence))


class FigureTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_figures.FigureRows``."""

    async def count_inbox(self, *, most: int) -> int:
        return int(await self._run(lambda c: c.execute(_INBOX, {"most": most}).scalar_one()))

    async def newest_audit(self) -> int:
        return int(await self._run(lambda c: c.execute(_NEWEST_AUDIT).scalar_one_or_none()) or 0)
