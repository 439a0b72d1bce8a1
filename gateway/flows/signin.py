"""Signing in, in steps that each end the step before: password, second factor, what is left, session.

(1) Count the attempt, for the address and for the name, before anything is compared: parallel guesses get no
    more tries than guesses in a row, and every node counts in the same table.
(2) One hash is computed whatever the name is, so that names cannot be told by time; the answer is the same
    for an unknown name, another password and a disabled account.
(3) A new token at every step; what a session may open is its stage.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Final

from gateway.core.errors import InvalidParameter
from gateway.core.people import (
    CodeRefused,
    SessionRecord,
    SignInLocked,
    SignInRefused,
    SignInUnfinished,
    Stage,
    User,
    UserRecord,
    check_new_password,
    clean_name,
    next_stage,
)
from gateway.core.totp import matching_step
from gateway.flows.people import People, SignedIn, note, open_session, replace_session
from gateway.flows.ports import Transaction
from gateway.flows.ports_users import AttemptKind

_REFUSED: Final = "the name or the password is wrong"
_CODE: Final = "the code is wrong or was used before"
_LONGEST_TYPED: Final = 256
_TOUCH_EVERY: Final = dt.timedelta(minutes=1)


def typed_name(name: str) -> str:
    """What was typed, as it is looked up; what cannot be a name is nobody's."""
    try:
        return clean_name(name[:_LONGEST_TYPED])
    except InvalidParameter:
        return name[:_LONGEST_TYPED]


async def check_password(people: People, name: str, password: str, *, address: str) -> UserRecord:
    """The enabled local account with that password. Raises SignInRefused, SignInLocked."""
    name = typed_name(name)
    now = people.clock.now()
    async with people.store.begin() as tx:  # (1)
        await _count(tx, people, name, address, now)
        user = await tx.user_named(name)
    usable = user if user is not None and people.policy.local_accounts and not user.disabled else None
    checked = await people.passwords.check(usable.password_hash if usable else None, password)  # (2)
    if usable is None or not checked.right:
        await _refused(people, name, user)
        raise SignInRefused(_REFUSED)
    rehashed = await people.passwords.hash(password) if checked.outdated else None
    async with people.store.begin() as tx:
        await tx.forget_attempts(AttemptKind.NAME, name)
        await tx.forgive_attempt(AttemptKind.ADDRESS, address)
        current = await tx.user_named(name, lock=True)
        if current is None or current.disabled or current.password_hash != usable.password_hash:
            raise SignInRefused(_REFUSED)  # changed while we compared
        if rehashed is not None:
            current = dataclasses.replace(current, password_hash=rehashed)
            await tx.save_user(current)
    return current


async def _count(tx: Transaction, people: People, name: str, address: str, now: dt.datetime) -> None:
    policy = people.policy
    for kind, who, lockout in (
        (AttemptKind.ADDRESS, address, policy.addresses),
        (AttemptKind.NAME, name, policy.names),
    ):
        until = await tx.count_attempt(kind, who, lockout, now)
        if until is not None:
            raise SignInLocked(until)


async def _refused(people: People, name: str, user: UserRecord | None) -> None:
    """Failures at names that exist are audited; others would let strangers write into the chain."""
    if user is None:
        return
    async with people.store.begin() as tx:
        seen = await tx.signin_attempts(AttemptKind.NAME, name)
        locked = seen is not None and seen.locked_until is not None
        failures = seen.failures if seen is not None else 0
        await note(tx, people, "signin.refused", user, by="gateway", failures=failures, locked=locked)


async def sign_in(people: People, name: str, password: str, *, address: str, agent: str = "") -> SignedIn:
    """A session after the right password; its stage says what is left. Raises SignInRefused, SignInLocked."""
    user = await check_password(people, name, password, address=address)
    return await begin_session(people, user, proven=False, address=address, agent=agent)


async def begin_session(
    people: People, user: UserRecord, *, proven: bool, address: str, agent: str, method: str = "password"
) -> SignedIn:
    """For somebody who was recognised. ``proven``: with a second factor too."""
    stage = next_stage(user, proven=proven, required=people.policy.second_factor)
    async with people.store.begin() as tx:
        return await _go_on(tx, people, user, None, stage, address=address, agent=agent, method=method)


async def _go_on(
    tx: Transaction,
    people: People,
    user: UserRecord,
    old: SessionRecord | None,
    stage: Stage,
    *,
    address: str = "",
    agent: str = "",
    method: str,
) -> SignedIn:
    """(3)"""
    if stage is Stage.FULL:
        user = dataclasses.replace(user, signed_in_at=people.clock.now())
        await tx.save_user(user)
        await note(tx, people, "signin.done", user, by=user.as_user().actor, method=method)
    if old is not None:
        return await replace_session(tx, people, user, old, stage)
    return await open_session(tx, people, user, stage, address=address, agent=agent)


# ---- second factor ------------------------------------------------------------------------------


