"""A UK system's POST becomes a stored message: Verified → Valid → Allowed → stored → receipt.

Each stage is a type that only the stage before can make (style.md 2): ``VerifiedBody`` (core.jws),
``ValidDocument`` (the UK contract), ``Allowed`` (the treaty rules and the state table, here). Message, case,
identifiers, outbox and audit rows, evidence and the answer to the Idempotency-Key commit together; the
receipt leaves after that (style.md 11).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts import model
from contracts.codes import CaseKind, Direction, MessageType
from contracts.ports import Unmappable, ValidDocument
from gateway.core.errors import (
    IdempotencyKeyReused,
    IdempotencyKeyRunning,
    NotFound,
    OutOfSequence,
    RuleViolation,
    SchemaViolation,
)
from gateway.core.jws import VerifiedBody
from gateway.core.records import (
    CaseRecord,
    MessageRecord,
    MessageStatus,
    StoredAnswer,
    StoredAttachment,
)
from gateway.core.treaty import privacy, states
from gateway.core.treaty.rules import Finding, Verdict
from gateway.flows import deadlines, exclusion
from gateway.flows.acknowledge import acknowledgement_body, inbox_message, is_travelling, settle
from gateway.flows.attachments import check_attachments
from gateway.flows.case_view import case_view
from gateway.flows.exchange import Exchange
from gateway.flows.inbox_acknowledge import acknowledge_event
from gateway.flows.judging import judge_as_if_posted
from gateway.flows.ledger import book
from gateway.flows.outgoing import Hold, enqueue, posted, untranslatable
from gateway.flows.ports import KeyReused, Running, Transaction
from gateway.flows.quotas import wait_for_room
from gateway.flows.stopped import stop_case
from gateway.flows.uk_receipts import add_evidence, make_answer

_MADE_HERE = object()


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """One authenticated POST. ``reference`` is None when the message opens a case."""

    body: VerifiedBody
    document: ValidDocument = field(repr=False)
    """The body as the contract accepted it, before its attachments were read (``validate``)."""
    attachments: tuple[StoredAttachment, ...] = field(repr=False)
    client_id: str
    expected: MessageType
    kind: CaseKind | None
    """Kind that the path stands for; None for an acknowledgement (either)."""
    reference: str | None
    acknowledges: str | None
    """Message id of the inbox message, for an acknowledgement."""
    idempotency_key: str
    target: str
    """Method and path: part of what an Idempotency-Key stands for."""
    correlation_id: str

    @property
    def stored_key(self) -> str:
        """What the store keeps of the Idempotency-Key: the client chose it, so it may name a person."""
        return hashlib.sha256(self.idempotency_key.encode()).hexdigest()

    @property
    def digest(self) -> str:
        """SHA-256 over target, body and attachments: another body under the same key is a mistake."""
        hasher = hashlib.sha256(f"{self.target}\n{self.body.sha256}\n".encode())
        for part in sorted(self.attachments, key=lambda a: a.content_id):
            hasher.update(f"{part.content_id} {part.sha256}\n".encode())
        return hasher.hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """A message that contract, attachments, rules and state table let through; only ``_allow`` makes one."""

    message: model.Message
    attachments: tuple[StoredAttachment, ...] = field(repr=False)
    case: CaseRecord
    opens: bool
    next_status: str
    holds: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    made_by: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.made_by is not _MADE_HERE:
            raise TypeError("only _allow makes an Allowed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The answer, and what it was about (None when the answer was given before)."""

    answer: StoredAnswer
    record: MessageRecord | None


async def accept(exchange: Exchange, submission: Submission) -> Accepted:
    """Take one message in.

    (1) the contract has judged the bytes that were signed (``validate``), (2) the Idempotency-Key is taken,
    (3) the header is made and the attachments matched, (4) rules and state table, (5) can it be said in
    French, and is there room? else it is held, (6) all is stored in one transaction, (7) the outbox wakes.

    Raises the UK errors of ``gateway.core.errors``; then nothing is stored.
    """
    async with exchange.store.begin() as tx:
        accepted = await accept_in(tx, exchange, submission)
    if accepted.record is not None:
        await exchange.store.notify("outbox")  # (7)
    return accepted


