"""Managing accounts, on both databases: who may, who may not, what ends, what is audited."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from gateway.core.errors import Conflict, Forbidden, InvalidParameter, NotFound
from gateway.core.people import CodeRefused, SignInRefused, User
from gateway.core.roles import Role, Side
from gateway.core.totp import code_at
from gateway.flows import account, signin, users
from gateway.flows.people import People, SignedIn
from tests.fixtures.people import OTHER, PASSWORD, add, enrol


@pytest.fixture
async def admin(people: People) -> User:
    return (await add(people, "root", Role.ADMINISTRATOR)).as_user()


@pytest.fixture
def easy(people: People) -> People:
    """Without a second factor, so that a password opens a session."""
    return dataclasses.replace(people, policy=dataclasses.replace(people.policy, second_factor=False))


async def enter(people: People, name: str = "nadia", password: str = PASSWORD) -> SignedIn:
    return await signin.sign_in(people, name, password, address="192.0.2.7")


async def alive(people: People, session: SignedIn) -> bool:
    return await signin.current(people, session.token) is not None


async def test_only_administrators_manage(people: People, admin: User) -> None:
    """Every function refuses everybody else."""
    nadia = (await add(people, "nadia", Role.SUPERVISOR, Role.AUDITOR)).as_user()
    for attempt in (
        users.add_user(people, "x1", side=Side.UK, roles=["viewer"], by=nadia),
        users.change_user(people, "root", roles=["viewer"], by=nadia),
        users.set_disabled(people, "root", disabled=True, by=nadia),
        users.unlock(people, "root", by=nadia),
        users.reset_password(people, "root", by=nadia),
        users.reset_second_factor(people, "root", by=nadia),
        users.end_all_sessions(people, "root", by=nadia),
        users.list_users(people, by=nadia),
        users.show_user(people, "root", by=nadia),
    ):
        with pytest.raises(Forbidden):
            await attempt
    assert [s.user.name for s in await users.list_users(people, by=admin)] == ["nadia", "root"]


async def test_nobody_changes_their_own_rights(people: People, admin: User) -> None:
    """Nor disables themselves, nor resets their own password or second factor this way."""
    await add(people, "second", Role.ADMINISTRATOR)
    for attempt in (
        users.change_user(people, "root", roles=["auditor"], by=admin),
        users.set_disabled(people, "root", disabled=True, by=admin),
        users.reset_password(people, "root", by=admin),
        users.reset_second_factor(people, "root", by=admin),
    ):
        with pytest.raises(Forbidden):
            await attempt
    assert (await users.change_user(people, "second", roles=["viewer"], by=admin)).roles == {Role.VIEWER}


async def test_the_last_administrator_stays(people: People, admin: User) -> None:
    """Neither disabled nor given other roles; of two, one may go, also when both are taken at once."""
    for attempt in (
        users.set_disabled(people, "root", disabled=True, by=None),
        users.change_user(people, "root", roles=["viewer"], by=None),
    ):
        with pytest.raises(Conflict):
            await attempt
    await add(people, "second", Role.ADMINISTRATOR)
    done = await asyncio.gather(
        users.set_disabled(people, "root", disabled=True, by=None),
        users.set_disabled(people, "second", disabled=True, by=None),
        return_exceptions=True,
    )
    assert sum(isinstance(d, Conflict) for d in done) == 1


async def test_new_roles_end_the_sessions(easy: People, admin: User) -> None:
    """And a language does not."""
    await add(easy, "nadia")
    session = await enter(easy)
    await users.change_user(easy, "nadia", language="fr", display_name="Nadia K.", by=admin)
    assert await alive(easy, session)
    changed = await users.change_user(easy, "nadia", roles=["viewer"], side=Side.FR, by=admin)
    assert not await alive(easy, session)
    assert (changed.roles, changed.side, changed.language) == ({Role.VIEWER}, Side.FR, "fr")
    async with easy.store.begin(read_only=True) as tx:
        (*_, entry) = await tx.audit_entries(limit=50)
    assert (entry.action, entry.actor, entry.subject) == ("user.changed", "operator:root", "user:nadia")
    assert entry.data["roles_before"] == "operator"
    assert entry.data["sessions_ended"] == 1


async def test_disabling_ends_everything(easy: People, admin: User) -> None:
    """No session, no sign-in; enabling brings the sign-in back, not the session."""
    await add(easy, "nadia")
    session = await enter(easy)
    await users.set_disabled(easy, "nadia", disabled=True, by=admin)
    assert not await alive(easy, session)
    with pytest.raises(SignInRefused):
        await enter(easy)
    await users.set_disabled(easy, "nadia", disabled=False, by=admin)
    assert not await alive(easy, session)
    assert await alive(easy, await enter(easy))


async def test_a_reset_password(easy: People, admin: User) -> None:
    """The old one and the sessions are gone; a made one must be renewed, one from the command line not."""
    await add(easy, "nadia")
    session = await enter(easy)
    made = await users.reset_password(easy, "nadia", by=admin)
    assert not await alive(easy, session)
    with pytest.raises(SignInRefused):
        await enter(easy)
    assert (await enter(easy, password=made.password or "")).session.stage.value == "renew"
    await users.reset_password(easy, "nadia", by=None, password=OTHER, renew=False)
    assert (await enter(easy, password=OTHER)).session.stage.value == "full"


async def test_a_reset_second_factor(people: People, admin: User) -> None:
    """Authenticator and recovery codes are gone; the next sign-in enrols again."""
    await add(people, "nadia")
    await enrol(people, "nadia")
    await users.reset_second_factor(people, "nadia", by=admin)
    assert (await enter(people)).session.stage.value == "enrol"
    with pytest.raises(Conflict):
        await users.reset_second_factor(people, "nadia", by=admin)


async def test_locked_out_people_are_shown_and_unlocked(people: People, admin: User) -> None:
    """An administrator sees the lock and may open it."""
    await add(people, "nadia")
    for _ in range(5):
        with pytest.raises(SignInRefused):
            await enter(people, password="wrong")
    assert (await users.show_user(people, "nadia", by=admin)).locked
    await users.unlock(people, "nadia", by=admin)
    assert not (await users.show_user(people, "nadia", by=admin)).locked
    await enter(people)


async def test_names_are_unique_and_checked(people: People, admin: User) -> None:
    """In any capitals; a subject belongs to one account; an unknown name is told."""
    await add(people, "nadia")
    with pytest.raises(Conflict):
        await add(people, "NADIA")
    far = {"side": Side.FR, "roles": ["viewer"], "by": admin, "issuer": "https://i"}
    await users.add_user(people, "far", subject="7", **far)  # type: ignore[arg-type]
    with pytest.raises(Conflict):
        await users.add_user(people, "farther", subject="7", **far)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter):
        await users.add_user(people, "both", subject="8", password=PASSWORD, **far)  # type: ignore[arg-type]
    with pytest.raises(Conflict):
        await users.reset_password(people, "far", by=admin)
    with pytest.raises(NotFound):
        await users.change_user(people, "nobody", roles=["viewer"], by=admin)


async def test_a_french_account_reads_french(people: People) -> None:
    """Unless it is said otherwise."""
    assert (await add(people, "a", side=Side.FR)).language == "fr"
    assert (await add(people, "b", side=Side.UK)).language == "en"
    assert (await add(people, "c", side=Side.FR, language="en")).language == "en"


# ---- one's own account ---------------------------------------------------------------------------


async def test_my_own_password(easy: People) -> None:
    """The old one is needed; the session goes on under a new token, all others end."""
    nadia = (await add(easy, "nadia")).as_user()
    here, there = await enter(easy), await enter(easy)
    with pytest.raises(SignInRefused):
        await account.change_password(easy, nadia, here.session, old="wrong", new=OTHER, address="x")
    with pytest.raises(InvalidParameter):
        await account.change_password(easy, nadia, here.session, old=PASSWORD, new=PASSWORD, address="x")
    done = await account.change_password(easy, nadia, here.session, old=PASSWORD, new=OTHER, address="x")
    assert [await alive(easy, s) for s in (here, there, done)] == [False, False, True]
    await enter(easy, password=OTHER)


async def test_my_own_sessions(easy: People) -> None:
    """Listed, ended one by one or all but this one; never somebody else's."""
    nadia, tom = (await add(easy, "nadia")).as_user(), (await add(easy, "tom")).as_user()
    here, there, more = [await enter(easy) for _ in range(3)]
    assert len(await account.sessions_of(easy, "nadia")) == 3
    with pytest.raises(NotFound):
        await account.end_one_session(easy, tom, there.session.session_id)
    await account.end_one_session(easy, nadia, there.session.session_id)
    assert await account.end_other_sessions(easy, nadia, here.session) == 1
    assert [await alive(easy, s) for s in (here, there, more)] == [True, False, False]


