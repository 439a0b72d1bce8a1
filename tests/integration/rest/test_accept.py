"""POST to the UK API: what is accepted is stored with everything that belongs to it, once."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import io
import json
import zipfile

import pytest

from gateway.core.jws import verify_compact
from gateway.core.records import Channel, EvidenceKind, MessageStatus
from gateway.flows import operator
from gateway.uk_client import Refused, UkClient
from tests.fixtures.uk_gateway import Gateway, example_body, parts_for, simple_request

REQUESTS = "/v1/readmission-requests"
WITHDRAWAL = {"type": "Withdrawal", "reason": "litigation", "at": "2026-11-18T09:00:00Z"}
DECISION = {
    "type": "ReadmissionDecision",
    "decision": "accepted",
    "ground": None,
    "information_needed": [],
    "extended_until": None,
    "decided_at": "2026-11-18T09:10:00Z",
}


async def request(client: UkClient, name: str = "ReadmissionRequest") -> str:
    body = example_body(name)
    return (await client.send(REQUESTS, body, attachments=parts_for(body))).reference


async def test_request_with_attachments_is_stored_with_all_that_belongs_to_it(
    gateway: Gateway, client: UkClient
) -> None:
    """Case, message, attachments, identifiers, outbox row, audit, evidence and receipt come together."""
    body = example_body("ReadmissionRequest")
    receipt = await client.send(REQUESTS, body, attachments=parts_for(body))
    assert receipt.status == "accepted"
    assert receipt.claims["sub"] == client.client_id
    async with gateway.exchange.store.begin() as tx:
        record = await tx.get_message(receipt.message_id)
        assert record is not None
        assert record.status is MessageStatus.ACCEPTED
        stored = await tx.attachments(receipt.message_id)
        assert [a.content for a in stored] == [p.content for p in parts_for(body)]
        assert [a.file_name for a in stored] == [a["file_name"] for a in body["attachments"]]
        content = await tx.content(receipt.message_id)
        assert content.body.persons[0].name.family_name == "Ghebremariam"
        assert await tx.find_by_identifier("uan", "3434567890123456") == (receipt.reference,)
        rows = await tx.claim_due(now=gateway.clock.now(), limit=10, lease=dt.timedelta(seconds=5))
        assert [(r.channel, r.endpoint, r.message_id) for r in rows] == [
            (Channel.AS4, gateway.exchange.french_party, receipt.message_id)
        ]
        kinds = {e.kind for e in await tx.evidence(receipt.message_id)}
        assert kinds == {EvidenceKind.UK_REQUEST_JWS, EvidenceKind.UK_RECEIPT_JWS}
        audit = await tx.audit_entries(subject=receipt.message_id)
        assert [a.action for a in audit] == ["message.accepted"]


async def test_answer_is_signed_and_names_the_message(gateway: Gateway, client: UkClient) -> None:
    """202 has Location, a verified signature (by the client) and a receipt over the very bytes sent."""
    body = json.dumps(simple_request()).encode()
    answer = await client.post_raw(REQUESTS, body)
    assert answer.status == 202
    document = answer.json()
    assert answer.headers["location"] == f"/v1/messages/{document['message_id']}"
    claims = verify_compact(document["receipt"], keys=await client.keys(), typ="receipt+jwt")
    assert claims["reference"] == document["reference"]
    assert claims["iss"] == gateway.exchange.issuer


async def test_priority_shows_in_the_reference(client: UkClient) -> None:
    """A request with priority opens a case whose reference carries the P."""
    assert (await request(client, "ReadmissionRequest-family")).startswith("GB01P-")


async def test_same_key_and_body_gives_the_first_answer_byte_for_byte(
    gateway: Gateway, client: UkClient
) -> None:
    """A repeated Idempotency-Key stores nothing and answers with the same bytes, signature included."""
    body = json.dumps(simple_request()).encode()
    first = await client.post_raw(REQUESTS, body, key="k-1")
    before = await gateway.stored()
    again = await client.post_raw(REQUESTS, body, key="k-1")
    assert (again.status, again.body) == (202, first.body)
    for header in ("x-jws-signature", "location", "content-type"):
        assert again.headers[header] == first.headers[header]
    assert await gateway.stored() == before


async def test_raw_and_quoted_keys_are_the_same_key(gateway: Gateway, client: UkClient) -> None:
    """An unquoted Idempotency-Key means the same as a quoted one."""
    body = json.dumps(simple_request()).encode()
    first = await client.post_raw(REQUESTS, body, key="k-2")
    again = await client.post_raw(REQUESTS, body, headers={"Idempotency-Key": "k-2"})
    assert again.body == first.body
    assert await gateway.count("messages") == 1


async def test_same_key_at_once_makes_one_message(gateway: Gateway, client: UkClient) -> None:
    """Parallel requests with one key store one message; the others get its answer or 409."""
    body = json.dumps(simple_request()).encode()
    await client.token()
    answers = await asyncio.gather(*(client.post_raw(REQUESTS, body, key="k-3") for _ in range(8)))
    assert {a.status for a in answers} <= {202, 409}
    assert len({a.body for a in answers if a.status == 202}) == 1
    assert all(a.json()["code"] == "idempotency_key_running" for a in answers if a.status == 409)
    assert await gateway.count("messages") == 1


async def test_whole_readmission_moves_the_case(gateway: Gateway, client: UkClient) -> None:
    """Request, decision, document, notice, withdrawal: the case follows the state table."""
    reference = await request(client)
    await gateway.from_france(DECISION, reference=reference, in_reply_to=None)
    body = example_body("SupplementaryDocument-unprompted")
    await client.send(f"{REQUESTS}/{reference}/documents", body, attachments=parts_for(body))
    await client.send(f"{REQUESTS}/{reference}/transfer-notices", example_body("TransferNotice"))
    case = (await client.get(f"{REQUESTS}/{reference}")).json()
    assert case["status"] == "transfer_notified"
    await client.send(f"{REQUESTS}/{reference}/withdrawals", WITHDRAWAL)
    case = (await client.get(f"{REQUESTS}/{reference}")).json()
    assert case["status"] == "withdrawn"


async def test_withdrawal_stops_what_waits_and_goes_first(gateway: Gateway, client: UkClient) -> None:
    """A withdrawal cancels the queued messages of its case in the same transaction and is urgent."""
    body = simple_request()
    first = await client.send(REQUESTS, body)
    withdrawal = await client.send(f"{REQUESTS}/{first.reference}/withdrawals", WITHDRAWAL)
    page = await client.message(first.message_id)
    assert (page["status"], page["code"]) == ("cancelled", "withdrawn")
    async with gateway.exchange.store.begin() as tx:
        rows = await tx.claim_due(now=gateway.clock.now(), limit=10, lease=dt.timedelta(seconds=5))
        assert [r.message_id for r in rows if r.channel is Channel.AS4] == [withdrawal.message_id]


async def test_withdrawal_is_said_again_when_the_first_did_not_arrive(
    gateway: Gateway, client: UkClient
) -> None:
    """An operator stopped the first one, or France refused it: the case counts as withdrawn here, and France
    must still learn it. The second travels like the first."""
    reference = await request(client)
    path = f"{REQUESTS}/{reference}/withdrawals"
    first = await client.send(path, WITHDRAWAL)
    reason = "stopped by mistake"
    await operator.cancel(gateway.exchange, first.message_id, actor="cli", reason=reason)
    second = await client.send(path, WITHDRAWAL)
    async with gateway.exchange.store.begin() as tx:
        rows = await tx.claim_due(now=gateway.clock.now(), limit=10, lease=dt.timedelta(seconds=5))
    assert [r.message_id for r in rows if r.channel is Channel.AS4] == [second.message_id]
    assert (await client.get(f"{REQUESTS}/{reference}")).json()["status"] == "withdrawn"


async def test_nomination_moves_to_admission(gateway: Gateway, client: UkClient) -> None:
    """Nomination, no objection, visa, arrival; then the balance counts one admission."""
    body = example_body("Nomination")
    reference = (await client.send("/v1/nominations", body, attachments=parts_for(body))).reference
    response = {
        "type": "NominationResponse",
        "response": "no_objection",
        "ground": None,
        "decided_at": "2026-11-18T09:10:00Z",
    }
    await gateway.from_france(response, reference=reference, in_reply_to=None)
    outcome = example_body("NominationOutcome")
    await client.send(f"/v1/nominations/{reference}/outcomes", outcome)
    admission = example_body("AdmissionOutcome")
    await client.send(f"/v1/nominations/{reference}/admissions", admission)
    case = (await client.get(f"/v1/nominations/{reference}")).json()
    assert case["status"] == "arrived"
    balance = (await client.get("/v1/balance")).json()
    assert (balance["returned"], balance["admitted"]) == (0, admission["persons_admitted"])
    assert balance["balance"] == -admission["persons_admitted"]


async def test_inbox_message_is_read_and_acknowledged(gateway: Gateway, client: UkClient) -> None:
    """An acknowledged inbox message leaves the inbox, and its acknowledgement is queued for France."""
    reference = await request(client)
    inbound = await gateway.from_france(DECISION, reference=reference, in_reply_to=None)
    page = await client.inbox()
    assert [m["message_id"] for m in page["items"]] == [inbound]
    assert page["items"][0]["message"]["body"]["decision"] == "accepted"
    receipt = await client.acknowledge(inbound)
    assert (await client.inbox())["items"] == []
    assert (await client.message(inbound))["status"] == "acknowledged"
    sent = await client.message(receipt.message_id)
    assert (sent["type"], sent["in_reply_to"]) == ("Acknowledgement", inbound)
    with pytest.raises(Refused) as caught:
        await client.acknowledge(inbound)
    assert (caught.value.status, caught.value.problem["code"]) == (409, "conflict")


async def test_rejecting_an_inbox_message_needs_a_code(gateway: Gateway, client: UkClient) -> None:
    """Rejected without a code is refused with a pointer; with one the message is rejected."""
    reference = await request(client)
    inbound = await gateway.from_france(DECISION, reference=reference, in_reply_to=None)
    with pytest.raises(Refused) as caught:
        await client.acknowledge(inbound, status="rejected")
    assert caught.value.status == 422
    assert any(e["pointer"] == "/code" for e in caught.value.problem["errors"])
    await client.acknowledge(inbound, status="rejected", code="content_inconsistent")
    assert (await client.message(inbound))["status"] == "rejected"


async def test_acknowledging_an_acknowledgement_sends_nothing(gateway: Gateway, client: UkClient) -> None:
    """An acknowledgement from France is cleared without an answer: no acknowledgement loops."""
    first = await client.send(REQUESTS, simple_request())
    body = {
        "type": "Acknowledgement",
        "of_message": first.message_id,
        "status": "taken_into_account",
        "code": None,
        "at": "2026-11-18T09:10:00Z",
    }
    inbound = await gateway.from_france(body, reference=first.reference, in_reply_to=first.message_id)
    before = await gateway.count("outbox")
    receipt = await client.acknowledge(inbound)
    assert (receipt.message_id, receipt.status) == (inbound, "acknowledged")
    assert await gateway.count("outbox") == before
    assert (await client.inbox())["items"] == []


async def test_long_poll_answers_when_something_comes(gateway: Gateway, client: UkClient) -> None:
    """A waiting inbox request answers as soon as a message is stored, long before its time is up."""
    reference = await request(client)
    waiting = asyncio.create_task(client.inbox(wait=30))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    inbound = await gateway.from_france(DECISION, reference=reference, in_reply_to=None)
    page = await asyncio.wait_for(waiting, 5)
    assert [m["message_id"] for m in page["items"]] == [inbound]
    assert (await client.inbox(cursor=page["next_cursor"]))["items"] == []


async def test_held_message_is_stored_and_not_queued(gateway: Gateway, client: UkClient) -> None:
    """What a rule holds is answered 202 held with the rule's id, waits, and is not in the outbox."""
    body = simple_request()
    body["persons"].append({**body["persons"][0], "role": "minor"})
    body["persons"][1]["birth_date"] = {"precision": "day", "value": "1990-01-01"}
    answer = await client.post_raw(REQUESTS, json.dumps(body).encode())
    document = answer.json()
    assert (answer.status, document["status"], document["code"]) == (202, "held", "art4.minor_is_adult")
    assert document["holds"][0]["pointer"] == "/persons/1/role"
    assert await gateway.count("outbox") == 0


