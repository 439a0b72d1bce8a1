"""Detached and compact JWS: what verifies, and every way in which it must not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import ConfigError, SignatureInvalid, SignatureMissing
from gateway.core.jws import (
    MAX_HEADER_CHARS,
    Alg,
    JwsSigner,
    VerificationKey,
    VerifiedBody,
    load_public_jwk,
    public_jwk,
    sign_compact,
    sign_detached,
    signer_of,
    verify_compact,
    verify_detached,
)

BODY = '{"type":"Withdrawal","à":"é"}'.encode()
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SIGNERS = {
    Alg.ES256: signer_of(ec.generate_private_key(ec.SECP256R1()), Alg.ES256),
    Alg.PS256: signer_of(RSA_KEY, Alg.PS256),
    Alg.EDDSA: signer_of(ed25519.Ed25519PrivateKey.generate(), Alg.EDDSA),
}
KEYS = {s.kid: s.verification_key for s in SIGNERS.values()}
ES = SIGNERS[Alg.ES256]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def forge(header: Any, *, signer: JwsSigner = ES, body: bytes = BODY) -> str:
    """A JWS with any header at all, correctly signed by the P-256 key."""
    text = header if isinstance(header, str) else json.dumps(header)
    segment = b64(text.encode())
    assert isinstance(signer.private_key, ec.EllipticCurvePrivateKey)
    der = signer.private_key.sign(segment.encode() + b"." + body, ec.ECDSA(SHA256()))
    r, s = decode_dss_signature(der)
    return f"{segment}..{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


GOOD = {"alg": "ES256", "kid": ES.kid, "b64": False, "crit": ["b64"]}


@pytest.mark.parametrize("alg", list(Alg))
def test_round_trip(alg: Alg) -> None:
    """What we sign verifies over exactly these bytes and names its key."""
    jws = sign_detached(BODY, SIGNERS[alg])
    verified = verify_detached(BODY, jws, keys=KEYS)
    assert (verified.content, verified.kid, verified.alg) == (BODY, SIGNERS[alg].kid, alg)


@pytest.mark.parametrize("alg", list(Alg))
def test_header_is_exactly_what_the_convention_says(alg: Alg) -> None:
    """{"alg","b64":false,"crit":["b64"],"kid"} and nothing else; the payload segment is empty."""
    header, payload, signature = sign_detached(BODY, SIGNERS[alg]).split(".")
    assert json.loads(unb64(header)) == {
        "alg": alg.value,
        "kid": SIGNERS[alg].kid,
        "b64": False,
        "crit": ["b64"],
    }
    assert payload == ""
    assert signature


def test_signature_is_over_the_raw_bytes_of_rfc_7797() -> None:
    """Checked with cryptography alone: the signing input is header, dot and the unencoded body."""
    header, _, signature = sign_detached(BODY, SIGNERS[Alg.PS256]).split(".")
    RSA_KEY.public_key().verify(
        unb64(signature),
        header.encode() + b"." + BODY,
        padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=32),
        SHA256(),
    )


def test_forged_good_header_verifies() -> None:
    """The forging helper makes valid signatures, so the refusals below are due to the header alone."""
    assert verify_detached(BODY, forge(GOOD), keys=KEYS).content == BODY


BAD_HEADERS: dict[str, Any] = {
    "none": {**GOOD, "alg": "none"},
    "hmac": {**GOOD, "alg": "HS256"},
    "rs256": {**GOOD, "alg": "RS256"},
    "another algorithm": {**GOOD, "alg": "PS256"},
    "algorithm null": {**GOOD, "alg": None},
    "kid unknown": {**GOOD, "kid": "unknown"},
    "kid list": {**GOOD, "kid": ["x"]},
    "kid null": {**GOOD, "kid": None},
    "crit with exp too": {**GOOD, "crit": ["b64", "exp"], "exp": 1},
    "crit with exp alone": {**GOOD, "crit": ["exp"], "exp": 1},
    "crit b64 twice": {**GOOD, "crit": ["b64", "b64"]},
    "crit empty": {**GOOD, "crit": []},
    "crit a string": {**GOOD, "crit": "b64"},
    "b64 true": {**GOOD, "b64": True},
    "b64 zero": {**GOOD, "b64": 0},
    "b64 a string": {**GOOD, "b64": "false"},
    "no crit": {k: v for k, v in GOOD.items() if k != "crit"},
    "no b64": {k: v for k, v in GOOD.items() if k != "b64"},
    "no kid": {k: v for k, v in GOOD.items() if k != "kid"},
    "no alg": {k: v for k, v in GOOD.items() if k != "alg"},
    "array": [],
    "deep": "[" * 2000,
    "repeated member": json.dumps(GOOD)[:-1] + ', "alg": "ES256"}',
    "not json": "not json",
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_header_refused(name: str) -> None:
    """A correct signature does not save a header that says anything else than agreed."""
    with pytest.raises(SignatureInvalid):
        verify_detached(BODY, forge(BAD_HEADERS[name]), keys=KEYS)


def test_header_without_meaning_is_ignored() -> None:
    """Parameters that are not critical are ignored (RFC 7515 section 4): an embedded key is not used."""
    stranger = signer_of(ec.generate_private_key(ec.SECP256R1()), Alg.ES256)
    header = {**GOOD, "jwk": public_jwk(stranger.verification_key), "jku": "https://evil.test"}
    assert verify_detached(BODY, forge(header), keys=KEYS).kid == ES.kid
    with pytest.raises(SignatureInvalid):
        verify_detached(BODY, forge(header, signer=stranger), keys=KEYS)


@pytest.mark.parametrize("value", [None, "", "   "])
def test_missing_signature(value: str | None) -> None:
    """No header at all is its own error."""
    with pytest.raises(SignatureMissing):
        verify_detached(BODY, value, keys=KEYS)


BAD_FORMS = {
    "one segment": "a",
    "two segments": "a.b",
    "all empty": "..",
    "no signature": "a..",
    "no header": "..b",
    "four segments": "a..b.c",
    "not ascii": "é..b",
    "attached": sign_detached(BODY, ES).replace("..", "." + b64(BODY) + "."),
    "padded": sign_detached(BODY, ES) + "=",
    "cut": sign_detached(BODY, ES)[:-2],
    "too long": sign_detached(BODY, ES) + "A" * MAX_HEADER_CHARS,
    "compact": sign_compact({}, ES),
}


@pytest.mark.parametrize("name", BAD_FORMS)
def test_form_refused(name: str) -> None:
    """Anything that is not header..signature, unpadded and of bounded size is refused."""
    with pytest.raises(SignatureInvalid):
        verify_detached(BODY, BAD_FORMS[name], keys=KEYS)


def test_no_keys_means_refused() -> None:
    """Zero registered keys never verify (style.md 4)."""
    with pytest.raises(SignatureInvalid):
        verify_detached(BODY, sign_detached(BODY, ES), keys={})


@given(at=st.integers(min_value=0, max_value=len(BODY) - 1), flip=st.integers(min_value=1, max_value=255))
def test_any_changed_byte_breaks_it(at: int, flip: int) -> None:
    """A signature holds over no other body."""
    jws = sign_detached(BODY, SIGNERS[Alg.EDDSA])
    changed = bytearray(BODY)
    changed[at] ^= flip
    with pytest.raises(SignatureInvalid):
        verify_detached(bytes(changed), jws, keys=KEYS)


@given(st.text(max_size=200))
def test_any_text_is_refused_cleanly(value: str) -> None:
    """Whatever the header holds, the answer is one of our two errors."""
    with pytest.raises((SignatureInvalid, SignatureMissing)):
        verify_detached(BODY, value, keys=KEYS)
    with pytest.raises(SignatureInvalid):
        verify_compact(value, keys=KEYS)


def test_only_verification_makes_a_verified_body() -> None:
    """The stage type cannot be made by hand."""
    with pytest.raises(TypeError):
        VerifiedBody(
            content=BODY, kid="k", alg=Alg.ES256, jws="a..b", key=ES.verification_key, made_by=object()
        )


def test_digest_lets_es256_be_verified_after_the_body_is_gone() -> None:
    """The stored digest of the signing input is enough to verify the client's signature offline."""
    verified = verify_detached(BODY, sign_detached(BODY, ES), keys=KEYS)
    raw = unb64(verified.jws.rsplit(".", 1)[1])
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = verified.key.public_key
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(der, bytes.fromhex(verified.signing_input_sha256), ec.ECDSA(Prehashed(SHA256())))


