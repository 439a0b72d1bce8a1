"""What a simulation knows by itself; the checks compare the gateway with it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gateway.core.treaty.clocks import DeadlineState
from gateway.core.treaty.deadlines import Told
from gateway.core.treaty.ledger import Side, difference
from gateway.core.treaty.quotas import QuotaKind, limit_of
from gateway.core.treaty.weeks import week_of
from gateway.flows.exchange import Exchange
from gateway.flows.ledger import quota_zone, report_zone


@dataclass
class Tally:
    accepted: dict[str, str] = field(default_factory=dict)
    """Messages of the UK with a signed receipt: id → type."""
    from_france: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """POSTs that the gateway refused, by rule or code."""
    not_sent: Counter[str] = field(default_factory=Counter)
    """What an administration gave up, as the case had ended."""
    readmitted: int = 0
    admitted: int = 0
    matched: int = 0
    """Nominations of persons who had been returned."""
    told: list[tuple[str, str, int, dt.datetime]] = field(default_factory=list)
    """(warning or breach, clock, deadline id, instant)."""
    webhooks: Counter[str] = field(default_factory=Counter)
    """Ids of webhook events about deadlines."""
    weeks: list[dict[str, Any]] = field(default_factory=list)
    released: int = 0


async def week_figures(exchange: Exchange, told: Counter[tuple[str, str]]) -> dict[str, Any]:
    """What the store says in the last millisecond of a week. ``told``: (warning or breach, clock) of it."""
    now = exchange.clock.now()
    week = week_of(now, report_zone(exchange.agreement))
    quota_week = week_of(now - dt.timedelta(hours=2), quota_zone(exchange.agreement))
    row: dict[str, Any] = {"week": week, "until": now}
    async with exchange.store.begin(read_only=True) as tx:
        sums = dict(await tx.outcome_sums())
        changes = await tx.quota_changes()
        row["outbox"] = sum((await tx.backlog()).values())
        clocks = Counter[DeadlineState]()
        for (_, state), count in (await tx.count_deadlines()).items():
            clocks[state] += count
        for kind in QuotaKind:
            row[f"{kind}_quota"], _ = limit_of(kind, quota_week, changes, exchange.agreement)
            row[f"{kind}_places"] = await tx.places(quota_week, kind.side)
            row[f"{kind}_held"] = await tx.quota_queue_length(kind)
    return row | {
        "returned": sums.get((week, Side.READMITTED), 0),
        "admitted": sums.get((week, Side.ADMITTED), 0),
        "total_returned": sum(n for (_, side), n in sums.items() if side == Side.READMITTED),
        "total_admitted": sum(n for (_, side), n in sums.items() if side == Side.ADMITTED),
        "balance": difference(sums),
        "clocks_open": clocks[DeadlineState.OPEN],
        "clocks_late": clocks[DeadlineState.BREACHED],
        "warnings": {clock: n for (kind, clock), n in told.items() if kind == Told.WARNING},
        "breaches": {clock: n for (kind, clock), n in told.items() if kind == Told.BREACHED},
    }
