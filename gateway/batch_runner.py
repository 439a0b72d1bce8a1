"""The task that works off batches, beside the worker and in its process.

It holds no state: what is next, and not before when, is in the database, so any number of nodes may do it. It
looks every second at most, which costs one small reading while nothing runs.
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.core.errors import PasserelleError
from gateway.flows.batch_run import step
from gateway.flows.exchange import Exchange
from gateway.logs import get_logger

_LONGEST_S: Final = 1.0
_AFTER_BUG_S: Final = 30.0


async def run_batches(exchange: Exchange, poll_s: float) -> None:
    """Runs until cancelled; survives an unreachable store."""
    idle = min(poll_s, _LONGEST_S)
    while True:
        try:
            wait = await step(exchange)
        except PasserelleError as exc:
            get_logger().warning("batch.interrupted", code=exc.code)
            wait = poll_s
        except Exception:  # noqa: BLE001 — a bug here must not end all batches: logged, that one is paused
            get_logger().exception("batch.bug")
            wait = _AFTER_BUG_S
        await asyncio.sleep(idle if wait is None else wait)
