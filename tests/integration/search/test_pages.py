"""The console's list of messages and its search for persons, over HTTP."""

from __future__ import annotations

import csv
import json
import re
from urllib.parse import unquote

from contracts.codes import Direction, MessageType
from gateway.core.records import MessageStatus
from gateway.flows.ports_search import MessageFilter
from tests.fixtures.console import NADIA, Console, browser, console, log_in, page, post
from tests.fixtures.searched import ENDPOINT, fill, matches, walk

__all__ = ["console"]
_ROW = re.compile(r'<th scope="row"><a href="/console/messages/([0-9a-f-]{36})">')


def _next(text: str, rel: str) -> str | None:
    found = re.search(rf'<a href="([^"]+)" rel="{rel}">', text)
    return None if found is None else found.group(1).replace("&amp;", "&")


async def test_the_list_goes_forth_and_back(console: Console) -> None:
    """All pages of a filter hold exactly what it means; the way back shows the same pages."""
    records = await fill(console.store, 180)
    where = MessageFilter(direction=Direction.UK_TO_FR)
    expected = [r.message_id for r in await walk(console.store, where, limit=50)]
    assert {r.message_id for r in records if matches(r, where)} <= set(expected)
    async with browser() as session:
        assert await log_in(session, console, name="viewer") == 200
        seen, path = [], "/console/messages?direction=UK_TO_FR"
        pages: list[list[str]] = []
        while path:
            text = await page(session, console, path)
            pages.append(_ROW.findall(text))
            seen += pages[-1]
            last, path = path, _next(text, "next") or ""
        assert seen == expected
        assert len(pages) > 1
        back = _next(await page(session, console, last), "prev")
        assert back is not None
        assert _ROW.findall(await page(session, console, back)) == pages[-2]


async def test_filters_of_the_address_hold(console: Console) -> None:
    """Several statuses, a text, a time in Paris: each narrows the list, and stays in the form."""
    records = await fill(console.store, 40)
    failed = {r.message_id for r in records if r.status in {MessageStatus.FAILED, MessageStatus.HELD}}
    one = records[17]
    async with browser() as session:
        await log_in(session, console, name="viewer")
        text = await page(session, console, "/console/messages?status=failed&status=held")
        assert set(_ROW.findall(text)) - {console.failed.message_id} == failed
        assert text.count(" checked>") == 2
        assert _ROW.findall(await page(session, console, f"/console/messages?q={one.message_id}")) == [
            one.message_id
        ]
        text = await page(
            session, console, f"/console/messages?q={one.reference.lower()}&from=2020-01-01&zone=Europe/Paris"
        )
        assert one.message_id in _ROW.findall(text)
        assert '<option value="Europe/Paris" selected>' in text
        none = await page(session, console, "/console/messages?to=2020-01-01")
        assert "No message matches." in none


async def test_a_filter_that_means_nothing_is_told_by_its_field(console: Console) -> None:
    """The form comes back with the value, marked, and with what is expected, in the reader's language."""
    async with browser() as session:
        await log_in(session, console, name=NADIA)
        text = await page(session, console, "/console/messages?older=yesterday", status=400)
        assert 'value="yesterday"' in text
        assert re.search(r'name="older"[^>]*aria-invalid="true"', text)
        assert "Indiquez une ancienneté" in text
        assert "Plus ancien que" in text
        await page(session, console, "/console/messages?status=lost", status=400)


async def test_a_page_without_permission_to_act_offers_no_action(console: Console) -> None:
    """Who may only look sees no boxes; who may act can hand the selection or the whole filter on."""
    await fill(console.store, 5)
    async with browser() as session:
        await log_in(session, console, name="viewer")
        assert 'name="id"' not in await page(session, console, "/console/messages")
    async with browser() as session:
        await log_in(session, console, name="operator")
        text = await page(session, console, "/console/messages?status=failed")
        assert 'name="id"' in text
        assert "/console/batches/new?action=replay&amp;status=failed" in text


