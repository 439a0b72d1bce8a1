"""Retry decisions: schedule, jitter, Retry-After, and every reason to stop."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import (
    ConnectionFailed,
    InvalidReceipt,
    PasserelleError,
    PeerRefused,
    PeerUnavailable,
)
from gateway.core.retry import DEFAULT_SCHEDULE, GiveUp, GiveUpReason, RetryAt, RetrySchedule, decide

START = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
PLAIN = RetrySchedule(jitter=0)
DOWN = ConnectionFailed("down")


def seconds(
    attempts: int, *, schedule: RetrySchedule = PLAIN, retry_after: float | None = None, luck: float = 0.0
) -> float:
    """Seconds until the next attempt, when the row fell due just now."""
    answer = decide(
        attempts,
        DOWN,
        schedule=schedule,
        first_due_at=START,
        now=START,
        retry_after=retry_after,
        random=lambda: luck,
    )
    assert isinstance(answer, RetryAt)
    return (answer.when - START).total_seconds()


def test_the_schedule_of_the_conventions() -> None:
    """At once, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, …"""
    assert [seconds(n) for n in range(1, 7)] == [5, 300, 1800, 7200, 18000, 36000]
    assert PLAIN.first_due(START) == START


def test_it_ends() -> None:
    """After the last delay of the list nothing follows: the message waits for an operator."""
    last = len(DEFAULT_SCHEDULE.delays)
    answer = decide(last, DOWN, first_due_at=START, now=START, random=lambda: 0.5)
    assert answer == GiveUp(reason=GiveUpReason.ATTEMPTS_EXHAUSTED)
    assert isinstance(decide(last - 1, DOWN, first_due_at=START, now=START, random=lambda: 0.5), RetryAt)


@pytest.mark.parametrize(
    ("error", "again"),
    [(DOWN, True), (PeerUnavailable(""), True), (InvalidReceipt(""), True), (PeerRefused(""), False)],
)
def test_only_what_a_retry_can_cure(error: PasserelleError, again: bool) -> None:
    """The error class says whether a retry helps."""
    answer = decide(1, error, first_due_at=START, now=START, random=lambda: 0.0)
    assert isinstance(answer, RetryAt) is again
    if not again:
        assert answer == GiveUp(reason=GiveUpReason.RETRY_CANNOT_HELP)


def test_too_old() -> None:
    """No attempt is planned beyond the greatest age."""
    schedule = RetrySchedule(jitter=0, max_age=dt.timedelta(hours=1))
    now = START + dt.timedelta(minutes=54)
    early = decide(2, DOWN, schedule=schedule, first_due_at=START, now=now, random=lambda: 0.0)
    late = decide(3, DOWN, schedule=schedule, first_due_at=START, now=now, random=lambda: 0.0)
    assert early == RetryAt(when=now + dt.timedelta(minutes=5))
    assert late == GiveUp(reason=GiveUpReason.TOO_OLD)


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, 5), (2.0, 5), (60.0, 60), (-5.0, 5), (10**9, 6 * 3600)]
)
def test_retry_after_within_bounds(asked: float | None, expected: float) -> None:
    """Retry-After lengthens the delay, never beyond the bound, never below the schedule."""
    assert seconds(1, retry_after=asked) == expected


def test_jitter_adds_within_its_part() -> None:
    """Jitter spreads attempts upward by at most its part of the delay, under the cap."""
    schedule = RetrySchedule(jitter=0.2, max_delay=2000)
    assert seconds(2, schedule=schedule, luck=0.5) == 330
    assert seconds(3, schedule=schedule, luck=0.999) == 2000
    assert seconds(5, schedule=schedule) == 2000


@given(
    attempts=st.integers(1, 9),
    luck=st.floats(0, 1, exclude_max=True),
    asked=st.none() | st.floats(0, 1e12),
    age=st.timedeltas(dt.timedelta(), dt.timedelta(days=6)),
)
def test_never_early_never_beyond(attempts: int, luck: float, asked: float | None, age: dt.timedelta) -> None:
    """Whatever the luck, the next attempt lies between the scheduled delay and the caps, in whole ms."""
    now = START + age - dt.timedelta(microseconds=age.microseconds % 1000)
    answer = decide(attempts, DOWN, first_due_at=START, now=now, retry_after=asked, random=lambda: luck)
    if isinstance(answer, GiveUp):
        assert answer.reason is GiveUpReason.TOO_OLD
        return
    wait = (answer.when - now).total_seconds()
    assert DEFAULT_SCHEDULE.delays[attempts] <= wait
    assert wait <= max(DEFAULT_SCHEDULE.max_delay, DEFAULT_SCHEDULE.max_retry_after)
    assert answer.when.microsecond % 1000 == 0


def test_one_delay_means_one_attempt() -> None:
    """A schedule with a single delay never repeats."""
    answer = decide(
        1, DOWN, schedule=RetrySchedule(delays=(0,)), first_due_at=START, now=START, random=lambda: 0.0
    )
    assert answer == GiveUp(reason=GiveUpReason.ATTEMPTS_EXHAUSTED)


def test_attempts_are_counted_from_one() -> None:
    """Asking before any attempt is a mistake of the caller."""
    with pytest.raises(ValueError, match="attempts"):
        decide(0, DOWN, first_due_at=START, now=START, random=lambda: 0.0)


@pytest.mark.parametrize(
    "bad",
    [
        {"delays": ()},
        {"delays": (0, -1)},
        {"jitter": 1.5},
        {"max_delay": 0},
        {"max_retry_after": -1},
        {"max_age": dt.timedelta()},
    ],
)
def test_a_wrong_schedule_is_refused(bad: dict[str, object]) -> None:
    """A schedule that cannot work is refused when it is made."""
    with pytest.raises(ValueError, match=r"delays|jitter|max_"):
        RetrySchedule(**bad)  # type: ignore[arg-type]  # wrong values on purpose
