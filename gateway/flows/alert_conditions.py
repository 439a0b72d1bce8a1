"""Which alerts there is cause for: conditions in the store, the state of this node. What has happened is read
from the audit log (``gateway.flows.alert_events``).

Every reading is bounded and uses an index (``gateway.store.alerts``): a look costs the same at 10 million
messages.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from contracts.codes import Direction
from gateway.core import breaker as circuit
from gateway.core.alert_kinds import AlertKind, Severity, Words
from gateway.core.alert_records import FailedGroup, Node, Watch
from gateway.core.alert_words import both_zones
from gateway.core.alerts import (
    MOST_MESSAGES,
    SUBJECT,
    SUBJECT_FR,
    VALUE,
    VALUE_FR,
    AlertPolicy,
    Facts,
    Finding,
)
from gateway.core.errors import PasserelleError, Side
from gateway.core.treaty import ledger
from gateway.core.treaty.clocks import DeadlineState, clocks_of
from gateway.core.treaty.quotas import QuotaKind
from gateway.flows import endpoints
from gateway.flows.exchange import Exchange
from gateway.flows.ports import Transaction

_MEGABYTE: Final = 1_000_000
_LONG_BACKLOG: Final = 4  # so many times the threshold is critical
_LAST_DAY: Final = dt.timedelta(days=1)  # so near a limit is critical
_NEARLY_FULL: Final = 4  # a quarter of the threshold is critical
AUDIT_KEY: Final = "audit"
BALANCE_KEY: Final = "balance"
ANY_WORKER: Final = "worker"


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """One certificate that messages depend on."""

    name: str
    """Of the file or use, for example ``as4-sign``; never a subject."""
    side: Side
    fingerprint: str
    """SHA-256, hex: tells a renewed one from the old."""
    not_after: dt.datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What a node sees of itself."""

    node: str
    """The name of its machine, ``#`` and a role when several processes share it."""
    works: bool
    """Whether this process delivers."""
    stopped: tuple[str, ...] = ()
    """Names of parts that should run and have ended."""
    disk_free: int | None = None
    """Bytes, on the disk of the instance folder."""
    certificates: tuple[Certificate, ...] = ()


ON_ONE_NODE: Final = frozenset({AlertKind.DISK_SPACE, AlertKind.DATABASE})
"""Kinds whose key is a node: nobody else can judge them."""


def host_of(key: str) -> str:
    """The machine in a node's name, in a key of ``ON_ONE_NODE`` or of a stopped part (``node/part``)."""
    return key.partition("/")[0].partition("#")[0]


def side_of(code: str | None) -> Side:
    """Whose side an error code points to. What a partner's error signal means, both must look at."""
    return _SIDES.get(code or "", Side.GATEWAY)


def _all(of: type[PasserelleError]) -> Iterable[type[PasserelleError]]:
    for child in of.__subclasses__():
        yield child
        yield from _all(child)


_SIDES: Final = {error.code: error.side for error in _all(PasserelleError)}


async def conditions(
    tx: Transaction, exchange: Exchange, policy: AlertPolicy, around: Surroundings, now: dt.datetime
) -> list[Finding]:
    """What holds now, but for the audit chain."""
    return [
        *await _dead_letters(tx, exchange),
        *await _breakers(tx, exchange),
        *await _backlog(tx, exchange, policy, now),
        *await _limits(tx, exchange),
        *await _balance(tx, exchange),
        *await _quota_wait(tx, exchange, policy, now),
        *await _workers(tx, policy, around, now),
        *certificates(around.certificates, policy, now),
        *disk(around, policy),
    ]


def _named(exchange: Exchange, endpoint: str) -> Facts:
    parties = exchange.agreement.parties
    for party in (parties.fr, parties.uk):
        if endpoint == party.id:
            return {SUBJECT: party.name_en, SUBJECT_FR: party.name_fr, "endpoint": endpoint}
    return {SUBJECT: endpoint, "endpoint": endpoint}


async def _dead_letters(tx: Transaction, exchange: Exchange) -> list[Finding]:
    groups: dict[Direction, list[FailedGroup]] = {}
    for group in await tx.failed_groups():
        groups.setdefault(group.direction, []).append(group)
    found = []
    for direction, rows in groups.items():
        outgoing = direction is Direction.UK_TO_FR
        endpoint = exchange.french_party if outgoing else exchange.agreement.parties.uk.id
        commonest = max(rows, key=lambda row: (row.count, row.newest_at))
        found.append(
            Finding(
                kind=AlertKind.DEAD_LETTER,
                key=endpoint,
                severity=Severity.MAJOR,
                side=side_of(commonest.code) if outgoing else Side.UK,
                count=sum(row.count for row in rows),
                newest_at=max(row.newest_at for row in rows),
                facts={
                    **_named(exchange, endpoint),
                    VALUE: commonest.code or "—",
                    "direction": direction.value,
                },
                messages=await tx.failed_messages(direction, limit=MOST_MESSAGES),
            )
        )
    return found


