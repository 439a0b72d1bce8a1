"""The tests in a browser (``tests/browser``) miss no page."""

from __future__ import annotations

from pathlib import Path

from gateway.web.console.app import ConsoleServices, make_console
from tests.browser.places import NO_PAGES, OPEN, PLACES
from tests.fixtures.console import running_console


async def test_every_page_is_looked_at(tmp_path: Path) -> None:
    """No GET route of the console is missing in the table of pages."""
    seen: list[ConsoleServices] = []

    def note(services: ConsoleServices) -> ConsoleServices:
        seen.append(services)
        return services

    async with running_console(tmp_path, change=note):
        routes = {
            route.resource.canonical
            for route in make_console(seen[0]).router.routes()
            if route.method == "GET" and route.resource is not None
        }
    assert {f"/console{path}".rstrip("/") for path in routes} - OPEN - NO_PAGES == set(PLACES)
