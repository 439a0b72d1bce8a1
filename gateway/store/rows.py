"""Rows that several parts of the store read, as records."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from contracts.codes import Direction, MessageType
from gateway.core.records import Attempt, Channel, MessageRecord, MessageStatus
from gateway.core.treaty.clocks import Deadline, DeadlineState


def record_of(row: Row[Any]) -> MessageRecord:
    """From a row of ``messages``."""
    return MessageRecord(
        sequence=row.sequence,
        message_id=row.message_id,
        reference=row.reference,
        conversation_id=row.conversation_id,
        type=MessageType(row.type),
        direction=Direction(row.direction),
        status=MessageStatus(row.status),
        code=row.code,
        in_reply_to=row.in_reply_to,
        client_id=row.client_id,
        as4_message_id=row.as4_message_id,
        body_sha256=row.body_sha256,
        attempts=row.attempts,
        receipt_verified=bool(row.receipt_verified),
        received_at=row.received_at,
        delivered_at=row.delivered_at,
        updated_at=row.updated_at,
    )


def deadline_of(row: Row[Any]) -> Deadline:
    """From a row of ``deadlines``."""
    return Deadline(
        deadline_id=row.deadline_id,
        reference=row.reference,
        clock=row.clock,
        message_id=row.message_id,
        zone=row.zone,
        started_at=row.started_at,
        due_at=row.due_at,
        state=DeadlineState(row.state),
        warnings=row.warnings,
        next_at=row.next_at,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
    )


def attempt_of(row: Row[Any]) -> Attempt:
    """From a row of ``attempts``."""
    return Attempt(
        message_id=row.message_id,
        channel=Channel(row.channel),
        endpoint=row.endpoint,
        number=row.number,
        started_at=row.started_at,
        finished_at=row.finished_at,
        outcome=row.outcome,
        http_status=row.http_status,
        detail=row.detail,
    )
