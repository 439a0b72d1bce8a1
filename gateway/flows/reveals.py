"""Reveals: asked for with a reason, limited to one case and a few minutes, audited at every look.

(1) the person may reveal, (2) the reason is given and names nobody of the case, (3) the case has content,
(4) the row and its audit entry commit together; then (5) each view of content is an audit entry of its own.
A reveal ends when its time is over, whether or not anything runs then: it is compared with the clock.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from contracts.model import Message
from gateway.core.errors import Conflict, Forbidden, InvalidParameter, NotFound
from gateway.core.records import MessageRecord
from gateway.core.reveal import MAX_REASON, REASONS, RevealReason, may_see
from gateway.core.roles import Side
from gateway.flows.exchange import Exchange
from gateway.flows.holds import check_reason
from gateway.flows.ports import Transaction
from gateway.flows.ports_reveals import Reveal
from gateway.flows.uk_receipts import instant

Json = dict[str, Any]
STARTED: Final = "case.revealed"
ENDED: Final = "case.reveal_ended"
VIEWED: Final = "content.viewed"
"""Audit actions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Viewer:
    """Who looks. Whoever makes one has recognised the person."""

    actor: str
    """As in the audit log."""
    side: Side
    may_reveal: bool


def reason_list() -> list[Json]:
    """The coded reasons with their words: ``[{"code", "text": {"en", "fr"}}]``."""
    return [{"code": code.value, "text": words.as_json()} for code, words in REASONS.items()]


def reveal_view(reveal: Reveal, now: dt.datetime) -> Json:
    """A reveal with the seconds that are left; instants ISO 8601 UTC."""
    return {
        "reveal_id": reveal.reveal_id,
        "reference": reveal.reference,
        "actor": reveal.actor,
        "code": reveal.code,
        "reason": reveal.reason,
        "started_at": instant(reveal.started_at),
        "ends_at": instant(reveal.ends_at),
        "ended_at": None if reveal.ended_at is None else instant(reveal.ended_at),
        "running": reveal.runs(now),
        "seconds_left": max(0, int((reveal.ends_at - now).total_seconds())) if reveal.runs(now) else 0,
    }


async def start(exchange: Exchange, reference: str, viewer: Viewer, *, code: str, reason: str) -> Json:
    """Begin a look at one case; one that runs already begins anew. Raises Forbidden, NotFound,
    InvalidParameter, Conflict (the content was deleted)."""
    if not viewer.may_reveal:  # (1)
        raise Forbidden("none of your roles lets you see personal data")
    if code not in set(RevealReason):  # (2)
        raise InvalidParameter("choose one of the listed reasons")
    text = reason.strip()
    if not 1 <= len(text) <= MAX_REASON:
        raise InvalidParameter(f"say why in 1 to {MAX_REASON} characters")
    now = exchange.clock.now()
    async with exchange.store.begin() as tx:
        if await tx.get_case(reference) is None:
            raise NotFound("no such case")
        for message in await _contents(tx, reference):  # (3)
            check_reason(text, message)
        await tx.end_reveals(reference, viewer.actor, now)
        reveal = Reveal(
            reveal_id=exchange.clock.new_id(),
            reference=reference,
            actor=viewer.actor,
            code=code,
            reason=text,
            started_at=now,
            ends_at=now + exchange.reveal,
            ended_at=None,
        )
        await tx.add_reveal(reveal)  # (4)
        await tx.append_audit(
            at=now,
            actor=viewer.actor,
            action=STARTED,
            subject=reference,
            data={"code": code, "reason": text, "until": instant(reveal.ends_at), "side": viewer.side.value},
        )
    return reveal_view(reveal, now)


async def _contents(tx: Transaction, reference: str) -> list[Message]:
    try:
        return [message for _, message in await tx.history(reference)]
    except LookupError as exc:
        raise Conflict("the content of this case was deleted when its retention ended") from exc


async def end(exchange: Exchange, reference: str, viewer: Viewer) -> bool:
    """End one's own look before its time; False when none ran."""
    now = exchange.clock.now()
    async with exchange.store.begin() as tx:
        ended = await tx.end_reveals(reference, viewer.actor, now)
        if ended:
            await tx.append_audit(at=now, actor=viewer.actor, action=ENDED, subject=reference, data={})
    return bool(ended)


async def running(tx: Transaction, reference: str, viewer: Viewer | None, now: dt.datetime) -> Reveal | None:
    """The look of that person at that case, if one runs and they (still) may."""
    if viewer is None or not viewer.may_reveal:
        return None
    found = await tx.running_reveal(reference, viewer.actor, now)
    return found if found is not None and found.runs(now) else None


async def note_view(exchange: Exchange, record: MessageRecord, viewer: Viewer, reveal: Reveal) -> bool:
    """(5), before anything is shown. False when the reveal has ended meanwhile, or the message is not
    that side's to see: then nothing may be shown."""
    now = exchange.clock.now()
    if not may_see(viewer.side, record):
        return False
    async with exchange.store.begin() as tx:
        current = await running(tx, record.reference, viewer, now)
        if current is None:
            return False
        await tx.append_audit(
            at=now,
            actor=viewer.actor,
            action=VIEWED,
            subject=record.message_id,
            data={"reference": record.reference, "reveal": reveal.reveal_id, "code": reveal.code},
        )
    return True
