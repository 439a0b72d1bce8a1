"""What surrounds the API: problems for every path, headers, documents, health, metrics, rates, log."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import structlog
import yaml
from aiohttp import web

from gateway.core.jws import verify_detached
from gateway.uk_client import UkClient
from gateway.web.app import UkSettings, make_app
from gateway.web.rest.problems import TEXTS, all_error_classes
from gateway.web.rest.submit import ROUTES
from tests.fixtures.uk_gateway import Gateway, es256, running_gateway, simple_request

REQUESTS = "/v1/readmission-requests"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("DELETE", "/v1/messages", 405, "method_not_allowed"),
        ("GET", "/oauth/token", 405, "method_not_allowed"),
        ("POST", "/livez", 405, "method_not_allowed"),
    ],
)
async def test_every_error_is_a_problem(
    client: UkClient, method: str, path: str, status: int, code: str
) -> None:
    """aiohttp's own refusals are problem documents too; 405 names what is allowed."""
    answer = await client.request(method, path)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert bool(answer.headers.get("allow")) == (status == 405)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=²",
        "type=Nonsense",
        "direction=UP",
        "status=lost",
        "surplus=1",
        "reference=Gulab",
        "limit=1&limit=2",
        "reference=",
        "status=failed&status=",
        "direction=UK_TO_FR&direction=FR_TO_UK",
        "from=yesterday",
        "zone=Asia/Tokyo",
        "receipt=yes",
    ],
)
async def test_bad_query(client: UkClient, query: str) -> None:
    """Unknown, repeated or impossible query parameters are 400 invalid_parameter."""
    answer = await client.get(f"/v1/messages?{query}")
    assert (answer.status, answer.json()["code"]) == (400, "invalid_parameter")


