"""Deadlines in the flows: a message starts and ends them in its own transaction; time tells the rest.

``accepted``, ``came``, ``received`` and ``dropped`` are called by whoever stores a message, a message from
France, a proven receipt, an operator's cancellation; their transactions hold the case. ``sweep`` takes what
``now`` has reached: warning or breach, with its audit entry, its event of the inbox and its webhook rows, in
one transaction, so that any number of nodes tell each of them once, also after a crash. Nothing here decides
anything about a case: silence is "no decision, escalate", never acceptance (Art 8 [U]).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from contracts import model
from contracts.codes import AckStatus, Direction, MessageType
from gateway.core.records import MessageRecord, MessageStatus
from gateway.core.treaty import deadlines as rules
from gateway.core.treaty import states
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.clock_tables import Moment
from gateway.core.treaty.clocks import Deadline, DeadlineState, clocks_of
from gateway.core.treaty.deadlines import DateRemark, Occurrence, Told, is_relevant, look
from gateway.flows.events import EventType, Fact, case_kind_of, tell
from gateway.flows.exchange import Exchange
from gateway.flows.ports import MessageFilter, Transaction
from gateway.flows.uk_receipts import instant

ACTOR: Final = "clock"
BATCH: Final = 100
"""Deadlines that one transaction of ``sweep`` takes."""
_NEVER_LEFT: Final = frozenset({MessageStatus.HELD, MessageStatus.CANCELLED, MessageStatus.REJECTED})
_BOTH: Final = frozenset(Moment)


# ---- what a message does ------------------------------------------------------------------------


async def accepted(
    tx: Transaction, agreement: Agreement, record: MessageRecord, message: model.Message, *, at: dt.datetime
) -> None:
    """A message of the UK was stored, or released. A held one does nothing, unless it opens a case: the
    person's clocks run whatever becomes of the message."""
    held = record.status is MessageStatus.HELD
    if held and message.type not in states.OPENING:
        return
    names = {message.type.value}
    if not isinstance(message.body, model.Acknowledgement):
        names.add(states.event_of(message))
    what = Occurrence(
        reference=record.reference,
        kind=case_kind_of(record.reference),
        message_id=record.message_id,
        direction=Direction.UK_TO_FR,
        names=frozenset(names),
        moments=frozenset({Moment.ACCEPTED}),
        at=at,
        posted_at=record.received_at,
        body=message.body,
        held=held,
    )
    await _apply(tx, agreement, what)


async def came(tx: Transaction, agreement: Agreement, record: MessageRecord, message: model.Message) -> None:
    """A message of France was stored together with our receipt: it is accepted and received at once."""
    body = message.body
    of_message, names = None, {message.type.value}
    if isinstance(body, model.Acknowledgement):
        of_message = body.of_message
        if body.status is AckStatus.REJECTED:
            target = await tx.get_message(of_message)
            if target is not None and target.type in states.OPENING:
                names.add(states.ACK_OPENING_REJECTED)
    else:
        names.add(states.event_of(message))
    what = Occurrence(
        reference=record.reference,
        kind=case_kind_of(record.reference),
        message_id=record.message_id,
        direction=Direction.FR_TO_UK,
        names=frozenset(names),
        moments=_BOTH,
        at=record.received_at,
        posted_at=record.received_at,
        of_message=of_message,
        body=body,
    )
    await _apply(tx, agreement, what)


async def received(tx: Transaction, agreement: Agreement, record: MessageRecord, *, at: dt.datetime) -> None:
    """France's receipt for a message of ours was proven at that instant."""
    case = await tx.get_case(record.reference)
    if case is None:
        raise LookupError("a message without its case")
    what = Occurrence(
        reference=record.reference,
        kind=case.kind,
        message_id=record.message_id,
        direction=Direction.UK_TO_FR,
        names=frozenset({record.type.value}),
        moments=frozenset({Moment.RECEIVED}),
        at=at,
        posted_at=record.received_at,
        # the UK acknowledges in reply to what it acknowledges (flows.accept_uk)
        of_message=record.in_reply_to if record.type is MessageType.ACKNOWLEDGEMENT else None,
        final=states.is_final(case.kind, case.status),
    )
    await _apply(tx, agreement, what)


async def dropped(tx: Transaction, record: MessageRecord, *, at: dt.datetime) -> None:
    """An operator has cancelled a message: what it started is not awaited any more."""
    rows = await tx.case_deadlines(record.reference, lock=True)
    await tx.close_deadlines(
        [
            rules.end(row, DeadlineState.CANCELLED, at=at, by=None)
            for row in rows
            if row.message_id == record.message_id and row.closed_at is None
        ]
    )


