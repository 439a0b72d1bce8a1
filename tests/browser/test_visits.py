"""Finding, trying, verifying; a user from first to last; what changes by itself and what another site may
not: in a real browser against the running gateway with France down.

Accounts in both languages are in ``test_users.py`` and ``test_account.py``, more of live updates in
``test_live.py``.
"""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.cli.demo.stage import OPERATOR
from gateway.flows.person_search import PersonKind
from tests.browser.desks import FRENCH, SOON, Desk, go, in_both
from tests.browser.places import ADMINISTRATOR, SECOND_PERSON
from tests.fixtures import browser as browsers
from tests.fixtures.browser import say
from tests.fixtures.shown import Shown, nomination

NEW = "kim"
OWN_PASSWORD = "quiet harbour seven lanterns"


@in_both
def test_a_person_is_found(desk: Desk, shown: Shown, language: str) -> None:
    """By name and birth date; what was typed is in no address."""
    page = desk(OPERATOR, language)
    found = page.locator("main section[role=status]")
    go(page, shown, "/search")
    page.select_option("#kind", PersonKind.NAME_BIRTH.value)
    page.fill("#family_name", "Gebru")
    page.fill("#given_names", "Amin")
    page.fill("#birth_date", "1994-05-17")
    page.locator("main").get_by_role("button", name=say("Search", language), exact=True).click()
    one = say("{n} case holds this identifier.", language).format(n=1)
    expect(found).to_contain_text(one)
    expect(page.locator("main table")).to_contain_text(shown.references["dead"])
    assert "Gebru" not in page.url
    page.fill("#birth_date", "1950-01-01")
    page.fill("#family_name", "Nobody")
    page.locator("main").get_by_role("button", name=say("Search", language), exact=True).click()
    expect(found).to_contain_text(say("No case holds this identifier.", language))


@in_both
def test_a_filter_is_kept_and_removed(desk: Desk, shown: Shown, language: str) -> None:
    """Narrowed with the form, kept under a name, opened from its link, removed."""
    page = desk(OPERATOR, language)
    name = f"Failed ones, {language}"
    go(page, shown, "/messages")
    page.select_option("#f-status", "failed")
    page.locator("main").get_by_role("button", name=say("Filter", language), exact=True).click()
    page.get_by_text(say("Keep this filter", language)).click()
    page.fill("#k-name", name)
    page.locator("main").get_by_role("button", name=say("Keep", language), exact=True).click()
    link = page.locator("main nav.pager a", has_text=name)
    expect(link).to_be_visible()
    go(page, shown, "/messages")
    link.click()
    page.wait_for_url(lambda url: parse_qs(urlsplit(url).query).get("status") == ["failed"])
    page.locator("main summary", has_text=say("Kept filters", language)).click()
    page.locator(f"main button[aria-label$='{name}']").click()
    expect(link).to_have_count(0)


# ---- partners, rules ----------------------------------------------------------------------------


@in_both
def test_the_connection_is_tested(desk: Desk, shown: Shown, language: str) -> None:
    """France is down: one step fails, and what helps stands beside it."""
    page = desk(OPERATOR, language)
    go(page, shown, "/partners")
    page.get_by_role("button", name=say("Test the connection to France", language)).click()
    says = say("Not connected: one step failed. What helps stands beside it.", language)
    expect(page.locator("main [role=status]").first).to_contain_text(says, timeout=2 * SOON)
    expect(page.locator("main section[aria-labelledby=test-result] .tag-bad")).to_have_count(1)


@in_both
def test_a_document_is_tried(desk: Desk, shown: Shown, language: str) -> None:
    """A document that is none is refused with a sentence; nothing is stored."""
    page = desk(OPERATOR, language)
    go(page, shown, "/rules/try")
    page.fill("#document", '{"type": "readmission_request"}')
    page.get_by_role("button", name=say("Judge it", language)).click()
    expect(page.locator("main [role=alert], main section.card-bad").first).to_be_visible()
    assert page.input_value("#document") == '{"type": "readmission_request"}'


@in_both
def test_the_chain_is_verified(desk: Desk, shown: Shown, language: str) -> None:
    """The button of the audit log says that the chain is whole."""
    page = desk(OPERATOR, language)
    go(page, shown, "/audit")
    page.locator("main form[action='/console/audit/verify'] button").first.click()
    page.wait_for_url("**/audit?done=*")
    expect(page.locator("main .card-good").first).to_contain_text(say("whole as far as verified", language))


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
    page = desk(FRENCH, "fr")
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
