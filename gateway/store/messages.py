"""Messages: the record in columns, the content and the attachments sealed with the key of the case."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Update,
    bindparam,
    case,
    insert,
    literal_column,
    select,
    update,
)

from contracts.codes import Direction
from contracts.model import Message
from gateway.core.records import Blob, MessageRecord, MessageStatus, StoredAttachment
from gateway.flows.ports import DuplicateMessage
from gateway.store import blobs, sealing
from gateway.store import tables as t
from gateway.store.base import SEQUENCE_LOCK, TransactionBase, advisory_lock, insert_or_nothing
from gateway.store.rows import record_of as record_of

_IN_INBOX = {
    MessageStatus.ACCEPTED,
    MessageStatus.SENDING,
    MessageStatus.DELIVERED,
    MessageStatus.FAILED,  # a webhook that failed does not hide the message from polling
}
_M = t.messages.c

_BY_ID = select(t.messages).where(_M.message_id == bindparam("id"))
_BY_AS4_ID = select(t.messages).where(
    _M.as4_message_id == bindparam("as4_id"), _M.client_id == bindparam("client")
)
_INSERT = {
    dialect: insert_or_nothing(dialect, t.messages).returning(_M.sequence)
    for dialect in ("sqlite", "postgresql")
}
_INSERT_CONTENT = insert(t.contents)
_INSERT_ATTACHMENT = insert(t.attachments)
_CONTENT = (
    select(_M.reference, t.contents.c.sealed)
    .join_from(t.messages, t.contents, t.contents.c.message_id == _M.message_id)
    .where(_M.message_id == bindparam("id"))
)
_ATTACHMENTS = (
    select(_M.reference, t.attachments)
    .join_from(t.messages, t.attachments, t.attachments.c.message_id == _M.message_id)
    .where(_M.message_id == bindparam("id"))
    .order_by(t.attachments.c.position)
)
_HAS_ATTACHMENTS = (
    select(t.attachments.c.position).where(t.attachments.c.message_id == bindparam("id")).limit(1)
)
_HISTORY = (
    select(t.messages, t.contents.c.sealed)
    .join_from(t.messages, t.contents, t.contents.c.message_id == _M.message_id)
    .where(_M.reference == bindparam("ref"))
    .order_by(_M.sequence)
)
_INBOX = (
    select(t.messages)
    .where(literal_column("in_inbox") == literal_column("1"), _M.sequence > bindparam("after"))
    .order_by(_M.sequence)
    .limit(bindparam("most"))
)


def _row(record: MessageRecord) -> dict[str, Any]:
    incoming = record.direction is Direction.FR_TO_UK and record.status in _IN_INBOX
    return {
        "message_id": record.message_id,
        "reference": record.reference,
        "conversation_id": record.conversation_id,
        "type": record.type.value,
        "direction": record.direction.value,
        "status": record.status.value,
        "code": record.code,
        "in_reply_to": record.in_reply_to,
        "client_id": record.client_id,
        "as4_message_id": record.as4_message_id,
        "body_sha256": record.body_sha256,
        "attempts": record.attempts,
        "receipt_verified": int(record.receipt_verified),
        "received_at": record.received_at,
        "delivered_at": record.delivered_at,
        "updated_at": record.updated_at,
        "in_inbox": int(incoming),
    }


@cache
def _update(names: tuple[str, ...]) -> Update:
    """UPDATE of these columns by message id; only incoming messages come into the inbox."""
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    if "in_inbox" in values:
        shown = bindparam("new_in_inbox", type_=Integer())
        values["in_inbox"] = case((_M.direction == Direction.FR_TO_UK.value, shown), else_=0)
    return update(t.messages).where(_M.message_id == bindparam("id")).values(**values)


class MessageTransaction(TransactionBase):
    async def add_message(
        self, record: MessageRecord, message: Message, attachments: Sequence[StoredAttachment]
    ) -> MessageRecord:
        """Raises DuplicateMessage when the sender's AS4 MessageId or the message id itself is stored
        already (the transaction stays usable), LookupError for an unknown case, a destroyed key, or a blob
        that is gone or belongs to another message (then the transaction must not commit)."""
        row = _row(record)

        def work(connection: Connection) -> int:
            key = self._case_key(connection, record.reference)
            content = {"message_id": record.message_id, "sealed": sealing.seal_message(key, message)}
            parts = [
                {
                    "message_id": record.message_id,
                    "position": position,
                    "media_type": part.media_type,
                    "sealed": sealing.seal_attachment(key, record.message_id, position, part),
                }
                for position, part in enumerate(attachments)
            ]
            advisory_lock(connection, SEQUENCE_LOCK)
            sequence = connection.execute(_INSERT[connection.dialect.name], row).scalar_one_or_none()
            if sequence is None:
                raise DuplicateMessage
            connection.execute(_INSERT_CONTENT, content)
            if parts:
                connection.execute(_INSERT_ATTACHMENT, parts)
            for part in attachments:
                if isinstance(part.content, Blob):
                    blobs.link(connection, key, part.content, blobs.ATTACHMENT, record.message_id)
            return int(sequence)

        sequence = await self._run(work, heavy=bool(attachments))
        fields = {name: getattr(record, name) for name in record.__dataclass_fields__}
        return MessageRecord(**{**fields, "sequence": sequence})

    async def get_message(self, message_id: str) -> MessageRecord | None:
        row = await self._run(lambda c: c.execute(_BY_ID, {"id": message_id}).one_or_none())
        return None if row is None else record_of(row)

    async def message_by_as4_id(self, as4_message_id: str, client_id: str) -> MessageRecord | None:
        values = {"as4_id": as4_message_id, "client": client_id}
        row = await self._run(lambda c: c.execute(_BY_AS4_ID, values).one_or_none())
        return None if row is None else record_of(row)

    async def content(self, message_id: str) -> Message:
        """Raises LookupError when unknown or destroyed, SealBroken when tampered with."""

        def work(connection: Connection) -> Message:
            row = connection.execute(_CONTENT, {"id": message_id}).one_or_none()
            if row is None:
                raise LookupError("this message is not known")
            return sealing.unseal_message(self._case_key(connection, row.reference), message_id, row.sealed)

        return await self._run(work)

    async def attachments(self, message_id: str) -> tuple[StoredAttachment, ...]:
        """In the order given; raises as ``content`` does, but an unknown message has none."""

        def work(connection: Connection) -> tuple[StoredAttachment, ...]:
            rows = connection.execute(_ATTACHMENTS, {"id": message_id}).mappings().all()
            if not rows:
                return ()
            key = self._case_key(connection, rows[0]["reference"])

            def blob_of(blob_id: str) -> Blob:
                return blobs.linked(connection, key, blob_id, blobs.ATTACHMENT, message_id)

            return tuple(sealing.unseal_attachment(key, dict(row), blob_of) for row in rows)

        if await self._run(lambda c: c.execute(_HAS_ATTACHMENTS, {"id": message_id}).first()) is None:
            return ()  # most messages: not worth a thread
        return await self._run(work, heavy=True)

    async def update_message(
        self,
        message_id: str,
        *,
        at: dt.datetime,
        status: MessageStatus | None = None,
        code: str | None = None,
        as4_message_id: str | None = None,
        receipt_verified: bool | None = None,
        delivered_at: dt.datetime | None = None,
    ) -> None:
        """Raises LookupError for an unknown message."""
        values: dict[str, Any] = {"updated_at": at}
        if status is not None:
            values |= {"status": status.value, "code": code, "in_inbox": int(status in _IN_INBOX)}
        elif code is not None:
            values["code"] = code
        if as4_message_id is not None:
            values["as4_message_id"] = as4_message_id
        if receipt_verified is not None:
            values["receipt_verified"] = int(receipt_verified)
        if delivered_at is not None:
            values["delivered_at"] = delivered_at
        statement = _update(tuple(values))
        values = {f"new_{name}": value for name, value in values.items()} | {"id": message_id}
        if not await self._run(lambda c: c.execute(statement, values).rowcount):
            raise LookupError("this message is not known")

    async def history(self, reference: str) -> tuple[tuple[MessageRecord, Message], ...]:
        """Raises LookupError when retention destroyed the key; an unknown case has no messages."""

        def work(connection: Connection) -> tuple[tuple[MessageRecord, Message], ...]:
            rows = connection.execute(_HISTORY, {"ref": reference}).all()
            if not rows:
                return ()
            key = self._case_key(connection, reference)
            return tuple(
                (record_of(row), sealing.unseal_message(key, row.message_id, row.sealed)) for row in rows
            )

        return await self._run(work)

    async def inbox(self, *, after: int, limit: int) -> tuple[MessageRecord, ...]:
        """Held, rejected and cancelled messages are not shown: those are not (any more) for the UK."""
        rows = await self._run(lambda c: c.execute(_INBOX, {"after": after, "most": limit}).all())
        return tuple(record_of(row) for row in rows)
