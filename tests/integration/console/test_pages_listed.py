"""The tests in a browser (``tests/browser``) miss no page and no action."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gateway.web.console.app import ConsoleServices, make_console
from tests.browser.places import NO_PAGES, OPEN, PLACES
from tests.browser.plays import PLAYS
from tests.fixtures.console import running_console


async def _routes(folder: Path, method: str) -> set[str]:
    """Of the console's application."""
    seen: list[ConsoleServices] = []

    def note(services: ConsoleServices) -> ConsoleServices:
        seen.append(services)
        return services

    async with running_console(folder, change=note):
        routes = {
            route.resource.canonical
            for route in make_console(seen[0]).router.routes()
            if route.method == method and route.resource is not None
        }
    return {f"/console{path}".rstrip("/") for path in routes}


async def test_every_page_is_looked_at(tmp_path: Path) -> None:
    """No GET route of the console is missing in the table of pages."""
    assert await _routes(tmp_path, "GET") - OPEN - NO_PAGES == set(PLACES)


async def test_every_action_is_played(tmp_path: Path) -> None:
    """No POST route of the console is missing in the table of plays, in either language."""
    assert await _routes(tmp_path, "POST") == set(PLAYS)


def test_every_play_exists() -> None:
    """What the table names is collected: each play then looks itself whether it sent its forms."""
    folder = Path(__file__).parents[2] / "browser"
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder.parents[1],
    )
    found = {
        line.partition("tests/browser/")[2].replace(".py::", "::") for line in listed.stdout.splitlines()
    }
    named = {play for plays in PLAYS.values() for play in plays}
    assert named <= found, listed.stdout[-2000:] + listed.stderr[-2000:]
