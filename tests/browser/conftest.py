"""One world with trouble in it and one browser for all tests of this folder (they run in one process)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

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
