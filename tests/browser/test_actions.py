"""Every action of the console, driven in a real browser against the running gateway with France down.

What no other test needs is used up: the ``spare`` dead letters, two held nominations, a user made here.
The sign-in with both factors has its own tests in ``test_users.py``, live updates in ``test_live.py``; the
test of alerts needs recipients, which the demo has none of, and stands in ``test_actions_alone.py``.
"""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from gateway.cli.demo.stage import OPERATOR
from gateway.flows.person_search import PersonKind
from tests.browser.places import ADMINISTRATOR, SECOND_PERSON
from tests.fixtures import browser as browsers
from tests.fixtures.shown import Shown, nomination

FRENCH = "operatrice"
NEW = "kim"
OWN_PASSWORD = "quiet harbour seven lanterns"
SOON = 15_000
REASON = "partner_outage"
Desk = Callable[[str], Page]


@pytest.fixture(scope="module")
def windows(chromium: Browser, shown: Shown) -> Iterator[dict[str, BrowserContext]]:
    """One session per person: the French one reads French."""
    made: dict[str, BrowserContext] = {}
    yield made
    for context in made.values():
        context.close()


@pytest.fixture
def desk(windows: dict[str, BrowserContext], chromium: Browser, shown: Shown) -> Iterator[Desk]:
    """``desk(name)``: a page in front of which that person sits, signed in; closed after the test."""
    opened: list[Page] = []

    def sit(name: str) -> Page:
        if name not in windows:
            windows[name] = browsers.window(chromium)
            first = windows[name].new_page()
            language = "fr" if name == FRENCH else "en"
            browsers.sign_in(first, shown.base, name, shown.password, language)
            first.close()
        opened.append(windows[name].new_page())
        return opened[-1]

    yield sit
    for page in opened:
        page.close()


def go(page: Page, shown: Shown, path: str) -> Response:
    answer = page.goto(f"{shown.base}/console{path}")
    assert answer is not None
    assert answer.status == 200, page.inner_text("body")
    return answer


def give_reason(page: Page, code: str = REASON, words: str = "Agreed on the telephone, ticket 4711.") -> None:
    page.select_option("main form #reason", code)
    page.fill("main form #words", words)


def confirm(page: Page, button: str, code: str = REASON) -> None:
    """Reason, words and the button; it answers with a page, not with an error."""
    give_reason(page, code)
    with page.expect_navigation():
        page.locator("main").get_by_role("button", name=button, exact=True).click()
    expect(page.locator("h1")).not_to_contain_text("cannot be shown")


def done(page: Page, words: str) -> None:
    expect(page.locator("main [role=status]").first).to_contain_text(words)


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


def test_one_is_cancelled_in_french(desk: Desk, shown: Shown) -> None:
    """The same path in the other language."""
    page, message_id = desk(OPERATOR), shown.ids["spare 1"]
    go(page, shown, f"/messages/{message_id}?lang=fr")
    page.get_by_role("link", name="Annuler").first.click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    confirm(page, page.locator("main form button").inner_text(), "not_needed")
    expect(page.locator("main [role=status]")).to_contain_text("annulé")
    assert shown.status(message_id) == "cancelled"
    go(page, shown, "?lang=en")


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


def test_a_hold_is_let_go_by_two(desk: Desk, shown: Shown) -> None:
    """Each of two persons decides; after the first it still waits, and the first cannot be the second."""
    message_id = shown.ids["held, let go"]
    page = desk(OPERATOR)
    go(page, shown, "/held")
    page.locator(f"main a[href='/console/held/{message_id}']").click()
    page.get_by_role("link", name="Let it go…").click()
    confirm(page, "Let it go", "agreed")
    done(page, "Another person must agree")
    go(page, shown, f"/held/{message_id}/release")
    expect(page.locator("main .note-bad")).to_be_visible()
    assert shown.status(message_id) == "held"
    second = desk(SECOND_PERSON)
    go(second, shown, f"/held/{message_id}/release")
    confirm(second, "Let it go", "agreed")
    assert shown.status(message_id) != "held"


