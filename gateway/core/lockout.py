"""Lock-out after failed attempts: pure decisions, shared by every node through what they store.

An attempt is counted before the password is looked at, so that many at once do not get more tries than one
after the other.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

_MOST_DOUBLINGS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempts:
    """What is known of a name or an address."""

    failures: int
    last_at: dt.datetime
    locked_until: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Lockout:
    """From ``failures`` in a row on, each further one locks for twice as long. Raises ValueError."""

    failures: int = 5
    first: dt.timedelta = dt.timedelta(minutes=1)
    longest: dt.timedelta = dt.timedelta(minutes=15)
    forget: dt.timedelta = dt.timedelta(days=1)
    """Quiet time after which nothing is held against anybody."""

    def __post_init__(self) -> None:
        if self.failures < 1 or not dt.timedelta(0) < self.first <= self.longest:
            raise ValueError("a lock-out needs a number of failures and rising times")

    def locked(self, seen: Attempts | None, now: dt.datetime) -> dt.datetime | None:
        """Until when nothing is tried; None when it may be."""
        if seen is None or seen.locked_until is None or seen.locked_until <= now:
            return None
        return seen.locked_until

    def count(self, seen: Attempts | None, now: dt.datetime) -> Attempts:
        """One more attempt, taken as failed until ``forgive`` or success."""
        known = seen is not None and now - seen.last_at < self.forget
        failures = seen.failures + 1 if seen is not None and known else 1
        over = failures - self.failures
        if over < 0:
            return Attempts(failures=failures, last_at=now)
        wait = min(self.first * 2 ** min(over, _MOST_DOUBLINGS), self.longest)
        return Attempts(failures=failures, last_at=now, locked_until=now + wait)
