"""Time limits, balance, quotas, ledger and rules over real HTTP: what is shown, who may change what."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from pathlib import Path

import aiohttp
import pytest

from contracts.codes import CaseKind
from gateway.core.records import MessageRecord
from gateway.core.treaty.clocks import DeadlineState, NewDeadline
from gateway.core.treaty.ledger import Entry, Side
from gateway.core.treaty.quotas import QuotaKind
from gateway.core.treaty.weeks import shift, week_of
from gateway.flows.exchange import Limits
from gateway.flows.ledger import report_zone
from gateway.flows.ports import AuditFilter, MessageFilter
from tests.fixtures.console import Console, browser, log_in, page, post, running_console
from tests.fixtures.store_records import accept, new_case
from tests.fixtures.uk_gateway import simple_request

DAY = dt.timedelta(days=1)


async def _deadline(
    console: Console, clock: str, due: dt.timedelta, record: MessageRecord | None = None, *, told: int = 0
) -> None:
    """A running time limit of the failed message's case (or another), due that long from now."""
    now = console.clock.now()
    record = record or console.failed
    new = NewDeadline(
        reference=record.reference,
        clock=clock,
        message_id=record.message_id,
        zone="Europe/Paris",
        started_at=now - 3 * DAY,
        due_at=now + due,
        next_at=now + due,
    )
    async with console.store.begin() as tx:
        await tx.start_deadline(new)
    if told:
        async with console.store.begin() as tx:
            for row in await tx.case_deadlines(record.reference):
                if row.clock == clock:
                    state = DeadlineState.BREACHED if due < dt.timedelta() else DeadlineState.OPEN
                    values = {name: getattr(row, name) for name in row.__dataclass_fields__}
                    await tx.told_deadline(type(row)(**{**values, "state": state, "warnings": told}))


def _names(text: str) -> list[str]:
    """Names of the time limits of the table, in its order."""
    table = text[text.index("<tbody>") :] if "<tbody>" in text else ""
    found = re.findall(r'<th scope="row"><a href="/console/messages/[^"]+">([^<]+)</a>', table)
    return [html.unescape(name) for name in found]


async def test_time_limits_come_in_order_with_what_remains(console: Console) -> None:
    """The next one due first, whose it is, the article, how long it still runs, what is not verified."""
    await _deadline(console, "acknowledgement_france", 2 * DAY)
    await _deadline(console, "answer", dt.timedelta(hours=5))
    async with browser() as session:
        await log_in(session, console, name="viewer")
        text = await page(session, console, "/console/deadlines")
    assert _names(text) == [
        "France's answer to a readmission request",
        "France's acknowledgement of a message",
    ]
    assert re.search(r"in 4\xa0h 59\xa0min|in 5\xa0h", text)
    assert "tag-unverified" in text
    assert f'href="/console/cases/{console.failed.reference}"' in text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("clock=answer", 1),
        ("owed_by=fr", 2),
        ("owed_by=uk", 1),
        ("told=1", 1),
        ("which=told", 1),
        ("which=all", 3),
        ("state=breached", 1),
        ("state=met", 0),
        ("to={today}", 1),
        ("from={tomorrow}", 2),
        ("reference=GB01-000000000000", 0),
    ],
)
async def test_each_filter_of_time_limits_narrows(console: Console, query: str, count: int) -> None:
    """State, clock, who owes it, days, what was told: each leaves the rows that it names."""
    await _deadline(console, "answer", 10 * DAY)
    await _deadline(console, "acknowledgement_france", 5 * DAY)
    await _deadline(console, "acknowledgement_uk", -3 * DAY, told=1)
    today = console.clock.now().date()
    query = query.format(today=today, tomorrow=today + DAY)
    async with browser() as session:
        await log_in(session, console, name="viewer")
        text = await page(session, console, f"/console/deadlines?{query}")
    assert len(_names(text)) == count


