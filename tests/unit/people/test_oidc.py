"""ID tokens and callbacks: every way to be somebody else is refused, before anything of it is read."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.core import oidc
from gateway.core.oidc import LoginSecret, Metadata, ProviderPlan
from gateway.core.oidc_causes import CAUSES, Cause, OidcNoAccount, OidcRefused, UnknownKey
from gateway.core.roles import Role, Side
from tests.fixtures.oidc_provider import new_key, public_jwk

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
SECONDS = int(NOW.timestamp())
KEY = new_key()
STRANGER = new_key()
JWKS = (public_jwk(KEY, "one"),)
PLAN = ProviderPlan(
    issuer="https://id.example",
    client_id="passerelle",
    client_secret="s",
    label="x",
    scopes="openid",
    algorithms=("RS256", "ES256"),
    name_claim="preferred_username",
    create_accounts=True,
    roles_claim="groups",
    roles={"ops": (Role.OPERATOR,), "boss": (Role.SUPERVISOR, Role.QUOTAS)},
    side_claim=None,
    sides={"GB": Side.UK, "FR": Side.FR},
    side=Side.UK,
    second_factor_amr=frozenset({"mfa"}),
)
META = Metadata(
    issuer=PLAN.issuer,
    authorization_endpoint="https://id.example/authorize?tenant=1",
    token_endpoint="https://id.example/token",
    jwks_uri="https://id.example/jwks",
    token_auth_methods=("client_secret_basic",),
    iss_parameter=True,
)
CLAIMS: dict[str, Any] = {
    "iss": PLAN.issuer,
    "aud": PLAN.client_id,
    "sub": "248289761001",
    "iat": SECONDS,
    "exp": SECONDS + 300,
    "nonce": "n-1",
}


def token(key: Any = KEY, algorithm: str = "RS256", kid: str | None = "one", **changes: Any) -> str:
    claims = {k: v for k, v in (CLAIMS | changes).items() if v is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={} if kid is None else {"kid": kid})


def verify(value: str, *, now: dt.datetime = NOW, access: str | None = None, jwks: Any = JWKS) -> Any:
    return oidc.verify_id_token(value, jwks, PLAN, nonce="n-1", access_token=access, now=now)


def unsigned() -> str:
    def part(values: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(values).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(CLAIMS)}."


def with_the_public_key_as_secret() -> str:
    """HS256 keyed with the provider's public key: who takes the algorithm from the token is fooled."""
    pem = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def part(values: dict[str, Any]) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(values).encode()).rstrip(b"=")

    signed = part({"alg": "HS256", "typ": "JWT", "kid": "one"}) + b"." + part(CLAIMS)
    mac = hmac.digest(pem, signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def changed_after_signing() -> str:
    head, _, mac = token().split(".")
    body = base64.urlsafe_b64encode(json.dumps({**CLAIMS, "sub": "1"}).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{mac}"


def test_a_good_token() -> None:
    """With one key, by its name or without, and with the hash of the access token."""
    assert verify(token())["sub"] == "248289761001"
    assert verify(token(kid=None))["sub"] == "248289761001"
    half = base64.urlsafe_b64encode(hashlib.sha256(b"at").digest()[:16]).rstrip(b"=").decode()
    assert verify(token(at_hash=half), access="at")["sub"] == "248289761001"


FORGED: dict[str, Callable[[], str]] = {
    "no signature": unsigned,
    "public key as secret": with_the_public_key_as_secret,
    "signed by a stranger": lambda: token(STRANGER),
    "changed after signing": changed_after_signing,
    "another algorithm of the same key": lambda: token(algorithm="PS256"),
    "RS512 is not taken": lambda: token(algorithm="RS512"),
    "a key of another name": lambda: token(kid="two"),
    "another kind of key": lambda: token(ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "no JWT": lambda: "a.b",
    "empty": lambda: "",
    "another issuer": lambda: token(iss="https://evil.example"),
    "issuer with a slash": lambda: token(iss=PLAN.issuer + "/"),
    "no issuer": lambda: token(iss=None),
    "another audience": lambda: token(aud="other"),
    "no audience": lambda: token(aud=None),
    "two audiences without azp": lambda: token(aud=[PLAN.client_id, "other"]),
    "authorised for another party": lambda: token(azp="other"),
    "expired": lambda: token(exp=SECONDS - 61),
    "no expiry": lambda: token(exp=None),
    "not yet": lambda: token(nbf=SECONDS + 120),
    "issued in the future": lambda: token(iat=SECONDS + 120),
    "issued long ago": lambda: token(iat=SECONDS - 3600),
    "no issue time": lambda: token(iat=None),
    "times as text": lambda: token(exp="tomorrow"),
    "another nonce": lambda: token(nonce="n-2"),
    "no nonce": lambda: token(nonce=None),
    "nobody": lambda: token(sub=None),
    "an empty subject": lambda: token(sub=""),
    "a hash of another access token": lambda: token(at_hash="AAAAAAAAAAAAAAAAAAAAAA"),
}


CAUSE_OF: dict[str, Cause] = {
    **dict.fromkeys(
        ("no signature", "public key as secret", "another algorithm of the same key", "RS512 is not taken"),
        Cause.ALGORITHM,
    ),
    **dict.fromkeys(("signed by a stranger", "changed after signing"), Cause.SIGNATURE),
    **dict.fromkeys(("a key of another name", "another kind of key"), Cause.KEY),
    **dict.fromkeys(("no JWT", "empty"), Cause.ANSWER),
    **dict.fromkeys(("another issuer", "issuer with a slash"), Cause.ISSUER),
    **dict.fromkeys(("another audience", "authorised for another party"), Cause.AUDIENCE),
    **dict.fromkeys(("expired", "not yet", "issued in the future", "issued long ago"), Cause.CLOCK),
    "another nonce": Cause.NONCE,
}
"""What an operator reads; for all others that a claim is missing or wrong."""


@pytest.mark.parametrize("attack", FORGED)
def test_forged_tokens(attack: str) -> None:
    """Each is refused as a sign-in with its cause, never with an error of a library."""
    with pytest.raises(OidcRefused) as refused:
        verify(FORGED[attack](), access="at")
    expected = CAUSE_OF.get(attack, Cause.CLOCK if attack == "times as text" else Cause.CLAIM)
    assert refused.value.cause is expected
    assert refused.value.detail == CAUSES[expected].en


def test_two_keys_that_fit_need_a_name() -> None:
    """A token that does not say its key is refused when two could be meant."""
    both = (*JWKS, public_jwk(STRANGER, "two"))
    assert verify(token(), jwks=both)["sub"]
    with pytest.raises(OidcRefused):
        verify(token(kid=None), jwks=both)


def test_a_key_for_encryption_signs_nothing() -> None:
    """``use`` and ``alg`` of a published key bind it."""
    for change in ({"use": "enc"}, {"alg": "PS256"}):
        with pytest.raises(UnknownKey):
            verify(token(), jwks=({**JWKS[0], **change},))


# ---- there and back ------------------------------------------------------------------------------

SECRET = LoginSecret("x" * 43)


def back(**changes: str | list[str] | None) -> dict[str, list[str]]:
    values: dict[str, Any] = {"code": "c", "state": SECRET.state, "iss": PLAN.issuer} | changes
    return {k: v if isinstance(v, list) else [v] for k, v in values.items() if v is not None}


def test_a_good_callback() -> None:
    """State and issuer hold: the code comes out."""
    assert oidc.check_callback(back(), META, SECRET) == "c"
    assert oidc.check_callback(back(iss=None), dataclasses.replace(META, iss_parameter=False), SECRET) == "c"


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "other"},
        {"state": None},
        {"state": LoginSecret("y" * 43).state},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"error": "access_denied"},
        {"code": None},
        {"code": ""},
        {"code": ["c", "d"]},
        {"state": [SECRET.state, SECRET.state]},
    ],
)
def test_callbacks_that_are_refused(changes: dict[str, Any]) -> None:
    """Another browser's, another provider's (mix-up), a refusal, none or two codes."""
    with pytest.raises(OidcRefused):
        oidc.check_callback(back(**changes), META, SECRET)


