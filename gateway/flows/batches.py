"""Actions on many messages: previewed, confirmed, approved by a second person, started, paused, stopped.

(1) ``batch_preview.preview`` judges the set and hands out what was seen; (2) ``create`` confirms it: a set
that has changed is refused; (3) above a count another person approves; (4) the batch waits, paused, until
somebody starts it; (5) ``batch_run`` takes one message after the other, each judged again. Every step is
audited, and what is done to a message is an action of ``flows.operator`` with that one's own checks.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Final, Protocol

from gateway.core.batches import (
    BatchEvent,
    BatchState,
    Planned,
    Reason,
    Result,
    Seen,
    confirm,
    next_state,
)
from gateway.core.errors import Conflict, Forbidden, InvalidParameter, NotFound
from gateway.core.reasons import require_reason
from gateway.core.resend import Action
from gateway.core.roles import Permission
from gateway.flows.batch_preview import Preview, Selection, look_at, preview_of
from gateway.flows.exchange import Exchange
from gateway.flows.once import use_up
from gateway.flows.ports import Transaction
from gateway.flows.ports_actions import BatchItem, BatchRecord

GATEWAY: Final = "gateway"
_VALID: Final = dt.timedelta(days=7)
"""An older batch is not started any more: what it was made for has passed."""
_FORM_VALID: Final = dt.timedelta(days=1)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
_ALL: Final = 1_000_000


class Person(Protocol):
    """Somebody who was recognised: a user of the console or of the command line."""

    @property
    def actor(self) -> str:
        """As in the audit log."""
        ...

    def may(self, permission: Permission) -> bool: ...


def need(by: Person, permission: Permission) -> None:
    """Raises Forbidden."""
    if not by.may(permission):
        raise Forbidden(f"this needs the permission {permission.value}, which none of your roles gives")


async def create(
    exchange: Exchange,
    selection: Selection,
    action: Action,
    *,
    by: Person,
    reason: Reason,
    seen: Seen,
    batch_id: str | None = None,
) -> BatchRecord:
    """Fix the set that was previewed as a batch; nothing is done to any message yet.

    What is unsafe is in it with its result, ``skipped``. ``batch_id``: chosen when the form was shown (an id
    of the clock), so that the form sent twice makes one batch: the second time that batch is returned.
    Raises Forbidden, SetChanged, InvalidParameter, NotFound, Conflict (nothing to do).
    """
    need(by, Permission.ACT)
    now = exchange.clock.now()
    async with exchange.store.begin() as tx:
        before = None if batch_id is None else await tx.get_batch(batch_id)
        if before is not None:
            return _own(before, by, action, seen)
        _check_id(batch_id, now)
        items = await look_at(tx, exchange, selection, action, now)
        confirm(seen, action, items)
        to_do = sum(item.to_do for item in items)
        if not to_do:
            raise Conflict("none of these messages can be acted upon")
        second = exchange.batches.needs_second_person(to_do)
        batch = BatchRecord(
            batch_id=batch_id or exchange.clock.new_id(),
            action=action,
            state=BatchState.WAITING if second else BatchState.PAUSED,
            reason_code=reason.code,
            reason=reason.text,
            selection=selection.text,
            digest=seen.digest,
            count=len(items),
            to_do=to_do,
            second_person=second,
            created_by=by.actor,
            created_at=now,
            updated_at=now,
        )
        await tx.add_batch(batch, [_item(place, item, now) for place, item in enumerate(items)])
        await _audit(tx, batch, "batch.created", by.actor, now, reason.text)
    return batch


def _check_id(batch_id: str | None, now: dt.datetime) -> None:
    """Lists of batches stand in the order of their ids (UUID version 7: milliseconds first): one that was
    made up would hide among those of long ago. Raises InvalidParameter."""
    if batch_id is None:
        return
    made = int(batch_id.replace("-", "")[:12], 16)
    if abs(now.timestamp() * 1000 - made) > _FORM_VALID / _MILLISECOND:
        raise InvalidParameter("the form is too old; open the page again")


def _own(batch: BatchRecord, by: Person, action: Action, seen: Seen) -> BatchRecord:
    if batch.created_by != by.actor:
        raise Conflict("there is a batch of somebody else with this id")
    if (batch.action, batch.digest) != (action, seen.digest):
        raise Conflict("another batch was made with this form; open the page again")
    return batch


def _item(position: int, item: Planned, now: dt.datetime) -> BatchItem:
    return BatchItem(
        position=position,
        planned=dataclasses.replace(item, updated_at=now),
        result=Result.PENDING if item.to_do else Result.SKIPPED,
        code=None if item.to_do else item.why.value,
        at=None if item.to_do else now,
    )


async def look_again(exchange: Exchange, batch_id: str) -> Preview:
    """What waits in a batch, judged as of now: what the second person sees and approves. Raises NotFound."""
    now = exchange.clock.now()
    async with exchange.store.begin(read_only=True) as tx:
        batch = await get(tx, batch_id)
        return preview_of(exchange, batch.action, await _pending(tx, exchange, batch, now), now)


async def _pending(
    tx: Transaction, exchange: Exchange, batch: BatchRecord, now: dt.datetime
) -> tuple[Planned, ...]:
    rows = await tx.batch_items(batch.batch_id, limit=_ALL, result=Result.PENDING)
    ids = tuple(row.planned.message_id for row in rows)
    if not ids:
        return ()
    return await look_at(tx, exchange, Selection(ids=ids), batch.action, now, apart_from=batch.batch_id)


async def get(tx: Transaction, batch_id: str, *, lock: bool = False) -> BatchRecord:
    """Raises NotFound."""
    batch = await tx.get_batch(batch_id, lock=lock)
    if batch is None:
        raise NotFound("no such batch")
    return batch


async def approve(
    exchange: Exchange, batch_id: str, *, by: Person, reason: str, seen: Seen, once: str | None = None
) -> BatchRecord:
    """The second person agrees to what ``look_again`` showed; the batch then waits to be started.

    Raises Forbidden (permission; the first person), SetChanged, Conflict, NotFound, InvalidParameter,
    AlreadyDone.
    """
    need(by, Permission.APPROVE)
    require_reason(reason)
    now = exchange.clock.now()
    async with exchange.store.begin() as tx:
        await use_up(tx, actor=by.actor, about=f"approve:{batch_id}", token=once, now=now)
        batch = await get(tx, batch_id, lock=True)
        state = next_state(batch.state, BatchEvent.APPROVE)
        if by.actor == batch.created_by:
            raise Forbidden("another person than the one who made the batch approves it")
        confirm(seen, batch.action, await _pending(tx, exchange, batch, now))
        after = dataclasses.replace(batch, state=state, approved_by=by.actor, approved_at=now, updated_at=now)
        await tx.save_batch(after)
        await _audit(tx, after, "batch.approved", by.actor, now, reason)
    return after


async def start(
    exchange: Exchange, batch_id: str, *, by: Person, reason: str, once: str | None = None
) -> BatchRecord:
    """Begin, or go on after a pause. Raises as ``approve``."""
    batch = await _change(exchange, batch_id, BatchEvent.START, by, reason, once)
    await exchange.store.notify("outbox")
    return batch


async def pause(
    exchange: Exchange, batch_id: str, *, by: Person, reason: str, once: str | None = None
) -> BatchRecord:
    """No further message is taken until it is started again. Raises as ``approve``."""
    return await _change(exchange, batch_id, BatchEvent.PAUSE, by, reason, once)


async def stop(
    exchange: Exchange, batch_id: str, *, by: Person, reason: str, once: str | None = None
) -> BatchRecord:
    """End it for good; what was done stays done, the rest is left alone. Raises as ``approve``."""
    return await _change(exchange, batch_id, BatchEvent.STOP, by, reason, once)


_NAMES: Final = {BatchEvent.START: "started", BatchEvent.PAUSE: "paused", BatchEvent.STOP: "stopped"}


async def _change(
    exchange: Exchange, batch_id: str, event: BatchEvent, by: Person, reason: str, once: str | None
) -> BatchRecord:
    need(by, Permission.ACT)
    require_reason(reason)
    now = exchange.clock.now()
    async with exchange.store.begin() as tx:
        await use_up(tx, actor=by.actor, about=f"{event.value}:{batch_id}", token=once, now=now)
        batch = await get(tx, batch_id, lock=True)
        state = next_state(batch.state, event)
        if event is BatchEvent.START and now - batch.created_at > _VALID:
            raise Conflict(f"the batch is older than {_VALID.days} days: stop it and make another one")
        after = dataclasses.replace(batch, state=state, updated_at=now)
        if event is BatchEvent.START:
            after = dataclasses.replace(after, started_at=batch.started_at or now)
        if event is BatchEvent.STOP:
            after = dataclasses.replace(after, ended_at=now)
        await tx.save_batch(after)
        await _audit(tx, after, f"batch.{_NAMES[event]}", by.actor, now, reason)
    return after


async def _audit(
    tx: Transaction, batch: BatchRecord, action: str, actor: str, now: dt.datetime, reason: str
) -> None:
    await tx.append_audit(
        at=now,
        actor=actor,
        action=action,
        subject=batch.batch_id,
        data={
            "action": batch.action.value,
            "state": batch.state.value,
            "code": batch.reason_code.value,
            "reason": reason,
            "selection": batch.selection,
            "digest": batch.digest,
            "count": batch.count,
            "to_do": batch.to_do,
            "second_person": batch.second_person,
        },
    )