async def test_time_limits_page_with_a_cursor(console: Console) -> None:
    """What does not fit on a page is behind a link, and no row is lost or shown twice."""
    seen: list[str] = []
    async with console.store.begin() as tx:
        records = [await accept(tx, new_case()) for _ in range(60)]
    for number, record in enumerate(records):
        await _deadline(console, "answer", number * DAY, record)
    async with browser() as session:
        await log_in(session, console, name="viewer")
        path: str | None = "/console/deadlines"
        while path:
            text = await page(session, console, path)
            seen += re.findall(r'<th scope="row"><a href="/console/messages/([^"]+)">', text)
            following = re.search(r'href="(/console/deadlines\?cursor=[^"]+)">Due later', text)
            path = following.group(1).replace("&amp;", "&") if following else None
    assert seen == [record.message_id for record in records]


@pytest.mark.parametrize("query", ["state=x", "clock=x", "owed_by=x", "from=monday", "which=x", "cursor=x"])
async def test_wrong_filters_of_time_limits_are_told(console: Console, query: str) -> None:
    """A filter that has no such value is an error, not an empty list."""
    async with browser() as session:
        await log_in(session, console, name="viewer")
        await page(session, console, f"/console/deadlines?{query}", status=400)


# ---- balance ------------------------------------------------------------------------------------


async def _book(console: Console, side: Side, persons: int, *, weeks_ago: int = 0) -> int:
    """An entry of readmitted or admitted persons; returns its id."""
    at = console.clock.now() - weeks_ago * 7 * DAY
    kind = CaseKind.READMISSION if side is Side.READMITTED else CaseKind.NOMINATION
    async with console.store.begin() as tx:
        record = await accept(tx, new_case(kind=kind))
        entry = Entry(
            side=side,
            persons=persons,
            event_at=at,
            week=week_of(at, report_zone(console.exchange.agreement)),
            reference=record.reference,
            message_id=record.message_id,
        )
        return await tx.add_entry(entry, at=at)


async def test_the_balance_is_said_in_words_of_both_sides(console: Console) -> None:
    """Who is ahead and by how many, in English and in French; level is level."""
    async with browser() as session:
        await log_in(session, console, name="viewer")
        level = await page(session, console, "/console/balance?lang=en")
        await _book(console, Side.READMITTED, 5)
        await _book(console, Side.ADMITTED, 2)
        english = await page(session, console, "/console/balance?lang=en")
        french = await page(session, console, "/console/balance?lang=fr")
        await _book(console, Side.ADMITTED, 4)
        other = await page(session, console, "/console/balance?lang=en")
    assert "France has taken back as many persons as the United Kingdom has admitted." in level
    assert "France has taken back 3 persons more than the United Kingdom has admitted." in english
    assert "La France a réadmis 3 personnes de plus que le Royaume-Uni n’en a admis." in french
    assert "The United Kingdom has admitted 1 person more than France has taken back." in other


async def test_the_drawing_has_a_table_behind_it(console: Console) -> None:
    """Title, description and names at the lines; each week of the drawing is a row that leads to entries."""
    await _book(console, Side.READMITTED, 3, weeks_ago=2)
    await _book(console, Side.ADMITTED, 1)
    week = week_of(console.clock.now(), report_zone(console.exchange.agreement))
    async with browser() as session:
        await log_in(session, console, name="viewer")
        text = await page(session, console, "/console/balance")
    for ident in ("balance", "balance-narrow"):
        assert f'aria-labelledby="{ident}-title {ident}-desc"' in text
    assert re.search(r">Returned 3</text>", text)
    assert re.search(r">Admitted 1</text>", text)
    for back in (0, 1, 2):
        assert f'href="/console/balance/ledger?week={shift(week, -back)}"' in text
    assert " style=" not in text