def test_an_empty_secret_opens_nothing() -> None:
    """Without the cookie its state could be computed by anybody."""
    with pytest.raises(OidcRefused):
        oidc.check_callback(back(state=LoginSecret("").state), META, LoginSecret(""))


def test_the_address_of_the_provider() -> None:
    """PKCE with S256, state and nonce; the verifier and the cookie's value stay here."""
    url = oidc.authorization_url(META, PLAN, SECRET, redirect_uri="https://gw/cb", language="fr")
    assert url.startswith("https://id.example/authorize?tenant=1&")
    assert "code_challenge_method=S256" in url
    assert f"nonce={SECRET.nonce}" in url
    assert SECRET.verifier not in url
    assert SECRET.value not in url
    assert len({SECRET.state, SECRET.nonce, SECRET.verifier}) == 3


GOOD_META = {
    "issuer": PLAN.issuer,
    "authorization_endpoint": "https://id.example/a",
    "token_endpoint": "https://id.example/t",
    "jwks_uri": "https://id.example/j",
}


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"issuer": "https://evil.example"}, Cause.ISSUER),
        ({"issuer": PLAN.issuer + "/"}, Cause.ISSUER),
        ({"token_endpoint": "http://id.example/t"}, Cause.PLAIN_HTTP),
        ({"jwks_uri": None}, Cause.ANSWER),
        ({"authorization_endpoint": 7}, Cause.ANSWER),
        ({"jwks_uri": "file:///etc/passwd"}, Cause.ANSWER),
        ({"end_session_endpoint": "http://id.example/out"}, Cause.PLAIN_HTTP),
        ({"end_session_endpoint": "javascript:alert(1)"}, Cause.ANSWER),
    ],
)
def test_metadata_that_is_refused(changes: dict[str, Any], cause: Cause) -> None:
    """Another issuer's, or an address that is not https."""
    assert oidc.read_metadata(json.dumps(GOOD_META).encode(), PLAN).token_endpoint.endswith("/t")
    with pytest.raises(OidcRefused) as refused:
        oidc.read_metadata(json.dumps(GOOD_META | changes).encode(), PLAN)
    assert refused.value.cause is cause


