"""What plays in front of the demo share: people who sit down, pages, reasons."""

from __future__ import annotations

from typing import Final, Protocol

import pytest
from playwright.sync_api import Page, Response, expect

from tests.fixtures.shown import Shown

FRENCH: Final = "operatrice"
SOON: Final = 15_000
"""Milliseconds that something may take to appear by itself."""
REASON: Final = "partner_outage"
in_both = pytest.mark.parametrize("language", ["en", "fr"])


class Desk(Protocol):
    """Where people sit down, signed in; the fixture ``desk``."""

    def __call__(self, name: str, language: str = "en") -> Page: ...


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
