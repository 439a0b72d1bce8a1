"""One's own account: sessions, password, language, second factor. The caller has recognised the person.

Every change ends the other sessions where it concerns how somebody signs in, and is audited without secrets.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from gateway.core import totp
from gateway.core.errors import Conflict, InvalidParameter, NotFound
from gateway.core.people import (
    CodeRefused,
    SessionRecord,
    SignInRefused,
    Stage,
    User,
    check_new_password,
    clean_language,
)
from gateway.flows.people import People, SignedIn, known, note, open_sessions, replace_session
from gateway.flows.signin import check_code, check_password


@dataclass(frozen=True, kw_only=True, slots=True)
class Enrolment:
    """A new authenticator secret, until its first code confirms it."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    """What the QR code says."""


async def sessions_of(people: People, name: str) -> tuple[SessionRecord, ...]:
    """Those that are open, the newest first. Raises NotFound."""
    async with people.store.begin(read_only=True) as tx:
        user = await tx.user_named(name)
        if user is None:
            raise NotFound("no such user")
        return open_sessions(people, await tx.sessions(user.user_id))


async def end_one_session(people: People, user: User, session_id: str) -> None:
    """One of one's own. Raises NotFound."""
    async with people.store.begin() as tx:
        record = await known(tx, user.name)
        if not await tx.end_session(session_id, user_id=record.user_id):
            raise NotFound("no such session")
        await note(tx, people, "user.session_ended", record, by=user.actor)


async def end_other_sessions(people: People, user: User, session: SessionRecord) -> int:
    """Signs out everywhere but here."""
    async with people.store.begin() as tx:
        record = await known(tx, user.name)
        ended = await tx.end_sessions(record.user_id, but=session.session_id)
        await note(tx, people, "user.sessions_ended", record, by=user.actor, sessions_ended=ended)
    return ended


async def set_language(people: People, user: User, language: str) -> None:
    """One's own preference. Raises InvalidParameter."""
    wanted = clean_language(language)
    async with people.store.begin() as tx:
        record = await known(tx, user.name)
        if record.language != wanted:
            now = people.clock.now()
            await tx.save_user(dataclasses.replace(record, language=wanted, changed_at=now))
            await note(tx, people, "user.changed", record, by=user.actor, changed="language")


async def change_password(
    people: People, user: User, session: SessionRecord, *, old: str, new: str, address: str
) -> SignedIn:
    """One's own; every other session ends, this one goes on under a new token.

    Raises SignInRefused (the old one is wrong), SignInLocked, InvalidParameter."""
    cleaned = check_new_password(new, name=user.name)
    if cleaned == old:
        raise InvalidParameter("choose a password that you have not had")
    checked = await check_password(people, user.name, old, address=address)
    hashed = await people.passwords.hash(cleaned)
    async with people.store.begin() as tx:
        record = await known(tx, user.name)
        if record.password_hash != checked.password_hash:
            raise SignInRefused("the password was changed elsewhere")
        record = dataclasses.replace(
            record, password_hash=hashed, renew_password=False, changed_at=people.clock.now()
        )
        await tx.save_user(record)
        done = await replace_session(tx, people, record, session, session.stage)
        await tx.end_sessions(record.user_id, but=done.session.session_id)
        await note(tx, people, "user.password_changed", record, by=user.actor)
    return done


async def start_enrolment(people: People, name: str, *, code: str | None = None) -> Enrolment:
    """A new authenticator, which counts once its first code was given; who has one already proves that first
    with a code of it. The caller has recognised the person. Raises NotFound, CodeRefused, SignInLocked."""
    async with people.store.begin(read_only=True) as tx:
        user = await tx.user_named(name)
    if user is None:
        raise NotFound("no such user")
    if user.second_factor:
        if code is None:
            raise CodeRefused("give a code of the authenticator that you have, or a recovery code")
        await check_code(people, user, code)
    secret = totp.new_secret()
    async with people.store.begin() as tx:
        await tx.offer_totp(user.user_id, secret)
    return Enrolment(secret=secret, uri=totp.provisioning_uri(secret, name))


async def waiting_enrolment(people: People, name: str) -> Enrolment | None:
    """What ``start_enrolment`` made, while it waits."""
    async with people.store.begin(read_only=True) as tx:
        user = await tx.user_named(name)
        state = None if user is None else await tx.totp(user.user_id, confirmed=False)
    if state is None:
        return None
    return Enrolment(secret=state.secret, uri=totp.provisioning_uri(state.secret, name))


async def confirm_enrolment(people: People, name: str, code: str) -> tuple[str, ...]:
    """The first code of the new authenticator makes it the one that counts; its recovery codes, shown once.

    Raises NotFound, Conflict (none waits), CodeRefused."""
    now = people.clock.now()
    async with people.store.begin() as tx:
        user = await known(tx, name)
        state = await tx.totp(user.user_id, confirmed=False)
        if state is None:
            raise Conflict("no authenticator waits to be confirmed: begin again")
        step = totp.matching_step(state.secret, code, now=now, used=state.used_step)
        if step is None or not await tx.confirm_totp(user.user_id, step):
            raise CodeRefused("the code is wrong: check the time of the device, and take the next code")
        codes = totp.new_recovery_codes()
        await tx.set_recovery_codes(user.user_id, codes)
        await note(tx, people, "user.second_factor_enrolled", user, by=user.as_user().actor)
    return codes


async def finish_enrolment(people: People, session: SessionRecord, name: str) -> SignedIn:
    """After ``confirm_enrolment`` in a sign-in: the session is whole, under a new token. One that was whole
    already also gets a new token, and the others end. Raises NotFound, Conflict."""
    async with people.store.begin() as tx:
        user = await known(tx, name)
        if not user.second_factor:
            raise Conflict("no second factor was confirmed")
        if session.stage is Stage.ENROL:
            user = dataclasses.replace(user, signed_in_at=people.clock.now())
            await tx.save_user(user)
            await note(tx, people, "signin.done", user, by=user.as_user().actor, method="password+totp")
        done = await replace_session(tx, people, user, session, Stage.FULL)
        await tx.end_sessions(user.user_id, but=done.session.session_id)
    return done


async def codes_left(people: People, user: User) -> int:
    """How many recovery codes are not used yet."""
    async with people.store.begin(read_only=True) as tx:
        record = await tx.user_named(user.name)
        return 0 if record is None else await tx.count_recovery_codes(record.user_id)


async def new_recovery_codes(people: People, user: User, *, code: str) -> tuple[str, ...]:
    """In place of those there were, after a code of the authenticator; shown once. Raises CodeRefused,
    SignInLocked, NotFound."""
    async with people.store.begin(read_only=True) as tx:
        before = await tx.user_named(user.name)
    if before is None:
        raise NotFound("no such user")
    await check_code(people, before, code)
    codes = totp.new_recovery_codes()
    async with people.store.begin() as tx:
        record = await known(tx, user.name)
        await tx.set_recovery_codes(record.user_id, codes)
        await note(tx, people, "user.recovery_codes_made", record, by=user.actor)
    return codes
