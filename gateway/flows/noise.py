"""What strangers may cost on ``/as4``: signed refusals per address, audit entries for all together.

A request that opens (signed by the partner) is never limited, from wherever it comes: only refusals that no
signature vouches for pass through here. Above its bucket an address gets HTTP 429 in place of a signed error;
above the entries of a minute refusals are counted, and the next entry says how many were not written.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

MAX_ADDRESSES: Final = 10_000
"""Addresses remembered; the one unseen for longest is forgotten first."""
_MINUTE: Final = dt.timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseLimits:
    """``per_second`` refusals are answered for each address, ``burst`` at once; ``entries`` are written into
    the audit chain per minute, whatever the addresses. Raises ValueError for what could not work."""

    per_second: float = 5.0
    burst: int = 500
    entries: int = 60

    def __post_init__(self) -> None:
        if self.per_second <= 0 or self.burst < 1 or self.entries < 1:
            raise ValueError("per_second is positive, burst and entries at least 1")


@dataclass(kw_only=True)
class NoiseGate:
    """One per process, in memory: what it forgets at a restart costs at most another burst."""

    limits: NoiseLimits = field(default_factory=NoiseLimits)
    refused: int = 0
    """Refusals of unauthenticated requests since the start."""
    limited: int = 0
    """Those of them that got 429."""
    unaudited: int = 0
    """Those of them without an audit entry."""

    def __post_init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, dt.datetime]] = OrderedDict()
        self._minute: dt.datetime | None = None
        self._written = 0
        self._owed = 0

    def answer(self, address: str, now: dt.datetime) -> float | None:
        """None: answer this refusal with a signed error. Otherwise 429, with the seconds until the next."""
        self.refused += 1
        key = network_of(address)
        limits = self.limits
        tokens, since = self._buckets.pop(key, (float(limits.burst), now))
        elapsed = max(0.0, (now - since).total_seconds())
        tokens = min(float(limits.burst), tokens + elapsed * limits.per_second)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - 1 if allowed else tokens, now)
        while len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        if allowed:
            return None
        self.limited += 1
        return (1 - tokens) / limits.per_second

    def audit(self, now: dt.datetime) -> int | None:
        """None: write nothing. Otherwise write, and say that so many refusals before were not written."""
        if self._minute is None or not dt.timedelta() <= now - self._minute < _MINUTE:
            self._minute, self._written = now, 0
        if self._written >= self.limits.entries:
            self._owed += 1
            self.unaudited += 1
            return None
        self._written += 1
        owed, self._owed = self._owed, 0
        return owed


def network_of(address: str) -> str:
    """Whose bucket: an IPv4 address, or the /64 that one IPv6 host has to itself; other text as it is."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