async def accept_in(tx: Transaction, exchange: Exchange, submission: Submission) -> Accepted:
    """Steps (2) to (6) inside the caller's transaction. Raises as ``accept``; then it must not commit."""
    now = exchange.clock.now()
    key = submission.stored_key
    try:  # (2)
        known = await tx.begin_idempotent(submission.client_id, key, submission.digest, now)
    except KeyReused as exc:
        raise IdempotencyKeyReused("this Idempotency-Key was used with another body or path") from exc
    if isinstance(known, StoredAnswer):
        return Accepted(answer=known, record=None)
    if isinstance(known, Running):
        raise IdempotencyKeyRunning("the first request with this Idempotency-Key is still running")
    acknowledged = None
    if submission.acknowledges is not None:
        event = await tx.inbox_event(submission.acknowledges, lock=True)
        if event is not None:
            answer = await acknowledge_event(tx, exchange, submission, event, now)
            await tx.finish_idempotent(submission.client_id, key, answer)
            return Accepted(answer=answer, record=None)
        acknowledged = await inbox_message(tx, submission.acknowledges)
    case = await _case(tx, submission, acknowledged)
    allowed = await _allow(tx, exchange, submission, case, now)  # (3) (4)
    if acknowledged is not None and not is_travelling(acknowledged):
        return await _settle_only(tx, exchange, submission, allowed, acknowledged, now)
    hold = _hold(exchange, allowed) or await wait_for_room(  # (5)
        tx, exchange, allowed.message, allowed.case, now
    )
    record = await _store(tx, exchange, submission, allowed, hold, now)  # (6)
    if acknowledged is not None:
        await settle(tx, acknowledged, allowed.message.body, client_id=submission.client_id, now=now)
    answer = make_answer(
        exchange,
        record,
        holds=() if hold is None else hold.problems,
        warnings=[posted(f.problem) for f in allowed.warnings],
    )
    await add_evidence(tx, submission.body, record, answer, now)
    await tx.finish_idempotent(submission.client_id, key, answer)
    return Accepted(answer=answer, record=record)


async def _settle_only(
    tx: Transaction,
    exchange: Exchange,
    submission: Submission,
    allowed: Allowed,
    inbound: MessageRecord,
    now: dt.datetime,
) -> Accepted:
    """An acknowledgement of an acknowledgement ends here: the inbox is cleared, France hears nothing."""
    body = allowed.message.body
    status = await settle(tx, inbound, body, client_id=submission.client_id, now=now)
    record = dataclasses.replace(
        inbound,
        status=status,
        client_id=submission.client_id,
        body_sha256=submission.body.sha256,
        received_at=now,
    )
    answer = make_answer(exchange, record, holds=(), warnings=())
    await add_evidence(tx, submission.body, record, answer, now)
    await tx.finish_idempotent(submission.client_id, submission.stored_key, answer)
    return Accepted(answer=answer, record=None)


# ---- Valid --------------------------------------------------------------------------------------


def validate(
    exchange: Exchange, body: VerifiedBody, expected: MessageType, *, acknowledges: str | None
) -> ValidDocument:
    """Judge the bytes that were signed. Raises InvalidDocument, MalformedBody, SchemaViolation."""
    content = body.content
    if acknowledges is not None:
        content = acknowledgement_body(content, acknowledges, exchange.clock.now())
    return exchange.uk.validate_body(content, expected)


# ---- Allowed ------------------------------------------------------------------------------------


async def _case(
    tx: Transaction, submission: Submission, acknowledged: MessageRecord | None
) -> CaseRecord | None:
    """The locked case that the path names, or None when the message opens one."""
    reference = acknowledged.reference if acknowledged is not None else submission.reference
    if reference is None:
        return None
    case = await tx.get_case(reference, lock=True)
    if case is None or (submission.kind is not None and case.kind is not submission.kind):
        raise NotFound("no such case")
    return case


def _new_case(
    exchange: Exchange, message_type: MessageType, *, priority: bool, now: dt.datetime
) -> CaseRecord:
    kind = states.KIND[message_type]
    return CaseRecord(
        reference=exchange.clock.new_reference(kind, priority=priority),
        kind=kind,
        conversation_id=exchange.clock.new_id(),
        status=str(states.OPENING[message_type]),
        priority=priority,
        created_at=now,
        updated_at=now,
    )


def _replies_to(parsed: object) -> str | None:
    if not isinstance(parsed, Mapping):
        return None
    found = parsed.get("of_message") or parsed.get("corrects")
    return found if isinstance(found, str) else None


async def _allow(
    tx: Transaction,
    exchange: Exchange,
    submission: Submission,
    case: CaseRecord | None,
    now: dt.datetime,
) -> Allowed:
    """Header, allow list, attachments, rules, state table. Raises errors of the UK API."""
    opens, document = case is None, submission.document
    if case is None:
        priority = isinstance(document.parsed, Mapping) and document.parsed.get("priority") is True
        case = _new_case(exchange, submission.expected, priority=priority, now=now)
    message = _canonical(exchange, document, case, now)
    _refuse_superfluous(message)
    attachments = check_attachments(message, submission.attachments, limits=exchange.limits)
    view = await case_view(tx, None if opens else case)
    verdict, _ = await judge_as_if_posted(tx, exchange.agreement, message, kind=case.kind, case=view, now=now)
    _refuse(exchange, message, verdict)
    opening = view.opening_id if view is not None else None
    status = states.next_status(case.kind, None if opens else case.status, message, opening_id=opening)
    return Allowed(
        message=message,
        attachments=attachments,
        case=case,
        opens=opens,
        next_status=status,
        holds=verdict.hold,
        warnings=verdict.warn,
        made_by=_MADE_HERE,
    )


