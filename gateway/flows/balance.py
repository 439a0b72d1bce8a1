"""The balance as both governments look at it: weeks, sums, quotas, what is to come (Arts 1, 12, 17).

Everything comes from the ledger; ``balance`` is signed: returned minus admitted. Persons are *returned* to
France and *admitted* to the UK; the ledger calls the first readmitted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.core.errors import InvalidParameter
from gateway.core.treaty import ledger
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.ledger import Entry, WeekFigures
from gateway.core.treaty.projection import IN_PROGRESS, Expected, Projection, expect, project
from gateway.core.treaty.quotas import QuotaChange, QuotaKind, limit_of
from gateway.core.treaty.states import KIND
from gateway.core.treaty.weeks import bounds_of, monday_of, shift, week_of
from gateway.flows.exchange import Exchange
from gateway.flows.ledger import quota_zone, report_zone
from gateway.flows.ports import Transaction
from gateway.flows.uk_receipts import instant

Json = dict[str, Any]
WEEKS_SHOWN: Final = 53
"""Of ``balance``; the sums count everything."""
WEEKS_REPORTED: Final = 12
_CASES_READ: Final = 1000
"""Cases in progress that the projection reads, so that a page never takes long; it says when that is not
all."""
_DIFFERENCES: Final = 100
_CHANGES: Final = 50
_SHOWN_PLACES: Final = ("balance", "quotas")
"""Tables of the agreement whose unverified notes belong beside the figures."""


async def balance(exchange: Exchange) -> Json:
    """Sums, the weeks up to now, thresholds, quotas with history, differences, projection, unverified
    notes."""
    now = exchange.clock.now()
    zone, terms = report_zone(exchange.agreement), exchange.agreement.balance
    this_week = week_of(now, zone)
    async with exchange.store.begin(read_only=True) as tx:
        sums = await tx.outcome_sums()
        quotas = await _quotas(tx, exchange, now)
        differences = await tx.differences(_DIFFERENCES)
        expected, complete = await _expected(tx, exchange)
    weeks = ledger.weekly(sums, until=ledger.last_week_of(sums, this_week))
    last, signed = weeks[-1], ledger.difference(sums)
    state = ledger.judge_balance(signed, warn=terms.warn_difference, hold=terms.hold_difference)
    return {
        "as_of": instant(now),
        "returned": last.total_readmitted,
        "admitted": last.total_admitted,
        "balance": signed,
        "state": state.value,
        "thresholds": {"warn": terms.warn_difference, "hold": terms.hold_difference or None},
        "week": this_week,
        "zone": terms.report_zone,
        "weeks": [_week(figures) for figures in weeks[-WEEKS_SHOWN:]],
        "quotas": quotas,
        "differences": [_difference(entry) for entry in differences],
        "projection": _projection(project(expected, now_week=this_week, difference=signed), complete),
        "unverified": unverified(exchange.agreement),
    }


def _days(week: str) -> Json:
    first = monday_of(week)
    return {"period_start": first.isoformat(), "period_end": (first + dt.timedelta(days=6)).isoformat()}


def _week(figures: WeekFigures) -> Json:
    return {
        "week": figures.week,
        **_days(figures.week),
        "returned": figures.readmitted,
        "admitted": figures.admitted,
        "difference": figures.difference,
        "total_returned": figures.total_readmitted,
        "total_admitted": figures.total_admitted,
        "total_difference": figures.total_difference,
    }


def _difference(entry: Entry) -> Json:
    """The numbers themselves stand in the ledger and in both messages."""
    return {
        "reference": entry.reference,
        "message_id": entry.message_id,
        "week": entry.week,
        "code": None if entry.reason is None else entry.reason.value,
    }


def _projection(projection: Projection, complete: bool) -> Json:
    return {
        "complete": complete,
        "undated_readmissions": projection.undated_readmissions,
        "weeks": [
            {
                "week": week.week,
                **_days(week.week),
                "readmissions": week.readmissions,
                "admissions": week.admissions,
                "difference": week.difference,
            }
            for week in projection.weeks
        ],
    }


def unverified(agreement: Agreement) -> list[Json]:
    """What the text of the agreement did not confirm of thresholds and quotas, in both languages."""
    return [
        {"place": item.place, "note": {"en": item.note_en, "fr": item.note_fr}}
        for item in agreement.unverified
        if item.place in _SHOWN_PLACES
    ]


# ---- what is to come ----------------------------------------------------------------------------


async def _expected(tx: Transaction, exchange: Exchange) -> tuple[list[Expected], bool]:
    """What the cases in progress promise, and whether all of them were read."""
    found: list[Expected] = []
    read, zone = 0, report_zone(exchange.agreement)
    for kind, status in IN_PROGRESS:
        cursor: str | None = None
        while True:
            page = await tx.list_cases(kind=kind, status=status, cursor=cursor, limit=100)
            for case in page.items:
                read += 1
                try:
                    history = await tx.history(case.reference)
                except LookupError:
                    continue
                one = expect(kind, status, [message for _, message in history], zone)
                found += [] if one is None else [one]
            cursor = page.next_cursor
            if cursor is None:
                break
            if read >= _CASES_READ:
                return found, False
    return found, True


# ---- quotas -------------------------------------------------------------------------------------


async def _quotas(tx: Transaction, exchange: Exchange, now: dt.datetime) -> list[Json]:
    week = week_of(now, quota_zone(exchange.agreement))
    changes = await tx.quota_changes()
    return [
        {
            **await _quota(tx, exchange.agreement, kind, week, changes),
            "waiting": await tx.quota_queue_length(kind),
            "history": [_change(c) for c in changes if c.kind is kind][-_CHANGES:],
        }
        for kind in QuotaKind
    ]


async def _quota(
    tx: Transaction, agreement: Agreement, kind: QuotaKind, week: str, changes: Iterable[QuotaChange]
) -> Json:
    limit, change = limit_of(kind, week, changes, agreement)
    agreed, _ = limit_of(kind, week, (), agreement)
    return {
        "kind": KIND[kind.opening].value,
        "week": week,
        **_days(week),
        "limit": limit,
        "used": await tx.places(week, kind.side),
        "agreed": agreed,
        "changed_by": None if change is None else change.change_id,
    }


def _change(change: QuotaChange) -> Json:
    return {
        "id": change.change_id,
        "from_week": change.from_week,
        "limit": change.persons,
        "reason": change.reason,
        "actor": change.actor,
        "at": instant(change.at),
    }


async def quota_list(exchange: Exchange) -> list[Json]:
    """Both quotas of the present week with their history."""
    async with exchange.store.begin(read_only=True) as tx:
        return await _quotas(tx, exchange, exchange.clock.now())


# ---- the joint committee ------------------------------------------------------------------------


def _check_week(week: str) -> None:
    try:
        monday_of(week)
    except ValueError as exc:
        raise InvalidParameter("a week is written YYYY-Www, for example 2026-W47") from exc


async def weekly_report(exchange: Exchange, week: str) -> Json:
    """Figures of one ISO week for the joint committee (Art 17), as the ledger has them now.

    ``final``: the week is over; a later correction still changes it, which ``corrections`` counts. Raises
    InvalidParameter for what is no week or lies in the future.
    """
    _check_week(week)
    now, zone = exchange.clock.now(), report_zone(exchange.agreement)
    this_week = week_of(now, zone)
    if week > this_week:
        raise InvalidParameter(f"the week has not begun; this is {this_week}")
    async with exchange.store.begin(read_only=True) as tx:
        sums = await tx.outcome_sums()
        changes = await tx.quota_changes()
        quotas = [await _quota(tx, exchange.agreement, kind, week, changes) for kind in QuotaKind]
        noted = await _noted(tx, week)
    known = ledger.weekly(sums, until=week)
    shown = known[-WEEKS_REPORTED:]
    title = exchange.agreement.agreement
    return {
        "report": "weekly",
        "agreement": {"id": title.id, "name": {"en": title.name_en, "fr": title.name_fr}},
        "zone": exchange.agreement.balance.report_zone,
        "quota_zone": exchange.agreement.quotas.zone,
        "generated_at": instant(now),
        "final": bounds_of(week, zone)[1] <= now,
        **_week(known[-1]),
        "thresholds": {
            "warn": exchange.agreement.balance.warn_difference,
            "hold": exchange.agreement.balance.hold_difference or None,
        },
        "state": ledger.judge_balance(
            known[-1].total_difference,
            warn=exchange.agreement.balance.warn_difference,
            hold=exchange.agreement.balance.hold_difference,
        ).value,
        "weeks": [_week(figures) for figures in shown],
        "quotas": quotas,
        "corrections": noted["corrections"],
        "differences": noted["differences"],
        "unverified": unverified(exchange.agreement),
    }


async def _noted(tx: Transaction, week: str) -> Mapping[str, int]:
    """How many counter-entries and differing numbers the week has."""
    corrections = differences = after = 0
    while True:
        rows = await tx.list_entries(after=after, week=week, outcomes_only=True)
        if not rows:
            return {"corrections": corrections, "differences": differences}
        corrections += sum(row.corrects is not None for row in rows)
        differences += sum(row.is_difference for row in rows)
        after = rows[-1].entry_id


def previous_week(exchange: Exchange) -> str:
    """The last week that is over, in the zone of the report."""
    return shift(week_of(exchange.clock.now(), report_zone(exchange.agreement)), -1)


# ---- the ledger itself --------------------------------------------------------------------------


async def ledger_list(exchange: Exchange, *, week: str | None, after: int, limit: int) -> list[Json]:
    """Entries of readmitted and admitted persons in order of booking. Raises InvalidParameter for what is no
    week."""
    if week is not None:
        _check_week(week)
    async with exchange.store.begin(read_only=True) as tx:
        rows = await tx.list_entries(after=after, limit=limit, week=week, outcomes_only=True)
    return [
        {
            "entry": row.entry_id,
            "side": row.side.value,
            "persons": row.persons,
            "week": row.week,
            "event_at": row.event_at,
            "booked_at": row.booked_at,
            "reference": row.reference,
            "corrects": row.corrects,
            "reason": None if row.reason is None else row.reason.value,
            "actor": row.actor,
        }
        for row in rows
    ]
