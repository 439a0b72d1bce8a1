"""What signing in and managing users work with, and the small steps that both take."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.core.errors import Forbidden, NotFound
from gateway.core.lockout import Lockout
from gateway.core.people import SessionRecord, Stage, User, UserRecord
from gateway.core.roles import Permission
from gateway.flows.passwords import Passwords
from gateway.flows.ports import Clock, Store, Transaction

COMMAND_LINE = "cli"
"""Actor of what the machine's own administrator does, who holds the keys anyway."""
_TOKEN_BYTES = 32
_MOST_AGENT = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInPolicy:
    """Limits of sessions and of failures; the defaults are the strict ones."""

    absolute: dt.timedelta = dt.timedelta(hours=10)
    """A session ends then, whatever is done in it."""
    idle: dt.timedelta = dt.timedelta(minutes=30)
    unfinished: dt.timedelta = dt.timedelta(minutes=10)
    """How long the second step of a sign-in may take."""
    names: Lockout = field(default_factory=Lockout)
    """Passwords and second factors of one name."""
    addresses: Lockout = field(default_factory=lambda: Lockout(failures=30))
    second_factor: bool = True
    """Everybody needs one; who has one is asked for it in any case."""
    local_accounts: bool = True
    """False: through the OIDC provider only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    """Built once, shared by every request."""

    store: Store
    clock: Clock
    policy: SignInPolicy = field(default_factory=SignInPolicy)
    passwords: Passwords = field(default_factory=Passwords, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    """A session that was just made. The token goes into a cookie and is kept nowhere else."""

    user: UserRecord
    session: SessionRecord
    token: str = field(repr=False)


def actor_of(by: User | None) -> str:
    """None: the command line."""
    return COMMAND_LINE if by is None else by.actor


def check_may(by: User | None, permission: Permission) -> None:
    """Raises Forbidden."""
    if by is not None and not by.may(permission):
        raise Forbidden(f"this needs the permission {permission.value}, which none of your roles gives")


async def known(tx: Transaction, name: str) -> UserRecord:
    """The account, held until commit. Raises NotFound."""
    user = await tx.user_named(name, lock=True)
    if user is None:
        raise NotFound("no such user")
    return user


async def open_session(
    tx: Transaction, people: People, user: UserRecord, stage: Stage, *, address: str, agent: str
) -> SignedIn:
    """A new session with a new token (256 random bits)."""
    now = people.clock.now()
    full = stage is Stage.FULL
    session = SessionRecord(
        session_id=people.clock.new_id(),
        user_id=user.user_id,
        stage=stage,
        address=address,
        agent=agent[:_MOST_AGENT],
        created_at=now,
        seen_at=now,
        expires_at=now + (people.policy.absolute if full else people.policy.unfinished),
    )
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    await tx.add_session(session, token)
    return SignedIn(user=user, session=session, token=token)


async def replace_session(
    tx: Transaction, people: People, user: UserRecord, old: SessionRecord, stage: Stage
) -> SignedIn:
    """The same person at the same place goes on under a new token; the old one opens nothing any more."""
    await tx.end_session(old.session_id, user_id=user.user_id)
    return await open_session(tx, people, user, stage, address=old.address, agent=old.agent)


async def note(
    tx: Transaction,
    people: People,
    action: str,
    user: UserRecord,
    *,
    by: str,
    **data: str | int | bool | None,
) -> None:
    """One audit entry about an account; never a secret, never an address."""
    await tx.append_audit(
        at=people.clock.now(), actor=by, action=action, subject=f"user:{user.name}", data=data
    )


def open_sessions(people: People, sessions: Iterable[SessionRecord]) -> tuple[SessionRecord, ...]:
    """Those of them that are whole and still hold."""
    now, idle = people.clock.now(), people.policy.idle
    return tuple(
        s for s in sessions if s.stage is Stage.FULL and now < s.expires_at and now - s.seen_at < idle
    )
