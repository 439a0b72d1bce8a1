"""Every bad input gets its exact answer, and nothing is stored but the audit entry of the refusal."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from gateway.core.jws import MAX_HEADER_CHARS, Alg, JwsSigner, sign_detached
from gateway.core.records import StoredAttachment
from gateway.flows.exchange import Limits
from gateway.uk_client import Answer, UkClient
from gateway.web.rest.clients import make_registry
from tests.fixtures.uk_gateway import (
    Gateway,
    client_of,
    es256,
    example_body,
    parts_for,
    replaced,
    running_gateway,
    simple_request,
)

REQUESTS = "/v1/readmission-requests"
UNKNOWN = "GB01-0123456789AB"


def encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def changed(**changes: Any) -> bytes:
    return encoded({**simple_request(), **changes})


def without(name: str) -> bytes:
    return encoded({k: v for k, v in simple_request().items() if k != name})


async def refused(gateway: Gateway, answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The problem document, after the checks that hold for every refusal."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == f"/docs/problems#{code}"
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]
    assert problem["instance"] == f"urn:uuid:{problem['correlation_id']}"
    for error in problem["errors"]:
        assert set(error) == {"pointer", "code", "message"}
        assert error["message"]["en"]
        assert error["message"]["fr"]
    assert b"Gulab" not in answer.body
    assert set((await gateway.stored()).values()) == {0}
    return problem


@dataclass(frozen=True, kw_only=True)
class BadBody:
    name: str
    body: bytes
    status: int
    code: str
    pointer: str | None = None
    detail_code: str | None = None


BAD_BODIES = (
    BadBody(name="empty", body=b"", status=400, code="malformed_body"),
    BadBody(name="not json", body=b"<xml/>", status=400, code="malformed_body"),
    BadBody(name="not utf-8", body=b'{"type": "\xff"}', status=400, code="malformed_body"),
    BadBody(name="truncated", body=encoded(simple_request())[:-5], status=400, code="malformed_body"),
    BadBody(name="deep nesting", body=b"[" * 100_000, status=400, code="malformed_body"),
    BadBody(name="repeated key", body=b'{"type": "a", "type": "b"}', status=400, code="malformed_body"),
    BadBody(name="array", body=b"[]", status=422, code="schema_violation", pointer=""),
    BadBody(
        name="wrong type",
        body=changed(type="Nomination"),
        status=422,
        code="schema_violation",
        pointer="/type",
        detail_code="const",
    ),
    BadBody(
        name="unknown member",
        body=changed(surplus=1),
        status=422,
        code="schema_violation",
        detail_code="additionalProperties",
    ),
    BadBody(
        name="missing heading",
        body=without("arrival"),
        status=422,
        code="schema_violation",
        detail_code="required",
    ),
    BadBody(
        name="no persons", body=changed(persons=[]), status=422, code="schema_violation", pointer="/persons"
    ),
    BadBody(
        name="pending claim",
        body=changed(claim={"protection_claim": "pending", "decided_at": None}),
        status=422,
        code="rule_violation",
        pointer="/claim/protection_claim",
    ),
    BadBody(
        name="arrival more than 14 days ago",
        body=changed(arrival={**simple_request()["arrival"], "at": "2026-10-01T05:42:00Z"}),
        status=422,
        code="rule_violation",
        pointer="/arrival/at",
    ),
)


@pytest.mark.parametrize("bad", BAD_BODIES, ids=lambda b: b.name)
async def test_bad_body(gateway: Gateway, client: UkClient, bad: BadBody) -> None:
    """A genuine signature does not help a body that contract or rules refuse; the refusal is audited."""
    answer = await client.post_raw(REQUESTS, bad.body)
    problem = await refused(gateway, answer, bad.status, bad.code)
    if bad.pointer is not None:
        assert bad.pointer in {e["pointer"] for e in problem["errors"]}
    if bad.detail_code is not None:
        assert bad.detail_code in {e["code"] for e in problem["errors"]}
    async with gateway.exchange.store.begin() as tx:
        entries = await tx.audit_entries()
    assert [(e.action, e.data["code"]) for e in entries] == [("message.refused", bad.code)]
    assert entries[0].data["correlation_id"] == problem["correlation_id"]


def other_key(body: bytes, signer: JwsSigner) -> str:
    return sign_detached(body, JwsSigner(private_key=es256().private_key, kid=signer.kid, alg=Alg.ES256))


def unknown_kid(body: bytes, _: JwsSigner) -> str:
    return sign_detached(body, es256())


def other_body(body: bytes, signer: JwsSigner) -> str:
    return sign_detached(body + b" ", signer)


BAD_SIGNATURES: tuple[tuple[str, Callable[[bytes, JwsSigner], str], int, str], ...] = (
    ("missing", lambda _b, _s: "", 400, "signature_missing"),
    ("another key", other_key, 401, "signature_invalid"),
    ("unknown kid", unknown_kid, 401, "signature_invalid"),
    ("another body", other_body, 401, "signature_invalid"),
    ("not a JWS", lambda _b, _s: "hello", 401, "signature_invalid"),
    ("too long", lambda b, s: sign_detached(b, s) + "A" * MAX_HEADER_CHARS, 401, "signature_invalid"),
    ("attached", lambda b, s: sign_detached(b, s).replace("..", ".e30."), 401, "signature_invalid"),
)


@pytest.mark.parametrize(("name", "make", "status", "code"), BAD_SIGNATURES, ids=lambda v: str(v)[:20])
async def test_bad_signature(
    gateway: Gateway,
    client: UkClient,
    name: str,
    make: Callable[[bytes, JwsSigner], str],
    status: int,
    code: str,
) -> None:
    """Without a signature of the client's own key over these bytes nothing gets in."""
    assert name
    body = encoded(simple_request())
    answer = await client.post_raw(REQUESTS, body, signature=make(body, gateway.signer))
    await refused(gateway, answer, status, code)


