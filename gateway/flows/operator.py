"""What an operator may do with a message: try again, stop, let go. Each is audited with the reason given.

A replay keeps the MessageId, so the other side can tell a second copy; only dead letters are replayed, so
nothing that was delivered leaves twice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable

from contracts.codes import Direction
from gateway.core.errors import Conflict, InvalidParameter, NotFound
from gateway.core.records import MessageRecord, MessageStatus
from gateway.core.treaty import states
from gateway.flows import deadlines
from gateway.flows.case_view import case_view
from gateway.flows.exchange import Exchange
from gateway.flows.ledger import book
from gateway.flows.outgoing import enqueue, untranslatable
from gateway.flows.ports import Transaction
from gateway.flows.quotas import refuse_waiting, wait_for_room
from gateway.flows.webhooks import WebhookEvent, enqueue_webhooks

MAX_REASON = 500
CANCELLED = "cancelled_by_operator"


async def replay(
    exchange: Exchange, message_id: str, *, actor: str, reason: str, dry_run: bool = False
) -> MessageRecord:
    """Send a dead letter again as the same message, or let a held one go (``release``).

    Returns the message as it is then; a dry run changes nothing. Raises NotFound, Conflict, InvalidParameter.
    """
    return await _act(exchange, message_id, _replay, "message.replayed", actor, reason, dry_run=dry_run)


async def cancel(
    exchange: Exchange, message_id: str, *, actor: str, reason: str, dry_run: bool = False
) -> MessageRecord:
    """Stop a message that waits, is held or is a dead letter. Otherwise as ``replay``."""
    return await _act(exchange, message_id, _cancel, "message.cancelled", actor, reason, dry_run=dry_run)


async def release(
    exchange: Exchange, message_id: str, *, actor: str, reason: str, dry_run: bool = False
) -> MessageRecord:
    """Let a held message go; what the French contract cannot carry stays held. Otherwise as ``replay``."""
    return await _act(exchange, message_id, _release, "message.released", actor, reason, dry_run=dry_run)


Step = Callable[[Transaction, Exchange, MessageRecord, dt.datetime], Awaitable[None]]


class _DryRun(Exception):
    """Rolls back what was only tried."""


async def _act(
    exchange: Exchange,
    message_id: str,
    step: Step,
    name: str,
    actor: str,
    reason: str,
    *,
    dry_run: bool,
) -> MessageRecord:
    """(1) lock the case, (2) the step, (3) audit and webhooks, (4) commit, or roll back a dry run.

    The reason is kept in the audit log; whoever gives it is told to leave personal data out.
    """
    if not reason.strip() or len(reason) > MAX_REASON:
        raise InvalidParameter(f"a reason of 1 to {MAX_REASON} characters is needed")
    now = exchange.clock.now()
    after: MessageRecord | None = None
    with contextlib.suppress(_DryRun):
        async with exchange.store.begin() as tx:
            await tx.get_case((await _outbound(tx, message_id)).reference, lock=True)  # (1)
            before = await _outbound(tx, message_id)
            await step(tx, exchange, before, now)  # (2)
            after = await _outbound(tx, message_id)
            data = {"reason": reason, "before": before.status.value, "after": after.status.value}
            await tx.append_audit(  # (3)
                at=now,
                actor=actor,
                action=name,
                subject=message_id,
                data={**data, "reference": before.reference},
            )
            await enqueue_webhooks(tx, exchange.webhooks, WebhookEvent.MESSAGE_STATUS, before, now=now)
            if dry_run:
                raise _DryRun  # (4)
    if after is None:
        raise AssertionError("an operator action without a result")
    if not dry_run:
        await exchange.store.notify("outbox")
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
    message = await tx.content(record.message_id)
    await tx.update_message(record.message_id, at=now, status=MessageStatus.ACCEPTED)
    await enqueue(tx, exchange, message, now)


async def _cancel(tx: Transaction, exchange: Exchange, record: MessageRecord, now: dt.datetime) -> None:
    del exchange
    if record.status in {MessageStatus.HELD, MessageStatus.FAILED}:
        await tx.update_message(record.message_id, at=now, status=MessageStatus.CANCELLED, code=CANCELLED)
    elif not await tx.cancel_message(record.message_id, at=now, code=CANCELLED):
        raise Conflict(f"the message does not wait any more; it is {record.status.value}")
    await deadlines.dropped(tx, record, at=now)


async def _release(tx: Transaction, exchange: Exchange, record: MessageRecord, now: dt.datetime) -> None:
    if record.status is not MessageStatus.HELD:
        raise Conflict(f"only a held message is released; this one is {record.status.value}")
    refuse_waiting(record)
    message = await tx.content(record.message_id)
    hold = untranslatable(exchange, message)
    if hold is not None:
        raise Conflict("the French contract cannot carry the message", problems=hold.problems)
    case = await tx.get_case(record.reference)
    view = await case_view(tx, case)
    if case is None or view is None:
        raise NotFound("no such case")
    room = await wait_for_room(tx, exchange, message, case, now)
    if room is not None:  # it goes on waiting, for another reason
        await tx.update_message(record.message_id, at=now, status=MessageStatus.HELD, code=room.code)
        return
    if message.type not in states.OPENING:
        case_after = states.next_status(case.kind, case.status, message, opening_id=view.opening_id)
        await tx.set_case_status(case.reference, case_after, now)
    elif states.is_final(case.kind, case.status):
        raise Conflict(f"the case is {case.status}")
    await tx.update_message(record.message_id, at=now, status=MessageStatus.ACCEPTED)
    released = dataclasses.replace(record, status=MessageStatus.ACCEPTED)
    await deadlines.accepted(tx, exchange.agreement, released, message, at=now)
    await book(tx, exchange.agreement, message, at=now)
    await enqueue(tx, exchange, message, now)
