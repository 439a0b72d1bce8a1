"""Managing the accounts of others, as an administrator or on the command line; one's own is in ``account``.

Nobody changes their own roles or disables themselves; one enabled administrator always remains, once there is
one. What takes power away (roles, side, password, disabling) ends the sessions of that person at once. Every
action is audited; no secret is.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.core.errors import Conflict, Forbidden, InvalidParameter, NotFound
from gateway.core.people import (
    User,
    UserRecord,
    check_new_password,
    clean_display,
    clean_language,
    clean_name,
    clean_roles,
)
from gateway.core.roles import Permission, Role, Side
from gateway.flows.people import People, actor_of, check_may, known, note, open_sessions
from gateway.flows.ports import Transaction
from gateway.flows.ports_users import AttemptKind

_GENERATED_BYTES = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """An account, and the password to hand over when one was made up (shown once)."""

    user: UserRecord
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """An account as a list shows it."""

    user: UserRecord
    locked: bool
    sessions: int


def _check_others(by: User | None, name: str, what: str) -> None:
    check_may(by, Permission.MANAGE_USERS)
    if by is not None and by.name == name:
        raise Forbidden(f"nobody changes their own {what}: another administrator does")


def _is_administrator(user: UserRecord) -> bool:
    return Role.ADMINISTRATOR in user.roles and not user.disabled


async def _keep_one(tx: Transaction, before: UserRecord, after: UserRecord) -> None:
    """Raises Conflict; the caller holds ``lock_users``."""
    if _is_administrator(before) and not _is_administrator(after) and await tx.count_administrators() == 1:
        raise Conflict("this is the last administrator: make another one first")


def _generated() -> str:
    return secrets.token_urlsafe(_GENERATED_BYTES)


# ---- by an administrator ------------------------------------------------------------------------


async def add_user(
    people: People,
    name: str,
    *,
    side: Side,
    roles: Iterable[Role | str],
    by: User | None,
    display_name: str | None = None,
    language: str | None = None,
    password: str | None = None,
    renew: bool | None = None,
    issuer: str | None = None,
    subject: str | None = None,
) -> Made:
    """A new account. Without a password one is made up, to be renewed at the first sign-in (``renew`` says
    otherwise); with a subject it signs in at the OIDC provider and has none. ``by`` None: the command line.

    Raises Forbidden, InvalidParameter, Conflict (the name or the subject is taken).
    """
    check_may(by, Permission.MANAGE_USERS)
    name = clean_name(name)
    if subject is not None and (issuer is None or password is not None):
        raise InvalidParameter("an account of the OIDC provider has an issuer and no password")
    made = None
    if password is None and subject is None:
        made = password = _generated()
    if password is not None:
        check_new_password(password, name=name)
    now = people.clock.now()
    user = UserRecord(
        user_id=people.clock.new_id(),
        name=name,
        display_name=clean_display(display_name or name),
        side=side,
        roles=clean_roles(roles),
        language=clean_language(language or ("fr" if side is Side.FR else "en")),
        password_hash=None if password is None else await people.passwords.hash(password),
        renew_password=made is not None if renew is None else renew,
        issuer=issuer if subject is not None else None,
        subject=subject,
        created_at=now,
        changed_at=now,
    )
    async with people.store.begin() as tx:
        await add_in(tx, people, user, by=actor_of(by))
    return Made(user=user, password=made)


async def add_in(tx: Transaction, people: People, user: UserRecord, *, by: str) -> None:
    """Raises Conflict."""
    if not await tx.add_user(user):
        raise Conflict("there is a user of that name, or of that subject at the provider, already")
    await note(
        tx,
        people,
        "user.added",
        user,
        by=by,
        side=user.side.value,
        roles=_said(user),
        oidc=bool(user.subject),
    )


def _said(user: UserRecord) -> str:
    return ", ".join(sorted(role.value for role in user.roles))


async def change_user(
    people: People,
    name: str,
    *,
    by: User | None,
    roles: Iterable[Role | str] | None = None,
    side: Side | None = None,
    language: str | None = None,
    display_name: str | None = None,
) -> UserRecord:
    """Another person's roles, side, language, display name, as far as given. New roles or another side end
    that person's sessions. Raises Forbidden, InvalidParameter, NotFound, Conflict."""
    _check_others(by, name, "roles, side or name")
    wanted = None if roles is None else clean_roles(roles)
    async with people.store.begin() as tx:
        await tx.lock_users()
        before = await known(tx, name)
        after = dataclasses.replace(
            before,
            roles=before.roles if wanted is None else wanted,
            side=side or before.side,
            language=before.language if language is None else clean_language(language),
            display_name=before.display_name if display_name is None else clean_display(display_name),
            changed_at=people.clock.now(),
        )
        return await change_in(tx, people, before, after, by=actor_of(by))


