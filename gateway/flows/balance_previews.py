"""What a decision about quotas or the ledger would do, before anybody confirms it. Nothing is written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from gateway.core.errors import Conflict, NotFound
from gateway.core.records import AuditEntry
from gateway.core.treaty import ledger
from gateway.core.treaty.ledger import OUTCOMES, Entry
from gateway.core.treaty.quotas import QuotaKind, limit_of
from gateway.core.treaty.weeks import week_of
from gateway.flows.exchange import Exchange
from gateway.flows.ledger import PROPOSED, check_correction, proposal_of, quota_zone, report_zone
from gateway.flows.ports_audit import AuditFilter
from gateway.flows.quotas import check_quota

_PROPOSALS: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaPreview:
    """Persons of one ISO week."""

    kind: QuotaKind
    week: str
    before: int
    after: int
    agreed: int
    """The number of the agreement."""
    used: int
    waiting: int
    """Messages that wait for room now."""
    now: bool
    """Whether the change begins in the present week."""

    @property
    def room(self) -> int:
        """Places that are free with the new number; never negative."""
        return max(0, self.after - self.used)


async def preview_quota(
    exchange: Exchange, kind: QuotaKind, persons: int, *, from_week: str | None
) -> QuotaPreview:
    """Raises InvalidParameter, as ``set_quota`` would."""
    this_week = week_of(exchange.clock.now(), quota_zone(exchange.agreement))
    week = check_quota(exchange, persons, from_week)
    async with exchange.store.begin(read_only=True) as tx:
        before, _ = limit_of(kind, week, await tx.quota_changes(), exchange.agreement)
        used = await tx.places(week, kind.side)
        waiting = await tx.quota_queue_length(kind)
    agreed, _ = limit_of(kind, week, (), exchange.agreement)
    return QuotaPreview(
        kind=kind,
        week=week,
        before=before,
        after=persons,
        agreed=agreed,
        used=used,
        waiting=waiting,
        now=week == this_week,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A correction that one person asked for, and that waits for a second one."""

    actor: str
    at: dt.datetime
    persons: int | None
    """None: the event did not happen."""
    event_at: dt.datetime | None
    reason: str


def _proposal(item: AuditEntry) -> Proposal:
    persons, at = item.data.get("persons"), item.data.get("event_at")
    return Proposal(
        actor=item.actor,
        at=item.at,
        persons=persons if isinstance(persons, int) else None,
        event_at=dt.datetime.fromisoformat(at) if isinstance(at, str) else None,
        reason=str(item.data.get("reason", "")),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryView:
    """An entry of the ledger with what it needs to be judged."""

    entry: Entry
    stands: bool
    """Whether it counts now; only such a one is corrected."""
    second_person: bool
    """Whether two persons are needed (the agreement)."""
    proposals: tuple[Proposal, ...] = ()
    """Newest first; none once the entry does not stand any more."""


async def ledger_entry(exchange: Exchange, entry_id: int) -> EntryView:
    """One entry of readmitted or admitted persons. Raises NotFound."""
    async with exchange.store.begin(read_only=True) as tx:
        entry = await tx.entry(entry_id)
        if entry is None or entry.side not in OUTCOMES:
            raise NotFound("no such entry of readmitted or admitted persons")
        standing = ledger.standing(await tx.case_entries(entry.reference), entry.side)
        asked = await tx.find_audit(AuditFilter(subject=entry.message_id, action=PROPOSED), limit=_PROPOSALS)
    stands = standing is not None and standing.entry_id == entry_id
    mine = tuple(_proposal(item) for item in asked.items if item.data.get("entry") == entry_id)
    return EntryView(
        entry=entry,
        stands=stands,
        second_person=exchange.agreement.balance.second_person,
        proposals=mine if stands else (),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class CorrectionPreview:
    """``entries`` would be booked; the balances are signed, returned minus admitted."""

    entry: Entry
    entries: tuple[Entry, ...]
    before: int
    after: int
    proposed_by: tuple[str, ...]
    """Who has proposed exactly this already."""
    books: bool
    """Whether confirming books at once; else it is a proposal that waits for a second person."""


async def preview_correction(
    exchange: Exchange, entry_id: int, *, persons: int | None, event_at: dt.datetime | None, actor: str
) -> CorrectionPreview:
    """Raises NotFound, Conflict, InvalidParameter, as ``correct_entry`` would."""
    check_correction(exchange, persons, event_at)
    view = await ledger_entry(exchange, entry_id)
    if not view.stands:
        raise Conflict("the entry does not stand any more; correct the one that does")
    zone = report_zone(exchange.agreement)
    entries = ledger.correct(view.entry, persons=persons, event_at=event_at, actor=actor, zone=zone)
    async with exchange.store.begin(read_only=True) as tx:
        before = ledger.difference(await tx.outcome_sums())
        by = await proposal_of(tx, view.entry, persons=persons, event_at=event_at)
    change = sum(entry.persons for entry in entries)
    signed = change if view.entry.side is ledger.Side.READMITTED else -change
    if view.second_person and set(by) == {actor}:
        raise Conflict("you proposed this correction; a second person must confirm it")
    return CorrectionPreview(
        entry=view.entry,
        entries=entries,
        before=before,
        after=before + signed,
        proposed_by=by,
        books=bool(by) or not view.second_person,
    )
