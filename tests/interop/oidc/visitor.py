"""Somebody at a browser: cookies, redirects and forms over HTTP, as far as a sign-in needs them."""

from __future__ import annotations

import html
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import aiohttp
from yarl import URL

_FORM = re.compile(r'<form[^>]*\bid="(kc-form-login|kc-otp-login-form)"[^>]*\baction="([^"]+)"')
_CAUSE = re.compile(r"\(<code>(\w+)</code>\)")
_CSRF = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')
_LINK_OUT = re.compile(r'href="([^"]*/protocol/openid-connect/logout[^"]*)"')


@dataclass(frozen=True)
class Page:
    """What the browser shows, and the answer that it came with."""

    status: int
    url: URL
    text: str
    passed: tuple[URL, ...] = ()
    """The addresses that it was sent through."""

    @property
    def path(self) -> str:
        return self.url.path

    @property
    def cause(self) -> str | None:
        """Of a sign-in that did not succeed, as the log-in page says it."""
        found = _CAUSE.search(self.text)
        return found.group(1) if found else None

    @property
    def language(self) -> str:
        found = re.search(r'<html[^>]*\blang="(\w+)"', self.text)
        return found.group(1) if found else ""

    @property
    def way_out(self) -> str | None:
        """The link that ends the session at the provider."""
        found = _LINK_OUT.search(self.text)
        return html.unescape(found.group(1)) if found else None


@dataclass
class Visitor:
    """One browser. ``base``: of the gateway."""

    session: aiohttp.ClientSession
    base: str
    password: str
    otp: list[str] = field(default_factory=list)
    """Codes that are typed when the provider asks for one."""

    async def get(self, url: str, *, follow: bool = True) -> Page:
        async with self.session.get(URL(url, encoded=True), allow_redirects=follow) as answer:
            passed = tuple(step.url for step in answer.history)
            return Page(answer.status, answer.url, await answer.text(), passed)

    async def away(self, *, language: str = "en") -> str:
        """Presses the button; the address at the provider that the gateway sends to."""
        url = f"{self.base}/console/login/provider?lang={language}"
        async with self.session.get(url, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            return answer.headers["Location"]

    async def submit(self, page: Page, **fields: str) -> Page:
        """Sends the provider's form; ends at the first page that is none of its redirects."""
        found = _FORM.search(page.text)
        assert found is not None, page.text[:2000]
        url = URL(html.unescape(found.group(2)), encoded=True)
        async with self.session.post(url, data=fields) as answer:
            passed = tuple(step.url for step in answer.history)
            return Page(answer.status, answer.url, await answer.text(), passed)

    async def fill_in(self, page: Page, name: str) -> Page:
        """Name and password, and a code if one is asked for."""
        page = await self.submit(page, username=name, password=self.password, credentialId="")
        if "kc-otp-login-form" in page.text:
            page = await self.submit(page, otp=self.otp.pop())
        return page

    async def confirm(self, page: Page) -> Page:
        """The provider asks whether to log out: yes."""
        found = re.search(r'<form[^>]*\baction="([^"]*logout-confirm[^"]*)"', page.text)
        assert found is not None, page.text[:2000]
        fields = {
            name: html.unescape(value)
            for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
        }
        url = page.url.join(URL(html.unescape(found.group(1)), encoded=True))
        async with self.session.post(url, data={**fields, "confirmLogout": "Logout"}) as answer:
            return Page(answer.status, answer.url, await answer.text())

    async def enter(self, name: str, *, language: str = "en", otp: str | None = None) -> Page:
        """The button, the provider's form, and back."""
        if otp is not None:
            self.otp.append(otp)
        page = await self.get(await self.away(language=language))
        return await self.fill_in(page, name) if _FORM.search(page.text) else page

    async def log_out(self) -> Page:
        """The button on every page of the console."""
        page = await self.get(f"{self.base}/console")
        token = _CSRF.search(page.text)
        assert token is not None, page.text[:2000]
        form = {"csrf_token": token.group(1)}
        async with self.session.post(f"{self.base}/console/logout", data=form) as answer:
            return Page(answer.status, answer.url, await answer.text())

    async def inside(self) -> bool:
        """Whether the console shows its first page."""
        return (await self.get(f"{self.base}/console")).path == "/console"


def callback_of(page: Page) -> str:
    """The address with which the provider sent the browser back."""
    (url,) = (u for u in (*page.passed, page.url) if u.path.endswith("/provider/callback"))
    return str(url)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@asynccontextmanager
async def visiting(base: str, tls: ssl.SSLContext, password: str) -> AsyncIterator[Visitor]:
    """A browser without history; ``tls`` trusts provider and gateway."""
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False),
        connector=aiohttp.TCPConnector(ssl=tls),
        timeout=aiohttp.ClientTimeout(total=60),
    ) as session:
        yield Visitor(session, base, password)
