"""Alerts: one look at everything, in one transaction; acknowledging; a test.

Any number of nodes look, each every few seconds. (1) What holds is read in a transaction that waits for
nobody, with the watch's generation. (2) What follows is decided (``gateway.core.alerts``). (3) It is written
with the notices and an audit entry in one transaction that first locks the watch: if the generation has
moved, another node has looked in between, and this look is dropped. So every incident opens once, is told
once and is cleared once, also when a node dies in the middle: what was not committed is found again.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.core.alert_kinds import KINDS, AlertKind
from gateway.core.alert_records import NewNotice, Node, NoticeState, Watch
from gateway.core.alert_words import snapshot, told_of, trial_of
from gateway.core.alerts import (
    Alert,
    AlertEvent,
    AlertPlan,
    Change,
    Finding,
    acknowledged,
    look,
    opened,
    tell_at,
    told,
)
from gateway.core.errors import Conflict, NotFound
from gateway.core.reasons import require_reason
from gateway.flows import alert_audit
from gateway.flows.alert_conditions import (
    ANY_WORKER,
    ON_ONE_NODE,
    Surroundings,
    chain,
    conditions,
    elsewhere,
    host_of,
)
from gateway.flows.alert_events import happened
from gateway.flows.exchange import Exchange
from gateway.flows.ports import Transaction

ACTOR: Final = "alerts"
CHANNEL: Final = "alerts"
"""Of the store's wake-ups: something is to be sent."""
_SIGN_OF_LIFE: Final = dt.timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """One reading."""

    watch: Watch
    """As it was read; its generation is compared before anything is written."""
    after: Watch
    """As it becomes."""
    changes: tuple[Change, ...]
    signs: bool
    """This node has to give a sign of life."""


async def evaluate(exchange: Exchange, plan: AlertPlan, around: Surroundings) -> tuple[Change, ...]:
    """One look; what it changed, () when another node was faster or nothing changed. Raises Unavailable."""
    now = exchange.clock.now()
    seen = await _read(exchange, plan, around, now)
    if not seen.changes and seen.after == seen.watch and not seen.signs:
        return ()
    async with exchange.store.begin() as tx:
        current = await tx.watch(lock=True)
        if current.generation != seen.watch.generation:
            return ()
        if seen.signs:
            await tx.node_seen(Node(node=around.node, seen_at=now, works=around.works))
        await _write(tx, plan, seen.changes, now)
        await tx.save_watch(dataclasses.replace(seen.after, generation=current.generation + 1))
    if seen.changes:
        await exchange.store.notify(CHANNEL)
    return seen.changes


async def _read(exchange: Exchange, plan: AlertPlan, around: Surroundings, now: dt.datetime) -> _Seen:
    policy = plan.policy
    async with exchange.store.begin(read_only=True) as tx:
        watch = await tx.watch()
        after, entries = await alert_audit.follow(tx, watch)
        if alert_audit.full_due(after, now, policy.audit_full):
            most = alert_audit.share(after.audit_sequence, plan.interval)
            after = await alert_audit.go_on(tx, after, now=now, most=most)
        held = [
            *await conditions(tx, exchange, policy, around, now),
            *chain(after),
            *await happened(tx, entries),
        ]
        alerts = await tx.open_alerts()
        nodes = await tx.nodes()
    alive = {host_of(node.node) for node in nodes if elsewhere(node, now, policy)}
    mine = next((node for node in nodes if node.node == around.node), None)
    changes = look(
        alerts,
        held,
        now=now,
        policy=policy,
        quiet=plan.quiet,
        new_id=_ids(exchange, alerts, held),
        elsewhere=frozenset(a.alert_id for a in alerts if _others(a, around, alive)),
    )
    late = mine is None or mine.works != around.works or now - mine.seen_at >= _SIGN_OF_LIFE
    return _Seen(watch=watch, after=after, changes=changes, signs=late)


def _ids(
    exchange: Exchange, alerts: Iterable[Alert], held: Iterable[Finding]
) -> dict[tuple[AlertKind, str], str]:
    known = {(alert.kind, alert.key) for alert in alerts}
    return {(f.kind, f.key): exchange.clock.new_id() for f in held if (f.kind, f.key) not in known}


def _others(alert: Alert, around: Surroundings, alive: set[str]) -> bool:
    """Whether only another node, which is alive, can say that this is over."""
    if alert.kind is AlertKind.WORKER_STOPPED:
        if alert.key == ANY_WORKER:
            return False
    elif alert.kind not in ON_ONE_NODE:
        return False
    host = host_of(alert.key)
    return host != host_of(around.node) and host in alive


async def _write(tx: Transaction, plan: AlertPlan, changes: Iterable[Change], now: dt.datetime) -> None:
    for change in changes:
        if change.event is AlertEvent.OPENED:
            if not await tx.add_alert(change.alert):
                raise AssertionError("an incident opened twice under the lock of the watch")
        else:
            await tx.save_alert(change.alert)
        if change.event is not None:
            await _tell(tx, plan, change.alert, change.event, now)


