"""Signing in and managing users in a real browser: both factors, both languages, keyboard, axe."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.core.roles import Role, Side
from gateway.core.totp import code_at
from gateway.flows.people import People
from gateway.web.console.app import ConsoleServices
from tests.fixtures.browser import overflow, violations, window
from tests.fixtures.console import Console, running_console
from tests.fixtures.people import OTHER, PASSWORD, add, people_of


class Server:
    """A console of the strict policy in a thread of its own: Playwright's calls block this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.console: Console
        self.people: People
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def _strict(self, given: ConsoleServices) -> ConsoleServices:
        self.people = people_of(given.exchange.store, given.exchange.clock)  # type: ignore[arg-type] # of fixtures
        return dataclasses.replace(given, people=self.people)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with running_console(self.folder, change=self._strict) as console:
            self.console = console
            await add(self.people, "amelie", Role.OPERATOR, side=Side.FR)
            await add(self.people, "root", Role.ADMINISTRATOR)
            self._started.set()
            await self._stop.wait()

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(60)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    @property
    def base(self) -> str:
        return self.console.base

    def code(self, secret: str) -> str:
        return code_at(secret, self.people.clock.now())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Narrow, as on a telephone at night; nothing may be said in the browser's console."""
    context = window(chromium, width=320)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda m: complaints.append(m.text) if "Content Security" in m.text else None)
    yield opened
    context.close()
    assert complaints == []


def looked_at(page: Page, heading: str) -> None:
    """The page with that heading, light and dark, has no violation and fits."""
    expect(page.locator("h1")).to_contain_text(heading)
    assert overflow(page) == 0
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of its two words
        assert violations(page) == [], heading


def typed_in(page: Page, server: Server, name: str, password: str = PASSWORD) -> None:
    """With the keyboard alone: fields and button are reached with Tab."""
    page.goto(f"{server.base}/console/login")
    page.locator("[name=name]").focus()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def enrolled(page: Page, server: Server) -> None:
    """From the page with the QR code to the first page."""
    secret = page.locator("code.key").inner_text()
    page.fill("[name=code]", server.code(secret))
    page.click("main button >> nth=0")
    expect(page.locator(".codes li")).to_have_count(10)


def test_a_french_operator_comes_in(page: Page, server: Server) -> None:
    """Wrong password, right password, QR code, wrong code, recovery codes, own account: all in French."""
    page.goto(f"{server.base}/console/login")
    looked_at(page, "Log in")
    typed_in(page, server, "amelie", "wrong")
    expect(page.locator("[role=alert]")).to_contain_text("wrong")
    looked_at(page, "Log in")
    typed_in(page, server, "amelie")
    looked_at(page, "Configurez votre second facteur")
    expect(page.locator(".qr svg")).to_be_visible()
    page.fill("[name=code]", "000000")
    page.click("main button >> nth=0")
    expect(page.locator("[role=alert]")).to_contain_text("incorrect")
    enrolled(page, server)
    looked_at(page, "Codes de secours")
    page.click("main a.button")
    page.wait_for_url(f"{server.base}/console")
    page.goto(f"{server.base}/console/account")
    looked_at(page, "Votre compte")
    page.select_option("[name=language]", "en")
    page.locator("main form button").first.click()
    expect(page.locator("main [role=status]")).to_contain_text("Your language is saved.")
    looked_at(page, "Your account")
    page.goto(f"{server.base}/console/account/second-factor")
    looked_at(page, "Second factor")
    page.goto(f"{server.base}/console/users")
    assert "forbidden" in page.inner_text("main")


def test_an_administrator_manages(page: Page, server: Server, chromium: Browser) -> None:
    """Adds somebody, hands the password over, changes roles, disables; the newcomer renews and enrols."""
    typed_in(page, server, "root")
    enrolled(page, server)
    page.goto(f"{server.base}/console/users")
    looked_at(page, "Users")
    page.click("main a.button")
    looked_at(page, "Add a user")
    page.fill("[name=name]", "kim")
    page.check("#role-operator")
    page.click("main form button")
    looked_at(page, "Password to hand over")
    password = page.locator("dd code").inner_text()
    context = window(chromium)
    other = context.new_page()
    typed_in(other, server, "kim", password)
    looked_at(other, "Choose a password")
    other.fill("[name=new]", OTHER)
    other.fill("[name=again]", OTHER)
    other.click("main button >> nth=0")
    looked_at(other, "Set up your second factor")
    enrolled(other, server)
    other.goto(f"{server.base}/console")
    page.goto(f"{server.base}/console/users/kim")
    looked_at(page, "kim")
    page.uncheck("#role-operator")
    page.check("#role-viewer")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main [role=status]")).to_contain_text("The account is changed.")
    other.goto(f"{server.base}/console")
    assert other.url.endswith("/console/login")
    typed_in(other, server, "kim", OTHER)
    looked_at(other, "Second step")
    page.get_by_role("button", name="Disable the account").click()
    expect(page.locator("h1 .tag")).to_have_text("disabled")
    looked_at(page, "kim")
    page.goto(f"{server.base}/console/users/root")
    looked_at(page, "root")
    context.close()


def test_locked_out(page: Page, server: Server) -> None:
    """After five failures the page says how long to wait."""
    for _ in range(6):
        typed_in(page, server, "amelie", "wrong")
    expect(page.locator("[role=alert]")).to_have_text(re.compile("wait 1 minute"))
    looked_at(page, "Log in")
