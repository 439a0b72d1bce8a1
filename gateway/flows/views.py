"""What the API (and CLI) shows of cases, messages, timelines, evidence and balance: JSON-ready values."""

from __future__ import annotations

from typing import Any

import msgspec

from contracts.codes import (
    CaseKind,
)
from contracts.ports import Unmappable
from gateway.core.errors import NotFound
from gateway.core.records import Attempt, AuditEntry, MessageRecord
from gateway.flows.deadline_views import of_case, of_message
from gateway.flows.evidence import evidence_bundle as evidence_bundle
from gateway.flows.evidence import evidence_list as evidence_list
from gateway.flows.exchange import Exchange
from gateway.flows.ports import MessageFilter, Transaction
from gateway.flows.ports_inbox import InboxEvent
from gateway.flows.uk_receipts import instant
from gateway.flows.view_values import case_summary as case_summary
from gateway.flows.view_values import message_summary as message_summary

Json = dict[str, Any]


async def _document(tx: Transaction, exchange: Exchange, message_id: str) -> Any:
    """The whole UK document, or None once retention destroyed the key or the UK contract cannot say it."""
    try:
        message = await tx.content(message_id)
        return msgspec.json.decode(exchange.uk.from_canonical(message).content)
    except (LookupError, Unmappable):
        return None


async def message_page(exchange: Exchange, message_id: str) -> Json:
    """One message with its UK document. Raises NotFound."""
    async with exchange.store.begin(read_only=True) as tx:
        return await _detail(tx, exchange, await _record(tx, message_id))


async def _detail(tx: Transaction, exchange: Exchange, record: MessageRecord) -> Json:
    return {
        **message_summary(record),
        "deadlines": await of_message(tx, exchange.agreement, record.reference, record.message_id),
        "message": await _document(tx, exchange, record.message_id),
    }


async def _record(tx: Transaction, message_id: str) -> MessageRecord:
    record = await tx.get_message(message_id)
    if record is None:
        raise NotFound("no such message")
    return record


async def case_page(exchange: Exchange, reference: str, kind: CaseKind) -> Json:
    """A case with the summaries of its messages, oldest first (at most 500), and its deadlines. Raises
    NotFound."""
    async with exchange.store.begin(read_only=True) as tx:
        case = await tx.get_case(reference)
        if case is None or case.kind is not kind:
            raise NotFound("no such case")
        page = await tx.list_messages(MessageFilter(reference=reference), limit=500, newest_first=False)
        deadlines = await of_case(tx, exchange.agreement, reference)
    messages = [message_summary(m) for m in page.items]
    return {**case_summary(case), "messages": messages, "deadlines": deadlines}


async def inbox_items(exchange: Exchange, *, after: int, limit: int) -> list[tuple[int, Json]]:
    """FR→UK messages that wait, oldest first: (sequence, summary with the whole message)."""
    async with exchange.store.begin(read_only=True) as tx:
        records = await tx.inbox(after=after, limit=limit)
        return [(r.sequence, await _detail(tx, exchange, r)) for r in records]


async def inbox_events(exchange: Exchange, *, after: int, limit: int) -> list[tuple[int, Json]]:
    """Events that wait beside the messages, oldest first: (sequence, event); times ISO 8601 UTC."""
    async with exchange.store.begin(read_only=True) as tx:
        events = await tx.inbox_events(after=after, limit=limit)
    return [(e.sequence, _inbox_event(exchange, e)) for e in events]


def _inbox_event(exchange: Exchange, event: InboxEvent) -> Json:
    return {
        "id": event.event_id,
        "type": event.type,
        "time": instant(event.at),
        "reference": event.reference,
        "message_id": event.message_id,
        "link": None if event.path is None else f"{exchange.issuer}{event.path}",
        "data": dict(event.data),
    }


# ---- timeline -----------------------------------------------------------------------------------


def _attempt_event(attempt: Attempt) -> Json:
    return {
        "at": instant(attempt.finished_at),
        "event": "delivery.attempt",
        "attempt": attempt.number,
        "code": attempt.outcome,
        "actor": "gateway",
        "data": {
            "channel": attempt.channel.value,
            "started_at": instant(attempt.started_at),
            "http_status": attempt.http_status,
            "detail": attempt.detail,
        },
    }


def _audit_event(entry: AuditEntry) -> Json:
    attempt, code = entry.data.get("attempt"), entry.data.get("code")
    return {
        "at": instant(entry.at),
        "event": entry.action,
        "attempt": attempt if isinstance(attempt, int) else None,
        "code": code if isinstance(code, str) else None,
        "actor": entry.actor,
        "data": dict(entry.data),
    }


async def timeline(exchange: Exchange, message_id: str) -> list[Json]:
    """Audit entries and delivery attempts of one message, oldest first. Raises NotFound."""
    async with exchange.store.begin(read_only=True) as tx:
        await _record(tx, message_id)
        events = [_attempt_event(a) for a in await tx.attempts(message_id)]
        events += [_audit_event(entry) for entry in await tx.audit_entries(subject=message_id)]
    return sorted(events, key=lambda e: str(e["at"]))
