"""Partners, audit log and settings over real HTTP, with a real instance folder behind them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.clock import SystemClock
from gateway.console_wiring import system_tools
from gateway.core import breaker
from gateway.core.records import Attempt, Channel
from gateway.core.roles import Role
from gateway.flows.audit_views import chain_state
from gateway.flows.ports import AuditFilter
from gateway.instance import Instance
from gateway.settings_view import HIDDEN
from gateway.wiring import french_transport
from tests.fixtures.console import Console, browser, log_in, page, post, running_console

FRANCE = "passerelle-fr"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """As ``passerelle init`` makes it, with the certificates of a simulated ministry that does not run."""
    base = tmp_path_factory.mktemp("instance")
    result = CliRunner().invoke(app, ["init", str(base / "uk"), "--with-sandbox", str(base / "fr")])
    assert result.exit_code == 0, result.output
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = base / "uk" / "passerelle.toml"
    path.write_text(
        re.sub(
            r"(?m)^#? ?url = .*4443.*$|^#? ?url = \"https.*$",
            f'url = "https://127.0.0.1:{port}/as4"',
            path.read_text(),
            count=1,
        )
    )
    return Instance.load(base / "uk")


@pytest.fixture
async def whole(tmp_path: Path, instance: Instance) -> AsyncIterator[Console]:
    """A console that knows the instance."""
    tools = system_tools(instance, french_transport)
    async with running_console(tmp_path, settings=instance.settings, system=tools) as made:
        yield made


# ---- partners -----------------------------------------------------------------------------------


async def test_certificates_of_both_sides_with_days_left(whole: Console) -> None:
    """Each with what it is for, whole days until it ends, and a word; the first to end at the top."""
    async with browser() as session:
        await log_in(session, whole, name="viewer")
        english = await page(session, whole, "/console/partners?lang=en")
        french = await page(session, whole, "/console/partners?lang=fr")
    days = [int(found.replace(",", "")) for found in re.findall(r'<td class="num">([\d,]+)</td>', english)]
    assert len(days) >= 6
    assert days == sorted(days)
    for words in ("signs messages and receipts", "is encrypted to", "shows who the server is", ">valid<"):
        assert words in english
    assert "signe les messages et les accusés" in french


@pytest.mark.parametrize(
    ("left", "words"),
    [(59, "under 60 days"), (29, "under 30 days"), (6, "ending soon"), (-1, ">expired<")],
)
async def test_a_certificate_that_ends_says_how_soon(
    tmp_path: Path, instance: Instance, left: int, words: str
) -> None:
    """The thresholds of the alerts: 60, 30, 7 and 1 days; then expired."""
    ends = instance.keyring.as4_sign.certificate.not_valid_after_utc

    class Later(SystemClock):
        def now(self) -> dt.datetime:
            return ends - dt.timedelta(days=left, hours=-1)

    moved = dataclasses.replace(instance, clock=Later())
    tools = system_tools(moved, french_transport)
    async with running_console(tmp_path, system=tools) as console, browser() as session:
        await log_in(session, console, name="viewer")
        assert words in await page(session, console, "/console/partners")


async def test_health_of_each_endpoint(whole: Console) -> None:
    """Circuit, last success, last attempt in words, since when it fails; links to pause and resume."""
    now = whole.clock.now()
    async with whole.store.begin() as tx:
        for number, outcome in enumerate(("delivered", "delivery.timed_out"), start=1):
            await tx.add_attempt(
                Attempt(
                    message_id=whole.failed.message_id,
                    channel=Channel.AS4,
                    endpoint=FRANCE,
                    number=number,
                    started_at=now,
                    finished_at=now + dt.timedelta(minutes=number),
                    outcome=outcome,
                    http_status=None,
                    detail="",
                )
            )
        circuit = breaker.new(FRANCE)
        for _ in range(6):
            circuit = breaker.after_failure(circuit, now)
        await tx.save_breaker(circuit)
    async with browser() as session:
        await log_in(session, whole, name="supervisor")
        text_ = await page(session, whole, "/console/partners")
        assert ">failing</span>" in text_
        assert "6 failures in a row" in text_
        assert "No answer in time" in text_
        assert (now + dt.timedelta(minutes=1)).isoformat(timespec="milliseconds") in text_
        assert f'href="/console/routes/{FRANCE}/pause"' in text_
        async with whole.store.begin() as tx:
            await tx.save_breaker(breaker.pause(circuit))
        paused = await page(session, whole, "/console/partners")
        assert f'href="/console/routes/{FRANCE}/resume"' in paused
    async with browser() as session:
        await log_in(session, whole, name="viewer")
        assert "/console/routes/" not in await page(session, whole, "/console/partners")


async def test_the_connection_test_ends_at_the_step_that_fails(whole: Console) -> None:
    """Nothing listens there: cause and cure stand beside the step, the rest was not tried, and it is kept."""
    async with browser() as session:
        await log_in(session, whole, name="operator")
        _, text_ = await post(session, whole, "/console/partners/test", {})
        assert "Not connected: one step failed." in text_
        assert re.search(r'Connection</th><td><span class="tag tag-bad">failed', text_)
        assert text_.count("not tried") == 3
        assert "refuses connections" in text_
        assert "failed (Connection)" in await page(session, whole, "/console/partners")
    async with whole.store.begin(read_only=True) as tx:
        (entry,) = (await tx.find_audit(AuditFilter(action="connection.tested"))).items
    assert (entry.actor, dict(entry.data)) == ("operator:operator", {"ok": False, "failed": "TCP"})


@pytest.mark.parametrize("name", ["viewer", "auditor", "exclusion"])
async def test_others_do_not_test_the_connection(whole: Console, name: str) -> None:
    """No button, and no way round it."""
    async with browser() as session:
        await log_in(session, whole, name=name)
        assert "/console/partners/test" not in await page(session, whole, "/console/partners")
        await post(session, whole, "/console/partners/test", {}, status=403)


async def test_without_an_instance_the_page_says_so(console: Console) -> None:
    """What is not at hand is told with the command that shows it, not left out."""
    async with browser() as session:
        await log_in(session, console, name="operator")
        assert "passerelle partner show" in await page(session, console, "/console/partners")
        assert "passerelle check" in await page(session, console, "/console/settings")
        await post(session, console, "/console/partners/test", {}, status=503)


# ---- audit log ----------------------------------------------------------------------------------


async def _entries(console: Console, count: int) -> None:
    async with console.store.begin() as tx:
        for number in range(count):
            await tx.append_audit(
                at=console.clock.now(),
                actor=f"operator:{'ab'[number % 2]}",
                action="quota.changed",
                subject=f"thing-{number % 3}",
                data={"reason": f"why {number}", "number": number},
            )


def _rows(page_: str) -> list[int]:
    return [int(found) for found in re.findall(r'<th scope="row" class="num">(\d+)</th>', page_)]


async def test_a_step_that_fails_is_told_in_french_first(whole: Console) -> None:
    """What happened and what helps in the reader's words; the test's own ones are quoted as English."""
    async with browser() as session:
        await log_in(session, whole, name="operator")
        _, text_ = await post(session, whole, "/console/partners/test?lang=fr", {})
    assert "Le serveur ne répond pas à son adresse. <strong>Demander au partenaire" in text_
    assert re.search(r'Détail technique\xa0: <q lang="en">[^<]*refuses connections', text_)


async def test_what_was_done_is_not_carried_over(console: Console) -> None:
    """Links of the page after an action ask for other pages, not for its answer again; the same page in the
    other language still tells it."""
    async with browser() as session:
        await log_in(session, console, name="auditor")
        text_ = await page(session, console, "/console/audit?actor=operator:auditor&done=verified")
    kept = [link for link in re.findall(r'href="([^"]*)"', text_) if "done=" in link]
    assert [link.partition("lang=")[1] for link in kept] == ["lang="]


async def test_the_audit_log_shows_the_newest_with_their_reasons(console: Console) -> None:
    """Newest first, page after page, each with who, what, about what and why."""
    await _entries(console, 120)
    seen: list[int] = []
    async with browser() as session:
        await log_in(session, console, name="auditor")
        path: str | None = "/console/audit?action=quota.changed"
        while path:
            text_ = await page(session, console, path)
            seen += _rows(text_)
            found = re.search(r'href="(/console/audit\?[^"]*cursor=[^"]+)">Older entries', text_)
            path = found.group(1).replace("&amp;", "&") if found else None
    assert len(seen) == 120
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("actor=operator:a", 15),
        ("subject=thing-0", 10),
        ("action=quota.changed", 30),
        ("actor=operator:a&subject=thing-0", 5),
        ("action=nothing", 0),
        ("action=quota.changed&to=2020-01-01", 0),
        ("action=quota.changed&from={today}", 30),
    ],
)
async def test_filters_of_the_audit_log(console: Console, query: str, count: int) -> None:
    """Subject, actor, action and days narrow together; an empty answer says what to do."""
    await _entries(console, 30)
    today = console.clock.now().date()
    async with browser() as session:
        await log_in(session, console, name="auditor")
        text_ = await page(session, console, f"/console/audit?{query.format(today=today)}")
    assert len(_rows(text_)) == count
    assert ("No entry matches." in text_) is (count == 0)


@pytest.mark.parametrize("name", ["viewer", "operator", "exclusion"])
async def test_who_may_not_see_the_audit_log(console: Console, name: str) -> None:
    """Neither page nor export nor verification, and no entry in the menu."""
    async with browser() as session:
        await log_in(session, console, name=name)
        await page(session, console, "/console/audit", status=403)
        await page(session, console, "/console/audit/export", status=403)
        await post(session, console, "/console/audit/verify", {}, status=403)
        assert 'href="/console/audit"' not in await page(session, console, "/console")


async def test_export_has_what_the_filters_match(console: Console) -> None:
    """JSON lines with data and hashes, in the order of the page; the export is itself audited."""
    await _entries(console, 10)
    async with browser() as session:
        await log_in(session, console, name="auditor")
        lines = await page(session, console, "/console/audit/export?actor=operator:b")
        rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["data"]["number"] for row in rows] == [9, 7, 5, 3, 1]
    assert all(len(row["hash"]) == 64 for row in rows)
    async with console.store.begin(read_only=True) as tx:
        (entry,) = (await tx.find_audit(AuditFilter(action="audit.exported"))).items
    assert (entry.actor, entry.data["actor"]) == ("operator:auditor", "operator:b")


async def test_the_chain_is_verified_in_steps_and_a_change_is_found(console: Console, tmp_path: Path) -> None:
    """First not verified, then whole up to the newest; a changed entry is named, and stays named."""
    await _entries(console, 20)
    async with browser() as session:
        await log_in(session, console, name="auditor")
        assert "not verified yet" in await page(session, console, "/console/audit")
        _, text_ = await post(session, console, "/console/audit/verify", {})
        assert "whole as far as verified" in text_
        state = await chain_state(console.store)
        assert state.checked_to == state.newest - 1
        engine = create_engine(f"sqlite:///{tmp_path}/passerelle.db")
        with engine.begin() as connection:
            connection.execute(text("UPDATE audit SET actor = 'operator:nobody' WHERE sequence = 5"))
        engine.dispose()
        _, unseen = await post(session, console, "/console/audit/verify", {})
        assert "whole as far as verified" in unseen
        _, found = await post(session, console, "/console/audit/verify", {"from": "start"})
        assert re.search(r"Breaks at entry</dt><dd>5 \(<code>hash", found)
        assert "broken" in await page(session, console, "/console/audit")


# ---- settings -----------------------------------------------------------------------------------


async def test_settings_are_shown_with_default_and_change(whole: Console, instance: Instance) -> None:
    """Every setting; what differs is marked beside its default; what the check found stands above."""
    async with browser() as session:
        await log_in(session, whole, name="operator")
        text_ = await page(session, whole, "/console/settings")
    for section in type(instance.settings).model_fields:
        assert f"[{section}]" in text_
    assert re.search(r"<code>url</code><br><span class=\"tag tag-wait\">changed", text_)
    assert "keys/as4-sign" in text_
    assert "PRIVATE KEY" not in text_


async def test_the_agreement_is_shown_with_what_is_unverified(console: Console) -> None:
    """Each item with its note in both languages, whatever the language of the page."""
    async with browser() as session:
        await log_in(session, console, name="administrator")
        text_ = await page(session, console, "/console/settings/agreement")
    for item in console.exchange.agreement.unverified:
        assert f"<code>{item.place}</code>" in text_
        assert item.note_fr.replace("'", "&#39;") in text_
        assert item.note_en.replace("'", "&#39;") in text_


async def test_settings_need_their_permission(console: Console) -> None:
    """A viewer sees neither settings nor agreement."""
    async with browser() as session:
        await log_in(session, console, name=Role.VIEWER.value)
        await page(session, console, "/console/settings", status=403)
        await page(session, console, "/console/settings/agreement", status=403)


PATHS = (
    "deadlines",
    "balance",
    "balance/weekly",
    "balance/ledger",
    "balance/quotas/nominations",
    "balance/quotas/nominations/change?persons=3",
    "rules",
    "rules/quota.readmissions",
    "rules/try",
    "partners",
    "audit",
    "settings",
    "settings/agreement",
)


@pytest.mark.parametrize("lang", ["en", "fr"])
async def test_every_page_renders_without_inline_style_or_script(whole: Console, lang: str) -> None:
    """In both languages; tables have captions, and nothing needs a style or script inside the page."""
    async with whole.store.begin() as tx:
        supervisor = await tx.user_named("supervisor")
        assert supervisor is not None
        await tx.save_user(dataclasses.replace(supervisor, roles=frozenset(Role)))
    async with browser() as session:
        await log_in(session, whole, name="supervisor")
        for path in PATHS:
            text_ = await page(session, whole, f"/console/{path}{'&' if '?' in path else '?'}lang={lang}")
            assert f'<html lang="{lang}">' in text_
            assert text_.count("<h1>") == 1
            assert " style=" not in text_
            assert "<script>" not in text_
            assert text_.count("<table>") == text_.count("<caption")
            assert HIDDEN not in text_ or "settings" in path