def test_a_hold_is_refused(desk: Desk, shown: Shown) -> None:
    """It never leaves, and the page of the message says what became of it."""
    message_id = shown.ids["held, refused"]
    page = desk(OPERATOR)
    go(page, shown, f"/held/{message_id}")
    page.get_by_role("link", name="Refuse it…").click()
    confirm(page, "Refuse it", "agreed")
    assert shown.status(message_id) in {"rejected", "cancelled"}
    assert page.url.endswith(f"/console/messages/{message_id}")


# ---- route, quota, ledger -----------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_route_is_paused_and_resumed(desk: Desk, shown: Shown, language: str) -> None:
    """From the page of partners, both ways; the cards and the message say so."""
    page = desk(OPERATOR)
    name = shown.others["endpoint"]
    go(page, shown, f"/partners?lang={language}")
    page.locator(f"main a[href$='/routes/{name}/pause']").click()
    expect(page.locator("html")).to_have_attribute("lang", language)
    confirm(page, page.locator("main form button").inner_text(), "agreed")
    done(page, {"en": "The route is paused.", "fr": "suspendu"}[language])
    go(page, shown, "/partners")
    page.locator(f"main a[href$='/routes/{name}/resume']").click()
    confirm(page, page.locator("main form button").inner_text(), "agreed")
    done(page, {"en": "The route is in use again.", "fr": "rétabli"}[language])
    go(page, shown, "/partners?lang=en")
    assert page.locator(f"main a[href$='/routes/{name}/pause']").count() == 1


def test_a_quota_is_changed(desk: Desk, shown: Shown) -> None:
    """Number, dry run, reason; the new number and its reason stand in the history."""
    page = desk(OPERATOR)
    go(page, shown, "/balance")
    page.locator("main a[href^='/console/balance/quotas/nominations']").first.click()
    page.fill("#persons", "47")
    page.get_by_role("button", name="See what it would do").click()
    expect(page.locator("main .facts strong")).to_have_text("47 persons a week")
    confirm(page, "Change the quota", "capacity")
    done(page, "The quota is changed.")
    row = page.locator("main table tbody tr").first
    expect(row).to_contain_text("47")
    expect(row).to_contain_text("ticket 4711")


def test_an_entry_is_corrected_by_two(desk: Desk, shown: Shown) -> None:
    """One proposes, another books exactly the same."""
    entry = shown.command("ledger", "list")[-1]["entry"]
    page = desk(OPERATOR)
    go(page, shown, f"/balance/ledger/{entry}")
    page.check("#happened-no")
    page.get_by_role("button", name="See what it would do").click()
    confirm(page, "Propose the correction", "did_not_happen")
    done(page, "The correction is proposed.")
    expect(page.locator("main")).to_contain_text("You proposed it; somebody else confirms it.")
    second = desk(SECOND_PERSON)
    go(second, shown, f"/balance/ledger/{entry}")
    second.get_by_role("button", name="Look at it and confirm").click()
    confirm(second, "Book the correction", "did_not_happen")
    done(second, "The correction is booked.")
    expect(second.locator("h1")).to_contain_text("not counting any more")


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


@pytest.mark.parametrize("language", ["en", "fr"])
def test_personal_data_is_shown_and_hidden(desk: Desk, shown: Shown, language: str) -> None:
    """Masked; shown after a reason; hidden again at once."""
    page = desk(OPERATOR)
    go(page, shown, f"/cases/{shown.references['dead']}?lang={language}")
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
    go(page, shown, "?lang=en")


def test_a_person_is_found(desk: Desk, shown: Shown) -> None:
    """By name and birth date; what was typed is in no address."""
    page = desk(OPERATOR)
    go(page, shown, "/search")
    page.select_option("#kind", PersonKind.NAME_BIRTH.value)
    page.fill("#family_name", "Gebru")
    page.fill("#given_names", "Amin")
    page.fill("#birth_date", "1994-05-17")
    page.locator("main").get_by_role("button", name="Search").click()
    expect(page.locator("main section[role=status]")).to_contain_text("1 case holds this identifier.")
    expect(page.locator("main table")).to_contain_text(shown.references["dead"])
    assert "Gebru" not in page.url
    page.fill("#birth_date", "1950-01-01")
    page.fill("#family_name", "Nobody")
    page.locator("main").get_by_role("button", name="Search").click()
    expect(page.locator("main section[role=status]")).to_contain_text("No case holds this identifier.")


