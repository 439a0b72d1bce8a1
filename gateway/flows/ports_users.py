"""Store port: people who log in: accounts, second factors, sessions.

A part of ``gateway.flows.ports.Transaction``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gateway.core.lockout import Attempts, Lockout
from gateway.core.people import SessionRecord, Stage, UserRecord


class AttemptKind(StrEnum):
    """What is counted: passwords of a name, passwords from an address, second factors of a name."""

    NAME = "name"
    ADDRESS = "address"
    CODE = "code"


@dataclass(frozen=True, kw_only=True, slots=True)
class TotpState:
    """The secret of somebody's authenticator."""

    secret: str = field(repr=False)
    confirmed: bool
    used_step: int
    """Codes of this time step and of earlier ones are used up."""


class UserRows(Protocol):
    """People who log in: accounts, second factors, sessions."""

    # accounts

    async def lock_users(self) -> None:
        """Until commit: nobody else changes roles, so that the last administrator stays one."""
        ...

    async def add_user(self, user: UserRecord) -> bool:
        """False when the name, or the issuer's subject, is taken."""
        ...

    async def save_user(self, user: UserRecord) -> None:
        """Everything but name, id, creation and ``second_factor``. Raises LookupError when it is gone."""
        ...

    async def user_named(self, name: str, *, lock: bool = False) -> UserRecord | None: ...

    async def user_of_subject(self, issuer: str, subject: str) -> UserRecord | None: ...

    async def list_users(self, *, after: str = "", limit: int = 500) -> tuple[UserRecord, ...]:
        """In order of names, beginning behind ``after``."""
        ...

    async def count_administrators(self) -> int:
        """Enabled ones."""
        ...

    # second factor

    async def totp(self, user_id: str, *, confirmed: bool) -> TotpState | None:
        """The secret in use, or the one that waits for its first code."""
        ...

    async def offer_totp(self, user_id: str, secret: str) -> None:
        """A new secret, sealed, that waits for its first code; the one in use stays in use."""
        ...

    async def confirm_totp(self, user_id: str, step: int) -> bool:
        """The waiting secret becomes the one in use, with that step used; False when none waits."""
        ...

    async def use_totp_step(self, user_id: str, step: int) -> bool:
        """False when this step or a later one was used already: of two nodes one wins."""
        ...

    async def remove_totp(self, user_id: str) -> None:
        """Secrets and recovery codes."""
        ...

    async def set_recovery_codes(self, user_id: str, codes: Iterable[str]) -> None:
        """In place of those there were; keyed hashes are kept, the codes are not."""
        ...

    async def use_recovery_code(self, user_id: str, code: str) -> bool:
        """False when there is no such code (any more)."""
        ...

    async def count_recovery_codes(self, user_id: str) -> int: ...

    # sessions

    async def add_session(self, session: SessionRecord, token: str) -> None:
        """Only the digest of the token is kept."""
        ...

    async def session_of(self, token: str) -> tuple[SessionRecord, UserRecord] | None:
        """Expired ones too: the caller judges."""
        ...

    async def touch_session(self, session_id: str, at: dt.datetime) -> None: ...

    async def sessions(self, user_id: str) -> tuple[SessionRecord, ...]:
        """The newest first; expired ones too."""
        ...

    async def end_session(self, session_id: str, *, user_id: str) -> bool:
        """False when that user has no such session."""
        ...

    async def end_sessions(self, user_id: str, *, but: str | None = None, stage: Stage | None = None) -> int:
        """All, or all but one, or those of one stage; how many there were."""
        ...

    # attempts

    async def count_attempt(
        self, kind: AttemptKind, who: str, lockout: Lockout, now: dt.datetime
    ) -> dt.datetime | None:
        """Counts one as failed. When it is locked nothing is counted, and the end of the lock is returned."""
        ...

    async def signin_attempts(self, kind: AttemptKind, who: str) -> Attempts | None: ...

    async def forget_attempts(self, kind: AttemptKind, who: str) -> None:
        """After success, or by an administrator."""
        ...

    async def forgive_attempt(self, kind: AttemptKind, who: str) -> None:
        """One was no failure; others stay counted (an address is shared)."""
        ...
