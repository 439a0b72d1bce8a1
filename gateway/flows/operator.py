"""What an operator may do with a message: try again, stop, let go. Each is audited with the reason given.

A replay keeps the MessageId, so the other side can tell a second copy; only dead letters are replayed, so
nothing that was delivered leaves twice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from contracts.codes import Direction
from gateway.core.errors import Conflict, NotFound
from gateway.core.reasons import require_reason
from gateway.core.records import MessageRecord, MessageStatus
from gateway.core.resend import Action, Facts, Verdict, Why, judge
from gateway.core.treaty.holding import OPERATOR
from gateway.flows import deadlines, trial
from gateway.flows.exchange import Exchange
from gateway.flows.holds import check_reason, let_go, look
from gateway.flows.once import use_up
from gateway.flows.outgoing import enqueue
from gateway.flows.ports import Transaction
from gateway.flows.quotas import refuse_waiting
from gateway.flows.webhooks import WebhookEvent, enqueue_webhooks

CANCELLED = "cancelled_by_operator"
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
    """Send a dead letter again as the same message, or let a held one go (``release``).

    Returns the message as it is then; a dry run changes nothing. ``once``: token of a form (``flows.once``).
    Raises NotFound, Conflict, InvalidParameter, AlreadyDone.
    """
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


async def act_on(
    tx: Transaction,
    exchange: Exchange,
    action: Action,
    message_id: str,
    *,
    actor: str,
    reason: str,
    now: dt.datetime,
    noted: Mapping[str, str | None],
) -> None:
    """Replay or cancel in the transaction of the caller, who holds the case; ``noted`` goes into the audit
    entry too. Raises as ``replay``; nothing is written then."""
    step = (
        _Step(_replay, "message.replayed", actor, reason)
        if action is Action.REPLAY
        else _Step(_cancel, "message.cancelled", actor, reason)
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
        await use_up(tx, actor=step.actor, token=once, now=now)  # (1)
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


async def _replay(tx: Transaction, exchange: Exchange, record: MessageRecord, now: dt.datetime) -> None:
    if record.status is MessageStatus.HELD:
        await _release(tx, exchange, record, now)
        return
    if record.status is not MessageStatus.FAILED:
        raise Conflict(f"only a failed message is replayed; this one is {record.status.value}")
    await _refuse_unsafe(tx, record, now)
    message = await tx.content(record.message_id)
    await tx.update_message(record.message_id, at=now, status=MessageStatus.ACCEPTED)
    await enqueue(tx, exchange, message, now)


_NOT_AGAIN: Final = {
    Why.RECEIPTED: "a receipt for this message is stored: it is never sent again",
    Why.UNDER_WAY: "the message waits in the outbox already",
    Why.WITHDRAWN: "the case was withdrawn: nothing of it may follow",
    Why.DELETED: "retention has deleted the content of the message",
}


async def _refuse_unsafe(tx: Transaction, record: MessageRecord, now: dt.datetime) -> None:
    """The duplicate check. What one person names may go although partners refuse duplicates with its code:
    it keeps its MessageId. Raises Conflict."""
    facts = await facts_of(tx, record.message_id, now)
    verdict, why = judge(Action.REPLAY, dataclasses.replace(facts, elsewhere=False))
    if verdict is Verdict.UNSAFE and why is not Why.PERHAPS_TAKEN:
        raise Conflict(_NOT_AGAIN.get(why, f"it cannot be sent again: {why.value}"))


async def facts_of(tx: Transaction, message_id: str, now: dt.datetime) -> Facts:
    """What a verdict on one message comes from. Raises NotFound."""
    found = (await tx.resend_facts([message_id], now=now)).get(message_id)
    if found is None:
        raise NotFound("no such message")
    return found


async def _cancel(tx: Transaction, exchange: Exchange, record: MessageRecord, now: dt.datetime) -> None:
    if record.status is MessageStatus.HELD:
        _refuse_alone(exchange, record)
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