async def _apply(tx: Transaction, agreement: Agreement, what: Occurrence) -> None:
    if not is_relevant(agreement, what):
        return
    rows = await tx.case_deadlines(what.reference, lock=True)
    types = rules.overtaken(agreement, what, rows)
    unproven = await _unproven(tx, what, types) if types else ()
    changes = rules.changes(agreement, what, rows, unproven)
    await tx.close_deadlines(changes.endings)
    for new in changes.starts:
        await tx.start_deadline(new)
    for clock, remark in changes.remarks:
        await _remark(tx, what, clock, remark)


async def _unproven(tx: Transaction, what: Occurrence, types: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Our messages of those types in the case that have left without a proven receipt yet."""
    if what.of_message is not None:
        found = await tx.get_message(what.of_message)
        records = [] if found is None or found.reference != what.reference else [found]
    else:
        records = list((await tx.list_messages(MessageFilter(reference=what.reference), limit=200)).items)
    return tuple(
        (r.type.value, r.message_id)
        for r in records
        if r.direction is Direction.UK_TO_FR
        and r.delivered_at is None
        and r.status not in _NEVER_LEFT
        and r.type.value in types
    )


async def _remark(tx: Transaction, what: Occurrence, clock: str, remark: DateRemark) -> None:
    """The date that a message gives for its own limit is not one that the agreement allows (Art 8, 12)."""
    await tx.append_audit(
        at=what.at,
        actor=ACTOR,
        action="deadline.date_set_aside",
        subject=what.message_id,
        data={"reference": what.reference, "clock": clock, "code": remark.value},
    )


# ---- time passes --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """A warning or a breach that was told; ``row`` as it is now."""

    told: Told
    row: Deadline
    severity: str
    owed_by: str


async def sweep(exchange: Exchange, *, limit: int = BATCH) -> tuple[Event, ...]:
    """Tell what ``now`` has reached, at most ``limit`` deadlines; call again while it gives any.

    (1) claim, (2) the row's next state, (3) audit entry, inbox and webhooks; all commit together.
    """
    now = exchange.clock.now()
    events: list[Event] = []
    async with exchange.store.begin() as tx:
        for row in await tx.due_deadlines(now, limit=limit):  # (1)
            step = look(exchange.agreement, row, now)
            if step is None:
                continue
            await tx.told_deadline(step.row)  # (2)
            event = _event(exchange.agreement, step.told, step.row)
            await _tell(tx, exchange, event, now)  # (3)
            events.append(event)
    if events:
        await exchange.store.notify("outbox")
    return tuple(events)


def _event(agreement: Agreement, told: Told, row: Deadline) -> Event:
    clock = clocks_of(agreement).get(row.clock)
    return Event(
        told=told,
        row=row,
        severity=clock.terms.severity.value if clock is not None else "major",
        owed_by=clock.terms.owed_by if clock is not None else "both",
    )


async def _tell(tx: Transaction, exchange: Exchange, event: Event, now: dt.datetime) -> None:
    row = event.row
    await tx.append_audit(
        at=now,
        actor=ACTOR,
        action=event.told.value,
        subject=row.message_id,
        data={
            "reference": row.reference,
            "clock": row.clock,
            "deadline_id": row.deadline_id,
            "due_at": instant(row.due_at),
            "warnings": row.warnings,
            "effect": exchange.agreement.silence.effect,
        },
    )
    warning = event.told is Told.WARNING
    await tell(
        tx,
        exchange.listeners,
        Fact(
            type=EventType.DEADLINE_WARNING if warning else EventType.DEADLINE_BREACHED,
            name=f"dl_{row.deadline_id}_{'warning' if warning else 'breached'}_{row.warnings}",
            at=now,
            reference=row.reference,
            message_id=row.message_id,
            path=f"/v1/deadlines?reference={row.reference}",
            data={"deadline_id": row.deadline_id},
            more={
                "clock": row.clock,
                "due_at": instant(row.due_at),
                "severity": event.severity,
                "owed_by": event.owed_by,
            },
        ),
    )


async def next_sweep(exchange: Exchange) -> dt.datetime | None:
    """When the next deadline wants to be looked at."""
    async with exchange.store.begin(read_only=True) as tx:
        return await tx.next_deadline()
