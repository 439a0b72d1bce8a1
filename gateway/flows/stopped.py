"""What a withdrawal stops: everything of its case that has not left yet."""

from __future__ import annotations

import datetime as dt
from typing import Final

from contracts.codes import Direction
from gateway.core.records import MessageStatus
from gateway.flows.outgoing import NEVER_STOPPED
from gateway.flows.ports import MessageFilter, Transaction

WITHDRAWN: Final = "withdrawn"
"""Code of messages that a withdrawal stopped."""


async def stop_case(tx: Transaction, reference: str, withdrawal_id: str, now: dt.datetime) -> None:
    """Cancel what waits for the case: queued rows, and messages held for an operator."""
    stopped = list(await tx.cancel_queued(reference, at=now, code=WITHDRAWN, keep=NEVER_STOPPED))
    held = await tx.list_messages(MessageFilter(reference=reference, status=MessageStatus.HELD), limit=200)
    for record in held.items:
        if record.message_id != withdrawal_id and record.direction is Direction.UK_TO_FR:
            await tx.update_message(record.message_id, at=now, status=MessageStatus.CANCELLED, code=WITHDRAWN)
            stopped.append(record.message_id)
    for message_id in stopped:
        await tx.append_audit(
            at=now,
            actor="gateway",
            action="message.cancelled",
            subject=message_id,
            data={"code": WITHDRAWN, "reference": reference, "by": withdrawal_id},
        )
