"""Everything that the page of one message shows, as one JSON-ready value: console and command line alike.

Read in one transaction; what is judged (who holds it, may it go again, do the proofs hold) is judged now, by
the same functions that act. Content stays masked unless a reveal of this viewer runs for the case.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts.codes import Direction
from contracts.model import Message
from gateway.core import breaker as breakers
from gateway.core import holder, resend
from gateway.core.errors import NotFound, Side
from gateway.core.explanations import Explanation, explain_attempt, explain_failed
from gateway.core.holder import HOLDER_WORDS, CertificateState, Circuit
from gateway.core.masking import content_rows
from gateway.core.records import (
    Attempt,
    AuditEntry,
    Breaker,
    CaseRecord,
    Channel,
    Evidence,
    MessageRecord,
    MessageStatus,
    OutboxEntry,
)
from gateway.core.reveal import may_see
from gateway.core.treaty.clocks import Deadline
from gateway.core.words import Words
from gateway.flows import resending, reveals
from gateway.flows.access_point import pmode_of
from gateway.flows.deadline_views import by_due, deadline_view
from gateway.flows.evidence import judged
from gateway.flows.exchange import Exchange
from gateway.flows.message_timeline import timeline
from gateway.flows.ports import MessageFilter, Transaction
from gateway.flows.ports_reveals import Reveal
from gateway.flows.reveals import Viewer, reveal_view
from gateway.flows.uk_receipts import instant
from gateway.flows.view_values import case_summary, message_summary

Json = dict[str, Any]
_MOST_RELATED: Final = 500
_MOST_AUDIT: Final = 500
SIDES: Final = {
    Side.UK: Words("the United Kingdom", "le Royaume-Uni"),
    Side.FR: Words("France", "la France"),
    Side.GATEWAY: Words("the gateway", "la passerelle"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """What one transaction read."""

    record: MessageRecord
    case: CaseRecord
    attempts: tuple[Attempt, ...]
    evidence: tuple[Evidence, ...]
    audit: tuple[AuditEntry, ...]
    deadlines: tuple[Deadline, ...]
    messages: tuple[MessageRecord, ...]
    """Of the case, oldest first."""
    waiting: OutboxEntry | None
    breaker: Breaker
    content: Message | None
    reveal: Reveal | None
    facts: resend.Facts


async def _read(
    tx: Transaction, exchange: Exchange, message_id: str, viewer: Viewer | None, now: dt.datetime
) -> _Read:
    record = await tx.get_message(message_id)
    case = None if record is None else await tx.get_case(record.reference)
    if record is None or case is None:
        raise NotFound("no such message")
    page = await tx.list_messages(
        MessageFilter(reference=record.reference), limit=_MOST_RELATED, newest_first=False
    )
    try:
        content: Message | None = await tx.content(message_id)
    except LookupError:
        content = None
    return _Read(
        record=record,
        case=case,
        attempts=await tx.attempts(message_id),
        evidence=await tx.evidence(message_id),
        audit=await tx.audit_entries(subject=message_id, limit=_MOST_AUDIT),
        deadlines=tuple(await tx.case_deadlines(record.reference)),
        messages=page.items,
        waiting=await tx.waiting(message_id, Channel.AS4),
        breaker=await tx.breaker(exchange.french_party),
        content=content,
        reveal=await reveals.running(tx, record.reference, viewer, now),
        facts=await resending.facts_of(tx, message_id, now),
    )


async def message_view(exchange: Exchange, message_id: str, *, viewer: Viewer | None = None) -> Json:
    """The whole page. Keys: ``message``, ``case``, ``holding``, ``clocks``, ``timeline`` (newest first),
    ``attempts`` (newest first), ``related``, ``evidence``, ``content``, ``actions``. Raises NotFound.

    With a running reveal of ``viewer`` the content is clear, and the view is audited before it is shown.
    """
    now = exchange.clock.now()
    async with exchange.store.begin(read_only=True) as tx:
        read = await _read(tx, exchange, message_id, viewer, now)
    report = await asyncio.to_thread(judged, exchange, read.record, read.evidence)
    own = [d for d in by_due(read.deadlines) if message_id in {d.message_id, d.closed_by}]
    related = related_messages(read.record, read.messages)
    again = resending.answer(exchange, read.facts)
    return {
        "message": {
            **message_summary(read.record),
            "as4_message_id": read.record.as4_message_id,
            "sender": read.record.client_id,
            "explanation": None
            if read.record.code is None
            else _explained(explain_failed(read.record.code, read.attempts)),
        },
        "case": case_summary(read.case),
        "holding": _holding(exchange, read, again, now),
        "clocks": [deadline_view(exchange.agreement, d) for d in own],
        "timeline": timeline(
            read.record,
            agreement=exchange.agreement,
            audit=read.audit,
            attempts=read.attempts,
            evidence=read.evidence,
            deadlines=read.deadlines,
            related=[r for r, _ in related],
        ),
        "attempts": [attempt_row(a) for a in reversed(read.attempts)],
        "next_attempt": None if read.waiting is None else _waiting(read, now),
        "related": [{"relation": relation, **message_summary(r)} for r, relation in related],
        "evidence": {"ok": False, "proofs": []} if report is None else report.as_json(),
        "content": await _content(exchange, read, viewer, now),
        "actions": _actions(read, again),
    }


# ---- parts --------------------------------------------------------------------------------------


def _explained(why: Explanation) -> Json:
    return {
        "code": why.code,
        "outcome": why.outcome.as_json(),
        "cause": why.cause.as_json(),
        "cure": why.cure.as_json(),
        "side": why.side.value,
        "known": why.known,
    }


def attempt_row(attempt: Attempt) -> Json:
    """One attempt with its outcome, cause and cure in words; instants ISO 8601 UTC."""
    why = explain_attempt(attempt)
    return {
        "number": attempt.number,
        "channel": attempt.channel.value,
        "endpoint": attempt.endpoint,
        "started_at": instant(attempt.started_at),
        "finished_at": instant(attempt.finished_at),
        "milliseconds": int((attempt.finished_at - attempt.started_at).total_seconds() * 1000),
        "outcome": attempt.outcome,
        "http_status": attempt.http_status,
        "detail": attempt.detail,
        "words": {"outcome": why.outcome.as_json(), "cause": why.cause.as_json(), "cure": why.cure.as_json()},
        "side": why.side.value,
    }


def _waiting(read: _Read, now: dt.datetime) -> Json:
    return {
        "attempts": 0 if read.waiting is None else read.waiting.attempts,
        "probe_at": None if read.breaker.probe_at is None else instant(read.breaker.probe_at),
        "circuit": circuit_of(read.breaker).value,
        "asked_at": instant(now),
    }


def circuit_of(breaker: Breaker) -> Circuit:
    """As ``gateway.core.holder`` takes it."""
    if breaker.paused:
        return Circuit.PAUSED
    return Circuit.OPEN if breakers.is_open(breaker) else Circuit.CLOSED


def certificate_state(exchange: Exchange, now: dt.datetime) -> CertificateState:
    """Whether each side has a certificate that is valid now. Without any known one nothing is said."""
    ours, theirs = exchange.agreement.parties.uk.id, exchange.french_party
    for party, state in (
        (ours, CertificateState.OURS_EXPIRED),
        (theirs, CertificateState.THEIRS_EXPIRED),
    ):
        held = [c for c, whose in exchange.known.certificates if whose == party]
        if held and not any(c.not_valid_before_utc <= now <= c.not_valid_after_utc for c in held):
            return state
    return CertificateState.VALID


def facts_of(
    exchange: Exchange,
    facts: resend.Facts,
    attempts: Sequence[Attempt],
    breaker: Breaker,
    now: dt.datetime,
) -> holder.Facts:
    """What ``gateway.core.holder`` looks at. ``breaker``: of the endpoint that the message goes to."""
    record = facts.record
    outbound = record.direction is Direction.UK_TO_FR
    channel = Channel.AS4 if outbound else Channel.WEBHOOK
    last = next((a for a in reversed(attempts) if a.channel is channel), None)
    return holder.Facts(
        status=record.status,
        direction=record.direction,
        code=record.code,
        last=None if last is None else resend.arrival(_once(last)),
        tried=facts.tried,
        why=_why(record, attempts, last) if outbound else None,
        circuit=circuit_of(breaker),
        certificate=certificate_state(exchange, now),
        pulled=outbound and _pulled(exchange),
    )


def _why(record: MessageRecord, attempts: Sequence[Attempt], last: Attempt | None) -> Explanation | None:
    if record.status is MessageStatus.FAILED and record.code is not None:
        return explain_failed(record.code, attempts)
    return None if last is None else explain_attempt(last)


def _once(attempt: Attempt) -> resend.TriedOnce:
    return resend.TriedOnce(outcome=attempt.outcome, detail=attempt.detail, http_status=attempt.http_status)


def _holding(exchange: Exchange, read: _Read, again: resending.Answer, now: dt.datetime) -> Json:
    found = holder.look(facts_of(exchange, read.facts, read.attempts, read.breaker, now))
    return {
        "holder": found.holder.value,
        "holder_name": HOLDER_WORDS[found.holder].as_json(),
        "fault": None if found.fault is None else found.fault.value,
        "fault_name": None if found.fault is None else SIDES[found.fault].as_json(),
        "reason": found.reason.as_json(),
        "cure": found.cure.as_json(),
        "resend": again.resend.value,
        "resend_name": again.name.as_json(),
        "resend_reason": again.reason.as_json(),
    }


def _pulled(exchange: Exchange) -> bool:
    rows = exchange.agreement.pmode_rows
    return any(pmode_of(row).pulled for row in rows if row.direction is Direction.UK_TO_FR)


def related_messages(
    record: MessageRecord, messages: Sequence[MessageRecord]
) -> list[tuple[MessageRecord, str]]:
    """Other messages of the case with how each relates: ``answers`` (this one answers it), ``answered_by``,
    ``same_case``; oldest first."""
    found: list[tuple[MessageRecord, str]] = []
    for other in messages:
        if other.message_id == record.message_id:
            continue
        if record.in_reply_to == other.message_id:
            relation = "answers"
        elif other.in_reply_to == record.message_id:
            relation = "answered_by"
        else:
            relation = "same_case"
        found.append((other, relation))
    return found


async def _content(exchange: Exchange, read: _Read, viewer: Viewer | None, now: dt.datetime) -> Json:
    """Masked rows; clear only when a reveal runs, the side may see them, and the view was written down."""
    theirs = viewer is not None and may_see(viewer.side, read.record)
    revealed = False
    if read.reveal is not None and viewer is not None and read.content is not None:
        revealed = await reveals.note_view(exchange, read.record, viewer, read.reveal)
    return {
        "available": read.content is not None,
        "revealed": revealed,
        "may_reveal": viewer is not None and viewer.may_reveal and theirs and read.content is not None,
        "withheld": viewer is not None and viewer.may_reveal and not theirs,
        "reveal": None if read.reveal is None else reveal_view(read.reveal, now),
        "rows": [] if read.content is None else content_rows(read.content, revealed=revealed),
    }


def _actions(read: _Read, again: resending.Answer) -> Json:
    """What may be tried now; whether somebody may is a matter of their permissions."""
    outbound = read.record.direction is Direction.UK_TO_FR
    return {
        "replay": again.replay,
        "cancel": again.cancel,
        "decide": outbound and read.record.status is MessageStatus.HELD,
        "evidence": bool(read.evidence),
    }
