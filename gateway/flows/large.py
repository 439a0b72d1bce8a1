"""Large deliveries beside small ones: a few places of their own, and a lease that lasts as long as they do.

A delivery is large when its wire or an attachment is a ``Blob``. As many of them as there are places are
under way at a time; the others give their row back for a moment, while small messages of other cases go.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from gateway.core.errors import PasserelleError
from gateway.core.records import OutboxEntry
from gateway.flows.ports import Clock, Store

T = TypeVar("T")

_FIRST_S: Final = 0.25
_LONGEST_S: Final = 5.0


class LeaseLost(Exception):
    """Another node has the row now: it decides, and nothing of this attempt is recorded."""


class LargeLane:
    """The places of one process."""

    def __init__(self, places: int = 1) -> None:
        self.places = places
        self.taken = 0
        self._turned_away = 0

    def enter(self) -> bool:
        """Takes a place, if one is free; then ``leave`` must follow."""
        if self.taken >= self.places:
            self._turned_away += 1
            return False
        self.taken += 1
        return True

    def leave(self) -> None:
        self.taken -= 1
        self._turned_away = 0

    def come_back(self, now: dt.datetime) -> dt.datetime:
        """When one that was turned away asks again: the later, the more of them have asked in vain."""
        return now + dt.timedelta(seconds=min(_FIRST_S * max(self._turned_away, 1), _LONGEST_S))


async def under_lease(
    entry: OutboxEntry, work: Coroutine[Any, Any, T], *, store: Store, clock: Clock, lease: dt.timedelta
) -> T:
    """Runs ``work`` and extends the lease of its row meanwhile, every third of it.

    Raises LeaseLost, with ``work`` cancelled and ended, when another node took the row, or when the store
    could not be reached for as long as the lease lasts.
    """
    task = asyncio.ensure_future(work)
    keeper = asyncio.ensure_future(_keep(entry, store, clock, lease))
    try:
        await asyncio.wait({task, keeper}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        keeper.result()  # an unknown exception is a bug, and is raised here
        raise LeaseLost
    finally:
        task.cancel()
        keeper.cancel()
        await asyncio.gather(task, keeper, return_exceptions=True)


async def _keep(entry: OutboxEntry, store: Store, clock: Clock, lease: dt.timedelta) -> None:
    """Returns when the lease is lost. A late try counts: an end that nobody used takes nothing away."""
    kept_at = clock.now()
    while True:
        await asyncio.sleep(lease.total_seconds() / 3)
        now = clock.now()
        try:
            async with store.begin() as tx:
                if not await tx.extend_lease(entry, now + lease):
                    return
        except PasserelleError:
            if clock.now() >= kept_at + lease:
                return
        else:
            kept_at = now
