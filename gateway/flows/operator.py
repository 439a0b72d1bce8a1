"""What an operator may do with a message: try again, stop, let go. Each is audited with the reason given.

A replay keeps the MessageId, so the other side can tell a second copy; only dead letters are replayed, so
nothing that was delivered leaves twice.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from contracts.codes import Direction
from gateway.core.errors import Conflict, InvalidParameter, NotFound
from gateway.core.records import MessageRecord, MessageStatus
from gateway.core.treaty import states
from gateway.flows.case_view import case_view
from gateway.flows.exchange import Exchange
from gateway.flows.outgoing import enqueue, untranslatable
from gateway.flows.ports import Transaction
from gateway.flows.webhooks import WebhookEvent, enqueue_webhooks

MAX_REASON = 500
CANCELLED_BY_OPERATOR = "cancelled_by_operator"


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatorAction:
    """Who acts and why; the reason is kept in the audit log and must hold no personal data."""

    actor: str
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip() or len(self.reason) > MAX_REASON:
            raise InvalidParameter(f"a reason of 1 to {MAX_REASON} characters is needed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What an action would do, or did."""

    message_id: str
    reference: str
    before: MessageStatus
    after: MessageStatus
    case_status_after: str | None
    done: bool


async def replay(
    exchange: Exchange, message_id: str, action: OperatorAction, *, dry_run: bool = False
) -> Preview:
    """Send a dead letter again, as the same message. Raises NotFound, Conflict."""
    return await _act(exchange, message_id, action, "message.replayed", dry_run=dry_run)


async def cancel(
    exchange: Exchange, message_id: str, action: OperatorAction, *, dry_run: bool = False
) -> Preview:
    """Stop a message that waits, is held or is a dead letter. Raises NotFound, Conflict."""
    return await _act(exchange, message_id, action, "message.cancelled", dry_run=dry_run)


async def release(
    exchange: Exchange, message_id: str, action: OperatorAction, *, dry_run: bool = False
) -> Preview:
    """Let a held message go. What the French contract cannot carry stays held. Raises NotFound, Conflict."""
    return await _act(exchange, message_id, action, "message.released", dry_run=dry_run)


class _DryRun(Exception):
    """Rolls back what was only tried."""


async def _act(
    exchange: Exchange,
    message_id: str,
    action: OperatorAction,
    name: str,
    *,
    dry_run: bool,
) -> Preview:
    """(1) lock the case, (2) the step, (3) audit and webhooks, (4) commit, or roll back a dry run."""
    now = exchange.clock.now()
    preview: Preview | None = None
    try:
        async with exchange.store.begin() as tx:
            record = await _outbound(tx, message_id)  # (1)
            case = await tx.get_case(record.reference, lock=True)
            record = await _outbound(tx, message_id)
            if case is None:
                raise NotFound("no such case")
            after, case_after = await _STEPS[name](tx, exchange, record, now)  # (2)
            await tx.append_audit(  # (3)
                at=now,
                actor=action.actor,
                action=name,
                subject=message_id,
                data={
                    "reason": action.reason,
                    "before": record.status.value,
                    "after": after.value,
                    "reference": record.reference,
                },
            )
            await enqueue_webhooks(tx, exchange.webhooks, WebhookEvent.MESSAGE_STATUS, record, now=now)
            preview = Preview(
                message_id=message_id,
                reference=record.reference,
                before=record.status,
                after=after,
                case_status_after=case_after,
                done=not dry_run,
            )
            if dry_run:
                raise _DryRun  # noqa: TRY301 — (4) leaving by an exception is what rolls back
    except _DryRun:
        pass
    if preview is None:
        raise AssertionError("an operator action without a result")
    if not dry_run:
        await exchange.store.notify("outbox")
    return preview


async def _outbound(tx: Transaction, message_id: str) -> MessageRecord:
    record = await tx.get_message(message_id)
    if record is None:
        raise NotFound("no such message")
    if record.direction is not Direction.UK_TO_FR:
        raise Conflict("only messages to France wait in our outbox")
    return record


async def _replay(
    tx: Transaction, exchange: Exchange, record: MessageRecord, now: dt.datetime
) -> tuple[MessageStatus, str | None]:
    if record.status is not MessageStatus.FAILED:
        raise Conflict(f"only a failed message is replayed; this one is {record.status.value}")
    message = await tx.content(record.message_id)
    await tx.update_message(record.message_id, at=now, status=MessageStatus.ACCEPTED)
    await enqueue(tx, exchange, message, now)
    return MessageStatus.ACCEPTED, None


async def _cancel(
    tx: Transaction, exchange: Exchange, record: MessageRecord, now: dt.datetime
) -> tuple[MessageStatus, str | None]:
    del exchange
    status = MessageStatus.CANCELLED
    if record.status in {MessageStatus.HELD, MessageStatus.FAILED}:
        await tx.update_message(record.message_id, at=now, status=status, code=CANCELLED_BY_OPERATOR)
    elif not await tx.cancel_message(record.message_id, at=now, code=CANCELLED_BY_OPERATOR):
        raise Conflict(f"the message does not wait any more; it is {record.status.value}")
    return status, None


async def _release(
    tx: Transaction, exchange: Exchange, record: MessageRecord, now: dt.datetime
) -> tuple[MessageStatus, str | None]:
    if record.status is not MessageStatus.HELD:
        raise Conflict(f"only a held message is released; this one is {record.status.value}")
    message = await tx.content(record.message_id)
    hold = untranslatable(exchange, message)
    if hold is not None:
        raise Conflict("the French contract cannot carry the message", problems=hold.problems)
    case = await tx.get_case(record.reference)
    view = await case_view(tx, case)
    if case is None or view is None:
        raise NotFound("no such case")
    case_after = case.status
    if message.type not in states.OPENING:
        case_after = states.next_status(case.kind, case.status, message, opening_id=view.opening_id)
        await tx.set_case_status(case.reference, case_after, now)
    elif states.is_final(case.kind, case.status):
        raise Conflict(f"the case is {case.status}")
    await tx.update_message(record.message_id, at=now, status=MessageStatus.ACCEPTED)
    await enqueue(tx, exchange, message, now)
    return MessageStatus.ACCEPTED, case_after


_STEPS = {"message.replayed": _replay, "message.cancelled": _cancel, "message.released": _release}
