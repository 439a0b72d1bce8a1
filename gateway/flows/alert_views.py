"""Alerts as operators see them, for console and command line alike: what, since when, who was told and how.

Recipients are shown masked: enough to know one's own mailbox, not enough to copy.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.core.alert_kinds import KINDS, SEVERITY_WORDS, SIDE_WORDS, AlertKind, Words
from gateway.core.alert_records import Notice, NoticeAttempt
from gateway.core.alert_words import EVENT_WORDS
from gateway.core.alerts import Alert, Recipient, Via, fill
from gateway.core.errors import NotFound
from gateway.core.words import typeset
from gateway.flows.exchange import Exchange
from gateway.flows.ports import Transaction
from gateway.flows.ports_alerts import AlertFilter

Json = dict[str, Any]
_LISTS: Final = {
    AlertKind.DEAD_LETTER: "/console/messages?status=failed&direction={direction}",
    AlertKind.BREAKER_OPEN: "/console/partners",
    AlertKind.BACKLOG_AGE: "/console/messages?status=accepted",
    AlertKind.CLOCK_WARNING: "/console/deadlines?clock={clock}",
    AlertKind.CLOCK_BREACH: "/console/deadlines?clock={clock}",
    AlertKind.CERTIFICATE: "/console/partners",
    AlertKind.NEGATIVE_ACKNOWLEDGEMENT: "/console/messages?status=rejected&direction=UK_TO_FR",
    AlertKind.REFUSED_HERE: "/console/audit?action=message.refused&actor=party:{party}",
    AlertKind.PRIVACY_BREACH: "/console/audit?action=privacy.incident",
    AlertKind.BALANCE_THRESHOLD: "/console/balance",
    AlertKind.QUOTA_WAIT: "/console/held",
    AlertKind.AUDIT_CHAIN: "/console/audit",
}


def both(words: Words) -> dict[str, str]:
    """English and French."""
    return {"en": words.en, "fr": typeset(words.fr)}


def _filled(words: Words, alert: Alert) -> dict[str, str]:
    count, facts = alert.count, alert.facts
    return {"en": fill(words, count, facts, "en"), "fr": typeset(fill(words, count, facts, "fr"))}


def list_behind(alert: Alert) -> str | None:
    """The console page with what the alert counts."""
    pattern = _LISTS.get(alert.kind)
    if pattern is None:
        return None
    return pattern.format(**{name: alert.facts.get(name, "") for name in ("direction", "clock", "party")})


def alert_row(alert: Alert) -> Json:
    """One line of a list; instants are aware (UTC)."""
    return {
        "alert_id": alert.alert_id,
        "kind": alert.kind.value,
        "key": alert.key,
        "severity": alert.severity.value,
        "severity_name": both(SEVERITY_WORDS[alert.severity]),
        "side": alert.side.value,
        "side_name": both(SIDE_WORDS[alert.side]),
        "title": _filled(KINDS[alert.kind].title, alert),
        "count": alert.count,
        "state": "open" if alert.is_open else "cleared",
        "opened_at": alert.opened_at,
        "updated_at": alert.updated_at,
        "acknowledged_at": alert.acknowledged_at,
        "acknowledged_by": alert.acknowledged_by,
        "escalated_at": alert.escalated_at,
        "cleared_at": alert.cleared_at,
        "cleared_by": alert.cleared_by,
    }


def masked(recipient: Recipient | None) -> str:
    """A mailbox by its first letter and domain, a webhook by its host; a dash when it is configured no
    more."""
    if recipient is None:
        return "—"
    if recipient.via is Via.WEBHOOK:
        return recipient.address.split("//", 1)[-1].split("/", 1)[0]
    name, _, domain = recipient.address.partition("@")
    return f"{name[:1]}…@{domain}"


def _notice(notice: Notice, attempts: list[NoticeAttempt], recipients: dict[str, Recipient]) -> Json:
    return {
        "notice_id": notice.notice_id,
        "event": notice.event.value,
        "event_name": both(EVENT_WORDS[notice.event]),
        "via": notice.target_id.partition(":")[0],
        "recipient": masked(recipients.get(notice.target_id)),
        "state": notice.state.value,
        "created_at": notice.created_at,
        "due_at": notice.due_at,
        "ended_at": notice.ended_at,
        "attempts": [
            {"at": a.started_at, "number": a.number, "outcome": a.outcome, "detail": a.detail}
            for a in attempts
        ],
    }


async def _told(tx: Transaction, exchange: Exchange, notices: tuple[Notice, ...]) -> list[Json]:
    attempts: dict[int, list[NoticeAttempt]] = {}
    for attempt in await tx.notice_attempts([notice.notice_id for notice in notices]):
        attempts.setdefault(attempt.notice_id, []).append(attempt)
    recipients = {recipient.target_id: recipient for recipient in exchange.alerts.recipients}
    return [_notice(n, attempts.get(n.notice_id, []), recipients) for n in notices]


async def list_alerts(
    exchange: Exchange, where: AlertFilter, *, cursor: str | None = None, limit: int = 50
) -> tuple[list[Json], str | None]:
    """Newest first, and where to go on. Raises BadCursor."""
    async with exchange.store.begin(read_only=True) as tx:
        page = await tx.list_alerts(where, cursor=cursor, limit=limit)
    return [alert_row(alert) for alert in page.items], page.next_cursor


async def show_alert(exchange: Exchange, alert_id: str) -> Json:
    """One alert with its words, the messages it names, each notice with its attempts. Raises NotFound."""
    async with exchange.store.begin(read_only=True) as tx:
        alert = await tx.get_alert(alert_id)
        if alert is None:
            raise NotFound("no such alert")
        notices = await _told(tx, exchange, await tx.alert_notices(alert_id))
        records = [await tx.get_message(message_id) for message_id in alert.messages]
    spec = KINDS[alert.kind]
    return {
        **alert_row(alert),
        "reason": alert.reason,
        "cause": _filled(spec.cause, alert),
        "cure": _filled(spec.cure, alert),
        "ends": both(spec.cleared),
        "facts": dict(alert.facts),
        "list": list_behind(alert),
        "messages": [record.message_id for record in records if record is not None],
        "notices": notices,
    }


async def show_test(exchange: Exchange, test_id: str) -> list[Json]:
    """The notices of a test. Raises NotFound."""
    async with exchange.store.begin(read_only=True) as tx:
        notices = await tx.test_notices(test_id)
        if not notices:
            raise NotFound("no such test")
        return await _told(tx, exchange, notices)
