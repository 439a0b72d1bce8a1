"""Who calls: access token, scope, client certificate, rate. Each handler names the scope it needs."""

from __future__ import annotations

import base64
import hashlib

from aiohttp import web

from gateway.core.errors import InsufficientScope, RateLimited, Unauthorized
from gateway.core.tokens import check_token
from gateway.web.rest.clients import Client
from gateway.web.rest.http import CLIENT_ID, RATE_HEADERS
from gateway.web.rest.limits import RateLimiter
from gateway.web.services import SERVICES

CLIENT_LIMITER: web.AppKey[RateLimiter] = web.AppKey("client_limiter", RateLimiter)
TOKEN_LIMITER: web.AppKey[RateLimiter] = web.AppKey("token_limiter", RateLimiter)


def certificate_thumbprint(request: web.Request) -> str | None:
    """``x5t#S256`` of the TLS client certificate (RFC 8705 section 3.1); None without one."""
    tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    if not certificate:
        return None
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()


def authenticate(request: web.Request, scope: str) -> Client:
    """The registered client behind the token. Raises Unauthorized, RateLimited, InsufficientScope."""
    services = request.app[SERVICES]
    now = services.exchange.clock.now()
    signers = (services.token_signer, *services.earlier_token_signers)
    token = check_token(
        request.headers.get("Authorization"),
        keys={signer.kid: signer.verification_key for signer in signers},
        issuer=services.exchange.issuer,
        now=now,
        certificate_thumbprint=certificate_thumbprint(request),
    )
    client = services.clients.get(token.client_id)
    if client is None:
        raise Unauthorized("the client of this token is no longer registered")
    request[CLIENT_ID] = client.client_id
    take_token(request, request.app[CLIENT_LIMITER], client.client_id)
    if scope not in token.scopes or scope not in client.scopes:
        raise InsufficientScope(f"the token lacks the scope {scope}")
    return client


def take_token(request: web.Request, limiter: RateLimiter, key: str) -> None:
    """Count one request; the RateLimit fields go on the answer either way. Raises RateLimited."""
    allowance = limiter.take(key, request.app[SERVICES].exchange.clock.now())
    request[RATE_HEADERS] = allowance.headers()
    if not allowance.allowed:
        raise RateLimited(f"too many requests: try again in {allowance.retry_after} s")
