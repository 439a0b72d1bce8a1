"""Token buckets: bursts, refill, and independence of the keys."""

from __future__ import annotations

import datetime as dt

from gateway.web.rest.limits import RateLimiter

NOW = dt.datetime(2026, 11, 18, 9, 0, tzinfo=dt.UTC)


def test_burst_then_refill() -> None:
    """Three at once, then one for each half second."""
    limiter = RateLimiter(rate=2, burst=3)
    assert [limiter.take("a", NOW).allowed for _ in range(4)] == [True, True, True, False]
    later = NOW + dt.timedelta(seconds=0.5)
    assert [limiter.take("a", later).allowed for _ in range(2)] == [True, False]


def test_keys_do_not_share() -> None:
    """One client's burst takes nothing from another's."""
    limiter = RateLimiter(rate=1, burst=1)
    assert limiter.take("a", NOW).allowed
    assert limiter.take("b", NOW).allowed
    assert not limiter.take("a", NOW).allowed


def test_refused_tells_when() -> None:
    """Retry-After is the whole seconds until a token is there; it is not sent with a grant."""
    limiter = RateLimiter(rate=0.1, burst=1)
    assert "Retry-After" not in limiter.take("a", NOW).headers()
    assert limiter.take("a", NOW).headers()["Retry-After"] == "10"
    assert not limiter.take("a", NOW + dt.timedelta(seconds=9)).allowed
    assert limiter.take("a", NOW + dt.timedelta(seconds=10)).allowed


def test_clock_going_back_gives_nothing() -> None:
    """A clock that steps back refills nothing and does not fail."""
    limiter = RateLimiter(rate=1, burst=1)
    limiter.take("a", NOW)
    assert not limiter.take("a", NOW - dt.timedelta(hours=1)).allowed


def test_memory_is_bounded() -> None:
    """Many addresses do not grow the table beyond its bound."""
    limiter = RateLimiter(rate=1, burst=1)
    for number in range(10_500):
        limiter.take(str(number), NOW)
    assert len(limiter._buckets) == 10_000
