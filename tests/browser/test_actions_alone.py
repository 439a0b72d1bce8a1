"""Actions that the demo cannot show, in a browser: the test of alerts, a grouped action that runs long; and
those that use up what they act on, in both languages."""

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
from tests.browser.desks import in_both
from tests.fixtures.actions import dead_letter
from tests.fixtures.alerting import AROUND, NOW_CALM, uk
from tests.fixtures.browser import say, sign_in, violations, window
from tests.fixtures.console import PASSWORD, Console
from tests.fixtures.console_thread import ThreadedConsole, threaded_console

PLAN = AlertPlan(policy=NOW_CALM, recipients=(uk("operations@homeoffice.test"),))
SLOW = BatchPolicy(second_person_above=5, per_second=0.001)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadedConsole]:
    with threaded_console(tmp_path, exchange={"alerts": PLAN, "batches": SLOW}) as made:
        yield made


@pytest.fixture
def by_two(tmp_path: Path) -> Iterator[ThreadedConsole]:
    """Every grouped action needs a second person."""
    with threaded_console(tmp_path, exchange={"batches": BatchPolicy(second_person_above=0)}) as made:
        yield made


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = window(chromium)
    yield context.new_page()
    context.close()


def confirmed(page: Page, button: str, language: str) -> None:
    """The form was taken: the page of the result says so."""
    page.select_option("#reason", "agreed")
    with page.expect_navigation():
        page.locator("main").get_by_role("button", name=say(button, language), exact=True).click()
    expect(page.locator("main [role=status]")).to_be_visible()


def status_of(server: ThreadedConsole, message_id: str) -> str:
    async def look(console: Console) -> str:
        async with console.store.begin(read_only=True) as tx:
            found = await tx.get_message(message_id)
        assert found is not None
        return found.status.value

    return server.run(look)


def given_up(server: ThreadedConsole) -> str:
    """The id of a message that the worker has given up."""

    async def make(console: Console) -> str:
        return await dead_letter(console.exchange)

    return server.run(make)


@in_both
def test_alerts_are_tried(page: Page, server: ThreadedConsole, language: str) -> None:
    """An open alert is acknowledged; the button sends to every recipient and shows whom; signed out."""

    async def full(console: Console) -> None:
        await evaluate(console.exchange, PLAN, dataclasses.replace(AROUND, disk_free=0))

    server.run(full)
    sign_in(page, server.base, Role.OPERATOR.value, PASSWORD, language)
    page.goto(f"{server.base}/console/alerts")
    page.locator("main tbody a").first.click()
    page.select_option("#reason", index=1)
    page.locator("main form button").click()
    expect(page.locator("main [role=status]")).to_be_visible()
    page.goto(f"{server.base}/console/alerts")
    page.get_by_role("button", name=say("Send a test", language)).click()
    expect(page.locator("h1")).to_have_text(say("Test of alerts", language))
    expect(page.locator("main tbody tr")).to_have_count(1)
    expect(page.locator("main tbody tr")).to_contain_text("@homeoffice.test")
    assert violations(page) == []
    page.get_by_role("button", name=say("Log out", language)).click()
    expect(page.locator("h1")).to_have_text(say("Log in", language))


@in_both
def test_one_is_sent_again(page: Page, server: ThreadedConsole, language: str) -> None:
    """From the message by the preview back into the queue."""
    sign_in(page, server.base, Role.OPERATOR.value, PASSWORD, language)
    message_id = given_up(server)
    page.goto(f"{server.base}/console/messages/{message_id}")
    page.locator("main a[href$='/replay']").first.click()
    expect(page.locator("h1")).to_have_text(say("Send this message again", language))
    confirmed(page, "Send this message again", language)
    expect(page.locator("main [role=status]")).to_have_text(
        say("The message is in the queue again.", language)
    )
    assert status_of(server, message_id) == "accepted"


@in_both
def test_one_is_cancelled(page: Page, server: ThreadedConsole, language: str) -> None:
    """From the message by the preview to its end."""
    sign_in(page, server.base, Role.OPERATOR.value, PASSWORD, language)
    message_id = given_up(server)
    page.goto(f"{server.base}/console/messages/{message_id}")
    page.locator("main a[href$='/cancel']").first.click()
    confirmed(page, "Cancel this message", language)
    assert status_of(server, message_id) == "cancelled"


@in_both
def test_a_running_batch_is_paused(page: Page, server: ThreadedConsole, language: str) -> None:
    """Started, paused while it runs, started again, done: each with its reason and its result."""
    sign_in(page, server.base, Role.OPERATOR.value, PASSWORD, language)
    page.goto(f"{server.base}/console/batches/new?action=cancel&id={server.console.failed.message_id}")
    confirmed(page, "Make it, start nothing yet", language)
    for step, state in (("Start", "running"), ("Pause", "paused"), ("Start", "running")):
        page.get_by_role("link", name=f"{say(step, language)}…").click()
        page.wait_for_url(f"**/{step.lower()}")
        assert violations(page) == []
        confirmed(page, step, language)
        expect(page.locator("h1 .tag")).to_have_text(say(state, language))

    async def works(console: Console) -> None:
        while await batch_run.step(console.exchange) is not None:
            console.clock.shift += dt.timedelta(hours=1)  # one message in a thousand seconds

    address = page.url
    server.run(works)
    sign_in(page, server.base, Role.OPERATOR.value, PASSWORD, language)  # hours have passed
    page.goto(address)
    expect(page.locator("h1 .tag")).to_have_text(say("finished", language))
    expect(page.locator("main tbody .tag-good", has_text=say("done", language))).to_have_count(1)


@in_both
def test_a_batch_of_two_persons(
    page: Page, chromium: Browser, by_two: ThreadedConsole, language: str
) -> None:
    """Made by one, approved by another, stopped for good: nothing was done to the message."""
    sign_in(page, by_two.base, Role.OPERATOR.value, PASSWORD, language)
    message_id = given_up(by_two)
    page.goto(f"{by_two.base}/console/batches/new?action=cancel&id={message_id}")
    confirmed(page, "Make it, start nothing yet", language)
    tag = page.locator("h1 .tag")
    expect(tag).to_have_text(say("waiting for a second person", language))
    address = page.url
    context = window(chromium)
    second = context.new_page()
    sign_in(second, by_two.base, Role.SUPERVISOR.value, PASSWORD, language)
    second.goto(address)
    second.get_by_role("link", name=f"{say('Approve', language)}…").click()
    confirmed(second, "Approve", language)
    context.close()
    page.goto(address)
    expect(tag).to_have_text(say("paused", language))
    page.get_by_role("link", name=f"{say('Stop for good', language)}…").click()
    confirmed(page, "Stop for good", language)
    expect(tag).to_have_text(say("stopped", language))
    assert status_of(by_two, message_id) == "failed"
