"""What the two databases have in common: a session runs functions over a SQLAlchemy ``Connection``.

Every statement of the store is written once, as a plain function of a connection. PostgreSQL runs it in
SQLAlchemy's greenlet over asyncpg, SQLite where that is cheapest (see ``gateway.store.sqlite``).
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.core.errors import InvalidParameter, Unavailable

R = TypeVar("R")

_RECENT_SECONDS = 0.25


class Session(Protocol):
    """One open transaction."""

    async def run(self, work: Callable[[Connection], R], *, heavy: bool = False) -> R:
        """``heavy``: may take more than a millisecond or two (large contents)."""
        ...


class Database(Protocol):
    """An engine with its way of opening transactions and of waking waiters."""

    def session(
        self, *, read_only: bool, finish: Callable[[Connection], None]
    ) -> AbstractAsyncContextManager[Session]:
        """``finish`` runs last inside the transaction, just before the commit."""
        ...

    async def notify(self, channel: str) -> None: ...
    async def wait(self, channel: str, seconds: float) -> None: ...
    async def checkpoint(self) -> None:
        """Called after a key was destroyed: removes old copies of pages as far as possible."""
        ...

    async def close(self) -> None: ...


@contextmanager
def translated() -> Iterator[None]:
    """Database failures become ``Unavailable``, once, here, and what PostgreSQL cannot hold in a text (U+0000
    in an id that somebody made up) ``InvalidParameter``. Other errors of the database are bugs of ours and
    pass."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise Unavailable("The database cannot be reached or is overloaded; nothing was stored.") from error
    except DBAPIError as error:
        if error.connection_invalidated or _is_conflict(error):
            raise Unavailable("The database gave up this transaction; nothing was stored.") from error
        if _state(error) in _NO_TEXT:
            raise InvalidParameter("a value holds a character that no text has") from error
        raise


_NO_TEXT = frozenset({"22021", "22P05"})
"""character_not_in_repertoire, untranslatable_character"""


def _state(error: DBAPIError) -> str:
    """SQLSTATE, of PostgreSQL."""
    return str(getattr(error.orig, "sqlstate", "") or "")


def _is_conflict(error: DBAPIError) -> bool:
    """SQLSTATE classes of PostgreSQL that pass: connection (08), deadlock or serialisation failure (40),
    disk, memory or connections used up (53), not ready (55), shutting down (57), system error (58)."""
    return _state(error).startswith(("08", "40", "53", "55", "57", "58"))


class Wakeups:
    """Generations per channel, so that a notification between a look and a wait is not lost.

    A task that waited before is woken by anything notified since then; a task that waits for the first
    time, by anything of the last quarter second (it may have looked before that). Waking once too
    often is harmless: waiters look again.
    """

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}
        self._generation: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self._seen: weakref.WeakKeyDictionary[asyncio.Task[object], dict[str, int]] = (
            weakref.WeakKeyDictionary()
        )
        self.waiting = 0

    def wake(self, channel: str) -> None:
        self._generation[channel] = self._generation.get(channel, 0) + 1
        self._last[channel] = asyncio.get_running_loop().time()
        event = self._events.pop(channel, None)
        if event is not None:
            event.set()

    def wake_all(self) -> None:
        for channel in {*self._events, *self._generation}:
            self.wake(channel)

    async def wait(self, channel: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        seen = self._seen.setdefault(task, {}) if task is not None else {}
        current = self._generation.get(channel, 0)
        if channel in seen:
            missed = seen[channel] != current
        else:
            missed = loop.time() - self._last.get(channel, float("-inf")) < _RECENT_SECONDS
        seen[channel] = current
        if missed:
            return
        event = self._events.setdefault(channel, asyncio.Event())
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            self.waiting -= 1
            seen[channel] = self._generation.get(channel, 0)
