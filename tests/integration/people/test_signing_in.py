"""Signing in, on both databases: every step, every refusal, and what is left in the store."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import statistics
import time

import pytest
from argon2 import PasswordHasher

from gateway.core.errors import InvalidParameter
from gateway.core.people import CodeRefused, SignInLocked, SignInRefused, SignInUnfinished, Stage
from gateway.core.roles import Permission, Role, Side
from gateway.core.totp import code_at
from gateway.flows import account, signin, users
from gateway.flows.passwords import Passwords
from gateway.flows.people import People, SignedIn
from gateway.store import SqlStore, open_store
from tests.fixtures.databases import PlainKeys
from tests.fixtures.people import OTHER, PASSWORD, add, enrol, people_of
from tests.fixtures.raw_sql import raw

HERE = "192.0.2.7"


async def enter(people: People, name: str = "nadia", password: str = PASSWORD, at: str = HERE) -> SignedIn:
    return await signin.sign_in(people, name, password, address=at, agent="Firefox · Linux")


def later(people: People, **shift: float) -> None:
    people.clock.shift += dt.timedelta(**shift)  # type: ignore[attr-defined] # the clock of the fixtures


async def actions(people: People) -> list[str]:
    async with people.store.begin(read_only=True) as tx:
        return [entry.action for entry in await tx.audit_entries(limit=200)]


async def test_enrol_at_the_first_sign_in(people: People) -> None:
    """A password alone opens nothing but the enrolment; its first code makes the session whole, and new."""
    await add(people, "nadia")
    begun = await enter(people)
    assert begun.session.stage is Stage.ENROL
    made = await account.start_enrolment(people, "nadia")
    with pytest.raises(CodeRefused):
        await account.confirm_enrolment(people, "nadia", "000000")
    codes = await account.confirm_enrolment(people, "nadia", code_at(made.secret, people.clock.now()))
    done = await account.finish_enrolment(people, begun.session, "nadia")
    assert (done.session.stage, len(codes)) == (Stage.FULL, 10)
    assert done.token != begun.token
    assert await signin.current(people, begun.token) is None
    found = await signin.current(people, done.token)
    assert found is not None
    assert found[1].name == "nadia"


async def test_the_second_factor_is_asked_for(people: People) -> None:
    """Password, then code; the token changes; the code is used up, on every node."""
    await add(people, "nadia")
    secret, _ = await enrol(people, "nadia")
    later(people, seconds=30)
    begun = await enter(people)
    assert begun.session.stage is Stage.CODE
    code = code_at(secret, people.clock.now())
    done = await signin.give_code(people, begun.session, begun.user, code)
    assert done.session.stage is Stage.FULL
    assert await signin.current(people, begun.token) is None
    again = await enter(people)
    with pytest.raises(CodeRefused):
        await signin.give_code(people, again.session, again.user, code)


async def test_one_code_for_two_nodes(people: People) -> None:
    """Of two sign-ins with the same code at the same instant, one succeeds."""
    await add(people, "nadia")
    secret, _ = await enrol(people, "nadia")
    later(people, seconds=30)
    begun = [await enter(people), await enter(people)]
    code = code_at(secret, people.clock.now())
    done = await asyncio.gather(
        *(signin.give_code(people, b.session, b.user, code) for b in begun), return_exceptions=True
    )
    assert sorted(type(d).__name__ for d in done) == ["CodeRefused", "SignedIn"]


async def test_a_recovery_code_is_good_once(people: People) -> None:
    """It stands in for the authenticator, once, however it is typed."""
    await add(people, "nadia")
    _, codes = await enrol(people, "nadia")
    for expected in ("SignedIn", "CodeRefused"):
        begun = await enter(people)
        (done,) = await asyncio.gather(
            signin.give_code(people, begun.session, begun.user, codes[3].upper().replace("-", " ")),
            return_exceptions=True,
        )
        assert type(done).__name__ == expected
    assert await account.codes_left(people, begun.user.as_user()) == 9


async def test_wrong_codes_lock_and_end_the_sign_in(people: People) -> None:
    """Five wrong codes: the sign-in is over and even a right code must wait."""
    await add(people, "nadia")
    secret, _ = await enrol(people, "nadia")
    later(people, seconds=30)
    begun = await enter(people)
    for _ in range(5):
        with pytest.raises(CodeRefused):
            await signin.give_code(people, begun.session, begun.user, "123456")
    with pytest.raises(SignInLocked):
        await signin.give_code(people, begun.session, begun.user, code_at(secret, people.clock.now()))
    assert await signin.current(people, begun.token) is None
    later(people, minutes=1)
    begun = await enter(people)
    code = code_at(secret, people.clock.now())
    assert (await signin.give_code(people, begun.session, begun.user, code)).session.stage is Stage.FULL


async def test_lock_out_grows_and_is_shared_by_nodes(people: People, store_url: str) -> None:
    """Failures at two nodes add up; each lock is longer; success forgets them."""
    await add(people, "nadia")
    second = open_store(store_url, keyring=PlainKeys())
    other = dataclasses.replace(people, store=second)
    try:
        for node in (people, other, people, other, people):
            with pytest.raises(SignInRefused):
                await enter(node, password="wrong")
        for node in (people, other):
            with pytest.raises(SignInLocked) as locked:
                await enter(node)
        first = locked.value.until - people.clock.now()
        later(people, minutes=1)
        with pytest.raises(SignInRefused):
            await enter(other, password="wrong")
        with pytest.raises(SignInLocked) as locked:
            await enter(people)
        assert locked.value.until - people.clock.now() > first
        later(people, minutes=2)
        await enter(other)
        with pytest.raises(SignInRefused):
            await enter(people, password="wrong")
        await enter(people)
    finally:
        await second.close()


async def test_guesses_at_once_get_no_more_tries(people: People) -> None:
    """Twenty guesses in parallel: five are looked at."""
    await add(people, "nadia")
    done = await asyncio.gather(
        *(enter(people, password=f"wrong {i}") for i in range(20)), return_exceptions=True
    )
    kinds = [type(d).__name__ for d in done]
    assert (kinds.count("SignInRefused"), kinds.count("SignInLocked")) == (5, 15)


async def test_an_address_is_limited_too(people: People) -> None:
    """Names tried one after the other from one address lock the address, not the people."""
    await add(people, "nadia")
    for i in range(30):
        with pytest.raises(SignInRefused):
            await enter(people, name=f"user{i}")
    with pytest.raises(SignInLocked):
        await enter(people)
    assert (await enter(people, at="192.0.2.8")).user.name == "nadia"


async def test_success_does_not_wash_an_address_clean(people: People) -> None:
    """Somebody with an account of their own cannot go on guessing for ever."""
    await add(people, "nadia")
    for i in range(29):
        with pytest.raises(SignInRefused):
            await enter(people, name=f"user{i}")
    await enter(people)
    with pytest.raises(SignInRefused):
        await enter(people, name="user30")
    with pytest.raises(SignInLocked):
        await enter(people)


async def test_the_same_answer_for_every_name(people: People) -> None:
    """Unknown, disabled, of the provider, or a wrong password: one text, one code, and the same lock."""
    for name in ("nadia", "boss", "gone"):
        await add(people, name)
    await users.set_disabled(people, "gone", disabled=True, by=None)
    await users.add_user(
        people, "far", side=Side.UK, roles=[Role.VIEWER], by=None, issuer="https://i", subject="7"
    )
    told = set()
    for name, password in (
        ("nadia", "x"),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("far", ""),
        ("<b>", ""),
    ):
        for _ in range(5):
            with pytest.raises(SignInRefused) as refused:
                await enter(people, name=name, password=password, at=f"192.0.2.{len(told)}")
            told.add((refused.value.detail, refused.value.code))
        with pytest.raises(SignInLocked):
            await enter(people, name=name, password=password)
    assert len(told) == 1


async def test_names_cannot_be_told_by_time(people: People) -> None:
    """An unknown name costs one hash like a wrong password: the medians are alike."""
    slow = dataclasses.replace(
        people_of(people.store),  # type: ignore[arg-type] # the store of the fixtures
        passwords=Passwords(hasher=PasswordHasher(time_cost=2, memory_cost=8192, parallelism=1)),
        policy=dataclasses.replace(
            people.policy,
            names=dataclasses.replace(people.policy.names, failures=100),
            addresses=dataclasses.replace(people.policy.addresses, failures=1000),
        ),
    )
    await add(slow, "nadia")
    taken: dict[str, list[float]] = {"nadia": [], "nobody": []}
    for _ in range(12):
        for name, times in taken.items():
            begin = time.perf_counter()
            with pytest.raises(SignInRefused):
                await enter(slow, name=name, password="wrong")
            times.append(time.perf_counter() - begin)
    known, unknown = (statistics.median(times) for times in taken.values())
    assert 0.4 < known / unknown < 2.5


async def test_a_session_ends_by_time(people: People) -> None:
    """Idle too long, or too old however busy."""
    people = dataclasses.replace(people, policy=dataclasses.replace(people.policy, second_factor=False))
    await add(people, "nadia")
    idle = await enter(people)
    later(people, minutes=29)
    assert await signin.current(people, idle.token) is not None
    later(people, minutes=29)
    assert await signin.current(people, idle.token) is not None
    later(people, minutes=30)
    assert await signin.current(people, idle.token) is None
    busy = await enter(people)
    for _ in range(21):
        later(people, minutes=28)
        alive = await signin.current(people, busy.token) is not None
    assert alive
    later(people, minutes=13)
    assert await signin.current(people, busy.token) is None


async def test_an_unfinished_sign_in_ends_soon(people: People) -> None:
    """Ten minutes for the second step."""
    await add(people, "nadia")
    begun = await enter(people)
    later(people, minutes=10)
    assert await signin.current(people, begun.token) is None


async def test_what_opens_nothing(people: People) -> None:
    """No token, another token, one that is endless; a session signed out of; a disabled account."""
    await add(people, "nadia")
    done = await enter(people)
    for token in ("", "x", done.token + "x", done.token[:-1], "x" * 10_000, done.session.session_id):
        assert await signin.current(people, token) is None
    await signin.sign_out(people, done.session, done.user)
    assert await signin.current(people, done.token) is None
    more = await enter(people)
    await users.set_disabled(people, "nadia", disabled=True, by=None)
    assert await signin.current(people, more.token) is None


async def test_local_accounts_can_be_switched_off(people: People) -> None:
    """Then a password opens nothing, and no session of a local account goes on."""
    await add(people, "nadia")
    done = await enter(people)
    off = dataclasses.replace(people, policy=dataclasses.replace(people.policy, local_accounts=False))
    with pytest.raises(SignInRefused):
        await enter(off)
    assert await signin.current(off, done.token) is None


async def test_a_password_given_out_is_renewed(people: People) -> None:
    """A made-up password opens only the page for a new one; then comes the second factor."""
    made = await users.add_user(people, "nadia", side=Side.FR, roles=["operator"], by=None)
    assert made.password is not None
    begun = await enter(people, password=made.password)
    assert begun.session.stage is Stage.RENEW
    for bad in ("short", made.password, "nadia nadia nadia"):
        with pytest.raises(InvalidParameter):
            await signin.renew_password(people, begun.session, begun.user, bad)
    done = await signin.renew_password(people, begun.session, begun.user, OTHER)
    assert done.session.stage is Stage.ENROL
    with pytest.raises(SignInRefused):
        await enter(people, password=made.password)
    assert (await enter(people, password=OTHER)).session.stage is Stage.ENROL


async def test_hashes_grow_with_the_parameters(people: People, store_url: str) -> None:
    """A hash of weaker parameters is replaced at the next sign-in; the new one opens too."""
    await add(people, "nadia")
    (before,) = (await raw(store_url, "SELECT password_hash FROM users"))[0]
    stronger = Passwords(hasher=PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    await enter(dataclasses.replace(people, passwords=stronger))
    (after,) = (await raw(store_url, "SELECT password_hash FROM users"))[0]
    assert before != after
    assert "m=16,t=2" in after
    await enter(dataclasses.replace(people, passwords=stronger))


async def test_for_one_command(people: People) -> None:
    """A command needs both factors too; who has not enrolled or renewed is told what to do."""
    await add(people, "nadia")

    def unasked() -> str:
        raise AssertionError("there is no second factor to ask for")

    with pytest.raises(SignInUnfinished):
        await signin.authenticate(people, "nadia", PASSWORD, code=unasked)
    secret, _ = await enrol(people, "nadia")
    later(people, seconds=30)
    user = await signin.authenticate(
        people, "nadia", PASSWORD, code=lambda: code_at(secret, people.clock.now())
    )
    assert user.may(Permission.ACT)
    with pytest.raises(CodeRefused):
        await signin.authenticate(people, "nadia", PASSWORD, code=lambda: "000000")
    made = await users.reset_password(people, "nadia", by=None)
    later(people, seconds=30)
    with pytest.raises(SignInUnfinished):
        await signin.authenticate(
            people, "nadia", made.password or "", code=lambda: code_at(secret, people.clock.now())
        )


async def test_nothing_secret_is_stored_or_audited(people: People, store_url: str) -> None:
    """No password, token, secret or code stands in any table; nor an address in the audit log."""
    await add(people, "nadia")
    secret, codes = await enrol(people, "nadia")
    later(people, seconds=30)
    begun = await enter(people)
    code = code_at(secret, people.clock.now())
    done = await signin.give_code(people, begun.session, begun.user, code)
    with pytest.raises(SignInRefused):
        await enter(people, name=PASSWORD)
    written = ""
    for table in ("users", "user_totp", "user_recovery_codes", "user_sessions", "signin_attempts", "audit"):
        written += str(await raw(store_url, f"SELECT * FROM {table}"))  # noqa: S608 — our own names
    for word in (PASSWORD, secret, begun.token, done.token, codes[0], codes[0].replace("-", "")):
        assert word not in written
    assert HERE not in str(await raw(store_url, "SELECT * FROM audit"))
    assert {"user.added", "user.second_factor_enrolled", "signin.done"} <= set(await actions(people))


async def test_old_sessions_and_attempts_are_removed(store: SqlStore) -> None:
    """Housekeeping takes what has expired and nothing else."""
    people = people_of(store, second_factor=False)
    await add(people, "nadia")
    gone = await enter(people)
    with pytest.raises(SignInRefused):
        await enter(people, name="nobody")
    later(people, days=8)
    kept = await enter(people)
    async with store.begin() as tx:
        assert await tx.purge(people.clock.now()) == 2  # a session, and the failure of a name
        assert await tx.session_of(gone.token) is None
        assert await tx.session_of(kept.token) is not None


class Counting(PasswordHasher):
    """Counts how many hashes are computed at a time."""

    now = most = 0

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.now += 1
        self.most = max(self.most, self.now)
        time.sleep(0.02)
        done = super().hash(password, salt=salt)
        self.now -= 1
        return done


async def test_hashing_does_not_flood_the_memory() -> None:
    """Of twenty at once, at most four are computed: each needs 64 MiB in earnest."""
    hasher = Counting(time_cost=1, memory_cost=8, parallelism=1)
    passwords = Passwords(hasher=hasher)
    await asyncio.gather(*(passwords.hash(f"password {i}") for i in range(20)))
    assert 1 < hasher.most <= 4
