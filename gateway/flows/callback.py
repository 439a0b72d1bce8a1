"""Receipts by callback: what we owe the partner for its messages, POSTed to its endpoint (as4.md 28, 36).

The row in the outbox commits together with the message, so that no crash loses the receipt; the bytes are
the evidence that was stored with it. It is tried again until the partner has taken it (HTTP 2xx), through
the same schedule and circuit as messages.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from contracts.codes import Direction
from gateway.core import breaker as circuit
from gateway.core.as4.verified import VerifiedError
from gateway.core.errors import As4Error, PasserelleError, PeerRefused, PeerUnavailable
from gateway.core.records import (
    Attempt,
    Channel,
    Evidence,
    EvidenceKind,
    MessageRecord,
    OutboxEntry,
)
from gateway.core.retry import GiveUp, decide
from gateway.flows.delivery_record import (
    ACTOR,
    Delivery,
    Outcome,
    breaker_failure,
    breaker_success,
)
from gateway.flows.large import LeaseLost
from gateway.flows.ports import HttpAnswer, Transaction
from gateway.flows.watch import Tried

if TYPE_CHECKING:
    from gateway.flows.french_inbox import FrenchInbox

SIGNALS: Final = frozenset({"application/soap+xml", "multipart/related"})


async def owe_receipt(tx: Transaction, inbox: FrenchInbox, record: MessageRecord, now: dt.datetime) -> None:
    """Queue the receipt of a message of the partner, in the transaction that stores the message."""
    await tx.enqueue(
        channel=Channel.AS4_SIGNAL,
        endpoint=inbox.access_point.partner,
        message_id=record.message_id,
        reference=record.reference,
        due_at=now,
    )


async def deliver_receipt(entry: OutboxEntry, d: Delivery) -> Outcome:
    """One attempt for a row of ``Channel.AS4_SIGNAL``. Raises only for bugs and Unavailable."""
    try:
        if not await _may_send(entry, d):
            return Outcome.WAITING
        receipt = await _receipt(entry, d)
        started = d.clock.now()
        answer: HttpAnswer | None = None
        error: PasserelleError | None = None
        try:
            answer = await d.transport.post(d.url, content_type=receipt.media_type, body=receipt.content)
            _judge(answer, d)
        except PasserelleError as exc:
            error = exc
        outcome = await _record(entry, d, started, answer, error)
        _tell(entry, d, started, answer, error, outcome)
    except LeaseLost:
        return Outcome.LEASE_LOST
    return outcome


def _tell(
    entry: OutboxEntry,
    d: Delivery,
    started: dt.datetime,
    answer: HttpAnswer | None,
    error: PasserelleError | None,
    outcome: Outcome,
) -> None:
    """Whoever watches; after the commit."""
    d.watch.tried(
        Tried(
            message_id=entry.message_id,
            type=None,
            direction=Direction.FR_TO_UK,
            channel=entry.channel,
            endpoint=entry.endpoint,
            number=entry.attempts + 1,
            outcome=outcome.value,
            code=None if error is None else error.code,
            http_status=None if answer is None else answer.status,
            started_at=started,
            finished_at=d.clock.now(),
        )
    )


async def _may_send(entry: OutboxEntry, d: Delivery) -> bool:
    now = d.clock.now()
    async with d.store.begin() as tx:
        breaker = await tx.breaker(entry.endpoint)
        if circuit.may_send(breaker, now):
            if circuit.is_open(breaker):
                await tx.save_breaker(circuit.start_probe(breaker, now, d.breaker))
            return True
        await tx.release(entry, now)
        return False


async def _receipt(entry: OutboxEntry, d: Delivery) -> Evidence:
    async with d.store.begin(read_only=True) as tx:
        for item in await tx.evidence(entry.message_id):
            if item.kind is EvidenceKind.NRR_RECEIPT:
                return item
    raise AssertionError("a receipt is owed but was not stored with its message")


def _judge(answer: HttpAnswer, d: Delivery) -> None:
    """2xx means taken. An error signal in the answer, if genuine, means that it will never be.
    Raises PeerUnavailable, PeerRefused."""
    media_type = answer.content_type.partition(";")[0].strip().lower()
    if answer.body and media_type in SIGNALS:
        try:
            opened = d.access_point.open_answer(answer.content_type, answer.body, now=d.clock.now())
        except As4Error:  # says nothing: the status decides
            opened = None
        if isinstance(opened, VerifiedError):
            raise PeerRefused(f"the partner refuses our receipt: {opened.errors[0].code}")
    if not 200 <= answer.status < 300:
        raise PeerUnavailable(f"the partner answered our receipt with HTTP {answer.status}")


async def _record(
    entry: OutboxEntry,
    d: Delivery,
    started: dt.datetime,
    answer: HttpAnswer | None,
    error: PasserelleError | None,
) -> Outcome:
    now = d.clock.now()
    async with d.store.begin() as tx:
        await tx.add_attempt(
            Attempt(
                message_id=entry.message_id,
                channel=entry.channel,
                endpoint=entry.endpoint,
                number=entry.attempts + 1,
                started_at=started,
                finished_at=now,
                outcome="delivered" if error is None else error.code,
                http_status=answer.status if answer is not None else None,
                detail="receipt taken by the partner" if error is None else error.detail,
            )
        )
        if error is None or isinstance(error, PeerRefused):
            await breaker_success(tx, entry.endpoint, now)
            outcome = Outcome.DELIVERED if error is None else Outcome.REJECTED
            return await _ended(tx, entry, now, outcome)
        await breaker_failure(tx, entry.endpoint, now, d)
        next_step = decide(
            entry.attempts + 1,
            error,
            schedule=d.schedule,
            first_due_at=entry.first_due_at,
            now=now,
            retry_after=answer.retry_after if answer is not None else None,
            random=d.random,
        )
        if isinstance(next_step, GiveUp):
            return await _ended(tx, entry, now, Outcome.FAILED)
        if not await tx.reschedule(entry, next_step.when):
            raise LeaseLost
    return Outcome.RETRY


async def _ended(tx: Transaction, entry: OutboxEntry, now: dt.datetime, outcome: Outcome) -> Outcome:
    """No further attempt: taken, refused, or given up (the partner then sends its message again)."""
    await tx.append_audit(
        at=now,
        actor=ACTOR,
        action=f"receipt.{outcome}",
        subject=entry.message_id,
        data={"reference": entry.reference, "attempt": entry.attempts + 1},
    )
    if not await tx.complete(entry):
        raise LeaseLost
    return outcome