async def _tell(
    tx: Transaction, plan: AlertPlan, alert: Alert, event: AlertEvent, now: dt.datetime, *, by: str = ACTOR
) -> None:
    """The audit entry and one notice for each recipient; the end is told to all who were told before."""
    await tx.append_audit(
        at=now,
        actor=by,
        action=f"alert.{event.value}",
        subject=alert.alert_id,
        data={
            "kind": alert.kind.value,
            "key": alert.key,
            "severity": alert.severity.value,
            "count": alert.count,
        },
    )
    if event is AlertEvent.CLEARED:
        before = {notice.target_id for notice in await tx.alert_notices(alert.alert_id)}
        recipients = tuple(r for r in plan.recipients if r.target_id in before)
    else:
        recipients = told(event, alert.severity, plan.recipients)
    content = snapshot(told_of(alert, event, now))
    for recipient in recipients:
        await tx.add_notice(
            NewNotice(
                alert_id=alert.alert_id,
                test_id=None,
                event=event,
                target_id=recipient.target_id,
                content=content,
                due_at=tell_at(event, alert.severity, recipient, plan.quiet, now),
            ),
            at=now,
        )


# ---- operators ----------------------------------------------------------------------------------


async def open_alerts(tx: Transaction) -> tuple[Alert, ...]:
    """Open alerts for a first glance: unacknowledged first, then the loudest, then the newest."""
    found = await tx.open_alerts()
    return tuple(sorted(found, key=lambda a: (a.acknowledged_at is not None, -a.level)))


async def acknowledge(exchange: Exchange, alert_id: str, *, actor: str, reason: str) -> Alert:
    """Somebody has it in hand: it escalates no more; what cannot end by itself ends. Audited with the reason.

    Raises NotFound, Conflict (cleared, or acknowledged before), InvalidParameter.
    """
    require_reason(reason)
    plan, now = exchange.alerts, exchange.clock.now()
    async with exchange.store.begin() as tx:
        watch = await tx.watch(lock=True)
        alert = await tx.get_alert(alert_id)
        if alert is None:
            raise NotFound("no such alert")
        if not alert.is_open:
            raise Conflict("the alert was cleared before")
        if alert.acknowledged_at is not None:
            raise Conflict("the alert was acknowledged before")
        change = acknowledged(alert, by=actor, reason=reason, now=now)
        await tx.save_alert(change.alert)
        await tx.append_audit(
            at=now,
            actor=actor,
            action="alert.acknowledged",
            subject=alert_id,
            data={"kind": alert.kind.value, "key": alert.key, "count": alert.count, "reason": reason},
        )
        if change.event is not None:
            await _tell(tx, plan, change.alert, change.event, now, by=actor)
        if alert.kind is AlertKind.AUDIT_CHAIN and watch.broken_reason == alert_audit.CUT:
            watch = alert_audit.mended(watch)
        await tx.save_watch(dataclasses.replace(watch, generation=watch.generation + 1))
    await exchange.store.notify(CHANNEL)
    return change.alert


async def test(exchange: Exchange, *, actor: str) -> str:
    """A notice to every recipient that says it is a test; returns the test's id (``test_notices``). Audited.
    Quiet hours do not hold it back. Raises Conflict when the settings name no recipient."""
    now, test_id = exchange.clock.now(), exchange.clock.new_id()
    recipients = exchange.alerts.recipients
    if not recipients:
        raise Conflict("the settings name no recipient of alerts: section [alerts]")
    content = snapshot(trial_of(test_id, now))
    async with exchange.store.begin() as tx:
        for recipient in recipients:
            new = NewNotice(
                alert_id=None,
                test_id=test_id,
                event=AlertEvent.TEST,
                target_id=recipient.target_id,
                content=content,
                due_at=now,
            )
            await tx.add_notice(new, at=now)
        await tx.append_audit(
            at=now, actor=actor, action="alert.test", subject=test_id, data={"count": len(recipients)}
        )
    await exchange.store.notify(CHANNEL)
    return test_id


async def outage(
    exchange: Exchange,
    plan: AlertPlan,
    around: Surroundings,
    *,
    alert_id: str,
    since: dt.datetime,
    told_at: dt.datetime,
    told_to: Iterable[str],
) -> Alert:
    """The database answers again: the outage that was told from memory is written down as one alert that is
    over; its end is told to those who heard of it (``gateway.alerting``). Doing it twice does nothing."""
    now = exchange.clock.now()
    finding = database_trouble(around.node)
    change = _outage(finding, alert_id=alert_id, since=since, now=now)
    async with exchange.store.begin() as tx:
        watch = await tx.watch(lock=True)
        if await tx.get_alert(alert_id) is not None:
            return change.alert
        await tx.add_alert(change.alert)
        content = snapshot(told_of(change.alert, AlertEvent.OPENED, told_at))
        for target_id in told_to:
            sent = NewNotice(
                alert_id=alert_id,
                test_id=None,
                event=AlertEvent.OPENED,
                target_id=target_id,
                content=content,
                due_at=told_at,
                state=NoticeState.SENT,
            )
            await tx.add_notice(sent, at=told_at)
        await _tell(tx, plan, change.alert, AlertEvent.CLEARED, now)
        await tx.save_watch(dataclasses.replace(watch, generation=watch.generation + 1))
    await exchange.store.notify(CHANNEL)
    return change.alert


def database_trouble(node: str) -> Finding:
    """This node cannot use its database."""
    spec = KINDS[AlertKind.DATABASE]
    return Finding(kind=spec.kind, key=node, severity=spec.severity, side=spec.side, facts={"subject": node})


def _outage(finding: Finding, *, alert_id: str, since: dt.datetime, now: dt.datetime) -> Change:
    first = opened(finding, alert_id=alert_id, now=since).alert
    over = dataclasses.replace(first, cleared_at=now, cleared_by="condition", updated_at=now)
    return Change(alert=over, event=AlertEvent.CLEARED)
