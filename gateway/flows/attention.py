"""The rows of the first page: what is stuck, whose part it is, how old it is, when its next time limit
ends, and whether it may be sent again. Judged by the same tables as the page of the message.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.codes import MessageType
from gateway.core import holder
from gateway.core.errors import Side
from gateway.core.holder import Resend
from gateway.core.records import Channel, MessageRecord
from gateway.core.treaty.clocks import Deadline, clocks_of
from gateway.core.words import Words
from gateway.flows.exchange import Exchange
from gateway.flows.message_view import SIDES, facts_of
from gateway.flows.overview import Need, Overview
from gateway.flows.ports import Transaction
from gateway.flows.resending import answer
from gateway.flows.uk_receipts import instant

_BOTH_SIDES: Final = Words("both sides", "les deux parties")
_OWED_BY: Final = {"uk": SIDES[Side.UK], "fr": SIDES[Side.FR]}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One thing that waits for somebody. Words are in both languages; no content."""

    need: Need
    type: MessageType | None
    """None: a time limit, told by ``clock``."""
    clock: Words | None = None
    state: str
    """Status of the message or state of the time limit."""
    message_id: str
    reference: str
    code: str | None = None
    since: dt.datetime
    due_at: dt.datetime | None
    """When the case's next open time limit ends."""
    unverified: bool = False
    """The time limit is not confirmed by the text of the agreement."""
    part_of: Words | None
    """Whose part it is; None when nothing is wrong."""
    why: Words | None = None
    resend: Resend | None = None
    resend_name: Words | None = None


async def rows(exchange: Exchange, seen: Overview) -> tuple[Row, ...]:
    """Those of every group, the most pressing group first; a message that stands in two groups once."""
    needs: dict[str, Need] = {}
    records: dict[str, MessageRecord] = {}
    for group in seen.groups:
        for record in group.messages:
            needs.setdefault(record.message_id, group.need)
            records.setdefault(record.message_id, record)
    async with exchange.store.begin(read_only=True) as tx:
        messages = await _of_messages(tx, exchange, needs, records, seen.at)
    found: list[Row] = []
    for group in seen.groups:
        found += [_of_deadline(exchange, group.need, row) for row in group.deadlines]
        found += [row for row in messages if row.need is group.need]
    return tuple(found)


def _of_deadline(exchange: Exchange, need: Need, row: Deadline) -> Row:
    clock = clocks_of(exchange.agreement).get(row.clock)
    terms = None if clock is None else clock.terms
    return Row(
        need=need,
        type=None,
        clock=Words(row.clock, row.clock) if terms is None else Words(terms.name_en, terms.name_fr),
        state=row.state.value,
        message_id=row.message_id,
        reference=row.reference,
        since=row.started_at,
        due_at=row.due_at,
        unverified=terms is not None and terms.unverified,
        part_of=_BOTH_SIDES if terms is None else _OWED_BY.get(terms.owed_by, _BOTH_SIDES),
    )


async def _of_messages(
    tx: Transaction,
    exchange: Exchange,
    needs: Mapping[str, Need],
    ids: Mapping[str, MessageRecord],
    now: dt.datetime,
) -> list[Row]:
    """All groups at once: as many questions to the database as one group takes."""
    if not ids:
        return []
    facts = await tx.resend_facts(list(ids), now=now)
    tried = await tx.last_attempts(list(ids))
    limits = await tx.next_limits(sorted({record.reference for record in ids.values()}))
    breaker = await tx.breaker(exchange.french_party)
    found = []
    for message_id, record in ids.items():
        attempts = [tried[message_id, channel] for channel in Channel if (message_id, channel) in tried]
        part = holder.look(facts_of(exchange, facts[message_id], attempts, breaker, now))
        again = answer(exchange, facts[message_id])
        found.append(
            Row(
                need=needs[message_id],
                type=record.type,
                state=record.status.value,
                message_id=message_id,
                reference=record.reference,
                code=record.code,
                since=record.received_at,
                due_at=limits.get(record.reference),
                part_of=None if part.fault is None else SIDES[part.fault],
                why=part.reason,
                resend=again.resend,
                resend_name=again.name,
            )
        )
    return found


def row_view(row: Row) -> dict[str, Any]:
    """JSON-ready, for the command line: instants ISO 8601 UTC, words in both languages."""
    return {
        "need": row.need.value,
        "message_id": row.message_id,
        "reference": row.reference,
        "type": None if row.type is None else row.type.value,
        "clock": None if row.clock is None else row.clock.as_json(),
        "state": row.state,
        "code": row.code,
        "since": instant(row.since),
        "due_at": None if row.due_at is None else instant(row.due_at),
        "unverified": row.unverified,
        "part_of": None if row.part_of is None else row.part_of.as_json(),
        "why": None if row.why is None else row.why.as_json(),
        "resend": None if row.resend is None else row.resend.value,
    }
