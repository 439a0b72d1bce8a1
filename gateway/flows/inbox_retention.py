"""Events of the inbox that were acknowledged long ago are removed: the audit log keeps what happened.

What an event told stands in the audit log and with its message or time limit; of a fact that was told before
(``gateway.flows.events``) the log or the row of the time limit knows, so that nothing is told again when its
event has gone. One call looks at a bounded number of rows: the table is walked in the order of its key, a
piece at a time, since nothing but this asks when something was acknowledged.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from gateway.flows.exchange import Exchange

ACTION: Final = "inbox.events_removed"
ACTOR: Final = "gateway"
PIECE: Final = 500
_PIECES: Final = 10


async def remove_old_events(exchange: Exchange, after: int = 0) -> int:
    """Remove those among the next rows behind ``after`` that were acknowledged more than
    ``Exchange.events_kept`` ago, each piece with its audit entry. Returns where to go on, 0 at the end."""
    if exchange.events_kept is None:
        return 0
    before = exchange.clock.now() - exchange.events_kept
    for _ in range(_PIECES):
        async with exchange.store.begin(read_only=True) as tx:
            piece = await tx.acknowledged_events(after=after, before=before, limit=PIECE)
        if piece.sequences:
            await _remove(exchange, piece.sequences, before)
        if piece.last is None:
            return 0
        after = piece.last
    return after


async def _remove(exchange: Exchange, sequences: tuple[int, ...], before: dt.datetime) -> None:
    now = exchange.clock.now()
    async with exchange.store.begin() as tx:
        removed = await tx.remove_events(sequences, before=before)
        if removed:  # another node may have been faster
            await tx.append_audit(
                at=now,
                actor=ACTOR,
                action=ACTION,
                subject=exchange.agreement.agreement.id,
                data={"count": removed, "acknowledged_before": before.isoformat(timespec="milliseconds")},
            )
