"""Single use of token ids, answers to Idempotency-Keys, circuit breakers."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.core.errors import IdempotencyKeyRunning
from gateway.core.records import Breaker, StoredAnswer
from gateway.flows.ports import KeyReused, Running
from gateway.store import blobs, users
from gateway.store import tables as t
from gateway.store.base import TransactionBase, insert_or_nothing

KEEP_ANSWERS = dt.timedelta(hours=24)
TAKE_OVER = dt.timedelta(minutes=5)
"""A first request still "running" after this was cut off by a crash: its key may be used again. Were it
alive after all, its ``finish_idempotent`` fails and with it its transaction: never two messages."""

_I = t.idempotency.c
_KEY = and_(_I.client_id == bindparam("client"), _I.key == bindparam("name"))
_GET = select(t.idempotency).where(_KEY)
_TAKE_OVER = (
    update(t.idempotency)
    .where(_KEY, _I.status.is_(None), _I.created_at == bindparam("seen", type_=t.Instant()))
    .values(created_at=bindparam("at"))
)
_FINISH = (
    update(t.idempotency)
    .where(_KEY, _I.status.is_(None))
    .values(status=bindparam("code"), headers=bindparam("head"), body=bindparam("content"))
)
_PURGE_JTIS = delete(t.jtis).where(t.jtis.c.expires_at < bindparam("now", type_=t.Instant()))
_PURGE_ANSWERS = delete(t.idempotency).where(_I.created_at < bindparam("old", type_=t.Instant()))
_BREAKER = select(t.breakers).where(t.breakers.c.endpoint == bindparam("name"))


def _upsert(dialect: Any) -> Any:
    statement = dialect.insert(t.breakers)
    names = ("consecutive_failures", "opened_at", "probe_at", "paused")
    return statement.on_conflict_do_update(
        index_elements=["endpoint"], set_={name: statement.excluded[name] for name in names}
    )


_SAVE_BREAKER = {"sqlite": _upsert(sqlite), "postgresql": _upsert(postgresql)}


class SecurityTransaction(TransactionBase):
    async def use_jti(self, client_id: str, jti: str, expires_at: dt.datetime) -> bool:
        row = {"client_id": client_id, "jti": jti, "expires_at": expires_at}
        return await self._run(
            lambda c: c.execute(insert_or_nothing(c.dialect.name, t.jtis), row).rowcount > 0
        )

    async def begin_idempotent(
        self, client_id: str, key: str, body_digest: str, at: dt.datetime
    ) -> StoredAnswer | Running | None:
        """Commit before doing the work, so that others see the key as running."""
        new = {"client_id": client_id, "key": key, "body_digest": body_digest, "created_at": at}

        def work(connection: Connection) -> StoredAnswer | Running | None:
            if (
                connection.execute(insert_or_nothing(connection.dialect.name, t.idempotency), new).rowcount
                > 0
            ):
                return None
            row = connection.execute(_GET, {"client": client_id, "name": key}).one()
            if row.body_digest != body_digest:
                raise KeyReused
            if row.status is not None:
                headers = msgspec.json.decode(row.headers, type=dict[str, str])
                return StoredAnswer(status=row.status, headers=headers, body=bytes(row.body))
            if row.created_at + TAKE_OVER > at:
                return Running()
            values = {"client": client_id, "name": key, "seen": row.created_at, "at": at}
            return None if connection.execute(_TAKE_OVER, values).rowcount > 0 else Running()

        return await self._run(work)

    async def finish_idempotent(self, client_id: str, key: str, answer: StoredAnswer) -> None:
        """Raises IdempotencyKeyRunning when the key is not running any more (taken over and finished by
        another request): the transaction must not commit."""
        values = {
            "client": client_id,
            "name": key,
            "code": answer.status,
            "head": msgspec.json.encode(dict(answer.headers)).decode(),
            "content": answer.body,
        }
        if not await self._run(lambda c: c.execute(_FINISH, values).rowcount):
            raise IdempotencyKeyRunning("Another request with this Idempotency-Key has been answered.")

    async def purge(self, now: dt.datetime) -> int:
        """Expired sessions too. Of blobs a bounded number of rows: call again until it returns 0."""

        def work(connection: Connection) -> int:
            jtis = connection.execute(_PURGE_JTIS, {"now": now}).rowcount
            answers = connection.execute(_PURGE_ANSWERS, {"old": now - KEEP_ANSWERS}).rowcount
            return jtis + answers + users.sweep(connection, now) + blobs.sweep(connection, now)

        return await self._run(work, heavy=True)

    async def breaker(self, endpoint: str) -> Breaker:
        """A closed one when nothing was saved."""
        row = await self._run(lambda c: c.execute(_BREAKER, {"name": endpoint}).one_or_none())
        if row is None:
            return Breaker(
                endpoint=endpoint, consecutive_failures=0, opened_at=None, probe_at=None, paused=False
            )
        return Breaker(
            endpoint=row.endpoint,
            consecutive_failures=row.consecutive_failures,
            opened_at=row.opened_at,
            probe_at=row.probe_at,
            paused=bool(row.paused),
        )

    async def save_breaker(self, breaker: Breaker) -> None:
        row = {
            "endpoint": breaker.endpoint,
            "consecutive_failures": breaker.consecutive_failures,
            "opened_at": breaker.opened_at,
            "probe_at": breaker.probe_at,
            "paused": int(breaker.paused),
        }
        await self._run(lambda c: c.execute(_SAVE_BREAKER[c.dialect.name], row))
