"""Names of traces (W3C Trace Context), derived from message ids: nothing about them need be stored.

A message may wait for hours, outlive restarts and be delivered by another node: whoever works on it derives
the same trace id and the same id of its first span from its message id. The trace id is the UUID itself
without hyphens, so an operator finds the trace of a message without a look-up. Pure.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PARENT: Final = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_LONGEST: Final = 128
_SAMPLED: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """A valid ``traceparent`` of somebody else."""

    trace_id: int
    span_id: int
    sampled: bool


def trace_id(message_id: str) -> str:
    """32 hex digits: the UUID; of anything else (or the nil UUID) a digest. Never all zero."""
    plain = message_id.replace("-", "")
    if _UUID.fullmatch(message_id) and int(plain, 16):
        return plain
    return _digest("trace", message_id, 32)


def span_id(message_id: str, name: str = "message") -> str:
    """16 hex digits of a span that others must be able to name, by default of the first one. Never zero."""
    return _digest(name, message_id, 16)


def _digest(name: str, message_id: str, digits: int) -> str:
    found = hashlib.sha256(f"passerelle.{name}|{message_id}".encode()).hexdigest()[:digits]
    return found if int(found, 16) else "1".rjust(digits, "0")


def traceparent(message_id: str, *, recorded: bool = True) -> str:
    """The ``traceparent`` of a message: its trace, its first span, and whether that is recorded."""
    return f"00-{trace_id(message_id)}-{span_id(message_id)}-{int(recorded):02x}"


def read_traceparent(value: str | None) -> Caller | None:
    """None for what is missing or against W3C Trace Context 3.2: such a header is ignored, never refused."""
    if value is None or len(value) > _LONGEST:
        return None
    found = _PARENT.fullmatch(value.strip())
    if found is None or (found[1] == "00" and found[5] is not None):
        return None
    trace, span = int(found[2], 16), int(found[3], 16)
    if not trace or not span:
        return None
    return Caller(trace_id=trace, span_id=span, sampled=bool(int(found[4], 16) & _SAMPLED))


def sampled(message_id: str, share: float) -> bool:
    """The same decision on every node: that share of all messages, 0 to 1."""
    if share >= 1:
        return True
    return share > 0 and int(_digest("sample", message_id, 8), 16) < share * 0x1_0000_0000
