"""The holding area: what waits for an operator, why, who may decide, and what follows from the decision.

A release judges the message again, with all rules and the exclusion check, and then lets it go on exactly as
if it had been accepted now: quota, case status, clocks, ledger, outbox. What now breaks a rule is not
released. An approval counts only for the reasons that were shown when it was given; the same person counts
once. Everything happens in one transaction that holds the case, so that of two deciders one is second.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Final

from contracts.codes import Direction
from contracts.model import Message
from contracts.ports import Problem
from gateway.core import identifiers as ids
from gateway.core.errors import Conflict, InsufficientScope, InvalidParameter, NotFound, RuleViolation
from gateway.core.reasons import require_reason
from gateway.core.records import CaseRecord, MessageRecord, MessageStatus
from gateway.core.treaty import states
from gateway.core.treaty.holding import Decider
from gateway.core.treaty.rules import CaseView, Verdict
from gateway.flows import deadlines, exclusion, trial
from gateway.flows.case_view import case_view
from gateway.flows.events import tell_refused
from gateway.flows.exchange import Exchange
from gateway.flows.exclusion import Exclusion
from gateway.flows.judging import judge_as_if_posted
from gateway.flows.ledger import book
from gateway.flows.once import use_up
from gateway.flows.outgoing import Hold, enqueue, posted, untranslatable
from gateway.flows.ports import MessageFilter, Transaction
from gateway.flows.ports_holds import DecisionRecord, HoldDecision
from gateway.flows.quotas import refuse_waiting, wait_for_room
from gateway.flows.webhooks import WebhookEvent, enqueue_webhooks

OPENING_REFUSED: Final = "opening_refused"
"""Code of what waited in a case whose opening message an operator refused."""
HELD: Final = "message.held"
"""Audit action: why a message waits."""
_LEAST_NAME = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """A held message as it would be judged now."""

    record: MessageRecord
    message: Message
    case: CaseRecord
    view: CaseView
    """The case without the message itself."""
    verdict: Verdict
    exclusion: Exclusion
    untranslatable: Hold | None
    roles: frozenset[str]
    persons: int
    seen: str

    @property
    def reasons(self) -> tuple[Problem, ...]:
        """Why it is held, or why it cannot be released, as of now."""
        problems = (*self.verdict.refuse, *self.verdict.hold)
        more = () if self.untranslatable is None else self.untranslatable.problems
        return (*(posted(f.problem) for f in problems), *more)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """What became of a decision."""

    record: MessageRecord
    needed: int
    """How many more persons must approve; 0 when the decision took effect."""


# ---- letting go ---------------------------------------------------------------------------------


async def look(tx: Transaction, exchange: Exchange, record: MessageRecord, now: dt.datetime) -> Look:
    """Judge a held message again, as if it came now. Raises NotFound, Conflict (content deleted)."""
    case = await tx.get_case(record.reference)
    view = await case_view(tx, case)
    if case is None or view is None:
        raise NotFound("no such case")
    message = await tx.content(record.message_id)
    others = tuple(m for m in view.messages if m.message_id != record.message_id)
    before = dataclasses.replace(view, messages=others)
    verdict, facts = await judge_as_if_posted(
        tx,
        exchange.agreement,
        message,
        kind=case.kind,
        case=None if message.type in states.OPENING else before,
        now=now,
    )
    codes = [*(f.rule for f in verdict.hold), *([record.code] if record.code else [])]
    roles, persons = exchange.holds.of_all(codes)
    return Look(
        record=record,
        message=message,
        case=case,
        view=before,
        verdict=verdict,
        exclusion=facts,
        untranslatable=untranslatable(exchange, message),
        roles=roles,
        persons=persons,
        seen=facts.seen(codes),
    )


async def let_go(tx: Transaction, exchange: Exchange, looked: Look, now: dt.datetime) -> MessageStatus:
    """The held message goes on as if it were accepted now; the caller's transaction holds the case.

    (1) nothing refuses it, (2) French can say it, (3) the case is where it is possible, (4) there is room in
    the quota, or it waits for that, (5) status, clocks, ledger, outbox. Raises RuleViolation, Conflict.
    """
    record, message, case = looked.record, looked.message, looked.case
    if looked.verdict.refuse:  # (1)
        problems = tuple(posted(f.problem) for f in looked.verdict.refuse)
        raise RuleViolation("rules of the agreement refuse the message now", problems=problems)
    if looked.untranslatable is not None:  # (2)
        problems = looked.untranslatable.problems
        raise Conflict("the French contract cannot carry the message", problems=problems)
    status = None
    if message.type not in states.OPENING:  # (3)
        opening = looked.view.opening_id
        status = states.next_status(case.kind, case.status, message, opening_id=opening)
    elif states.is_final(case.kind, case.status):
        raise Conflict(f"the case is {case.status}")
    room = await wait_for_room(tx, exchange, message, case, now)  # (4)
    if room is not None:
        await tx.update_message(record.message_id, at=now, status=MessageStatus.HELD, code=room.code)
        await tx.append_audit(
            at=now,
            actor="gateway",
            action=HELD,
            subject=record.message_id,
            data={"code": room.code, "path": room.path, "reference": case.reference, "before": record.code},
        )
        return MessageStatus.HELD
    await exclusion.before_return(tx, message)
    if status is not None and status != case.status:  # (5)
        await tx.set_case_status(case.reference, status, now)
    await tx.update_message(record.message_id, at=now, status=MessageStatus.ACCEPTED)
    released = dataclasses.replace(record, status=MessageStatus.ACCEPTED, code=None)
    await deadlines.accepted(tx, exchange.agreement, released, message, at=now)
    await book(tx, exchange.agreement, exchange.listeners, message, at=now)
    await enqueue(tx, exchange, message, now)
    await exclusion.return_booked(tx, exchange.listeners, message, now=now)
    return MessageStatus.ACCEPTED


# ---- decisions ----------------------------------------------------------------------------------


async def release(
    exchange: Exchange,
    message_id: str,
    *,
    by: Decider,
    reason: str,
    dry_run: bool = False,
    once: str | None = None,
) -> Decided:
    """Approve the release; with the last approval that is needed the message goes on.

    Raises NotFound, Conflict (not held, decided before, in a quota's queue), InsufficientScope (role),
    InvalidParameter (reason), RuleViolation (it breaks a rule now). A dry run changes nothing.
    ``once``: the token of a form (``flows.once``; AlreadyDone).
    """
    made = HoldDecision.RELEASED
    return await _decide(exchange, message_id, by, reason, made, dry_run=dry_run, once=once)


async def refuse(
    exchange: Exchange,
    message_id: str,
    *,
    by: Decider,
    reason: str,
    dry_run: bool = False,
    once: str | None = None,
) -> Decided:
    """The message never leaves: ``rejected`` with the code of its hold, and the UK system is told. When it
    was to open the case, the case ends. Raises as ``release``."""
    made = HoldDecision.REFUSED
    return await _decide(exchange, message_id, by, reason, made, dry_run=dry_run, once=once)


async def _decide(
    exchange: Exchange,
    message_id: str,
    by: Decider,
    reason: str,
    decision: HoldDecision,
    *,
    dry_run: bool,
    once: str | None,
) -> Decided:
    now = exchange.clock.now()
    async with trial.begin(exchange.store, dry_run=dry_run) as tx:
        await use_up(tx, actor=by.actor, about=f"{decision.value}:{message_id}", token=once, now=now)
        decided = await _decide_in(tx, exchange, message_id, by, reason, decision, now)
    if not dry_run:
        await exchange.store.notify("outbox")
    return decided


async def _decide_in(
    tx: Transaction,
    exchange: Exchange,
    message_id: str,
    by: Decider,
    reason: str,
    decision: HoldDecision,
    now: dt.datetime,
) -> Decided:
    """(1) lock the case, (2) look again, (3) may this person decide? (4) the effect, (5) the decision."""
    await tx.get_case((await held(tx, message_id)).reference, lock=True)  # (1)
    record = await held(tx, message_id)
    if decision is HoldDecision.RELEASED:
        refuse_waiting(record)
    looked = await look(tx, exchange, record, now)  # (2)
    check_reason(reason, looked.message)
    missing = looked.roles - by.roles  # (3)
    if missing:
        raise InsufficientScope(f"the operator lacks the role {', '.join(sorted(missing))}")
    before = await _approvals(tx, looked)
    needed, made = 0, decision
    if decision is HoldDecision.RELEASED:
        if by.actor in before.actors:
            raise Conflict("this operator has approved it already; another one is needed")
        needed = max(0, looked.persons - len(before.actors) - 1)
        made = HoldDecision.APPROVED if needed else decision
    after = await _take_effect(tx, exchange, looked, made, now)  # (4)
    await _note(tx, looked, made, by, reason, before.round, after, now)  # (5)
    if made is not HoldDecision.APPROVED:
        await enqueue_webhooks(tx, exchange.webhooks, WebhookEvent.MESSAGE_STATUS, record, now=now)
    return Decided(record=await _message(tx, message_id), needed=needed)


async def _message(tx: Transaction, message_id: str) -> MessageRecord:
    record = await tx.get_message(message_id)
    if record is None:
        raise NotFound("no such message")
    return record


async def held(tx: Transaction, message_id: str) -> MessageRecord:
    record = await _message(tx, message_id)
    if record.direction is not Direction.UK_TO_FR or record.status is not MessageStatus.HELD:
        raise Conflict(f"only a held message is decided about; this one is {record.status.value}")
    return record


def check_reason(reason: str, message: Message) -> None:
    """A reason is kept for ever in the audit log: it is short, and names no person of the message. Raises
    InvalidParameter."""
    require_reason(reason)
    said = set(ids.normalise_name(reason).split())
    names = {word for name in ids.names_of(message) for word in name.split() if len(word) >= _LEAST_NAME}
    numbers = {ids.document_number(d.number) for p in ids.persons_of(message) for d in p.documents} - {""}
    joined = ids.normalise(reason)
    if said & names or any(number in joined for number in numbers):
        raise InvalidParameter("the reason names a person or a document of the message: leave that out")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Before:
    round: int
    actors: frozenset[str]
    """Who approved these reasons in this round."""


async def _approvals(tx: Transaction, looked: Look) -> _Before:
    rows = await tx.decisions(looked.record.message_id)
    ended = [row.round for row in rows if row.decision is not HoldDecision.APPROVED]
    this = max(ended, default=0) + 1
    actors = {
        row.actor
        for row in rows
        if row.round == this and row.seen == looked.seen and row.code == looked.record.code
    }
    return _Before(round=this, actors=frozenset(actors))


async def _take_effect(
    tx: Transaction, exchange: Exchange, looked: Look, made: HoldDecision, now: dt.datetime
) -> MessageStatus:
    if made is HoldDecision.REFUSED:
        return await _refuse(tx, exchange, looked, now)
    if made is HoldDecision.RELEASED:
        await exclusion.remember(tx, looked.message, looked.exclusion)
        return await let_go(tx, exchange, looked, now)
    if looked.verdict.refuse or looked.untranslatable is not None:
        await let_go(tx, exchange, looked, now)  # raises: nobody approves what cannot go
    return MessageStatus.HELD


async def _refuse(tx: Transaction, exchange: Exchange, looked: Look, now: dt.datetime) -> MessageStatus:
    record, case = looked.record, looked.case
    await tx.update_message(record.message_id, at=now, status=MessageStatus.REJECTED, code=record.code)
    await deadlines.dropped(tx, record, at=now)
    await tell_refused(tx, exchange.listeners, record, code=record.code, at=now)
    if record.type not in states.OPENING:
        return MessageStatus.REJECTED
    if not states.is_final(case.kind, case.status):
        await tx.set_case_status(case.reference, "rejected", now)
    waiting = MessageFilter(reference=case.reference, status=MessageStatus.HELD, direction=Direction.UK_TO_FR)
    for other in (await tx.list_messages(waiting, limit=200)).items:
        await tx.update_message(other.message_id, at=now, status=MessageStatus.REJECTED, code=OPENING_REFUSED)
        await deadlines.dropped(tx, other, at=now)
        await tx.append_audit(
            at=now,
            actor="gateway",
            action="message.rejected",
            subject=other.message_id,
            data={"code": OPENING_REFUSED, "reference": case.reference, "by": record.message_id},
        )
        await tell_refused(tx, exchange.listeners, other, code=OPENING_REFUSED, at=now)
        await enqueue_webhooks(tx, exchange.webhooks, WebhookEvent.MESSAGE_STATUS, other, now=now)
    return MessageStatus.REJECTED


async def _note(
    tx: Transaction,
    looked: Look,
    made: HoldDecision,
    by: Decider,
    reason: str,
    in_round: int,
    after: MessageStatus,
    now: dt.datetime,
) -> None:
    record, facts = looked.record, looked.exclusion
    added = await tx.add_decision(
        DecisionRecord(
            message_id=record.message_id,
            round=in_round,
            decision=made,
            code=record.code or "",
            seen=looked.seen,
            reason=reason,
            actor=by.actor,
            at=now,
        )
    )
    if not added:
        raise Conflict("this operator has decided about it already")
    near = sum(f.match is exclusion.Match.NEAR for f in facts.found)
    await tx.append_audit(
        at=now,
        actor=by.actor,
        action=f"hold.{made.value}",
        subject=record.message_id,
        data={
            "reason": reason,
            "code": record.code,
            "before": record.status.value,
            "after": after.value,
            "reference": record.reference,
            "matches": len(facts.found),
            "told_apart": near if made is HoldDecision.RELEASED else 0,
        },
    )