async def test_timeline_and_evidence_of_a_message(gateway: Gateway, client: UkClient) -> None:
    """Events list what happened; the evidence ZIP has a manifest whose digests hold."""
    receipt = await client.send(REQUESTS, simple_request())
    events = (await client.get(f"/v1/messages/{receipt.message_id}/events")).json()
    assert [e["event"] for e in events["items"]] == ["message.accepted"]
    listed = (await client.get(f"/v1/messages/{receipt.message_id}/evidence")).json()
    assert {e["kind"] for e in listed["items"]} == {"uk_request_jws", "uk_receipt_jws"}
    bundle = await client.get(f"/v1/messages/{receipt.message_id}/evidence", accept="application/zip")
    assert f"evidence-{receipt.message_id}.zip" in bundle.headers["content-disposition"]
    assert bundle.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(bundle.body)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        for file in manifest["files"]:
            assert hashlib.sha256(archive.read(file["name"])).hexdigest() == file["sha256"]
        assert b"Gulab" not in b"".join(archive.read(n) for n in archive.namelist())
    assert manifest["message"]["message_id"] == receipt.message_id


async def test_listing_pages_and_filters(client: UkClient) -> None:
    """Messages come newest first in pages with an opaque cursor, and filters narrow them."""
    body = simple_request()
    sent = [(await client.send(REQUESTS, body)).message_id for _ in range(3)]
    first = (await client.get("/v1/messages?limit=2")).json()
    rest = (await client.get(f"/v1/messages?limit=2&cursor={first['next_cursor']}")).json()
    assert [m["message_id"] for m in first["items"] + rest["items"]] == sent[::-1]
    assert rest["next_cursor"] is None
    none = (await client.get("/v1/messages?type=Nomination")).json()
    assert none["items"] == []


