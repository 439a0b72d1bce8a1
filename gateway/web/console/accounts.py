"""Operators and their sessions.

Accounts are in ``operators.toml`` of the instance folder (scrypt hashes, RFC 7914). A session is a signed
cookie, so every node can check it and none has to remember it.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import secrets
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.core.treaty.holding import OPERATOR

SESSION_HOURS = 8
_SCRYPT = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024}


@dataclass(frozen=True, kw_only=True, slots=True)
class Operator:
    name: str
    language: str
    """``en`` or ``fr``."""
    roles: frozenset[str] = field(default=frozenset(), compare=False)
    """What the operator may decide (``gateway.core.treaty.holding``); not part of a session."""


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, dklen=32, **_SCRYPT)


def make_account(
    name: str, password: str, language: str = "en", *, roles: Iterable[str] = (OPERATOR,)
) -> str:
    """The TOML table of one account; the password itself is kept nowhere."""
    salt = secrets.token_bytes(16)
    return (
        f"[[operator]]\nname = {json.dumps(name)}\nlanguage = {json.dumps(language)}\n"
        f"roles = {json.dumps(sorted(roles))}\n"
        f'salt = "{salt.hex()}"\nscrypt = "{_hash(password, salt).hex()}"\n'
    )


class Accounts:
    """Checks passwords. A wrong name costs as much time as a wrong password."""

    def __init__(self, rows: tuple[tuple[Operator, bytes, bytes], ...]) -> None:
        self._rows = {operator.name: (operator, salt, digest) for operator, salt, digest in rows}

    @classmethod
    def load(cls, path: Path) -> Accounts:
        """An absent file means that nobody can log in."""
        if not path.exists():
            return cls(())
        rows = tomllib.loads(path.read_text("utf-8")).get("operator", [])
        return cls(
            tuple(
                (
                    Operator(
                        name=r["name"],
                        language=r.get("language", "en"),
                        roles=frozenset(r.get("roles", (OPERATOR,))),
                    ),
                    bytes.fromhex(r["salt"]),
                    bytes.fromhex(r["scrypt"]),
                )
                for r in rows
            )
        )

    @property
    def operators(self) -> tuple[Operator, ...]:
        """All accounts, in the order of the file."""
        return tuple(operator for operator, _, _ in self._rows.values())

    def find(self, name: str) -> Operator | None:
        """The account of that name, as it is now."""
        return self._rows[name][0] if name in self._rows else None

    def check(self, name: str, password: str) -> Operator | None:
        """The operator, or None. Takes about 0.1 s: call it in a thread."""
        operator, salt, digest = self._rows.get(name, (None, b"\0" * 16, b""))
        computed = _hash(password, salt)
        return operator if hmac.compare_digest(computed, digest) else None


class Sessions:
    """Makes and reads the session cookie: ``base64url(json).hmac``."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"passerelle console session v1", "sha256")
        self.csrf_key = hmac.digest(key, b"passerelle console csrf v1", "sha256")

    def issue(self, operator: Operator, now: dt.datetime) -> str:
        until = int((now + dt.timedelta(hours=SESSION_HOURS)).timestamp())
        claims = json.dumps([operator.name, operator.language, until]).encode()
        body = base64.urlsafe_b64encode(claims).decode()
        return f"{body}.{self._mac(body)}"

    def read(self, cookie: str, now: dt.datetime) -> Operator | None:
        body, _, mac = cookie.partition(".")
        if not hmac.compare_digest(self._mac(body).encode(), mac.encode()):
            return None
        name, language, until = json.loads(base64.urlsafe_b64decode(body))
        if now.timestamp() >= until:
            return None
        return Operator(name=name, language=language)

    def _mac(self, body: str) -> str:
        return hmac.digest(self._key, body.encode(), "sha256").hex()
