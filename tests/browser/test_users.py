"""Accounts in a real browser, in English and in French: coming in, managing others, one's own account; both
factors, keyboard, a narrow window, axe."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from gateway.core.roles import Role, Side
from gateway.core.totp import code_at
from gateway.flows.people import People
from gateway.flows.users import add_user
from gateway.web.console.app import ConsoleServices
from tests.browser.desks import in_both
from tests.fixtures.browser import colour_violations, overflow, say, violations, window
from tests.fixtures.console_thread import ThreadedConsole, threaded_console
from tests.fixtures.people import OTHER, PASSWORD, add, people_of

GIVEN = "handed over by telephone"
LATER = "a third long enough phrase"


@dataclass
class Server:
    """A console of the strict policy; its clock is moved by hand."""

    made: ThreadedConsole
    people: People

    @property
    def base(self) -> str:
        return self.made.base

    def add(self, name: str, role: Role, language: str, **more: object) -> None:
        side = Side.FR if language == "fr" else Side.UK

        async def work(_console: object) -> None:
            await add(self.people, name, role, side=side, language=language, **more)

        self.made.run(work)

    def hand_over(self, name: str, language: str) -> None:
        """An account whose password somebody else has chosen."""

        async def work(_console: object) -> None:
            await add_user(
                self.people,
                name,
                side=Side.UK,
                roles=(Role.OPERATOR,),
                by=None,
                language=language,
                password=GIVEN,
                renew=True,
            )

        self.made.run(work)

    def code(self, secret: str) -> str:
        """The next code that was not used: each holds for half a minute, and once."""
        self.made.console.clock.shift += dt.timedelta(seconds=30)
        return code_at(secret, self.people.clock.now())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    people: list[People] = []

    def strict(given: ConsoleServices) -> ConsoleServices:
        people.append(people_of(given.exchange.store, given.exchange.clock))  # type: ignore[arg-type] # of fixtures
        return dataclasses.replace(given, people=people[0])

    with threaded_console(tmp_path, change=strict) as made:
        yield Server(made, people[0])


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


@dataclass
class Visitor:
    """Somebody in front of a page, who reads one language."""

    page: Page
    server: Server
    language: str
    contexts: list[BrowserContext] = field(default_factory=list)
    """Other browsers of the same person."""

    def say(self, words: str) -> str:
        return say(words, self.language)

    def goes(self, path: str) -> None:
        self.page.goto(f"{self.server.base}/console{path}")

    def looks(self, heading: str) -> None:
        """``looks_at`` with a heading of the console (English)."""
        self.looks_at(self.say(heading))

    def looks_at(self, heading: str) -> None:
        """The page with that heading, light and dark, has no violation and fits."""
        expect(self.page.locator("h1")).to_contain_text(heading)
        assert self.page.get_attribute("html", "lang") == self.language
        assert overflow(self.page) == 0
        assert violations(self.page) == [], heading
        self.page.emulate_media(color_scheme="dark")
        assert colour_violations(self.page) == [], heading
        self.page.emulate_media(color_scheme="light")

    def button(self, words: str) -> Locator:
        return self.page.locator("main").get_by_role("button", name=self.say(words), exact=True)

    def presses(self, words: str) -> None:
        with self.page.expect_navigation():
            self.button(words).click()

    def types_in(self, name: str, password: str = PASSWORD) -> None:
        """With the keyboard alone: fields and button are reached with Tab."""
        self.goes(f"/login?lang={self.language}")
        self.page.locator("[name=name]").focus()
        self.page.keyboard.type(name)
        self.page.keyboard.press("Tab")
        self.page.keyboard.type(password)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def gives(self, code: str, button: str = "Continue") -> None:
        self.page.fill("[name=code]", code)
        self.presses(button)

    def enrols(self, button: str = "Continue") -> tuple[str, list[str]]:
        """From the page with the QR code to that of the recovery codes: the key, the codes."""
        secret = self.page.locator("code.key").inner_text()
        self.gives(self.server.code(secret), button)
        expect(self.page.locator(".codes li")).to_have_count(10)
        return secret, self.page.locator(".codes li").all_inner_texts()

    def hears(self, words: str) -> None:
        """An action's result."""
        expect(self.page.locator("main [role=status]")).to_contain_text(self.say(words))


