"""The console over real HTTP, above a real store: log-in, pages, headers, both languages."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from gateway.core.treaty.clocks import DeadlineState, NewDeadline
from tests.fixtures.console import Console, browser, log_in, page

PATHS = ("", "/messages", "/messages/{id}", "/cases/{reference}")


@pytest.mark.parametrize("path", PATHS)
async def test_no_page_without_a_session(console: Console, path: str) -> None:
    """Every page leads to the log-in, and shows nothing before it."""
    path = path.format(id=console.failed.message_id, reference=console.failed.reference)
    async with (
        browser() as session,
        session.get(f"{console.base}/console{path}", allow_redirects=False) as answer,
    ):
        target = f"/console/login?next=/console{path}" if path else "/console/login"
        assert (answer.status, answer.headers["Location"]) == (303, target)
        assert console.failed.reference not in await answer.text()


async def test_first_page_shows_what_needs_action(console: Console) -> None:
    """A dead letter is on the first page with its code, in the operator's language."""
    async with browser() as session:
        assert await log_in(session, console) == 200
        text = await page(session, console, "/console")
    assert "À traiter" in text
    assert f"/console/messages/{console.failed.message_id}" in text
    assert "delivery.timed_out" in text


async def test_time_limits_are_shown_with_their_label(console: Console) -> None:
    """On the page of the case, and once told on the first page; what is not verified says so."""
    due = console.failed.received_at
    async with console.store.begin() as tx:
        new = NewDeadline(
            reference=console.failed.reference,
            clock="acknowledgement_france",
            message_id=console.failed.message_id,
            zone="Europe/Paris",
            started_at=due - dt.timedelta(days=2),
            due_at=due,
            next_at=due,
        )
        await tx.start_deadline(new)
    case = f"/console/cases/{console.failed.reference}"
    async with browser() as session:
        await log_in(session, console)
        assert "non vérifié" in await page(session, console, case)
        assert "unverified" in await page(session, console, f"{case}?lang=en")
        assert "unverified" not in await page(session, console, "/console?lang=en")
        async with console.store.begin() as tx:
            (row,) = await tx.due_deadlines(due, limit=1)
            await tx.told_deadline(dataclasses.replace(row, state=DeadlineState.BREACHED, next_at=None))
        first = await page(session, console, "/console?lang=en")
        assert "unverified" in first
        assert 'tag-breached">breached<' in first


async def test_language_switch_is_kept(console: Console) -> None:
    """``?lang=en`` changes the language for this and the next pages."""
    async with browser() as session:
        await log_in(session, console)
        assert '<html lang="en">' in await page(session, console, "/console?lang=en")
        assert "Who holds it now" in await page(
            session, console, f"/console/messages/{console.failed.message_id}"
        )


@pytest.mark.parametrize("lang", ["en", "fr"])
async def test_every_page_renders_in_both_languages(console: Console, lang: str) -> None:
    """No page fails, and none shows a key of the templates instead of words."""
    async with browser() as session:
        await log_in(session, console)
        for path in PATHS:
            path = path.format(id=console.failed.message_id, reference=console.failed.reference)
            text = await page(session, console, f"/console{path}?lang={lang}")
            assert f'<html lang="{lang}">' in text
            assert "<h1>" in text


async def test_security_headers(console: Console) -> None:
    """A closed policy, no caching, no framing."""
    async with browser() as session:
        await log_in(session, console)
        async with session.get(f"{console.base}/console") as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/messages/no-such", "/cases/GB01-000000000000"])
async def test_unknown_things_are_404(console: Console, path: str) -> None:
    """A wrong address says so."""
    async with browser() as session:
        await log_in(session, console)
        async with session.get(f"{console.base}/console{path}") as answer:
            assert answer.status == 404


@pytest.mark.parametrize("query", ["status=nonsense", "type=Nope", "cursor=%00broken"])
async def test_wrong_filters_are_400(console: Console, query: str) -> None:
    """A wrong filter is told, not ignored."""
    async with browser() as session:
        await log_in(session, console)
        async with session.get(f"{console.base}/console/messages?{query}") as answer:
            assert answer.status == 400


async def test_values_are_escaped(console: Console) -> None:
    """What a query holds is shown as text, never as markup."""
    async with browser() as session:
        await log_in(session, console)
        text = await page(session, console, "/console/messages?reference=%3Cb%3Ex%3C/b%3E", status=400)
    assert "<b>x</b>" not in text
    assert "&lt;b&gt;x&lt;/b&gt;" in text