async def test_filters_are_kept_per_person_and_shared_per_side(console: Console) -> None:
    """Kept in one form, shown as a link, seen by the side when shared, removed by their owner only."""
    async with browser() as session:
        await log_in(session, console, name="operator")
        form = {"query": "status=held&status=failed", "name": "Stuck", "shared": "1"}
        path, shown = await post(session, console, "/console/messages/filters", form)
        assert path == "/console/messages?status=failed&status=held&done=kept"
        assert "The filter is kept." in shown
        own = {"query": "older=4 h", "name": "Old"}
        await post(session, console, "/console/messages/filters", own)
        text = await page(session, console, "/console/messages")
        assert "status=failed&amp;status=held" in text
        assert "older=4+h" in text
        ids = re.findall(r"/console/messages/filters/([0-9a-f-]+)/remove", text)
        assert len(ids) == 2
        nothing = {"query": "", "name": "Empty"}
        await post(session, console, "/console/messages/filters", nothing, status=400)
    async with browser() as other:
        await log_in(other, console, name="supervisor")
        text = await page(other, console, "/console/messages")
        assert "Stuck" in text
        assert "older=4+h" not in text
        for filter_id in ids:
            path = f"/console/messages/filters/{filter_id}/remove"
            await post(other, console, path, {}, status=404)
    async with browser() as foreign:
        await log_in(foreign, console, name=NADIA)
        assert "Stuck" not in await page(foreign, console, "/console/messages")


async def test_the_list_is_given_out_as_a_file(console: Console) -> None:
    """CSV and JSON hold the same messages as the pages, and nothing but their records."""
    await fill(console.store, 60)
    expected = [
        r.message_id for r in await walk(console.store, MessageFilter(type=MessageType.NOMINATION), limit=500)
    ]
    async with browser() as session:
        await log_in(session, console, name="auditor")
        query = "type=Nomination"
        text = await page(session, console, f"/console/messages/export?form=csv&{query}")
        assert [row["message_id"] for row in csv.DictReader(text.splitlines())] == expected
        text = await page(session, console, f"/console/messages/export?form=json&{query}")
        rows = json.loads(text)
        assert [row["message_id"] for row in rows] == expected
        assert all(set(row) >= {"reference", "status", "received_at"} for row in rows)
        none = await page(session, console, "/console/messages/export?form=json&to=2020-01-01")
        assert json.loads(none) == []
        await page(session, console, "/console/messages/export?form=xml", status=400)


async def test_a_person_is_found_by_an_exact_identifier(console: Console) -> None:
    """POSTed, normalised, found; the audit log knows who and by which kind, and neither value nor result."""
    every = await fill(console.store, 12)
    records = [every[0], next(r for r in every if r.reference != every[0].reference)]
    async with console.store.begin() as tx:
        await tx.index_identifiers(records[0].reference, [("document", "P57126116"), ("gwf", "GWF012345678")])
        await tx.index_identifiers(
            records[1].reference, [("name_birth", "AHMED OSMAN|1990-05-14"), ("document", "P57126116")]
        )
    async with browser() as session:
        await log_in(session, console, name="operator")

        async def ask(status: int = 200, **form: str) -> str:
            path, text = await post(session, console, "/console/search", form, status=status)
            assert path == "/console/search"
            return text

        found = await ask(kind="document", value="p 571-26116")
        assert all(r.reference in found for r in records)
        assert "2 cases hold this identifier." in found
        assert "26116" not in found
        named = await ask(
            kind="name_birth", family_name="Osman", given_names="Ahmed", birth_date="1990-05-14"
        )
        assert records[1].reference in named
        assert "No case holds this identifier." in await ask(kind="uan", value="1234-5678-9012-3456")
        await ask(400, kind="name_birth", family_name="Osman", birth_date="14/05/1990")
        await ask(400, kind="document", value=" - ")
        await ask(400, kind="shoe size", value="42")
    async with console.store.begin(read_only=True) as tx:
        entries = [e for e in await tx.audit_entries(limit=500) if e.action == "person.searched"]
    assert [dict(e.data) for e in entries] == [{"kind": "document"}, {"kind": "name_birth"}, {"kind": "uan"}]
    assert {e.actor for e in entries} == {"operator:operator"}
    assert {e.subject for e in entries} == {"person"}


async def test_only_those_who_may_look_for_persons(console: Console) -> None:
    """A viewer gets neither the form nor an answer, and the value is never part of an address."""
    async with browser() as session:
        await log_in(session, console, name="viewer")
        await page(session, console, "/console/search", status=403)
        form = {"kind": "document", "value": "P57126116"}
        await post(session, console, "/console/search", form, status=403)
    async with browser() as session:
        await log_in(session, console, name="operator")
        text = await page(session, console, "/console/search?kind=document&value=P57126116")
        assert "P57126116" not in unquote(text).replace("lang=fr&amp;", "").split("<main", 1)[1]


async def test_waiting_messages_of_an_endpoint(console: Console) -> None:
    """What waits for an endpoint that is not ours is nobody's; ours is offered in the form."""
    await fill(console.store, 20)
    async with browser() as session:
        await log_in(session, console, name="viewer")
        text = await page(session, console, f"/console/messages?endpoint={ENDPOINT}")
        assert len(_ROW.findall(text)) >= 4