def elsewhere(chromium: Browser, visitor: Visitor, name: str, password: str, code: str) -> Page:
    """Signs in once more, in a browser of its own, with a recovery code."""
    context = window(chromium)
    other = dataclasses.replace(visitor, page=context.new_page())
    other.types_in(name, password)
    other.gives(code)
    assert other.page.url.endswith("/console")
    visitor.contexts.append(context)
    return other.page


@pytest.fixture
def visitor(page: Page, server: Server, language: str) -> Iterator[Visitor]:
    made = Visitor(page, server, language)
    yield made
    for context in made.contexts:
        context.close()


@in_both
def test_somebody_new_comes_in(visitor: Visitor) -> None:
    """Wrong password, the one that was handed over, an own one, the QR code, wrong code, recovery codes; out;
    in again with a recovery code."""
    page, server = visitor.page, visitor.server
    server.hand_over("amelie", visitor.language)
    visitor.types_in("amelie", "wrong")
    expect(page.locator("[role=alert]")).to_contain_text(visitor.say("The name or the password is wrong."))
    visitor.looks("Log in")
    visitor.types_in("amelie", GIVEN)
    visitor.looks("Choose a password")
    page.fill("[name=new]", OTHER)
    page.fill("[name=again]", OTHER)
    visitor.presses("Continue")
    visitor.looks("Set up your second factor")
    expect(page.locator(".qr svg")).to_be_visible()
    visitor.gives("000000")
    expect(page.locator("[role=alert]")).to_contain_text(
        visitor.say("The code is wrong or was used before. Wait for the next one.")
    )
    _, codes = visitor.enrols()
    visitor.looks("Recovery codes")
    page.click("main a.button")
    page.wait_for_url(f"{server.base}/console")
    visitor.goes("/account")
    visitor.looks("Your account")
    visitor.goes("/users")
    assert "forbidden" in page.inner_text("main")
    page.get_by_role("button", name=visitor.say("Log out")).click()
    page.wait_for_url("**/console/login")
    visitor.types_in("amelie", OTHER)
    visitor.looks("Second step")
    visitor.gives(codes[0])
    assert page.url == f"{server.base}/console"


@in_both
def test_ones_own_account(visitor: Visitor, chromium: Browser) -> None:
    """Language, password, sessions one by one and all, another authenticator, new recovery codes."""
    page, server = visitor.page, visitor.server
    server.add("amelie", Role.OPERATOR, visitor.language)
    visitor.types_in("amelie")
    secret, codes = visitor.enrols()
    # the preference; the same as before, so that what follows reads the same
    visitor.goes("/account")
    page.select_option("[name=language]", visitor.language)
    visitor.presses("Save")
    visitor.hears("Your language is saved.")
    # three more browsers: one is ended by itself, the others together
    others = [elsewhere(chromium, visitor, "amelie", PASSWORD, code) for code in codes[:3]]
    visitor.goes("/account")
    expect(page.locator("main tbody tr")).to_have_count(4)
    with page.expect_navigation():
        page.locator("main form[action$='/end'] button").first.click()
    visitor.hears("The session was ended.")
    expect(page.locator("main tbody tr")).to_have_count(3)
    visitor.presses("End all other sessions")
    visitor.hears("Every other session was ended.")
    expect(page.locator("main tbody tr")).to_have_count(1)
    visitor.looks("Your account")
    for one in others:
        one.goto(f"{server.base}/console")
        assert one.url.endswith("/console/login")
    # a password of one's own choice
    page.fill("#old", PASSWORD)
    page.fill("#new", OTHER)
    page.fill("#again", OTHER)
    visitor.presses("Change the password")
    visitor.hears("Your password is changed. Every other session was ended.")
    # another authenticator, by a code of the one before
    page.get_by_role("link", name=visitor.say("Change your second factor")).click()
    visitor.looks("Second factor")
    visitor.gives(server.code(secret), "Set up another authenticator")
    visitor.looks("Second factor")
    newer, _ = visitor.enrols("Use this authenticator")
    assert newer != secret
    # new recovery codes, by a code of the new one
    visitor.goes("/account/second-factor")
    visitor.gives(server.code(newer), "Make new recovery codes")
    expect(page.locator(".codes li")).to_have_count(10)
    (last, *_) = page.locator(".codes li").all_inner_texts()
    elsewhere(chromium, visitor, "amelie", OTHER, last)


