"""The UK acknowledges an event of the inbox: it is taken off the inbox, and France hears nothing of it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from contracts.codes import AckStatus, MessageType
from contracts.ports import Problem
from gateway.core.errors import AttachmentMismatch, Conflict, SchemaViolation
from gateway.core.jws import sign_compact, sign_detached
from gateway.core.records import MessageStatus, StoredAnswer
from gateway.flows.exchange import Exchange
from gateway.flows.ports import Transaction
from gateway.flows.ports_inbox import InboxEvent
from gateway.flows.uk_receipts import RECEIPT_TYPE, instant

if TYPE_CHECKING:
    from gateway.flows.accept_uk import Submission

ACTION: Final = "inbox.event_acknowledged"
_NOT_REJECTED: Final = Problem(
    path="/status",
    code="const",
    message_en="An event can only be taken into account.",
    message_fr="Un évènement ne peut qu'être pris en compte.",
)


async def acknowledge_event(
    tx: Transaction, exchange: Exchange, submission: Submission, event: InboxEvent, now: dt.datetime
) -> StoredAnswer:
    """Take a locked event off the inbox; the signed answer. Audit keeps who, and a digest of the body.

    Raises Conflict (done before), SchemaViolation (a rejection), AttachmentMismatch.
    """
    if event.acknowledged_at is not None:
        raise Conflict("the event was acknowledged before")
    if submission.attachments:
        raise AttachmentMismatch("an acknowledgement has no attachments")
    given = submission.document.parsed
    if not isinstance(given, Mapping) or given.get("status") != AckStatus.TAKEN_INTO_ACCOUNT.value:
        raise SchemaViolation("an event is not rejected", problems=(_NOT_REJECTED,))
    await tx.acknowledge_inbox_event(event.event_id, at=now, by=submission.client_id)
    await tx.append_audit(
        at=now,
        actor=f"client:{submission.client_id}",
        action=ACTION,
        subject=event.message_id or exchange.agreement.agreement.id,
        data={
            "event_id": event.event_id,
            "type": event.type,
            "reference": event.reference,
            "body_sha256": submission.body.sha256,
            "kid": submission.body.kid,
            "correlation_id": submission.correlation_id,
        },
    )
    return _answer(exchange, submission, event, now)


def _answer(exchange: Exchange, submission: Submission, event: InboxEvent, now: dt.datetime) -> StoredAnswer:
    """202, like the answer about a message; ``reference`` is null for an event of no case."""
    common = {
        "message_id": event.event_id,
        "reference": event.reference,
        "type": MessageType.ACKNOWLEDGEMENT.value,
        "status": MessageStatus.ACKNOWLEDGED.value,
        "received_at": instant(now),
    }
    claims = {
        "iss": exchange.issuer,
        "sub": submission.client_id,
        "iat": int(now.timestamp()),
        "jti": event.event_id,
        **common,
        "body_sha256": submission.body.sha256,
    }
    document: dict[str, object] = {
        **common,
        "conversation_id": None,
        "code": None,
        "receipt": sign_compact(claims, exchange.signer, typ=RECEIPT_TYPE),
        "holds": [],
        "warnings": [],
    }
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "Location": "/v1/inbox",
        "x-jws-signature": sign_detached(body, exchange.signer),
    }
    return StoredAnswer(status=202, headers=headers, body=body)