def test_the_way_out() -> None:
    """With our client id and nothing of the person; None where the provider has no such address."""
    assert oidc.leaving_url(META, PLAN) is None
    content = json.dumps(GOOD_META | {"end_session_endpoint": "https://id.example/out?x=1"}).encode()
    url = oidc.leaving_url(oidc.read_metadata(content, PLAN), PLAN)
    assert url == "https://id.example/out?x=1&client_id=passerelle"


def test_every_cause_has_words() -> None:
    """One text for each cause and language, none twice, each a sentence."""
    assert set(CAUSES) == set(Cause)
    for texts in ([w.en for w in CAUSES.values()], [w.fr for w in CAUSES.values()]):
        assert len(set(texts)) == len(Cause)
        assert all(text.endswith(".") and text[0].isupper() for text in texts)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"keys": 1}', b'{"id_token": 7}'])
def test_answers_that_are_no_answers(content: bytes) -> None:
    """Not JSON, not an object, not what was asked for."""
    for read in (oidc.read_jwks, oidc.read_tokens):
        with pytest.raises(OidcRefused):
            read(content)


# ---- who it is -----------------------------------------------------------------------------------


def test_claims_become_roles() -> None:
    """Only values in the map count; several add up; a nested claim is found."""
    said = oidc.claimed(CLAIMS | {"groups": ["ops", "boss", "pub"], "amr": ["pwd", "mfa"]}, PLAN)
    assert said.roles == {Role.OPERATOR, Role.SUPERVISOR, Role.QUOTAS}
    assert said.second_factor
    assert oidc.claimed(CLAIMS | {"groups": "admin"}, PLAN).roles == frozenset()
    nested = dataclasses.replace(PLAN, roles_claim="realm_access.roles")
    assert oidc.claimed(CLAIMS | {"realm_access": {"roles": ["ops"]}}, nested).roles == {Role.OPERATOR}
    assert oidc.claimed(CLAIMS, dataclasses.replace(PLAN, roles={})).roles is None
    assert not oidc.claimed(CLAIMS | {"amr": "mfa"}, PLAN).second_factor


def test_a_side_must_be_said_once() -> None:
    """With a claim for sides, none or two of them let nobody in."""
    plan = dataclasses.replace(PLAN, side_claim="country")
    assert oidc.claimed(CLAIMS | {"country": "FR"}, plan).side is Side.FR
    for country in (None, "DE", ["GB", "FR"]):
        with pytest.raises(OidcNoAccount):
            oidc.claimed(CLAIMS | {"country": country}, plan)