async def test_a_crossed_threshold_is_a_word_and_a_line(console: Console) -> None:
    """Above the warning threshold the page says so, and the drawing has the threshold."""
    await _book(console, Side.READMITTED, console.exchange.agreement.balance.warn_difference)
    async with browser() as session:
        await log_in(session, console, name="viewer")
        text = await page(session, console, "/console/balance")
    assert "above the warning threshold" in text
    assert 'class="limit"' in text


async def test_weekly_report_as_page_and_files(console: Console) -> None:
    """The week picker leads to a page in the reader's language and to files in both."""
    await _book(console, Side.READMITTED, 4)
    week = week_of(console.clock.now(), report_zone(console.exchange.agreement))
    async with browser() as session:
        await log_in(session, console, name="viewer")
        text = await page(session, console, f"/console/balance/weekly?week={week}&lang=fr")
        assert "Chiffres hebdomadaires pour le comité conjoint" in text
        files = re.findall(rf'href="(/console/balance/weekly/{week}\.(?:en|fr)\.(?:csv|json|html))"', text)
        assert len(set(files)) == 6
        contents = {path: await page(session, console, path) for path in files}
        report = json.loads(contents[f"/console/balance/weekly/{week}.en.json"])
        assert (report["week"], report["returned"]) == (week, 4)
        assert contents[f"/console/balance/weekly/{week}.fr.csv"].startswith("Semaine,")
        assert contents[f"/console/balance/weekly/{week}.en.csv"].startswith("Week,")
        async with session.get(f"{console.base}/console/balance/weekly/{week}.fr.html") as answer:
            assert answer.headers["Content-Disposition"].startswith("attachment")
        await page(session, console, f"/console/balance/weekly/{week}.de.csv", status=404)
        await page(session, console, "/console/balance/weekly?week=2099-W01", status=400)


# ---- quotas -------------------------------------------------------------------------------------

QUOTA = "/console/balance/quotas/readmissions"
CHANGE = {"persons": "60", "reason": "agreed", "words": "letter of Monday"}


async def test_a_supervisor_raises_a_quota(console: Console) -> None:
    """Preview first, then a reason; afterwards the history and the audit log say who, what and why."""
    async with browser() as session:
        await log_in(session, console, name="supervisor")
        preview = await page(session, console, f"{QUOTA}/change?persons=60&from_week=")
        assert "Nothing is changed yet" in preview
        assert "60 persons a week" in preview
        async with console.store.begin(read_only=True) as tx:
            assert await tx.quota_changes() == ()
        where, text = await post(session, console, f"{QUOTA}/change", CHANGE)
    assert where == f"{QUOTA}?done=changed"
    assert "The quota is changed." in text
    assert "Agreed by both sides: letter of Monday" in text
    async with console.store.begin(read_only=True) as tx:
        (change,) = await tx.quota_changes()
    assert (change.kind, change.persons, change.actor) == (QuotaKind.READMISSIONS, 60, "operator:supervisor")


@pytest.mark.parametrize("name", ["viewer", "operator", "auditor", "administrator", "quotas"])
async def test_nobody_else_changes_quotas(console: Console, name: str) -> None:
    """Other roles see the history; neither preview nor form is theirs."""
    async with browser() as session:
        await log_in(session, console, name=name)
        text = await page(session, console, QUOTA)
        assert "A supervisor changes quotas." in text
        await page(session, console, f"{QUOTA}/change?persons=60", status=403)
        await post(session, console, f"{QUOTA}/change", CHANGE, status=403)
    async with console.store.begin(read_only=True) as tx:
        assert await tx.quota_changes() == ()


@pytest.mark.parametrize(
    "fields",
    [
        {**CHANGE, "persons": "many"},
        {**CHANGE, "persons": "-1"},
        {**CHANGE, "reason": ""},
        {**CHANGE, "reason": "other", "words": " "},
        {**CHANGE, "from_week": "2020-W01"},
        {**CHANGE, "from_week": "next"},
    ],
)
async def test_a_wrong_change_of_a_quota_changes_nothing(console: Console, fields: dict[str, str]) -> None:
    """No number, no reason, a week that is over: refused, and the quota stays."""
    async with browser() as session:
        await log_in(session, console, name="supervisor")
        await post(session, console, f"{QUOTA}/change", fields, status=400)
    async with console.store.begin(read_only=True) as tx:
        assert await tx.quota_changes() == ()


