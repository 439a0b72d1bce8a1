"""Live updates: which areas changed, told to everybody who looks, in whatever process it happened.

The audit chain is the change marker: every step appends to it, its sequence rises with every commit on every
node and over restarts, and reading its newest sequence is one seek. So an update is a number and the names of
areas, never data; whoever is told fetches what it shows, with its own permissions.

One task looks, and only while somebody listens: woken by the store's notifications (on SQLite by any commit
of any process), and after ``poll_s`` at the latest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from gateway.core.errors import PasserelleError
from gateway.core.records import AuditEntry
from gateway.flows.ports import Store

_AREAS: Final = {
    "alert": ("alerts",),
    "audit": ("audit",),
    "balance": ("balance",),
    "batch": ("batches", "messages"),
    "case": ("cases",),
    "console": ("users",),
    "deadline": ("deadlines", "cases"),
    "endpoint": ("endpoints",),
    "hold": ("held", "messages", "cases"),
    "inbox": ("messages", "inbox"),
    "ledger": ("balance", "cases"),
    "message": ("messages", "cases", "deadlines", "inbox"),
    "privacy": ("messages", "alerts"),
    "quota": ("balance", "held"),
    "receipt": ("messages",),
    "returned": ("held",),
    "reveal": ("reveals",),
    "signal": ("messages",),
    "signin": ("users",),
    "user": ("users",),
    "webhook": ("endpoints",),
}
"""By the part of an audit action before its dot. Every change is also one of ``audit``."""
AREAS: Final = frozenset({"audit", "other"} | {area for areas in _AREAS.values() for area in areas})
_MOST_READ: Final = 500
"""Whoever is further behind is told that everything changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """``number`` only rises; ``areas`` are those of ``AREAS`` that changed since the number before."""

    number: int
    areas: frozenset[str]


def areas_of(entries: Iterable[AuditEntry]) -> frozenset[str]:
    """The areas that these audit entries touch."""
    found = {"audit"}
    for entry in entries:
        found.update(_AREAS.get(entry.action.partition(".")[0], ("other",)))
    return frozenset(found)


async def newest(store: Store) -> int:
    """The number of the newest change. Raises Unavailable."""
    async with store.begin(read_only=True) as tx:
        return await tx.newest_audit()


async def changed_since(store: Store, number: int) -> Change | None:
    """What changed after ``number``; None when nothing did. A number from the future (another database, a
    restored backup) counts as knowing nothing. Raises Unavailable."""
    async with store.begin(read_only=True) as tx:
        last = await tx.newest_audit()
        if last == number:
            return None
        if not 0 <= last - number <= _MOST_READ:
            return Change(number=last, areas=AREAS)
        entries = await tx.audit_entries(after=number, limit=_MOST_READ)
    return Change(number=entries[-1].sequence, areas=areas_of(entries)) if entries else None


class Listener:
    """One who looks: what is new is merged until it is taken, so nothing piles up."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._pending: Change | None = None

    def tell(self, change: Change) -> None:
        before = frozenset[str]() if self._pending is None else self._pending.areas
        self._pending = Change(number=change.number, areas=before | change.areas)
        self._event.set()

    def wake(self) -> None:
        """Return from ``next`` without a change."""
        self._event.set()

    async def next(self, seconds: float) -> Change | None:
        """The next change, or None after ``seconds`` (or ``wake``)."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()
        found, self._pending = self._pending, None
        return found


class TooManyListeners(Exception):
    """This name listens as often as it may, or the feed is full."""


class LiveFeed:
    """The feed of one process."""

    def __init__(
        self,
        store: Store,
        *,
        poll_s: float = 1.0,
        gather_s: float = 0.3,
        most: int = 500,
        most_each: int = 6,
    ) -> None:
        """``gather_s``: how long changes are gathered before they are told. ``most_each``: listeners of one
        name, for example of one user with several windows."""
        self._store = store
        self._poll_s, self._gather_s = poll_s, gather_s
        self._most, self._most_each = most, most_each
        self._listeners: dict[Listener, str] = {}
        self._task: asyncio.Task[None] | None = None
        self.closed = False

    @contextmanager
    def listening(self, name: str) -> Iterator[Listener]:
        """A place for one listener of that name. Raises TooManyListeners."""
        names = list(self._listeners.values())
        if self.closed or len(names) >= self._most or names.count(name) >= self._most_each:
            raise TooManyListeners
        listener = Listener()
        self._listeners[listener] = name
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            yield listener
        finally:
            del self._listeners[listener]

    async def _look(self) -> None:
        """Ends by itself when nobody listens any more."""
        known: int | None = None
        while self._listeners and not self.closed:
            try:
                if known is None:
                    known = await newest(self._store)
                change = await changed_since(self._store, known)
                if change is not None:
                    known = change.number
                    for listener in tuple(self._listeners):
                        listener.tell(change)
                    await asyncio.sleep(self._gather_s)
                else:
                    await self._store.wait("outbox", self._poll_s)
            except PasserelleError:  # out of reach: listeners keep their heartbeat, we look again
                await asyncio.sleep(self._poll_s)

    async def close(self) -> None:
        """Wakes every listener: streams end, so that the process can drain."""
        self.closed = True
        for listener in tuple(self._listeners):
            listener.wake()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
