"""What is POSTed for an outbox row: the wire that was stored at the first attempt, or a new one, which is
stored before it leaves (as4.md 31).

Small messages are sealed where they are, in memory. One with blobs among its attachments is sealed in a
thread: once to compress and sign, once more to encrypt on the way into the store as a blob of its own.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass

from contracts.model import Message
from contracts.ports import ValidDocument
from gateway.core.as4.content import whole
from gateway.core.as4.message import SealedMessage
from gateway.core.errors import PasserelleError
from gateway.core.records import Blob, Evidence, EvidenceKind, MessageStatus, StoredAttachment
from gateway.flows.contents import BlobContent, ContentDestroyed, in_thread, stream
from gateway.flows.delivery_record import ACTOR, Delivery, Job
from gateway.flows.large import LeaseLost
from gateway.flows.ports import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """What is to be sent: a wire that was stored before, or a message to be sealed.

    ``envelopes``: every one that we ever sealed of this message, the newest first. A replay by an operator
    seals again under the same MessageId; a partner that had taken in an earlier sealing answers with the
    receipt of that one, which proves delivery just as well.
    """

    envelopes: tuple[bytes, ...]
    stored: tuple[bytes | Blob, str] | None = None
    """Wire and content type."""
    message: Message | None = None
    attachments: tuple[StoredAttachment, ...] = ()
    ref_to: str | None = None

    @property
    def is_large(self) -> bool:
        if self.stored is not None:
            return isinstance(self.stored[0], Blob)
        return any(isinstance(a.content, Blob) for a in self.attachments)


async def parcel_of(job: Job, d: Delivery) -> Parcel:
    """Raises ContentDestroyed."""
    entry = job.entry
    try:
        async with d.store.begin(read_only=True) as tx:
            envelopes = sealed_envelopes(await tx.evidence(entry.message_id))
            if entry.wire is not None and entry.wire_content_type is not None and envelopes:
                return Parcel(envelopes=envelopes, stored=(entry.wire, entry.wire_content_type))
            message = await tx.content(entry.message_id)
            attachments = await tx.attachments(entry.message_id)
            ref_to = await _ref_to(tx, message)
    except LookupError as exc:
        raise ContentDestroyed from exc
    return Parcel(envelopes=envelopes, message=message, attachments=attachments, ref_to=ref_to)


def sealed_envelopes(evidence: tuple[Evidence, ...]) -> tuple[bytes, ...]:
    """Every envelope that we ever sealed of a message, the newest first."""
    return tuple(e.content for e in reversed(evidence) if e.kind is EvidenceKind.AS4_USER_MESSAGE)


async def _ref_to(tx: Transaction, message: Message) -> str | None:
    if message.in_reply_to is None:
        return None
    answered = await tx.get_message(message.in_reply_to)
    return answered.as4_message_id if answered else None


async def sealed_wire(job: Job, d: Delivery) -> tuple[bytes | Blob, str, tuple[bytes, ...]]:
    """(wire, content type, envelopes). Raises Unmappable, As4Error, ContentDestroyed, LeaseLost."""
    return await sealed(job, await parcel_of(job, d), d)


async def sealed(job: Job, parcel: Parcel, d: Delivery) -> tuple[bytes | Blob, str, tuple[bytes, ...]]:
    """(wire, content type, envelopes) of what ``parcel_of`` gave. Raises like ``sealed_wire``."""
    if parcel.stored is not None:
        return *parcel.stored, parcel.envelopes
    if parcel.message is None:
        raise AssertionError("a parcel without content")
    document, now = d.french.from_canonical(parcel.message), d.clock.now()
    if parcel.is_large:
        made, wire = await _seal_large(parcel, parcel.message, document, now, d)
    else:
        made = d.access_point.seal(
            parcel.message, document, parcel.attachments, now=now, ref_to=parcel.ref_to
        )
        wire = whole(made.body)
    try:
        await _keep(job, parcel.message, made, wire, now, d)
    except BaseException:
        if isinstance(wire, Blob):
            with contextlib.suppress(PasserelleError):  # housekeeping removes what belongs to nothing
                await d.store.drop_blob(wire)
        raise
    return wire, made.content_type, (made.envelope, *parcel.envelopes)


async def _seal_large(
    parcel: Parcel, message: Message, document: ValidDocument, now: dt.datetime, d: Delivery
) -> tuple[SealedMessage, bytes | Blob]:
    opened = {
        a.content.blob_id: BlobContent(d.store, a.content)
        for a in parcel.attachments
        if isinstance(a.content, Blob)
    }

    def stop() -> None:
        for content in opened.values():
            content.close()

    def seal() -> SealedMessage:
        return d.access_point.seal(
            message,
            document,
            parcel.attachments,
            now=now,
            ref_to=parcel.ref_to,
            open_blob=lambda blob: opened[blob.blob_id],
        )

    try:
        made = await in_thread(seal, stop=stop)
        if isinstance(made.body, bytes):
            return made, made.body
        async with contextlib.aclosing(stream(made.body)) as chunks:
            return made, await d.store.write_blob(chunks)
    finally:
        stop()


async def _keep(
    job: Job, message: Message, made: SealedMessage, wire: bytes | Blob, now: dt.datetime, d: Delivery
) -> None:
    """One transaction, before anything leaves. Raises LeaseLost for a blob whose row is another's now."""
    async with d.store.begin() as tx:
        if isinstance(wire, Blob) and not await tx.extend_lease(job.entry, d.clock.now() + d.lease):
            raise LeaseLost
        try:
            await tx.save_wire(job.entry, wire, made.content_type)
        except LookupError as exc:  # a blob is kept with the key of the case
            raise ContentDestroyed from exc
        await tx.add_evidence(
            Evidence(
                message_id=message.message_id,
                kind=EvidenceKind.AS4_USER_MESSAGE,
                media_type="application/soap+xml",
                content=made.envelope,
                created_at=now,
            )
        )
        await tx.update_message(
            message.message_id,
            at=now,
            status=MessageStatus.SENDING,
            as4_message_id=d.access_point.as4_message_id(message.message_id),
        )
        await tx.append_audit(
            at=now,
            actor=ACTOR,
            action="message.sealed",
            subject=message.message_id,
            data={"type": str(message.type), "reference": message.reference},
        )
