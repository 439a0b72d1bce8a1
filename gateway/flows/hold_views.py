"""What the API and the command line show of the holding area: JSON-ready values, never content."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from contracts.codes import Direction
from gateway.core.errors import NotFound
from gateway.core.records import AuditEntry, MessageRecord, MessageStatus
from gateway.core.treaty.quotas import FOLLOWS, QuotaKind
from gateway.flows.exchange import Exchange
from gateway.flows.holds import HELD, held, look
from gateway.flows.ports import MessageFilter, Transaction
from gateway.flows.ports_search import Bounded
from gateway.flows.uk_receipts import instant

Json = dict[str, Any]


async def list_holds(
    exchange: Exchange, *, cursor: str | None = None, limit: int = 50, for_room: bool | None = None
) -> tuple[list[Json], str | None]:
    """(what is held, oldest first; cursor of the next page or None). No content. ``for_room``: only what
    waits for room in a quota, or only the rest. Raises BadCursor."""
    now = exchange.clock.now()
    where = MessageFilter(status=MessageStatus.HELD, direction=Direction.UK_TO_FR, for_room=for_room)
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


def approvals(row: Json) -> int:
    """How many have approved in the round that is open; ``row`` as listed or shown."""
    ended = [d["round"] for d in row["decisions"] if d["decision"] != "approved"]
    now = max(ended, default=0) + 1
    return sum(d["round"] == now and d["code"] == row["code"] for d in row["decisions"])


async def explain(exchange: Exchange, message_id: str) -> list[Json]:
    """Whom a held nomination meets among the returned, without name or number: which of its persons, what is
    equal, and the case of the other (None: imported before go-live). Raises as ``show_hold``."""
    now = exchange.clock.now()
    async with exchange.store.begin(read_only=True) as tx:
        looked = await look(tx, exchange, await held(tx, message_id), now)
        cases = {f.owner: await tx.get_case(f.owner) for f in looked.exclusion.found}
    return [
        {
            "person": found.place + 1,
            "match": found.match.value,
            "exact": found.exact,
            "equal": list(found.kinds),
            "reference": None if (case := cases[found.owner]) is None else case.reference,
            "case_status": None if case is None else case.status,
        }
        for found in looked.exclusion.found
    ]


async def waiting(exchange: Exchange, kind: QuotaKind, *, limit: int = 200) -> list[Json]:
    """What waits for room in a quota, in the order in which it will go."""
    now = exchange.clock.now()
    first = exchange.agreement.quotas.priority_first
    async with exchange.store.begin(read_only=True) as tx:
        queue = await tx.quota_queue(kind, priority_first=first, limit=limit)
        cases = [await tx.get_case(record.reference) for record in queue]
    return [
        {
            "place": place,
            "message_id": record.message_id,
            "reference": record.reference,
            "type": record.type.value,
            "code": record.code,
            "priority": case is not None and case.priority,
            "received_at": record.received_at,
            "age_seconds": max(0, int((now - record.received_at).total_seconds())),
        }
        for place, (record, case) in enumerate(zip(queue, cases, strict=True), start=1)
    ]


async def followers(exchange: Exchange) -> Bounded:
    """How many messages wait only because the case that they belong to does."""
    where = MessageFilter(status=MessageStatus.HELD, direction=Direction.UK_TO_FR, code=FOLLOWS)
    async with exchange.store.begin(read_only=True) as tx:
        return await tx.count_messages(where)


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
