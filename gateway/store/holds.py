"""The exclusion check's blind lookups, the imported returned, and decisions about held messages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, distinct, func, select

from gateway.flows.ports_holds import DecisionRecord, HoldDecision, Pair
from gateway.store import tables as t
from gateway.store.base import RETURNED_LOCK, TransactionBase, advisory_lock, insert_or_nothing

_AT_ONCE = 400
"""Hashes in one query: SQLite and PostgreSQL both bind many more."""
_COUNT = select(func.count(distinct(t.returned.c.person_id)))
_PERSON = select(t.returned.c.person_id).where(t.returned.c.person_id == bindparam("person")).limit(1)
_DECISIONS = (
    select(t.hold_decisions)
    .where(t.hold_decisions.c.message_id == bindparam("id"))
    .order_by(t.hold_decisions.c.decision_id)
)


def _decision(row: Row[Any]) -> DecisionRecord:
    return DecisionRecord(
        message_id=row.message_id,
        round=row.round,
        decision=HoldDecision(row.decision),
        code=row.code,
        seen=row.seen,
        reason=row.reason,
        actor=row.actor,
        at=row.at,
    )


class HoldTransaction(TransactionBase):
    async def find_by_identifiers(self, pairs: Sequence[Pair]) -> Mapping[Pair, tuple[str, ...]]:
        return await self._find(t.identifiers, "reference", pairs)

    async def find_returned(self, pairs: Sequence[Pair]) -> Mapping[Pair, tuple[str, ...]]:
        return await self._find(t.returned, "person_id", pairs)

    async def _find(self, table: Table, column: str, pairs: Sequence[Pair]) -> Mapping[Pair, tuple[str, ...]]:
        """A kind is part of its hash, so that hashes alone find the rows."""
        wanted = {self._keys.blind_index(kind, value): (kind, value) for kind, value in pairs}
        digests = sorted(wanted)

        def work(connection: Connection) -> dict[Pair, tuple[str, ...]]:
            found: dict[Pair, tuple[str, ...]] = {}
            for start in range(0, len(digests), _AT_ONCE):
                some = digests[start : start + _AT_ONCE]
                kinds = sorted({wanted[digest][0] for digest in some})
                query = (
                    select(table.c.kind, table.c.digest, table.c[column])
                    .where(table.c.kind.in_(kinds), table.c.digest.in_(some))
                    .order_by(table.c[column])
                )
                for kind, digest, owner in connection.execute(query).all():
                    pair = wanted[digest]
                    if pair[0] == kind:
                        found[pair] = (*found.get(pair, ()), owner)
            return found

        return await self._run(work) if digests else {}

    async def add_returned(self, pairs: Sequence[Pair], at: dt.datetime) -> tuple[str, bool]:
        """The person's id is itself a keyed hash, of all pairs: importing a file twice changes nothing.
        Raises ValueError for a person without pairs."""
        unique = sorted(set(pairs))
        if not unique:
            raise ValueError("a person needs an identifier")
        person = self._keys.blind_index("returned_person", "\n".join(f"{k}|{v}" for k, v in unique))
        rows = [
            {
                "kind": kind,
                "digest": self._keys.blind_index(kind, value),
                "person_id": person,
                "imported_at": at,
            }
            for kind, value in unique
        ]

        def work(connection: Connection) -> tuple[str, bool]:
            known = connection.execute(_PERSON, {"person": person}).first() is not None
            if not known:
                connection.execute(insert_or_nothing(connection.dialect.name, t.returned), rows)
            return person, not known

        return await self._run(work)

    async def lock_returned(self, *, change: bool) -> None:
        await self._run(lambda c: advisory_lock(c, RETURNED_LOCK, shared=not change))

    async def count_returned(self) -> int:
        return await self._run(lambda c: int(c.execute(_COUNT).scalar_one()))

    async def add_decision(self, decision: DecisionRecord) -> bool:
        row = {
            "message_id": decision.message_id,
            "round": decision.round,
            "decision": decision.decision.value,
            "code": decision.code,
            "seen": decision.seen,
            "reason": decision.reason,
            "actor": decision.actor,
            "at": decision.at,
        }
        return await self._run(
            lambda c: c.execute(insert_or_nothing(c.dialect.name, t.hold_decisions), row).rowcount > 0
        )

    async def decisions(self, message_id: str) -> tuple[DecisionRecord, ...]:
        rows = await self._run(lambda c: c.execute(_DECISIONS, {"id": message_id}).all())
        return tuple(_decision(row) for row in rows)
