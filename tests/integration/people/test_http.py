"""Signing in through real HTTP with cookies: sessions, forms, headers, both factors, both languages."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.config import make_settings
from gateway.core.roles import Role, Side
from gateway.core.totp import code_at
from gateway.flows import account, users
from gateway.flows.people import People
from gateway.web.console.app import ConsoleServices, make_console
from gateway.web.console.session import safe_target
from tests.fixtures.console import Console, browser, running_console
from tests.fixtures.people import OTHER, PASSWORD, add, enrol, people_of

TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]{64})"')


@dataclass
class World:
    console: Console
    services: ConsoleServices

    @property
    def people(self) -> People:
        return self.services.people

    @property
    def base(self) -> str:
        return self.console.base


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The strict policy: everybody needs a second factor."""
    async with strict_console(tmp_path) as made:
        yield made


@asynccontextmanager
async def strict_console(folder: Path, **services: Any) -> AsyncIterator[World]:
    """A console of the strict policy, with cheap hashes."""
    kept: list[ConsoleServices] = []

    def strict(given: ConsoleServices) -> ConsoleServices:
        people = people_of(given.exchange.store, given.exchange.clock)  # type: ignore[arg-type] # of the fixture
        kept.append(dataclasses.replace(given, people=people, **services))
        return kept[0]

    async with running_console(folder, change=strict) as made:
        yield World(made, kept[0])


