"""Lock-out after failures: when it begins, how it grows, when it is forgotten."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.core.lockout import Attempts, Lockout

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
RULE = Lockout(failures=3, first=MINUTE, longest=5 * MINUTE, forget=dt.timedelta(hours=1))


def after(count: int, at: dt.datetime = NOW) -> Attempts:
    seen: Attempts | None = None
    for _ in range(count):
        seen = RULE.count(seen, at)
    assert seen is not None
    return seen


def test_it_begins_with_the_last_allowed_failure() -> None:
    """Two failures are free, the third locks for the first time."""
    assert RULE.locked(after(2), NOW) is None
    assert RULE.locked(after(3), NOW) == NOW + MINUTE
    assert RULE.locked(after(3), NOW + MINUTE) is None
    assert RULE.locked(None, NOW) is None


@pytest.mark.parametrize(("failures", "minutes"), [(3, 1), (4, 2), (5, 4), (6, 5), (500, 5)])
def test_it_grows_to_its_cap(failures: int, minutes: int) -> None:
    """Each further failure doubles the time; it never passes the cap."""
    assert RULE.locked(after(failures), NOW) == NOW + minutes * MINUTE


def test_quiet_time_forgets() -> None:
    """After the quiet time the count begins anew."""
    later = NOW + dt.timedelta(hours=1)
    assert RULE.count(after(6), later).failures == 1
    assert RULE.count(after(6), later - MINUTE).failures == 7


@pytest.mark.parametrize(
    "wrong", [{"failures": 0}, {"first": dt.timedelta(0)}, {"first": 2 * MINUTE, "longest": MINUTE}]
)
def test_rules_without_sense_are_refused(wrong: dict[str, object]) -> None:
    """A lock-out that never begins or lasts no time is a mistake in the settings."""
    with pytest.raises(ValueError, match="lock-out"):
        Lockout(**wrong)  # type: ignore[arg-type]
