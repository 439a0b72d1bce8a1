"""A message from France: wire → Verified → Valid → Allowed → stored with its receipt → receipt (design.md).

(1) open: signature, signer, P-Mode, decryption; (2) a duplicate of an accepted message gets the stored
receipt again; (3) exactly one document, no attachment (Art 16), judged by the French contract; (4) it belongs
to a case we know, in a state where it is possible, and carries no personal data; (5) message, envelope, our
receipt, case, audit and webhook rows commit together; (6) only then the receipt leaves.

A refusal is a signed ebMS error, and an audit entry without anything of the content.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from contracts import codes, model
from contracts.codes import AckStatus, Direction
from contracts.ports import ContractError, Problem, ValidDocument
from contracts.xml import MAX_BYTES
from gateway.core.as4.content import Octets, size_of
from gateway.core.as4.message import Sealed
from gateway.core.as4.pmode import ReceiptReply
from gateway.core.as4.verified import VerifiedError, VerifiedPullRequest, VerifiedUserMessage
from gateway.core.errors import As4Error, OutOfSequence, PayloadRefused, PrivacyBreach, ValueInconsistent
from gateway.core.records import CaseRecord, Channel, Evidence, EvidenceKind, MessageRecord, MessageStatus
from gateway.core.treaty import privacy, privacy_wire, states
from gateway.core.treaty.rules import judge
from gateway.flows import deadlines, exclusion, french_privacy
from gateway.flows.callback import owe_receipt
from gateway.flows.contents import in_memory, in_thread
from gateway.flows.french_inbox import ACTOR, AGAIN, NOTHING, As4Answer, FrenchInbox, refuse, signed
from gateway.flows.ledger import book
from gateway.flows.ports import DuplicateMessage, Transaction
from gateway.flows.pull_serve import serve_pull
from gateway.flows.signals_in import take_signal
from gateway.flows.watch import Taken
from gateway.flows.webhooks import WebhookEvent, enqueue_webhooks

T = TypeVar("T")
__all__ = ["As4Answer", "FrenchInbox", "accept", "accept_pulled", "take_in"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Valid:
    """A verified message whose document the French contract accepted."""

    verified: VerifiedUserMessage
    document: ValidDocument
    message: model.Message
    wire: tuple[str, ...]
    """What came around the document, for the privacy gate."""


async def accept(inbox: FrenchInbox, content_type: str, body: Octets, *, remote: str = "") -> As4Answer:
    """Take one POST in and give the answer. Raises only Unavailable (nothing stored, no receipt) and bugs.

    ``remote``: the caller's address, only to bound what unauthenticated requests cost.
    """
    now = inbox.clock.now()
    try:
        opened = await _opened(
            body, lambda: inbox.access_point.open_posted(content_type, body, now=now)
        )  # (1)
    except As4Error as exc:
        return await refuse(inbox, exc, remote=remote)
    if isinstance(opened, VerifiedUserMessage):
        return await take_in(inbox, opened, now, wire=_around(content_type, body))
    if isinstance(opened, VerifiedPullRequest):
        return await serve_pull(inbox, opened, remote=remote)
    return await take_signal(inbox, opened, content_type, body)


async def accept_pulled(
    inbox: FrenchInbox, content_type: str, body: Octets, *, mpc: str
) -> As4Answer | VerifiedError:
    """Take in what our PullRequest for ``mpc`` brought, through the same steps as a push.

    Gives what is owed to the partner (``NOTHING`` when its receipt waits in the outbox), or the partner's own
    error. Raises as ``accept``.
    """
    now = inbox.clock.now()
    try:
        opened = await _opened(
            body, lambda: inbox.access_point.open_pulled(content_type, body, mpc=mpc, now=now)
        )
    except As4Error as exc:
        return await refuse(inbox, exc)
    if isinstance(opened, VerifiedError):
        return opened
    return await take_in(inbox, opened, now, wire=_around(content_type, body))


def _around(content_type: str, body: Octets) -> tuple[str, ...]:
    """Texts of the MIME headers; a body too large for memory holds no document that we take."""
    return privacy_wire.mime_texts(content_type, body if isinstance(body, bytes) else b"")


async def _opened(body: Octets, work: Callable[[], T]) -> T:
    """Raises As4Error. A large body is opened in a thread: the loop serves others meanwhile."""
    return work() if isinstance(body, bytes) else await in_thread(work)


async def take_in(
    inbox: FrenchInbox, verified: VerifiedUserMessage, now: dt.datetime, *, wire: tuple[str, ...]
) -> As4Answer:
    """Steps (2) to (6) for a verified message. ``wire``: texts of its MIME headers. Raises as ``accept``."""
    try:
        receipt = inbox.access_point.receipt(verified, signal_id=inbox.clock.new_id(), now=now)
        if verified.is_ping:
            return signed(receipt)
        stored = await _stored_receipt(inbox, verified, now)  # (2)
        if stored is not None:
            return stored
        valid = await _validate(inbox, verified, wire)  # (3)
        try:
            record = await _store(inbox, valid, receipt, now)  # (4) (5)
        except DuplicateMessage:
            again = await _stored_receipt(inbox, verified, now)
            return again or await _refused_message(inbox, _race(), verified)
    except As4Error as exc:
        return await _refused_message(inbox, exc, verified)
    await inbox.store.notify("inbox")
    await inbox.store.notify("outbox")
    inbox.watch.taken(Taken(record=record, started_at=now, stored_at=inbox.clock.now()))
    return NOTHING if _by_callback(verified) else signed(receipt)  # (6)


async def _refused_message(inbox: FrenchInbox, exc: As4Error, verified: VerifiedUserMessage) -> As4Answer:
    exc.security_profile = verified.pmode.security
    return await refuse(inbox, exc, message=verified.message, party=verified.party_id)


def _by_callback(verified: VerifiedUserMessage) -> bool:
    return verified.pmode.receipt is ReceiptReply.CALLBACK


def _race() -> As4Error:
    return ValueInconsistent("the message id is taken")


# ---- (2) ----------------------------------------------------------------------------------------


async def _stored_receipt(
    inbox: FrenchInbox, verified: VerifiedUserMessage, now: dt.datetime
) -> As4Answer | None:
    """The receipt of this message when it was accepted before: the same bytes (as4.md 32)."""
    async with inbox.store.begin(read_only=True) as tx:
        record = await tx.message_by_as4_id(verified.message.message_id, verified.party_id)
        evidence = await tx.evidence(record.message_id) if record is not None else ()
    for item in evidence:
        if item.kind is EvidenceKind.NRR_RECEIPT and record is not None:
            if _by_callback(verified):
                await _owe_receipt(inbox, record, now)
                return AGAIN
            return As4Answer(content_type=item.media_type, body=item.content)
    return None


async def _owe_receipt(inbox: FrenchInbox, record: MessageRecord, now: dt.datetime) -> None:
    """The stored receipt is POSTed once more, unless it is still waiting to be."""
    async with inbox.store.begin() as tx:
        await tx.get_case(record.reference, lock=True)  # two duplicates at once owe one receipt
        if await tx.waiting(record.message_id, Channel.AS4_SIGNAL) is not None:
            return
        await owe_receipt(tx, inbox, record, now)
    await inbox.store.notify("outbox")


# ---- (3) ----------------------------------------------------------------------------------------


async def _validate(inbox: FrenchInbox, verified: VerifiedUserMessage, wire: tuple[str, ...]) -> _Valid:
    """Raises PayloadRefused, PrivacyBreach, ValueInconsistent."""
    wire = (*privacy_wire.header_texts(verified.message), *wire)
    if len(verified.payloads) > 1:
        raise PrivacyBreach(
            "attachments from France are not allowed (Art 16)", problems=(privacy.attachment_problem(),)
        )
    if not verified.payloads:
        raise PayloadRefused("there is no document in the message")
    if size_of(verified.payloads[0].content) > MAX_BYTES:
        raise PayloadRefused("the document is larger than allowed")
    content = await in_memory(verified.payloads[0].content)
    try:
        document = inbox.french.validate(content)
        message = inbox.french.to_canonical(document)
    except ContractError as exc:
        await french_privacy.refuse_personal_data(inbox.store, verified.message, content, wire)
        raise PayloadRefused("the document is against the contract", problems=exc.problems) from exc
    header = verified.message
    if header.message_id.partition("@")[0] != message.message_id:
        raise ValueInconsistent("MessageId and the document's message id differ")
    if header.conversation_id != message.conversation_id:
        raise ValueInconsistent("ConversationId and the document's conversation id differ")
    if header.action != message.type.value:
        raise ValueInconsistent("Action and the document's type differ")
    if Direction.FR_TO_UK not in codes.SENDERS[message.type]:
        raise PayloadRefused("France does not send this type of message")
    return _Valid(verified=verified, document=document, message=message, wire=wire)


# ---- (4) ----------------------------------------------------------------------------------------


def _refused(code: str, path: str, english: str, french: str) -> PayloadRefused:
    problem = Problem(path=path, code=code, message_en=english, message_fr=french)
    return PayloadRefused(english, problems=(problem,))


async def _allowed(
    inbox: FrenchInbox, tx: Transaction, valid: _Valid, now: dt.datetime
) -> tuple[CaseRecord, str]:
    """The locked case and its next status. Raises PayloadRefused, PrivacyBreach."""
    message = valid.message
    case = await tx.get_case(message.reference, lock=True)
    if case is None or case.conversation_id != message.conversation_id:
        raise _refused("unknown_case", "/", "no such case", "dossier inconnu")
    if await tx.get_message(message.message_id) is not None:
        raise DuplicateMessage
    if message.in_reply_to is not None:
        answered = await tx.get_message(message.in_reply_to)
        if answered is None or answered.reference != case.reference:
            raise _refused(
                "unknown_reference",
                "/",
                "it answers a message of no such case",
                "réponse à un message inconnu",
            )
    view = await french_privacy.case_with_receipt(tx, case)
    french_privacy.check(message, valid.document, valid.verified.message, valid.wire, view)
    verdict = judge(message, case=view, agreement=inbox.agreement, now=now, direction=Direction.FR_TO_UK)
    if verdict.refuse:
        raise PayloadRefused("rules of the agreement refuse the message", problems=verdict.problems)
    try:
        status = states.next_status(case.kind, case.status, message, opening_id=view.opening_id)
    except OutOfSequence as exc:
        raise _refused(
            "out_of_sequence", "/", exc.detail, "message impossible dans l'état du dossier"
        ) from exc
    return case, status


# ---- (5) ----------------------------------------------------------------------------------------


async def _store(inbox: FrenchInbox, valid: _Valid, receipt: Sealed, now: dt.datetime) -> MessageRecord:
    """One transaction. Raises PayloadRefused, PrivacyBreach, DuplicateMessage."""
    message, verified = valid.message, valid.verified
    async with inbox.store.begin() as tx:
        case, status = await _allowed(inbox, tx, valid, now)
        await exclusion.before_return(tx, message)
        record = await tx.add_message(_record(valid, now), message, ())
        if status != case.status:
            await tx.set_case_status(case.reference, status, now)
        for kind, media_type, content in (
            (EvidenceKind.AS4_USER_MESSAGE, "application/soap+xml", verified.envelope),
            (EvidenceKind.NRR_RECEIPT, receipt.content_type, receipt.body),
        ):
            await tx.add_evidence(
                Evidence(
                    message_id=message.message_id,
                    kind=kind,
                    media_type=media_type,
                    content=content,
                    created_at=now,
                )
            )
        await tx.append_audit(
            at=now,
            actor=f"party:{verified.party_id}",
            action="message.accepted",
            subject=message.message_id,
            data={
                "type": message.type.value,
                "reference": message.reference,
                "body_sha256": record.body_sha256,
                "case_status": status,
            },
        )
        if isinstance(message.body, model.Acknowledgement):
            await _settle(inbox, tx, message, message.body, now)
        await deadlines.came(tx, inbox.agreement, record, message)
        await book(tx, inbox.agreement, inbox.listeners, message, at=now)
        await exclusion.return_booked(tx, inbox.listeners, message, now=now)
        await enqueue_webhooks(tx, inbox.webhooks, WebhookEvent.INBOX_MESSAGE, record, now=now)
        if _by_callback(verified):
            await owe_receipt(tx, inbox, record, now)
    return record


def _record(valid: _Valid, now: dt.datetime) -> MessageRecord:
    message = valid.message
    return MessageRecord(
        sequence=0,
        message_id=message.message_id,
        reference=message.reference,
        conversation_id=message.conversation_id,
        type=message.type,
        direction=Direction.FR_TO_UK,
        status=MessageStatus.ACCEPTED,
        code=None,
        in_reply_to=message.in_reply_to,
        client_id=valid.verified.party_id,
        as4_message_id=valid.verified.message.message_id,
        body_sha256=hashlib.sha256(valid.document.content).hexdigest(),
        attempts=0,
        receipt_verified=False,
        received_at=now,
        delivered_at=None,
        updated_at=now,
    )


async def _settle(
    inbox: FrenchInbox, tx: Transaction, message: model.Message, body: model.Acknowledgement, now: dt.datetime
) -> None:
    """The second level of acknowledgement: France's system took our message into account, or rejected it."""
    target = await tx.get_message(body.of_message)
    if target is None or target.reference != message.reference or target.direction is not Direction.UK_TO_FR:
        raise _refused(
            "unknown_message", "/", "it acknowledges no message of ours", "accuse un message inconnu"
        )
    if target.status not in {MessageStatus.SENDING, MessageStatus.DELIVERED, MessageStatus.FAILED}:
        return  # settled before, or cancelled here while France had it
    rejected = body.status is AckStatus.REJECTED
    status = MessageStatus.REJECTED if rejected else MessageStatus.ACKNOWLEDGED
    code = body.code.value if body.code is not None else None
    await tx.update_message(target.message_id, at=now, status=status, code=code)
    await tx.append_audit(
        at=now,
        actor=ACTOR,
        action=f"message.{status.value}",
        subject=target.message_id,
        data={"code": code, "reference": target.reference, "by": message.message_id},
    )
    await enqueue_webhooks(tx, inbox.webhooks, WebhookEvent.MESSAGE_STATUS, target, now=now)