class Browser:
    """One profile: keeps cookies, follows links, fills the forms it sees."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session, self.base = session, base
        self.text, self.path, self.status = "", "", 0

    async def get(self, path: str, **headers: str) -> Browser:
        async with self.session.get(self.base + path, headers=headers) as answer:
            return await self._saw(answer)

    async def send(self, path: str, *, token: str | None = None, **fields: str) -> Browser:
        """POST with the token of the page that is open, or another one."""
        found = TOKEN.search(self.text)
        form = {"csrf_token": token if token is not None else found[1] if found else "", **fields}
        async with self.session.post(self.base + path, data=form) as answer:
            return await self._saw(answer)

    async def _saw(self, answer: aiohttp.ClientResponse) -> Browser:
        self.text, self.path, self.status = await answer.text(), answer.url.path_qs, answer.status
        return self

    @property
    def cookies(self) -> dict[str, str]:
        return {c.key: c.value for c in self.session.cookie_jar}

    async def sign_in(self, name: str = "kim", password: str = PASSWORD) -> Browser:
        await self.get("/console/login")
        return await self.send("/console/login", name=name, password=password)


@pytest.fixture
async def kim(world: World) -> AsyncIterator[Browser]:
    """A browser, and an account without a second factor."""
    await add(world.people, "kim", Role.SUPERVISOR)
    async with browser() as session:
        yield Browser(session, world.base)


async def secret_of(world: World, name: str = "kim") -> str:
    waiting = await account.waiting_enrolment(world.people, name)
    assert waiting is not None
    return waiting.secret


async def test_the_whole_way_in_and_out(world: World, kim: Browser) -> None:
    """Password, enrolment with QR code and key, recovery codes once, the page asked for, sign-out."""
    await kim.get("/console/messages")
    assert kim.path == "/console/login?next=/console/messages"
    await kim.send("/console/login", name="kim", password=PASSWORD, next="/console/messages")
    assert kim.path == "/console/login/second-factor?next=/console/messages"
    secret = await secret_of(world)
    assert secret in kim.text
    assert "<svg" in kim.text
    assert "style=" not in kim.text
    await kim.get("/console/messages")
    assert kim.path == "/console/login/second-factor"
    await kim.send("/console/login/second-factor", code="000000")
    assert kim.status == 401
    secret = await secret_of(world)
    code = code_at(secret, world.console.clock.now())
    await kim.send("/console/login/second-factor", code=code, next="/console/messages")
    assert len(re.findall(r"<code>[a-z2-9-]{19}</code>", kim.text)) == 10
    assert 'href="/console/messages"' in kim.text
    await kim.get("/console/messages")
    assert (kim.path, kim.status) == ("/console/messages", 200)
    await kim.send("/console/logout")
    assert kim.path == "/console/login"
    await kim.get("/console")
    assert kim.path == "/console/login"


async def test_the_second_step(world: World, kim: Browser) -> None:
    """A code after the password; a used one is refused; a recovery code works; nothing before it."""
    secret, codes = await enrol(world.people, "kim")
    await kim.sign_in()
    assert kim.path == "/console/login/code"
    await kim.send("/console/login/code", code=code_at(secret, world.console.clock.now()))
    assert kim.status == 401
    await kim.get("/console/account")
    assert kim.path == "/console/login/code"
    await kim.send("/console/login/code", code=codes[0])
    assert kim.path == "/console"
    await kim.get("/console/login/code")
    assert kim.path == "/console"


async def test_a_session_is_never_fixed_by_others(world: World, kim: Browser) -> None:
    """The token before the sign-in, and at each step of it, opens nothing afterwards."""
    _, codes = await enrol(world.people, "kim")
    kim.session.cookie_jar.update_cookies({"passerelle_session": "chosen-by-somebody-else"})
    await kim.sign_in()
    pending = kim.cookies["passerelle_session"]
    assert pending != "chosen-by-somebody-else"
    await kim.send("/console/login/code", code=codes[0])
    whole = kim.cookies["passerelle_session"]
    assert whole != pending
    for token in ("chosen-by-somebody-else", pending):
        async with browser() as session:
            session.cookie_jar.update_cookies({"passerelle_session": token})
            other = await Browser(session, world.base).get("/console")
            assert other.path == "/console/login"


@pytest.fixture
async def inside(world: World, kim: Browser) -> Browser:
    """Signed in, with the first page open."""
    _, codes = await enrol(world.people, "kim")
    await kim.sign_in()
    await kim.send("/console/login/code", code=codes[0])
    return await kim.get("/console/account")


async def test_forms_of_elsewhere_are_refused(world: World, inside: Browser) -> None:
    """No token, a wrong one, that of another session, or a form that a browser says comes from elsewhere."""
    for token in ("", "0" * 64, "é"):
        await inside.send("/console/account/language", token=token, language="fr")
        assert inside.status == 403
    await add(world.people, "tom")
    _, codes = await enrol(world.people, "tom")
    async with browser() as session:
        tom = Browser(session, world.base)
        await tom.sign_in("tom")
        await tom.send("/console/login/code", code=codes[0])
        await tom.get("/console/account")
        foreign = TOKEN.search(tom.text)
        assert foreign is not None
        await inside.send("/console/account/language", token=foreign[1], language="fr")
        assert inside.status == 403
    await inside.get("/console/account")
    token = TOKEN.search(inside.text)
    assert token is not None
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        form = {"csrf_token": token[1], "language": "fr"}
        url = f"{world.base}/console/account/language"
        async with inside.session.post(url, data=form, headers=headers) as answer:
            assert answer.status == 403
    assert (await users.show_user(world.people, "kim", by=None)).user.language == "en"
    headers = {"Origin": world.base, "Sec-Fetch-Site": "same-origin"}
    async with inside.session.post(url, data=form, headers=headers) as answer:
        assert answer.status == 200
    assert (await users.show_user(world.people, "kim", by=None)).user.language == "fr"


async def test_nobody_is_signed_in_by_others(world: World, kim: Browser) -> None:
    """The sign-in form carries a token of the browser too: no other page can send it."""
    form = {"name": "kim", "password": PASSWORD}
    async with kim.session.post(f"{world.base}/console/login", data=form) as answer:
        assert answer.status == 403
    assert "passerelle_session" not in kim.cookies


async def test_every_form_is_checked_before_its_page(world: World, inside: Browser) -> None:
    """Whatever the page does with it: each POST route without a token is refused, those of others too."""
    app = make_console(world.services)
    posts = {
        "/console" + re.sub(r"\{[^}]+\}", "x", route.resource.canonical)
        for route in app.router.routes()
        if route.method == "POST" and route.resource is not None
    }
    assert "/console/account/language" in posts
    for path in sorted(posts):
        await inside.send(path, token="0" * 64)
        assert inside.status == 403, path


async def test_headers_of_every_answer(world: World, inside: Browser) -> None:
    """Pages, redirects, refusals, files: none can be framed, guessed or kept by a cache on the way."""
    for path, status in (
        ("/console", 200),
        ("/console/nothing", 404),
        ("/console/users", 403),
        ("/console/static/console.css", 200),
        ("/console/login/code", 303),
    ):
        async with inside.session.get(world.base + path, allow_redirects=False) as answer:
            assert answer.status == status
            policy = answer.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"
            if "static" not in path:
                assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("secure", [False, True])
async def test_cookies(tmp_path: Path, secure: bool) -> None:
    """HttpOnly, SameSite=Lax; over TLS Secure and bound to the host by their name."""
    async with strict_console(tmp_path, secure_cookie=secure) as console:
        await add(console.people, "kim")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            async with session.get(f"{console.base}/console/login") as answer:
                form_cookie = answer.headers["Set-Cookie"]
                token = TOKEN.search(await answer.text())
            assert token is not None
            sent = {"Cookie": form_cookie.split(";")[0]}
            form = {"csrf_token": token[1], "name": "kim", "password": PASSWORD}
            async with session.post(
                f"{console.base}/console/login", data=form, headers=sent, allow_redirects=False
            ) as answer:
                cookie = next(c for c in answer.headers.getall("Set-Cookie") if "session" in c)
                assert ("Strict-Transport-Security" in answer.headers) is secure
    for text in (form_cookie, cookie):
        assert "HttpOnly" in text
        assert "SameSite=Lax" in text
        assert ("Secure" in text) is secure
        assert text.startswith("__Host-passerelle") is secure
        assert ("Path=/;" in text or text.endswith("Path=/")) is secure
        assert "Domain" not in text


async def test_locked_out_at_the_second_step(world: World, kim: Browser) -> None:
    """The sign-in is over; the form that the page shows begins another one."""
    await enrol(world.people, "kim")
    await kim.sign_in()
    for _ in range(5):
        await kim.send("/console/login/code", code="000000")
        assert kim.status == 401
    await kim.send("/console/login/code", code="000000")
    assert kim.status == 429
    await kim.send("/console/login", name="kim", password=PASSWORD)
    assert kim.path == "/console/login/code"


async def test_lock_out_is_told(world: World, kim: Browser) -> None:
    """After five failures the page says how long to wait, for names that exist and others."""
    for name in ("kim", "nobody"):
        for _ in range(5):
            await kim.sign_in(name, "wrong")
            assert kim.status == 401
        await kim.sign_in(name)
        assert kim.status == 429
        assert "wait 1 minute" in kim.text


async def test_addresses_behind_a_proxy(tmp_path: Path) -> None:
    """Only a configured proxy is believed, and of its header only the nearest address that is none."""
    for proxies, expected in (((), 429), (("127.0.0.0/8",), 401)):
        folder = tmp_path / str(len(proxies))
        folder.mkdir()
        settings = make_settings({"console": {"proxies": proxies}})
        async with strict_console(folder, settings=settings) as console, browser() as session:
            page = await Browser(session, console.base).get("/console/login")
            token = TOKEN.search(page.text)
            assert token is not None
            for i in range(31):
                form = {"csrf_token": token[1], "name": f"user{i}", "password": "x"}
                headers = {"X-Forwarded-For": f"203.0.113.9, 198.51.100.{i}"}
                url = f"{console.base}/console/login"
                async with session.post(url, data=form, headers=headers) as answer:
                    status = answer.status
            assert status == expected


async def test_my_account(world: World, inside: Browser) -> None:
    """Language, password and sessions from the page; the session goes on under a new token."""
    await inside.send("/console/account/language", language="fr")
    assert inside.path == "/console/account?done=language"
    assert "Votre langue est enregistrée." in inside.text
    before = inside.cookies["passerelle_session"]
    for old, new, again, status in (
        ("wrong", OTHER, OTHER, 401),
        (PASSWORD, OTHER, "different", 422),
        (PASSWORD, "short", "short", 422),
    ):
        await inside.send("/console/account/password", old=old, new=new, again=again)
        assert inside.status == status
    await inside.send("/console/account/password", old=PASSWORD, new=OTHER, again=OTHER)
    assert inside.path == "/console/account?done=password"
    assert inside.cookies["passerelle_session"] != before
    await inside.send("/console/account/sessions/no-such/end")
    assert inside.status == 404


async def test_another_authenticator_from_the_page(world: World, kim: Browser) -> None:
    """With a code of the one there is: a new key, its first code, new recovery codes."""
    _, codes = await enrol(world.people, "kim")
    await kim.sign_in()
    await kim.send("/console/login/code", code=codes[0])
    await kim.get("/console/account/second-factor")
    await kim.send("/console/account/second-factor", code="000000")
    assert kim.status == 401
    await kim.send("/console/account/second-factor", code=codes[1])
    secret = await secret_of(world)
    assert secret in kim.text
    code = code_at(secret, world.console.clock.now())
    await kim.send("/console/account/second-factor/confirm", code=code)
    shown = re.findall(r"<code>([a-z2-9-]{19})</code>", kim.text)
    assert len(shown) == 10
    assert not set(shown) & set(codes)
    await kim.send("/console/account/language", language="en")  # the form of the page with the codes
    assert kim.status == 200
    await kim.get("/console/account/second-factor")
    await kim.send("/console/account/recovery-codes", code=shown[0])
    assert len(re.findall(r"<code>([a-z2-9-]{19})</code>", kim.text)) == 10


# ---- users ---------------------------------------------------------------------------------------


@pytest.fixture
async def root(world: World) -> AsyncIterator[Browser]:
    """An administrator, signed in."""
    await add(world.people, "root", Role.ADMINISTRATOR)
    _, codes = await enrol(world.people, "root")
    async with browser() as session:
        made = Browser(session, world.base)
        await made.sign_in("root")
        await made.send("/console/login/code", code=codes[0])
        yield await made.get("/console/users")


async def test_an_administrator_adds_somebody(world: World, root: Browser) -> None:
    """With a French side: French by default, a password shown once and renewed at the first sign-in."""
    await root.get("/console/users/new")
    await root.send("/console/users/new", name="é", side="fr", role="operator", language="")
    assert root.status == 400
    await root.send("/console/users/new", name="amelie", side="fr", role="operator", language="")
    found = re.search(r"<dd><code>([\w-]{20})</code></dd>", root.text)
    assert found is not None
    amelie = (await users.show_user(world.people, "amelie", by=None)).user
    assert (amelie.side, amelie.language, amelie.roles) == (Side.FR, "fr", {Role.OPERATOR})
    async with browser() as session:
        new = Browser(session, world.base)
        await new.sign_in("amelie", found[1])
        assert new.path == "/console/login/password"
        assert '<html lang="fr">' in new.text
        await new.send("/console/login/password", new=OTHER, again=OTHER)
        assert new.path == "/console/login/second-factor"
    await root.send("/console/users/new", name="amelie", side="fr", role="viewer", language="")
    assert root.status == 409


async def test_an_administrator_changes_somebody(world: World, root: Browser, inside: Browser) -> None:
    """Roles, disabling, enabling, second factor, sessions: each shows its result; sessions end."""
    page = "/console/users/kim"
    await root.get(page)
    assert "This is you." not in root.text
    assert re.search('id="role-supervisor"[^>]* checked', root.text)
    await root.send(page, display_name="Kim", side="uk", language="en", role="viewer")
    assert root.path == f"{page}?done=changed"
    assert (await inside.get("/console")).path == "/console/login"
    for action, done in (
        ("disable", "disabled"),
        ("enable", "enabled"),
        ("second-factor", "second-factor"),
        ("sessions", "sessions"),
        ("unlock", "unlocked"),
    ):
        await root.get(page)
        await root.send(f"{page}/{action}")
        assert root.path == f"{page}?done={done}"
    await root.send(f"{page}/password")
    assert re.search(r"<dd><code>[\w-]{20}</code></dd>", root.text)
    await root.get("/console/users/root")
    assert "This is you." in root.text
    await root.send("/console/users/root/disable")
    assert root.status == 403
    assert (await root.get("/console/users/nobody")).status == 404


@pytest.mark.parametrize("path", ["/users", "/users/new", "/users/kim"])
async def test_others_see_no_users(inside: Browser, path: str) -> None:
    """A supervisor is no administrator; the menu does not offer it either."""
    assert (await inside.get(f"/console{path}")).status == 403
    await inside.get("/console")
    assert "/console/users" not in inside.text


async def test_posting_is_refused_too(world: World, inside: Browser) -> None:
    """Not only the page: its actions."""
    await inside.get("/console/account")
    for path in ("", "/disable", "/password", "/second-factor", "/sessions", "/unlock", "/enable"):
        await inside.send(f"/console/users/nadia{path}", role="viewer")
        assert inside.status == 403
        await inside.get("/console/account")


@pytest.mark.parametrize(
    ("target", "safe"),
    [
        ("/console/cases/GB01-0", "/console/cases/GB01-0"),
        ("//evil.example", "/console"),
        ("https://evil.example/console/", "/console"),
        ("/console/../v1", "/console/../v1"),
        ("/console\\evil", "/console"),
        ("/console/login/code", "/console"),
        ("/console/\r\nSet-Cookie: x", "/console"),
        ("/consoles", "/console"),
        ("", "/console"),
    ],
)
def test_where_a_sign_in_may_lead(target: str, safe: str) -> None:
    """Only to pages of this console."""
    assert safe_target(target) == safe
