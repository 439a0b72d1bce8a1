"""Acting on messages, routes, quotas and alerts, in a real browser against the running gateway with France
down.

What no other test needs is used up: the ``spare`` dead letters, held nominations. Which play sends which form
in which language stands in ``plays.py``; what the demo cannot show (recipients of alerts, an action that runs
long) stands in ``test_actions_alone.py``.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from gateway.cli.demo.stage import OPERATOR
from tests.browser.desks import SOON, Desk, confirm, done, give_reason, go, in_both
from tests.browser.places import SECOND_PERSON
from tests.fixtures.browser import say
from tests.fixtures.shown import Shown

# ---- one message --------------------------------------------------------------------------------


def test_one_is_sent_again_once(desk: Desk, shown: Shown) -> None:
    """Preview, reason, result; the same form sent once more shows the result and does nothing."""
    page, message_id = desk(OPERATOR), shown.ids["spare 0"]
    go(page, shown, f"/messages/{message_id}")
    page.get_by_role("link", name="Send again: preview").click()
    expect(page.locator("h1")).to_have_text("Send this message again")
    copied = page.context.new_page()
    copied.goto(page.url)
    once = page.locator("main input[name=once]")
    copied.locator("main input[name=once]").evaluate("(e, value) => { e.value = value }", once.input_value())
    give_reason(copied)
    confirm(page, "Send this message again")
    done(page, "The message is in the queue again.")
    before = shown.status(message_id)
    assert before in {"sending", "accepted", "failed"}
    copied.locator("main").get_by_role("button", name="Send this message again").click()
    done(copied, "The message is in the queue again.")
    copied.close()
    entries = shown.command("audit", "list", "--action", "message.replayed", "--subject", message_id)
    assert len(entries) == 1


def test_a_reason_is_required(desk: Desk, shown: Shown) -> None:
    """The browser itself keeps the form back; without that the server refuses."""
    page, message_id = desk(OPERATOR), shown.ids["spare 1"]
    go(page, shown, f"/messages/{message_id}/replay")
    button = page.locator("main").get_by_role("button", name="Send this message again")
    button.click()
    assert page.url.endswith("/replay")
    assert page.evaluate("document.querySelector('#reason:invalid') !== null")
    page.evaluate("document.querySelector('#reason').required = false")
    with page.expect_navigation() as answer:
        button.click()
    assert answer.value.status == 400
    assert shown.status(message_id) == "failed"


# ---- many ---------------------------------------------------------------------------------------


def _choose(page: Page, *message_ids: str) -> None:
    for message_id in message_ids:
        page.check(f"main input[name=id][value='{message_id}']")
    page.get_by_role("button", name="Send the selected again").click()


def test_selected_ones_with_a_second_person(desk: Desk, shown: Shown) -> None:
    """Two are chosen; made; not started before the second person; approved, started, judged one by one."""
    page, two = desk(OPERATOR), [shown.ids["spare 2"], shown.ids["spare 3"]]
    go(page, shown, "/messages?status=failed")
    _choose(page, *two)
    expect(page.locator("h1")).to_contain_text("2 messages")
    expect(page.locator("main")).to_contain_text("A second person must approve it.")
    confirm(page, "Make it, start nothing yet")
    done(page, "The grouped action is made.")
    address = page.url.split("?")[0]
    expect(page.locator("h1")).to_contain_text("waiting for a second person")
    assert page.get_by_role("link", name="Approve…").count() == 0
    assert page.get_by_role("link", name="Start…").count() == 0

    second = desk(SECOND_PERSON)
    second.goto(address)
    second.get_by_role("link", name="Approve…").click()
    confirm(second, "Approve", "agreed")
    done(second, "It is approved.")

    page.goto(address)
    page.get_by_role("link", name="Start…").click()
    confirm(page, "Start")
    done(page, "It has started.")
    expect(page.locator("h1")).to_contain_text("finished", timeout=4 * SOON)
    expect(page.locator("main table tbody tr")).to_have_count(2)
    expect(page.locator("main table tbody tr .tag-good").filter(has_text="done")).to_have_count(2)


def test_all_of_a_filter(desk: Desk, shown: Shown) -> None:
    """What another grouped action holds is left alone, and the page says so."""
    page = desk(OPERATOR)
    go(page, shown, "/messages?status=failed&direction=UK_TO_FR")
    page.get_by_role("link", name="Send all of these again").click()
    expect(page.locator("main")).to_contain_text("Another grouped action that has not ended holds it.")


def test_a_batch_of_a_filter_is_stopped(desk: Desk, shown: Shown) -> None:
    """One case by its filter; no second person; stopping asks why, ends it, and offers nothing more."""
    page, message_id = desk(OPERATOR), shown.ids["queued"]
    shown.until(message_id, "failed")
    go(page, shown, f"/messages?status=failed&reference={shown.references['queued']}")
    page.get_by_role("link", name="Send all of these again").click()
    expect(page.locator("h1")).to_contain_text("1 message")
    confirm(page, "Make it, start nothing yet")
    page.get_by_role("link", name="Stop for good…").click()
    confirm(page, "Stop for good", "not_needed")
    done(page, "It is stopped.")
    expect(page.locator("h1")).to_contain_text("stopped")
    assert page.locator("main .buttons a").count() == 0
    assert shown.status(message_id) == "failed"


# ---- held ---------------------------------------------------------------------------------------


@in_both
def test_a_hold_is_let_go_by_two(desk: Desk, shown: Shown, language: str) -> None:
    """Each of two persons decides; after the first it still waits, and the first cannot be the second."""
    message_id = shown.ids[f"held, let go {language}"]
    page = desk(OPERATOR, language)
    go(page, shown, "/held")
    page.locator(f"main a[href='/console/held/{message_id}']").click()
    page.get_by_role("link", name=say("Let it go", language)).click()
    confirm(page, say("Let it go", language), "agreed")
    done(page, say("Your approval is kept. Another person must agree before it goes.", language))
    go(page, shown, f"/held/{message_id}/release")
    expect(page.locator("main .note-bad")).to_be_visible()
    assert shown.status(message_id) == "held"
    second = desk(SECOND_PERSON, language)
    go(second, shown, f"/held/{message_id}/release")
    confirm(second, say("Let it go", language), "agreed")
    assert shown.status(message_id) != "held"


@in_both
def test_a_hold_is_refused(desk: Desk, shown: Shown, language: str) -> None:
    """It never leaves, and the page of the message says what became of it."""
    message_id = shown.ids[f"held, refused {language}"]
    page = desk(OPERATOR, language)
    go(page, shown, f"/held/{message_id}")
    page.get_by_role("link", name=say("Refuse it", language)).click()
    confirm(page, say("Refuse it", language), "agreed")
    assert shown.status(message_id) in {"rejected", "cancelled"}
    assert page.url.endswith(f"/console/messages/{message_id}")


# ---- route, quota, ledger -----------------------------------------------------------------------


@in_both
def test_a_route_is_paused_and_resumed(desk: Desk, shown: Shown, language: str) -> None:
    """From the page of partners, both ways; the cards and the message say so."""
    page = desk(OPERATOR, language)
    name = shown.others["endpoint"]
    go(page, shown, "/partners")
    page.locator(f"main a[href$='/routes/{name}/pause']").click()
    expect(page.locator("html")).to_have_attribute("lang", language)
    confirm(page, say("Pause this route", language), "agreed")
    done(page, say("The route is paused.", language))
    go(page, shown, "/partners")
    page.locator(f"main a[href$='/routes/{name}/resume']").click()
    confirm(page, say("Resume this route", language), "agreed")
    done(page, say("The route is in use again.", language))
    go(page, shown, "/partners")
    assert page.locator(f"main a[href$='/routes/{name}/pause']").count() == 1


@in_both
def test_a_quota_is_changed(desk: Desk, shown: Shown, language: str) -> None:
    """Number, dry run, reason; the new number and its reason stand in the history."""
    page = desk(OPERATOR, language)
    persons = {"en": "47", "fr": "48"}[language]
    go(page, shown, "/balance")
    page.locator("main a[href^='/console/balance/quotas/nominations']").first.click()
    page.fill("#persons", persons)
    page.get_by_role("button", name=say("See what it would do", language)).click()
    expect(page.locator("main .facts strong")).to_contain_text(persons)
    confirm(page, say("Change the quota", language), "capacity")
    done(page, say("The quota is changed. What has room now leaves by itself.", language))
    row = page.locator("main table tbody tr").first
    expect(row).to_contain_text(persons)
    expect(row).to_contain_text("ticket 4711")


def _newest_entry(shown: Shown) -> str:
    """Of those that count; pages show the oldest."""
    rows = shown.command("ledger", "list")
    countered = {row["corrects"] for row in rows}
    entries = [str(r["entry"]) for r in rows if r["corrects"] is None and r["entry"] not in countered]
    assert entries[-1] != shown.others["entry"]
    return entries[-1]


@pytest.mark.parametrize(
    ("language", "code"), [("en", "report_wrong"), ("fr", "did_not_happen")], ids=["en", "fr"]
)
def test_an_entry_is_corrected_by_two(desk: Desk, shown: Shown, language: str, code: str) -> None:
    """One proposes, another books exactly the same: another number, then none at all."""
    entry = _newest_entry(shown)
    page = desk(OPERATOR, language)
    go(page, shown, f"/balance/ledger/{entry}")
    if code == "did_not_happen":
        page.check("#happened-no")
    else:
        page.fill("#persons", "2")
    page.get_by_role("button", name=say("See what it would do", language)).click()
    confirm(page, say("Propose the correction", language), code)
    done(
        page, say("The correction is proposed. A second person must now confirm exactly the same.", language)
    )
    expect(page.locator("main")).to_contain_text(say("You proposed it; somebody else confirms it.", language))
    second = desk(SECOND_PERSON, language)
    go(second, shown, f"/balance/ledger/{entry}")
    second.get_by_role("button", name=say("Look at it and confirm", language)).click()
    confirm(second, say("Book the correction", language), code)
    done(second, say("The correction is booked.", language))
    expect(second.locator("h1")).to_contain_text(say("not counting any more", language))


# ---- alerts, persons, filters -------------------------------------------------------------------


def test_an_alert_is_acknowledged(desk: Desk, shown: Shown) -> None:
    """Somebody takes it in hand."""
    page = desk(OPERATOR)
    go(page, shown, "/alerts")
    page.locator("main tbody tr").filter(has_text=re.compile("unacknowledged|escalated")).first.locator(
        "a"
    ).first.click()
    give_reason(page, page.locator("#reason option").nth(1).get_attribute("value") or "")
    page.locator("main").get_by_role("button", name="Acknowledge").click()
    expect(page.locator("main [role=status]")).to_be_visible()
    expect(page.locator("main dl").first).to_contain_text("in hand")
    assert page.locator("main form").count() == 0


@in_both
def test_personal_data_is_shown_and_hidden(desk: Desk, shown: Shown, language: str) -> None:
    """Masked; shown after a reason; hidden again at once."""
    page = desk(OPERATOR, language)
    go(page, shown, f"/cases/{shown.references['dead']}")
    masked = page.locator("#content .masked").count()
    assert masked > 0
    page.locator("#content details summary").click()
    page.select_option("#reveal-reason", index=1)
    page.fill("#reveal-words", "Ticket 4711.")
    page.locator("#content details form button").click()
    expect(page.locator("#content .note-wait")).to_be_visible()
    assert page.locator("#content .masked").count() == 0
    assert "Barzani" not in page.url
    page.locator("#content .note-wait form button").click()
    expect(page.locator("#content .masked")).to_have_count(masked)
