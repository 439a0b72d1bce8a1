"""POST /oauth/token: client credentials with private_key_jwt (RFC 6749, RFC 7523); errors of section 5.2."""

from __future__ import annotations

import hmac
from urllib.parse import parse_qs

from aiohttp import web

from gateway.core.errors import OAuthError, OAuthInvalidClient, OAuthInvalidRequest
from gateway.core.tokens import check_assertion, grant_scopes, issue_token, parse_token_request
from gateway.logs import get_logger
from gateway.web.rest.auth import TOKEN_LIMITER, certificate_thumbprint, take_token
from gateway.web.rest.bodies import read_limited
from gateway.web.rest.clients import Client
from gateway.web.rest.http import CLIENT_ID, CORRELATION, json_response
from gateway.web.services import SERVICES, UkServices

_MAX_FORM_BYTES = 16_384
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


async def token(request: web.Request) -> web.Response:
    """(1) rate by address, (2) form, (3) client and assertion, (4) jti once, (5) scopes, (6) token."""
    services = request.app[SERVICES]
    take_token(request, request.app[TOKEN_LIMITER], request.remote or "")  # (1)
    try:
        form = await _form(request)  # (2)
        client, granted = await _grant(request, services, form)
    except OAuthError as exc:
        get_logger().info("oauth.refused", code=exc.code, correlation_id=request[CORRELATION])
        document = {"error": exc.code, "error_description": exc.detail}
        return json_response(document, status=exc.http_status, headers=_NO_STORE)
    now = services.exchange.clock.now()
    policy = services.settings.tokens
    access = issue_token(  # (6)
        client_id=client.client_id,
        scopes=granted,
        issuer=services.exchange.issuer,
        token_id=services.exchange.clock.new_id(),
        signer=services.token_signer,
        policy=policy,
        now=now,
        certificate_thumbprint=client.certificate_sha256,
    )
    answer = {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": int(policy.token_lifetime.total_seconds()),
        "scope": " ".join(granted),
    }
    return json_response(answer, headers=_NO_STORE)


async def _form(request: web.Request) -> dict[str, list[str]]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise OAuthInvalidRequest("send application/x-www-form-urlencoded")
    raw = await read_limited(request, _MAX_FORM_BYTES)
    try:
        return parse_qs(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=20, strict_parsing=True)
    except ValueError as exc:
        raise OAuthInvalidRequest("the form is not well-formed") from exc


async def _grant(
    request: web.Request, services: UkServices, form: dict[str, list[str]]
) -> tuple[Client, tuple[str, ...]]:
    asked = parse_token_request(form)
    client = services.clients.get(asked.client_id)
    if client is None:  # (3) the same words as for a wrong key: registered ids are not to be found out
        raise OAuthInvalidClient("the client assertion is not signed by a key of this client")
    issuer = services.exchange.issuer
    now = services.exchange.clock.now()
    assertion = check_assertion(
        asked,
        keys=client.keys,
        audiences=(f"{issuer}/oauth/token", issuer),
        policy=services.settings.tokens,
        now=now,
    )
    request[CLIENT_ID] = client.client_id
    if client.certificate_sha256 is not None and not hmac.compare_digest(
        client.certificate_sha256, certificate_thumbprint(request) or ""
    ):
        raise OAuthInvalidClient("this client must present its registered certificate")
    granted = grant_scopes(asked.scopes, client.scopes)  # (5)
    keep_until = assertion.expires_at + services.settings.tokens.skew
    async with services.exchange.store.begin() as tx:  # (4)
        if not await tx.use_jti(client.client_id, assertion.jti, keep_until):
            raise OAuthInvalidClient("jti of the assertion was used before")
    return client, granted
