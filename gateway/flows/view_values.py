"""Messages and cases as JSON-ready values, without content."""

from __future__ import annotations

from typing import Any

from gateway.core.records import CaseRecord, MessageRecord
from gateway.core.treaty import states
from gateway.flows.uk_receipts import instant

Json = dict[str, Any]


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
        "final": case.status in states.FINAL[case.kind],
        "priority": case.priority,
        "created_at": instant(case.created_at),
        "updated_at": instant(case.updated_at),
    }
