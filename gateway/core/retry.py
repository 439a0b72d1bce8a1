"""When to try a delivery again: a pure decision over tenacity's stop and wait strategies.

The schedule is data: the delays, in seconds, before attempt 1, 2, 3 … after the row first fell due or the
attempt before it ended. ``Retry-After`` is honoured within bounds; jitter only ever adds. A retry keeps the
MessageId and the sealed bytes (as4.md 31): this module decides only the time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import tenacity

from gateway.core.errors import PasserelleError

HOUR = 3600.0
DEFAULT_DELAYS = (0.0, 5.0, 300.0, 1800.0, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)


class GiveUpReason(StrEnum):
    """Why there is no next attempt; the message becomes a dead letter and waits for an operator."""

    RETRY_CANNOT_HELP = "retry_cannot_help"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    TOO_OLD = "too_old"


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryAt:
    when: dt.datetime
    """UTC, whole milliseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GiveUp:
    reason: GiveUpReason


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrySchedule:
    """Delays in seconds before each attempt, the first included; when they end, so do the attempts."""

    delays: tuple[float, ...] = DEFAULT_DELAYS
    jitter: float = 0.1
    """Largest part of a delay that is added at random, 0 to 1."""
    max_delay: float = 24 * HOUR
    """Seconds; caps every delay, jitter included."""
    max_retry_after: float = 6 * HOUR
    """Seconds; a longer Retry-After is cut to this."""
    max_age: dt.timedelta = dt.timedelta(days=7)
    """Since the row first fell due; then no attempt follows."""

    def __post_init__(self) -> None:
        if not self.delays or min(self.delays) < 0:
            raise ValueError("delays needs at least one number, none negative")
        if not 0 <= self.jitter <= 1:
            raise ValueError("jitter must be between 0 and 1")
        if self.max_delay <= 0 or self.max_retry_after < 0 or self.max_age <= dt.timedelta():
            raise ValueError("max_delay and max_age must be positive, max_retry_after not negative")

    @property
    def wait(self) -> tenacity.wait.wait_base:
        """Delay after attempt n: entry n of the delays (entry 0 is before the first attempt)."""
        following = self.delays[1:] or self.delays
        return tenacity.wait_chain(*(tenacity.wait_fixed(min(d, self.max_delay)) for d in following))

    @property
    def stop(self) -> tenacity.stop.stop_base:
        """Attempts used up."""
        return tenacity.stop_after_attempt(len(self.delays))

    def first_due(self, now: dt.datetime) -> dt.datetime:
        """When the first attempt of a row made at ``now`` falls due."""
        return now + dt.timedelta(seconds=min(self.delays[0], self.max_delay))


DEFAULT_SCHEDULE = RetrySchedule()


def _call_state(attempts: int, age: float) -> tenacity.RetryCallState:
    """What tenacity's strategies look at, made by hand: nothing here runs or reads a clock that counts."""
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.attempt_number = attempts
    state.start_time = 0.0
    state.outcome_timestamp = age
    return state


def _whole_ms_up(value: dt.datetime) -> dt.datetime:
    rest = value.microsecond % 1000
    return value if rest == 0 else value + dt.timedelta(microseconds=1000 - rest)


def decide(
    attempts: int,
    error: PasserelleError,
    *,
    schedule: RetrySchedule = DEFAULT_SCHEDULE,
    first_due_at: dt.datetime,
    now: dt.datetime,
    retry_after: float | None = None,
    random: Callable[[], float],
) -> RetryAt | GiveUp:
    """What follows a failed attempt.

    ``attempts``: attempts finished, the failed one included (1 or more). ``retry_after``: seconds, as the
    peer asked. ``random``: gives a number in [0, 1). Raises ValueError when ``attempts`` is below 1.
    """
    if attempts < 1:
        raise ValueError("attempts counts the failed one: 1 or more")
    # (1) an error that a retry cannot cure ends it at once
    if not error.retry_helps:
        return GiveUp(reason=GiveUpReason.RETRY_CANNOT_HELP)
    state = _call_state(attempts, (now - first_due_at).total_seconds())
    # (2) the schedule is used up
    if schedule.stop(state):
        return GiveUp(reason=GiveUpReason.ATTEMPTS_EXHAUSTED)
    # (3) the delay: by schedule with jitter, or as the peer asks within bounds, whichever is longer
    delay = schedule.wait(state)
    delay = min(delay + delay * schedule.jitter * random(), schedule.max_delay)
    if retry_after is not None:
        delay = max(delay, min(max(retry_after, 0.0), schedule.max_retry_after))
    when = _whole_ms_up(now + dt.timedelta(seconds=delay))
    # (4) an attempt after the greatest age is none
    if when > first_due_at + schedule.max_age:
        return GiveUp(reason=GiveUpReason.TOO_OLD)
    return RetryAt(when=when)
