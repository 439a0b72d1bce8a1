"""Everything that the page of one case shows, as one JSON-ready value: console and command line alike."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from contracts.codes import CaseKind, MessageType
from contracts.model import Message
from gateway.core.errors import NotFound
from gateway.core.masking import content_rows
from gateway.core.records import AuditEntry, CaseRecord, MessageRecord, MessageStatus, Page
from gateway.core.reveal import may_see
from gateway.core.timeline_words import LEG_WORDS, Leg, Tone, line_of
from gateway.core.treaty import lifeline
from gateway.core.words import Words
from gateway.flows import reveals
from gateway.flows.deadline_views import by_due, deadline_view
from gateway.flows.exchange import Exchange
from gateway.flows.ports import MessageFilter, Transaction
from gateway.flows.ports_reveals import Reveal
from gateway.flows.reveals import Viewer, reveal_view
from gateway.flows.uk_receipts import instant
from gateway.flows.view_values import case_summary, message_summary

Json = dict[str, Any]
History = tuple[tuple[MessageRecord, Message], ...]
_MOST: Final = 500
_NEVER_LEFT: Final = frozenset({MessageStatus.HELD, MessageStatus.CANCELLED})
CASE_EVENTS: Final = {
    reveals.STARTED: Words("Personal data revealed", "Données personnelles dévoilées"),
    reveals.ENDED: Words("Reveal ended", "Fin de la consultation"),
    "message.refused": Words("A message was refused", "Un message a été refusé"),
}
"""Audit actions whose subject is the case itself."""


async def case_page(exchange: Exchange, reference: str, *, viewer: Viewer | None = None) -> Json:
    """Keys: ``case``, ``line`` (states in order), ``exits``, ``messages`` (oldest first), ``held``,
    ``deadlines``, ``persons`` (masked unless a reveal runs), ``events`` (newest first), ``reveals``. Raises
    NotFound."""
    now = exchange.clock.now()
    async with exchange.store.begin(read_only=True) as tx:
        case = await tx.get_case(reference)
        if case is None:
            raise NotFound("no such case")
        page = await tx.list_messages(MessageFilter(reference=reference), limit=_MOST, newest_first=False)
        history = await _history(tx, reference)
        deadlines = by_due(await tx.case_deadlines(reference))
        audit = await tx.audit_entries(subject=reference, limit=_MOST)
        looks = await tx.reveals(reference)
        reveal = await reveals.running(tx, reference, viewer, now)
    return {
        "case": case_summary(case),
        **_line(case, page.items, history),
        "messages": [message_summary(r) for r in page.items],
        "held": [message_summary(r) for r in page.items if r.status is MessageStatus.HELD],
        "deadlines": [deadline_view(exchange.agreement, d) for d in deadlines],
        "content": await _persons(exchange, history, viewer, reveal, now),
        "events": _events(audit),
        "reveals": [reveal_view(r, now) for r in looks],
    }


async def _history(tx: Transaction, reference: str) -> History | None:
    """None once retention destroyed the key of the case."""
    try:
        return await tx.history(reference)
    except LookupError:
        return None


def _line(case: CaseRecord, records: Sequence[MessageRecord], history: History | None) -> Json:
    moved = [
        lifeline.Moved(message=message, at=record.received_at, counts=record.status not in _NEVER_LEFT)
        for record, message in history or ()
    ]
    steps = lifeline.line(case.kind, case.status, moved)
    types = {r.message_id: r for r in records}
    return {
        "line": [
            {
                "status": step.status,
                "mark": step.mark.value,
                "at": None if step.at is None else instant(step.at),
                "message_id": step.message_id,
                "message_type": types[step.message_id].type.value if step.message_id in types else None,
                "direction": types[step.message_id].direction.value if step.message_id in types else None,
            }
            for step in steps
        ],
        "exits": list(lifeline.exits(case.kind, case.status)),
    }


_WITH_PERSONS: Final = (MessageType.CORRECTION, MessageType.READMISSION_REQUEST, MessageType.NOMINATION)


async def _persons(
    exchange: Exchange,
    history: History | None,
    viewer: Viewer | None,
    reveal: Reveal | None,
    now: dt.datetime,
) -> Json:
    """Persons as the newest message has them that states any; masked rows, or clear ones under a reveal."""
    source = next(
        (
            (r, m)
            for r, m in reversed(history or ())
            if m.type in _WITH_PERSONS and getattr(m.body, "persons", None)
        ),
        None,
    )
    value: Json = {
        "available": source is not None,
        "revealed": False,
        "may_reveal": False,
        "withheld": False,
        "reveal": None if reveal is None else reveal_view(reveal, now),
        "rows": [],
        "message_id": None,
    }
    if source is None:
        return value
    record, message = source
    theirs = viewer is not None and may_see(viewer.side, record)
    revealed = False
    if viewer is not None and reveal is not None:
        revealed = await reveals.note_view(exchange, record, viewer, reveal)
    rows = [r for r in content_rows(message, revealed=revealed) if r["path"].startswith("/persons")]
    may = viewer is not None and viewer.may_reveal
    return {
        **value,
        "revealed": revealed,
        "may_reveal": may and theirs,
        "withheld": may and not theirs,
        "rows": rows,
        "message_id": record.message_id,
    }


def _events(audit: Sequence[AuditEntry]) -> list[Json]:
    found = []
    for entry in reversed(audit):
        line = line_of(entry.action)
        leg, tone, title = line or (Leg.GATEWAY, Tone.PLAIN, Words(entry.action, entry.action))
        title = CASE_EVENTS.get(entry.action, title)
        leg = Leg.OPERATOR if entry.actor.startswith("operator:") else leg
        reason, code = entry.data.get("reason"), entry.data.get("code")
        found.append(
            {
                "at": instant(entry.at),
                "leg": leg.value,
                "leg_name": LEG_WORDS[leg].as_json(),
                "tone": tone.value,
                "title": title.as_json(),
                "detail": {"en": reason, "fr": reason} if isinstance(reason, str) else None,
                "actor": entry.actor,
                "code": code if isinstance(code, str) else None,
                "message_id": None,
            }
        )
    return found


async def case_list(
    exchange: Exchange,
    *,
    kind: CaseKind | None = None,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[CaseRecord]:
    """Newest first. Raises BadCursor."""
    async with exchange.store.begin(read_only=True) as tx:
        return await tx.list_cases(kind=kind, status=status, cursor=cursor, limit=limit)
