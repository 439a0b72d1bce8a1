"""Live updates in a real browser: what changes by itself, and what stays as the user left it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from gateway.core.records import MessageStatus
from gateway.store import open_store
from tests.fixtures import browser as browsers
from tests.fixtures.console import NADIA, PASSWORD, Console, running_console
from tests.fixtures.databases import PlainKeys
from tests.fixtures.store_records import accept, new_case

_SOON = 15_000.0


class Server:
    """A console in a thread of its own: Playwright's calls block this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.console: Console | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with running_console(self.folder) as console:
            self.console = console
            self._started.set()
            await self._stop.wait()

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(30)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def happens(self) -> str:
        """Another process stores a dead letter; its id."""

        async def work() -> str:
            store = open_store(f"sqlite:///{self.folder}/passerelle.db", keyring=PlainKeys())
            async with store.begin() as tx:
                record = await accept(tx, new_case())
                await tx.update_message(
                    record.message_id,
                    at=record.received_at,
                    status=MessageStatus.FAILED,
                    code="delivery.timed_out",
                )
            await store.close()
            return record.message_id

        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(30)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def page(server: Server, chromium: Browser) -> Iterator[Page]:
    assert server.console is not None
    context = browsers.window(chromium)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    browsers.sign_in(opened, server.console.base, NADIA, PASSWORD)
    yield opened
    context.close()
    assert [p for p in problems if "ERR_" not in p and "/events" not in p] == []


def _link(page: Page, message_id: str) -> str:
    return f'main a[href*="{message_id}"]'


def test_what_happens_elsewhere_appears(page: Page, server: Server) -> None:
    """The indicator says live, the new dead letter comes by itself, and it is announced politely."""
    live = page.locator("#live")
    expect(live).to_have_attribute("data-state", "on", timeout=_SOON)
    expect(live).to_contain_text("Live")
    message_id = server.happens()
    expect(page.locator(_link(page, message_id)).first).to_be_visible(timeout=_SOON)
    spoken = live.locator("[role=status]")
    expect(spoken).to_contain_text("The page was updated at", timeout=_SOON)


def test_text_and_focus_stay_in_a_form(page: Page, server: Server) -> None:
    """A half-written form waits until nobody is in it; then the page changes around what was written."""
    page.goto(page.url.split("/console")[0] + "/console/messages")
    expect(page.locator("#live")).to_have_attribute("data-state", "on", timeout=_SOON)
    field = page.locator(
        "main form input[type=text], main form input[type=search], main form input:not([type])"
    )
    field.first.fill("half written")
    message_id = server.happens()
    page.wait_for_timeout(2500)
    assert field.first.input_value() == "half written"
    assert page.evaluate("document.activeElement.tagName") == "INPUT"
    field.first.blur()
    server.happens()
    expect(page.locator(_link(page, message_id)).first).to_be_visible(timeout=_SOON)
    assert field.first.input_value() == "half written"


def test_open_details_and_scroll_stay(page: Page, server: Server) -> None:
    """What was opened stays open, what was closed stays closed, and the page does not jump."""

    def with_details(route: Route) -> None:
        answer = route.fetch()
        more = "".join(f"<details id='d{n}'><summary>{n}</summary><p>text</p></details>" for n in range(80))
        route.fulfill(response=answer, body=answer.text().replace("</main>", f"{more}</main>"))

    url = page.url.split("/console")[0] + "/console/messages"
    page.route(url, with_details)
    page.goto(url)
    expect(page.locator("#live")).to_have_attribute("data-state", "on", timeout=_SOON)
    page.locator("#d70 summary").click()
    before = page.evaluate("window.scrollY")
    assert before > 0
    message_id = server.happens()
    expect(page.locator(_link(page, message_id)).first).to_be_attached(timeout=_SOON)
    expect(page.locator("#d70")).to_have_attribute("open", "")
    assert page.locator("details[open]").count() == 1
    assert abs(page.evaluate("window.scrollY") - before) < 120  # the new row above


def test_focus_on_a_link_is_kept(page: Page, server: Server) -> None:
    """A keyboard user does not lose the place when the list around it changes."""
    expect(page.locator("#live")).to_have_attribute("data-state", "on", timeout=_SOON)
    assert server.console is not None
    mine = page.locator(_link(page, server.console.failed.message_id)).first
    mine.focus()
    href = mine.get_attribute("href")
    message_id = server.happens()
    expect(page.locator(_link(page, message_id)).first).to_be_visible(timeout=_SOON)
    assert page.evaluate("document.activeElement.getAttribute('href')") == href


def test_pause_and_resume(page: Page, server: Server) -> None:
    """Nothing moves while it is paused, also on the next page; resuming brings what was missed."""
    live = page.locator("#live")
    expect(live).to_have_attribute("data-state", "on", timeout=_SOON)
    live.get_by_role("button", name="Pause updates").click()
    expect(live).to_have_attribute("data-state", "paused")
    message_id = server.happens()
    page.wait_for_timeout(2000)
    assert page.locator(_link(page, message_id)).count() == 0
    page.goto(page.url)
    expect(live).to_have_attribute("data-state", "paused")
    again = server.happens()
    page.wait_for_timeout(1500)
    assert page.locator(_link(page, again)).count() == 0
    live.get_by_role("button", name="Resume updates").click()
    expect(live).to_have_attribute("data-state", "on", timeout=_SOON)
    server.happens()
    expect(page.locator(_link(page, again)).first).to_be_visible(timeout=_SOON)


def test_it_says_when_it_is_not_live(page: Page, server: Server) -> None:
    """Without the server the state changes, and the page stays readable."""
    live = page.locator("#live")
    expect(live).to_have_attribute("data-state", "on", timeout=_SOON)
    page.context.set_offline(True)
    page.route("**/console/events*", lambda route: route.abort())
    page.evaluate("window.dispatchEvent(new Event('pagehide')); window.dispatchEvent(new Event('pageshow'))")
    expect(live).to_have_attribute("data-state", "off", timeout=_SOON)
    expect(live).to_contain_text("Not live")
    expect(page.locator("h1")).to_be_visible()
    page.unroute("**/console/events*")
    page.context.set_offline(False)
    expect(live).to_have_attribute("data-state", "on", timeout=60_000)


def test_the_indicator_passes_axe(page: Page) -> None:
    """Contrast, names and roles of what the script adds."""
    expect(page.locator("#live")).to_have_attribute("data-state", "on", timeout=_SOON)
    assert browsers.violations(page) == []


def test_pages_work_without_scripts(server: Server, chromium: Browser) -> None:
    """No script, no indicator, the same page."""
    assert server.console is not None
    context = browsers.window(chromium, scripts=False)
    page = context.new_page()
    browsers.sign_in(page, server.console.base, NADIA, PASSWORD)
    assert page.locator(_link(page, server.console.failed.message_id)).count() > 0
    assert page.locator("#live").inner_text() == ""
    context.close()
