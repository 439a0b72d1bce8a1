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
import re
from dataclasses import dataclass
from typing import Final

from lxml import etree

from contracts import codes, model
from contracts.codes import AckStatus, Direction
from contracts.ports import Adapter, ContractError, Problem, ValidDocument
from contracts.xml import MAX_BYTES, XmlRefused, parse_xml
from gateway.core import identifiers
from gateway.core.as4.content import Octets, size_of
from gateway.core.as4.message import Sealed
from gateway.core.as4.verified import VerifiedUserMessage
from gateway.core.errors import As4Error, OutOfSequence, PayloadRefused, PrivacyBreach, ValueInconsistent
from gateway.core.records import CaseRecord, Evidence, EvidenceKind, MessageRecord, MessageStatus
from gateway.core.treaty import privacy, states
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.rules import CaseView, judge
from gateway.flows.access_point import AccessPoint
from gateway.flows.contents import in_memory, in_thread
from gateway.flows.ports import Clock, DuplicateMessage, Store, Transaction
from gateway.flows.webhooks import WebhookEvent, WebhookTarget, enqueue_webhooks

ACTOR: Final = "as4"
_OUR_KIND_OF_ID: Final = re.compile(r"[0-9a-f-]{36}@[a-z0-9.-]{1,100}")


@dataclass(frozen=True, kw_only=True, slots=True)
class FrenchInbox:
    """Everything that taking in works with; built by bootstrap."""

    store: Store
    clock: Clock
    french: Adapter
    access_point: AccessPoint
    agreement: Agreement
    webhooks: tuple[WebhookTarget, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class As4Answer:
    """A signed signal to answer with. ``code`` is None for a receipt, else the code of the refusal."""

    content_type: str
    body: bytes
    code: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Valid:
    """A verified message whose document the French contract accepted."""

    verified: VerifiedUserMessage
    document: ValidDocument
    message: model.Message


async def accept(inbox: FrenchInbox, content_type: str, body: Octets) -> As4Answer:
    """Take one POST in and give the answer. Raises only Unavailable (nothing stored, no receipt) and bugs."""
    verified: VerifiedUserMessage | None = None
    now = inbox.clock.now()
    try:
        verified = await _opened(inbox, content_type, body, now)  # (1)
        receipt = inbox.access_point.receipt(verified, signal_id=inbox.clock.new_id(), now=now)
        if verified.is_ping:
            return _answer(receipt)
        stored = await _stored_receipt(inbox, verified)  # (2)
        if stored is not None:
            return stored
        valid = await _validate(inbox, verified)  # (3)
        try:
            await _store(inbox, valid, receipt, now)  # (4) (5)
        except DuplicateMessage:
            return await _stored_receipt(inbox, verified) or await _refuse(inbox, _race(), verified)
    except As4Error as exc:
        return await _refuse(inbox, exc, verified)
    await inbox.store.notify("inbox")
    await inbox.store.notify("outbox")
    return _answer(receipt)  # (6)


async def _opened(
    inbox: FrenchInbox, content_type: str, body: Octets, now: dt.datetime
) -> VerifiedUserMessage:
    """Raises As4Error. A large body is opened in a thread: the loop serves others meanwhile."""

    def work() -> VerifiedUserMessage:
        return inbox.access_point.open_request(content_type, body, now=now)

    return work() if isinstance(body, bytes) else await in_thread(work)


def _answer(sealed: Sealed) -> As4Answer:
    return As4Answer(content_type=sealed.content_type, body=sealed.body)


def _race() -> As4Error:
    return ValueInconsistent("the message id is taken")


# ---- (2) ----------------------------------------------------------------------------------------


async def _stored_receipt(inbox: FrenchInbox, verified: VerifiedUserMessage) -> As4Answer | None:
    """The receipt of this message when it was accepted before: the same bytes (as4.md 32)."""
    async with inbox.store.begin(read_only=True) as tx:
        record = await tx.message_by_as4_id(verified.message.message_id, verified.party_id)
        evidence = await tx.evidence(record.message_id) if record is not None else ()
    for item in evidence:
        if item.kind is EvidenceKind.NRR_RECEIPT:
            return As4Answer(content_type=item.media_type, body=item.content)
    return None


# ---- (3) ----------------------------------------------------------------------------------------


async def _validate(inbox: FrenchInbox, verified: VerifiedUserMessage) -> _Valid:
    """Raises PayloadRefused, PrivacyBreach, ValueInconsistent."""
    if len(verified.payloads) > 1:
        raise PrivacyBreach("attachments from France are not allowed (Art 16)")
    if not verified.payloads:
        raise PayloadRefused("there is no document in the message")
    if size_of(verified.payloads[0].content) > MAX_BYTES:
        raise PayloadRefused("the document is larger than allowed")
    content = await in_memory(verified.payloads[0].content)
    try:
        document = inbox.french.validate(content)
        message = inbox.french.to_canonical(document)
    except ContractError as exc:
        await _refuse_personal_data(inbox, verified, content)
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
    return _Valid(verified=verified, document=document, message=message)


async def _refuse_personal_data(inbox: FrenchInbox, verified: VerifiedUserMessage, content: bytes) -> None:
    """A document that the contract refuses may be refused because of personal data: then it is an incident
    of Art 16, not only a mistake of form. Raises PrivacyBreach."""
    try:
        texts = privacy.raw_texts(parse_xml(content))
    except XmlRefused:
        return
    async with inbox.store.begin(read_only=True) as tx:
        case = await tx.case_by_conversation(verified.message.conversation_id)
        view = await _view(tx, case) if case is not None else None
    reference = case.reference if case is not None else ""
    stand_in = model.Message(
        message_id=verified.message.message_id.partition("@")[0],
        reference=reference,
        conversation_id=verified.message.conversation_id,
        issued_at=verified.message.timestamp,
        in_reply_to=None,
        body=model.StatusUpdate(code=codes.StatusUpdateCode.MEDICAL_ENDED, since=verified.message.timestamp),
    )
    problems = privacy.check_from_france(stand_in, texts, names=_names(view))
    if problems:
        raise PrivacyBreach("the document carries personal data (Art 16)", problems=problems)


async def _view(tx: Transaction, case: CaseRecord) -> CaseView:
    history = await tx.history(case.reference)
    return CaseView(
        kind=case.kind,
        status=case.status,
        created_at=case.created_at,
        messages=tuple(message for _, message in history),
    )


def _names(view: CaseView | None) -> frozenset[str]:
    messages = view.messages if view is not None else ()
    return frozenset(name for message in messages for name in identifiers.names_of(message))


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
    view = await _view(tx, case)
    _check_privacy(valid, view)
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


def _check_privacy(valid: _Valid, view: CaseView) -> None:
    """Art 16 on everything that came: header properties, every text, the canonical message."""
    header = valid.verified.message
    document = valid.document.parsed
    if not etree.iselement(document):
        raise TypeError("the French contract judges XML")
    problems = privacy.check_from_france(
        valid.message,
        privacy.raw_texts(document),
        names=_names(view),
        properties=[p.name for p in header.properties],
        part_properties=[p.name for part in header.parts for p in part.properties],
        document=document,
    )
    if problems:
        raise PrivacyBreach("the message carries personal data (Art 16)", problems=problems)


# ---- (5) ----------------------------------------------------------------------------------------


async def _store(inbox: FrenchInbox, valid: _Valid, receipt: Sealed, now: dt.datetime) -> None:
    """One transaction. Raises PayloadRefused, PrivacyBreach, DuplicateMessage."""
    message, verified = valid.message, valid.verified
    async with inbox.store.begin() as tx:
        case, status = await _allowed(inbox, tx, valid, now)
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
        await enqueue_webhooks(tx, inbox.webhooks, WebhookEvent.INBOX_MESSAGE, record, now=now)


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


# ---- refusals -----------------------------------------------------------------------------------


async def _refuse(inbox: FrenchInbox, exc: As4Error, verified: VerifiedUserMessage | None) -> As4Answer:
    """Audit without content, then the signed error. Art 16 breaches are incidents: both sides are told, the
    sender by the error, our operators by the entry."""
    now = inbox.clock.now()
    ref_to = verified.message.message_id if verified is not None else exc.ref_to_message_id
    # an id of another form may be anything, even a name: its digest is enough to find it again
    shown = ref_to if ref_to is not None and _OUR_KIND_OF_ID.fullmatch(ref_to) else None
    digest = hashlib.sha256(ref_to.encode()).hexdigest() if ref_to is not None else None
    incident = isinstance(exc, PrivacyBreach)
    async with inbox.store.begin() as tx:
        await tx.append_audit(
            at=now,
            actor=f"party:{verified.party_id}" if verified is not None else ACTOR,
            action="privacy.incident" if incident else "message.refused",
            subject=shown or "as4",
            data={
                "code": exc.code,
                "ebms": exc.ebms.code if exc.ebms is not None else None,
                "codes": " ".join(sorted({p.code for p in exc.problems})[:20]),
                "as4_message_id_sha256": digest,
                "type": verified.message.action if verified is not None else None,
            },
        )
    sealed = inbox.access_point.error(exc, signal_id=inbox.clock.new_id(), now=now, ref_to=ref_to)
    return As4Answer(content_type=sealed.content_type, body=sealed.body, code=exc.code)
