"""Reasoned reveals of personal data: who looked at which case, why, and until when."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from gateway.flows.ports_reveals import Reveal
from gateway.store.base import TransactionBase
from gateway.store.tables_actions import reveals

_C = reveals.c
_INSERT = insert(reveals)
_RUNNING = (
    select(reveals)
    .where(
        _C.reference == bindparam("reference"),
        _C.actor == bindparam("actor"),
        _C.ends_at > bindparam("now"),
        _C.started_at <= bindparam("now"),
        _C.ended_at.is_(None),
    )
    .order_by(_C.ends_at.desc(), _C.reveal_id.desc())
    .limit(1)
)
_END = (
    update(reveals)
    .where(
        _C.reference == bindparam("of"),
        _C.actor == bindparam("who"),
        _C.ends_at > bindparam("now"),
        _C.ended_at.is_(None),
    )
    .values(ended_at=bindparam("now"))
)
_OF_CASE = (
    select(reveals)
    .where(_C.reference == bindparam("reference"))
    .order_by(_C.started_at.desc(), _C.reveal_id.desc())
    .limit(100)
)


def _reveal(row: Row[Any]) -> Reveal:
    return Reveal(
        reveal_id=row.reveal_id,
        reference=row.reference,
        actor=row.actor,
        code=row.code,
        reason=row.reason,
        started_at=row.started_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
    )


class RevealTransaction(TransactionBase):
    """Implements ``gateway.flows.ports_reveals.RevealRows``."""

    async def add_reveal(self, reveal: Reveal) -> None:
        self._later(
            _INSERT,
            {
                "reveal_id": reveal.reveal_id,
                "reference": reveal.reference,
                "actor": reveal.actor,
                "code": reveal.code,
                "reason": reveal.reason,
                "started_at": reveal.started_at,
                "ends_at": reveal.ends_at,
                "ended_at": reveal.ended_at,
            },
        )

    async def running_reveal(self, reference: str, actor: str, now: dt.datetime) -> Reveal | None:
        values = {"reference": reference, "actor": actor, "now": now}
        row = await self._run(lambda c: c.execute(_RUNNING, values).one_or_none())
        return None if row is None else _reveal(row)

    async def end_reveals(self, reference: str, actor: str, now: dt.datetime) -> int:
        values = {"of": reference, "who": actor, "now": now}
        return await self._run(lambda c: int(c.execute(_END, values).rowcount))

    async def reveals(self, reference: str) -> tuple[Reveal, ...]:
        rows = await self._run(lambda c: c.execute(_OF_CASE, {"reference": reference}).all())
        return tuple(_reveal(row) for row in rows)
