"""The outbox: what is to be delivered, when, and by whom it is being tried.

A claim hides a row until its lease ends by moving ``due_at`` there, so "due" is one comparison for
waiting rows and for rows whose worker died. A row is under a live lease while it has a lease and is
not due. Of the rows of one (channel, endpoint, case) only the head may go: urgent ones first, then the
lowest id. An urgent row (a withdrawal) goes even while another row of its case is being tried: it must
not wait behind a hung attempt. Everything else waits for the row before it, leased or not.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from contracts.codes import MessageType
from gateway.core.errors import PasserelleError
from gateway.core.records import Blob, Channel, MessageStatus, OutboxEntry
from gateway.store import blobs
from gateway.store import tables as t
from gateway.store.base import TransactionBase
from gateway.store.sealing import SealBroken

_O = t.outbox.c
_other = t.outbox.alias("other")
PRECEDED = exists().where(
    _other.c.reference == _O.reference,
    _other.c.channel == _O.channel,
    _other.c.endpoint == _O.endpoint,
    or_(
        _other.c.urgent > _O.urgent,
        and_(_other.c.urgent == _O.urgent, _other.c.entry_id < _O.entry_id),
    ),
)
_INSERT = insert(t.outbox)
_HELD = and_(_O.entry_id == bindparam("entry"), _O.lease == bindparam("token"))
_SAVE_BYTES = (  # most messages: one statement
    update(t.outbox)
    .where(_HELD, _O.wire_blob.is_(None))
    .values(wire=bindparam("bytes"), wire_content_type=bindparam("media"))
)
_SAVE_WIRE = (
    update(t.outbox)
    .where(_HELD)
    .values(wire=bindparam("bytes"), wire_blob=bindparam("blob"), wire_content_type=bindparam("media"))
)
_HELD_BLOB = select(_O.wire_blob).where(_HELD).with_for_update()
_COMPLETE = delete(t.outbox).where(_HELD).returning(_O.wire_blob)
_EXTEND = update(t.outbox).where(_HELD).values(due_at=bindparam("until"))
_GIVE_BACK = (
    update(t.outbox)
    .where(_HELD)
    .values(lease=None, due_at=bindparam("due"), attempts=_O.attempts + bindparam("tried"))
)
_FREE = or_(_O.lease.is_(None), _O.due_at <= bindparam("now", type_=t.Instant()))
_CANCEL_CASE = (
    delete(t.outbox)
    .where(
        _O.reference == bindparam("ref"),
        _O.channel == Channel.AS4.value,
        _O.urgent == 0,
        _O.message_id.in_(
            select(t.messages.c.message_id).where(
                t.messages.c.reference == bindparam("ref"),
                t.messages.c.type.not_in(bindparam("keep", expanding=True)),
            )
        ),
        _FREE,
    )
    .returning(_O.message_id, _O.wire_blob)
)
_CANCEL_ONE = (
    delete(t.outbox)
    .where(_O.message_id == bindparam("id"), _O.channel == Channel.AS4.value, _FREE)
    .returning(_O.message_id, _O.wire_blob)
)
_MARK_CANCELLED = (
    update(t.messages)
    .where(t.messages.c.message_id == bindparam("id"))
    .values(
        status=MessageStatus.CANCELLED.value,
        code=bindparam("why"),
        updated_at=bindparam("at"),
        in_inbox=0,
    )
)
_BACKLOG = select(_O.endpoint, func.count()).group_by(_O.endpoint)


def _heads(urgent: int, *, skip: bool) -> Select[Any]:
    heads = select(_O.entry_id, _O.due_at).where(_O.urgent == urgent, ~PRECEDED)
    if skip:
        heads = heads.where(
            _O.endpoint.not_in(bindparam("skip", expanding=True)),
            _O.channel.not_in(bindparam("channels", expanding=True)),
        )
    return heads.order_by(_O.due_at, _O.entry_id).limit(bindparam("most"))


# by whether an endpoint or channel is left out: without a list in it, a statement can be prepared
_FIRST_HEADS = {skip: tuple(_heads(urgent, skip=skip) for urgent in (1, 0)) for skip in (True, False)}
_DUE_HEADS = {
    skip: tuple(
        head.where(_O.due_at <= bindparam("now")).with_for_update(skip_locked=True, of=t.outbox)
        for head in heads
    )
    for skip, heads in _FIRST_HEADS.items()
}
_CLAIM = (
    update(t.outbox)
    .where(_O.entry_id.in_(bindparam("ids", expanding=True)))
    .values(lease=bindparam("token"), due_at=bindparam("until"))
    .returning(t.outbox)
)
_CLAIM_ONE = (
    update(t.outbox)
    .where(_O.entry_id == bindparam("entry"))
    .values(lease=bindparam("token"), due_at=bindparam("until"))
    .returning(t.outbox)
)


def entry_of(row: Row[Any], wire: bytes | Blob | None) -> OutboxEntry:
    return OutboxEntry(
        entry_id=row.entry_id,
        channel=Channel(row.channel),
        endpoint=row.endpoint,
        message_id=row.message_id,
        reference=row.reference,
        attempts=row.attempts,
        first_due_at=row.first_due_at,
        lease=row.lease,
        wire=wire,
        wire_content_type=None if wire is None else row.wire_content_type,
    )


def _left_out(endpoints: Sequence[str], channels: Sequence[Channel]) -> dict[str, list[str]]:
    if not endpoints and not channels:
        return {}
    return {"skip": list(endpoints), "channels": [c.value for c in channels]}


def _drop_blobs(connection: Connection, rows: Sequence[Any]) -> None:
    """Of rows that were removed."""
    blobs.drop(connection, [row.wire_blob for row in rows if row.wire_blob is not None])


class OutboxTransaction(TransactionBase):
    async def enqueue(
        self,
        *,
        channel: Channel,
        endpoint: str,
        message_id: str,
        reference: str,
        due_at: dt.datetime,
        urgent: bool = False,
        wire: bytes | None = None,
        wire_content_type: str | None = None,
    ) -> None:
        self._later(
            _INSERT,
            {
                "channel": channel.value,
                "endpoint": endpoint,
                "message_id": message_id,
                "reference": reference,
                "urgent": int(urgent),
                "attempts": 0,
                "due_at": due_at,
                "first_due_at": due_at,
                "wire": wire,
                "wire_content_type": wire_content_type,
            },
        )

    async def claim_due(
        self,
        *,
        now: dt.datetime,
        limit: int,
        lease: dt.timedelta,
        skip_endpoints: Sequence[str] = (),
        skip_channels: Sequence[Channel] = (),
    ) -> tuple[OutboxEntry, ...]:
        """Urgent rows first, then by the time they are due; one lease token for the whole claim."""
        token = secrets.token_hex(16)
        skip = _left_out(skip_endpoints, skip_channels)

        def work(connection: Connection) -> list[OutboxEntry]:
            ids: list[int] = []
            for heads in _DUE_HEADS[bool(skip)]:
                if len(ids) < limit:
                    values = {"now": now, "most": limit - len(ids), **skip}
                    ids += connection.execute(heads, values).scalars().all()
            if not ids:
                return []
            lock = {"token": token, "until": now + lease}
            if len(ids) == 1:
                rows = connection.execute(_CLAIM_ONE, {"entry": ids[0], **lock}).all()
            else:
                rows = connection.execute(_CLAIM, {"ids": ids, **lock}).all()
                rows = sorted(rows, key=lambda row: ids.index(row.entry_id))
            return [entry_of(row, self.wire_of(connection, row)) for row in rows]

        return tuple(await self._run(work))

    def wire_of(self, connection: Connection, row: Row[Any]) -> bytes | Blob | None:
        """None also for a blob that cannot be read: one such row must not stop every claim. Its holder then
        makes it again from the content, and there meets the cause."""
        if row.wire_blob is None:
            return None if row.wire is None else bytes(row.wire)
        try:
            key = self._case_key(connection, row.reference)
            return blobs.linked(connection, key, row.wire_blob, blobs.WIRE, row.message_id)
        except (LookupError, SealBroken, PasserelleError):
            return None

    async def save_wire(self, entry: OutboxEntry, wire: bytes | Blob, content_type: str) -> None:
        """Does nothing when the lease was lost: its new holder keeps its own; a blob then belongs to
        nothing, as before. Raises LookupError for a blob that cannot be linked."""
        held = {"entry": entry.entry_id, "token": entry.lease}
        values = {**held, "media": content_type}

        def work(connection: Connection) -> None:
            if (
                isinstance(wire, bytes)
                and connection.execute(_SAVE_BYTES, {**values, "bytes": wire}).rowcount
            ):
                return
            row = connection.execute(_HELD_BLOB, held).one_or_none()
            if row is None:
                return
            if isinstance(wire, bytes):
                saved: dict[str, Any] = {"bytes": wire, "blob": None}
            else:
                key = self._case_key(connection, entry.reference)
                blobs.link(connection, key, wire, blobs.WIRE, entry.message_id)
                saved = {"bytes": None, "blob": wire.blob_id}
            connection.execute(_SAVE_WIRE, {**values, **saved})
            _drop_blobs(connection, [row])

        await self._run(work)

    async def extend_lease(self, entry: OutboxEntry, until: dt.datetime) -> bool:
        """A lease that ran out but was taken by nobody is still the last one, and is extended."""
        values = {"entry": entry.entry_id, "token": entry.lease, "until": until}
        return await self._run(lambda c: c.execute(_EXTEND, values).rowcount > 0)

    async def complete(self, entry: OutboxEntry) -> bool:
        values = {"entry": entry.entry_id, "token": entry.lease}

        def work(connection: Connection) -> bool:
            rows = connection.execute(_COMPLETE, values).all()
            _drop_blobs(connection, rows)
            return bool(rows)

        return await self._run(work)

    async def reschedule(self, entry: OutboxEntry, due_at: dt.datetime) -> bool:
        return await self._give_back(entry, due_at, tried=1)

    async def release(self, entry: OutboxEntry, due_at: dt.datetime) -> bool:
        return await self._give_back(entry, due_at, tried=0)

    async def _give_back(self, entry: OutboxEntry, due_at: dt.datetime, *, tried: int) -> bool:
        values = {"entry": entry.entry_id, "token": entry.lease, "due": due_at, "tried": tried}
        return await self._run(lambda c: c.execute(_GIVE_BACK, values).rowcount > 0)

    async def cancel_queued(
        self, reference: str, *, at: dt.datetime, code: str, keep: Collection[MessageType] = ()
    ) -> tuple[str, ...]:
        def work(connection: Connection) -> tuple[str, ...]:
            values = {"ref": reference, "now": at, "keep": [k.value for k in keep]}
            rows = connection.execute(_CANCEL_CASE, values).all()
            _drop_blobs(connection, rows)
            ids = tuple(sorted({row.message_id for row in rows}))
            if ids:
                connection.execute(_MARK_CANCELLED, [{"id": i, "why": code, "at": at} for i in ids])
            return ids

        return await self._run(work)

    async def cancel_message(self, message_id: str, *, at: dt.datetime, code: str) -> bool:
        """An operator names the message, so an urgent one is cancelled too."""

        def work(connection: Connection) -> bool:
            rows = connection.execute(_CANCEL_ONE, {"id": message_id, "now": at}).all()
            _drop_blobs(connection, rows)
            if rows:
                connection.execute(_MARK_CANCELLED, {"id": message_id, "why": code, "at": at})
            return bool(rows)

        return await self._run(work)

    async def next_due(
        self, *, skip_endpoints: Sequence[str] = (), skip_channels: Sequence[Channel] = ()
    ) -> dt.datetime | None:
        skip = _left_out(skip_endpoints, skip_channels)

        def work(connection: Connection) -> dt.datetime | None:
            firsts = [
                row.due_at
                for heads in _FIRST_HEADS[bool(skip)]
                for row in connection.execute(heads, {"most": 1, **skip})
            ]
            return min(firsts, default=None)

        return await self._run(work)

    async def backlog(self) -> Mapping[str, int]:
        """Rows by endpoint, those under a lease included: none of them is delivered yet."""
        return await self._run(lambda c: {row[0]: row[1] for row in c.execute(_BACKLOG)})
