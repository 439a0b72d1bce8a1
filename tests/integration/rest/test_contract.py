"""What the gateway answers is what the OpenAPI document promises: status, media type, schema, headers."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from contracts.uk.v1.bundle import bundled_openapi
from gateway.uk_client import Answer, UkClient
from tests.fixtures.uk_gateway import Gateway, example_body, parts_for, simple_request

REQUESTS = "/v1/readmission-requests"
DOCUMENT = bundled_openapi()


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    ref = node.get("$ref")
    if ref is None:
        return node
    found: Any = DOCUMENT
    for step in ref.removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


def conforms(answer: Answer, method: str, template: str) -> Any:
    """The parsed answer, after it was judged by its description."""
    operation = DOCUMENT["paths"][template][method]
    assert str(answer.status) in operation["responses"], (template, answer.status)
    response = resolve(operation["responses"][str(answer.status)])
    media_type = answer.headers["content-type"].split(";")[0]
    assert media_type in response["content"], (template, media_type)
    for name, header in response.get("headers", {}).items():
        if resolve(header).get("required"):
            assert name.lower() in answer.headers
    schema = {**response["content"][media_type]["schema"], "components": DOCUMENT["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    value = answer.json()
    errors = [f"{list(e.instance_path)}: {e.message}" for e in validator.iter_errors(value)]
    assert not errors, (template, errors[:3])
    return value


async def test_answers_about_a_case_conform(gateway: Gateway, client: UkClient) -> None:
    """Accepting, reading, listing, timeline, evidence and balance all keep their schema."""
    body = example_body("ReadmissionRequest")
    answer = await client.post_raw(
        REQUESTS, json.dumps(body, ensure_ascii=False).encode(), attachments=parts_for(body)
    )
    accepted = conforms(answer, "post", REQUESTS)
    message_id, reference = accepted["message_id"], accepted["reference"]
    for template in (
        "/v1/readmission-requests/{reference}",
        "/v1/messages",
        "/v1/messages/{id}",
        "/v1/messages/{id}/events",
        "/v1/messages/{id}/evidence",
        "/v1/inbox",
        "/v1/deadlines",
        "/v1/balance",
    ):
        path = template.replace("{reference}", reference).replace("{id}", message_id)
        conforms(await client.get(path), "get", template)


async def test_inbox_and_acknowledgement_conform(gateway: Gateway, client: UkClient) -> None:
    """A message from France is shown, and its acknowledgement answered, as described."""
    reference = (await client.send(REQUESTS, simple_request())).reference
    body = {"type": "StatusUpdate", "code": "absconded", "since": "2026-11-18T09:00:00Z"}
    inbound = await gateway.from_france(body, reference=reference, in_reply_to=None)
    page = conforms(await client.get("/v1/inbox"), "get", "/v1/inbox")
    assert [m["message_id"] for m in page["items"]] == [inbound]
    template = "/v1/inbox/{id}/acknowledgements"
    full = {
        "type": "Acknowledgement",
        "of_message": inbound,
        "status": "taken_into_account",
        "code": None,
        "at": "2026-11-18T09:05:00Z",
    }
    answer = await client.post_raw(template.replace("{id}", inbound), json.dumps(full).encode())
    conforms(answer, "post", template)


@pytest.mark.parametrize(
    ("method", "template", "path", "headers"),
    [
        ("get", "/v1/messages", "/v1/messages", {"Authorization": ""}),
        ("get", "/v1/messages", "/v1/messages?limit=0", {}),
        ("get", "/v1/messages", "/v1/messages?cursor=x", {}),
        ("get", "/v1/messages", "/v1/messages", {"Accept": "text/html"}),
        ("get", "/v1/messages/{id}", "/v1/messages/x", {}),
        ("get", "/v1/nominations/{reference}", "/v1/nominations/GB02-0123456789AB", {}),
        ("post", REQUESTS, REQUESTS, {}),
        ("post", REQUESTS, REQUESTS, {"Idempotency-Key": "k"}),
        ("post", REQUESTS, REQUESTS, {"Idempotency-Key": "k", "Content-Type": "application/json"}),
        ("post", "/oauth/token", "/oauth/token", {}),
    ],
    ids=lambda v: str(v)[:60],
)
async def test_refusals_conform(
    client: UkClient, method: str, template: str, path: str, headers: dict[str, str]
) -> None:
    """Problems and OAuth errors keep their schema and are described for their route."""
    sent = {"Authorization": f"Bearer {await client.token()}", **headers}
    answer = await client.request(method.upper(), path, headers=sent)
    assert answer.status >= 400
    conforms(answer, method, template)


async def test_documents_conform(client: UkClient) -> None:
    """Keys, health and tokens keep their schema."""
    conforms(await client.request("GET", "/.well-known/jwks.json"), "get", "/.well-known/jwks.json")
    conforms(await client.request("GET", "/livez"), "get", "/livez")
    conforms(await client.request("GET", "/readyz"), "get", "/readyz")
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": client.assertion(),
    }
    conforms(await client.request("POST", "/oauth/token", data=form), "post", "/oauth/token")


async def test_messages_shown_are_valid_documents(client: UkClient, gateway: Gateway) -> None:
    """The whole message on the message page is judged valid by the UK contract itself."""
    body = example_body("Nomination")
    receipt = await client.send("/v1/nominations", body, attachments=parts_for(body))
    page = await client.message(receipt.message_id)
    document = gateway.exchange.uk.validate(json.dumps(page["message"]).encode())
    assert document.message_type == "Nomination"
    assert page["message"]["body"] == body
