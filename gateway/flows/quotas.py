"""Quotas and parity in the flows: who may leave now, who waits, who is let go when room appears.

``wait_for_room`` is asked by whoever would let a message of the UK go; it locks the quota until its
transaction ends, so that any number of nodes never give away more places than there are. What waits has
status ``held`` and the code that says why; ``release_waiting`` lets it go in order, one transaction per
message: (1) lock the quota, (2) the first that fits, (3) it is judged again, as if it were posted now, and
refused when it has become impossible, (4) place, outbox, clocks, audit and webhook rows commit together.

Lock order: quota before case. So an operator, who holds the case, never releases what waits for a quota: the
quota is raised instead.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from enum import Enum, auto
from typing import Final

from contracts.model import Message, Withdrawal
from gateway.core.errors import Conflict, InvalidParameter, OutOfSequence
from gateway.core.reasons import require_reason
from gateway.core.records import CaseRecord, MessageRecord, MessageStatus
from gateway.core.treaty import states
from gateway.core.treaty.ledger import Reason, counter, difference
from gateway.core.treaty.quotas import (
    CODES,
    FOLLOWS,
    KINDS,
    QuotaChange,
    QuotaKind,
    frees,
    held_by_parity,
    limit_of,
    persons_of,
    problem_of,
)
from gateway.core.treaty.weeks import monday_of, week_of
from gateway.flows import deadlines
from gateway.flows.case_view import case_view
from gateway.flows.events import tell_refused
from gateway.flows.exchange import Exchange
from gateway.flows.judging import judge_as_if_posted
from gateway.flows.ledger import book, quota_zone
from gateway.flows.outgoing import Hold, enqueue, untranslatable
from gateway.flows.ports import MessageFilter, Transaction
from gateway.flows.webhooks import WebhookEvent, enqueue_webhooks

ACTOR: Final = "gateway"
MOST_PERSONS: Final = 100_000
_LOOKED_AT: Final = 200
"""How many of the queue one decision reads."""


# ---- may it leave now? --------------------------------------------------------------------------


async def wait_for_room(
    tx: Transaction, exchange: Exchange, message: Message, case: CaseRecord, now: dt.datetime
) -> Hold | None:
    """None when the message may leave now; else why it waits. Takes no place: ``flows.ledger.book`` does, in
    the same transaction."""
    kind = KINDS.get(message.type)
    if kind is not None:
        code = await _no_room(tx, exchange, kind, message, case, now)
    else:
        code = FOLLOWS if await _opening_waits(tx, message) else None
    if code is None:
        return None
    problem = problem_of(code)
    return Hold(code=code, path=problem.path, problems=(problem,))


def refuse_waiting(record: MessageRecord) -> None:
    """An operator does not pass over the queue. Raises Conflict for what waits in it."""
    if record.code in CODES:
        raise Conflict("the message waits for its quota and leaves by itself; raise the quota instead")


async def _opening_waits(tx: Transaction, message: Message) -> bool:
    """Whether France has not heard of the case, as its opening waits. A withdrawal never waits."""
    if isinstance(message.body, Withdrawal):
        return False
    where = MessageFilter(reference=message.reference, status=MessageStatus.HELD)
    held = await tx.list_messages(where, limit=_LOOKED_AT)
    return any(record.code in CODES for record in held.items)


async def _no_room(
    tx: Transaction, exchange: Exchange, kind: QuotaKind, message: Message, case: CaseRecord, now: dt.datetime
) -> str | None:
    """The code for waiting, or None. Locks the quota."""
    await tx.lock_quota(kind)
    if await _parity_stops(tx, exchange, kind):
        return kind.parity_code
    week = week_of(now, quota_zone(exchange.agreement))
    limit, _ = limit_of(kind, week, await tx.quota_changes(), exchange.agreement)
    if not await _fits(tx, exchange, kind, week, limit, persons_of(message), now):
        return kind.quota_code
    ahead = await _is_ahead(tx, exchange, kind, limit, priority=case.priority)
    return kind.quota_code if ahead else None


async def _parity_stops(tx: Transaction, exchange: Exchange, kind: QuotaKind) -> bool:
    if not exchange.agreement.balance.hold_difference:
        return False
    return held_by_parity(kind, difference(await tx.outcome_sums()), exchange.agreement)


async def _fits(
    tx: Transaction,
    exchange: Exchange,
    kind: QuotaKind,
    week: str,
    limit: int,
    persons: int,
    now: dt.datetime,
) -> bool:
    """Whether so many persons find a place; unused places are given back before the answer is no."""
    used = await tx.places(week, kind.side)
    if used + persons <= limit:
        return True
    if persons > limit:
        return False
    used -= await _give_back(tx, exchange, kind, week, now)
    return used + persons <= limit


async def _give_back(
    tx: Transaction, exchange: Exchange, kind: QuotaKind, week: str, now: dt.datetime
) -> int:
    """Counter the places of that week that the agreement gives back; returns how many persons."""
    rule = exchange.agreement.quotas.frees
    if rule == "never":
        return 0
    freed = 0
    for taken in await tx.places_taken(week, kind.side):
        case_kind = states.KIND[kind.opening]
        if frees(rule, kind=case_kind, message=taken.message, case_status=taken.case_status):
            await tx.add_entry(counter(taken.entry, Reason.FREED), at=now)
            freed += taken.entry.persons
    return freed


async def _is_ahead(
    tx: Transaction, exchange: Exchange, kind: QuotaKind, limit: int, *, priority: bool
) -> bool:
    """Whether somebody waits who goes before a newcomer. What exceeds the whole quota blocks nobody."""
    first = exchange.agreement.quotas.priority_first
    for record in await tx.quota_queue(kind, priority_first=first, limit=_LOOKED_AT):
        if first and priority and not _is_priority(record):
            return False
        persons = await _persons(tx, record)
        if persons is not None and persons <= limit:
            return True
    return False


def _is_priority(record: MessageRecord) -> bool:
    """As its reference says (contracts.model.REFERENCE_PATTERN)."""
    return record.reference.partition("-")[0].endswith("P")


async def _persons(tx: Transaction, record: MessageRecord) -> int | None:
    """None once retention has deleted the content: it can never leave."""
    try:
        return persons_of(await tx.content(record.message_id))
    except LookupError:
        return None


# ---- letting go ---------------------------------------------------------------------------------


class _Step(Enum):
    NOTHING = auto()
    """Nobody can go now."""
    WENT = auto()
    REFUSED = auto()
    HELD = auto()
    """An operator must look at it: it does not wait for room any more."""


async def release_waiting(exchange: Exchange) -> int:
    """Let go whatever has room now, in order; returns how many messages stopped waiting (gone, refused, or
    waiting for an operator instead). Safe on any number of nodes at once."""
    count = 0
    for kind in QuotaKind:
        async with exchange.store.begin(read_only=True) as tx:
            waiting = await tx.quota_queue_length(kind)
        while waiting and await _release_one(exchange, kind) is not _Step.NOTHING:
            count += 1
    if count:
        await exchange.store.notify("outbox")
    return count


async def _release_one(exchange: Exchange, kind: QuotaKind) -> _Step:
    async with exchange.store.begin() as tx:
        await tx.lock_quota(kind)  # (1)
        now = exchange.clock.now()
        found = await _first_that_fits(tx, exchange, kind, now)  # (2)
        if found is None:
            return _Step.NOTHING
        record, message = found
        case = await tx.get_case(record.reference, lock=True)
        current = await tx.get_message(record.message_id)
        if case is None or current is None:
            raise LookupError("a message without its case")
        if current.status is not MessageStatus.HELD or current.code not in CODES:
            return _Step.WENT  # withdrawn or cancelled between our looking and our lock
        step, code, codes = await _judge_again(tx, exchange, message, case, now)  # (3)
        if step is _Step.WENT:
            await _let_go(tx, exchange, current, message, now)  # (4)
            await _let_followers_go(tx, exchange, case, now)
        elif step is _Step.HELD:
            await tx.update_message(current.message_id, at=now, status=MessageStatus.HELD, code=code)
            await _audit(tx, current, "message.held", now, {"code": code, "codes": codes})
        else:
            await _refuse(tx, exchange, current, case, now, code, codes)
        return step


async def _first_that_fits(
    tx: Transaction, exchange: Exchange, kind: QuotaKind, now: dt.datetime
) -> tuple[MessageRecord, Message] | None:
    if await _parity_stops(tx, exchange, kind):
        return None
    week = week_of(now, quota_zone(exchange.agreement))
    limit, _ = limit_of(kind, week, await tx.quota_changes(), exchange.agreement)
    first = exchange.agreement.quotas.priority_first
    for record in await tx.quota_queue(kind, priority_first=first, limit=_LOOKED_AT):
        try:
            message = await tx.content(record.message_id)
        except LookupError:
            continue
        persons = persons_of(message)
        if persons > limit:
            continue
        return (record, message) if await _fits(tx, exchange, kind, week, limit, persons, now) else None
    return None


async def _judge_again(
    tx: Transaction, exchange: Exchange, message: Message, case: CaseRecord, now: dt.datetime
) -> tuple[_Step, str | None, str]:
    """As if it were posted now: the 14 days, the already returned, the lists. (step, code, all codes)."""
    verdict, _ = await judge_as_if_posted(
        tx, exchange.agreement, message, kind=case.kind, case=None, now=now, issued_now=True
    )
    codes = " ".join(sorted({p.code for p in verdict.problems}))
    if verdict.refuse:
        return _Step.REFUSED, verdict.refuse[0].rule, codes
    if states.is_final(case.kind, case.status):
        return _Step.REFUSED, "case_ended", "case_ended"
    if verdict.hold:
        return _Step.HELD, verdict.hold[0].rule, codes
    hold = untranslatable(exchange, message)
    return (_Step.WENT, None, "") if hold is None else (_Step.HELD, hold.code, hold.code)


async def _let_go(
    tx: Transaction, exchange: Exchange, record: MessageRecord, message: Message, now: dt.datetime
) -> None:
    await tx.update_message(record.message_id, at=now, status=MessageStatus.ACCEPTED)
    released = dataclasses.replace(record, status=MessageStatus.ACCEPTED, code=None)
    await book(tx, exchange.agreement, exchange.listeners, message, at=now)
    await deadlines.accepted(tx, exchange.agreement, released, message, at=now)
    await enqueue(tx, exchange, message, now)
    await _audit(tx, record, "message.released", now, {"before": "held", "after": "accepted"})
    await enqueue_webhooks(tx, exchange.webhooks, WebhookEvent.MESSAGE_STATUS, released, now=now)


async def _let_followers_go(tx: Transaction, exchange: Exchange, case: CaseRecord, now: dt.datetime) -> None:
    """What was posted to the case meanwhile, in order. What the state table does not allow stays for an
    operator."""
    for record in await _followers(tx, case.reference):
        message = await tx.content(record.message_id)
        view = await case_view(tx, case)
        current = await tx.get_case(case.reference)
        if view is None or current is None:
            raise LookupError("a message without its case")
        try:
            status = states.next_status(case.kind, current.status, message, opening_id=view.opening_id)
        except OutOfSequence:
            continue
        if status != current.status:
            await tx.set_case_status(case.reference, status, now)
        await _let_go(tx, exchange, record, message, now)


async def _followers(tx: Transaction, reference: str) -> list[MessageRecord]:
    where = MessageFilter(reference=reference, status=MessageStatus.HELD)
    page = await tx.list_messages(where, limit=_LOOKED_AT, newest_first=False)
    return [record for record in page.items if record.code == FOLLOWS]


async def _refuse(
    tx: Transaction,
    exchange: Exchange,
    record: MessageRecord,
    case: CaseRecord,
    now: dt.datetime,
    code: str | None,
    codes: str,
) -> None:
    """It has become impossible while it waited: the case ends, and the UK system is told why."""
    if not states.is_final(case.kind, case.status):
        await tx.set_case_status(case.reference, "rejected", now)
    for item in (record, *await _followers(tx, record.reference)):
        await tx.update_message(item.message_id, at=now, status=MessageStatus.REJECTED, code=code)
        await deadlines.dropped(tx, item, at=now)
        await _audit(tx, item, "message.rejected", now, {"code": code, "codes": codes})
        await tell_refused(tx, exchange.listeners, item, code=code, at=now)
        await enqueue_webhooks(tx, exchange.webhooks, WebhookEvent.MESSAGE_STATUS, item, now=now)


async def _audit(
    tx: Transaction, record: MessageRecord, action: str, now: dt.datetime, data: dict[str, str | None]
) -> None:
    await tx.append_audit(
        at=now,
        actor=ACTOR,
        action=action,
        subject=record.message_id,
        data={**data, "reference": record.reference, "waited_for": record.code},
    )


# ---- operators ----------------------------------------------------------------------------------


def check_quota(exchange: Exchange, persons: int, from_week: str | None) -> str:
    """The week from which a new number holds (None: the present one). Raises InvalidParameter."""
    if not 0 <= persons <= MOST_PERSONS:
        raise InvalidParameter(f"persons is a number from 0 to {MOST_PERSONS}")
    this_week = week_of(exchange.clock.now(), quota_zone(exchange.agreement))
    week = this_week if from_week is None else from_week
    try:
        monday_of(week)
    except ValueError as exc:
        raise InvalidParameter("a week is written YYYY-Www, for example 2026-W47") from exc
    if week < this_week:
        raise InvalidParameter(f"the week is over; this is {this_week}")
    return week


async def set_quota(
    exchange: Exchange,
    kind: QuotaKind,
    persons: int,
    *,
    from_week: str | None = None,
    actor: str,
    reason: str,
) -> QuotaChange:
    """From that week on (None: the present one), so many persons a week; the history is kept.

    Takes effect with the next ``release_waiting``; what has left stays. Raises InvalidParameter, also for a
    week that is over.
    """
    require_reason(reason)
    now = exchange.clock.now()
    week = check_quota(exchange, persons, from_week)
    async with exchange.store.begin() as tx:
        await tx.lock_quota(kind)
        before, _ = limit_of(kind, week, await tx.quota_changes(), exchange.agreement)
        change = QuotaChange(
            change_id=0, kind=kind, persons=persons, from_week=week, reason=reason, actor=actor, at=now
        )
        change_id = await tx.add_quota_change(change)
        await tx.append_audit(
            at=now,
            actor=actor,
            action="quota.changed",
            subject=f"{exchange.agreement.agreement.id}.{kind}",
            data={"from_week": week, "before": before, "persons": persons, "reason": reason},
        )
    return dataclasses.replace(change, change_id=change_id)
