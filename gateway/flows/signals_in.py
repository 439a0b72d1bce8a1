"""Receipts and errors that come by callback: POSTed to ``/as4`` for a message of ours that waits for them.

(1) it names a message of ours; (2) the party that we sent it to signed; (3) that message waits for a signal:
it was sealed, its row is in the outbox, and its P-Mode says callback; (4) a receipt repeats exactly what we
signed (as4.md 29); (5) the row is taken from whoever holds it, and what follows is recorded as for an answer
in the HTTP response. Whatever fails (2) or (4) is refused without a signal (never a signal for a signal, core
6.2.5); what nobody waits for (repeated, unknown) is ignored, and changes nothing. A receipt that comes after
the message was given up still proves it: the dead letter is delivered then, and cannot be sent again.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from contracts.codes import Direction
from gateway.core.as4.content import Octets
from gateway.core.as4.pmode import ReceiptReply
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt
from gateway.core.errors import As4Error, FailedAuthentication, InvalidHeader, ReceiptMissing
from gateway.core.records import Channel, MessageRecord, MessageStatus
from gateway.flows.deliver import error_code, error_of, match_any
from gateway.flows.delivery_record import (
    Delivery,
    Job,
    Try,
    record_delivered,
    record_failure,
    record_late_receipt,
)
from gateway.flows.french_inbox import ACTOR, NOTHING, As4Answer, FrenchInbox, refuse
from gateway.flows.large import LeaseLost
from gateway.flows.ports import HttpAnswer
from gateway.flows.wire import sealed_envelopes

_HOLD: Final = dt.timedelta(minutes=1)
"""A row that its signal has seized comes back after this if we die before the end is recorded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Awaited:
    """A message of ours that waits for a signal, with every envelope that we sealed of it."""

    job: Job
    """With the row as it is now; ``_recorded`` claims it."""
    envelopes: tuple[bytes, ...]


async def take_signal(
    inbox: FrenchInbox, signal: VerifiedReceipt | VerifiedError, content_type: str, body: Octets
) -> As4Answer:
    """The HTTP answer to a verified signal: 202 without a body, or 400. Raises Unavailable and bugs."""
    try:
        if not isinstance(body, bytes):
            raise InvalidHeader("a signal is not as large as this")
        answer = HttpAnswer(status=NOTHING.status, content_type=content_type, body=body, retry_after=None)
        settled = await _settled(inbox, signal, answer)
    except As4Error as exc:
        exc.ref_to_message_id, exc.of_signal = signal.ref_to_message_id, True
        return await refuse(inbox, exc, party=signal.party_id)
    if not settled:
        await _note_ignored(inbox, signal)
    return NOTHING


async def _settled(inbox: FrenchInbox, signal: VerifiedReceipt | VerifiedError, answer: HttpAnswer) -> bool:
    """False when no message waits for it. Raises FailedAuthentication, InvalidReceipt."""
    d = inbox.delivery
    if d is None or d.access_point.outgoing.receipt is not ReceiptReply.CALLBACK:
        return False
    awaited = await _awaited(d, _subject(signal))  # (1), (3)
    if awaited is None:
        return isinstance(signal, VerifiedReceipt) and await _late(d, signal, answer)
    if signal.party_id != d.access_point.partner:  # (2)
        raise FailedAuthentication("the signal is signed by another party than the receiver")
    attempt = _judged(awaited, signal, answer, d)  # (4)
    if attempt is None:
        return False
    return await _recorded(awaited.job.record, attempt, d)  # (5)


def _subject(signal: VerifiedReceipt | VerifiedError) -> str | None:
    """The one MessageId that the signal speaks of."""
    if isinstance(signal, VerifiedReceipt) or signal.ref_to_message_id is not None:
        return signal.ref_to_message_id
    named = {entry.ref_to_message_id for entry in signal.errors}
    return named.pop() if len(named) == 1 else None


async def _awaited(d: Delivery, as4_message_id: str | None) -> _Awaited | None:
    message_id = (as4_message_id or "").partition("@")[0]
    if not message_id or d.access_point.as4_message_id(message_id) != as4_message_id:
        return None
    async with d.store.begin(read_only=True) as tx:
        record = await tx.get_message(message_id)
        entry = await tx.waiting(message_id, Channel.AS4)
        if record is None or entry is None or record.as4_message_id != as4_message_id:
            return None
        envelopes = sealed_envelopes(await tx.evidence(message_id))
    return (
        _Awaited(job=Job(entry=entry, record=record, case=None), envelopes=envelopes) if envelopes else None
    )


async def _late(d: Delivery, receipt: VerifiedReceipt, answer: HttpAnswer) -> bool:
    """(1), (2), (4) for a dead letter; False when it is none. Raises as ``_settled``."""
    as4_message_id = _subject(receipt)
    message_id = (as4_message_id or "").partition("@")[0]
    async with d.store.begin(read_only=True) as tx:
        record = await tx.get_message(message_id) if message_id else None
        if record is None or record.as4_message_id != as4_message_id:
            return False
        if record.status is not MessageStatus.FAILED or record.direction is not Direction.UK_TO_FR:
            return False
        envelopes = sealed_envelopes(await tx.evidence(message_id))
    if receipt.party_id != d.access_point.partner:
        raise FailedAuthentication("the signal is signed by another party than the receiver")
    match_any(receipt, envelopes, message_id, d)
    return await record_late_receipt(record, answer, d)


def _judged(
    awaited: _Awaited, signal: VerifiedReceipt | VerifiedError, answer: HttpAnswer, d: Delivery
) -> Try | None:
    """The attempt that this signal ends; None for an error about something else. Raises InvalidReceipt, and
    PolicyNoncompliance for a signal of another security profile than the message."""
    now = d.clock.now()
    code: str | None = None
    if isinstance(signal, VerifiedReceipt):
        match_any(signal, awaited.envelopes, awaited.job.record.message_id, d)
    else:
        d.access_point.check_profile(awaited.envelopes[0], signal)
        try:
            code = error_code(signal, d.access_point.as4_message_id(awaited.job.record.message_id))
        except ReceiptMissing:
            return None
    return Try(
        started_at=now,
        finished_at=now,
        answer=answer,
        error=None if code is None else error_of(code),
        partner_code=code,
    )


async def _recorded(record: MessageRecord, attempt: Try, d: Delivery) -> bool:
    """False when another signal for the same message was faster."""
    async with d.store.begin() as tx:
        entry = await tx.seize(record.message_id, Channel.AS4, until=attempt.finished_at + _HOLD)
        case = await tx.get_case(record.reference)
    if entry is None:
        return False
    job = Job(entry=entry, record=record, case=case)
    try:
        if attempt.error is None:
            await record_delivered(job, attempt, d)
        else:
            await record_failure(job, attempt, attempt.error, d, recorded=1)
    except LeaseLost:
        return False
    return True


async def _note_ignored(inbox: FrenchInbox, signal: VerifiedReceipt | VerifiedError) -> None:
    async with inbox.store.begin() as tx:
        await tx.append_audit(
            at=inbox.clock.now(),
            actor=f"party:{signal.party_id}",
            action="signal.ignored",
            subject=ACTOR,
            data={"kind": "receipt" if isinstance(signal, VerifiedReceipt) else "error"},
        )