def test_a_filter_is_kept_and_removed(desk: Desk, shown: Shown) -> None:
    """Narrowed with the form, kept under a name, opened from its link, removed."""
    page = desk(OPERATOR)
    go(page, shown, "/messages")
    page.select_option("#f-status", "failed")
    page.locator("main").get_by_role("button", name="Filter").click()
    page.get_by_text("Keep this filter").click()
    page.fill("#k-name", "Failed ones")
    page.locator("main").get_by_role("button", name="Keep", exact=True).click()
    link = page.locator("main nav.pager a", has_text="Failed ones")
    expect(link).to_be_visible()
    go(page, shown, "/messages")
    link.click()
    assert parse_qs(urlsplit(page.url).query)["status"] == ["failed"]
    page.locator("main summary", has_text="Kept filters").click()
    page.get_by_role("button", name="Remove: Failed ones").click()
    expect(link).to_have_count(0)


# ---- partners, rules ----------------------------------------------------------------------------


def test_the_connection_is_tested(desk: Desk, shown: Shown) -> None:
    """France is down: one step fails, and what helps stands beside it."""
    page = desk(OPERATOR)
    go(page, shown, "/partners")
    page.get_by_role("button", name="Test the connection to France").click()
    expect(page.locator("main [role=status]").first).to_contain_text("Not connected", timeout=30_000)
    expect(page.locator("main section[aria-labelledby=test-result] .tag-bad")).to_have_count(1)


def test_a_document_is_tried(desk: Desk, shown: Shown) -> None:
    """A document that is none is refused with a sentence; nothing is stored."""
    page = desk(OPERATOR)
    go(page, shown, "/rules/try")
    page.fill("#document", '{"type": "readmission_request"}')
    page.get_by_role("button", name="Judge it").click()
    expect(page.locator("main [role=alert], main section.card-bad").first).to_be_visible()
    assert page.input_value("#document") == '{"type": "readmission_request"}'


def test_the_chain_is_verified(desk: Desk, shown: Shown) -> None:
    """The button of the audit log says that the chain is whole."""
    page = desk(OPERATOR)
    go(page, shown, "/audit")
    page.locator("main form[action='/console/audit/verify'] button").first.click()
    page.wait_for_url("**/audit?done=*")
    expect(page.locator("main .card-good").first).to_contain_text("whole as far as verified")


# ---- people -------------------------------------------------------------------------------------


def test_a_user_from_first_to_last(desk: Desk, shown: Shown, chromium: Browser) -> None:
    """Added; chooses a password; enrols a second factor; signs in with a code; changes language and password;
    is changed, unlocked, reset, disabled and enabled by the administrator."""
    root = desk(ADMINISTRATOR)
    go(root, shown, "/users/new")
    root.fill("#name", NEW)
    root.check("#role-viewer")
    root.locator("main form button").click()
    first = root.locator("dd code").inner_text()

    context = browsers.window(chromium, scripts=False)  # every step works without scripts
    page = context.new_page()
    _type_in(page, shown, NEW, first)
    page.fill("[name=new]", OWN_PASSWORD)
    page.fill("[name=again]", OWN_PASSWORD)
    page.locator("main form button").first.click()
    go(page, shown, "/account/second-factor")
    page.locator("main form button").click()
    secret = pyotp.TOTP(page.locator("code.key").inner_text().replace(" ", ""))
    page.fill("[name=code]", secret.now())
    page.locator("main form button").first.click()
    expect(page.locator(".codes li")).to_have_count(10)
    codes = page.locator(".codes li").all_inner_texts()
    page.locator("main a.button").click()

    page.locator(".tools form button").click()
    expect(page.locator("h1")).to_have_text("Log in")
    _type_in(page, shown, NEW, OWN_PASSWORD)
    expect(page.locator("h1")).to_have_text("Second step")
    page.fill("[name=code]", codes[0])  # the code of this half minute was used up by enrolling
    page.locator("main form button").first.click()
    expect(page.locator("h1")).to_have_text("Needs action")

    go(page, shown, "/account")
    page.select_option("#language", "fr")
    page.locator("main form button").first.click()
    expect(page.locator("h1")).to_have_text("Votre compte")
    page.fill("#old", OWN_PASSWORD)
    page.fill("#new", OWN_PASSWORD + " more")
    page.fill("#again", OWN_PASSWORD + " more")
    page.locator("main form[action$='/account/password'] button").click()
    expect(page.locator("main [role=status]")).to_be_visible()
    assert page.goto(f"{shown.base}/console/users").status == 403  # type: ignore[union-attr] # a page answers

    go(root, shown, f"/users/{NEW}")
    root.fill("#display_name", "Kim Lee")
    root.get_by_role("button", name="Save").click()
    expect(root.locator("h1")).to_contain_text("Kim Lee")
    for button in ("Remove the second factor", "Disable the account", "Enable the account"):
        root.get_by_role("button", name=button).click()
        expect(root.locator("main [role=status]")).to_be_visible()
    page.goto(f"{shown.base}/console")
    assert page.url.endswith("/console/login")
    root.get_by_role("button", name="Make a new password").click()
    assert root.locator("dd code").inner_text() != first
    context.close()


