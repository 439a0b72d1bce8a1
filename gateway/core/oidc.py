"""OpenID Connect as a relying party: the code flow with PKCE, without I/O.

One random secret of the browser's cookie makes state, nonce and code verifier (HMAC-SHA-256 with a label
each; OIDC core 15.5.2, RFC 7636): nobody else can know any of them before it is used, and no node has to
remember a sign-in. An ID token is verified in this order: (1) algorithm, from our own list; (2) key, by the
provider's JWKS; (3) signature; (4) issuer, audience, authorised party, times, nonce, hash of the access token
(OIDC core 3.1.3.7). Nothing of a token is read before (3).
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
from authlib.common.errors import AuthlibBaseError
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc.errors import ClaimError, JoseError, MissingClaimError

from gateway.core.oidc_causes import Cause, OidcNoAccount, OidcRefused, UnknownKey
from gateway.core.roles import Role, Side

LEEWAY: Final = dt.timedelta(minutes=1)
FRESH: Final = dt.timedelta(minutes=10)
"""An ID token of this sign-in is not older."""
_LONGEST_TOKEN: Final = 65_536


_CLAIM_CAUSES: Final = {
    "iss": Cause.ISSUER,
    "aud": Cause.AUDIENCE,
    "azp": Cause.AUDIENCE,
    "exp": Cause.CLOCK,
    "nbf": Cause.CLOCK,
    "iat": Cause.CLOCK,
    "nonce": Cause.NONCE,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderPlan:
    """What is configured about the provider."""

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    label: str
    scopes: str
    algorithms: tuple[str, ...]
    name_claim: str
    create_accounts: bool
    roles_claim: str
    roles: Mapping[str, tuple[Role, ...]]
    """Empty: roles are given here, not there."""
    side_claim: str | None
    sides: Mapping[str, Side]
    side: Side
    second_factor_amr: frozenset[str]
    allow_http: bool = False
    """Beyond loopback: tests only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """What the provider publishes about itself, as far as we use it."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_auth_methods: tuple[str, ...]
    iss_parameter: bool
    """Its callbacks carry ``iss`` (RFC 9207): one without it is refused."""
    end_session_endpoint: str | None = None
    """Where a person ends the session there (RP-initiated logout 2.1), if it says so."""


def discovery_url(issuer: str) -> str:
    """OIDC discovery 4."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def read_metadata(content: bytes, plan: ProviderPlan) -> Metadata:
    """Raises OidcRefused: not JSON, another issuer (discovery 4.3), an address that is not https."""
    values = _object(content)
    if values.get("issuer") != plan.issuer:
        raise OidcRefused(Cause.ISSUER)
    found = {
        name: _address(values.get(name), plan)
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    }
    methods = values.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    ends = values.get("end_session_endpoint")
    return Metadata(
        issuer=plan.issuer,
        token_auth_methods=tuple(str(m) for m in methods) if isinstance(methods, list) else (),
        iss_parameter=values.get("authorization_response_iss_parameter_supported") is True,
        end_session_endpoint=None if ends is None else _address(ends, plan),
        **found,
    )


def _object(content: bytes) -> dict[str, Any]:
    try:
        values = json.loads(content)
    except ValueError as exc:
        raise OidcRefused(Cause.ANSWER) from exc
    if not isinstance(values, dict):
        raise OidcRefused(Cause.ANSWER)
    return values


def _address(value: object, plan: ProviderPlan) -> str:
    parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
    if not parts.hostname:
        raise OidcRefused(Cause.ANSWER)
    loopback = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not (parts.scheme == "https" or (parts.scheme == "http" and (loopback or plan.allow_http))):
        raise OidcRefused(Cause.PLAIN_HTTP)
    return str(value)


