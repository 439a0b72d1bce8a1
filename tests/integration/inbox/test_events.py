"""Facts reach the inbox once each, beside the messages of France, and are acknowledged like those."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
import time
from typing import Any

import pytest

from gateway.core.treaty.quotas import QuotaKind
from gateway.flows import holds, quotas
from gateway.flows.deadlines import sweep
from gateway.flows.events import EventType, Fact, tell
from gateway.flows.ledger import correct_entry
from gateway.flows.returned import import_returned
from gateway.uk_client import Refused, UkClient
from gateway.web.rest.read import _read_cursor, _write_cursor
from tests.fixtures.nominees import person
from tests.fixtures.uk_gateway import ISSUER, Gateway
from tests.integration.balance.steps import open_request, outcome_entries, queued, transferred
from tests.integration.holds import steps as s

DAY = dt.timedelta(days=1)
Json = dict[str, Any]


async def events(client: UkClient, kind: str | None = None) -> list[Json]:
    """What waits in the inbox, as a client sees it; of one kind, or all."""
    page = await client.inbox()
    found: list[Json] = page["events"]
    return [e for e in found if kind is None or e["type"] == f"passerelle.{kind}.v1"]


async def sweep_all(gateway: Gateway) -> None:
    while await sweep(gateway.exchange):
        pass


async def audited(gateway: Gateway, action: str) -> int:
    async with gateway.exchange.store.begin(read_only=True) as tx:
        return sum(entry.action == action for entry in await tx.audit_entries(limit=5000))


# ---- what is told -------------------------------------------------------------------------------


async def test_a_deadline_is_told_when_it_comes_near_and_when_it_passes(
    gateway: Gateway, client: UkClient
) -> None:
    """Warning and breach, each once, with case, message, clock and a link that answers."""
    await open_request(client)
    waiting = await open_request(client)  # the quota is full: its 14 days run all the same
    gateway.clock.skip(20 * DAY)
    for _ in range(3):
        await sweep_all(gateway)
    told = [e for e in await events(client, "deadline.breached") if e["reference"] == waiting["reference"]]
    assert [e["data"]["clock"] for e in told] == ["request"]
    (event,) = told
    assert event["message_id"] == waiting["message_id"]
    assert event["data"]["owed_by"] == "uk"
    assert event["link"] == f"{ISSUER}/v1/deadlines?reference={waiting['reference']}"
    rows = (await client.get(event["link"].removeprefix(ISSUER))).json()["items"]
    assert event["data"]["deadline_id"] in {row["deadline_id"] for row in rows}
    assert len({e["id"] for e in await events(client)}) == len(await events(client))


async def test_what_waited_for_a_quota_and_is_refused_is_told(gateway: Gateway, client: UkClient) -> None:
    """Its 14 days passed while it waited: one event with the rule, in the transaction that refused it."""
    await open_request(client)
    waiting = await open_request(client)
    gateway.clock.skip(20 * DAY)
    await quotas.release_waiting(gateway.exchange)
    await quotas.release_waiting(gateway.exchange)
    (event,) = await events(client, "message.refused")
    assert event["message_id"] == waiting["message_id"]
    assert event["data"] == {
        "code": "art8.request_in_time",
        "waited_for": QuotaKind.READMISSIONS.quota_code,
        "message_type": "ReadmissionRequest",
    }
    assert event["link"] == f"{ISSUER}/v1/messages/{waiting['message_id']}"


async def test_what_an_operator_refuses_is_told(gateway: Gateway, client: UkClient) -> None:
    """One event with the code of the hold; a dry run of the decision tells nobody."""
    await s.return_(gateway, client, person("Warsame", "Liibaan", "2005-12-29", number="P57126116"))
    held = await s.held(client, person("Warsame", "Liban", "2005-12-29", number="X1231231"))
    await holds.refuse(gateway.exchange, held, by=s.NADIA, reason=s.WHY, dry_run=True)
    assert await events(client, "message.refused") == []
    await holds.refuse(gateway.exchange, held, by=s.NADIA, reason=s.WHY)
    (event,) = await events(client, "message.refused")
    assert (event["message_id"], event["data"]["code"]) == (held, "row9.near_match")


async def test_a_crossed_threshold_is_told_both_ways(gateway: Gateway, client: UkClient) -> None:
    """Two persons more on one side cross it, a correction crosses back: two events, two webhooks."""
    await quotas.set_quota(gateway.exchange, QuotaKind.READMISSIONS, 9, actor="operator:x", reason="room")
    for _ in range(2):
        await transferred(gateway, client, (await open_request(client))["reference"])
    (event,) = await events(client, "balance.threshold")
    assert event["data"] == {"state": "warn", "before": "level", "difference": 2}
    assert event["link"] == f"{ISSUER}/v1/balance"
    entry = (await outcome_entries(gateway))[-1]
    for actor in ("operator:one", "operator:two"):
        correction = await correct_entry(
            gateway.exchange, entry.entry_id, persons=None, actor=actor, reason="never happened"
        )
        if correction.booked:
            break
    back = (await events(client, "balance.threshold"))[-1]
    assert back["data"] == {"state": "level", "before": "warn", "difference": 1}


async def test_the_webhook_of_a_threshold_says_the_same(gateway: Gateway, client: UkClient) -> None:
    """A CloudEvent with the state and the link, for who registered ``balance.threshold``."""
    await quotas.set_quota(gateway.exchange, QuotaKind.READMISSIONS, 9, actor="operator:x", reason="room")
    for _ in range(2):
        await transferred(gateway, client, (await open_request(client))["reference"])
    async with gateway.exchange.store.begin() as tx:
        rows = await tx.claim_due(now=gateway.clock.now(), limit=200, lease=DAY)
        found = [json.loads(r.wire) for r in rows if isinstance(r.wire, bytes)]
        while rows := await tx.claim_due(now=gateway.clock.now(), limit=200, lease=DAY):
            found += [json.loads(r.wire) for r in rows if isinstance(r.wire, bytes)]
    (event,) = [e for e in found if e["type"] == "passerelle.balance.threshold.v1"]
    told = (await events(client, "balance.threshold"))[0]
    assert event["data"]["state"] == "warn"
    assert event["subject"] == told["message_id"]
    assert event["data"]["link"] == told["link"]


async def test_an_import_flags_the_nominations_that_are_open(gateway: Gateway, client: UkClient) -> None:
    """Those who were returned before go-live and are nominated already: listed, audited, told once."""
    answer = await s.nominate(client, person("Krasniqi", "Besa", "1962-04-05", number="X1231232"))
    other = await s.nominate(client, person("Diallo", "Aminata", "1999-09-09", number="B9999123"))
    assert other.status == 202
    reference = answer.json()["reference"]
    file = b"family_name,given_names,birth_date,document_number,issuing_country\nKrasniqi,Besa,1962-04-05,,\n"
    why: Json = {"actor": "test", "reason": "returned before go-live"}
    assert (await import_returned(gateway.exchange, file, **why)).flagged == (reference,)
    assert (await import_returned(gateway.exchange, file, **why)).flagged == ()
    (event,) = await events(client, "nomination.flagged")
    assert (event["reference"], event["data"]) == (reference, {"code": "row9.near_match"})
    assert event["link"] == f"{ISSUER}/v1/nominations/{reference}"
    assert await audited(gateway, "exclusion.flagged") == 1


# ---- acknowledging ------------------------------------------------------------------------------


async def _one(gateway: Gateway, client: UkClient) -> Json:
    await open_request(client)
    await open_request(client)
    gateway.clock.skip(20 * DAY)
    await quotas.release_waiting(gateway.exchange)
    (event,) = await events(client, "message.refused")
    return event


async def test_an_event_is_acknowledged_once(gateway: Gateway, client: UkClient) -> None:
    """A signed receipt, an audit entry with the digest of what was signed; then it is gone, and 409."""
    event = await _one(gateway, client)
    path = f"/v1/inbox/{event['id']}/acknowledgements"
    receipt = await client.send(path, {"status": "taken_into_account"}, key="k-1")
    again = await client.send(path, {"status": "taken_into_account"}, key="k-1")
    assert (receipt.message_id, receipt.reference, receipt.status) == (
        event["id"],
        event["reference"],
        "acknowledged",
    )
    assert again.claims == receipt.claims
    assert await events(client, "message.refused") == []
    with pytest.raises(Refused) as refused:
        await client.send(path, {"status": "taken_into_account"}, key="k-2")
    assert refused.value.status == 409
    async with gateway.exchange.store.begin(read_only=True) as tx:
        entries = await tx.audit_entries(subject=event["message_id"])
    (entry,) = [e for e in entries if e.action == "inbox.event_acknowledged"]
    assert entry.data["body_sha256"] == receipt.claims["body_sha256"]
    assert event["id"] not in await queued(gateway), "nothing of it goes to France"


async def test_an_event_of_no_case_is_acknowledged_too(gateway: Gateway, client: UkClient) -> None:
    """Its receipt has no reference; the audit entry is about the agreement."""
    async with gateway.exchange.store.begin() as tx:
        fact = Fact(
            type=EventType.PRIVACY_INCIDENT,
            name="incident_of_nobody",
            at=gateway.clock.now(),
            reference=None,
            message_id=None,
            path=None,
            data={"codes": ["privacy.agdref_number"]},
        )
        await tell(tx, gateway.exchange.listeners, fact)
    (event,) = await events(client)
    assert (event["reference"], event["message_id"], event["link"]) == (None, None, None)
    assert event["data"] == {"codes": ["privacy.agdref_number"]}
    answer = await client.post_raw(
        f"/v1/inbox/{event['id']}/acknowledgements", b'{"status": "taken_into_account"}'
    )
    assert (answer.status, answer.json()["reference"]) == (202, None)
    assert await events(client) == []


async def test_an_event_cannot_be_rejected(gateway: Gateway, client: UkClient) -> None:
    """422 at /status; it waits on. A dry run of its acknowledgement leaves it there too."""
    event = await _one(gateway, client)
    path = f"/v1/inbox/{event['id']}/acknowledgements"
    with pytest.raises(Refused) as refused:
        await client.send(path, {"status": "rejected", "code": "not_readable"})
    assert (refused.value.status, refused.value.problem["errors"][0]["pointer"]) == (422, "/status")
    tried = await client.post_raw(f"{path}?dry_run=true", b'{"status": "taken_into_account"}')
    assert (tried.status, tried.json()["verdict"]) == (200, "allowed")
    assert len(await events(client, "message.refused")) == 1


async def test_acknowledging_needs_its_scope(gateway: Gateway, client: UkClient) -> None:
    """A client that may only read the inbox takes nothing off it."""
    event = await _one(gateway, client)
    async with gateway.client(scope="inbox.read") as reader:
        answer = await reader.post_raw(
            f"/v1/inbox/{event['id']}/acknowledgements", b'{"status": "taken_into_account"}'
        )
    assert answer.status == 403
    assert len(await events(client, "message.refused")) == 1


# ---- reading ------------------------------------------------------------------------------------


async def test_reading_on_passes_messages_and_events_apart(gateway: Gateway, client: UkClient) -> None:
    """The cursor stands behind both lists; a cursor of an earlier version begins the events anew."""
    await _one(gateway, client)
    first = await client.inbox()
    assert first["events"]
    then = await client.inbox(cursor=first["next_cursor"])
    assert (then["items"], then["events"], then["next_cursor"]) == ([], [], first["next_cursor"])
    message, event = _read_cursor(first["next_cursor"])
    assert first["next_cursor"] == _write_cursor(message, event)
    earlier = base64.urlsafe_b64encode(f"inbox:{message}".encode()).rstrip(b"=").decode()
    assert (await client.inbox(cursor=earlier))["events"] == first["events"]


async def test_the_limit_counts_for_the_events_too(gateway: Gateway, client: UkClient) -> None:
    """A page of one; reading on gives the rest, in order, none twice."""
    await open_request(client)
    for _ in range(3):
        await open_request(client)
    gateway.clock.skip(20 * DAY)
    await quotas.release_waiting(gateway.exchange)
    everything = [e["id"] for e in await events(client)]
    assert len(everything) == 3
    seen: list[str] = []
    cursor = ""
    while len(seen) < 3:
        after = f"&cursor={cursor}" if cursor else ""
        page = (await client.get(f"/v1/inbox?limit=1{after}")).json()
        assert len(page["events"]) == 1
        seen += [e["id"] for e in page["events"]]
        cursor = page["next_cursor"]
    assert seen == everything


async def test_waiting_ends_when_an_event_comes(gateway: Gateway, client: UkClient) -> None:
    """A long poll on an empty inbox answers as soon as something is told, not when its time is over."""
    await open_request(client)
    await open_request(client)
    gateway.clock.skip(20 * DAY)
    waiting = asyncio.create_task(client.inbox(wait=20))
    await asyncio.sleep(0.3)
    begun = time.perf_counter()
    await quotas.release_waiting(gateway.exchange)
    page = await waiting
    assert time.perf_counter() - begun < 8
    assert [e["type"] for e in page["events"]] == ["passerelle.message.refused.v1"]
