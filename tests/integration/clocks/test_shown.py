"""Where deadlines are seen: API lists and pages, the inbox, webhooks on the wire, the command line."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
import ssl
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from contracts.uk.v1.bundle import bundled_openapi
from gateway.cli.main import app
from gateway.core.records import Channel
from gateway.core.treaty.agreement import uk_fr
from gateway.core.treaty.clocks import clocks_of
from gateway.flows.webhooks import WebhookSender, WebhookTarget, deliver_webhook
from gateway.transport.http import HttpTransport
from gateway.uk_client import Answer
from tests.fixtures.clock_life import LATE, Life
from tests.fixtures.uk_gateway import ISSUER
from tests.integration.clocks import scenarios

DOCUMENT = bundled_openapi()
CLOCKS = clocks_of(uk_fr())


def conforms(answer: Answer, schema: str) -> Any:
    """The parsed answer, judged by the OpenAPI document."""
    assert answer.status == 200, answer.json()
    judge = jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]},
        validate_formats=True,
    )
    value = answer.json()
    assert [e.message for e in judge.iter_errors(value)] == []
    return value


async def test_the_case_and_its_messages_show_their_deadlines(life: Life) -> None:
    """Both zones, both languages, who owes it, and what is not verified."""
    opened = await scenarios.requested(life)
    page = conforms(await life.client.get(f"{scenarios.R}/{opened.reference}"), "Case")
    shown = {d["clock"]: d for d in page["deadlines"]}
    assert set(shown) == {"request", "procedure", "answer", "acknowledgement_france"}
    assert [d["due_at"] for d in page["deadlines"]] == sorted(d["due_at"] for d in page["deadlines"])
    answer = shown["answer"]
    assert [entry["zone"] for entry in answer["local"]] == ["Europe/London", "Europe/Paris"]
    moments = {dt.datetime.fromisoformat(entry["due_at"]) for entry in answer["local"]}
    assert moments == {dt.datetime.fromisoformat(answer["due_at"])}
    assert answer["local"][1]["due_at"].startswith(f"{answer['due_on']}T23:59:59.999")
    assert (answer["owed_by"], answer["unverified"], answer["effect"]) == ("fr", None, "escalate")
    assert set(shown["acknowledgement_france"]["unverified"]) == {"en", "fr"}
    detail = conforms(await life.client.get(f"/v1/messages/{opened.message_id}"), "MessageDetail")
    assert {d["clock"] for d in detail["deadlines"]} == set(shown)


async def test_the_list_filters_and_pages(life: Life) -> None:
    """By state, end, case and clock; the earliest first; every row once over the pages."""
    opened = await scenarios.requested(life)
    await scenarios.nominated(life)
    everything = conforms(await life.client.get("/v1/deadlines"), "DeadlinePage")["items"]
    assert [d["due_at"] for d in everything] == sorted(d["due_at"] for d in everything)
    paged, cursor = [], ""
    while True:
        page = conforms(await life.client.get(f"/v1/deadlines?limit=2{cursor}"), "DeadlinePage")
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert paged == everything
    for query, wanted in (
        ("state=met", {"request"}),
        (f"reference={opened.reference}&state=open", {"procedure", "answer", "acknowledgement_france"}),
        ("clock=nomination_response", {"nomination_response"}),
        ("state=breached", set()),
    ):
        found = conforms(await life.client.get(f"/v1/deadlines?{query}"), "DeadlinePage")["items"]
        assert {d["clock"] for d in found} == wanted, query
    edge = next(d for d in everything if d["clock"] == "answer")["due_at"]
    before = (await life.client.get(f"/v1/deadlines?before={quote(edge)}")).json()["items"]
    assert before == [d for d in everything if d["due_at"] < edge]


@pytest.mark.parametrize(
    "query",
    [
        "state=late",
        "before=2026-12-01",
        "before=2026-12-01T00:00:00",
        "before=soon",
        "before=9999-12-31T23:59:59-23:59",
        "reference=GB01",
        "clock=lunch",
        "cursor=x",
        "limit=0",
        "limit=201",
        "status=open",
        "state=open&state=met",
    ],
)
async def test_a_bad_filter_is_refused(life: Life, query: str) -> None:
    """A typing error is an error, never an empty or a whole list."""
    assert (await life.client.get(f"/v1/deadlines?{query}")).status == 400


async def test_the_inbox_shows_what_needs_attention(life: Life) -> None:
    """Warned of or breached and not closed; it leaves when it is closed. Items show what they started."""
    opened = await scenarios.requested(life)
    assert conforms(await life.client.get("/v1/inbox"), "InboxPage")["deadlines"] == []
    answer = await life.row(opened.reference, "answer")
    life.wait_until(answer.due_at + LATE)
    await life.sweep()
    page = conforms(await life.client.get("/v1/inbox"), "InboxPage")
    states = {d["clock"]: d["state"] for d in page["deadlines"]}
    assert states == {"acknowledgement_france": "breached", "answer": "breached"}
    await life.come(life.decision("accepted"), opened)
    page = conforms(await life.client.get("/v1/inbox"), "InboxPage")
    assert {d["clock"] for d in page["deadlines"]} == {"acknowledgement_france"}
    (item,) = page["items"]
    assert {(d["clock"], d["state"]) for d in item["deadlines"]} == {
        ("answer", "breached"),  # which it ended, too late
        ("acknowledgement_uk", "open"),
    }


async def test_a_breach_reaches_a_target_on_the_wire(life: Life) -> None:
    """Signed as every webhook, thin: type, ids and link; the link leads to the deadline."""
    opened = await scenarios.requested(life)
    row = await life.row(opened.reference, "acknowledgement_france")
    life.wait_until(row.due_at + LATE)
    await life.sweep()
    got: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        got.append((dict(request.headers), await request.read()))
        return web.Response(status=204)

    target = web.Application()
    target.router.add_post("/in", take)
    runner = web.AppRunner(target, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/in"
    (hook,) = life.exchange.webhooks
    key = Ed25519PrivateKey.generate()
    try:
        async with HttpTransport(clock=life.ends.clock, tls=ssl.create_default_context()) as transport:
            sender = WebhookSender(
                store=life.exchange.store,
                transport=transport,
                clock=life.ends.clock,
                targets={
                    hook.webhook_id: WebhookTarget(
                        webhook_id=hook.webhook_id, client_id=hook.client_id, url=url, events=hook.events
                    )
                },
                key=key,
                issuer=ISSUER,
            )
            await _send_all(life, sender)
    finally:
        await runner.cleanup()
    events = [(headers, json.loads(body), body) for headers, body in got]
    (headers, event, body) = next(e for e in events if e[1]["type"] == "passerelle.deadline.breached.v1")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key.public_key().verify(base64.b64decode(headers["webhook-signature"].partition(",")[2]), signed)
    judge = jsonschema_rs.Draft202012Validator(
        {"$ref": "#/components/schemas/WebhookEvent", "components": DOCUMENT["components"]}
    )
    assert judge.is_valid(event)
    assert event["data"]["deadline_id"] == row.deadline_id
    assert len({e[1]["id"] for e in events}) == len(events)
    link = event["data"]["link"].removeprefix(ISSUER)
    listed = (await life.client.get(link)).json()["items"]
    assert row.deadline_id in {d["deadline_id"] for d in listed}


async def _send_all(life: Life, sender: WebhookSender) -> None:
    while True:
        async with life.exchange.store.begin() as tx:
            entries = await tx.claim_due(
                now=life.now, limit=10, lease=dt.timedelta(seconds=60), skip_channels=(Channel.AS4,)
            )
        if not entries:
            return
        for entry in entries:
            await deliver_webhook(entry, sender)


def _call(life: Life, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["-C", str(life.ends.instance.folder), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


async def test_the_command_line_lists_deadlines_and_clocks(life: Life) -> None:
    """Sorted by their end, with filters, JSON, and the label "unverified"."""
    opened = await scenarios.requested(life)
    listed = json.loads(await asyncio.to_thread(_call, life, "deadlines", "list", "--json"))
    assert [d["due_at"] for d in listed] == sorted(d["due_at"] for d in listed)
    assert {d["clock"] for d in listed} == {"request", "procedure", "answer", "acknowledgement_france"}
    few = ("--state", "open", "--reference", opened.reference, "--clock", "acknowledgement_france")
    table = await asyncio.to_thread(_call, life, "deadlines", "list", *few)
    assert "unverified" in table
    assert opened.reference in table
    assert "Art 8" not in table
    clocks = json.loads(await asyncio.to_thread(_call, life, "deadlines", "clocks", "--json"))
    assert [c["clock"] for c in clocks] == list(CLOCKS)
    assert {c["clock"] for c in clocks if c["unverified"]} == {
        c.id for c in CLOCKS.values() if c.terms.unverified
    }


async def test_an_unknown_clock_is_refused_on_the_command_line(life: Life) -> None:
    """With the command that lists them."""
    arguments = ["-C", str(life.ends.instance.folder), "deadlines", "list", "--clock", "lunch"]
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert result.exit_code == 1
    assert "passerelle deadlines clocks" in result.stderr


async def test_metrics_count_what_runs_and_what_is_late(life: Life) -> None:
    """By clock and state, for alerts of the operator's own."""
    opened = await scenarios.requested(life)
    row = await life.row(opened.reference, "acknowledgement_france")
    life.wait_until(row.due_at + LATE)
    await life.sweep()
    text = (await life.client.request("GET", "/metrics")).body.decode()
    assert 'passerelle_deadlines{clock="acknowledgement_france",state="breached"} 1.0' in text
    assert 'passerelle_deadlines{clock="answer",state="open"} 1.0' in text
    assert 'clock="request"' not in text  # met
