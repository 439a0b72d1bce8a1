"""The task that watches the clocks, beside the worker and in its process.

It holds no state: what it tells is written in the transaction that takes it from the store, so that any
number of nodes may watch, and a restart neither loses nor repeats anything. It sleeps until the next
deadline wants to be looked at, but never long: other nodes start deadlines too.
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.core.errors import PasserelleError
from gateway.core.treaty.days import calendar_of
from gateway.flows.deadlines import Event, next_sweep, sweep
from gateway.flows.exchange import Exchange
from gateway.logs import get_logger

LONGEST_S: Final = 30.0
_SHORTEST_S: Final = 1.0
_SETTLED_S: Final = 2.0


async def watch_deadlines(exchange: Exchange, *, longest_s: float = LONGEST_S) -> None:
    """Runs until cancelled; survives an unreachable store."""
    calendars = list(exchange.agreement.clocks.holidays)
    while True:
        try:
            pause = await _round(exchange, longest_s)
        except PasserelleError as exc:
            get_logger().warning("clock.store_unavailable", code=exc.code)
            pause = longest_s
        except Exception:  # noqa: BLE001 — a bug here must not end all watching: logged, tried again
            get_logger().exception("clock.bug")
            pause = longest_s
        if calendars:  # a quarter of a second: neither while the node starts nor in a message's time
            await asyncio.sleep(min(pause, _SETTLED_S))
            await asyncio.to_thread(calendar_of, calendars.pop())
            continue
        await asyncio.sleep(pause)


async def _round(exchange: Exchange, longest_s: float) -> float:
    """Tells what is due; seconds until the next look."""
    due = await next_sweep(exchange)
    if due is not None and due <= exchange.clock.now():
        while events := await sweep(exchange):
            for event in events:
                _log(event)
        due = await next_sweep(exchange)
    if due is None:
        return longest_s
    left = (due - exchange.clock.now()).total_seconds()
    return min(max(left, min(_SHORTEST_S, longest_s)), longest_s)


def _log(event: Event) -> None:
    """The alert of this node's log: one line for each event, on the node that told it."""
    get_logger().warning(
        event.told.value,
        clock=event.row.clock,
        reference=event.row.reference,
        message_id=event.row.message_id,
        due_at=event.row.due_at.isoformat(),
        severity=event.severity,
        owed_by=event.owed_by,
    )
