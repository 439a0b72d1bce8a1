"""One step of a running batch: one message, in one transaction, on whichever node comes first.

(1) The batch that was started first. Two nodes never hold it at the same time, and no lease is needed, since
a step is one transaction: a node that dies has done nothing. (2) Not before ``next_at``, which bounds the
rate over all nodes; sending again, not into an endpoint whose circuit is open or paused. (3) The first of its
messages without a result, its case locked, is judged again. (4) The operator's action, its audit entry and
the result of the message commit together.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Final

from gateway.core import breaker as circuit
from gateway.core.batches import BatchEvent, BatchState, Result, next_state
from gateway.core.errors import Conflict, PasserelleError, Unavailable
from gateway.core.resend import Action, Verdict, still
from gateway.flows.batches import GATEWAY
from gateway.flows.exchange import Exchange
from gateway.flows.operator import act_on
from gateway.flows.ports import Transaction
from gateway.flows.ports_actions import BatchItem, BatchRecord
from gateway.flows.resending import facts_of, verdict_on

CIRCUIT_S: Final = 1.0
"""Seconds between looks while the circuit is open."""
_BUG: Final = "internal"
_DELETED: Final = "deleted"


async def step(exchange: Exchange) -> float | None:
    """Take the next message. Returns the seconds to wait before the next look, None when nothing runs.

    An error about one message is its result, never the end of the batch; a bug pauses the batch, and is
    raised for the log. Raises Unavailable.
    """
    async with exchange.store.begin(read_only=True) as tx:
        batch_id = await tx.running_batch()  # (1)
    if batch_id is None:
        return None
    at = _Place()
    try:
        async with exchange.store.begin() as tx:
            wait = await _step_in(tx, exchange, batch_id, at)
    except Unavailable:
        raise
    except Exception as exc:
        if at.item is None:
            raise
        await _stumble(exchange, batch_id, at.item, exc)
        if not isinstance(exc, PasserelleError | LookupError):
            raise
        return exchange.batches.interval.total_seconds()
    if at.item is not None:
        await exchange.store.notify("outbox")
    return wait


@dataclasses.dataclass(slots=True)
class _Place:
    """Where a step was when it failed."""

    item: BatchItem | None = None


async def _step_in(tx: Transaction, exchange: Exchange, batch_id: str, at: _Place) -> float:
    interval = exchange.batches.interval
    now = exchange.clock.now()
    batch = await tx.claim_batch(batch_id)
    if batch is None:  # another node has it at this moment
        return interval.total_seconds()
    if batch.next_at is not None and now < batch.next_at:  # (2)
        return (batch.next_at - now).total_seconds()
    if batch.action is Action.REPLAY:
        breaker = await tx.breaker(exchange.french_party)
        if not circuit.may_send(breaker, now):
            return CIRCUIT_S
    rows = await tx.batch_items(batch_id, limit=1, result=Result.PENDING)  # (3)
    if not rows:
        await _finish(tx, batch, now)
        return 0.0
    at.item = rows[0]
    await _take(tx, exchange, batch, rows[0], now)
    await tx.save_batch(dataclasses.replace(batch, next_at=now + interval, updated_at=now))
    return interval.total_seconds()


async def _take(
    tx: Transaction, exchange: Exchange, batch: BatchRecord, item: BatchItem, now: dt.datetime
) -> None:
    message_id = item.planned.message_id
    await tx.get_case(item.planned.reference, lock=True)
    facts = await facts_of(tx, message_id, now, apart_from=batch.batch_id)
    verdict, why = still(batch.action, item.planned.verdict, verdict_on(exchange, batch.action, facts))
    if verdict is Verdict.UNSAFE:
        await _skip(tx, batch, item, why.value, now)
        return
    try:
        await act_on(  # (4)
            tx,
            exchange,
            batch.action,
            message_id,
            actor=batch.created_by,
            reason=batch.reason,
            now=now,
            batch=batch.batch_id,
            noted={"batch": batch.batch_id, "approved_by": batch.approved_by},
        )
    except Conflict as exc:  # nothing was written (``act_on``)
        await _skip(tx, batch, item, exc.code, now)
        return
    await tx.finish_item(batch.batch_id, item.position, result=Result.DONE, code=None, at=now)


async def _skip(tx: Transaction, batch: BatchRecord, item: BatchItem, code: str, now: dt.datetime) -> None:
    await tx.finish_item(batch.batch_id, item.position, result=Result.SKIPPED, code=code, at=now)
    await tx.append_audit(
        at=now,
        actor=GATEWAY,
        action="batch.skipped",
        subject=item.planned.message_id,
        data={"batch": batch.batch_id, "action": batch.action.value, "code": code},
    )


async def _finish(tx: Transaction, batch: BatchRecord, now: dt.datetime) -> None:
    state = next_state(batch.state, BatchEvent.FINISH)
    await tx.save_batch(dataclasses.replace(batch, state=state, ended_at=now, next_at=None, updated_at=now))
    counts = await tx.batch_counts(batch.batch_id)
    await tx.append_audit(
        at=now,
        actor=GATEWAY,
        action="batch.done",
        subject=batch.batch_id,
        data={"action": batch.action.value, **{result.value: counts[result] for result in Result}},
    )


async def _stumble(exchange: Exchange, batch_id: str, item: BatchItem, exc: Exception) -> None:
    """The step was rolled back: note it, and after a bug let nobody go on without looking."""
    known = isinstance(exc, PasserelleError)
    code = (
        exc.code if isinstance(exc, PasserelleError) else _DELETED if isinstance(exc, LookupError) else _BUG
    )
    now = exchange.clock.now()
    async with exchange.store.begin() as tx:
        batch = await tx.get_batch(batch_id, lock=True)
        if batch is None:
            return
        noted = await tx.finish_item(batch_id, item.position, result=Result.FAILED, code=code, at=now)
        paused = not known and code == _BUG and batch.state is BatchState.RUNNING
        state = next_state(batch.state, BatchEvent.PAUSE) if paused else batch.state
        await tx.save_batch(
            dataclasses.replace(batch, state=state, next_at=now + exchange.batches.interval, updated_at=now)
        )
        if noted:
            await tx.append_audit(
                at=now,
                actor=GATEWAY,
                action="batch.failed",
                subject=item.planned.message_id,
                data={"batch": batch_id, "code": code, "paused": paused},
            )
