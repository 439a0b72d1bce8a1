"""Alerts: from findings to incidents, pure. One incident is one alert, whatever it counts.

A *finding* is a condition that holds now, or something that has happened; its key names the incident, so
that 300 dead letters of one endpoint are one finding with a count. ``look`` compares the open alerts with the
findings and says what follows: opened, worsened, changed, calm, cleared, escalated or nothing. Who is told,
and when, is decided here too: quiet hours of each side in its own zone; what nobody acknowledged escalates.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from gateway.core import roles
from gateway.core.alert_kinds import KINDS, AlertKind, Ends, Severity, Words
from gateway.core.errors import Side
from gateway.core.quiet import QuietHours as QuietHours
from gateway.core.terms import days_left

MOST_MESSAGES: Final = 20
"""Message ids that an alert names; the lists behind it show all."""
Facts = Mapping[str, str | int]
SUBJECT, VALUE, SUBJECT_FR, VALUE_FR = "subject", "value", "subject_fr", "value_fr"


class AlertEvent(StrEnum):
    """What is told about an alert. The same names end the types of the CloudEvents."""

    OPENED = "opened"
    WORSENED = "worsened"
    """The next step was reached, or new members came after the acknowledgement."""
    ESCALATED = "escalated"
    """Nobody acknowledged it in time."""
    CLEARED = "cleared"
    TEST = "test"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A condition that holds, or something that has happened since the last look."""

    kind: AlertKind
    key: str
    """The incident, unique among the open alerts of its kind."""
    severity: Severity
    side: Side
    count: int = 1
    step: int = 0
    """Rises while the condition gets worse within one severity (a certificate at 60, then 30 days)."""
    newest_at: dt.datetime | None = None
    """When its newest member came, where that is known (UTC)."""
    facts: Facts = field(default_factory=dict)
    messages: tuple[str, ...] = ()

    @property
    def level(self) -> int:
        """Severity first, then the step within it."""
        return self.severity.rank * 100 + self.step


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One incident as the store keeps it; all instants UTC."""

    alert_id: str
    kind: AlertKind
    key: str
    severity: Severity
    side: Side
    level: int
    count: int
    facts: Facts
    messages: tuple[str, ...]
    opened_at: dt.datetime
    updated_at: dt.datetime
    told_at: dt.datetime
    """When it was last opened or found worse."""
    newest_at: dt.datetime | None = None
    calm_since: dt.datetime | None = None
    """Since when the condition does not hold; it may come back before the alert is cleared."""
    acknowledged_at: dt.datetime | None = None
    acknowledged_by: str | None = None
    reason: str | None = None
    acknowledged_count: int | None = None
    escalated_at: dt.datetime | None = None
    cleared_at: dt.datetime | None = None
    cleared_by: str | None = None
    """``condition``, ``gone`` (its node is no more) or who acknowledged it."""

    @property
    def is_open(self) -> bool:
        return self.cleared_at is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """An alert as it becomes, and what is told about that; ``event`` None: nothing is."""

    alert: Alert
    event: AlertEvent | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertPolicy:
    """Thresholds and times of alerts."""

    calm: dt.timedelta = dt.timedelta(minutes=2)
    """How long a condition must be over before the alert is cleared: what flaps is one incident."""
    repeat: dt.timedelta = dt.timedelta(hours=1)
    """Least time between two tellings that only new members cause."""
    escalate: Mapping[Severity, dt.timedelta | None] = field(
        default_factory=lambda: {
            Severity.CRITICAL: dt.timedelta(minutes=15),
            Severity.MAJOR: dt.timedelta(hours=1),
            Severity.MINOR: None,
        }
    )
    """Unacknowledged so long after it was told: escalated; None: never."""
    backlog_age: dt.timedelta = dt.timedelta(minutes=15)
    certificate_days: tuple[int, ...] = (60, 30, 7, 1)
    """Falling. The last step is critical, the one before it major, the others minor."""
    quota_left: dt.timedelta | None = dt.timedelta(days=3)
    """How long before its time limit a request that waits for its quota is told of; None: never."""
    disk_free_bytes: int = 1_000_000_000
    worker_silent: dt.timedelta = dt.timedelta(minutes=3)
    """So long without a sign of any worker while messages are due."""
    node_gone: dt.timedelta = dt.timedelta(minutes=15)
    """So long without a sign, a node is no more: alerts about it alone are cleared."""
    audit_full: dt.timedelta = dt.timedelta(days=1)
    """How often the whole audit chain is verified; new entries always are."""
    database_down: dt.timedelta = dt.timedelta(minutes=1)
    """So long without the database: told from memory."""


def title(kind: AlertKind, count: int, facts: Facts, language: str) -> str:
    """One line for people."""
    return fill(KINDS[kind].title, count, facts, language)


def fill(words: Words, count: int, facts: Facts, language: str) -> str:
    """The text in that language with its places filled; a fact that is missing shows as a dash. ``{term}`` is
    the value as days until an end."""
    french = language == "fr"
    subject = facts.get(SUBJECT_FR if french and SUBJECT_FR in facts else SUBJECT, "—")
    value = facts.get(VALUE_FR if french and VALUE_FR in facts else VALUE, "—")
    term = days_left(value).of(language) if isinstance(value, int) else value
    return words.of(language).format(count=count, subject=subject, value=value, term=term)


# ---- from finding to incident -------------------------------------------------------------------


def opened(finding: Finding, *, alert_id: str, now: dt.datetime) -> Change:
    """The first finding of an incident."""
    alert = Alert(
        alert_id=alert_id,
        kind=finding.kind,
        key=finding.key,
        severity=finding.severity,
        side=finding.side,
        level=finding.level,
        count=finding.count,
        facts=dict(finding.facts),
        messages=finding.messages[:MOST_MESSAGES],
        opened_at=now,
        updated_at=now,
        told_at=now,
        newest_at=finding.newest_at,
    )
    return Change(alert=alert, event=AlertEvent.OPENED)


def still(alert: Alert, finding: Finding, *, now: dt.datetime, policy: AlertPolicy) -> Change | None:
    """The condition of an open alert holds, or it has happened again; None when nothing changes.

    Its severity is that of the finding; for what has happened (``Ends.ACKNOWLEDGEMENT``) counts add up.
    """
    spec = KINDS[alert.kind]
    adds = spec.ends is Ends.ACKNOWLEDGEMENT
    count = alert.count + finding.count if adds else finding.count
    messages = (*finding.messages, *alert.messages) if adds else finding.messages
    now_is = replace(
        alert,
        severity=finding.severity,
        side=finding.side,
        level=finding.level,
        count=count,
        facts=dict(finding.facts),
        messages=tuple(dict.fromkeys(messages))[:MOST_MESSAGES],
        newest_at=finding.newest_at,
        calm_since=None,
    )
    if _worse(alert, now_is, now, policy):
        worse = replace(
            now_is,
            updated_at=now,
            told_at=now,
            acknowledged_at=None,
            acknowledged_by=None,
            reason=None,
            acknowledged_count=None,
            escalated_at=None,
        )
        return Change(alert=worse, event=AlertEvent.WORSENED)
    return None if now_is == alert else Change(alert=replace(now_is, updated_at=now), event=None)


def _worse(before: Alert, after: Alert, now: dt.datetime, policy: AlertPolicy) -> bool:
    """The next step is told at once; new members only when somebody thought the matter in hand."""
    if after.level > before.level:
        return True
    if not KINDS[before.kind].piled or before.acknowledged_at is None:
        return False
    newer = after.newest_at is not None and after.newest_at > before.acknowledged_at
    more = after.count > (before.acknowledged_count or 0)
    return (newer or more) and now - before.told_at >= policy.repeat


def over(alert: Alert, *, now: dt.datetime, policy: AlertPolicy, by: str = "condition") -> Change | None:
    """The condition of an open alert does not hold (any more); None: nothing changes yet.

    What only an operator can end stays open.
    """
    if KINDS[alert.kind].ends is Ends.ACKNOWLEDGEMENT:
        return None
    since = alert.calm_since or now
    if now - since >= policy.calm:
        return Change(alert=_cleared(replace(alert, calm_since=since), now, by), event=AlertEvent.CLEARED)
    if alert.calm_since is not None:
        return None
    return Change(alert=replace(alert, calm_since=now, updated_at=now), event=None)


def _cleared(alert: Alert, now: dt.datetime, by: str) -> Alert:
    return replace(alert, cleared_at=now, cleared_by=by, updated_at=now)


def acknowledged(alert: Alert, *, by: str, reason: str, now: dt.datetime) -> Change:
    """An operator has it in hand; what cannot end by itself ends here."""
    taken = replace(
        alert,
        acknowledged_at=now,
        acknowledged_by=by,
        reason=reason,
        acknowledged_count=alert.count,
        updated_at=now,
    )
    if KINDS[alert.kind].ends is Ends.ACKNOWLEDGEMENT:
        return Change(alert=_cleared(taken, now, by), event=AlertEvent.CLEARED)
    return Change(alert=taken, event=None)


# ---- who is told, and when ----------------------------------------------------------------------


class Via(StrEnum):
    """How a recipient is reached."""

    MAIL = "mail"
    WEBHOOK = "webhook"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipient:
    """One address or webhook. ``target_id`` stands for it in the database, in logs and on pages."""

    target_id: str
    via: Via
    address: str = field(repr=False)
    least: Severity = Severity.MINOR
    """Told of this severity and above."""
    side: roles.Side | None = None
    """Whose operators; decides language and quiet hours. None for webhooks: told at any hour."""
    escalation: bool = False
    """Told only when an alert escalates, and then of its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertPlan:
    """What alerts work with, from the settings."""

    policy: AlertPolicy = field(default_factory=AlertPolicy)
    recipients: tuple[Recipient, ...] = ()
    quiet: Mapping[roles.Side, QuietHours] = field(default_factory=dict)
    interval: dt.timedelta = dt.timedelta(seconds=15)
    """Between two looks of one node."""


