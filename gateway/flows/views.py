"""What the API (and CLI) shows of cases, messages, timelines, evidence and balance: JSON-ready values."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import msgspec

from contracts.codes import (
    CaseKind,
)
from contracts.ports import Unmappable
from gateway.core.errors import NotFound
from gateway.core.jws import public_jwk
from gateway.core.records import Attempt, AuditEntry, CaseRecord, EvidenceKind, MessageRecord, Page
from gateway.core.treaty import states
from gateway.flows.deadline_views import of_case, of_message
from gateway.flows.exchange import Exchange
from gateway.flows.ports import MessageFilter, Transaction
from gateway.flows.uk_receipts import instant

Json = dict[str, Any]
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_FILE_NAMES = {
    EvidenceKind.AS4_USER_MESSAGE: ("as4-user-message", "xml"),
    EvidenceKind.NRR_RECEIPT: ("as4-receipt", "xml"),
    EvidenceKind.AS4_ERROR: ("as4-error", "xml"),
    EvidenceKind.UK_REQUEST_JWS: ("uk-request-jws", "json"),
    EvidenceKind.UK_RECEIPT_JWS: ("uk-receipt", "jws"),
}


def message_summary(record: MessageRecord) -> Json:
    """One message without content; instants ISO 8601 UTC."""
    return {
        "message_id": record.message_id,
        "reference": record.reference,
        "conversation_id": record.conversation_id,
        "type": record.type.value,
        "direction": record.direction.value,
        "status": record.status.value,
        "code": record.code,
        "in_reply_to": record.in_reply_to,
        "attempts": record.attempts,
        "receipt_verified": record.receipt_verified,
        "body_sha256": record.body_sha256,
        "received_at": instant(record.received_at),
        "delivered_at": None if record.delivered_at is None else instant(record.delivered_at),
        "updated_at": instant(record.updated_at),
    }


def case_summary(case: CaseRecord) -> Json:
    return {
        "reference": case.reference,
        "kind": case.kind.value,
        "conversation_id": case.conversation_id,
        "status": case.status,
        "final": states.is_final(case.kind, case.status),
        "priority": case.priority,
        "created_at": instant(case.created_at),
        "updated_at": instant(case.updated_at),
    }


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


async def message_list(
    exchange: Exchange, where: MessageFilter, *, cursor: str | None, limit: int
) -> Page[MessageRecord]:
    """Newest first. Raises BadCursor."""
    async with exchange.store.begin(read_only=True) as tx:
        return await tx.list_messages(where, cursor=cursor, limit=limit)


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


# ---- evidence -----------------------------------------------------------------------------------


async def evidence_list(exchange: Exchange, message_id: str) -> list[Json]:
    """Everything that proves the message, the bytes in base64. Raises NotFound."""
    async with exchange.store.begin(read_only=True) as tx:
        await _record(tx, message_id)
        rows = await tx.evidence(message_id)
    return [
        {
            "kind": row.kind.value,
            "media_type": row.media_type,
            "created_at": instant(row.created_at),
            "sha256": hashlib.sha256(row.content).hexdigest(),
            "content": base64.b64encode(row.content).decode(),
        }
        for row in rows
    ]


async def evidence_bundle(exchange: Exchange, message_id: str) -> bytes:
    """A ZIP with everything that proves the message, and ``manifest.json`` with a SHA-256 for each file.

    Holds digests, signatures, public keys and certificates (inside the envelopes), never the content of the
    message. Raises NotFound.
    """
    async with exchange.store.begin(read_only=True) as tx:
        record = await _record(tx, message_id)
        rows = await tx.evidence(message_id)
    files: dict[str, bytes] = {}
    listed: list[Json] = []
    for number, row in enumerate(rows, start=1):
        stem, suffix = _FILE_NAMES[row.kind]
        name = f"{number:02d}-{stem}.{suffix}"
        files[name] = row.content
        listed.append(
            {
                "name": name,
                "kind": row.kind.value,
                "media_type": row.media_type,
                "created_at": instant(row.created_at),
                "size": len(row.content),
                "sha256": hashlib.sha256(row.content).hexdigest(),
            }
        )
    signers = (exchange.signer, *exchange.earlier_signers)
    keys = {"keys": [public_jwk(s.verification_key, kid=s.kid) for s in signers]}
    files["gateway-jwks.json"] = json.dumps(keys, indent=2, sort_keys=True).encode()
    listed.append(
        {
            "name": "gateway-jwks.json",
            "kind": "gateway_keys",
            "media_type": "application/jwk-set+json",
            "created_at": instant(exchange.clock.now()),
            "size": len(files["gateway-jwks.json"]),
            "sha256": hashlib.sha256(files["gateway-jwks.json"]).hexdigest(),
        }
    )
    manifest = {"version": 1, "issuer": exchange.issuer, "message": message_summary(record), "files": listed}
    files["manifest.json"] = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False).encode()
    return _zip(files)


def _zip(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=_ZIP_TIME), content)
    return target.getvalue()