@pytest.mark.parametrize("alg", list(Alg))
def test_compact_round_trip(alg: Alg) -> None:
    """Claims come back as they were, under the type that was asked for."""
    token = sign_compact({"sub": "é", "n": 1}, SIGNERS[alg], typ="receipt+jwt")
    assert verify_compact(token, keys=KEYS, typ="receipt+jwt") == {"sub": "é", "n": 1}


def test_compact_of_another_type_is_refused() -> None:
    """A receipt is not an access token."""
    with pytest.raises(SignatureInvalid):
        verify_compact(sign_compact({}, ES, typ="receipt+jwt"), keys=KEYS, typ="at+jwt")


@pytest.mark.parametrize(
    "token",
    [
        sign_detached(BODY, ES),
        sign_compact({}, ES)[:-4] + "AAAA",
        "x" * (MAX_HEADER_CHARS + 1),
        b64(json.dumps({"alg": "none", "kid": ES.kid}).encode()) + ".e30.",
        b64(json.dumps({"alg": "HS256", "kid": ES.kid}).encode()) + ".e30.AAAA",
    ],
    ids=["detached", "changed", "long", "none", "hmac"],
)
def test_compact_refused(token: str) -> None:
    """Detached, altered, oversized, unsigned and HMAC tokens are refused."""
    with pytest.raises(SignatureInvalid):
        verify_compact(token, keys=KEYS)