async def change_in(
    tx: Transaction, people: People, before: UserRecord, after: UserRecord, *, by: str
) -> UserRecord:
    """Writes and audits what differs; the caller holds ``lock_users``. Raises Conflict."""
    changed = [n for n in ("display_name", "side", "language") if getattr(before, n) != getattr(after, n)]
    if before.roles != after.roles:
        changed.append("roles")
    if not changed:
        return before
    await _keep_one(tx, before, after)
    await tx.save_user(after)
    ended = 0
    if "roles" in changed or "side" in changed:
        ended = await tx.end_sessions(after.user_id)
    await note(
        tx,
        people,
        "user.changed",
        after,
        by=by,
        changed=", ".join(sorted(changed)),
        roles=_said(after),
        roles_before=_said(before),
        side=after.side.value,
        sessions_ended=ended,
    )
    return after


async def set_disabled(people: People, name: str, *, disabled: bool, by: User | None) -> UserRecord:
    """A disabled account keeps its history and signs in nowhere. Raises Forbidden, NotFound, Conflict."""
    _check_others(by, name, "account's state")
    async with people.store.begin() as tx:
        await tx.lock_users()
        before = await known(tx, name)
        if before.disabled == disabled:
            return before
        after = dataclasses.replace(before, disabled=disabled, changed_at=people.clock.now())
        await _keep_one(tx, before, after)
        await tx.save_user(after)
        ended = await tx.end_sessions(after.user_id)
        await _unlock(tx, after)
        action = "user.disabled" if disabled else "user.enabled"
        await note(tx, people, action, after, by=actor_of(by), sessions_ended=ended)
    return after


async def _unlock(tx: Transaction, user: UserRecord) -> None:
    for kind in (AttemptKind.NAME, AttemptKind.CODE):
        await tx.forget_attempts(kind, user.name)


async def unlock(people: People, name: str, *, by: User | None) -> UserRecord:
    """Failed attempts count no more. Raises Forbidden, NotFound."""
    check_may(by, Permission.MANAGE_USERS)
    async with people.store.begin() as tx:
        user = await known(tx, name)
        await _unlock(tx, user)
        await note(tx, people, "user.unlocked", user, by=actor_of(by))
    return user


async def reset_password(
    people: People, name: str, *, by: User | None, password: str | None = None, renew: bool = True
) -> Made:
    """A new password for somebody else, to be renewed at the next sign-in; all their sessions end.

    Raises Forbidden, NotFound, InvalidParameter, Conflict (an account of the OIDC provider).
    """
    _check_others(by, name, "password this way")
    made = _generated() if password is None else None
    wanted = check_new_password(password or made or "", name=name)
    hashed = await people.passwords.hash(wanted)
    async with people.store.begin() as tx:
        before = await known(tx, name)
        if before.subject is not None:
            raise Conflict("this account signs in at the OIDC provider and has no password here")
        after = dataclasses.replace(
            before, password_hash=hashed, renew_password=renew, changed_at=people.clock.now()
        )
        await tx.save_user(after)
        ended = await tx.end_sessions(after.user_id)
        await _unlock(tx, after)
        await note(tx, people, "user.password_reset", after, by=actor_of(by), sessions_ended=ended)
    return Made(user=after, password=made)


async def reset_second_factor(people: People, name: str, *, by: User | None) -> UserRecord:
    """The authenticator and the recovery codes of somebody are gone, and their sessions end.

    Raises Forbidden, NotFound, Conflict (there is none)."""
    _check_others(by, name, "second factor this way")
    async with people.store.begin() as tx:
        user = await known(tx, name)
        if not user.second_factor:
            raise Conflict("this account has no second factor")
        await tx.remove_totp(user.user_id)
        ended = await tx.end_sessions(user.user_id)
        await note(tx, people, "user.second_factor_reset", user, by=actor_of(by), sessions_ended=ended)
    return dataclasses.replace(user, second_factor=False)


async def end_all_sessions(people: People, name: str, *, by: User | None) -> int:
    """Signs somebody out everywhere; how many sessions there were. Raises Forbidden, NotFound."""
    check_may(by, Permission.MANAGE_USERS)
    async with people.store.begin() as tx:
        user = await known(tx, name)
        ended = await tx.end_sessions(user.user_id)
        await note(tx, people, "user.sessions_ended", user, by=actor_of(by), sessions_ended=ended)
    return ended


async def list_users(people: People, *, by: User | None) -> tuple[Shown, ...]:
    """All accounts in order of names. Raises Forbidden."""
    check_may(by, Permission.MANAGE_USERS)
    async with people.store.begin(read_only=True) as tx:
        return tuple([await _shown(tx, people, user) for user in await tx.list_users()])


async def show_user(people: People, name: str, *, by: User | None) -> Shown:
    """Raises Forbidden, NotFound."""
    check_may(by, Permission.MANAGE_USERS)
    async with people.store.begin(read_only=True) as tx:
        user = await tx.user_named(name)
        if user is None:
            raise NotFound("no such user")
        return await _shown(tx, people, user)


async def _shown(tx: Transaction, people: People, user: UserRecord) -> Shown:
    now = people.clock.now()
    locked = False
    for kind in (AttemptKind.NAME, AttemptKind.CODE):
        seen = await tx.signin_attempts(kind, user.name)
        locked = locked or people.policy.names.locked(seen, now) is not None
    return Shown(
        user=user, locked=locked, sessions=len(open_sessions(people, await tx.sessions(user.user_id)))
    )