async def test_a_form_without_its_token_is_refused(console: Console) -> None:
    """Another site cannot change a quota with somebody's session."""
    async with browser() as session:
        await log_in(session, console, name="supervisor")
        async with session.post(f"{console.base}{QUOTA}/change", data=CHANGE) as answer:
            assert answer.status == 403
    async with console.store.begin(read_only=True) as tx:
        assert await tx.quota_changes() == ()


# ---- ledger -------------------------------------------------------------------------------------


async def _second_supervisor(console: Console) -> None:
    async with console.store.begin() as tx:
        first = await tx.user_named("supervisor")
        assert first is not None
        values = {name: getattr(first, name) for name in first.__dataclass_fields__}
        changed = {"user_id": console.clock.new_id(), "name": "second", "display_name": "second"}
        await tx.add_user(type(first)(**{**values, **changed}))


async def test_a_correction_needs_two_persons(console: Console) -> None:
    """The first proposes, cannot confirm alone; the second finds the proposal, sees its effect and books."""
    number = await _book(console, Side.READMITTED, 5)
    await _second_supervisor(console)
    entry = f"/console/balance/ledger/{number}"
    wanted = {"happened": "yes", "persons": "3", "reason": "report_wrong", "words": ""}
    async with browser() as first:
        await log_in(first, console, name="supervisor")
        preview = await page(first, console, f"{entry}/correct?happened=yes&persons=3")
        assert "Propose the correction" in preview
        where, text = await post(first, console, f"{entry}/correct", wanted)
        assert where == f"{entry}?done=proposed"
        assert "You proposed it; somebody else confirms it." in text
        await post(first, console, f"{entry}/correct", wanted, status=409)
    async with browser() as second:
        await log_in(second, console, name="second")
        assert "Look at it and confirm" in await page(second, console, entry)
        preview = await page(second, console, f"{entry}/correct?happened=yes&persons=3")
        assert "Book the correction" in preview
        where, text = await post(second, console, f"{entry}/correct", wanted)
        assert where == f"{entry}?done=booked"
        assert "not counting any more" in text
        assert "France has taken back 3 persons more" in await page(second, console, "/console/balance")


async def test_an_event_that_did_not_happen_is_taken_back(console: Console) -> None:
    """The counter-entry alone: the preview shows the difference before and after."""
    number = await _book(console, Side.ADMITTED, 2)
    async with browser() as session:
        await log_in(session, console, name="supervisor")
        text = await page(session, console, f"/console/balance/ledger/{number}/correct?happened=no")
    assert "counters entry" in text
    assert "stands instead" not in text
    assert re.search(r"Difference now</dt><dd>\N{MINUS SIGN}2", text)
    assert re.search(r"Difference then</dt><dd><strong>0", text)


async def test_the_ledger_lists_entries_and_says_what_they_are(console: Console) -> None:
    """All entries, those of one week, none; only supervisors are offered a correction."""
    number = await _book(console, Side.READMITTED, 5, weeks_ago=3)
    zone = report_zone(console.exchange.agreement)
    week = week_of(console.clock.now() - 21 * DAY, zone)
    async with browser() as session:
        await log_in(session, console, name="operator")
        link = f'href="/console/balance/ledger/{number}"'
        assert link in await page(session, console, "/console/balance/ledger")
        assert link in await page(session, console, f"/console/balance/ledger?week={week}")
        empty = await page(session, console, f"/console/balance/ledger?week={shift(week, 1)}")
        assert "Nobody was returned or admitted in that week." in empty
        assert "Correct it" not in await page(session, console, f"/console/balance/ledger/{number}")
        await page(session, console, f"/console/balance/ledger/{number}/correct?happened=no", status=403)
        await page(session, console, "/console/balance/ledger/999", status=404)
        await page(session, console, "/console/balance/ledger?week=2026", status=400)


