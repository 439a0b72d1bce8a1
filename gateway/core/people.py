"""People who log in: an account, a session, and what both must be before anything is done in their name.

Names are lower case and stand in the audit log (``operator:nadia``). A password is compared after Unicode
normalisation (NFKC, NIST SP 800-63B 5.1.1.2), so that it can be typed on any keyboard.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.core.errors import InvalidParameter, RateLimited, Unauthorized
from gateway.core.roles import Permission, Role, Side, permissions
from gateway.core.treaty import holding
from gateway.core.treaty.holding import Decider

LANGUAGES: Final = ("en", "fr")
LEAST_PASSWORD: Final = 12
"""Characters."""
LONGEST_PASSWORD: Final = 256
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_LONGEST_DISPLAY: Final = 100
_SENDS: Final = frozenset({Permission.ACT, Permission.APPROVE, Permission.DECIDE_HOLD})


class SignInRefused(Unauthorized):
    """No such account, another password, disabled: the same answer for all three."""

    code = "signin.refused"


class CodeRefused(Unauthorized):
    """The second factor is wrong, used before, or not there."""

    code = "signin.code_refused"


class SignInLocked(RateLimited):
    """Too many failures for a name or from an address, whether the name exists or not."""

    code = "signin.locked"

    def __init__(self, until: dt.datetime) -> None:
        super().__init__("too many failed attempts: wait, then try again")
        self.until = until


class SignInUnfinished(Unauthorized):
    """The password is right, but a step is left that only the console (or an administrator) can take."""

    code = "signin.unfinished"


class Stage(StrEnum):
    """How far a sign-in is; a session that is not ``full`` opens nothing but its own next page."""

    CODE = "code"
    """The second factor is asked for."""
    RENEW = "renew"
    """The password was given out by somebody else: a new one is chosen first."""
    ENROL = "enrol"
    """A second factor is required and there is none yet."""
    FULL = "full"


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Somebody who was recognised; who makes one must have checked that."""

    name: str
    display_name: str
    side: Side
    roles: frozenset[Role]
    language: str
    """``en`` or ``fr``: the preference, which the switch on every page overrides."""

    def may(self, permission: Permission) -> bool:
        return permission in permissions(self.roles)

    @property
    def actor(self) -> str:
        """As in the audit log."""
        return f"operator:{self.name}"

    @property
    def decider(self) -> Decider:
        """As the holding area knows them: a supervisor decides what an operator may."""
        duties = {
            holding.OPERATOR: Permission.ACT,
            holding.EXCLUSION: Permission.DECIDE_EXCLUSION,
            holding.QUOTAS: Permission.DECIDE_QUOTA,
        }
        return Decider(
            name=self.name, roles=frozenset(duty for duty, needed in duties.items() if self.may(needed))
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class UserRecord:
    """An account as stored."""

    user_id: str
    name: str
    display_name: str
    side: Side
    roles: frozenset[Role]
    language: str
    password_hash: str | None = field(default=None, repr=False)
    """PHC string of argon2id (or of an imported scrypt hash); None: the account signs in with OIDC only."""
    renew_password: bool = False
    second_factor: bool = False
    """A TOTP secret is confirmed."""
    disabled: bool = False
    issuer: str | None = None
    subject: str | None = None
    """Who it is at the OIDC provider."""
    created_at: dt.datetime
    changed_at: dt.datetime
    signed_in_at: dt.datetime | None = None

    def as_user(self) -> User:
        return User(
            name=self.name,
            display_name=self.display_name,
            side=self.side,
            roles=self.roles,
            language=self.language,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRecord:
    """A session as stored, without its token."""

    session_id: str
    """What lists and links name; it opens nothing."""
    user_id: str
    stage: Stage
    address: str
    agent: str
    """Browser and system in a few words."""
    created_at: dt.datetime
    seen_at: dt.datetime
    expires_at: dt.datetime


def next_stage(user: UserRecord, *, proven: bool, required: bool) -> Stage:
    """What a sign-in still lacks. ``proven``: the second factor was given (here or at the provider);
    ``required``: everybody needs one."""
    if user.second_factor and not proven:
        return Stage.CODE
    if user.renew_password:
        return Stage.RENEW
    if required and not user.second_factor and not proven:
        return Stage.ENROL
    return Stage.FULL


def clean_name(name: str) -> str:
    """As stored. Raises InvalidParameter."""
    cleaned = unicodedata.normalize("NFKC", name).strip().lower()
    if not _NAME.fullmatch(cleaned):
        raise InvalidParameter("a name has 1 to 64 of a-z, 0-9 and . _ @ - and begins with a letter or digit")
    return cleaned


def clean_display(text: str) -> str:
    """Raises InvalidParameter."""
    cleaned = " ".join(text.split())
    if not cleaned or len(cleaned) > _LONGEST_DISPLAY or not cleaned.isprintable():
        raise InvalidParameter(f"a display name has 1 to {_LONGEST_DISPLAY} characters")
    return cleaned


def clean_language(language: str) -> str:
    """Raises InvalidParameter."""
    if language not in LANGUAGES:
        raise InvalidParameter("the language is en or fr")
    return language


def clean_roles(roles: Iterable[Role | str]) -> frozenset[Role]:
    """Raises InvalidParameter: unknown, none, or an administrator who could also send or decide."""
    try:
        wanted = frozenset(Role(role) for role in roles)
    except ValueError as exc:
        raise InvalidParameter(f"a role is one of: {', '.join(Role)}") from exc
    if not wanted:
        raise InvalidParameter("an account needs a role")
    if Role.ADMINISTRATOR in wanted and permissions(wanted) & _SENDS:
        raise InvalidParameter(
            "nobody both grants roles and sends: administrator goes with viewer or auditor"
        )
    return wanted


def normal_password(password: str) -> str:
    """As it is hashed."""
    return unicodedata.normalize("NFKC", password)


def check_new_password(password: str, *, name: str) -> str:
    """The password as it is hashed. Raises InvalidParameter; length decides, not kinds of characters."""
    cleaned = normal_password(password)
    if not LEAST_PASSWORD <= len(cleaned) <= LONGEST_PASSWORD:
        raise InvalidParameter(f"a password has {LEAST_PASSWORD} to {LONGEST_PASSWORD} characters")
    folded = cleaned.casefold()
    if (len(name) > 3 and name in folded) or "passerelle" in folded or len(set(folded)) < 5:
        raise InvalidParameter("this password is too easy to guess: it is monotonous or holds a known name")
    return cleaned