def _type_in(page: Page, shown: Shown, name: str, password: str) -> None:
    page.goto(f"{shown.base}/console/login?lang=en")
    page.fill("[name=name]", name)
    page.fill("[name=password]", password)
    page.locator("main form button").first.click()


def test_the_language_stays(desk: Desk, shown: Shown) -> None:
    """Switched once in the bar it stays on the next page; the address keeps its filter."""
    page = desk(OPERATOR)
    go(page, shown, "/messages?status=failed")
    page.get_by_role("link", name="Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    assert "status=failed" in page.url
    page.locator("nav.menu a[href='/console/held']").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_a_french_operator(desk: Desk, shown: Shown) -> None:
    """Sees French from the first page on, and does not see what France does not have yet."""
    page = desk(FRENCH)
    go(page, shown, "")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    go(page, shown, f"/cases/{shown.references['dead']}")
    assert page.locator("#content details form").count() == 0


# ---- live, and what another site may not --------------------------------------------------------


def test_a_new_message_appears_by_itself(desk: Desk, shown: Shown) -> None:
    """The list of a filter grows without a reload; what is being typed and the focus stay."""
    page = desk(OPERATOR)
    go(page, shown, "/messages")
    expect(page.locator("#live")).to_have_attribute("data-state", "on", timeout=SOON)
    page.evaluate("window.here = true")
    page.locator("main a[href^='/console/messages/']").first.focus()
    message_id = shown.send("live", "/v1/nominations", nomination(1))
    expect(page.locator(f"main a[href='/console/messages/{message_id}']").first).to_be_visible(timeout=SOON)
    assert page.evaluate("window.here === true")
    assert page.evaluate("document.activeElement.pathname.startsWith('/console/messages/')")


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[str]:
    """Another site on this machine; serves ``tmp_path``."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path))  # type: ignore[arg-type] # as the base class

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base class's name
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        yield f"http://localhost:{site.server_address[1]}"
        site.shutdown()
        thread.join()


def test_a_form_of_another_site_is_refused(desk: Desk, shown: Shown, foreign: str, tmp_path: Path) -> None:
    """The browser of a signed-in operator posts from another origin: refused, nothing is paused."""
    page = desk(OPERATOR)
    name = shown.others["endpoint"]
    (tmp_path / "index.html").write_text(
        f'<form method="post" action="{shown.base}/console/routes/{name}/pause">'
        '<input name="reason" value="agreed"><input name="once" value="1"><button>win</button></form>',
        "utf-8",
    )
    page.goto(foreign)
    with page.expect_navigation() as answer:
        page.click("button")
    assert answer.value.status in {303, 401, 403} or page.url.endswith("/console/login")
    row = next(r for r in shown.command("endpoints", "list") if r["endpoint"] == name)
    assert row["circuit"] != "paused"


def test_sign_out(desk: Desk, shown: Shown, chromium: Browser) -> None:
    """The session is over in this browser: going back shows the log-in."""
    context = browsers.window(chromium)
    page = context.new_page()
    browsers.sign_in(page, shown.base, SECOND_PERSON, shown.password)
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("h1")).to_have_text("Log in")
    page.goto(f"{shown.base}/console/messages")
    assert "/console/login" in page.url
    context.close()
