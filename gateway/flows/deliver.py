"""One outbox row → one attempt to deliver over AS4 → what follows, recorded in one transaction.

(1) may we send: message still wanted, circuit closed or probing;
(2) the first attempt seals, and the sealed bytes are stored before they leave; every retry sends the same
    bytes (as4.md 31);
(3) POST, and open the answer: only a verified signal counts;
(4) a receipt must repeat exactly the references that we signed (as4.md 29);
(5) message, attempt, evidence, outbox, breaker, audit and webhook rows change together or not at all.

A row whose lease was lost in the meantime changes nothing: the node that took it over decides. A large
message goes the same way, but through the store instead of memory (``wire``), in a place of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Final

from contracts.codes import CaseKind
from contracts.ports import Unmappable
from gateway.core import breaker as circuit
from gateway.core.as4.pmode import ReceiptReply
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt
from gateway.core.errors import (
    As4Error,
    InvalidReceipt,
    PasserelleError,
    PeerRefused,
    PeerUnavailable,
    ReceiptAwaited,
    ReceiptMissing,
)
from gateway.core.records import Blob, MessageStatus, OutboxEntry
from gateway.core.treaty.states import NominationStatus, Readmission
from gateway.flows.contents import ContentDestroyed, streamed_body
from gateway.flows.delivery_record import (
    Delivery,
    Job,
    LeaseLost,
    Outcome,
    Try,
    exhausted,
    record_awaiting,
    record_cancelled,
    record_delivered,
    record_end,
    record_failure,
    record_hold,
)
from gateway.flows.large import under_lease
from gateway.flows.outgoing import NEVER_STOPPED
from gateway.flows.ports import HttpAnswer
from gateway.flows.wire import Parcel, parcel_of, sealed

PASSING: Final = frozenset(
    {"EBMS:0002", "EBMS:0005", "EBMS:0006", "EBMS:0201", "EBMS:0202", "EBMS:0301", "EBMS:0302"}
)
"""Warnings and troubles of transmission: a retry may help. Every other code is permanent: ``failed``."""
_OVERTAKEN: Final = {
    CaseKind.READMISSION: Readmission.WITHDRAWN,
    CaseKind.NOMINATION: NominationStatus.WITHDRAWN,
}


async def deliver(entry: OutboxEntry, d: Delivery) -> Outcome:
    """Make one attempt and record it. Raises only for bugs and an unreachable store (Unavailable)."""
    try:
        job = await _prepare(entry, d)
        if isinstance(job, Outcome):
            return job
        try:
            attempt = await _attempt(job, d)
        except Unmappable as exc:
            return await record_hold(job, exc, d)
        except ContentDestroyed:
            return await record_end(job, None, "content_destroyed", MessageStatus.FAILED, d)
        except _Overtaken:
            return await record_cancelled(job, d)
        if attempt is None:
            return await _wait_for_place(job, d)
        if isinstance(attempt.error, ReceiptAwaited):
            return await record_awaiting(job, attempt, d)
        if attempt.error is None:
            return await record_delivered(job, attempt, d)
        return await record_failure(job, attempt, attempt.error, d)
    except LeaseLost:
        return Outcome.LEASE_LOST


async def _attempt(job: Job, d: Delivery) -> Try | None:
    """(2) to (4); None when there is no place for a large one. Raises Unmappable, ContentDestroyed,
    LeaseLost, _Overtaken."""
    parcel = await parcel_of(job, d)
    if not parcel.is_large:
        return await _send(job, parcel, d)
    if not d.lane.enter():
        return None
    try:
        sending = _send(job, parcel, d)
        return await under_lease(job.entry, sending, store=d.store, clock=d.clock, lease=d.lease)
    except asyncio.CancelledError:
        await _hand_over(job, d)
        raise
    finally:
        d.lane.leave()


async def _hand_over(job: Job, d: Delivery) -> None:
    """This process stops: another may go on at once, without waiting for the end of the lease."""
    with contextlib.suppress(PasserelleError):
        async with d.store.begin() as tx:
            await tx.release(job.entry, d.clock.now())


async def _send(job: Job, parcel: Parcel, d: Delivery) -> Try:
    try:
        wire, content_type, envelopes = await sealed(job, parcel, d)
    except As4Error as exc:  # for example the partner's encryption certificate has expired
        return not_sealed(exc, d)
    if parcel.is_large and await _withdrawn_meanwhile(job, d):
        raise _Overtaken
    return await _post(job, wire, content_type, envelopes, d)


class _Overtaken(Exception):
    """A withdrawal came while a large message was sealed."""


async def _withdrawn_meanwhile(job: Job, d: Delivery) -> bool:
    async with d.store.begin(read_only=True) as tx:
        record = await tx.get_message(job.entry.message_id)
        case = await tx.get_case(job.entry.reference)
    return overtaken(replace(job, record=record or job.record, case=case))


# ---- (1) ----------------------------------------------------------------------------------------


async def _prepare(entry: OutboxEntry, d: Delivery) -> Job | Outcome:
    now = d.clock.now()
    async with d.store.begin(read_only=True) as tx:
        record = await tx.get_message(entry.message_id)
        case = await tx.get_case(entry.reference)
        breaker = await tx.breaker(entry.endpoint)
    if record is None:
        raise AssertionError("an outbox row without its message")
    job = Job(entry=entry, record=record, case=case)
    if overtaken(job):
        return await record_cancelled(job, d)
    if _by_callback(d) and exhausted(job, d):
        return await record_end(job, None, ReceiptMissing.code, MessageStatus.FAILED, d)
    if not circuit.may_send(breaker, now):
        return await _wait_for_circuit(entry, d)
    if circuit.is_open(breaker):
        async with d.store.begin() as tx:
            breaker = await tx.breaker(entry.endpoint)  # read again: only one attempt may probe
            if circuit.may_send(breaker, now):
                await tx.save_breaker(circuit.start_probe(breaker, now, d.breaker))
                return replace(job, probes=True)
        return await _wait_for_circuit(entry, d)
    return job


def _by_callback(d: Delivery) -> bool:
    return d.access_point.outgoing.receipt is ReceiptReply.CALLBACK


def overtaken(job: Job) -> bool:
    """A withdrawal stops what was under way when it came (a row under lease escapes ``cancel_queued``)."""
    case, record = job.case, job.record
    if record.status in {MessageStatus.CANCELLED, MessageStatus.REJECTED}:
        return True
    withdrawn = case is not None and case.status == _OVERTAKEN[case.kind]
    return withdrawn and record.type not in NEVER_STOPPED


async def _wait_for_circuit(entry: OutboxEntry, d: Delivery) -> Outcome:
    """Gives the row back due at once: workers leave out an endpoint whose circuit is open, so the row goes
    as soon as a probe has closed it (a due time of its own would outlast the outage)."""
    async with d.store.begin() as tx:
        await tx.release(entry, d.clock.now())
    return Outcome.WAITING


async def _wait_for_place(job: Job, d: Delivery) -> Outcome:
    """No attempt is counted, and if this one was to probe the circuit, another may."""
    now = d.clock.now()
    async with d.store.begin() as tx:
        if job.probes:
            await tx.save_breaker(replace(await tx.breaker(job.entry.endpoint), probe_at=now))
        await tx.release(job.entry, d.lane.come_back(now))
    return Outcome.WAITING


def not_sealed(error: As4Error, d: Delivery) -> Try:
    """An attempt that ended before anything was sent; an operator sees its reason, and it is tried again."""
    now = d.clock.now()
    return Try(started_at=now, finished_at=now, answer=None, error=error, partner_code=None)


# ---- (3), (4) -----------------------------------------------------------------------------------


async def _post(
    job: Job, wire: bytes | Blob, content_type: str, envelopes: tuple[bytes, ...], d: Delivery
) -> Try:
    started = d.clock.now()
    answer: HttpAnswer | None = None
    error: PasserelleError | None = None
    partner_code: str | None = None
    try:
        body = wire if isinstance(wire, bytes) else streamed_body(d.store, wire)
        answer = await d.transport.post(d.url, content_type=content_type, body=body)
        partner_code = _judge(job, answer, envelopes, d)
        if partner_code is not None:
            error = error_of(partner_code)
    except PasserelleError as exc:
        error = exc
    return Try(
        started_at=started,
        finished_at=d.clock.now(),
        answer=answer,
        error=error,
        partner_code=partner_code,
    )


def _judge(job: Job, answer: HttpAnswer, envelopes: tuple[bytes, ...], d: Delivery) -> str | None:
    """None for a receipt that proves delivery, else the EBMS code of a genuine error signal.

    Raises PeerUnavailable, ReceiptMissing, InvalidReceipt or another As4Error.
    """
    media_type = answer.content_type.partition(";")[0].strip().lower()
    if media_type not in {"application/soap+xml", "multipart/related"} or not answer.body:
        if 200 <= answer.status < 300 and _by_callback(d):
            raise ReceiptAwaited("the partner took the message; its receipt comes by callback")
        if 200 <= answer.status < 300:
            raise ReceiptMissing("the partner answered without a receipt")
        raise PeerUnavailable(f"the partner answered with HTTP {answer.status} and no signal")
    opened = d.access_point.open_answer(answer.content_type, answer.body, now=d.clock.now())
    as4_id = d.access_point.as4_message_id(job.record.message_id)
    if isinstance(opened, VerifiedError):
        d.access_point.check_profile(envelopes[0], opened)
        return error_code(opened, as4_id)
    match_any(opened, envelopes, job.record.message_id, d)
    return None


def match_any(receipt: VerifiedReceipt, envelopes: tuple[bytes, ...], message_id: str, d: Delivery) -> None:
    """Raises InvalidReceipt (that of the newest envelope) unless it proves one of the envelopes whole."""
    first: InvalidReceipt | None = None
    for envelope in envelopes:
        try:
            d.access_point.check_receipt(envelope, receipt, message_id=message_id)
        except InvalidReceipt as exc:
            first = first or exc
        else:
            return
    raise first or InvalidReceipt("nothing was signed, so nothing can be proven")


def error_code(signal: VerifiedError, as4_message_id: str) -> str:
    """The code that decides: a permanent one before a passing one. Raises ReceiptMissing for a signal
    about another message."""
    codes = [
        entry.code
        for entry in signal.errors
        if (entry.ref_to_message_id or signal.ref_to_message_id) in {as4_message_id, None}
    ]
    if not codes:
        raise ReceiptMissing("the partner answered with an error signal about another message")
    return min(codes, key=lambda code: code in PASSING)


def error_of(code: str) -> PasserelleError:
    if code in PASSING:
        return PeerUnavailable(f"the partner reports {code}")
    return PeerRefused(f"the partner reports {code}: a retry cannot help")
