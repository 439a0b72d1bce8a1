"""The task that lets go what waits for a quota, beside the worker and in its process.

It holds no state: the queue is in the database and a lock there decides, so any number of nodes may do it. It
looks every few seconds, which costs two small readings while nothing waits; so a new week begins within those
seconds, and never before its first instant.
"""

from __future__ import annotations

import asyncio

from gateway.core.errors import PasserelleError
from gateway.flows.exchange import Exchange
from gateway.flows.quotas import release_waiting
from gateway.logs import get_logger


async def release_again_and_again(exchange: Exchange, poll_s: float) -> None:
    """Runs until cancelled; survives an unreachable store."""
    while True:
        try:
            count = await release_waiting(exchange)
            if count:
                get_logger().info("quota.released", count=count)
        except PasserelleError as exc:
            get_logger().warning("quota.release_failed", code=exc.code)
        except Exception:  # noqa: BLE001 — a bug here must not end all releasing: logged, tried again
            get_logger().exception("quota.bug")
        await asyncio.sleep(poll_s)