async def test_repeated_signature_header(gateway: Gateway, client: UkClient) -> None:
    """Two x-jws-signature headers are refused: nobody shall choose between them."""
    body = encoded(simple_request())
    headers = CIMultiDict(
        [
            ("Authorization", f"Bearer {await client.token()}"),
            ("Idempotency-Key", "k"),
            ("Content-Type", "application/json"),
            ("x-jws-signature", sign_detached(body, gateway.signer)),
            ("x-jws-signature", sign_detached(body, gateway.signer)),
        ]
    )
    assert client._session is not None
    async with client._session.post(client.base + REQUESTS, data=body, headers=headers) as response:
        assert response.status == 400
        assert (await response.json(content_type=None))["code"] == "invalid_parameter"
    assert set((await gateway.stored()).values()) == {0}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": ""}, 401, "unauthorized"),
        ({"Authorization": "Basic Zm9vOmJhcg=="}, 401, "unauthorized"),
        ({"Authorization": "Bearer e30.e30.e30"}, 401, "unauthorized"),
        ({"Idempotency-Key": ""}, 400, "invalid_parameter"),
        ({"Idempotency-Key": "é"}, 400, "invalid_parameter"),
        ({"Idempotency-Key": "k" * 256}, 400, "invalid_parameter"),
        ({"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        ({"Content-Type": "application/json; charset=latin-1"}, 415, "unsupported_media_type"),
        ({"Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
        ({"Content-Type": "multipart/form-data"}, 400, "malformed_body"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 400, "malformed_body"),
        ({"Accept": "text/html"}, 406, "not_acceptable"),
    ],
    ids=lambda v: str(v)[:50],
)
async def test_bad_header(
    gateway: Gateway, client: UkClient, headers: dict[str, str], status: int, code: str
) -> None:
    """Each header that is wrong has its own answer."""
    answer = await client.post_raw(REQUESTS, encoded(simple_request()), headers=headers)
    await refused(gateway, answer, status, code)


async def test_missing_idempotency_key(gateway: Gateway, client: UkClient) -> None:
    """A POST without Idempotency-Key is 400 with its own code."""
    body = encoded(simple_request())
    headers = {
        "Authorization": f"Bearer {await client.token()}",
        "x-jws-signature": sign_detached(body, gateway.signer),
        "Content-Type": "application/json",
    }
    answer = await client.request("POST", REQUESTS, headers=headers, data=body)
    await refused(gateway, answer, 400, "idempotency_key_missing")


async def test_same_key_with_another_body_or_path_is_refused(gateway: Gateway, client: UkClient) -> None:
    """The body's digest is part of the key: another body, or path, under it is 422 and stores nothing."""
    await client.post_raw(REQUESTS, encoded(simple_request()), key="k-1")
    before = await gateway.stored()
    another = await client.post_raw(REQUESTS, encoded(simple_request()) + b" ", key="k-1")
    assert (another.status, another.json()["code"]) == (422, "idempotency_key_reused")
    nomination = example_body("Nomination")
    path = await client.post_raw(
        "/v1/nominations", encoded(nomination), key="k-1", attachments=parts_for(nomination)
    )
    assert (path.status, path.json()["code"]) == (422, "idempotency_key_reused")
    assert await gateway.stored() == before


async def test_refused_request_leaves_its_key_free(gateway: Gateway, client: UkClient) -> None:
    """After a refusal the same key may carry the corrected body: nothing of the first try is kept."""
    bad = await client.post_raw(REQUESTS, changed(surplus=1), key="k-1")
    assert bad.status == 422
    good = await client.post_raw(REQUESTS, encoded(simple_request()), key="k-1")
    assert good.status == 202
    assert await gateway.count("messages") == 1


async def test_expired_token(gateway: Gateway, client: UkClient) -> None:
    """A token is refused once its ten minutes are over, with the RFC 6750 challenge."""
    token = await client.token()
    gateway.clock.skip(dt.timedelta(minutes=10))
    answer = await client.request("GET", "/v1/messages", headers={"Authorization": f"Bearer {token}"})
    await refused(gateway, answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("nomination.write", "POST", REQUESTS),
        ("readmission.write", "POST", "/v1/nominations"),
        ("inbox.read", "POST", "/v1/inbox/019a8c52-4e1f-7c33-a4d8-6b2e9f0c7a15/acknowledgements"),
        ("inbox.read", "GET", "/v1/messages"),
        ("messages.read", "GET", "/v1/inbox"),
        ("messages.read", "GET", "/v1/balance"),
    ],
)
async def test_scope_is_needed(gateway: Gateway, scope: str, method: str, path: str) -> None:
    """A token without the scope of the route is 403, before the body is looked at."""
    async with gateway.client(scope=scope) as client:
        if method == "GET":
            answer = await client.get(path)
        else:
            answer = await client.post_raw(path, b"nonsense")
        await refused(gateway, answer, 403, "insufficient_scope")


@pytest.mark.parametrize("declared", [True, False], ids=["by Content-Length", "while streaming"])
async def test_too_large(tmp_path: Path, sqlite_template: Path, declared: bool) -> None:
    """A body over the limit is 413, by its length or as soon as the stream passes the limit."""
    limits = Limits(message_bytes=10_000)
    async with (
        running_gateway(tmp_path, sqlite_template, limits=limits) as gateway,
        gateway.client() as client,
    ):
        body = encoded({"type": "x" * 20_000})

        async def stream() -> Any:
            for start in range(0, len(body), 4096):
                yield body[start : start + 4096]

        headers = {
            "Authorization": f"Bearer {await client.token()}",
            "Idempotency-Key": "k",
            "x-jws-signature": sign_detached(body, gateway.signer),
            "Content-Type": "application/json",
        }
        answer = await client.request("POST", REQUESTS, headers=headers, data=body if declared else stream())
        await refused(gateway, answer, 413, "too_large")


async def test_attachments_too_large_together(tmp_path: Path, sqlite_template: Path) -> None:
    """Attachments over the limit together are 413."""
    limits = Limits(attachments_bytes=3_000)
    async with (
        running_gateway(tmp_path, sqlite_template, limits=limits) as gateway,
        gateway.client() as client,
    ):
        body = example_body("ReadmissionRequest")
        answer = await client.post_raw(REQUESTS, encoded(body), attachments=parts_for(body))
        await refused(gateway, answer, 413, "too_large")


BAD_PARTS: tuple[tuple[str, Callable[[list[StoredAttachment]], list[StoredAttachment]], str, str], ...] = (
    ("one missing", lambda p: p[1:], "/attachments/0/content_id", "attachment_missing"),
    (
        "one too many",
        lambda p: [*p, replaced(p[0], content_id="extra")],
        "/attachments",
        "attachment_not_announced",
    ),
    ("one twice", lambda p: [*p, p[0]], "/attachments", "attachment_repeated"),
    (
        "other bytes",
        lambda p: [replaced(p[0], content=p[0].content[:-1] + b"x"), *p[1:]],
        "/attachments/0/sha256",
        "attachment_sha256",
    ),
    (
        "other size",
        lambda p: [p[0], replaced(p[1], content=b"x"), *p[2:]],
        "/attachments/1/size",
        "attachment_size",
    ),
    (
        "other type",
        lambda p: [replaced(p[0], media_type="text/html"), *p[1:]],
        "/attachments/0/media_type",
        "attachment_media_type",
    ),
)


@pytest.mark.parametrize(("name", "change", "pointer", "code"), BAD_PARTS, ids=lambda v: str(v)[:20])
async def test_attachments_must_be_those_announced(
    gateway: Gateway,
    client: UkClient,
    name: str,
    change: Callable[[list[StoredAttachment]], list[StoredAttachment]],
    pointer: str,
    code: str,
) -> None:
    """Missing, surplus, repeated, altered or mislabelled parts are refused with a pointer."""
    assert name
    body = example_body("ReadmissionRequest")
    parts = change(list(parts_for(body)))
    answer = await client.post_raw(REQUESTS, encoded(body), attachments=parts)
    problem = await refused(gateway, answer, 422, "attachment_mismatch")
    assert (pointer, code) in {(e["pointer"], e["code"]) for e in problem["errors"]}


async def test_announced_attachments_need_multipart(gateway: Gateway, client: UkClient) -> None:
    """Plain JSON that announces attachments is refused: their bytes did not come."""
    answer = await client.post_raw(REQUESTS, encoded(example_body("ReadmissionRequest")))
    problem = await refused(gateway, answer, 422, "attachment_mismatch")
    assert {e["code"] for e in problem["errors"]} == {"attachment_missing"}


@pytest.mark.parametrize(
    "path",
    [
        f"{REQUESTS}/{UNKNOWN}/withdrawals",
        f"{REQUESTS}/not-a-reference/withdrawals",
        f"{REQUESTS}/GB01-0123456789AB%0A/withdrawals",
        "/v1/inbox/019a8c52-4e1f-7c33-a4d8-6b2e9f0c7a15/acknowledgements",
        "/v1/inbox/nonsense/acknowledgements",
    ],
)
async def test_unknown_case_or_message(gateway: Gateway, client: UkClient, path: str) -> None:
    """A reference or id that we do not know is 404, whatever it looks like."""
    body: dict[str, Any] = {"type": "Withdrawal", "reason": "litigation", "at": "2026-11-18T09:00:00Z"}
    if "inbox" in path:
        body = {"status": "taken_into_account"}
    await refused(gateway, await client.post_raw(path, encoded(body)), 404, "not_found")


async def test_case_of_the_other_kind_is_not_found(gateway: Gateway, client: UkClient) -> None:
    """A readmission is not a nomination: its reference is unknown below /v1/nominations."""
    reference = (await client.send(REQUESTS, simple_request())).reference
    body = encoded({"type": "Withdrawal", "reason": "litigation", "at": "2026-11-18T09:00:00Z"})
    answer = await client.post_raw(f"/v1/nominations/{reference}/withdrawals", body)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert (await client.get(f"/v1/nominations/{reference}")).status == 404
    assert await gateway.count("messages") == 1


async def test_out_of_sequence_is_a_conflict(gateway: Gateway, client: UkClient) -> None:
    """A transfer notice before any decision is 409 out_of_sequence and leaves the case as it was."""
    reference = (await client.send(REQUESTS, simple_request())).reference
    before = await gateway.stored()
    body = encoded(example_body("TransferNotice"))
    answer = await client.post_raw(f"{REQUESTS}/{reference}/transfer-notices", body)
    assert (answer.status, answer.json()["code"]) == (409, "out_of_sequence")
    assert await gateway.stored() == before
    assert (await client.get(f"{REQUESTS}/{reference}")).json()["status"] == "requested"


async def test_a_client_signs_only_with_its_own_keys(tmp_path: Path, sqlite_template: Path) -> None:
    """The token of one client with the signature of another registered client is refused."""
    one, two = es256(), es256()
    registry = make_registry([client_of(one, client_id="one"), client_of(two, client_id="two")])
    async with (
        running_gateway(tmp_path, sqlite_template, registry=registry) as gateway,
        gateway.client(client_id="one", signer=one) as client,
    ):
        body = encoded(simple_request())
        answer = await client.post_raw(REQUESTS, body, signature=sign_detached(body, two))
        await refused(gateway, answer, 401, "signature_invalid")
