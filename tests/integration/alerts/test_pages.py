"""The pages about alerts over real HTTP, in both languages; without scripts; and by axe in a real browser."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.core.alert_kinds import KINDS
from gateway.core.alerts import Alert, AlertPlan
from gateway.core.roles import Permission, Role, permissions
from gateway.flows.alerts import evaluate
from tests.fixtures.alerting import AROUND, NOW_CALM, hook, uk
from tests.fixtures.browser import CHROMIUM, MISSING, chromium, overflow, sign_in, violations, window
from tests.fixtures.console import NADIA, PASSWORD, Console, browser, log_in, page, post, running_console

FULL = dataclasses.replace(AROUND, disk_free=0)
PLAN = AlertPlan(
    policy=NOW_CALM,
    recipients=(uk("operations@homeoffice.test"), hook("https://hooks.example/in?token=t0k3n")),
)


async def raised(console: Console) -> dict[str, Alert]:
    """A dead letter, a full disk; by kind."""
    await evaluate(console.exchange, console.exchange.alerts, FULL)
    async with console.store.begin(read_only=True) as tx:
        return {alert.kind.value: alert for alert in await tx.open_alerts()}


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    async with running_console(tmp_path, exchange={"alerts": PLAN}) as made:
        yield made


@pytest.fixture
async def session(console: Console) -> AsyncIterator[aiohttp.ClientSession]:
    async with browser() as made:
        assert await log_in(made, console, name=Role.OPERATOR.value) == 200
        yield made


async def test_the_list_shows_what_is_open_and_what_was(
    console: Console, session: aiohttp.ClientSession
) -> None:
    """Open ones first; the cleared ones and each kind on demand; a wrong value is refused."""
    assert "No alert is open." in await page(session, console, "/console/alerts")
    alerts = await raised(console)
    shown = await page(session, console, "/console/alerts")
    assert "Messages that could not be delivered" in shown
    assert all(f"/console/alerts/{alert.alert_id}" in shown for alert in alerts.values())
    only = await page(session, console, "/console/alerts?kind=disk_space")
    assert "Messages that could not be delivered" not in only
    await evaluate(console.exchange, PLAN, AROUND)
    assert "Little disk space left" not in await page(session, console, "/console/alerts")
    assert "Little disk space left" in await page(session, console, "/console/alerts?state=cleared")
    assert "No alert matches." in await page(session, console, "/console/alerts?state=cleared&kind=database")
    await page(session, console, "/console/alerts?state=other", status=400)
    await page(session, console, "/console/alerts?kind=other", status=400)


async def test_an_alert_says_why_what_to_do_and_who_was_told(
    console: Console, session: aiohttp.ClientSession
) -> None:
    """Cause, cure, end, the list behind it, its messages; recipients masked."""
    alert = (await raised(console))["dead_letter"]
    shown = await page(session, console, f"/console/alerts/{alert.alert_id}")
    for words in (KINDS[alert.kind].cure, KINDS[alert.kind].cleared):
        assert words.en.replace("'", "&#39;") in shown
    assert "/console/messages?status=failed&amp;direction=UK_TO_FR" in shown
    assert f"/console/messages/{console.failed.message_id}" in shown
    assert "o…@homeoffice.test" in shown
    assert "hooks.example" in shown
    assert "operations@" not in shown
    assert "t0k3n" not in shown
    await page(session, console, "/console/alerts/nobody", status=404)


async def test_the_list_behind_an_alert_opens(console: Console, session: aiohttp.ClientSession) -> None:
    """The link of the page leads to a page that shows the message."""
    alert = (await raised(console))["dead_letter"]
    shown = await page(session, console, f"/console/alerts/{alert.alert_id}")
    link = re.search(r'href="(/console/messages\?status=failed[^"]*)"', shown)
    assert link is not None
    listed = await page(session, console, link.group(1).replace("&amp;", "&"))
    assert console.failed.message_id in listed


async def test_a_french_operator_reads_french(console: Console) -> None:
    """Title, cause, severity, side, state."""
    alert = (await raised(console))["dead_letter"]
    async with browser() as session:
        await log_in(session, console, name=NADIA)
        shown = await page(session, console, f"/console/alerts/{alert.alert_id}")
    for words in (
        "qui n&#39;ont pas pu être remis",
        "majeure",
        "Que faire",
        "Prendre en compte",
        "non prise en compte",
    ):
        assert words in shown


async def test_acknowledging_needs_a_reason_and_is_done_once(
    console: Console, session: aiohttp.ClientSession
) -> None:
    """The page then shows who has it in hand; a second time is refused with a sentence."""
    alert = (await raised(console))["dead_letter"]
    where = f"/console/alerts/{alert.alert_id}"
    _, shown = await post(session, console, f"{where}/acknowledge", {"words": "x"}, status=400)
    assert "Choose a reason." in shown
    _, shown = await post(session, console, f"{where}/acknowledge", {"reason": "other"}, status=400)
    fields = {"reason": "told_other_side", "words": "ticket 4711"}
    path, shown = await post(session, console, f"{where}/acknowledge", fields)
    assert path == f"{where}?done=acknowledged"
    assert "The alert is acknowledged." in shown
    assert "The other side is informed: ticket 4711" in shown
    assert ", operator: The other side" in shown
    assert "in hand" in shown
    _, shown = await post(session, console, f"{where}/acknowledge", fields, status=409)
    assert "The alert is cleared or was acknowledged before." in shown


@pytest.mark.parametrize("role", Role)
async def test_who_may_acknowledge_and_test(console: Console, role: Role) -> None:
    """Every role sees the alerts that may see anything; acting is for those who have the permission."""
    alert = (await raised(console))["dead_letter"]
    may = permissions([role])
    async with browser() as session:
        await log_in(session, console, name=role.value)
        shown = await page(session, console, f"/console/alerts/{alert.alert_id}")
        listed = await page(session, console, "/console/alerts")
        assert ("/acknowledge" in shown) is (Permission.ACKNOWLEDGE_ALERT in may)
        assert ("/console/alerts/test" in listed) is (Permission.TEST_CONNECTION in may)
        if Permission.ACKNOWLEDGE_ALERT not in may:
            await post(
                session,
                console,
                f"/console/alerts/{alert.alert_id}/acknowledge",
                {"reason": "settled"},
                status=403,
            )
        if Permission.TEST_CONNECTION not in may:
            await post(session, console, "/console/alerts/test", {}, status=403)
            await page(session, console, "/console/alerts/tests/x", status=403)


async def test_the_test_button(console: Console, session: aiohttp.ClientSession) -> None:
    """Queues a notice for each recipient and shows their state."""
    path, shown = await post(session, console, "/console/alerts/test", {})
    assert re.fullmatch(r"/console/alerts/tests/[0-9a-f-]{36}", path)
    assert "Not everything is sent yet." in shown
    assert "o…@homeoffice.test" in shown
    await page(session, console, "/console/alerts/tests/nothing", status=404)


async def test_forms_need_the_token(console: Console, session: aiohttp.ClientSession) -> None:
    """Another site cannot acknowledge."""
    alert = (await raised(console))["dead_letter"]
    url = f"{console.base}/console/alerts/{alert.alert_id}/acknowledge"
    async with session.post(url, data={"reason": "settled"}) as answer:
        assert answer.status == 403
    async with session.post(f"{console.base}/console/alerts/test") as answer:
        assert answer.status == 403


async def test_no_recipient_is_said(tmp_path: Path) -> None:
    """Who has set up nobody is told so, and offered no test."""
    async with running_console(tmp_path) as bare, browser() as session:
        await log_in(session, bare, name=Role.OPERATOR.value)
        shown = await page(session, bare, "/console/alerts")
        assert "the settings name no recipient" in shown
        assert "/console/alerts/test" not in shown
        await post(session, bare, "/console/alerts/test", {}, status=409)


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
@pytest.mark.parametrize("language", ["en", "fr"])
async def test_the_pages_are_accessible(console: Console, language: str) -> None:
    """WCAG 2.2 AA by axe at 320 px and wide, light and dark; acknowledged with the keyboard alone."""
    alert = (await raised(console))["dead_letter"]
    paths = ["/console/alerts", "/console/alerts?state=all", f"/console/alerts/{alert.alert_id}"]

    def drive() -> list[str]:
        found: list[str] = []
        with chromium() as chrome:
            for width, scheme in ((320, "light"), (1280, "dark")):
                context = window(chrome, width, scheme=scheme)  # type: ignore[arg-type] # one of two words
                tab = context.new_page()
                sign_in(tab, console.base, Role.OPERATOR.value, PASSWORD, language)
                for path in paths:
                    tab.goto(f"{console.base}{path}{'&' if '?' in path else '?'}lang={language}")
                    found += [f"{width} {path} {v}" for v in violations(tab)]
                    if overflow(tab):
                        found.append(f"{width} {path} is wider than the window")
                context.close()
            context = window(chrome, scripts=False)
            tab = context.new_page()
            sign_in(tab, console.base, Role.OPERATOR.value, PASSWORD, language)
            tab.goto(console.base + paths[2])
            tab.focus("#reason")
            tab.keyboard.press("ArrowDown")
            tab.keyboard.press("Tab")
            tab.keyboard.type("by keyboard")
            tab.keyboard.press("Tab")
            tab.keyboard.press("Enter")
            tab.wait_for_url("**done=acknowledged")
        return found

    assert await asyncio.to_thread(drive) == []
