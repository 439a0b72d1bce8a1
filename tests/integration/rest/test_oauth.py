"""POST /oauth/token: only a fresh assertion by a registered key gets a token; errors of RFC 6749 5.2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.core.jws import sign_compact
from gateway.core.tokens import ASSERTION_TYPE, SCOPES
from gateway.uk_client import Answer, UkClient
from gateway.web.app import UkSettings
from tests.fixtures.uk_gateway import CLIENT, FIRST_NOW, ISSUER, Gateway, es256, running_gateway

NOW = int(FIRST_NOW.timestamp())


async def ask(client: UkClient, assertion: str, **form: str) -> Answer:
    fields = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        **form,
    }
    return await client.request("POST", "/oauth/token", data=fields)


def refused(answer: Answer, status: int, error: str) -> None:
    assert (answer.status, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "error_description"}
    assert answer.headers["cache-control"] == "no-store"


async def test_token_has_the_registered_scopes(client: UkClient) -> None:
    """A good assertion gets a Bearer token for ten minutes with everything registered."""
    answer = await ask(client, client.assertion())
    document = answer.json()
    assert answer.status == 200
    assert document["token_type"] == "Bearer"
    assert document["expires_in"] == 600
    assert document["scope"].split() == list(SCOPES)
    assert answer.headers["cache-control"] == "no-store"


async def test_token_has_only_what_was_asked(client: UkClient) -> None:
    """A narrower scope is granted as asked; a wider one is invalid_scope."""
    answer = await ask(client, client.assertion(), scope="inbox.read")
    assert answer.json()["scope"] == "inbox.read"
    refused(await ask(client, client.assertion(), scope="inbox.read admin"), 400, "invalid_scope")


async def test_assertion_is_used_once(gateway: Gateway, client: UkClient) -> None:
    """The same assertion a second time is invalid_client: its jti is remembered by the store."""
    assertion = client.assertion()
    assert (await ask(client, assertion)).status == 200
    refused(await ask(client, assertion), 401, "invalid_client")
    assert await gateway.count("jtis") == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "someone-else"},
        {"sub": "someone-else"},
        {"aud": "https://elsewhere.test/oauth/token"},
        {"aud": None},
        {"exp": NOW - 1},
        {"exp": NOW + 3600},
        {"exp": "soon"},
        {"exp": None},
        {"iat": NOW + 3600},
        {"iat": None},
        {"iat": NOW - 3600},
        {"nbf": NOW + 3600},
        {"jti": None},
        {"jti": "x" * 129},
    ],
    ids=str,
)
async def test_bad_claims(gateway: Gateway, client: UkClient, claims: Mapping[str, object]) -> None:
    """Every claim is judged; nothing is remembered of an assertion that fails."""
    refused(await ask(client, client.assertion(**claims)), 401, "invalid_client")
    assert await gateway.count("jtis") == 0


async def test_another_key_is_refused_in_the_same_words_as_an_unknown_client(client: UkClient) -> None:
    """Nobody learns from the answer which client ids are registered."""
    claims = {"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "j"}
    wrong_key = await ask(client, sign_compact(claims, es256()))
    unknown = await ask(client, sign_compact({**claims, "iss": "nobody", "sub": "nobody"}, es256()))
    refused(wrong_key, 401, "invalid_client")
    assert wrong_key.body == unknown.body


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_assertion_type": "urn:other"}, 401, "invalid_client"),
        ({"client_assertion": "not.a-jwt"}, 401, "invalid_client"),
        ({"client_assertion": ""}, 401, "invalid_client"),
        ({"client_id": "someone-else"}, 401, "invalid_client"),
    ],
    ids=str,
)
async def test_bad_form(client: UkClient, change: dict[str, str], status: int, error: str) -> None:
    """Each fault of the form has the code of RFC 6749 section 5.2."""
    refused(await ask(client, client.assertion(), **change), status, error)


async def test_not_a_form(client: UkClient) -> None:
    """JSON, an empty form and repeated parameters are invalid_request."""
    refused(await client.request("POST", "/oauth/token", data=b"{}"), 400, "invalid_request")
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    refused(await client.request("POST", "/oauth/token", headers=kind, data=b""), 400, "invalid_request")
    twice = b"grant_type=client_credentials&grant_type=client_credentials"
    refused(await client.request("POST", "/oauth/token", headers=kind, data=twice), 400, "invalid_request")


async def test_assertion_is_not_an_access_token(client: UkClient) -> None:
    """A client assertion sent as Bearer token is refused: other key, other type."""
    headers = {"Authorization": f"Bearer {client.assertion()}"}
    answer = await client.request("GET", "/v1/messages", headers=headers)
    assert (answer.status, answer.json()["code"]) == (401, "unauthorized")


async def test_token_endpoint_is_rate_limited(tmp_path: Path, sqlite_template: Path) -> None:
    """Guessing is slowed down by address, with Retry-After."""
    settings = UkSettings(token_rate_per_second=0.01, token_rate_burst=2)
    async with (
        running_gateway(tmp_path, sqlite_template, settings=settings) as gateway,
        gateway.client() as client,
    ):
        answers = [await ask(client, "x.y.z") for _ in range(3)]
        assert [a.status for a in answers] == [401, 401, 429]
        assert answers[2].json()["code"] == "rate_limited"
        assert int(answers[2].headers["retry-after"]) > 1
