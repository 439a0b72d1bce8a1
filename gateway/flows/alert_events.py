"""Which alerts new audit entries are cause for: what has happened and cannot end by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts.codes import Direction
from gateway.core.alert_kinds import AlertKind, Severity
from gateway.core.alerts import MOST_MESSAGES, SUBJECT, VALUE, Facts, Finding
from gateway.core.errors import Side
from gateway.core.records import AuditEntry
from gateway.flows.delivery_record import ACTOR as WORKER
from gateway.flows.french_inbox import ACTOR as AS4
from gateway.flows.incidents import ACTION as PRIVACY
from gateway.flows.ports import Transaction

REJECTED: Final = "message.rejected"
REFUSED: Final = "message.refused"
PARTY: Final = "party:"
"""Begins an actor whose signature was verified."""
_BY_FRANCE: Final = frozenset({WORKER, AS4})
"""Who writes down that France refused; operators and quotas refuse too, and are their own actors."""


async def happened(tx: Transaction, entries: Sequence[AuditEntry]) -> list[Finding]:
    """Refusals by France and of France, and privacy breaches among new audit entries: one finding for each
    incident. What no signature vouches for (its actor is no party) anybody may send: no alert."""
    refused: dict[str, list[AuditEntry]] = {}
    refused_here: dict[str, list[AuditEntry]] = {}
    breaches: dict[str, list[AuditEntry]] = {}
    for entry in entries:
        if entry.action == REJECTED and entry.actor in _BY_FRANCE:
            record = await tx.get_message(entry.subject)
            if record is not None and record.direction is Direction.UK_TO_FR:
                refused.setdefault(str(entry.data.get("code") or "—"), []).append(entry)
        elif entry.action == REFUSED and entry.actor.startswith(PARTY):
            refused_here.setdefault(str(entry.data.get("code") or "—"), []).append(entry)
        elif entry.action == PRIVACY:
            breaches.setdefault(entry.actor.removeprefix(PARTY), []).append(entry)
    return [
        *(_refusal(code, rows) for code, rows in refused.items()),
        *(_refusal_here(code, rows) for code, rows in refused_here.items()),
        *(_breach(party, rows) for party, rows in breaches.items()),
    ]


def _refusal(code: str, rows: Sequence[AuditEntry]) -> Finding:
    newest = tuple(row.subject for row in reversed(rows))[:MOST_MESSAGES]
    kind = AlertKind.NEGATIVE_ACKNOWLEDGEMENT
    return _incident(kind, Severity.MAJOR, Side.UK, code, rows, count=len(rows), messages=newest)


def _refusal_here(code: str, rows: Sequence[AuditEntry]) -> Finding:
    last = rows[-1]
    facts = {VALUE: str(last.data.get("ebms") or "—"), "party": last.actor.removeprefix(PARTY)}
    kind = AlertKind.REFUSED_HERE
    return _incident(kind, Severity.MAJOR, Side.FR, code, rows, count=len(rows), facts=facts)


def _breach(party: str, rows: Sequence[AuditEntry]) -> Finding:
    count = sum(1 + _skipped(row) for row in rows)
    facts = {"audit_sequence": rows[-1].sequence}
    kind = AlertKind.PRIVACY_BREACH
    return _incident(kind, Severity.CRITICAL, Side.FR, party, rows, count=count, facts=facts)


def _skipped(entry: AuditEntry) -> int:
    """Entries like this one that the noise gate kept out of the log before it."""
    more = entry.data.get("not_written_before")
    return more if isinstance(more, int) else 0


def _incident(
    kind: AlertKind,
    severity: Severity,
    side: Side,
    key: str,
    rows: Sequence[AuditEntry],
    *,
    count: int,
    facts: Facts | None = None,
    messages: tuple[str, ...] = (),
) -> Finding:
    """All entries of one incident, the oldest first; ``key`` is what they have in common."""
    return Finding(
        kind=kind,
        key=key,
        severity=severity,
        side=side,
        count=count,
        newest_at=rows[-1].at,
        facts={SUBJECT: key, **(facts or {})},
        messages=messages,
    )