async def test_listing_takes_the_filters_of_the_console(client: UkClient) -> None:
    """Each narrows the list, and those that hold for the message leave it there."""
    receipt = await client.send(REQUESTS, simple_request())
    message = (await client.get(f"/v1/messages/{receipt.message_id}")).json()
    received = message["received_at"]
    for holds, fails in (
        (f"q={receipt.message_id[:13]}", "q=019a8c52-4e1f-7c33-a4d8-6b2e9f0c7a15"),
        (f"reference={receipt.reference[:9]}", "reference=GB02"),
        ("type=Nomination&type=ReadmissionRequest", "type=Nomination"),
        ("status=accepted&status=held", "status=held&status=failed"),
        ("direction=UK_TO_FR", "direction=FR_TO_UK"),
        (f"from={received}", f"to={received}"),
        ("from=2020-01-01&zone=Europe/Paris", "to=2020-01-01&zone=Europe/Paris"),
        ("newer=2+d", "older=2+d"),
        ("attempts=0", "attempts=1"),
        ("receipt=no", "code=EBMS:*"),
        ("endpoint=FR-MI-AS4", "endpoint=elsewhere"),
    ):
        for query, found in ((holds, [receipt.message_id]), (fails, [])):
            page = (await client.get(f"/v1/messages?{query}")).json()
            assert [m["message_id"] for m in page["items"]] == found, query


async def test_every_post_route_demands_its_own_type(client: UkClient) -> None:
    """A valid body of another type is refused at /type by every route that takes the case's messages."""
    reference = await request(client)
    for path in ("transfer-notices", "transfer-outcomes", "corrections", "documents", "status-updates"):
        body = json.dumps(WITHDRAWAL).encode()
        answer = await client.post_raw(f"{REQUESTS}/{reference}/{path}", body)
        assert answer.status == 422
        assert "/type" in {e["pointer"] for e in answer.json()["errors"]}
    assert (await client.get(f"{REQUESTS}/{reference}")).json()["status"] == "requested"
