"""What an operator may do with a message: try again, stop, let go. Each is audited with the reason given.

A replay keeps the MessageId, so the other side can tell a second copy; only dead letters are replayed, so
nothing that was delivered leaves twice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from contracts.codes import Direction
from gateway.core.errors import Conflict, NotFound
from gateway.core.reasons import require_reason
from gateway.core.records import MessageRecord, MessageStatus
from gateway.core.resend import Action, Why
from gateway.core.treaty.holding import OPERATOR
from gateway.flows import deadlines, trial
from gateway.flows.exchange import Exchange
from gateway.flows.holds import check_reason, let_go, look
from gateway.flows.once import use_up
from gateway.flows.outgoing import enqueue
from gateway.flows.ports import Transaction
from gateway.flows.quotas import refuse_waiting
from gateway.flows.resending import facts_of, verdict_alone
from gateway.flows.webhooks import WebhookEvent, enqueue_webhooks

CANCELLED = "cancelled_by_operator"
_HELD = "the message is held: let it go with passerelle messages release, or decide with passerelle holds"
_ELSEWHERE = "operators with a role, or two of them, decide about this: passerelle holds release (or refuse)"


async def replay(
    exchange: Exchange,
    message_id: str,
    *,
    actor: str,
    reason: str,
    dry_run: bool = False,
    once: str | None = None,
) -> MessageRecord:
    """Send a dead letter again as the same message. What is held is released instead (``release``).

    Returns the message as it is then; a dry run changes nothing. ``once``: token of a form (``flows.once``).
    Raises NotFound, Conflict, InvalidParameter, AlreadyDone.
    """
    _refuse_one_person(exchange)
    step = _Step(_replay, "message.replayed", actor, reason)
    return await _act(exchange, message_id, step, dry_run=dry_run, once=once)


async def cancel(
    exchange: Exchange,
    message_id: str,
    *,
    actor: str,
    reason: str,
    dry_run: bool = False,
    once: str | None = None,
) -> MessageRecord:
    """Stop a message that waits, is held or is a dead letter. Otherwise as ``replay``."""
    _refuse_one_person(exchange)
    step = _Step(_cancel, "message.cancelled", actor, reason)
    return await _act(exchange, message_id, step, dry_run=dry_run, once=once)


async def release(
    exchange: Exchange,
    message_id: str,
    *,
    actor: str,
    reason: str,
    dry_run: bool = False,
    once: str | None = None,
) -> MessageRecord:
    """Let a held message go; what the French contract cannot carry stays held, and what needs a role or a
    second person is decided in the holding area (``gateway.flows.holds``). Otherwise as ``replay``."""
    step = _Step(_release, "message.released", actor, reason)
    return await _act(exchange, message_id, step, dry_run=dry_run, once=once)


def _refuse_one_person(exchange: Exchange) -> None:
    """Where the settings ask for a second person for one message too. Raises Conflict."""
    if exchange.batches.needs_second_person(1):
        raise Conflict("a second person is needed for one message too: make a batch of it")


async def act_on(
    tx: Transaction,
    exchange: Exchange,
    action: Action,
    message_id: str,
    *,
    actor: str,
    reason: str,
    now: dt.datetime,
    batch: str,
    noted: Mapping[str, str | None],
) -> None:
    """Replay or cancel for a batch, in the transaction of the caller, who holds the case; ``noted`` goes into
    the audit entry too. Raises as ``replay``; nothing is written then."""
    step = (
        _Step(partial(_replay, batch=batch), "message.replayed", actor, reason)
        if action is Action.REPLAY
        else _Step(partial(_cancel, batch=batch), "message.cancelled", actor, reason)
    )
    await _in(tx, exchange, message_id, step, now, noted)


@dataclasses.dataclass(frozen=True, slots=True)
class _Step:
    """What is done, as what it is audited, by whom and why."""

    do: Callable[[Transaction, Exchange, MessageRecord, dt.datetime], Awaitable[None]]
    name: str
    actor: str
    reason: str


async def _act(
    exchange: Exchange, message_id: str, step: _Step, *, dry_run: bool, once: str | None
) -> MessageRecord:
    """(1) the form's token, (2) lock the case, (3) the step, its audit and webhooks, (4) commit, or roll back
    a dry run.

    The reason is kept in the audit log: one that names a person or a document of the message is refused.
    """
    require_reason(step.reason)
    now = exchange.clock.now()
    async with trial.begin(exchange.store, dry_run=dry_run) as tx:  # (4)
        await use_up(tx, actor=step.actor, about=f"{step.name}:{message_id}", token=once, now=now)  # (1)
        await tx.get_case((await _outbound(tx, message_id)).reference, lock=True)  # (2)
        after = await _in(tx, exchange, message_id, step, now, {})  # (3)
    if not dry_run:
        await exchange.store.notify("outbox")
    return after


async def _in(
    tx: Transaction,
    exchange: Exchange,
    message_id: str,
    step: _Step,
    now: dt.datetime,
    noted: Mapping[str, str | None],
) -> MessageRecord:
    before = await _outbound(tx, message_id)
    with contextlib.suppress(LookupError):  # retention has deleted the content: there is no name to compare
        check_reason(step.reason, await tx.content(message_id))
    await step.do(tx, exchange, before, now)
    after = await _outbound(tx, message_id)
    await tx.append_audit(
        at=now,
        actor=step.actor,
        action=step.name,
        subject=message_id,
        data={
            "reason": step.reason,
            "before": before.status.value,
            "after": after.status.value,
            "reference": before.reference,
            **noted,
        },
    )
    await enqueue_webhooks(tx, exchange.webhooks, WebhookEvent.MESSAGE_STATUS, before, now=now)
    return after


async def _outbound(tx: Transaction, message_id: str) -> MessageRecord:
    record = await tx.get_message(message_id)
    if record is None:
        raise NotFound("no such message")
    if record.direction is not Direction.UK_TO_FR:
        raise Conflict("only messages to France wait in our outbox")
    return record


async def _replay(
    tx: Transaction, exchange: Exchange, record: MessageRecord, now: dt.datetime, batch: str | None = None
) -> None:
    if record.status is MessageStatus.HELD:
        raise Conflict(_HELD)
    if record.status is not MessageStatus.FAILED:
        raise Conflict(f"only a failed message is replayed; this one is {record.status.value}")
    await _refuse_unsafe(tx, exchange, Action.REPLAY, record, now, batch)
    message = await tx.content(record.message_id)
    await tx.update_message(record.message_id, at=now, status=MessageStatus.ACCEPTED)
    await enqueue(tx, exchange, message, now)


_REFUSALS: Final = {
    (Action.REPLAY, Why.RECEIPTED): "a receipt for this message is stored: it is never sent again",
    (Action.REPLAY, Why.UNDER_WAY): "the message waits in the outbox already",
    (Action.REPLAY, Why.WITHDRAWN): "the case was withdrawn: nothing of it may follow",
    (Action.REPLAY, Why.DELETED): "retention has deleted the content of the message",
    (Action.REPLAY, Why.IN_BATCH): "a batch that has not ended holds the message: start it, or stop it first",
    (
        Action.CANCEL,
        Why.RECEIPTED,
    ): "France has it: the message is receipted. A withdrawal of the case can follow",
    (Action.CANCEL, Why.UNDER_WAY): "the message is being sent at this moment, or does not wait any more",
}


async def _refuse_unsafe(
    tx: Transaction,
    exchange: Exchange,
    action: Action,
    record: MessageRecord,
    now: dt.datetime,
    batch: str | None,
) -> None:
    """What every page says about this message is what happens. ``batch``: the one that acts. Raises
    Conflict."""
    facts = await facts_of(tx, record.message_id, now, apart_from=batch)
    _, why, possible = verdict_alone(exchange, action, facts)
    if not possible:
        doing = "sent again" if action is Action.REPLAY else "cancelled"
        raise Conflict(_REFUSALS.get((action, why), f"it cannot be {doing}: it is {record.status.value}"))


async def _cancel(
    tx: Transaction, exchange: Exchange, record: MessageRecord, now: dt.datetime, batch: str | None = None
) -> None:
    if record.status is MessageStatus.HELD:
        _refuse_alone(exchange, record)
    await _refuse_unsafe(tx, exchange, Action.CANCEL, record, now, batch)
    if record.status in {MessageStatus.HELD, MessageStatus.FAILED}:
        await tx.update_message(record.message_id, at=now, status=MessageStatus.CANCELLED, code=CANCELLED)
    elif not await tx.cancel_message(record.message_id, at=now, code=CANCELLED):
        raise Conflict(f"the message does not wait any more; it is {record.status.value}")
    await deadlines.dropped(tx, record, at=now)


async def _release(tx: Transaction, exchange: Exchange, record: MessageRecord, now: dt.datetime) -> None:
    if record.status is not MessageStatus.HELD:
        raise Conflict(f"only a held message is released; this one is {record.status.value}")
    refuse_waiting(record)
    _refuse_alone(exchange, record)
    looked = await look(tx, exchange, record, now)
    if not all(role == OPERATOR for role in looked.roles) or looked.persons > 1:
        raise Conflict(_ELSEWHERE)
    await let_go(tx, exchange, looked, now)


def _refuse_alone(exchange: Exchange, record: MessageRecord) -> None:
    """What needs a role or a second person is decided in the holding area only. Raises Conflict."""
    if exchange.holds.of(record.code or "").persons > 1:
        raise Conflict(_ELSEWHERE)
