"""Time-based one-time codes (RFC 6238: SHA-1, 30 s, 6 digits, as every authenticator app has them).

A code is good for its own time step and one step to either side, and only once: of a step that was used,
and of every step before it, no code is accepted again (RFC 6238 section 5.2).
"""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Final

import pyotp

ISSUER: Final = "Passerelle"
STEP_SECONDS: Final = 30
_SKEW: Final = 1
_DIGITS: Final = 6
_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without l, o, 0 and 1, which people confuse."""
RECOVERY_CODES: Final = 10


def new_secret() -> str:
    """160 random bits in base32."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, name: str) -> str:
    """What the QR code says (Key Uri Format)."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def matching_step(secret: str, code: str, *, now: dt.datetime, used: int) -> int | None:
    """The time step that the code belongs to, when that is later than ``used``; None otherwise."""
    given = "".join(code.split())
    if len(given) != _DIGITS or not given.isascii() or not given.isdigit():
        return None
    totp = pyotp.TOTP(secret)
    current = int(now.timestamp()) // STEP_SECONDS
    found = None
    for step in range(current - _SKEW, current + _SKEW + 1):
        equal = secrets.compare_digest(totp.generate_otp(step), given)
        if equal and step > used and found is None:
            found = step
    return found


def code_at(secret: str, now: dt.datetime) -> str:
    """What the authenticator shows at that time."""
    return pyotp.TOTP(secret).generate_otp(int(now.timestamp()) // STEP_SECONDS)


def new_recovery_codes() -> tuple[str, ...]:
    """Ten codes of 80 random bits for people: four groups of four."""
    return tuple(_recovery_code() for _ in range(RECOVERY_CODES))


def _recovery_code() -> str:
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(16))
    return "-".join(letters[i : i + 4] for i in range(0, 16, 4))


def normal_recovery_code(code: str) -> str:
    """As it is hashed: letters and digits alone."""
    return "".join(c for c in code.lower() if c.isalnum())
