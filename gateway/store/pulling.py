"""The outbox as its receiver fetches from it: oldest first, one at a time, leased until its receipt comes."""

from __future__ import annotations

import datetime as dt
import secrets

from sqlalchemy import Connection, and_, bindparam, case, or_, select, update

from gateway.core.records import Channel, Claim, OutboxEntry
from gateway.store import tables as t
from gateway.store.outbox import PRECEDED, OutboxTransaction, entry_of

_O = t.outbox.c
_HANDED_OUT = and_(_O.lease.is_not(None), or_(_O.wire.is_not(None), _O.wire_blob.is_not(None)))
_OLDEST = (
    select(_O.entry_id, _O.due_at, case((_HANDED_OUT, 1), else_=0).label("lapsed"))
    .where(
        _O.channel == bindparam("kind"),
        _O.endpoint == bindparam("receiver"),
        _O.due_at <= bindparam("now"),
        ~PRECEDED,
    )
    # by entry_id, not due_at: a message whose lease ran out is still the oldest (as4.md 36)
    .order_by(_O.urgent.desc(), _O.entry_id)
    .limit(1)
    .with_for_update(skip_locked=True, of=t.outbox)
)
_TAKE = (
    update(t.outbox)
    .where(_O.entry_id == bindparam("entry"))
    .values(lease=bindparam("token"), due_at=bindparam("until"), attempts=_O.attempts + bindparam("lapsed"))
    .returning(t.outbox)
)
_OF_MESSAGE = and_(_O.message_id == bindparam("id"), _O.channel == bindparam("kind"))
_SEIZE = (
    update(t.outbox)
    .where(_OF_MESSAGE)
    .values(lease=bindparam("token"), due_at=bindparam("until"))
    .returning(t.outbox)
)
_LOOK = select(t.outbox).where(_OF_MESSAGE)


class PullTransaction(OutboxTransaction):
    async def claim_oldest(
        self, channel: Channel, endpoint: str, *, now: dt.datetime, lease: dt.timedelta
    ) -> Claim | None:
        token = secrets.token_hex(16)
        where = {"kind": channel.value, "receiver": endpoint, "now": now}

        def work(connection: Connection) -> Claim | None:
            head = connection.execute(_OLDEST, where).one_or_none()
            if head is None:
                return None
            values = {
                "entry": head.entry_id,
                "token": token,
                "until": now + lease,
                "lapsed": head.lapsed,
            }
            row = connection.execute(_TAKE, values).one()
            return Claim(
                entry=entry_of(row, self.wire_of(connection, row)),
                lapsed_at=head.due_at if head.lapsed else None,
            )

        return await self._run(work)

    async def seize(self, message_id: str, channel: Channel, *, until: dt.datetime) -> OutboxEntry | None:
        values = {
            "id": message_id,
            "kind": channel.value,
            "token": secrets.token_hex(16),
            "until": until,
        }

        def work(connection: Connection) -> OutboxEntry | None:
            row = connection.execute(_SEIZE, values).first()
            return None if row is None else entry_of(row, self.wire_of(connection, row))

        return await self._run(work)

    async def waiting(self, message_id: str, channel: Channel) -> OutboxEntry | None:
        values = {"id": message_id, "kind": channel.value}

        def work(connection: Connection) -> OutboxEntry | None:
            row = connection.execute(_LOOK, values).first()
            return None if row is None else entry_of(row, self.wire_of(connection, row))

        return await self._run(work)
