"""Actions that the demo cannot show, in a browser: the test of alerts, a grouped action that runs long."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.core.alerts import AlertPlan
from gateway.core.batches import BatchPolicy
from gateway.core.roles import Role
from gateway.flows import batch_run
from gateway.flows.alerts import evaluate
from tests.fixtures.alerting import AROUND, NOW_CALM, uk
from tests.fixtures.browser import sign_in, violations, window
from tests.fixtures.console import NADIA, PASSWORD, Console
from tests.fixtures.console_thread import ThreadedConsole, threaded_console

PLAN = AlertPlan(policy=NOW_CALM, recipients=(uk("operations@homeoffice.test"),))
SLOW = BatchPolicy(second_person_above=5, per_second=0.001)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadedConsole]:
    with threaded_console(tmp_path, exchange={"alerts": PLAN, "batches": SLOW}) as made:
        yield made


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = window(chromium)
    yield context.new_page()
    context.close()


def test_alerts_are_tried(page: Page, server: ThreadedConsole) -> None:
    """The button sends to every recipient and shows whom; an open alert is acknowledged in French."""

    async def full(console: Console) -> None:
        await evaluate(console.exchange, PLAN, dataclasses.replace(AROUND, disk_free=0))

    server.run(full)
    sign_in(page, server.base, NADIA, PASSWORD, "fr")
    page.goto(f"{server.base}/console/alerts")
    page.locator("main tbody a").first.click()
    page.select_option("#reason", index=1)
    page.locator("main form button").click()
    expect(page.locator("main [role=status]")).to_be_visible()
    page.get_by_role("button", name="Se déconnecter").click()
    sign_in(page, server.base, Role.OPERATOR.value, PASSWORD)
    page.goto(f"{server.base}/console/alerts")
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("h1")).to_have_text("Test of alerts")
    expect(page.locator("main tbody tr")).to_have_count(1)
    expect(page.locator("main tbody tr")).to_contain_text("@homeoffice.test")
    assert violations(page) == []


def test_a_running_batch_is_paused(page: Page, server: ThreadedConsole) -> None:
    """Started, paused while it runs, started again, done: each with its reason and its result."""
    sign_in(page, server.base, Role.OPERATOR.value, PASSWORD)
    page.goto(f"{server.base}/console/batches/new?action=cancel&id={server.console.failed.message_id}")
    assert _confirmed(page, "Make it, start nothing yet") == "paused"
    for step, state in (("Start", "running"), ("Pause", "paused"), ("Start", "running")):
        page.get_by_role("link", name=f"{step}…").click()
        assert violations(page) == []
        assert _confirmed(page, step) == state

    async def works(console: Console) -> None:
        while await batch_run.step(console.exchange) is not None:
            console.clock.shift += dt.timedelta(hours=1)  # one message in a thousand seconds

    address = page.url
    server.run(works)
    sign_in(page, server.base, Role.OPERATOR.value, PASSWORD)  # hours have passed
    page.goto(address)
    expect(page.locator("h1 .tag")).to_have_text("finished")
    expect(page.locator("main tbody .tag-good", has_text="done")).to_have_count(1)


def _confirmed(page: Page, button: str) -> str:
    """State of the batch after the form."""
    page.select_option("#reason", "agreed")
    with page.expect_navigation():
        page.locator("main").get_by_role("button", name=button, exact=True).click()
    expect(page.locator("main [role=status]")).to_be_visible()
    return page.locator("h1 .tag").inner_text()
