"""``operators.toml`` of the first releases: taken over once, with passwords that still open."""

from __future__ import annotations

import hashlib
import json

import pytest

from gateway.core.errors import ConfigError
from gateway.core.people import SignInRefused
from gateway.core.roles import Role, Side
from gateway.flows import signin, users
from gateway.flows.operators_file import import_at_start, import_operators
from gateway.flows.people import People
from tests.fixtures.people import PASSWORD, add


def old_account(name: str, password: str = PASSWORD, language: str = "en", **more: object) -> str:
    """As ``passerelle operators add`` wrote it (scrypt, RFC 7914: n 32768, r 8, p 1)."""
    salt = name.encode().ljust(16, b"-")
    digest = hashlib.scrypt(
        password.encode(), salt=salt, dklen=32, n=2**15, r=8, p=1, maxmem=64 * 1024 * 1024
    )
    lines = [f"name = {json.dumps(name)}", f"language = {json.dumps(language)}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in more.items()]
    return "\n".join(["[[operator]]", *lines, f'salt = "{salt.hex()}"', f'scrypt = "{digest.hex()}"', ""])


async def test_accounts_are_taken_over(people: People) -> None:
    """Roles, language and password; then the hash is one of today. A second time nothing happens."""
    text = old_account("Nadia", language="fr", roles=["exclusion", "operator"]) + old_account("tom")
    done = await import_operators(people, text, by="cli")
    assert (done.added, done.there) == (("nadia", "tom"), ())
    nadia = (await users.show_user(people, "nadia", by=None)).user
    assert (nadia.roles, nadia.side, nadia.language) == ({Role.EXCLUSION, Role.OPERATOR}, Side.FR, "fr")
    with pytest.raises(SignInRefused):
        await signin.sign_in(people, "nadia", "wrong", address="x")
    await signin.sign_in(people, "nadia", PASSWORD, address="x")
    after = (await users.show_user(people, "nadia", by=None)).user
    assert (after.password_hash or "").startswith("$argon2id$")
    await signin.sign_in(people, "nadia", PASSWORD, address="x")
    again = await import_operators(people, text, by="cli")
    assert (again.added, again.there) == ((), ("nadia", "tom"))
    assert (await users.show_user(people, "nadia", by=None)).user.password_hash == after.password_hash


async def test_at_start_only_into_an_empty_database(people: People) -> None:
    """An old file that lies about cannot bring back who was removed."""
    text = old_account("nadia")
    done = await import_at_start(people, text)
    assert done is not None
    assert done.added == ("nadia",)
    assert await import_at_start(people, old_account("tom")) is None
    assert [s.user.name for s in await users.list_users(people, by=None)] == ["nadia"]


@pytest.mark.parametrize(
    "text",
    [
        "[[operator",
        "operator = 7",
        old_account("nadia") + old_account("a b"),
        old_account("nadia", roles=["king"]),
        old_account("nadia", language="de"),
        old_account("nadia").replace('scrypt = "', 'scrypt = "x'),
        '[[operator]]\nname = "nadia"\n',
    ],
)
async def test_a_wrong_file_changes_nothing(people: People, text: str) -> None:
    """All accounts of the file or none, and the error says where to look."""
    await add(people, "there")
    with pytest.raises(ConfigError):
        await import_operators(people, text, by="cli")
    assert [s.user.name for s in await users.list_users(people, by=None)] == ["there"]