def _canonical(
    exchange: Exchange, document: ValidDocument, case: CaseRecord, now: dt.datetime
) -> model.Message:
    try:
        return exchange.uk.body_to_canonical(
            document,
            message_id=exchange.clock.new_id(),
            reference=case.reference,
            conversation_id=case.conversation_id,
            issued_at=now,
            in_reply_to=_replies_to(document.parsed),
        )
    except Unmappable as exc:
        raise SchemaViolation("a value has no agreed meaning", problems=exc.problems) from exc


def _refuse_superfluous(message: model.Message) -> None:
    """Art 16: the UK transfers only what the agreement needs. Raises RuleViolation."""
    problems = tuple(posted(p) for p in privacy.check_to_france(message))
    if problems:
        raise RuleViolation("the agreement does not need a field of the message (Art 16)", problems=problems)


def _refuse(exchange: Exchange, message: model.Message, verdict: Verdict) -> None:
    if not verdict.refuse:
        return
    problems = tuple(posted(f.problem) for f in verdict.refuse)
    error: RuleViolation | OutOfSequence
    if any(f.rule == "general.out_of_sequence" for f in verdict.refuse):
        error = OutOfSequence("the state of the case does not allow it", problems=problems)
    else:
        error = RuleViolation("rules of the agreement refuse the message", problems=problems)
    unsaid = untranslatable(exchange, message)
    error.remarks = (
        *((f.severity.value, posted(f.problem)) for f in (*verdict.hold, *verdict.warn)),
        *(("hold", problem) for problem in (unsaid.problems if unsaid is not None else ())),
    )
    raise error


def _hold(exchange: Exchange, allowed: Allowed) -> Hold | None:
    if allowed.holds:
        problems = tuple(posted(f.problem) for f in allowed.holds)
        return Hold(code=problems[0].code, path=problems[0].path, problems=problems)
    return untranslatable(exchange, allowed.message)


# ---- stored -------------------------------------------------------------------------------------


def _record(submission: Submission, allowed: Allowed, hold: Hold | None, now: dt.datetime) -> MessageRecord:
    message = allowed.message
    return MessageRecord(
        sequence=0,
        message_id=message.message_id,
        reference=allowed.case.reference,
        conversation_id=allowed.case.conversation_id,
        type=message.type,
        direction=Direction.UK_TO_FR,
        status=MessageStatus.ACCEPTED if hold is None else MessageStatus.HELD,
        code=None if hold is None else hold.code,
        in_reply_to=message.in_reply_to,
        client_id=submission.client_id,
        as4_message_id=None,
        body_sha256=submission.body.sha256,
        attempts=0,
        receipt_verified=False,
        received_at=now,
        delivered_at=None,
        updated_at=now,
    )


async def _store(
    tx: Transaction,
    exchange: Exchange,
    submission: Submission,
    allowed: Allowed,
    hold: Hold | None,
    now: dt.datetime,
) -> MessageRecord:
    message, case = allowed.message, allowed.case
    await exclusion.before_return(tx, message)
    if allowed.opens:
        await tx.add_case(case)
    elif hold is None and allowed.next_status != case.status:
        await tx.set_case_status(case.reference, allowed.next_status, now)
    record = await tx.add_message(_record(submission, allowed, hold, now), message, allowed.attachments)
    await exclusion.index(tx, message)
    await tx.append_audit(
        at=now,
        actor=f"client:{submission.client_id}",
        action="message.accepted" if hold is None else "message.held",
        subject=message.message_id,
        data={
            "type": message.type.value,
            "reference": case.reference,
            "body_sha256": record.body_sha256,
            "kid": submission.body.kid,
            "code": record.code,
            "path": None if hold is None else hold.path,
            "correlation_id": submission.correlation_id,
        },
    )
    if isinstance(message.body, model.Withdrawal):
        await stop_case(tx, case.reference, message.message_id, now)
    await deadlines.accepted(tx, exchange.agreement, record, message, at=now)
    if hold is None:
        await book(tx, exchange.agreement, exchange.listeners, message, at=now)
        await exclusion.return_booked(tx, exchange.listeners, message, now=now)
        await enqueue(tx, exchange, message, now)
    return record