async def _breakers(tx: Transaction, exchange: Exchange) -> list[Finding]:
    found = []
    for name in endpoints.names(exchange):
        breaker = await tx.breaker(name)
        if circuit.is_open(breaker):
            found.append(
                Finding(
                    kind=AlertKind.BREAKER_OPEN,
                    key=name,
                    severity=Severity.MAJOR,
                    side=Side.FR if name == exchange.french_party else Side.UK,
                    count=breaker.consecutive_failures,
                    newest_at=breaker.opened_at,
                    facts=_named(exchange, name),
                )
            )
    return found


async def _backlog(
    tx: Transaction, exchange: Exchange, policy: AlertPolicy, now: dt.datetime
) -> list[Finding]:
    found = []
    for row in await tx.waiting_by_endpoint():
        age = now - row.since
        if age < policy.backlog_age:
            continue
        long = age >= _LONG_BACKLOG * policy.backlog_age
        found.append(
            Finding(
                kind=AlertKind.BACKLOG_AGE,
                key=row.endpoint,
                severity=Severity.CRITICAL if long else Severity.MAJOR,
                side=Side.GATEWAY,
                count=row.count,
                facts={**_named(exchange, row.endpoint), VALUE: int(age.total_seconds() // 60)},
            )
        )
    return found


async def _limits(tx: Transaction, exchange: Exchange) -> list[Finding]:
    known = clocks_of(exchange.agreement)
    found = []
    for row in await tx.told_limits():
        terms = known[row.clock].terms if row.clock in known else None
        breached = row.state is DeadlineState.BREACHED
        severity = Severity(terms.severity.value) if breached and terms is not None else Severity.MINOR
        owed = terms.owed_by if terms is not None else "both"
        found.append(
            Finding(
                kind=AlertKind.CLOCK_BREACH if breached else AlertKind.CLOCK_WARNING,
                key=row.clock,
                severity=severity,
                side={"uk": Side.UK, "fr": Side.FR}.get(owed, Side.GATEWAY),
                count=row.count,
                newest_at=row.last_due if breached else None,
                facts={
                    SUBJECT: terms.name_en if terms is not None else row.clock,
                    SUBJECT_FR: terms.name_fr if terms is not None else row.clock,
                    VALUE: both_zones(row.first_due, "en"),
                    VALUE_FR: both_zones(row.first_due, "fr"),
                    "clock": row.clock,
                },
                messages=await tx.told_messages(row.clock, row.state, limit=MOST_MESSAGES),
            )
        )
    return found


async def _balance(tx: Transaction, exchange: Exchange) -> list[Finding]:
    terms = exchange.agreement.balance
    signed = ledger.difference(await tx.outcome_sums())
    state = ledger.judge_balance(signed, warn=terms.warn_difference, hold=terms.hold_difference)
    if state is ledger.BalanceState.LEVEL:
        return []
    holds = state is not ledger.BalanceState.WARN
    return [
        Finding(
            kind=AlertKind.BALANCE_THRESHOLD,
            key=BALANCE_KEY,
            severity=Severity.MAJOR if holds else Severity.MINOR,
            side=Side.UK if signed < 0 else Side.FR,  # who has received fewer: the other side owes
            count=abs(signed),
            facts={VALUE: f"{signed:+d}", "state": state.value},
        )
    ]


_QUOTA_NAMES: Final = {
    QuotaKind.READMISSIONS: Words(en="readmissions", fr="réadmissions"),
    QuotaKind.NOMINATIONS: Words(en="nominations", fr="propositions"),
}


async def _quota_wait(
    tx: Transaction, exchange: Exchange, policy: AlertPolicy, now: dt.datetime
) -> list[Finding]:
    """Requests whose 14 days (Art 8) end before long while they wait for room: whoever leaves the queue is
    judged again, and then refused. What has passed its limit already is a breach, and nothing helps it."""
    if policy.quota_left is None:
        return []
    found = []
    for kind, clock in _refusing_clocks(exchange):
        row = await tx.running_out(kind, clock, now=now, until=now + policy.quota_left, limit=MOST_MESSAGES)
        if row.first_due is None:
            continue
        last_day = row.first_due - now <= _LAST_DAY
        found.append(
            Finding(
                kind=AlertKind.QUOTA_WAIT,
                key=kind.value,
                severity=Severity.CRITICAL if last_day else Severity.MAJOR,
                side=Side.GATEWAY,
                count=row.count,
                facts={
                    SUBJECT: _QUOTA_NAMES[kind].en,
                    SUBJECT_FR: _QUOTA_NAMES[kind].fr,
                    VALUE: both_zones(row.first_due, "en"),
                    VALUE_FR: both_zones(row.first_due, "fr"),
                    "clock": clock,
                },
                messages=row.messages,
            )
        )
    return found


def _refusing_clocks(exchange: Exchange) -> Iterable[tuple[QuotaKind, str]]:
    """Clocks of the rule ``art8.request_in_time``: what has passed one is refused when its turn comes."""
    for kind in QuotaKind:
        for clock in clocks_of(exchange.agreement).values():
            if clock.terms.length == "request_days" and kind.opening.value in clock.terms.starts:
                yield kind, clock.terms.id


async def _workers(
    tx: Transaction, policy: AlertPolicy, around: Surroundings, now: dt.datetime
) -> list[Finding]:
    """A part of this process that has ended; or nobody delivers though something is due."""
    found = [
        Finding(
            kind=AlertKind.WORKER_STOPPED,
            key=f"{around.node}/{part}",
            severity=Severity.CRITICAL,
            side=Side.GATEWAY,
            facts={SUBJECT: f"{part} ({around.node})", "node": around.node},
        )
        for part in around.stopped
    ]
    due = await tx.next_due()
    if around.works or due is None or due > now - policy.worker_silent:
        return found
    seen = [node.seen_at for node in await tx.nodes() if node.works and node.node != around.node]
    if not seen or now - max(seen) >= policy.worker_silent:
        found.append(
            Finding(
                kind=AlertKind.WORKER_STOPPED,
                key=ANY_WORKER,
                severity=Severity.CRITICAL,
                side=Side.GATEWAY,
                facts={SUBJECT: ANY_WORKER},
            )
        )
    return found


def certificates(known: Iterable[Certificate], policy: AlertPolicy, now: dt.datetime) -> list[Finding]:
    """Those that end within the longest step; the days left are whole days, negative after the end."""
    steps = sorted(policy.certificate_days, reverse=True)
    found = {}
    for certificate in known:
        left = certificate.not_after - now
        reached = sum(left <= dt.timedelta(days=days) for days in steps)
        if not reached:
            continue
        from_end = len(steps) - reached
        severity = Severity.CRITICAL if from_end == 0 else Severity.MAJOR if from_end == 1 else Severity.MINOR
        expired = left <= dt.timedelta()
        key = f"{certificate.name}:{certificate.fingerprint[:16]}"
        found[key] = Finding(
            kind=AlertKind.CERTIFICATE,
            key=key,
            severity=severity,
            side=certificate.side,
            step=reached + expired,
            facts={SUBJECT: certificate.name, VALUE: left.days, "fingerprint": certificate.fingerprint},
        )
    return list(found.values())


def disk(around: Surroundings, policy: AlertPolicy) -> list[Finding]:
    """Less space than the threshold on this node."""
    free = around.disk_free
    if free is None or free >= policy.disk_free_bytes:
        return []
    return [
        Finding(
            kind=AlertKind.DISK_SPACE,
            key=host_of(around.node),
            severity=Severity.CRITICAL if free * _NEARLY_FULL < policy.disk_free_bytes else Severity.MAJOR,
            side=Side.GATEWAY,
            facts={SUBJECT: host_of(around.node), VALUE: free // _MEGABYTE},
        )
    ]


def chain(watch: Watch) -> list[Finding]:
    """The audit log was changed."""
    if watch.broken_sequence is None:
        return []
    reason = watch.broken_reason or "—"
    return [
        Finding(
            kind=AlertKind.AUDIT_CHAIN,
            key=AUDIT_KEY,
            severity=Severity.CRITICAL,
            side=Side.GATEWAY,
            facts={SUBJECT: reason, VALUE: watch.broken_sequence},
        )
    ]


def elsewhere(node: Node, now: dt.datetime, policy: AlertPolicy) -> bool:
    """Whether another node is alive, so that it judges what concerns itself alone."""
    return now - node.seen_at < policy.node_gone
