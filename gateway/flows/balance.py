"""Persons returned to France and admitted to the UK so far, and the quotas of the present week.

Simple sums over the messages themselves; the ledger with history comes with its own issue.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import AsyncIterator
from typing import Any

from contracts.codes import AdmissionOutcomeCode, Direction, MessageType, TransferOutcomeCode
from contracts.model import (
    AdmissionOutcome,
    Message,
    Nomination,
    ReadmissionRequest,
    TransferOutcome,
    TransferReceipt,
)
from gateway.core.records import MessageRecord, MessageStatus
from gateway.flows.exchange import Exchange
from gateway.flows.ports import MessageFilter, Transaction
from gateway.flows.uk_receipts import instant

Json = dict[str, Any]
_NOT_COUNTED = frozenset(
    {MessageStatus.HELD, MessageStatus.CANCELLED, MessageStatus.FAILED, MessageStatus.REJECTED}
)


async def balance(exchange: Exchange) -> Json:
    """``balance`` is signed: returned minus admitted (Art 1).

    Returned: as France confirmed it (TransferReceipt), else as the UK reported it (TransferOutcome).
    """
    now = exchange.clock.now()
    returned: dict[str, int] = {}
    admitted: dict[str, int] = {}
    async with exchange.store.begin(read_only=True) as tx:
        async for record, message in _messages(tx, MessageType.TRANSFER_OUTCOME, Direction.UK_TO_FR):
            body = message.body
            if isinstance(body, TransferOutcome) and body.outcome is TransferOutcomeCode.CARRIED_OUT:
                returned[record.reference] = body.persons_transferred
        async for record, message in _messages(tx, MessageType.TRANSFER_RECEIPT, Direction.FR_TO_UK):
            if isinstance(message.body, TransferReceipt):
                returned[record.reference] = message.body.persons_received
        async for record, message in _messages(tx, MessageType.ADMISSION_OUTCOME, Direction.UK_TO_FR):
            body = message.body
            if isinstance(body, AdmissionOutcome) and body.outcome is AdmissionOutcomeCode.ARRIVED:
                admitted[record.reference] = body.persons_admitted
        quotas = await _quotas(tx, exchange, now)
    gone, came = sum(returned.values()), sum(admitted.values())
    return {
        "as_of": instant(now),
        "returned": gone,
        "admitted": came,
        "balance": gone - came,
        "quotas": quotas,
    }


async def _quotas(tx: Transaction, exchange: Exchange, now: dt.datetime) -> list[Json]:
    terms = exchange.agreement.quotas
    zone = zoneinfo.ZoneInfo(terms.zone)
    today = now.astimezone(zone).date()
    monday = today - dt.timedelta(days=today.weekday())
    since = dt.datetime.combine(monday, dt.time(), tzinfo=zone)
    rows = (
        ("readmission", MessageType.READMISSION_REQUEST, terms.readmissions),
        ("nomination", MessageType.NOMINATION, terms.nominations),
    )
    return [
        {
            "kind": kind,
            "period_start": monday.isoformat(),
            "period_end": (monday + dt.timedelta(days=6)).isoformat(),
            "limit": limit,
            "used": await _persons_since(tx, message_type, since),
        }
        for kind, message_type, limit in rows
    ]


async def _persons_since(tx: Transaction, message_type: MessageType, since: dt.datetime) -> int:
    used = 0
    async for record, message in _messages(tx, message_type, Direction.UK_TO_FR, since=since):
        body = message.body
        if record.status not in _NOT_COUNTED and isinstance(body, ReadmissionRequest | Nomination):
            used += len(body.persons)
    return used


async def _messages(
    tx: Transaction, kind: MessageType, direction: Direction, *, since: dt.datetime | None = None
) -> AsyncIterator[tuple[MessageRecord, Message]]:
    """Newest first, back to ``since``; messages whose content retention has deleted are left out."""
    cursor: str | None = None
    while True:
        page = await tx.list_messages(MessageFilter(type=kind, direction=direction), cursor=cursor, limit=200)
        for record in page.items:
            if since is not None and record.received_at < since:
                return
            try:
                yield record, await tx.content(record.message_id)
            except LookupError:
                continue
        cursor = page.next_cursor
        if cursor is None:
            return