# ---- there and back ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoginSecret:
    """The value of the cookie that binds a sign-in to one browser."""

    value: str = field(repr=False)

    @classmethod
    def new(cls) -> LoginSecret:
        return cls(secrets.token_urlsafe(32))

    def _part(self, label: str) -> str:
        mac = hmac.digest(self.value.encode(), f"passerelle oidc {label}".encode(), "sha256")
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    @property
    def state(self) -> str:
        return self._part("state")

    @property
    def nonce(self) -> str:
        return self._part("nonce")

    @property
    def verifier(self) -> str:
        """43 characters (RFC 7636 section 4.1)."""
        return self._part("verifier")

    @property
    def digest(self) -> str:
        """Under which its use is remembered."""
        return hashlib.sha256(self.value.encode()).hexdigest()


def authorization_url(
    metadata: Metadata, plan: ProviderPlan, secret: LoginSecret, *, redirect_uri: str, language: str
) -> str:
    """Where the browser is sent."""
    return str(
        prepare_grant_uri(
            metadata.authorization_endpoint,
            client_id=plan.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=plan.scopes,
            state=secret.state,
            nonce=secret.nonce,
            code_challenge=create_s256_code_challenge(secret.verifier),
            code_challenge_method="S256",
            ui_locales=language,
        )
    )


def leaving_url(metadata: Metadata, plan: ProviderPlan) -> str | None:
    """Where a person ends the session at the provider too (RP-initiated logout 2). Without an ID token as
    hint, since none is kept: the provider asks before it does so. None: it has no such address."""
    if metadata.end_session_endpoint is None:
        return None
    return str(add_params_to_uri(metadata.end_session_endpoint, [("client_id", plan.client_id)]))


def check_callback(query: Mapping[str, Sequence[str]], metadata: Metadata, secret: LoginSecret) -> str:
    """The code that the provider gave. Raises OidcRefused: (1) another browser's or no state, (2) another
    issuer's callback (mix-up, RFC 9207), (3) the provider's refusal, (4) no code."""
    single = {name: values[0] for name, values in query.items() if len(values) == 1}
    if len(single) != len(query):
        raise OidcRefused(Cause.ANSWER)
    same = hmac.compare_digest(single.get("state", "").encode(), secret.state.encode())
    if not secret.value or not same:  # (1)
        raise OidcRefused(Cause.BROWSER)
    issuer = single.get("iss")
    if issuer != metadata.issuer and (issuer is not None or metadata.iss_parameter):  # (2)
        raise OidcRefused(Cause.OTHER_PROVIDER)
    if "error" in single:  # (3)
        raise OidcRefused(Cause.SCOPES if single["error"] == "invalid_scope" else Cause.DENIED)
    code = single.get("code", "")
    if not code:  # (4)
        raise OidcRefused(Cause.ANSWER)
    return code


# ---- the ID token --------------------------------------------------------------------------------


def read_tokens(content: bytes) -> tuple[str, str | None]:
    """(ID token, access token). Raises OidcRefused."""
    values = _object(content)
    token, access = values.get("id_token"), values.get("access_token")
    if not isinstance(token, str) or len(token) > _LONGEST_TOKEN:
        raise OidcRefused(Cause.ANSWER)
    return token, access if isinstance(access, str) else None


def read_jwks(content: bytes) -> tuple[dict[str, Any], ...]:
    """The keys. Raises OidcRefused."""
    keys = _object(content).get("keys")
    if not isinstance(keys, list):
        raise OidcRefused(Cause.ANSWER)
    return tuple(key for key in keys if isinstance(key, dict))


