"""Every page of the console in a real browser: both languages, phone to wide, light and dark, keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response

from gateway.cli.demo.stage import OPERATOR
from gateway.web import console
from tests.browser.desks import in_both
from tests.browser.places import PLACES
from tests.fixtures.browser import (
    colour_violations,
    keyboard_problems,
    overflow,
    say,
    sign_in,
    violations,
    window,
)
from tests.fixtures.shown import Shown

WIDTHS = (320, 390, 1024, 1600)


@dataclass
class Seat:
    """Somebody in front of the browser."""

    page: Page
    language: str
    who: str = ""
    complaints: list[str] = field(default_factory=list)
    """What the browser's console said."""

    def go(self, shown: Shown, place: str) -> Response | None:
        """Opens that page, signed in as somebody who may."""
        if self.who != PLACES[place].who:
            self.page.context.clear_cookies()
            self.who = PLACES[place].who
            sign_in(self.page, shown.base, self.who, shown.password, self.language)
        self.complaints.clear()
        return self.page.goto(shown.base + PLACES[place].address(shown))


@pytest.fixture(scope="module", params=["en", "fr"])
def seat(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Seat]:
    context = window(chromium)
    seat = Seat(page=context.new_page(), language=request.param)
    seat.page.on("console", lambda m: seat.complaints.append(complaint(m)) if m.type == "error" else None)
    seat.page.on("pageerror", lambda error: seat.complaints.append(str(error)))
    yield seat
    context.close()


def complaint(said: ConsoleMessage) -> str:
    return f"{said.text} {said.location['url']}"


def by_people() -> list[str]:
    """The places, those of one person after the other: signing in takes a moment."""
    return sorted(PLACES, key=lambda place: (PLACES[place].who, place))


@pytest.mark.parametrize("place", by_people())
def test_page(seat: Seat, shown: Shown, place: str) -> None:
    """It is shown in the language, has one heading, no complaint of the browser, no violation found by axe in
    light and dark, never scrolls sideways from 320 pixels to wide; with all that folds opened, the keyboard
    reaches everything in the narrowest window, with its focus in sight."""
    page = seat.page
    page.emulate_media(color_scheme="light")
    answer = seat.go(shown, place)
    assert answer is not None
    assert answer.status == 200, page.inner_text("body")
    assert page.get_attribute("html", "lang") == seat.language
    assert page.locator("h1").count() == 1
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert colour_violations(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert overflow(page) == 0, width
    page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
    page.set_viewport_size({"width": 390, "height": 800})
    assert violations(page) == []
    page.set_viewport_size({"width": min(WIDTHS), "height": 800})
    assert overflow(page) == 0, "opened"
    assert keyboard_problems(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    assert seat.complaints == []


def test_dark_is_light_in_other_colours() -> None:
    """In the dark the style sheets change values of colours and nothing else, so that rules about anything
    else need not be tried there again."""
    found = 0
    for sheet in (Path(console.__file__).parent / "static").glob("*.css"):
        for after in sheet.read_text("utf-8").split("@media (prefers-color-scheme: dark)")[1:]:
            block = re.fullmatch(r"\s*\{\s*:root \{([^{}]*)\}\s*\}", after[: after.index("}\n}") + 3])
            assert block is not None, sheet.name
            for line in filter(None, map(str.strip, block.group(1).split(";"))):
                assert re.fullmatch(r"--[a-z-]+: #[0-9a-f]{6}", line), line
                found += 1
    assert found > 20


def test_pages_work_without_scripts(chromium: Browser, shown: Shown) -> None:
    """Every page shows its heading with JavaScript switched off."""
    context = window(chromium, scripts=False)
    seat = Seat(page=context.new_page(), language="en")
    for place in by_people():
        answer = seat.go(shown, place)
        assert answer is not None
        assert answer.status == 200, place
        assert seat.page.locator("h1").count() == 1, place
    context.close()


def test_keyboard_alone(chromium: Browser, shown: Shown) -> None:
    """The first stop of the Tab key skips to the content, every stop is visible, and Enter opens a link."""
    context = window(chromium)
    page = context.new_page()
    sign_in(page, shown.base, OPERATOR, shown.password)
    page.goto(f"{shown.base}/console/messages")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for _ in range(40):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            "(() => { const e = document.activeElement, r = e.getBoundingClientRect(); return"
            " [e.tagName, getComputedStyle(e).outlineStyle, r.width * r.height, e.pathname || ''] })()"
        )
        if focus[0] == "BODY":
            break
        assert focus[1] != "none", focus
        assert focus[2] > 0, focus
        if str(focus[3]).startswith("/console/messages/"):
            page.keyboard.press("Enter")
            page.wait_for_url("**/console/messages/*")
            break
    assert "/console/messages/" in page.url
    context.close()


@in_both
def test_the_menu_of_a_narrow_window(chromium: Browser, shown: Shown, language: str) -> None:
    """Opened, walked through and closed with the keyboard."""
    context = window(chromium, width=min(WIDTHS))
    page = context.new_page()
    sign_in(page, shown.base, OPERATOR, shown.password, language)
    page.goto(f"{shown.base}/console/messages")
    menu = page.locator("nav.menu")
    assert not menu.is_visible()
    page.get_by_role("link", name=say("Menu", language), exact=True).focus()
    page.keyboard.press("Enter")
    menu.wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('nav.menu') !== null")
    assert keyboard_problems(page) == []
    assert violations(page) == []
    assert overflow(page) == 0
    page.get_by_role("link", name=say("Close the menu", language), exact=True).focus()
    page.keyboard.press("Enter")
    menu.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.id") == "main"
    context.close()


_PAPER = {"width": 718, "height": 1046}
"""A4 between margins of a centimetre, in pixels of 1/96 inch."""
REPORTS = ("/console/balance", "/console/balance/weekly", "/console/balance/ledger")


@in_both
def test_reports_on_paper(chromium: Browser, shown: Shown, language: str) -> None:
    """Printed from a dark screen: black on white, nothing of the frame, and nothing beside the sheet."""
    context = window(chromium, scheme="dark")
    page = context.new_page()
    sign_in(page, shown.base, OPERATOR, shown.password, language)
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size(_PAPER)  # type: ignore[arg-type] # two whole numbers
    for path in REPORTS:
        page.goto(shown.base + path)
        colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        assert page.evaluate(colours) == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"], path
        for frame in (".bar", "nav.menu", ".filters", "main form"):
            assert not any(part.is_visible() for part in page.locator(frame).all()), (path, frame)
        assert any(figures.is_visible() for figures in page.locator("main table, main svg").all()), path
        assert overflow(page) == 0, path
    context.close()


def test_colours_of_the_system(chromium: Browser, shown: Shown) -> None:
    """Where the system forces its colours, tags keep a border and the menu shows where one is."""
    context = window(chromium)
    page = context.new_page()
    sign_in(page, shown.base, OPERATOR, shown.password)
    page.emulate_media(forced_colors="active")
    page.goto(f"{shown.base}/console/messages")
    here, other = (
        page.locator(f"nav.menu a{which}").first.evaluate("e => getComputedStyle(e).borderLeftColor")
        for which in ("[aria-current]", ":not([aria-current])")
    )
    assert here != other
    every = "[...document.querySelectorAll('main .tag')].map(e => getComputedStyle(e).borderTopStyle)"
    assert set(page.evaluate(every)) == {"solid"}
    context.close()