@in_both
def test_an_administrator_manages(visitor: Visitor, chromium: Browser) -> None:
    """Adds somebody and hands the password over; changes roles, ends sessions, removes the second factor,
    disables and enables, forgets failed attempts, makes a new password."""
    page, server = visitor.page, visitor.server
    server.add("root", Role.ADMINISTRATOR, visitor.language)
    visitor.types_in("root")
    visitor.enrols()
    visitor.goes("/users")
    visitor.looks("Users")
    page.click("main a.button")
    visitor.looks("Add a user")
    page.fill("[name=name]", "kim")
    page.check("#role-operator")
    visitor.presses("Add and show the password")
    visitor.looks("Password to hand over")
    context = window(chromium)
    kim = dataclasses.replace(visitor, page=context.new_page())
    visitor.contexts.append(context)
    codes = _first_time(kim, page.locator("dd code").inner_text())

    visitor.goes("/users/kim")
    visitor.looks_at("kim")
    page.uncheck("#role-operator")
    page.check("#role-viewer")
    visitor.presses("Save")
    visitor.hears("The account is changed.")
    assert _is_out(kim)  # new roles end the sessions
    kim.types_in("kim", OTHER)
    kim.gives(codes[0])
    visitor.goes("/users/kim")
    visitor.presses("End all sessions")
    visitor.hears("All sessions of the account were ended.")
    assert _is_out(kim)
    visitor.presses("Remove the second factor")
    visitor.hears("The second factor is removed. A new one is set up at the next log-in.")
    visitor.presses("Disable the account")
    expect(page.locator("h1 .tag")).to_have_text(visitor.say("disabled"))
    visitor.looks_at("kim")
    visitor.presses("Enable the account")
    expect(page.locator("h1 .tag")).to_have_text(visitor.say("enabled"))
    for _ in range(5):
        kim.types_in("kim", "wrong")
    visitor.goes("/users/kim")
    expect(page.locator("h1 .tag")).to_have_text(visitor.say("locked out"))
    visitor.presses("Forget the failed attempts")
    visitor.hears("The failed attempts are forgotten.")
    visitor.presses("Make a new password")
    _first_time(kim, page.locator("dd code").inner_text(), LATER)
    visitor.goes("/users/root")
    visitor.looks_at("root")
    expect(page.locator("main form")).to_have_count(0)  # nobody changes their own rights


def _first_time(kim: Visitor, given: str, own: str = OTHER) -> list[str]:
    """With a password from somebody else: to the first page by an own one and a second factor. The recovery
    codes."""
    kim.types_in("kim", given)
    kim.page.fill("[name=new]", own)
    kim.page.fill("[name=again]", own)
    kim.presses("Continue")
    _, codes = kim.enrols()
    assert not _is_out(kim)
    return codes


def _is_out(visitor: Visitor) -> bool:
    visitor.goes("")
    return visitor.page.url.endswith("/console/login")


def test_locked_out(page: Page, server: Server) -> None:
    """After five failures the page says how long to wait."""
    visitor = Visitor(page, server, "en")
    server.add("amelie", Role.OPERATOR, "en")
    for _ in range(6):
        visitor.types_in("amelie", "wrong")
    expect(page.locator("[role=alert]")).to_have_text(re.compile("wait 1 minute"))
    visitor.looks("Log in")
