"""What an operator may do with a message: try again, stop, let go. Each is audited with the reason given.

A replay keeps the MessageId, so the other side can tell a second copy; only dead letters are replayed, so
nothing that was delivered leaves twice.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable

from contracts.codes import Direction
from gateway.core.errors import Conflict, InvalidParameter, NotFound
from gateway.core.records import MessageRecord, MessageStatus
from gateway.core.treaty.holding import OPERATOR
from gateway.flows import deadlines
from gateway.flows.exchange import Exchange
from gateway.flows.holds import let_go, look
from gateway.flows.outgoing import enqueue
from gateway.flows.ports import Transaction
from gateway.flows.quotas import refuse_waiting
from gateway.flows.webhooks import WebhookEvent, enqueue_webhooks

MAX_REASON = 500
CANCELLED = "cancelled_by_operator"
_ELSEWHERE = "operators with a role, or two of them, decide about this: passerelle holds release (or refuse)"


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
    """Let a held message go; what the French contract cannot carry stays held, and what needs a role or a
    second person is decided in the holding area (``gateway.flows.holds``). Otherwise as ``replay``."""
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