@pytest.mark.parametrize("path", ["/v1/messages?cursor=nonsense", "/v1/inbox?cursor=nonsense"])
async def test_bad_cursor(client: UkClient, path: str) -> None:
    """A cursor that we did not give is 400 bad_cursor."""
    answer = await client.get(path)
    assert (answer.status, answer.json()["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize("wait", ["61", "-1", "1.5", "soon"])
async def test_bad_wait(client: UkClient, wait: str) -> None:
    """The long poll waits 0 to 60 whole seconds."""
    answer = await client.get(f"/v1/inbox?wait={wait}")
    assert (answer.status, answer.json()["code"]) == (400, "invalid_parameter")


async def test_answers_below_v1_are_signed_even_refusals(client: UkClient) -> None:
    """A problem without any token is still signed with the published key."""
    answer = await client.request("GET", "/v1/messages")
    assert answer.status == 401
    verify_detached(answer.body, answer.headers["x-jws-signature"], keys=await client.keys())


async def test_security_headers(client: UkClient) -> None:
    """Every answer forbids sniffing, framing, caching and scripts."""
    for path in ("/livez", "/v1/messages", "/nothing"):
        headers = (await client.request("GET", path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["strict-transport-security"].startswith("max-age=")


async def test_health(gateway: Gateway, client: UkClient) -> None:
    """Alive and ready; without its database alive but not ready."""
    assert (await client.request("GET", "/livez")).status == 200
    assert (await client.request("GET", "/readyz")).status == 200
    gateway.database.write_bytes(b"")
    for suffix in ("-wal", "-shm"):
        gateway.database.with_name(gateway.database.name + suffix).unlink(missing_ok=True)
    await gateway.exchange.store.close()
    assert (await client.request("GET", "/livez")).status == 200
    assert (await client.request("GET", "/readyz")).status == 503


async def test_metrics_count_without_personal_data(client: UkClient) -> None:
    """Counters name route templates and codes; no reference, id or name appears."""
    reference = (await client.send(REQUESTS, simple_request())).reference
    await client.get(f"{REQUESTS}/{reference}")
    await client.post_raw(REQUESTS, b"{}")
    text = (await client.request("GET", "/metrics")).body.decode()
    assert 'passerelle_messages_accepted_total{status="accepted",type="ReadmissionRequest"} 1.0' in text
    assert 'passerelle_messages_refused_total{code="schema_violation"} 1.0' in text
    assert 'route="/v1/readmission-requests/{reference}"' in text
    assert 'passerelle_outbox_rows{endpoint="FR-MI-AS4"} 1.0' in text
    assert reference not in text
    assert "Gulab" not in text


async def test_log_has_no_personal_data_nor_raw_paths(client: UkClient) -> None:
    """The access log gives template, status and correlation id; an unknown path is not repeated."""
    with structlog.testing.capture_logs() as logs:
        await client.send(REQUESTS, simple_request())
        await client.request("GET", "/Gulab/2001-06")
    text = json.dumps(logs, default=str)
    assert "Gulab" not in text
    posted = next(entry for entry in logs if entry.get("route") == REQUESTS)
    assert posted["http_status"] == 202
    assert posted["client_id"] == client.client_id
    assert next(e for e in logs if e["http_status"] == 404)["route"] == "unmatched"


async def test_openapi_describes_every_post_route(client: UkClient) -> None:
    """The document is served as YAML and names exactly the POST routes that exist."""
    answer = await client.request("GET", "/openapi.yaml")
    assert answer.headers["content-type"].startswith("application/yaml")
    paths = yaml.safe_load(answer.body)["paths"]
    described = {path for path, methods in paths.items() if "post" in methods and path.startswith("/v1/")}
    assert described == {route.path for route in ROUTES}


async def test_every_described_path_exists(client: UkClient) -> None:
    """No path of the OpenAPI document answers with "there is nothing at this path"."""
    paths = yaml.safe_load((await client.request("GET", "/openapi.yaml")).body)["paths"]
    for path, methods in paths.items():
        concrete = path.replace("{reference}", "GB01-0123456789AB").replace(
            "{id}", "019a8c52-4e1f-7c33-a4d8-6b2e9f0c7a15"
        )
        for method in set(methods) & {"get", "post"}:
            answer = await client.request(method.upper(), concrete)
            assert answer.status != 405, path
            assert answer.status != 404 or "nothing at this path" not in answer.json()["detail"], path


async def test_docs_are_our_own_pages(client: UkClient) -> None:
    """/docs renders every operation as HTML without script, third-party address or inline style."""
    answer = await client.request("GET", "/docs")
    page = answer.body.decode()
    assert answer.headers["content-type"].startswith("text/html")
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "<script" not in page
    assert "style=" not in page
    assert 'src="http' not in page
    for route in ROUTES:
        assert f"POST {route.path}" in page


async def test_problem_page_explains_every_code(client: UkClient) -> None:
    """The page that ``type`` points to has an anchor and both languages for every code of the API."""
    page = (await client.request("GET", "/docs/problems")).body.decode()
    oauth = {"invalid_request", "invalid_client", "invalid_scope", "unsupported_grant_type"}
    codes = {cls.code for cls in all_error_classes()} - oauth
    assert codes <= set(TEXTS)
    for code in TEXTS:
        assert f'id="{code}"' in page


async def test_jwks_has_only_public_members(client: UkClient) -> None:
    """The published keys verify answers, tokens and webhooks, and hold nothing private."""
    keys = (await client.request("GET", "/.well-known/jwks.json")).json()["keys"]
    assert {k["alg"] for k in keys} == {"ES256", "EdDSA"}
    assert len(keys) == 3
    assert all("d" not in k and k["use"] == "sig" and k["kid"] for k in keys)


async def test_client_is_rate_limited(tmp_path: Path, sqlite_template: Path) -> None:
    """Beyond the burst a client gets 429 with Retry-After and the RateLimit fields."""
    settings = UkSettings(rate_per_second=0.01, rate_burst=2)
    async with (
        running_gateway(tmp_path, sqlite_template, settings=settings) as gateway,
        gateway.client() as client,
    ):
        answers = [await client.get("/v1/messages") for _ in range(3)]
        assert [a.status for a in answers] == [200, 200, 429]
        assert answers[0].headers["ratelimit"].startswith('"default";r=1;')
        assert answers[2].json()["code"] == "rate_limited"
        assert int(answers[2].headers["retry-after"]) >= 100


class Boom(Exception):
    """Not in our error tree: a bug."""


async def test_unknown_exception_is_a_plain_500(gateway: Gateway, client: UkClient) -> None:
    """A bug is answered with a correlation id and no detail; the log names the route, not the text."""

    async def buggy(_: web.Request) -> web.Response:
        raise Boom("Gulab 2001-06")

    app = make_app(gateway.services)
    app.router.add_get("/v1/buggy", buggy)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base, client.base = client.base, f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        with structlog.testing.capture_logs() as logs:
            answer = await client.request("GET", "/v1/buggy")
    finally:
        client.base = base
        await runner.cleanup()
    assert (answer.status, answer.json()["code"]) == (500, "internal")
    assert b"Gulab" not in answer.body
    bug = next(entry for entry in logs if entry["event"] == "http.bug")
    assert bug["correlation_id"] == answer.json()["correlation_id"]
    assert isinstance(bug["exc_info"], Boom)


async def test_database_out_of_reach_is_503(gateway: Gateway, client: UkClient) -> None:
    """Without its database the API says so, that a retry helps, and accepts nothing."""
    token = await client.token()
    await gateway.exchange.store.close()
    gateway.database.rename(gateway.database.with_suffix(".away"))
    gateway.database.mkdir()
    answer = await client.request("GET", "/v1/messages", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "5"


async def test_rotated_keys_keep_verifying(gateway: Gateway, client: UkClient) -> None:
    """After a rotation tokens and answers of the earlier keys still verify, and all keys are published."""
    first = await client.post_raw(REQUESTS, json.dumps(simple_request()).encode(), key="k")
    old = gateway.services
    exchange = dataclasses.replace(old.exchange, signer=es256(), earlier_signers=(old.exchange.signer,))
    rotated = dataclasses.replace(
        old, exchange=exchange, token_signer=es256(), earlier_token_signers=(old.token_signer,)
    )
    runner = web.AppRunner(make_app(rotated), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    token = await client.token()
    try:
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with UkClient(
            base, client_id=client.client_id, signer=client.signer, clock=client.clock
        ) as after:
            after._token = (token, float("inf"))
            again = await after.post_raw(REQUESTS, json.dumps(simple_request()).encode(), key="k")
            assert again.body == first.body
            assert len(await after.keys()) == 5
    finally:
        await runner.cleanup()
