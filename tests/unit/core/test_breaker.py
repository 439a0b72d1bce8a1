"""The circuit breaker opens, probes, waits longer and closes; a pause outranks everything."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.core import breaker as br
from gateway.core.records import Breaker

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
POLICY = br.BreakerPolicy(threshold=3)


def failed(times: int, start: Breaker | None = None) -> Breaker:
    """A breaker after that many failures, all at NOW."""
    state = start or br.new("fr")
    for _ in range(times):
        state = br.after_failure(state, NOW, POLICY)
    return state


def test_it_opens_at_the_threshold() -> None:
    """Below the threshold everything goes; at it nothing does until the probe."""
    assert br.may_send(failed(2), NOW)
    assert not br.is_open(failed(2))
    opened = failed(3)
    assert br.is_open(opened)
    assert not br.may_send(opened, NOW + dt.timedelta(seconds=29))
    assert br.may_send(opened, NOW + dt.timedelta(seconds=30))


@pytest.mark.parametrize(("failures", "wait"), [(3, 30), (4, 60), (5, 120), (7, 480), (8, 600), (5000, 600)])
def test_the_wait_doubles_up_to_a_cap(failures: int, wait: int) -> None:
    """An outage of any length keeps the wait within its cap, and the incident keeps its beginning."""
    state = failed(failures)
    assert state.probe_at == NOW + dt.timedelta(seconds=wait)
    assert state.opened_at == NOW
    assert br.after_failure(state, NOW + dt.timedelta(days=9), POLICY).opened_at == NOW


def test_one_probe_at_a_time() -> None:
    """While a probe is under way nothing else goes; one that died gives its place back."""
    due = NOW + dt.timedelta(seconds=30)
    probing = br.start_probe(failed(3), due, POLICY)
    assert not br.may_send(probing, due)
    assert br.may_send(probing, due + POLICY.probe_lease)
    assert br.start_probe(br.new("fr"), NOW) == br.new("fr")


def test_a_success_closes() -> None:
    """After a success the count starts again."""
    assert br.after_success(failed(9)) == br.new("fr")
    assert br.may_send(br.after_success(failed(2)), NOW)


def test_a_pause_outranks() -> None:
    """A paused endpoint gets nothing, even after a success; resuming lets an open one probe at once."""
    paused = br.pause(failed(3))
    assert not br.may_send(paused, NOW + dt.timedelta(days=1))
    assert br.after_success(paused).paused
    assert not br.may_send(br.after_success(paused), NOW)
    assert br.may_send(br.resume(paused, NOW), NOW)
    assert br.resume(br.pause(br.new("fr")), NOW) == br.new("fr")


@pytest.mark.parametrize(
    "bad",
    [
        {"threshold": 0},
        {"first_wait": dt.timedelta()},
        {"first_wait": dt.timedelta(hours=1)},
        {"probe_lease": dt.timedelta()},
    ],
)
def test_a_wrong_policy_is_refused(bad: dict[str, object]) -> None:
    """A policy that cannot work is refused when it is made."""
    with pytest.raises(ValueError, match=r"threshold|probe_lease"):
        br.BreakerPolicy(**bad)  # type: ignore[arg-type]  # wrong values on purpose
