"""Access tokens and client assertions as pure decisions."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.core.errors import OAuthInvalidClient, OAuthInvalidRequest, OAuthUnsupportedGrant, Unauthorized
from gateway.core.jws import Alg, sign_compact, signer_of
from gateway.core.tokens import (
    ASSERTION_TYPE,
    TOKEN_TYPE,
    TokenPolicy,
    TokenRequest,
    check_assertion,
    check_token,
    issue_token,
    parse_token_request,
)

NOW = dt.datetime(2026, 11, 18, 9, 0, tzinfo=dt.UTC)
ISSUER = "https://passerelle.test"
SIGNER = signer_of(ec.generate_private_key(ec.SECP256R1()), Alg.ES256)
KEYS = {SIGNER.kid: SIGNER.verification_key}
THUMBPRINT = "A" * 43


def token(**changes: object) -> str:
    settings = {
        "client_id": "ho",
        "scopes": ("inbox.read",),
        "issuer": ISSUER,
        "token_id": "t",
        "signer": SIGNER,
        "policy": TokenPolicy(),
        "now": NOW,
    }
    return issue_token(**{**settings, **changes})  # type: ignore[arg-type]


def test_token_round_trip() -> None:
    """A fresh token gives its client and scopes back and lasts ten minutes."""
    found = check_token(f"Bearer {token()}", keys=KEYS, issuer=ISSUER, now=NOW)
    assert (found.client_id, found.scopes) == ("ho", {"inbox.read"})
    assert found.expires_at == NOW + dt.timedelta(minutes=10)


def test_token_ends_exactly_at_exp() -> None:
    """At exp the token is over (RFC 7519 section 4.1.4: on or after)."""
    last = NOW + dt.timedelta(minutes=10)
    check_token(f"Bearer {token()}", keys=KEYS, issuer=ISSUER, now=last - dt.timedelta(milliseconds=1))
    with pytest.raises(Unauthorized):
        check_token(f"Bearer {token()}", keys=KEYS, issuer=ISSUER, now=last)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic x", "Bearer a.b.c"])
def test_no_token(header: str | None) -> None:
    """Without a Bearer token there is no client."""
    with pytest.raises(Unauthorized):
        check_token(header, keys=KEYS, issuer=ISSUER, now=NOW)


def test_token_of_another_service_or_kind_is_refused() -> None:
    """Issuer and type are checked, not only the signature."""
    with pytest.raises(Unauthorized):
        check_token(f"Bearer {token(issuer='https://other.test')}", keys=KEYS, issuer=ISSUER, now=NOW)
    receipt = sign_compact({"iss": ISSUER, "aud": ISSUER, "exp": 2e9}, SIGNER, typ="receipt+jwt")
    with pytest.raises(Unauthorized):
        check_token(f"Bearer {receipt}", keys=KEYS, issuer=ISSUER, now=NOW)


def test_bound_token_needs_its_certificate() -> None:
    """A certificate-bound token works with that certificate alone (RFC 8705 section 3)."""
    bound = f"Bearer {token(certificate_thumbprint=THUMBPRINT)}"
    check_token(bound, keys=KEYS, issuer=ISSUER, now=NOW, certificate_thumbprint=THUMBPRINT)
    for other in (None, "B" * 43):
        with pytest.raises(Unauthorized):
            check_token(bound, keys=KEYS, issuer=ISSUER, now=NOW, certificate_thumbprint=other)


@pytest.mark.parametrize("cnf", ["x", {}, {"x5t#S256": None}, {"jkt": "x"}], ids=str)
def test_confirmation_that_is_not_understood_is_refused(cnf: object) -> None:
    """A token that demands some other proof of possession is not taken as a bearer token."""
    claims = {
        "iss": ISSUER,
        "aud": ISSUER,
        "client_id": "ho",
        "scope": "",
        "exp": int(NOW.timestamp()) + 60,
        "cnf": cnf,
    }
    with pytest.raises(Unauthorized):
        check_token(
            f"Bearer {sign_compact(claims, SIGNER, typ=TOKEN_TYPE)}", keys=KEYS, issuer=ISSUER, now=NOW
        )


def assertion(**changes: object) -> TokenRequest:
    now = int(NOW.timestamp())
    claims = {"iss": "ho", "sub": "ho", "aud": ISSUER, "iat": now, "exp": now + 300, "jti": "j"}
    return TokenRequest(client_id="ho", assertion=sign_compact({**claims, **changes}, SIGNER), scopes=())


def check(request: TokenRequest) -> str:
    found = check_assertion(request, keys=KEYS, audiences=(ISSUER,), policy=TokenPolicy(), now=NOW)
    return found.jti


def test_assertion_of_five_minutes_is_taken() -> None:
    """Five minutes is the longest lifetime; aud may be a list that names us."""
    assert check(assertion()) == "j"
    assert check(assertion(aud=["https://other.test", ISSUER])) == "j"


@pytest.mark.parametrize("exp", [True, float("inf"), 10**30, -(10**30), [], "1"], ids=str)
def test_impossible_times_are_refused(exp: object) -> None:
    """Times that are no time do not crash and do not pass."""
    with pytest.raises(OAuthInvalidClient):
        check(assertion(exp=exp))


def test_form_is_judged_before_anything_else() -> None:
    """Missing grant, other grant, repeated parameters and unreadable assertions have their codes."""
    good = {"grant_type": ["client_credentials"], "client_assertion_type": [ASSERTION_TYPE]}
    with pytest.raises(OAuthInvalidRequest):
        parse_token_request({})
    with pytest.raises(OAuthUnsupportedGrant):
        parse_token_request({"grant_type": ["password"]})
    with pytest.raises(OAuthInvalidRequest):
        parse_token_request({**good, "scope": ["a", "b"]})
    for broken in ("x", "a.b.c", "a.W10.c", "a.e30.c", "a.éé.c", "." * 5000):
        with pytest.raises(OAuthInvalidClient):
            parse_token_request({**good, "client_assertion": [broken]})
