"""Every page of the console in a real browser: both languages, phone to wide, light and dark, keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from playwright.sync_api import Browser, Page

from gateway.cli.demo.stage import OPERATOR
from gateway.web.console.app import PAGES
from tests.browser.places import NO_PAGES, OPEN, PLACES
from tests.fixtures.browser import overflow, sign_in, violations, window
from tests.fixtures.shown import Shown

WIDTHS = (320, 390, 1024, 1600)


@dataclass
class Seat:
    """Somebody in front of the browser, signed in."""

    page: Page
    language: str
    complaints: list[str] = field(default_factory=list)
    """What the browser's console said."""


@pytest.fixture(scope="module", params=["en", "fr"])
def seat(request: pytest.FixtureRequest, chromium: Browser, shown: Shown) -> Iterator[Seat]:
    context = window(chromium)
    seat = Seat(page=context.new_page(), language=request.param)
    seat.page.on("console", lambda m: seat.complaints.append(m.text) if m.type == "error" else None)
    seat.page.on("pageerror", lambda error: seat.complaints.append(str(error)))
    sign_in(seat.page, shown.base, OPERATOR, shown.password, request.param)
    yield seat
    context.close()


@pytest.mark.parametrize("place", sorted(PLACES))
def test_page(seat: Seat, shown: Shown, place: str) -> None:
    """It is shown in the language, has one heading, no complaint of the browser, no violation found by axe in
    light and dark, and never scrolls sideways from 320 pixels to wide."""
    page = seat.page
    seat.complaints.clear()
    page.emulate_media(color_scheme="light")
    answer = page.goto(shown.base + PLACES[place](shown))
    assert answer is not None
    assert answer.status == 200, page.inner_text("main")
    assert page.get_attribute("html", "lang") == seat.language
    assert page.locator("h1").count() == 1
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert overflow(page) == 0, width
    page.set_viewport_size({"width": 390, "height": 800})
    assert violations(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    assert seat.complaints == []


def test_every_page_is_looked_at() -> None:
    """No GET route of the console is missing in the table of pages."""
    app = web.Application()
    for pages in PAGES:
        pages.add(app)
    routes = {
        f"/console{route.resource.canonical}".rstrip("/")
        for route in app.router.routes()
        if route.method == "GET" and route.resource is not None
    }
    assert routes - OPEN - NO_PAGES == set(PLACES)


@pytest.mark.parametrize("place", sorted(PLACES))
def test_page_works_without_scripts(chromium: Browser, shown: Shown, place: str) -> None:
    """The same heading, with JavaScript switched off."""
    context = window(chromium, scripts=False)
    page = context.new_page()
    sign_in(page, shown.base, OPERATOR, shown.password)
    page.goto(shown.base + PLACES[place](shown))
    assert page.locator("h1").count() == 1
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
