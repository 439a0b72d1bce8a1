"""Token buckets in memory: one per client (or per address before authentication), bounded in number."""

from __future__ import annotations

import datetime as dt
import math
from collections import OrderedDict
from dataclasses import dataclass

_MOST_BUCKETS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """What is left: ``remaining`` requests, full again in ``reset`` seconds; refused when not ``allowed``."""

    allowed: bool
    limit: int
    remaining: int
    reset: int
    retry_after: int

    def headers(self) -> dict[str, str]:
        """The RateLimit fields (IETF httpapi draft) and, when refused, Retry-After."""
        found = {
            "RateLimit-Policy": f'"default";q={self.limit};w={max(1, self.reset)}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset}',
        }
        if not self.allowed:
            found["Retry-After"] = str(self.retry_after)
        return found


class RateLimiter:
    """``burst`` requests at once, refilled with ``rate`` per second."""

    def __init__(self, *, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: OrderedDict[str, tuple[float, dt.datetime]] = OrderedDict()

    def take(self, key: str, now: dt.datetime) -> Allowance:
        """Take one token of ``key``'s bucket."""
        tokens, since = self._buckets.pop(key, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + max(0.0, (now - since).total_seconds()) * self._rate)
        allowed = tokens >= 1
        tokens -= 1 if allowed else 0
        self._buckets[key] = (tokens, now)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return Allowance(
            allowed=allowed,
            limit=self._burst,
            remaining=int(tokens),
            reset=math.ceil((self._burst - tokens) / self._rate),
            retry_after=max(1, math.ceil((1 - tokens) / self._rate)),
        )
