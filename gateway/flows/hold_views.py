"""What the API and the command line show of the holding area: JSON-ready values, never content."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from contracts.codes import Direction
from gateway.core.errors import NotFound
from gateway.core.records import AuditEntry, MessageRecord, MessageStatus
from gateway.flows.exchange import Exchange
from gateway.flows.holds import HELD, look
from gateway.flows.ports import MessageFilter, Transaction
from gateway.flows.uk_receipts import instant

Json = dict[str, Any]


async def list_holds(
    exchange: Exchange, *, cursor: str | None = None, limit: int = 50
) -> tuple[list[Json], str | None]:
    """(what is held, oldest first; cursor of the next page or None). No content. Raises BadCursor."""
    now = exchange.clock.now()
    where = MessageFilter(status=MessageStatus.HELD, direction=Direction.UK_TO_FR)
    async with exchange.store.begin(read_only=True) as tx:
        page = await tx.list_messages(where, cursor=cursor, limit=limit, newest_first=False)
        rows = [await _row(tx, exchange, record, now) for record in page.items]
    return rows, page.next_cursor


async def show_hold(exchange: Exchange, message_id: str) -> Json:
    """One held message with its reasons as of now, in both languages. Raises NotFound, Conflict
    (its content was deleted)."""
    now = exchange.clock.now()
    async with exchange.store.begin(read_only=True) as tx:
        record = await tx.get_message(message_id)
        if record is None or record.status is not MessageStatus.HELD:
            raise NotFound("no such message is held")
        looked = await look(tx, exchange, record, now)
        row = await _row(tx, exchange, record, now)
    reasons = [
        {"pointer": p.path, "code": p.code, "message": {"en": p.message_en, "fr": p.message_fr}}
        for p in looked.reasons
    ]
    roles, persons = sorted(looked.roles), looked.persons
    return {**row, "roles": roles, "persons": persons, "reasons": reasons}


async def _row(tx: Transaction, exchange: Exchange, record: MessageRecord, now: dt.datetime) -> Json:
    entries = await tx.audit_entries(subject=record.message_id)
    last = _last_hold(entries)
    since = record.received_at if last is None else last.at
    need = exchange.holds.of(record.code or "")
    path = None if last is None else last.data.get("path")
    decisions = await tx.decisions(record.message_id)
    return {
        "message_id": record.message_id,
        "reference": record.reference,
        "type": record.type.value,
        "code": record.code,
        "pointer": path,
        "held_since": instant(since),
        "age_seconds": max(0, int((now - since).total_seconds())),
        "roles": [need.role],
        "persons": need.persons,
        "decisions": [
            {
                "decision": d.decision.value,
                "code": d.code,
                "actor": d.actor,
                "at": instant(d.at),
                "reason": d.reason,
                "round": d.round,
            }
            for d in decisions
        ],
    }


def _last_hold(entries: Sequence[AuditEntry]) -> AuditEntry | None:
    return next((e for e in reversed(entries) if e.action == HELD), None)