@pytest.mark.parametrize("alg", list(Alg))
def test_jwk_round_trip(alg: Alg) -> None:
    """A published key loads again as the same key; nothing private is in it."""
    jwk = public_jwk(SIGNERS[alg].verification_key)
    assert "d" not in jwk
    assert load_public_jwk(jwk, alg).public_key == SIGNERS[alg].verification_key.public_key
    assert jwk["kid"] == SIGNERS[alg].kid


def test_thumbprint_is_that_of_rfc_7638() -> None:
    """The example of RFC 7638 section 3.1 (its RSA key) gives its published thumbprint."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi"
        "FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb"
        "9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls"
        "1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    key = load_public_jwk({"kty": "RSA", "n": n, "e": "AQAB"}, Alg.PS256)
    assert public_jwk(key)["kid"] == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize(
    ("jwk", "alg"),
    [
        ({"kty": "oct", "k": "AAAA"}, Alg.ES256),
        ({**public_jwk(ES.verification_key), "d": "AAAA"}, Alg.ES256),
        ({**public_jwk(ES.verification_key), "alg": "EdDSA"}, Alg.ES256),
        (public_jwk(ES.verification_key), Alg.PS256),
        ({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, Alg.ES256),
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, Alg.PS256),
        ({}, Alg.ES256),
    ],
    ids=["symmetric", "private", "names another", "other type", "not a point", "short", "empty"],
)
def test_unfit_keys_are_not_registered(jwk: dict[str, object], alg: Alg) -> None:
    """Symmetric, private, short, broken or mismatched keys are a configuration error."""
    with pytest.raises(ConfigError):
        load_public_jwk(jwk, alg)


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP256K1()])
def test_es256_is_p256_only(curve: ec.EllipticCurve) -> None:
    """Other curves do not fit ES256 (RFC 7518 section 3.4)."""
    with pytest.raises(ConfigError):
        VerificationKey(public_key=ec.generate_private_key(curve).public_key(), alg=Alg.ES256)