async def check_code(people: People, user: UserRecord, code: str) -> str:
    """``totp`` or ``recovery``: which code it was; it is used up now. Raises CodeRefused, SignInLocked."""
    now = people.clock.now()
    async with people.store.begin() as tx:
        until = await tx.count_attempt(AttemptKind.CODE, user.name, people.policy.names, now)
    if until is not None:
        raise SignInLocked(until)
    async with people.store.begin() as tx:
        method = await _use_code(tx, user, code[:_LONGEST_TYPED], now)
        if method is None:
            await note(tx, people, "signin.code_refused", user, by="gateway")
        else:
            await tx.forget_attempts(AttemptKind.CODE, user.name)
        if method == "recovery":
            left = await tx.count_recovery_codes(user.user_id)
            await note(tx, people, "user.recovery_code_used", user, by=user.as_user().actor, left=left)
    if method is None:
        raise CodeRefused(_CODE)
    return method


async def _use_code(tx: Transaction, user: UserRecord, code: str, now: dt.datetime) -> str | None:
    state = await tx.totp(user.user_id, confirmed=True)
    if state is None:
        return None
    step = matching_step(state.secret, code, now=now, used=state.used_step)
    if step is not None and await tx.use_totp_step(user.user_id, step):
        return "totp"
    return "recovery" if await tx.use_recovery_code(user.user_id, code) else None


async def give_code(people: People, session: SessionRecord, user: UserRecord, code: str) -> SignedIn:
    """The second step. Raises CodeRefused, SignInLocked (then the sign-in begins again)."""
    try:
        method = await check_code(people, user, code)
    except SignInLocked:
        async with people.store.begin() as tx:
            await tx.end_sessions(user.user_id, stage=Stage.CODE)
        raise
    stage = next_stage(user, proven=True, required=people.policy.second_factor)
    async with people.store.begin() as tx:
        return await _go_on(tx, people, user, session, stage, method=f"password+{method}")


async def renew_password(people: People, session: SessionRecord, user: UserRecord, password: str) -> SignedIn:
    """In place of the password that somebody else gave out. Raises InvalidParameter, SignInRefused."""
    cleaned = check_new_password(password, name=user.name)
    if (await people.passwords.check(user.password_hash, password)).right:
        raise InvalidParameter("choose a password that you have not had")
    hashed = await people.passwords.hash(cleaned)
    async with people.store.begin() as tx:
        current = await tx.user_named(user.name, lock=True)
        if current is None or current.disabled or current.password_hash != user.password_hash:
            raise SignInRefused(_REFUSED)
        current = dataclasses.replace(
            current, password_hash=hashed, renew_password=False, changed_at=people.clock.now()
        )
        await tx.save_user(current)
        await tx.end_sessions(user.user_id, but=session.session_id)
        await note(tx, people, "user.password_changed", current, by=current.as_user().actor)
        stage = next_stage(
            current, proven=current.second_factor, required=people.policy.second_factor
        )  # a session of this stage has given its code, if there is one
        return await _go_on(tx, people, current, session, stage, method="password")


# ---- sessions -----------------------------------------------------------------------------------


async def current(
    people: People, token: str, *, touch: bool = True
) -> tuple[SessionRecord, UserRecord] | None:
    """Whose session it is, while it holds: not expired, not idle too long, the account enabled.

    ``touch`` False: a look that nobody asked for (live updates); it does not keep the session alive.
    """
    if not token or len(token) > _LONGEST_TYPED:
        return None
    now = people.clock.now()
    async with people.store.begin(read_only=True) as tx:
        found = await tx.session_of(token)
    if found is None:
        return None
    session, user = found
    if now >= session.expires_at or now - session.seen_at >= people.policy.idle or user.disabled:
        return None
    if not people.policy.local_accounts and user.issuer is None:
        return None
    if touch and now - session.seen_at >= min(_TOUCH_EVERY, people.policy.idle / 4):
        async with people.store.begin() as tx:
            await tx.touch_session(session.session_id, now)
    return session, user


async def sign_out(people: People, session: SessionRecord, user: UserRecord) -> None:
    """The token opens nothing any more, on every node."""
    async with people.store.begin() as tx:
        if await tx.end_session(session.session_id, user_id=user.user_id):
            await note(tx, people, "signin.ended", user, by=user.as_user().actor)


async def authenticate(
    people: People, name: str, password: str, *, code: Callable[[], str], address: str = "cli"
) -> User:
    """For one command: password, then the second factor (asked for with ``code``) where there is one.

    Raises SignInRefused, CodeRefused, SignInLocked, SignInUnfinished.
    """
    user = await check_password(people, name, password, address=address)
    proven = False
    if user.second_factor:
        await check_code(people, user, code())
        proven = True
    stage = next_stage(user, proven=proven, required=people.policy.second_factor)
    if stage is Stage.RENEW:
        raise SignInUnfinished("the password must be renewed first: sign in to the console once")
    if stage is Stage.ENROL:
        raise SignInUnfinished(
            "a second factor is required: enrol in the console, or with passerelle users totp start"
        )
    return user.as_user()
