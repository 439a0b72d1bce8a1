"""Sign-in at a provider that really runs, through real HTTP, with attacks at every step."""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from markupsafe import escape
from structlog.testing import capture_logs

from gateway.config import make_settings
from gateway.core.oidc import LoginSecret
from gateway.core.oidc_causes import CAUSES, Cause
from gateway.core.people import SignInRefused
from gateway.core.roles import Role, Side
from gateway.flows import signin, users
from gateway.flows.oidc import Provider
from gateway.flows.people import People
from gateway.transport.oidc import OidcHttp
from gateway.transport.tls import client_context
from gateway.web.console.app import ConsoleServices, make_console
from gateway.web.console.pages.signin import PROVIDER_COOKIE
from tests.fixtures.console import MovingClock, browser, make_exchange
from tests.fixtures.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, new_key, running_provider
from tests.fixtures.people import PASSWORD, add, people_of

SETTINGS: dict[str, Any] = {
    "client_id": CLIENT_ID,
    "label": "Ministry ID",
    "create_accounts": True,
    "roles": ["ops=operator", "admins=administrator"],
    "side_claim": "country",
    "sides": ["GB=uk", "FR=fr"],
}
AMELIE = {
    "sub": "a-1",
    "preferred_username": "amelie@example.gouv.fr",
    "name": "Amélie D.",
    "groups": ["ops"],
    "country": "FR",
    "amr": ["pwd", "mfa"],
}


@dataclass
class World:
    base: str
    people: People
    provider: OidcProvider
    services: ConsoleServices


@pytest.fixture
async def provider() -> AsyncIterator[OidcProvider]:
    async with running_provider() as made:
        made.person = dict(AMELIE)
        yield made


def plan_of(provider: OidcProvider, **changes: Any) -> Any:
    section = make_settings({"oidc": {"issuer": provider.issuer, **SETTINGS, **changes}}).oidc
    return section.plan(CLIENT_SECRET)


@pytest.fixture
async def world(store: Any, provider: OidcProvider) -> AsyncIterator[World]:
    """The strict console of both databases, with that provider."""
    people = people_of(store, MovingClock())
    calls = OidcHttp(tls=client_context(anchors=None, minimum="1.2"), timeout_s=5)
    runner = web.AppRunner(root := web.Application())
    services = ConsoleServices(
        exchange=make_exchange(store, people.clock),  # type: ignore[arg-type] # the clock that moves
        people=people,
        secure_cookie=False,
        provider=Provider(plan=plan_of(provider), calls=calls),
    )
    listener = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    services = dataclasses.replace(services, exchange=dataclasses.replace(services.exchange, issuer=base))
    root.add_subapp("/console", make_console(services))
    await runner.setup()
    await web.SockSite(runner, listener).start()
    try:
        yield World(base, people, provider, services)
    finally:
        await runner.cleanup()


async def enter(world: World, session: aiohttp.ClientSession) -> tuple[int, str, str]:
    """As a person does: the button, the provider, and back. (status, path, page)"""
    async with session.get(f"{world.base}/console/login/provider") as answer:
        return answer.status, answer.url.path, await answer.text()


async def names(world: World) -> list[str]:
    return [s.user.name for s in await users.list_users(world.people, by=None)]


async def test_the_first_sign_in_makes_an_account(world: World) -> None:
    """With name, side and roles of the claims, French for France; the second factor was the provider's."""
    async with browser() as session:
        async with session.get(f"{world.base}/console/login") as answer:
            assert "Ministry ID" in await answer.text()
        status, path, text = await enter(world, session)
        assert (status, path) == (200, "/console")
        assert '<html lang="fr">' in text
        assert "Amélie D." in text
    (shown,) = await users.list_users(world.people, by=None)
    user = shown.user
    assert (user.name, user.side, user.roles) == ("amelie@example.gouv.fr", Side.FR, {Role.OPERATOR})
    assert (user.issuer, user.subject, user.password_hash) == (world.provider.issuer, "a-1", None)
    with pytest.raises(SignInRefused):
        await signin.sign_in(world.people, user.name, "", address="x")
    (asked,) = world.provider.asked
    assert asked["code_challenge_method"] == "S256"
    assert asked["ui_locales"] in {"en", "fr"}


async def test_roles_follow_the_provider(world: World) -> None:
    """Other groups are other roles at the next sign-in, and earlier sessions end; no role, no entry."""
    async with browser() as first, browser() as second:
        await enter(world, first)
        world.provider.person["groups"] = ["admins", "other"]
        await enter(world, second)
        (shown,) = await users.list_users(world.people, by=None)
        assert shown.user.roles == {Role.ADMINISTRATOR}
        async with first.get(f"{world.base}/console") as answer:
            assert answer.url.path == "/console/login"
        world.provider.person["groups"] = ["nothing"]
        assert (await enter(world, first))[0] == 403


