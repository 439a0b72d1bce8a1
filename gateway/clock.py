"""The only clock and the only source of random ids. Everything else is given ``now``."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid

from contracts.codes import CaseKind

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TYPE_DIGITS = {CaseKind.READMISSION: "01", CaseKind.NOMINATION: "02"}


class SystemClock:
    """Implements ``gateway.flows.ports.Clock`` with the machine's clock and randomness."""

    def now(self) -> dt.datetime:
        """UTC, whole milliseconds."""
        value = dt.datetime.now(dt.UTC)  # noqa: TID251 — this is the clock
        return value.replace(microsecond=value.microsecond // 1000 * 1000)

    def new_id(self) -> str:
        """UUID version 7 (RFC 9562 section 5.7): 48-bit Unix milliseconds, then randomness."""
        millis = int(self.now().timestamp() * 1000)
        value = (millis & ((1 << 48) - 1)) << 80 | 0x7 << 76 | secrets.randbits(12) << 64
        value |= 0b10 << 62 | secrets.randbits(62)
        return str(uuid.UUID(int=value))

    def new_reference(self, kind: CaseKind, *, priority: bool) -> str:
        """``contracts.model.REFERENCE_PATTERN``; 60 random bits."""
        opaque = "".join(secrets.choice(_CROCKFORD) for _ in range(12))
        return f"GB{_TYPE_DIGITS[kind]}{'P' if priority else ''}-{opaque}"
