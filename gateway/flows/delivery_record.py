"""What an attempt to deliver leaves behind: each function is one transaction over message, attempt, evidence,
outbox, circuit, audit and webhook rows (style.md 11). Nothing is written when the lease was lost.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from contracts.ports import Adapter, Unmappable
from gateway.core import breaker as circuit
from gateway.core.breaker import BreakerPolicy
from gateway.core.errors import As4Error, PasserelleError, ReceiptMissing
from gateway.core.records import (
    Attempt,
    CaseRecord,
    Evidence,
    EvidenceKind,
    MessageRecord,
    MessageStatus,
    OutboxEntry,
)
from gateway.core.retry import GiveUp, RetryAt, RetrySchedule, decide
from gateway.core.treaty.agreement import Agreement
from gateway.flows import deadlines
from gateway.flows.access_point import AccessPoint
from gateway.flows.large import LargeLane
from gateway.flows.large import LeaseLost as LeaseLost  # whoever records an attempt meets it
from gateway.flows.ports import Clock, HttpAnswer, Store, Transaction, Transport
from gateway.flows.watch import UNWATCHED, Receipted, Tried, Watch
from gateway.flows.webhooks import WebhookEvent, WebhookTarget, enqueue_webhooks

ACTOR: Final = "worker"
WITHDRAWN: Final = "withdrawn"
"""Code of messages that a withdrawal stopped."""
Facts = dict[str, str | int | bool | None]
REFUSED_BY_PARTNER: Final = frozenset({"EBMS:0004"})
"""The partner took the message apart and refuses its content: ``rejected``, when it was sent but once."""
_ENDED: Final = frozenset({MessageStatus.ACKNOWLEDGED, MessageStatus.REJECTED, MessageStatus.CANCELLED})


class Outcome(StrEnum):
    """What became of the row."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REJECTED = "rejected"
    FAILED = "failed"
    HELD = "held"
    CANCELLED = "cancelled"
    WAITING = "waiting"
    """Circuit open or paused, or no place for a large one: given back without an attempt."""
    LEASE_LOST = "lease_lost"
    AWAITING = "awaiting"
    """Sent; the receipt comes by callback."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """Everything that delivering works with; built by bootstrap. ``random`` gives a number in [0, 1)."""

    store: Store
    transport: Transport
    clock: Clock
    french: Adapter
    access_point: AccessPoint
    agreement: Agreement
    """Its clocks start at the proven receipt."""
    url: str
    schedule: RetrySchedule
    breaker: BreakerPolicy
    random: Callable[[], float] = field(repr=False)
    webhooks: tuple[WebhookTarget, ...] = ()
    lane: LargeLane = field(default_factory=LargeLane)
    lease: dt.timedelta = dt.timedelta(seconds=120)
    """Of the rows that come here; a large delivery extends it."""
    receipt_timeout: dt.timedelta = dt.timedelta(minutes=10)
    """How long a receipt by callback may take before the message is sent again."""
    watch: Watch = field(repr=False, default=UNWATCHED)
    """Metrics and traces."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    entry: OutboxEntry
    record: MessageRecord
    case: CaseRecord | None
    probes: bool = False
    """This attempt is the one that probes an open circuit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """One attempt as it went: ``error`` None means a matching receipt."""

    started_at: dt.datetime
    finished_at: dt.datetime
    answer: HttpAnswer | None
    error: PasserelleError | None
    partner_code: str | None = None
    """EBMS code of a genuine error signal."""


async def record_delivered(job: Job, attempt: Try, d: Delivery) -> Outcome:
    now = attempt.finished_at
    if attempt.answer is None:
        raise AssertionError("a delivery without an answer")
    async with d.store.begin() as tx:
        record = await _current(tx, job)
        await tx.add_attempt(attempt_row(job, attempt, "delivered", "receipt verified"))
        await tx.add_evidence(
            _signal_evidence(record.message_id, EvidenceKind.NRR_RECEIPT, attempt.answer, now)
        )
        # the partner's acknowledgement may have overtaken our own bookkeeping: never step back from it
        status = record.status if record.status in _ENDED else MessageStatus.DELIVERED
        await tx.update_message(
            record.message_id,
            at=now,
            status=status,
            code=record.code if status is record.status else None,
            receipt_verified=True,
            delivered_at=now,
        )
        await deadlines.received(tx, d.agreement, record, at=now)
        await breaker_success(tx, job.entry.endpoint, now)
        await _audit(tx, job, now, "message.delivered", {"attempt": job.entry.attempts + 1})
        await enqueue_webhooks(tx, d.webhooks, WebhookEvent.MESSAGE_STATUS, record, now=now)
        await _complete(tx, job)
    await d.store.notify("outbox")
    _tell(job, attempt, Outcome.DELIVERED, None, d)
    d.watch.receipted(Receipted(record=record, number=job.entry.attempts + 1, at=now))
    return Outcome.DELIVERED


async def record_late_receipt(record: MessageRecord, answer: HttpAnswer, d: Delivery) -> bool:
    """The receipt of a dead letter came after all: France has the message, so nobody sends it again.

    False when it is no dead letter without a receipt any more (somebody sent it again meanwhile)."""
    now = d.clock.now()
    async with d.store.begin() as tx:
        await tx.get_case(record.reference, lock=True)
        current = await tx.get_message(record.message_id)
        if current is None or current.status is not MessageStatus.FAILED or current.receipt_verified:
            return False
        await tx.add_evidence(_signal_evidence(record.message_id, EvidenceKind.NRR_RECEIPT, answer, now))
        await tx.update_message(
            record.message_id,
            at=now,
            status=MessageStatus.DELIVERED,
            receipt_verified=True,
            delivered_at=now,
        )
        await deadlines.received(tx, d.agreement, current, at=now)
        data: Facts = {"reference": record.reference, "attempt": record.attempts, "late": True}
        await tx.append_audit(
            at=now, actor=ACTOR, action="message.delivered", subject=record.message_id, data=data
        )
        await enqueue_webhooks(tx, d.webhooks, WebhookEvent.MESSAGE_STATUS, current, now=now)
    await d.store.notify("outbox")
    d.watch.receipted(Receipted(record=record, number=record.attempts, at=now))
    return True


async def record_failure(
    job: Job, attempt: Try, error: PasserelleError, d: Delivery, *, recorded: int = 0
) -> Outcome:
    """``recorded``: 1 when this attempt was written down before its answer came (by callback)."""
    code = attempt.partner_code or error.code
    if attempt.partner_code in REFUSED_BY_PARTNER:
        # phase4 answers a duplicate with this code too. After an attempt whose answer was lost nobody can
        # tell whether the partner refuses the message or has it already: an operator asks.
        lost_before = job.record.attempts > recorded
        status = MessageStatus.FAILED if lost_before else MessageStatus.REJECTED
        return await record_end(job, attempt, code, status, d)
    now = attempt.finished_at
    next_step = decide(
        job.entry.attempts + 1,
        _retryable(error),
        schedule=d.schedule,
        first_due_at=job.entry.first_due_at,
        now=now,
        retry_after=attempt.answer.retry_after if attempt.answer else None,
        random=d.random,
    )
    if isinstance(next_step, GiveUp):
        return await record_end(job, attempt, code, MessageStatus.FAILED, d)
    async with d.store.begin() as tx:
        await tx.add_attempt(attempt_row(job, attempt, code, error.detail))
        await breaker_failure(tx, job.entry.endpoint, now, d)
        await _audit(
            tx, job, now, "message.attempt_failed", {"attempt": job.entry.attempts + 1, "code": code}
        )
        if not await tx.reschedule(job.entry, next_step.when):
            raise LeaseLost
    _tell(job, attempt, Outcome.RETRY, code, d)
    return Outcome.RETRY


async def record_awaiting(job: Job, attempt: Try, d: Delivery) -> Outcome:
    """The partner took the message (HTTP 2xx) and owes its receipt: the row falls due again when that takes
    too long, by the schedule but never before the timeout. A receipt that was faster than this bookkeeping
    has the row already: LeaseLost."""
    now = attempt.finished_at
    due = now + d.receipt_timeout
    following = _after(job.entry.attempts + 1, job, now, d)
    if isinstance(following, RetryAt):
        due = max(due, following.when)
    code = attempt.error.code if attempt.error else ""
    async with d.store.begin() as tx:
        await tx.add_attempt(attempt_row(job, attempt, code, attempt.error.detail if attempt.error else ""))
        await breaker_success(tx, job.entry.endpoint, now)
        await _audit(tx, job, now, "message.sent", {"attempt": job.entry.attempts + 1})
        if not await tx.reschedule(job.entry, due):
            raise LeaseLost
    _tell(job, attempt, Outcome.AWAITING, None, d)
    return Outcome.AWAITING


def exhausted(job: Job, d: Delivery) -> bool:
    """With receipts by callback: whether the attempts before this one were all that the schedule has."""
    if job.entry.attempts < 1:
        return False
    return isinstance(_after(job.entry.attempts, job, d.clock.now(), d), GiveUp)


def _after(attempts: int, job: Job, now: dt.datetime, d: Delivery) -> RetryAt | GiveUp:
    """What follows so many attempts that brought no receipt."""
    return decide(
        attempts,
        ReceiptMissing("no receipt came by callback"),
        schedule=d.schedule,
        first_due_at=job.entry.first_due_at,
        now=now,
        random=d.random,
    )


def _retryable(error: PasserelleError) -> PasserelleError:
    """An answer that we cannot verify proves nothing about the message: it is tried again."""
    if isinstance(error, As4Error):
        return ReceiptMissing(error.detail)
    return error


async def record_end(job: Job, attempt: Try | None, code: str, status: MessageStatus, d: Delivery) -> Outcome:
    now = attempt.finished_at if attempt else d.clock.now()
    async with d.store.begin() as tx:
        record = await _current(tx, job)
        if attempt is not None:
            detail = attempt.error.detail if attempt.error else ""
            await tx.add_attempt(attempt_row(job, attempt, code, detail))
            if attempt.partner_code is not None and attempt.answer is not None:
                await tx.add_evidence(
                    _signal_evidence(record.message_id, EvidenceKind.AS4_ERROR, attempt.answer, now)
                )
                await breaker_success(tx, job.entry.endpoint, now)  # it answers: the endpoint works
            else:
                await breaker_failure(tx, job.entry.endpoint, now, d)
        if record.status not in _ENDED:
            await tx.update_message(record.message_id, at=now, status=status, code=code)
        await _audit(tx, job, now, f"message.{status}", {"code": code})
        await enqueue_webhooks(tx, d.webhooks, WebhookEvent.MESSAGE_STATUS, record, now=now)
        await _complete(tx, job)
    await d.store.notify("outbox")
    outcome = Outcome.REJECTED if status is MessageStatus.REJECTED else Outcome.FAILED
    _tell(job, attempt, outcome, code, d)
    return outcome


async def record_hold(job: Job, exc: Unmappable, d: Delivery) -> Outcome:
    """The French contract cannot carry a value: an operator decides, nothing is dropped."""
    now = d.clock.now()
    async with d.store.begin() as tx:
        await tx.update_message(
            job.record.message_id, at=now, status=MessageStatus.HELD, code=exc.problems[0].code
        )
        data: Facts = {
            "code": exc.problems[0].code,
            "count": len(exc.problems),
            "place": exc.problems[0].path,
        }
        await _audit(tx, job, now, "message.held", data)
        await enqueue_webhooks(tx, d.webhooks, WebhookEvent.MESSAGE_STATUS, job.record, now=now)
        await _complete(tx, job)
    await d.store.notify("outbox")
    _tell(job, None, Outcome.HELD, exc.problems[0].code, d)
    return Outcome.HELD


async def record_cancelled(job: Job, d: Delivery) -> Outcome:
    now = d.clock.now()
    async with d.store.begin() as tx:
        record = await _current(tx, job)
        if record.status not in _ENDED:
            await tx.update_message(record.message_id, at=now, status=MessageStatus.CANCELLED, code=WITHDRAWN)
            await _audit(tx, job, now, "message.cancelled", {"code": WITHDRAWN})
            await enqueue_webhooks(tx, d.webhooks, WebhookEvent.MESSAGE_STATUS, record, now=now)
        await _complete(tx, job)
    await d.store.notify("outbox")
    _tell(job, None, Outcome.CANCELLED, WITHDRAWN, d)
    return Outcome.CANCELLED


def _tell(job: Job, attempt: Try | None, outcome: Outcome, code: str | None, d: Delivery) -> None:
    """Whoever watches; after the commit."""
    record, entry = job.record, job.entry
    d.watch.tried(
        Tried(
            message_id=record.message_id,
            type=record.type,
            direction=record.direction,
            channel=entry.channel,
            endpoint=entry.endpoint,
            number=entry.attempts + 1,
            outcome=outcome.value,
            code=code,
            http_status=attempt.answer.status if attempt and attempt.answer else None,
            started_at=attempt.started_at if attempt else None,
            finished_at=attempt.finished_at if attempt else d.clock.now(),
        )
    )


async def _current(tx: Transaction, job: Job) -> MessageRecord:
    """The message as it is now, with its case held: an acknowledgement may come at the same time."""
    await tx.get_case(job.entry.reference, lock=True)
    record = await tx.get_message(job.entry.message_id)
    return record or job.record


async def _complete(tx: Transaction, job: Job) -> None:
    if not await tx.complete(job.entry):
        raise LeaseLost


async def breaker_success(tx: Transaction, endpoint: str, now: dt.datetime) -> None:
    before = await tx.breaker(endpoint)
    after = circuit.after_success(before)
    if after != before:
        await tx.save_breaker(after)
    if circuit.is_open(before):
        await tx.append_audit(
            at=now, actor=ACTOR, action="endpoint.incident_closed", subject=endpoint, data={}
        )


async def breaker_failure(tx: Transaction, endpoint: str, now: dt.datetime, d: Delivery) -> None:
    before = await tx.breaker(endpoint)
    after = circuit.after_failure(before, now, d.breaker)
    await tx.save_breaker(after)
    if circuit.is_open(after) and not circuit.is_open(before):
        await tx.append_audit(
            at=now,
            actor=ACTOR,
            action="endpoint.incident_opened",
            subject=endpoint,
            data={"failures": after.consecutive_failures},
        )


async def _audit(tx: Transaction, job: Job, now: dt.datetime, action: str, data: Facts) -> None:
    await tx.append_audit(
        at=now,
        actor=ACTOR,
        action=action,
        subject=job.entry.message_id,
        data={"reference": job.entry.reference, **data},
    )


def attempt_row(job: Job, attempt: Try, outcome: str, detail: str) -> Attempt:
    return Attempt(
        message_id=job.entry.message_id,
        channel=job.entry.channel,
        endpoint=job.entry.endpoint,
        number=job.entry.attempts + 1,
        started_at=attempt.started_at,
        finished_at=attempt.finished_at,
        outcome=outcome,
        http_status=attempt.answer.status if attempt.answer else None,
        detail=detail,
    )


def _signal_evidence(message_id: str, kind: EvidenceKind, answer: HttpAnswer, now: dt.datetime) -> Evidence:
    return Evidence(
        message_id=message_id,
        kind=kind,
        media_type=answer.content_type,
        content=answer.body,
        created_at=now,
    )
