"""OAuth 2.0 client credentials with ``private_key_jwt`` (RFC 6749, 7523) and our access tokens (RFC 9068).

Pure: the caller has the clock and remembers the ``jti``. Refusals are constant texts (RFC 6749 section 5.2):
they never say which of client, key or claim was wrong beyond what the sender can know.
"""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.core.errors import (
    OAuthInvalidClient,
    OAuthInvalidRequest,
    OAuthInvalidScope,
    OAuthUnsupportedGrant,
    SignatureInvalid,
    Unauthorized,
)
from gateway.core.jws import JwsSigner, VerificationKey, sign_compact, verify_compact

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPES: Final = (
    "readmission.write",
    "nomination.write",
    "messages.read",
    "inbox.read",
    "inbox.acknowledge",
    "balance.read",
    "holds.read",
)
TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 — a media type, RFC 9068 section 2.1
_MAX_JTI = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenPolicy:
    """Limits of assertions and tokens; anything longer-lived would be weaker (RFC 8725 3.10)."""

    assertion_lifetime: dt.timedelta = dt.timedelta(minutes=5)
    token_lifetime: dt.timedelta = dt.timedelta(minutes=10)
    skew: dt.timedelta = dt.timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRequest:
    """A form that has the right shape (RFC 6749 4.4, RFC 7521 4.2); nothing is verified yet."""

    client_id: str
    """Claimed by the assertion's ``iss``; must be confirmed by ``check_assertion``."""
    assertion: str
    scopes: tuple[str, ...]
    """Empty: everything the client is registered for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assertion:
    """A verified client assertion. The caller must still record ``jti`` until ``expires_at``."""

    client_id: str
    jti: str
    expires_at: dt.datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessToken:
    """A verified access token."""

    client_id: str
    scopes: frozenset[str]
    expires_at: dt.datetime


def parse_token_request(form: Mapping[str, list[str]]) -> TokenRequest:
    """Read the form of POST /oauth/token. Raises OAuthInvalidRequest or OAuthUnsupportedGrant."""
    if any(len(values) != 1 for values in form.values()):
        raise OAuthInvalidRequest("a parameter is repeated")
    one = {name: values[0] for name, values in form.items()}
    if "grant_type" not in one:
        raise OAuthInvalidRequest("grant_type is missing")
    if one["grant_type"] != "client_credentials":
        raise OAuthUnsupportedGrant("only client_credentials is supported")
    if one.get("client_assertion_type") != ASSERTION_TYPE or not one.get("client_assertion"):
        raise OAuthInvalidClient("authenticate with client_assertion (private_key_jwt, RFC 7523)")
    assertion = one["client_assertion"]
    claimed = _peek_issuer(assertion)
    if one.get("client_id", claimed) != claimed:
        raise OAuthInvalidClient("client_id is not the issuer of the assertion")
    scopes = tuple(dict.fromkeys(one.get("scope", "").split()))
    return TokenRequest(client_id=claimed, assertion=assertion, scopes=scopes)


def _peek_issuer(assertion: str) -> str:
    try:
        segment = assertion.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
        issuer = claims["iss"]
    except (IndexError, ValueError, KeyError, TypeError, RecursionError) as exc:
        raise OAuthInvalidClient("the client assertion is malformed") from exc
    if not isinstance(issuer, str):
        raise OAuthInvalidClient("the client assertion is malformed")
    return issuer


def _instant(claims: Mapping[str, object], name: str) -> dt.datetime | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return dt.datetime.fromtimestamp(value, dt.UTC)
    except (OverflowError, OSError, ValueError):
        return None


def check_assertion(
    request: TokenRequest,
    *,
    keys: Mapping[str, VerificationKey],
    audiences: tuple[str, ...],
    policy: TokenPolicy,
    now: dt.datetime,
) -> Assertion:
    """Verify the client assertion (RFC 7523 section 3). Raises OAuthInvalidClient.

    (1) signature by a key registered for the claimed client, (2) iss = sub = client id, (3) aud is us,
    (4) exp in the future and at most ``assertion_lifetime`` ahead, (5) iat and nbf not in the future,
    (6) a jti of bounded size.
    """
    try:
        claims = verify_compact(request.assertion, keys=keys)  # (1)
    except SignatureInvalid as exc:
        raise OAuthInvalidClient("the client assertion is not signed by a key of this client") from exc
    if claims.get("iss") != request.client_id or claims.get("sub") != request.client_id:  # (2)
        raise OAuthInvalidClient("iss and sub of the assertion must be the client id")
    aud = claims.get("aud")
    named = aud if isinstance(aud, list) else [aud]
    if not any(isinstance(a, str) and a in audiences for a in named):  # (3)
        raise OAuthInvalidClient("aud of the assertion is not this token endpoint")
    expires, issued = _instant(claims, "exp"), _instant(claims, "iat")
    if expires is None or expires <= now:  # (4)
        raise OAuthInvalidClient("the assertion has expired, or has no exp")
    if expires > now + policy.assertion_lifetime + policy.skew:
        raise OAuthInvalidClient("exp of the assertion is more than 5 minutes away")
    if issued is None or issued > now + policy.skew or now - issued > policy.assertion_lifetime + policy.skew:
        raise OAuthInvalidClient("iat of the assertion is missing, old or in the future")  # (5)
    not_before = _instant(claims, "nbf")
    if "nbf" in claims and (not_before is None or not_before > now + policy.skew):
        raise OAuthInvalidClient("the assertion is not valid yet")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= _MAX_JTI:  # (6)
        raise OAuthInvalidClient("jti of the assertion is missing or too long")
    return Assertion(client_id=request.client_id, jti=jti, expires_at=expires)


def grant_scopes(asked: tuple[str, ...], allowed: frozenset[str]) -> tuple[str, ...]:
    """Scopes of the token, in the order of ``SCOPES``. Raises OAuthInvalidScope."""
    if any(scope not in allowed for scope in asked):
        raise OAuthInvalidScope("a scope is unknown or not registered for this client")
    wanted = frozenset(asked) or allowed
    return tuple(scope for scope in SCOPES if scope in wanted)


def issue_token(
    *,
    client_id: str,
    scopes: tuple[str, ...],
    issuer: str,
    token_id: str,
    signer: JwsSigner,
    policy: TokenPolicy,
    now: dt.datetime,
    certificate_thumbprint: str | None = None,
) -> str:
    """A JWT access token (RFC 9068); ``cnf.x5t#S256`` binds it to a certificate (RFC 8705 section 3.1)."""
    claims: dict[str, object] = {
        "iss": issuer,
        "aud": issuer,
        "sub": client_id,
        "client_id": client_id,
        "iat": int(now.timestamp()),
        "exp": int((now + policy.token_lifetime).timestamp()),
        "jti": token_id,
        "scope": " ".join(scopes),
    }
    if certificate_thumbprint is not None:
        claims["cnf"] = {"x5t#S256": certificate_thumbprint}
    return sign_compact(claims, signer, typ=TOKEN_TYPE)