def verify_id_token(
    token: str,
    jwks: Sequence[Mapping[str, Any]],
    plan: ProviderPlan,
    *,
    nonce: str,
    access_token: str | None,
    now: dt.datetime,
) -> Mapping[str, Any]:
    """The claims, once everything holds. Raises OidcRefused, UnknownKey."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as exc:
        raise OidcRefused(Cause.ANSWER) from exc
    algorithm = header.get("alg")
    if algorithm not in plan.algorithms:  # (1)
        raise OidcRefused(Cause.ALGORITHM)
    key = _key_of(header, jwks, algorithm)  # (2)
    try:  # (3)
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            options={
                "verify_signature": True,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except jwt.PyJWTError as exc:
        raise OidcRefused(Cause.SIGNATURE) from exc
    _check_claims(claims, header, plan, nonce=nonce, access_token=access_token, now=now)  # (4)
    return claims


def _key_of(header: Mapping[str, Any], jwks: Sequence[Mapping[str, Any]], algorithm: str) -> jwt.PyJWK:
    kid = header.get("kid")
    fitting = []
    for jwk in jwks:
        if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
            continue
        if kid is not None and jwk.get("kid") != kid:
            continue
        try:
            fitting.append(jwt.PyJWK(dict(jwk), algorithm=algorithm))
        except jwt.PyJWTError:
            continue  # a key of another kind
    if not fitting:
        raise UnknownKey
    if len(fitting) > 1:
        raise OidcRefused(Cause.KEY)
    return fitting[0]


def _check_claims(
    claims: Mapping[str, Any],
    header: Mapping[str, Any],
    plan: ProviderPlan,
    *,
    nonce: str,
    access_token: str | None,
    now: dt.datetime,
) -> None:
    wanted = {
        "iss": {"essential": True, "value": plan.issuer},
        "aud": {"essential": True, "value": plan.client_id},
        "sub": {"essential": True},
        "exp": {"essential": True},
        "iat": {"essential": True},
    }
    params = {"nonce": nonce, "client_id": plan.client_id, "access_token": access_token}
    seconds = int(now.timestamp())
    try:
        CodeIDToken(claims, header, wanted, params).validate(now=seconds, leeway=int(LEEWAY.total_seconds()))
    except (JoseError, AuthlibBaseError, TypeError, ValueError, AttributeError) as exc:
        raise OidcRefused(_claim_cause(exc)) from exc
    age = seconds - int(claims["iat"])
    if not -LEEWAY.total_seconds() <= age <= (FRESH + LEEWAY).total_seconds():
        raise OidcRefused(Cause.CLOCK)
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise OidcRefused(Cause.CLAIM)


def _claim_cause(exc: Exception) -> Cause:
    """A claim that is not there is another matter than one that says something else."""
    if isinstance(exc, ClaimError) and not isinstance(exc, MissingClaimError):
        return _CLAIM_CAUSES.get(exc.claim, Cause.CLAIM)
    return Cause.CLAIM


# ---- who it is -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """What a verified ID token says about a person, in our words."""

    subject: str
    name: str
    display_name: str
    roles: frozenset[Role] | None
    """None: the provider says nothing about roles."""
    side: Side | None
    second_factor: bool


def _values(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    """The texts at a claim; ``a.b`` looks inside an object, as some providers nest roles."""
    value: Any = claims
    for part in (path,) if path in claims else tuple(path.split(".")):
        value = value.get(part) if isinstance(value, Mapping) else None
    found = value if isinstance(value, list) else [value]
    return frozenset(item for item in found if isinstance(item, str))


def claimed(claims: Mapping[str, Any], plan: ProviderPlan) -> Claimed:
    """Maps claims by the plan; a value that is not in it gives nothing."""
    roles = None
    if plan.roles:
        groups = _values(claims, plan.roles_claim)
        roles = frozenset(role for group in groups for role in plan.roles.get(group, ()))
    side = None
    if plan.side_claim is not None:
        sides = {plan.sides[v] for v in _values(claims, plan.side_claim) if v in plan.sides}
        if len(sides) != 1:
            raise OidcNoAccount(Cause.SIDE)
        side = sides.pop()
    name = claims.get(plan.name_claim)
    shown = claims.get("name")
    amr = claims.get("amr")
    return Claimed(
        subject=claims["sub"],
        name=name if isinstance(name, str) else "",
        display_name=shown if isinstance(shown, str) else "",
        roles=roles,
        side=side,
        second_factor=bool(plan.second_factor_amr & set(amr if isinstance(amr, list) else ())),
    )
