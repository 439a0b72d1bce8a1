"""Hashing of passwords: argon2id (RFC 9106, low-memory profile), in threads, a few at a time.

Accounts of the first releases have scrypt hashes; these still open, and become argon2id at the next sign-in.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.core.people import LONGEST_PASSWORD, normal_password

SCRYPT: Final = "scrypt"
_SCRYPT_COST: Final = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024}
_AT_ONCE: Final = 4
"""Each needs 64 MiB: a flood of sign-ins waits instead of filling the memory."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a comparison found."""

    right: bool
    outdated: bool = False
    """Right, but hashed with other parameters than today's: hash it again."""


@dataclass(frozen=True)
class Passwords:
    """Hashes and compares. A name that is not there costs as much as a wrong password."""

    hasher: PasswordHasher = field(default_factory=PasswordHasher)
    _dummy: list[str] = field(default_factory=list, repr=False)
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE), repr=False)

    async def hash(self, password: str) -> str:
        """PHC string."""
        async with self._free:
            return await asyncio.to_thread(self.hasher.hash, normal_password(password))

    async def check(self, known: str | None, password: str) -> Checked:
        """``known`` None: one comparison with a hash that nobody has."""
        async with self._free:
            return await asyncio.to_thread(self._check, known, password)

    def _check(self, known: str | None, password: str) -> Checked:
        cleaned = normal_password(password[:LONGEST_PASSWORD])
        if known is not None and known.startswith(f"${SCRYPT}$"):
            return Checked(right=_scrypt(known, cleaned), outdated=True)
        if not self._dummy:
            self._dummy.append(self.hasher.hash("a password that nobody has"))
        try:
            self.hasher.verify(known or self._dummy[0], cleaned)
        except (VerificationError, InvalidHashError):
            return Checked(right=False)
        if known is None:
            return Checked(right=False)
        return Checked(right=True, outdated=self.hasher.check_needs_rehash(known))


def scrypt_string(salt: bytes, digest: bytes) -> str:
    """A hash of an earlier release as it is stored."""
    return f"${SCRYPT}${salt.hex()}${digest.hex()}"


def _scrypt(known: str, password: str) -> bool:
    _, _, salt, digest = known.split("$")
    computed = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), dklen=32, **_SCRYPT_COST)
    return hmac.compare_digest(computed, bytes.fromhex(digest))