async def test_my_own_language(easy: People) -> None:
    """Kept; another language is refused."""
    nadia = (await add(easy, "nadia")).as_user()
    await account.set_language(easy, nadia, "fr")
    assert (await users.show_user(easy, "nadia", by=None)).user.language == "fr"
    with pytest.raises(InvalidParameter):
        await account.set_language(easy, nadia, "de")


async def test_another_authenticator_needs_the_one_there_is(people: People) -> None:
    """Who finds an open session cannot put their own telephone in its place."""
    await add(people, "nadia")
    secret, codes = await enrol(people, "nadia")
    for code in (None, "000000"):
        with pytest.raises(CodeRefused):
            await account.start_enrolment(people, "nadia", code=code)
    made = await account.start_enrolment(people, "nadia", code=codes[0])
    assert made.secret != secret
    fresh = await account.confirm_enrolment(people, "nadia", code_at(made.secret, people.clock.now()))
    assert not set(fresh) & set(codes)
    begun = await enter(people)
    with pytest.raises(CodeRefused):
        await signin.give_code(people, begun.session, begun.user, codes[1])


async def test_new_recovery_codes_replace_the_old(people: People) -> None:
    """After a code; the old ones open nothing."""
    nadia = (await add(people, "nadia")).as_user()
    _, codes = await enrol(people, "nadia")
    fresh = await account.new_recovery_codes(people, nadia, code=codes[0])
    assert await account.codes_left(people, nadia) == 10
    with pytest.raises(CodeRefused):
        await account.new_recovery_codes(people, nadia, code=codes[1])
    await account.new_recovery_codes(people, nadia, code=fresh[1])
