"""``?dry_run=true``: the verdict of the real steps, and nothing left behind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.uk_client import Answer, UkClient
from tests.fixtures.uk_gateway import Gateway, example_body, parts_for, replaced, simple_request
from tests.integration.cases.steps import NOMINATIONS, READMISSIONS, written


async def tried(client: UkClient, path: str, body: Any, **options: Any) -> Answer:
    content = json.dumps(body, ensure_ascii=False).encode()
    return await client.post_raw(f"{path}?dry_run=true", content, **options)


async def everything(gateway: Gateway) -> dict[str, int]:
    """Rows of every table; access tokens that were used are no part of it."""
    import contextlib
    import sqlite3

    with contextlib.closing(sqlite3.connect(gateway.database)) as connection:
        names = [n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            n: int(connection.execute(f'SELECT count(*) FROM "{n}"').fetchone()[0])  # noqa: S608 — names of the schema
            for n in names
            if "jti" not in n
        }


def codes(answer: Answer, severity: str) -> set[str]:
    return {f["code"] for f in answer.json()["findings"] if f["severity"] == severity}


async def test_an_allowed_message_leaves_nothing(gateway: Gateway, client: UkClient) -> None:
    """The verdict is 200 and allowed; no row of any table is more than before."""
    await client.token()
    before = await everything(gateway)
    answer = await tried(client, READMISSIONS, simple_request())
    assert (answer.status, answer.json()["verdict"]) == (200, "allowed")
    assert answer.json()["type"] == "ReadmissionRequest"
    assert await everything(gateway) == before


async def test_the_key_is_not_consumed(gateway: Gateway, client: UkClient) -> None:
    """The same Idempotency-Key sends the message afterwards, and a dry run needs none."""
    body = simple_request()
    content = json.dumps(body).encode()
    for _ in range(2):
        answer = await client.post_raw(f"{READMISSIONS}?dry_run=true", content, key="one-key")
        assert answer.status == 200
    sent = await client.post_raw(READMISSIONS, content, key="one-key")
    assert sent.status == 202
    again = await client.post_raw(f"{READMISSIONS}?dry_run=true", content, key="one-key")
    assert again.json()["verdict"] == "allowed"


async def test_a_refusal_is_a_verdict(gateway: Gateway, client: UkClient) -> None:
    """Rules refuse with 200, rule ids, articles, pointers and both texts, and no audit entry."""
    body = simple_request()
    body["evidence"] = []
    body["claim"] = {"protection_claim": "pending", "decided_at": None}
    await client.token()
    before = await everything(gateway)
    answer = await tried(client, READMISSIONS, body)
    assert (answer.status, answer.json()["verdict"]) == (200, "refused")
    assert {"art7.evidence_needed", "row6.claim"} <= codes(answer, "refuse")
    finding = next(f for f in answer.json()["findings"] if f["code"] == "row6.claim")
    assert finding["pointer"] == "/claim/protection_claim"
    assert finding["article"] == "Art 4; row 6"
    assert finding["message"]["en"] != finding["message"]["fr"]
    assert await everything(gateway) == before


async def test_the_contract_is_judged_too(gateway: Gateway, client: UkClient) -> None:
    """A body against the schema is a verdict with its places, without a value of it."""
    body = simple_request()
    body["arrival"]["criterion"] = "by-swimming"
    answer = await tried(client, READMISSIONS, body)
    assert (answer.status, answer.json()["verdict"]) == (200, "refused")
    assert {f["pointer"] for f in answer.json()["findings"]} == {"/arrival/criterion"}
    assert {f["article"] for f in answer.json()["findings"]} == {None}
    assert "by-swimming" not in answer.body.decode()


async def test_what_would_wait(gateway: Gateway, client: UkClient) -> None:
    """A hold is told with its severity; the message is not held, for there is none."""
    body = simple_request()
    adult = {**body["persons"][0], "role": "minor", "birth_date": {"precision": "day", "value": "1990-01-01"}}
    body["persons"] = [body["persons"][0], adult]
    body["family"] = None
    answer = await tried(client, READMISSIONS, body)
    assert answer.json()["verdict"] == "held"
    assert codes(answer, "hold") == {"art4.minor_is_adult"}
    assert codes(answer, "warn") >= {"general.family_reference"}
    assert await gateway.count("messages") == 0


async def test_a_refusal_tells_holds_and_warnings_too(gateway: Gateway, client: UkClient) -> None:
    """First what refuses, then what would hold or label it: mended in one go. Sent in earnest, the problem
    document names what refuses only."""
    body = simple_request()
    adult = {**body["persons"][0], "role": "minor", "birth_date": {"precision": "day", "value": "1990-01-01"}}
    body["persons"] = [body["persons"][0], adult]
    body |= {"family": None, "evidence": []}
    answer = await tried(client, READMISSIONS, body)
    assert answer.json()["verdict"] == "refused"
    assert codes(answer, "refuse") == {"art7.evidence_needed"}
    assert codes(answer, "hold") == {"art4.minor_is_adult"}
    assert codes(answer, "warn") >= {"general.family_reference"}
    severities = [f["severity"] for f in answer.json()["findings"]]
    assert severities == sorted(severities, key=["refuse", "hold", "warn"].index)
    sent = await client.post_raw(READMISSIONS, json.dumps(body).encode())
    assert {e["code"] for e in sent.json()["errors"]} == {"art7.evidence_needed"}


async def test_the_state_of_the_case_counts(gateway: Gateway, client: UkClient) -> None:
    """A message of a case is judged against its state, which stays as it was."""
    opened = (await client.post_raw(READMISSIONS, json.dumps(simple_request()).encode())).json()
    path = f"{READMISSIONS}/{opened['reference']}"
    notice = await tried(client, f"{path}/transfer-notices", example_body("TransferNotice"))
    assert codes(notice, "refuse") >= {"general.out_of_sequence"}
    withdrawal = {"type": "Withdrawal", "reason": "litigation", "at": written(gateway.clock.now())}
    assert (await tried(client, f"{path}/withdrawals", withdrawal)).json()["verdict"] == "allowed"
    assert (await client.get(path)).json()["status"] == "requested"
    unknown = f"{READMISSIONS}/GB01-000000000000/withdrawals"
    assert (await tried(client, unknown, withdrawal)).status == 404


async def test_attachments_are_compared(gateway: Gateway, client: UkClient) -> None:
    """Parts are read and compared with what the message announces, and nothing of them stays."""
    body = example_body("Nomination")
    parts = parts_for(body)
    await client.token()
    before = await everything(gateway)
    assert (await tried(client, NOMINATIONS, body, attachments=parts)).json()["verdict"] == "allowed"
    if parts:
        wrong = (replaced(parts[0], content=b"other"), *parts[1:])
        answer = await tried(client, NOMINATIONS, body, attachments=wrong)
        assert answer.json()["verdict"] == "refused"
    assert await everything(gateway) == before


@pytest.mark.parametrize(
    "query", ["dry_run=1", "dry_run=TRUE", "dryrun=true", "dry_run=true&dry_run=true", "x=1"]
)
async def test_a_typing_error_sends_nothing(gateway: Gateway, client: UkClient, query: str) -> None:
    """Whoever meant to try a message must not send it: any other query is 400."""
    answer = await client.post_raw(f"{READMISSIONS}?{query}", json.dumps(simple_request()).encode())
    assert (answer.status, answer.json()["code"]) == (400, "invalid_parameter")
    assert await gateway.count("messages") == 0


async def test_false_sends(gateway: Gateway, client: UkClient) -> None:
    """``dry_run=false`` is what it says."""
    answer = await client.post_raw(f"{READMISSIONS}?dry_run=false", json.dumps(simple_request()).encode())
    assert answer.status == 202


async def test_the_signature_is_required(gateway: Gateway, client: UkClient) -> None:
    """A dry run does not open a way around the signature, the token or the scope."""
    content = json.dumps(simple_request()).encode()
    path = f"{READMISSIONS}?dry_run=true"
    assert (await client.post_raw(path, content, signature="x")).json()["code"] == "signature_invalid"
    bare = await client.request("POST", path, data=content, headers={"Content-Type": "application/json"})
    assert bare.status == 401
    async with gateway.client() as reader:
        await reader.token()
    assert await gateway.count("messages") == 0


async def test_dry_runs_are_counted(gateway: Gateway, client: UkClient) -> None:
    """The metrics know type and verdict, and nothing of the content."""
    await tried(client, READMISSIONS, simple_request())
    text = (await client.request("GET", "/metrics")).body.decode()
    assert 'passerelle_dry_runs_total{type="ReadmissionRequest",verdict="allowed"} 1.0' in text


async def test_an_inbox_acknowledgement_can_be_tried(gateway: Gateway, client: UkClient) -> None:
    """Trying to acknowledge clears nothing from the inbox."""
    opened = (await client.post_raw(READMISSIONS, json.dumps(simple_request()).encode())).json()
    decision = {
        "type": "ReadmissionDecision",
        "decision": "accepted",
        "ground": None,
        "information_needed": [],
        "extended_until": None,
        "decided_at": written(gateway.clock.now()),
    }
    message_id = await gateway.from_france(decision, reference=opened["reference"], in_reply_to=None)
    path = f"/v1/inbox/{message_id}/acknowledgements"
    answer = await tried(client, path, {"status": "taken_into_account", "code": None})
    assert (answer.status, answer.json()["verdict"]) == (200, "allowed")
    assert [i["message_id"] for i in (await client.inbox())["items"]] == [message_id]


async def test_the_rules_are_listed(gateway: Gateway, client: UkClient) -> None:
    """GET /v1/rules shows every code that a dry run of ours can name, with its settings."""
    answer = await client.get("/v1/rules")
    assert answer.status == 200
    rules = {r["id"]: r for r in answer.json()["items"]}
    assert rules["art8.request_in_time"]["settings"][0]["value"] == 14
    assert rules["art7.evidence_list"]["unverified"]
    assert rules["row9.returned"]["text"]["fr"]
    assert (await client.get("/v1/rules?surplus=1")).status == 400
    assert (await client.request("GET", "/v1/rules")).status == 401
