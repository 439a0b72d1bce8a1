"""What holds between us and a real Keycloak, and what does not: state, nonce, codes, keys, clocks."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.web.console.pages.signin import PROVIDER_COOKIE
from tests.interop.oidc.conftest import World
from tests.interop.oidc.realm import Realm
from tests.interop.oidc.visitor import callback_of, query_of

pytestmark = pytest.mark.interop
ENROL = "/console/login/second-factor"
"""Where somebody with a password alone is, once everything held."""


async def test_an_answer_is_good_once(world: World, realm: Realm) -> None:
    """The callback again, and in another browser: refused, and nobody comes in."""
    world.trust(realm)
    async with world.visitor() as oliver, world.visitor() as thief:
        url = callback_of(await oliver.enter("oliver"))
        assert query_of(url)["iss"] == realm.issuer  # RFC 9207
        for visitor in (oliver, thief):
            page = await visitor.get(url)
            assert (page.status, page.cause) == (401, "browser")
        assert not await thief.inside()


async def test_a_callback_that_was_held_back(world: World, realm: Realm) -> None:
    """Brought to another person's browser with that one's state, the code fails at the provider (PKCE)."""
    world.trust(realm)
    async with world.visitor() as attacker, world.visitor() as victim:
        page = await attacker.get(await attacker.away())
        attacker.session.cookie_jar.clear(lambda cookie: cookie.key == PROVIDER_COOKIE)
        stolen = await attacker.fill_in(page, "oliver")
        assert (stolen.status, stolen.cause) == (401, "browser")
        state = query_of(await victim.away())["state"]
        code = query_of(callback_of(stolen))["code"]
        forged = f"{world.base}/console/login/provider/callback?code={code}&state={state}&iss={realm.issuer}"
        page = await victim.get(forged)
        assert (page.status, page.cause) == (401, "code")
    assert await world.users() == {}


async def test_a_token_of_another_sign_in(world: World, realm: Realm) -> None:
    """The provider was asked with another nonce: its ID token is refused."""
    world.trust(realm)
    async with world.visitor() as oliver:
        url = await oliver.away()
        page = await oliver.get(url.replace(query_of(url)["nonce"], "another"))
        page = await oliver.fill_in(page, "oliver")
        assert (page.status, page.cause) == (401, "nonce")


async def test_the_provider_may_refuse(world: World, realm: Realm) -> None:
    """It sends the person back with an error: OIDC's ``login_required``, OAuth's ``invalid_scope``."""
    world.trust(realm)
    async with world.visitor() as oliver:
        page = await oliver.get(await oliver.away() + "&prompt=none")
        assert (page.status, page.cause) == (401, "denied")
        world.trust(realm, scopes="openid profile payslips")
        page = await oliver.get(await oliver.away())
        assert (page.status, page.cause) == (401, "scopes")


@pytest.mark.parametrize("keep_old", [True, False])
async def test_keys_are_rotated(world: World, own_realm: Realm, keep_old: bool) -> None:
    """The provider signs with a key that we have not seen: it is fetched, in the hour of the metadata."""
    world.trust(own_realm)
    async with world.visitor() as oliver:
        assert (await oliver.enter("oliver")).path == ENROL
    own_realm.rotate_key(keep_old=keep_old)
    async with world.visitor() as oliver:
        assert (await oliver.enter("oliver")).path == ENROL


@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "EdDSA"])
async def test_algorithms_of_the_id_token(world: World, signing_realm: Realm, algorithm: str) -> None:
    """All that we take by default; RS256 is what every other test plays."""
    signing_realm.change_client(attributes={"id.token.signed.response.alg": algorithm})
    world.trust(signing_realm)
    async with world.visitor() as oliver:
        assert (await oliver.enter("oliver")).path == ENROL
    world.trust(signing_realm, algorithms=["RS256"])
    async with world.visitor() as oliver:
        assert (await oliver.enter("oliver")).cause == "algorithm"


@pytest.mark.parametrize("algorithm", ["HS256", "RS512"])
async def test_algorithms_that_are_not_taken(world: World, signing_realm: Realm, algorithm: str) -> None:
    """A shared secret signs nothing, and nothing beside the list of the settings is taken."""
    signing_realm.change_client(attributes={"id.token.signed.response.alg": algorithm})
    world.trust(signing_realm)
    async with world.visitor() as oliver:
        page = await oliver.enter("oliver")
        assert (page.status, page.cause) == (401, "algorithm")


async def test_more_than_one_audience(world: World, own_realm: Realm) -> None:
    """A token that is for another service too is taken: it says that it was issued to us (``azp``)."""
    own_realm.add_mapper("audience", "oidc-audience-mapper", **{"included.custom.audience": "payroll"})
    world.trust(own_realm)
    async with world.visitor() as oliver:
        assert (await oliver.enter("oliver")).path == ENROL


@pytest.mark.parametrize(("minutes", "cause"), [(-0.75, None), (0.75, None), (-5, "clock"), (30, "clock")])
async def test_clocks_that_differ(world: World, realm: Realm, minutes: float, cause: str | None) -> None:
    """Less than a minute is let pass; more is refused, with a cause that names the clocks."""
    world.trust(realm)
    world.clock.shift = dt.timedelta(minutes=minutes)
    async with world.visitor() as oliver:
        page = await oliver.enter("oliver")
        assert page.cause == cause
        assert (page.path == ENROL) == (cause is None)