def check_token(
    authorization: str | None,
    *,
    keys: Mapping[str, VerificationKey],
    issuer: str,
    now: dt.datetime,
    certificate_thumbprint: str | None = None,
) -> AccessToken:
    """Verify an ``Authorization: Bearer`` header (RFC 6750, RFC 9068 section 4). Raises Unauthorized."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("an access token is missing: send Authorization: Bearer")
    try:
        claims = verify_compact(token.strip(), keys=keys, typ=TOKEN_TYPE)
    except SignatureInvalid as exc:
        raise Unauthorized("the access token is not one of ours") from exc
    expires = _instant(claims, "exp")
    if expires is None or expires <= now:
        raise Unauthorized("the access token has expired")
    client_id, scope = claims.get("client_id"), claims.get("scope")
    if claims.get("iss") != issuer or claims.get("aud") != issuer:
        raise Unauthorized("the access token is for another service")
    if not isinstance(client_id, str) or not isinstance(scope, str):
        raise Unauthorized("the access token is not one of ours")
    confirmation = claims.get("cnf")
    if confirmation is not None:
        bound = confirmation.get("x5t#S256") if isinstance(confirmation, dict) else None
        if not isinstance(bound, str) or not hmac.compare_digest(bound, certificate_thumbprint or ""):
            raise Unauthorized("the access token is bound to another client certificate")
    return AccessToken(client_id=client_id, scopes=frozenset(scope.split()), expires_at=expires)
