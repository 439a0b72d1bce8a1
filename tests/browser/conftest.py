"""One world with trouble in it and one browser for all tests of this folder (they run in one process)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.desks import Desk
from tests.browser.plays import promised, taken
from tests.fixtures import browser as browsers
from tests.fixtures.shown import Shown, demo, trouble


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker makes the world; without Chromium the tests say that they were not run."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.xdist_group("browser"))
            if browsers.CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason=browsers.MISSING))


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    with demo(tmp_path_factory.mktemp("shown")) as world:
        trouble(world)
        yield world


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Per module: while Playwright runs it keeps an event loop in this thread, and tests of other folders
    that the same worker runs later need that place."""
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def windows(chromium: Browser, shown: Shown) -> Iterator[dict[tuple[str, str], BrowserContext]]:
    """One session per person and language."""
    made: dict[tuple[str, str], BrowserContext] = {}
    yield made
    for context in made.values():
        context.close()


@pytest.fixture
def desk(windows: dict[tuple[str, str], BrowserContext], chromium: Browser, shown: Shown) -> Iterator[Desk]:
    """``desk(name)``: a page in front of which that person sits, signed in; closed after the test."""
    opened: list[Page] = []

    def sit(name: str, language: str = "en") -> Page:
        who = (name, language)
        if who not in windows:
            windows[who] = browsers.window(chromium)
            first = windows[who].new_page()
            browsers.sign_in(first, shown.base, name, shown.password, language)
            first.close()
        opened.append(windows[who].new_page())
        return opened[-1]

    yield sit
    for page in opened:
        page.close()


@pytest.fixture(autouse=True)
def forms_were_sent(request: pytest.FixtureRequest) -> Iterator[None]:
    """A play sends, in its language, every form that ``plays.py`` names it for."""
    before = len(browsers.SENT)
    yield
    play = f"{request.path.stem}::{request.node.name}"
    missing = promised(play) - taken(browsers.SENT[before:])
    assert not missing, f"{play} did not send {sorted(missing)}"
