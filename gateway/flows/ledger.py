"""The ledger in the flows: booked with the message, corrected by operators, proven at any time.

``book`` is called by whoever lets a message count: accepted from the UK and not held, accepted from France,
released. Its transaction holds the case, except for the message that opens it. A correction is a
counter-entry and, unless the event did not happen, a new entry; where the agreement asks for it, the first
operator proposes
(an audit entry) and a second one, saying exactly the same, books.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import zoneinfo
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from contracts.codes import MessageType
from contracts.model import AdmissionOutcome, Message, TransferOutcome, TransferReceipt
from gateway.core.errors import Conflict, InvalidParameter, NotFound
from gateway.core.reasons import require_reason
from gateway.core.records import AuditEntry, MessageRecord, MessageStatus
from gateway.core.treaty import ledger
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.ledger import OUTCOMES, Entry, LedgerBroken
from gateway.core.treaty.quotas import KINDS, persons_of
from gateway.core.treaty.weeks import week_of
from gateway.flows.events import EventType, Fact, Listeners, moment_of, tell
from gateway.flows.exchange import Exchange
from gateway.flows.ports import MessageFilter, Transaction

MAX_PERSONS: Final = 20
PROPOSED: Final = "ledger.correction_proposed"
_ENTERED: Final = ("ledger.booked", "ledger.countered")
_BOOKED: Final = (TransferOutcome, TransferReceipt, AdmissionOutcome)
_OUTCOME_TYPES: Final = (
    MessageType.TRANSFER_OUTCOME,
    MessageType.TRANSFER_RECEIPT,
    MessageType.ADMISSION_OUTCOME,
)
_MAYBE_NEVER_WENT: Final = frozenset({MessageStatus.CANCELLED, MessageStatus.REJECTED, MessageStatus.FAILED})
_LET_GO: Final = frozenset({"message.released", "message.replayed"})


def report_zone(agreement: Agreement) -> zoneinfo.ZoneInfo:
    """Zone of the weeks of readmissions and admissions."""
    return zoneinfo.ZoneInfo(agreement.balance.report_zone)


def quota_zone(agreement: Agreement) -> zoneinfo.ZoneInfo:
    """Zone of the weeks of quotas."""
    return zoneinfo.ZoneInfo(agreement.quotas.zone)


# ---- booking ------------------------------------------------------------------------------------


async def book(
    tx: Transaction, agreement: Agreement, listeners: Listeners, message: Message, *, at: dt.datetime
) -> None:
    """What the message adds: a place in a quota, persons readmitted or admitted, or nothing."""
    kind = KINDS.get(message.type)
    if kind is not None:
        place = Entry(
            side=kind.side,
            persons=persons_of(message),
            event_at=at,
            week=week_of(at, quota_zone(agreement)),
            reference=message.reference,
            message_id=message.message_id,
        )
        await tx.add_entry(place, at=at)
    elif isinstance(message.body, _BOOKED):
        known = await tx.case_entries(message.reference)
        entries = ledger.step(message, known, report_zone(agreement))
        await _add(tx, agreement, listeners, entries, at=at)


async def _add(
    tx: Transaction,
    agreement: Agreement,
    listeners: Listeners,
    entries: tuple[Entry, ...],
    *,
    at: dt.datetime,
    reason: str = "",
) -> None:
    """Entries of readmitted and admitted, each with its audit entry; says when a threshold is crossed."""
    if not entries:
        return
    before = _state(agreement, ledger.difference(await tx.outcome_sums()))
    for entry in entries:
        entry_id = await tx.add_entry(entry, at=at)
        await tx.append_audit(
            at=at,
            actor=entry.actor,
            action=_ENTERED[entry.corrects is not None],
            subject=entry.message_id,
            data={
                **ledger.facts(dataclasses.replace(entry, entry_id=entry_id)),
                **({"reason": reason} if reason else {}),
            },
        )
    signed = ledger.difference(await tx.outcome_sums())
    after = _state(agreement, signed)
    if after is not before:
        await tx.append_audit(
            at=at,
            actor=ledger.GATEWAY,
            action=f"balance.{after.value}",
            subject=agreement.agreement.id,
            data={"difference": signed, "before": before.value},
        )
        last = entries[-1]
        await tell(
            tx,
            listeners,
            Fact(
                type=EventType.BALANCE_THRESHOLD,
                name=f"balance_{after.value}_{last.message_id}_{moment_of(at)}",
                at=at,
                reference=last.reference,
                message_id=last.message_id,
                path="/v1/balance",
                data={"state": after.value, "before": before.value, "difference": signed},
            ),
        )


def _state(agreement: Agreement, signed: int) -> ledger.BalanceState:
    terms = agreement.balance
    return ledger.judge_balance(signed, warn=terms.warn_difference, hold=terms.hold_difference)


# ---- corrections --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """What an operator asked for, and whether it was booked or waits for a second person."""

    entry_id: int
    persons: int | None
    event_at: dt.datetime | None
    booked: bool

    @property
    def terms(self) -> dict[str, str | int | None]:
        at = None if self.event_at is None else self.event_at.isoformat()
        return {"entry": self.entry_id, "persons": self.persons, "event_at": at}


async def correct_entry(
    exchange: Exchange,
    entry_id: int,
    *,
    persons: int | None,
    event_at: dt.datetime | None = None,
    actor: str,
    reason: str,
) -> Correction:
    """Counter an entry that stands. ``persons`` None: the event did not happen; else what is booked instead,
    at ``event_at`` or when the countered event was.

    Where a second person is needed, the first call proposes and the same call by another actor books. Raises
    NotFound, Conflict, InvalidParameter.
    """
    require_reason(reason)
    check_correction(exchange, persons, event_at)
    async with exchange.store.begin() as tx:
        asked = await tx.entry(entry_id)
        if asked is None or asked.side not in OUTCOMES:
            raise NotFound("no such entry of readmitted or admitted persons")
        await tx.get_case(asked.reference, lock=True)
        now = exchange.clock.now()
        stands = ledger.standing(await tx.case_entries(asked.reference), asked.side)
        if stands is None or stands.entry_id != entry_id:
            raise Conflict("the entry does not stand any more; correct the one that does")
        wanted = Correction(entry_id=entry_id, persons=persons, event_at=event_at, booked=False)
        if exchange.agreement.balance.second_person and not await _confirmed(tx, stands, wanted, actor):
            await tx.append_audit(
                at=now,
                actor=actor,
                action=PROPOSED,
                subject=stands.message_id,
                data={**wanted.terms, "reason": reason, "reference": stands.reference},
            )
            return wanted
        zone = report_zone(exchange.agreement)
        entries = ledger.correct(stands, persons=persons, event_at=event_at, actor=actor, zone=zone)
        await _add(tx, exchange.agreement, exchange.listeners, entries, at=now, reason=reason)
    return Correction(entry_id=entry_id, persons=persons, event_at=event_at, booked=True)


def check_correction(exchange: Exchange, persons: int | None, event_at: dt.datetime | None) -> None:
    """Raises InvalidParameter."""
    if persons is not None and not 0 <= persons <= MAX_PERSONS:
        raise InvalidParameter(f"persons is a number from 0 to {MAX_PERSONS}")
    if event_at is not None and event_at > exchange.clock.now():
        raise InvalidParameter("the event lies in the future")


async def _confirmed(tx: Transaction, entry: Entry, wanted: Correction, actor: str) -> bool:
    """Whether somebody else proposed exactly this. Raises Conflict when only this actor did."""
    same = await proposal_of(tx, entry, persons=wanted.persons, event_at=wanted.event_at)
    if same and set(same) == {actor}:
        raise Conflict("you proposed this correction; a second person must confirm it")
    return bool(same)


async def proposal_of(
    tx: Transaction, entry: Entry, *, persons: int | None, event_at: dt.datetime | None
) -> tuple[str, ...]:
    """Who has proposed exactly this correction of the entry, each once."""
    asked = Correction(entry_id=entry.entry_id, persons=persons, event_at=event_at, booked=False)
    found = [
        item.actor
        async for item in _audit_of(tx, entry.message_id)
        if item.action == PROPOSED and all(item.data.get(k) == v for k, v in asked.terms.items())
    ]
    return tuple(dict.fromkeys(found))


async def _audit_of(tx: Transaction, subject: str) -> AsyncIterator[AuditEntry]:
    after = 0
    while True:
        batch = await tx.audit_entries(after=after, subject=subject)
        for item in batch:
            yield item
        if not batch:
            return
        after = batch[-1].sequence


# ---- proof --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerCheck:
    """``unreadable``: cases whose content retention has deleted; their entries cannot be derived again, but
    are those that the audit log tells of."""

    cases: int
    entries: int
    broken: tuple[str, ...]
    """References of cases whose entries are not what their messages derive and the audit log tells of."""
    unreadable: int
    miscounted: tuple[str, ...]
    """Weeks and sides whose sum is not that of their entries: ``2026-W47 readmitted``."""

    @property
    def ok(self) -> bool:
        return not self.broken and not self.miscounted


async def verify_ledger(exchange: Exchange) -> LedgerCheck:
    """Derive every case again from its stored messages, and compare its entries with that and with the audit
    log. Takes one short transaction per case."""
    references = await _references(exchange)
    broken: list[str] = []
    entries = unreadable = 0
    for reference in references:
        async with exchange.store.begin(read_only=True) as tx:
            stored = [e for e in await tx.case_entries(reference) if e.side in OUTCOMES]
            counted = await _counted(tx, reference)
            told = await _told(tx, {e.message_id for e in stored} | {m.message_id for m in counted or ()})
        entries += len(stored)
        try:
            ledger.check_told(stored, told)
            if counted is None:
                unreadable += 1
            else:
                ledger.check_case(counted, stored, report_zone(exchange.agreement))
        except LedgerBroken:
            broken.append(reference)
    async with exchange.store.begin(read_only=True) as tx:
        miscounted = tuple(f"{week} {side}" for week, side in await tx.miscounted())
    return LedgerCheck(
        cases=len(references),
        entries=entries,
        broken=tuple(broken),
        unreadable=unreadable,
        miscounted=miscounted,
    )


async def _counted(tx: Transaction, reference: str) -> list[Message] | None:
    """Outcome messages of the case that count, in order of acceptance; None where their content is gone."""
    try:
        history = await tx.history(reference)
    except LookupError:
        return None
    return [m for record, m in history if isinstance(m.body, _BOOKED) and await counts(tx, record)]


async def _told(tx: Transaction, message_ids: Iterable[str]) -> list[Mapping[str, object]]:
    """What the audit log tells of entries that these messages brought."""
    return [
        item.data
        for message_id in message_ids
        async for item in _audit_of(tx, message_id)
        if item.action in _ENTERED
    ]


async def counts(tx: Transaction, record: MessageRecord) -> bool:
    """Whether the message moved its case: one that is held, or ended without ever being let go, did not."""
    if record.status is MessageStatus.HELD:
        return False
    if record.status not in _MAYBE_NEVER_WENT:
        return True
    actions = {item.action async for item in _audit_of(tx, record.message_id)}
    return "message.held" not in actions or bool(actions & _LET_GO)


async def _references(exchange: Exchange) -> list[str]:
    """Cases with an outcome message or an entry."""
    found: dict[str, None] = {}
    for kind in _OUTCOME_TYPES:
        cursor: str | None = None
        while True:
            async with exchange.store.begin(read_only=True) as tx:
                page = await tx.list_messages(MessageFilter(type=kind), cursor=cursor, limit=200)
            found |= dict.fromkeys(record.reference for record in page.items)
            cursor = page.next_cursor
            if cursor is None:
                break
    after = 0
    while True:
        async with exchange.store.begin(read_only=True) as tx:
            rows = await tx.list_entries(after=after, outcomes_only=True)
        if not rows:
            return list(found)
        found |= dict.fromkeys(row.reference for row in rows)
        after = rows[-1].entry_id