# ---- rules --------------------------------------------------------------------------------------


async def test_rules_are_listed_explained_and_filtered(console: Console) -> None:
    """Effect, article, both texts, settings with their values, the label where something is unverified."""
    async with browser() as session:
        await log_in(session, console, name="viewer")
        every = await page(session, console, "/console/rules")
        some = await page(session, console, "/console/rules?severity=hold&place=row+9")
        one = await page(session, console, "/console/rules/quota.readmissions")
        french = await page(session, console, "/console/rules/quota.readmissions?lang=fr")
        unverified = await page(session, console, "/console/rules?unverified=1&lang=en")
        await page(session, console, "/console/rules/no.such", status=404)
        await page(session, console, "/console/rules?severity=x", status=400)
    assert every.count("/console/rules/row9") > 1
    assert "row9.near_match" in some
    assert "general.sender" not in some
    assert "quotas.readmissions" in one
    assert "This week&#39;s readmissions are used up" in one
    assert "non vérifié" in french
    assert unverified.count("<tr>") - 1 == unverified.count("tag-unverified")


TRY = "/console/rules/try"


async def _tried(session: aiohttp.ClientSession, console: Console, document: str, **more: str) -> str:
    _, text = await post(session, console, TRY, {"document": document, **more})
    return text


async def test_a_pasted_document_is_judged_and_forgotten(console: Console) -> None:
    """Allowed, refused with the rule and its place, unreadable; nothing is stored and nothing audited."""
    good = simple_request()
    bad = {**good, "arrival": {**good["arrival"], "at": "2020-01-01T00:00:00Z"}}
    async with browser() as session:
        await log_in(session, console, name="viewer")
        before = await _written(console)
        text = await _tried(session, console, json.dumps(good))
        assert re.search(r"Allowed: the gateway|Held: it would|Refused: the gateway", text)
        refused = await _tried(session, console, json.dumps(bad))
        assert "Refused: the gateway would not take it." in refused
        assert "Findings" in refused
        assert await _written(console) == before
        for nonsense in ("", "hello", "[1]", '{"type": "Nope"}'):
            assert re.search("tag-bad|note-bad", await _tried(session, console, nonsense))
        await post(session, console, TRY, {"document": json.dumps(good), "reference": "GB01-0"}, status=400)
        assert await _written(console) == before


async def _written(console: Console) -> tuple[int, int]:
    """(newest message, newest audit entry)."""
    async with console.store.begin(read_only=True) as tx:
        messages = await tx.list_messages(MessageFilter(), limit=1)
        entries = await tx.find_audit(AuditFilter(), limit=1)
    return messages.items[0].sequence, entries.items[0].sequence


async def test_a_document_too_large_is_refused_as_a_page(tmp_path: Path) -> None:
    """The limit is that of the API, however long the form makes it; more is 413 with an explanation, and no
    other form takes as much."""
    most = 100_000
    limits = {"limits": Limits(message_bytes=most)}
    async with running_console(tmp_path, exchange=limits) as console, browser() as session:
        await log_in(session, console, name="supervisor")
        await _tried(session, console, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 40_000)
        await post(session, console, TRY, {"document": "x" * (most + 1)}, status=413)
        _, text = await post(session, console, TRY, {"document": "x" * (4 * most + 1)}, status=413)
        assert "<h1>" in text
        await post(session, console, f"{QUOTA}/change", {"words": "x" * most}, status=413)


async def test_what_is_pasted_is_shown_as_text(console: Console) -> None:
    """Markup in a document stays text on the page that answers."""
    async with browser() as session:
        await log_in(session, console, name="viewer")
        text = await _tried(session, console, "</textarea><script>alert(1)</script>")
    assert "<script>alert" not in text