async def test_without_a_second_factor_there_ours_is_asked(world: World) -> None:
    """``amr`` without mfa: the person enrols here."""
    world.provider.person["amr"] = ["pwd"]
    async with browser() as session:
        assert (await enter(world, session))[1] == "/console/login/second-factor"


async def test_a_disabled_account_stays_out(world: World) -> None:
    """Whatever the provider says."""
    async with browser() as session:
        await enter(world, session)
        await users.set_disabled(world.people, AMELIE["preferred_username"], disabled=True, by=None)  # type: ignore[arg-type]
        assert (await enter(world, session))[0] == 403


async def test_a_name_is_no_proof(world: World) -> None:
    """Somebody whom the provider calls like a local account does not become it."""
    await add(world.people, "amelie@example.gouv.fr", Role.ADMINISTRATOR)
    async with browser() as session:
        status, _, _ = await enter(world, session)
        assert status in {403, 409}
        async with session.get(f"{world.base}/console") as answer:
            assert answer.url.path == "/console/login"
    (shown,) = await users.list_users(world.people, by=None)
    assert shown.user.subject is None


async def test_no_account_no_access(world: World) -> None:
    """Where accounts are not made by themselves, one of an administrator is needed, bound by the subject."""
    plan = plan_of(world.provider, create_accounts=False, roles=[], side_claim=None, sides=[])
    object.__setattr__(world.services.provider, "plan", plan)
    async with browser() as session:
        assert (await enter(world, session))[0] == 403
        assert await names(world) == []
        await users.add_user(
            world.people,
            "amelie",
            side=Side.FR,
            roles=["auditor"],
            by=None,
            issuer=world.provider.issuer,
            subject="a-1",
        )
        assert (await enter(world, session))[1] == "/console"
    (shown,) = await users.list_users(world.people, by=None)
    assert shown.user.roles == {Role.AUDITOR}


STRANGER = new_key()
ATTACKS: dict[str, Callable[[OidcProvider], None]] = {
    "another state": lambda p: setattr(p, "callback", lambda q: {**q, "state": "x"}),
    "no state": lambda p: setattr(p, "callback", lambda q: {"code": q["code"], "iss": q["iss"]}),
    "mix-up": lambda p: setattr(p, "callback", lambda q: {**q, "iss": "https://evil.example"}),
    "no issuer in the callback": lambda p: setattr(
        p, "callback", lambda q: {"code": q["code"], "state": q["state"]}
    ),
    "refused by the provider": lambda p: setattr(p, "callback", lambda q: {**q, "error": "access_denied"}),
    "another code": lambda p: setattr(p, "callback", lambda q: {**q, "code": "guessed"}),
    "another nonce": lambda p: setattr(p, "tamper", lambda c: {**c, "nonce": "n"}),
    "another issuer": lambda p: setattr(p, "tamper", lambda c: {**c, "iss": "https://evil.example"}),
    "another audience": lambda p: setattr(p, "tamper", lambda c: {**c, "aud": "other"}),
    "expired": lambda p: setattr(p, "tamper", lambda c: {**c, "exp": c["iat"] - 120}),
    "old": lambda p: setattr(p, "tamper", lambda c: {**c, "iat": c["iat"] - 3600}),
    "no signature": lambda p: setattr(p, "sign", lambda p, c: jwt.encode(c, None, algorithm="none")),
    "a stranger's signature": lambda p: setattr(
        p, "sign", lambda p, c: jwt.encode(c, STRANGER, algorithm="RS256", headers={"kid": p.kid})
    ),
    "metadata of another": lambda p: p.metadata.update(issuer="https://evil.example"),
}