def told(event: AlertEvent, severity: Severity, recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    """Who is told of an event that is not the end (those are told who were told before)."""
    chosen = []
    for recipient in recipients:
        if event is not AlertEvent.TEST and recipient.least.rank > severity.rank:
            continue
        if event is AlertEvent.ESCALATED:
            wanted = recipient.escalation or recipient.via is Via.WEBHOOK
        else:
            wanted = not recipient.escalation or event is AlertEvent.TEST
        if wanted:
            chosen.append(recipient)
    return tuple(chosen)


def tell_at(
    event: AlertEvent,
    severity: Severity,
    recipient: Recipient,
    quiet: Mapping[roles.Side, QuietHours],
    now: dt.datetime,
) -> dt.datetime:
    """When that recipient may be told (UTC). Critical alerts, tests and webhooks do not wait."""
    if severity is Severity.CRITICAL or event is AlertEvent.TEST or recipient.side is None:
        return now
    hours = quiet.get(recipient.side)
    return now if hours is None else hours.until(now) or now


def escalates_at(
    alert: Alert, policy: AlertPolicy, quiet: Mapping[roles.Side, QuietHours]
) -> dt.datetime | None:
    """When an open alert escalates (UTC): so long after the last side could read of it; None: never, or it
    is acknowledged, calm or has escalated."""
    after = policy.escalate.get(alert.severity)
    if after is None or alert.acknowledged_at or alert.escalated_at or alert.calm_since or alert.cleared_at:
        return None
    told_from = alert.told_at
    if alert.severity is not Severity.CRITICAL:
        told_from = max([told_from, *(h.until(told_from) or told_from for h in quiet.values())])
    return told_from + after


def escalated(
    alert: Alert, *, now: dt.datetime, policy: AlertPolicy, quiet: Mapping[roles.Side, QuietHours]
) -> Change | None:
    """What follows from nobody having acknowledged it."""
    due = escalates_at(alert, policy, quiet)
    if due is None or now < due:
        return None
    return Change(alert=replace(alert, escalated_at=now, updated_at=now), event=AlertEvent.ESCALATED)


# ---- one look at everything ---------------------------------------------------------------------


def look(
    open_alerts: Sequence[Alert],
    findings: Sequence[Finding],
    *,
    now: dt.datetime,
    policy: AlertPolicy,
    quiet: Mapping[roles.Side, QuietHours],
    new_id: Mapping[tuple[AlertKind, str], str],
    elsewhere: frozenset[str] = frozenset(),
) -> tuple[Change, ...]:
    """Everything that changes, each alert at most once.

    ``new_id``: the id that an alert of each finding gets, should it be new. ``elsewhere``: ids of alerts that
    only another node can judge: they are left alone. Raises ValueError for two findings of one incident.
    """
    held = {(finding.kind, finding.key): finding for finding in findings}
    if len(held) != len(findings):
        raise ValueError("two findings of one incident")
    changes: list[Change] = []
    for alert in open_alerts:
        finding = held.pop((alert.kind, alert.key), None)
        if finding is not None:
            change = still(alert, finding, now=now, policy=policy)
        elif alert.alert_id in elsewhere:
            change = None
        else:
            change = over(alert, now=now, policy=policy)
        if change is None or change.event is None:
            now_is = change.alert if change is not None else alert
            change = escalated(now_is, now=now, policy=policy, quiet=quiet) or change
        if change is not None:
            changes.append(change)
    changes += [opened(finding, alert_id=new_id[key], now=now) for key, finding in held.items()]
    return tuple(changes)
