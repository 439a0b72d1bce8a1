"""One timeline of a message, newest first, joining both legs: UK, France, clocks, operators, answers."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.codelists import label
from contracts.codes import Direction
from gateway.core import timeline_words as words
from gateway.core.days import day_words, place_words
from gateway.core.explanations import explain_attempt, explain_failed
from gateway.core.records import Attempt, AuditEntry, Channel, Evidence, EvidenceKind, MessageRecord
from gateway.core.timeline_words import LEG_WORDS, Leg, Tone
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.clocks import Deadline, DeadlineState, clocks_of
from gateway.core.words import Words
from gateway.flows.uk_receipts import instant

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """``rank`` orders what happened at the same instant: the higher one came later."""

    at: dt.datetime
    leg: Leg
    tone: Tone
    title: Words
    detail: Words | None = None
    actor: str | None = None
    code: str | None = None
    message_id: str | None = None
    """Of another message that this line is about."""
    rank: int = 0

    def as_json(self) -> Json:
        return {
            "at": instant(self.at),
            "leg": self.leg.value,
            "leg_name": LEG_WORDS[self.leg].as_json(),
            "tone": self.tone.value,
            "title": self.title.as_json(),
            "detail": None if self.detail is None else self.detail.as_json(),
            "actor": self.actor,
            "code": self.code,
            "message_id": self.message_id,
        }


def timeline(
    record: MessageRecord,
    *,
    agreement: Agreement,
    audit: Sequence[AuditEntry],
    attempts: Sequence[Attempt],
    evidence: Sequence[Evidence],
    deadlines: Sequence[Deadline],
    related: Sequence[MessageRecord],
) -> list[Json]:
    """JSON-ready lines, newest first. ``deadlines``: of the case; those of this message are told."""
    entries = [
        *_begin(record, evidence),
        *_audit(audit, attempts),
        *_attempts(attempts),
        *_clocks(record, agreement, deadlines),
        *_related(related),
    ]
    return [e.as_json() for e in sorted(entries, key=lambda e: (e.at, e.rank), reverse=True)]


def _begin(record: MessageRecord, evidence: Sequence[Evidence]) -> Iterable[Entry]:
    from_uk = record.direction is Direction.UK_TO_FR
    yield Entry(
        at=record.received_at,
        leg=Leg.UK if from_uk else Leg.FRANCE,
        tone=Tone.GOOD,
        title=words.TAKEN_FROM_UK if from_uk else words.TAKEN_FROM_FRANCE,
        actor=record.client_id,
        rank=-3,
    )
    titles = {
        EvidenceKind.UK_RECEIPT_JWS: (Leg.UK, Tone.GOOD, words.RECEIPT_TO_UK),
        EvidenceKind.AS4_ERROR: (Leg.FRANCE, Tone.BAD, words.ERROR_SIGNAL),
    }
    if not from_uk:
        titles[EvidenceKind.NRR_RECEIPT] = (Leg.FRANCE, Tone.GOOD, words.RECEIPT_TO_FRANCE)
        yield Entry(at=record.received_at, leg=Leg.UK, tone=Tone.WAIT, title=words.INBOX, rank=-1)
    for item in evidence:
        if item.kind in titles:
            leg, tone, title = titles[item.kind]
            yield Entry(at=item.created_at, leg=leg, tone=tone, title=title, rank=-2)


def _audit(entries: Iterable[AuditEntry], attempts: Sequence[Attempt]) -> Iterable[Entry]:
    for entry in entries:
        line = words.line_of(entry.action)
        if line is None:
            continue
        leg, tone, title = line
        code = entry.data.get("code")
        reason = entry.data.get("reason")
        why = explain_failed(code, attempts) if isinstance(code, str) else None
        detail = why.cause if why is not None and why.known else None
        if isinstance(reason, str):
            detail = Words(reason, reason)
        yield Entry(
            at=entry.at,
            leg=Leg.OPERATOR if entry.actor.startswith("operator:") else leg,
            tone=tone,
            title=title,
            detail=detail,
            actor=entry.actor,
            code=code if isinstance(code, str) else None,
            rank=3,
        )


def attempt_words(attempt: Attempt) -> Words:
    """``Attempt 2: No connection``."""
    outcome = explain_attempt(attempt).outcome
    names = {
        Channel.AS4: ("Attempt", "Tentative"),
        Channel.AS4_SIGNAL: ("Receipt, attempt", "Accusé, tentative"),
        Channel.WEBHOOK: ("Webhook, attempt", "Notification, tentative"),
    }
    en, fr = names[attempt.channel]
    return Words(f"{en} {attempt.number}: {outcome.en}", f"{fr} {attempt.number} : {outcome.fr}")


def _attempts(attempts: Iterable[Attempt]) -> Iterable[Entry]:
    for attempt in attempts:
        good = attempt.outcome == "delivered"
        waits = attempt.outcome == "delivery.receipt_awaited"
        why = explain_attempt(attempt)
        yield Entry(
            at=attempt.finished_at,
            leg=Leg.UK if attempt.channel is Channel.WEBHOOK else Leg.FRANCE,
            tone=Tone.GOOD if good else Tone.WAIT if waits else Tone.BAD,
            title=attempt_words(attempt),
            detail=None if good else why.cause,
            code=None if good else attempt.outcome,
            rank=1,
        )


def _clocks(record: MessageRecord, agreement: Agreement, rows: Iterable[Deadline]) -> Iterable[Entry]:
    table = clocks_of(agreement)
    for row in rows:
        clock = table.get(row.clock)
        name = Words(clock.terms.name_en, clock.terms.name_fr) if clock else Words(row.clock, row.clock)
        if row.message_id == record.message_id:
            due, place = day_words(row.due_at.astimezone(zoneinfo.ZoneInfo(row.zone))), place_words(row.zone)
            yield Entry(
                at=row.started_at,
                leg=Leg.CLOCK,
                tone=Tone.PLAIN,
                title=_joined(name, words.CLOCK_STARTED),
                detail=Words(f"Due on {due.en} ({place.en})", f"Échéance le {due.fr} ({place.fr})"),
                rank=4,
            )
        if row.closed_at is not None and record.message_id in {row.message_id, row.closed_by}:
            met = row.state is DeadlineState.MET
            yield Entry(
                at=row.closed_at,
                leg=Leg.CLOCK,
                tone=Tone.GOOD if met else Tone.PLAIN,
                title=_joined(name, words.CLOCK_MET if met else words.CLOCK_ENDED),
                message_id=row.closed_by if row.closed_by != record.message_id else None,
                rank=5,
            )


def _joined(name: Words, what: Words) -> Words:
    return Words(f"{name.en}: {what.en.lower()}", f"{name.fr} : {what.fr.lower()}")


def _related(records: Iterable[MessageRecord]) -> Iterable[Entry]:
    for record in records:
        from_france = record.direction is Direction.FR_TO_UK
        yield Entry(
            at=record.received_at,
            leg=Leg.FRANCE if from_france else Leg.UK,
            tone=Tone.PLAIN,
            title=Words(
                f"{'France' if from_france else 'The UK'} sent: {label(record.type, 'en')}",
                f"{'La France' if from_france else 'Le Royaume-Uni'} a envoyé : {label(record.type, 'fr')}",
            ),
            message_id=record.message_id,
            rank=2,
        )