CAUSES_OF = {
    **dict.fromkeys(("another state", "no state"), Cause.BROWSER),
    **dict.fromkeys(("mix-up", "no issuer in the callback"), Cause.OTHER_PROVIDER),
    **dict.fromkeys(("another issuer", "metadata of another"), Cause.ISSUER),
    **dict.fromkeys(("expired", "old"), Cause.CLOCK),
    "refused by the provider": Cause.DENIED,
    "another code": Cause.CODE,
    "another nonce": Cause.NONCE,
    "another audience": Cause.AUDIENCE,
    "no signature": Cause.ALGORITHM,
    "a stranger's signature": Cause.SIGNATURE,
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_attacks(world: World, attack: str) -> None:
    """Nobody comes in, no account is made, no session is there; page and log tell the cause."""
    ATTACKS[attack](world.provider)
    async with browser() as session:
        with capture_logs() as lines:
            status, _, text = await enter(world, session)
        assert status == 401
        assert f"(<code>{CAUSES_OF[attack]}</code>)" in text
        assert escape(CAUSES[CAUSES_OF[attack]].en) in text
        told = [line for line in lines if line["event"] == "signin.provider"]
        assert [(line["code"], line["reason"]) for line in told] == [
            ("signin.oidc_refused", CAUSES_OF[attack])
        ]
        assert not any(c.key == "passerelle_session" for c in session.cookie_jar)
    assert await names(world) == []


async def test_an_answer_is_good_once(world: World) -> None:
    """Neither the same callback again, nor it in another browser, nor with another browser's cookie."""
    calls: list[str] = []

    def keep(query: dict[str, str]) -> dict[str, str]:
        calls.append(f"code={query['code']}&state={query['state']}&iss={query['iss']}")
        return query

    world.provider.callback = keep
    url = f"{world.base}/console/login/provider/callback"
    async with browser() as session:
        async with session.get(f"{world.base}/console/login/provider", allow_redirects=False) as answer:
            secret = answer.cookies[PROVIDER_COOKIE].value
            away = answer.headers["Location"]
        async with session.get(away, allow_redirects=False) as answer:
            assert answer.status == 303
        async with browser() as thief, thief.get(f"{url}?{calls[0]}") as answer:
            assert answer.status == 401
        async with browser() as victim:  # who was sent the attacker's callback
            victim.cookie_jar.update_cookies({PROVIDER_COOKIE: LoginSecret.new().value})
            async with victim.get(f"{url}?{calls[0]}") as answer:
                assert answer.status == 401
        for expected in (303, 401):
            cookie = {"Cookie": f"{PROVIDER_COOKIE}={secret}"}
            async with (
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as again,
                again.get(f"{url}?{calls[0]}", headers=cookie, allow_redirects=False) as answer,
            ):
                assert answer.status == expected


async def test_new_keys_of_the_provider(world: World) -> None:
    """A rotated key is fetched when a token names it; metadata are kept for an hour."""
    async with browser() as session:
        await enter(world, session)
        world.provider.key, world.provider.kid = new_key(), "two"
        assert (await enter(world, session))[1] == "/console"


async def test_a_provider_that_is_away(world: World) -> None:
    """The page says so; local accounts still work."""
    await add(world.people, "kim")
    gone = dataclasses.replace(world.services.provider.plan, issuer="http://127.0.0.1:9")  # type: ignore[union-attr]
    object.__setattr__(world.services.provider, "plan", gone)
    async with browser() as session:
        url = f"{world.base}/console/login/provider?lang=fr"
        async with session.get(url) as answer:
            assert answer.status == 503
            assert escape(CAUSES[Cause.NO_CONNECTION].fr) in await answer.text()
    assert (await signin.sign_in(world.people, "kim", PASSWORD, address="x")).user.name == "kim"


@pytest.mark.parametrize("says_where", [True, False])
async def test_the_way_out_at_the_provider(world: World, says_where: bool) -> None:
    """After log-out, for who came from there, where the provider has an address for it."""
    if says_where:
        world.provider.metadata["end_session_endpoint"] = f"{world.provider.issuer}/out"
    async with browser() as session:
        _, _, text = await enter(world, session)
        token = re.search(r'name="csrf_token" value="([0-9a-f]+)"', text)
        assert token is not None
        form = {"csrf_token": token.group(1)}
        async with session.post(f"{world.base}/console/logout", data=form) as answer:
            link = f'href="{world.provider.issuer}/out?client_id={CLIENT_ID}"'
            assert (link in await answer.text()) is says_where
        async with session.get(f"{world.base}/console/login") as answer:
            assert "/out?" not in await answer.text()


async def test_without_a_provider_there_is_none(world: World, tmp_path: Path) -> None:
    """No button, and the addresses are not there."""
    plain = dataclasses.replace(world.services, provider=None)
    app = web.Application()
    app.add_subapp("/console", make_console(plain))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with browser() as session:
            for path in ("", "/callback"):
                async with session.get(f"{base}/console/login/provider{path}") as answer:
                    assert answer.status == 404
            async with session.get(f"{base}/console/login") as answer:
                assert not re.search("login/provider", await answer.text())
    finally:
        await runner.cleanup()
