"""Agents of two ministries sign in at a real Keycloak; roles, side and language are those of the realm."""

from __future__ import annotations

import datetime as dt

import pyotp
import pytest

from gateway.core.roles import Role, Side
from gateway.flows import users
from tests.interop.oidc.conftest import World
from tests.interop.oidc.realm import Realm, one_time_code
from tests.interop.oidc.visitor import Visitor

pytestmark = pytest.mark.interop


async def test_a_supervisor_of_france(world: World, realm: Realm) -> None:
    """Password and code there, in French; here side, role and language of the claims, and no second code."""
    world.trust(realm)
    async with world.visitor() as amelie:
        asked = await amelie.get(await amelie.away(language="fr"))
        assert asked.language == "fr"
        assert "Mot de passe" in asked.text
        amelie.otp.append(one_time_code())
        page = await amelie.fill_in(asked, "amelie")
        assert (page.status, page.path, page.language) == (200, "/console", "fr")
        assert "Amélie Essai" in page.text
        assert (await amelie.get(f"{world.base}/console/users")).status == 403
    user = (await world.users())["amelie"]
    assert (user.side, user.roles, user.language) == (Side.FR, {Role.SUPERVISOR}, "fr")
    assert (user.issuer, user.password_hash) == (realm.issuer, None)
    assert user.subject == realm.agent_id("amelie")


async def _enrol(visitor: Visitor, base: str) -> None:
    """Sets up an authenticator of ours, with the key that the page shows."""
    page = await visitor.get(f"{base}/console/login/second-factor")
    secret = page.text.split("<code", 1)[1].split(">", 1)[1].split("<", 1)[0].replace(" ", "")
    token = page.text.split('name="csrf_token" value="', 1)[1].split('"', 1)[0]
    form = {"csrf_token": token, "code": pyotp.TOTP(secret).now()}
    async with visitor.session.post(f"{base}/console/login/second-factor", data=form) as answer:
        assert answer.status == 200, await answer.text()


async def test_an_operator_of_the_uk_with_a_password_alone(world: World, realm: Realm) -> None:
    """No second factor at the provider: ours is set up at the first sign-in and asked for at the next."""
    world.trust(realm)
    async with world.visitor() as oliver:
        page = await oliver.enter("oliver")
        assert (page.status, page.path, page.language) == (200, "/console/login/second-factor", "en")
        assert not await oliver.inside()
        await _enrol(oliver, world.base)
        assert await oliver.inside()
        again = await oliver.get(f"{world.base}/console/login/provider")
        assert again.path == "/console/login/code"
    user = (await world.users())["oliver"]
    assert (user.side, user.roles, user.language) == (Side.UK, {Role.OPERATOR}, "en")


@pytest.mark.parametrize(("name", "cause"), [("norole", "no_role"), ("noside", "side"), ("toomuch", "roles")])
async def test_whom_the_provider_gives_no_place(world: World, realm: Realm, name: str, cause: str) -> None:
    """Without a role, without a side, with roles that exclude each other: no account; the page says why."""
    world.trust(realm)
    async with world.visitor() as visitor:
        page = await visitor.enter(name)
        assert (page.status, page.cause) == (403, cause)
        assert not await visitor.inside()
    assert await world.users() == {}


async def test_roles_of_the_realm(world: World, realm: Realm) -> None:
    """Keycloak nests realm roles in an object: a claim with a dot finds them."""
    roles = ["passerelle-auditeur=auditor"]
    world.trust(realm, roles_claim="realm_access.roles", roles=roles)
    async with world.visitor() as oliver:
        assert (await oliver.enter("oliver")).status == 200
    assert (await world.users())["oliver"].roles == {Role.AUDITOR}


async def test_other_groups_are_other_roles(world: World, own_realm: Realm) -> None:
    """Roles follow the realm at the next sign-in, and a session with the old ones ends."""
    world.trust(own_realm)
    async with world.visitor() as first, world.visitor() as second:
        await first.enter("amelie", otp=one_time_code())
        assert await first.inside()
        own_realm.give_group("amelie", "passerelle-operators", instead_of="passerelle-superviseurs")
        page = await second.enter("amelie", otp=one_time_code())
        assert (page.path, page.cause) == ("/console", None)
        assert not await first.inside()
    assert (await world.users())["amelie"].roles == {Role.OPERATOR}


async def test_an_account_of_an_administrator(world: World, realm: Realm) -> None:
    """Where roles are given here, the subject that Keycloak shows as the user's id opens the account."""
    world.trust(realm, create_accounts=False, roles=[], side_claim=None, sides=[])
    async with world.visitor() as oliver:
        assert (await oliver.enter("oliver")).cause == "no_account"
        await users.add_user(
            world.people,
            "oliver",
            side=Side.UK,
            roles=["viewer"],
            by=None,
            issuer=realm.issuer,
            subject=realm.agent_id("oliver"),
        )
        again = await oliver.get(f"{world.base}/console/login/provider")  # still known there
        assert again.path == "/console/login/second-factor"
    assert (await world.users())["oliver"].roles == {Role.VIEWER}


async def test_a_name_that_is_taken(world: World, realm: Realm) -> None:
    """A local account of that name is not opened, and stays as it is."""
    world.trust(realm)
    await users.add_user(world.people, "oliver", side=Side.UK, roles=["administrator"], by=None)
    async with world.visitor() as oliver:
        page = await oliver.enter("oliver")
        assert (page.status, page.cause) == (403, "name_taken")
    assert (await world.users())["oliver"].subject is None


async def test_who_is_disabled_there(world: World, own_realm: Realm) -> None:
    """No new session. One that is open here goes on until it ends here: ours is disabled too."""
    world.trust(own_realm)
    async with world.visitor() as amelie, world.visitor() as later:
        await amelie.enter("amelie", otp=one_time_code())
        own_realm.change_agent("amelie", enabled=False)
        page = await later.enter("amelie", otp=one_time_code())
        assert page.url.host == "localhost"  # Keycloak's own page
        assert await amelie.inside()
        await users.set_disabled(world.people, "amelie", disabled=True, by=None)
        assert not await amelie.inside()
        own_realm.change_agent("amelie", enabled=True)
        later.otp.clear()
        page = await later.enter("amelie", otp=one_time_code())
        assert (page.status, page.cause) == (403, "disabled")


async def test_the_end_of_a_session(world: World, realm: Realm) -> None:
    """Ours ends by log-out and by time; the provider's own goes on until the person follows the link."""
    world.trust(realm)
    async with world.visitor() as amelie:
        await amelie.enter("amelie", otp=one_time_code())
        world.clock.shift = dt.timedelta(minutes=31)
        assert not await amelie.inside()
        world.clock.shift = dt.timedelta()
        assert await amelie.inside()
        left = await amelie.log_out()
        assert left.path == "/console/login"
        assert not await amelie.inside()
        known = await amelie.get(f"{world.base}/console/login/provider")
        assert known.path == "/console"  # Keycloak did not ask: that is what the page warns of
        left = await amelie.log_out()
        assert "You are logged out here" in left.text
        assert left.way_out is not None
        asked = await amelie.get(left.way_out)
        done = await amelie.confirm(asked)
        assert done.status == 200
        page = await amelie.get(await amelie.away())
        assert 'id="kc-form-login"' in page.text


async def test_a_local_person_is_told_nothing_of_the_provider(world: World, realm: Realm) -> None:
    """The warning at log-out is for those who came from there."""
    world.trust(realm)
    async with world.visitor() as visitor:
        page = await visitor.get(f"{world.base}/console/login")
        assert page.way_out is None
        assert "Ministry ID" in page.text
