"""The circuit breaker of one endpoint, as pure functions over ``records.Breaker``.

Closed: everything goes. After ``threshold`` failures in a row it opens: nothing goes until ``probe_at``,
then one attempt may try; each further failure doubles the wait, up to a cap. A success closes it.
Attempts that the peer answered with a genuine refusal count as successes here: the endpoint works.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from gateway.core.records import Breaker


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerPolicy:
    threshold: int = 5
    """Failures in a row that open the circuit."""
    first_wait: dt.timedelta = dt.timedelta(seconds=30)
    longest_wait: dt.timedelta = dt.timedelta(minutes=10)
    probe_lease: dt.timedelta = dt.timedelta(minutes=2)
    """While one probe is under way no other may start; a probe that died frees its place after this."""

    def __post_init__(self) -> None:
        if self.threshold < 1 or not dt.timedelta() < self.first_wait <= self.longest_wait:
            raise ValueError("threshold is at least 1 and 0 < first_wait <= longest_wait")
        if self.probe_lease <= dt.timedelta():
            raise ValueError("probe_lease must be positive")


DEFAULT_POLICY = BreakerPolicy()


def new(endpoint: str) -> Breaker:
    """A closed breaker without history."""
    return Breaker(endpoint=endpoint, consecutive_failures=0, opened_at=None, probe_at=None, paused=False)


def pull_of(endpoint: str) -> str:
    """The name under which an operator pauses fetching from an endpoint, apart from sending to it."""
    return f"{endpoint}:pull"


def is_open(breaker: Breaker) -> bool:
    """Whether an incident is open. The step from False to True raises one alert, the step back clears it."""
    return breaker.opened_at is not None


def may_send(breaker: Breaker, now: dt.datetime) -> bool:
    """Whether an attempt may start now. Call ``start_probe`` and save before sending through an open one."""
    if breaker.paused:
        return False
    if breaker.opened_at is None:
        return True
    return breaker.probe_at is not None and now >= breaker.probe_at


def start_probe(breaker: Breaker, now: dt.datetime, policy: BreakerPolicy = DEFAULT_POLICY) -> Breaker:
    """The breaker while a probe is under way; a closed one is returned as it is."""
    if breaker.opened_at is None:
        return breaker
    return replace(breaker, probe_at=now + policy.probe_lease)


def after_success(breaker: Breaker) -> Breaker:
    """Closed, without failures; an operator's pause stays."""
    return replace(breaker, consecutive_failures=0, opened_at=None, probe_at=None)


def after_failure(breaker: Breaker, now: dt.datetime, policy: BreakerPolicy = DEFAULT_POLICY) -> Breaker:
    """One failure more; ``opened_at`` keeps the time when the incident began."""
    failures = breaker.consecutive_failures + 1
    if failures < policy.threshold:
        return replace(breaker, consecutive_failures=failures)
    # the exponent is bounded: an outage of weeks must not overflow a timedelta
    doublings = min(failures - policy.threshold, 20)
    wait = min(policy.first_wait * 2**doublings, policy.longest_wait)
    return replace(
        breaker,
        consecutive_failures=failures,
        opened_at=breaker.opened_at or now,
        probe_at=now + wait,
    )


def pause(breaker: Breaker) -> Breaker:
    """Nothing is sent until ``resume``."""
    return replace(breaker, paused=True)


def resume(breaker: Breaker, now: dt.datetime) -> Breaker:
    """Not paused; an open circuit may probe at once, since an operator has looked."""
    return replace(breaker, paused=False, probe_at=now if breaker.opened_at is not None else None)
