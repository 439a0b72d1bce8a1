"""What strangers may cost: signed refusals per address, audit entries for all, in bounded memory."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flows.noise import MAX_ADDRESSES, NoiseGate, NoiseLimits, network_of

T0 = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)


def later(seconds: float) -> dt.datetime:
    return T0 + dt.timedelta(seconds=seconds)


def gate(per_second: float = 1, burst: int = 3, entries: int = 5) -> NoiseGate:
    return NoiseGate(limits=NoiseLimits(per_second=per_second, burst=burst, entries=entries))


def test_a_burst_is_answered_then_the_rate_holds() -> None:
    """The bucket empties, says how long to wait, and fills again with time."""
    tested = gate()
    assert [tested.answer("192.0.2.1", T0) for _ in range(5)] == [None, None, None, 1.0, 1.0]
    assert tested.answer("192.0.2.1", later(0.5)) == pytest.approx(0.5)
    assert tested.answer("192.0.2.1", later(1)) is None
    assert tested.answer("192.0.2.1", later(1)) == pytest.approx(1)
    assert (tested.refused, tested.limited) == (8, 4)


def test_addresses_do_not_share_a_bucket() -> None:
    """One noisy address costs another nothing; the hosts of one IPv6 network share theirs."""
    tested = gate(burst=1)
    assert tested.answer("192.0.2.1", T0) is None
    assert tested.answer("192.0.2.2", T0) is None
    assert tested.answer("2001:db8::1", T0) is None
    assert tested.answer("2001:db8::2", T0) is not None
    assert tested.answer("2001:db8:0:1::2", T0) is None


def test_one_host_has_one_name() -> None:
    """IPv4 as it is, mapped IPv4 as IPv4, IPv6 by its /64 with or without a zone."""
    assert network_of("192.0.2.1") == network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == network_of("fe80::2") == "fe80::/64"
    assert network_of("") == ""
    assert network_of("unix") == "unix"


def test_memory_is_bounded() -> None:
    """The address unseen for longest is forgotten; the rest is not."""
    tested = gate(burst=1)
    tested.answer("first", T0)
    for number in range(MAX_ADDRESSES):
        tested.answer(f"host-{number}", T0)
    assert tested.answer("first", T0) is None
    assert tested.answer(f"host-{MAX_ADDRESSES - 1}", T0) is not None


def test_the_audit_chain_is_not_filled() -> None:
    """So many entries per minute; the next one says how many refusals were not written."""
    tested = gate(entries=2)
    assert [tested.audit(T0) for _ in range(5)] == [0, 0, None, None, None]
    assert tested.unaudited == 3
    assert tested.audit(later(59)) is None
    assert tested.audit(later(60)) == 4
    assert tested.audit(later(60)) == 0
    assert tested.unaudited == 4


@given(st.lists(st.floats(0, 120), max_size=60), st.integers(1, 5))
def test_nothing_is_lost_from_the_count(moments: list[float], entries: int) -> None:
    """Entries written plus those owed are always all refusals."""
    tested = gate(entries=entries)
    told = [tested.audit(later(at)) for at in moments]
    written = [owed for owed in told if owed is not None]
    assert len(written) + tested.unaudited == len(moments)
    assert sum(written) <= tested.unaudited


@pytest.mark.parametrize("wrong", [{"per_second": 0}, {"burst": 0}, {"entries": 0}])
def test_limits_that_could_not_work(wrong: dict[str, int]) -> None:
    """Refused when made."""
    with pytest.raises(ValueError, match="positive"):
        NoiseLimits(**wrong)
