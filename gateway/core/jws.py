"""JSON Web Signatures: detached over unencoded bodies (RFC 7515 appendix F, RFC 7797) and compact receipts.

Accepted algorithms are a closed set (conventions.md, "Signed bodies"); the algorithm of a key is fixed when
the key is registered, so a header can only ever *confirm* it (RFC 8725 section 3.1). Never ``none``, RS256
or HS*.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NoReturn

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.api_jws import PyJWS
from jwt.exceptions import InvalidKeyError, PyJWTError

from gateway.core.errors import ConfigError, SignatureInvalid, SignatureMissing

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

MAX_HEADER_CHARS: Final = 4096
"""Longest ``x-jws-signature`` or compact token that is looked at."""
MIN_RSA_BITS: Final = 2048


class Alg(StrEnum):
    """The only signature algorithms (RFC 7518 3.4 and 3.5, RFC 8037)."""

    ES256 = "ES256"
    PS256 = "PS256"
    EDDSA = "EdDSA"


_JWS = PyJWS(algorithms=[a.value for a in Alg])
_MADE_HERE = object()


def _fits(key: PublicKey, alg: Alg) -> bool:
    if alg is Alg.ES256:
        return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if alg is Alg.PS256:
        return isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS
    return isinstance(key, ed25519.Ed25519PublicKey)


@dataclass(frozen=True, kw_only=True, slots=True)
class VerificationKey:
    """A registered public key with the one algorithm it may be used with."""

    public_key: PublicKey
    alg: Alg

    def __post_init__(self) -> None:
        if not _fits(self.public_key, self.alg):
            raise ConfigError(f"a key registered for {self.alg.value} is of another type, curve or too short")


@dataclass(frozen=True, kw_only=True, slots=True)
class JwsSigner:
    """One of our private keys. ``kid`` defaults to the RFC 7638 thumbprint through ``signer_of``."""

    private_key: PrivateKey = field(repr=False)
    kid: str
    alg: Alg

    def __post_init__(self) -> None:
        if not _fits(self.private_key.public_key(), self.alg):
            raise ConfigError(f"a signing key for {self.alg.value} is of another type, curve or too short")

    @property
    def verification_key(self) -> VerificationKey:
        return VerificationKey(public_key=self.private_key.public_key(), alg=self.alg)


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedBody:
    """Bytes whose signature held, with who signed them; only ``verify_detached`` makes one.

    Everything later reads ``content`` and never the request again (style.md 2 and 3).
    """

    content: bytes = field(repr=False)
    kid: str
    alg: Alg
    jws: str
    """The detached form ``header..signature`` as it came: evidence."""
    key: VerificationKey = field(repr=False)
    made_by: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.made_by is not _MADE_HERE:
            raise TypeError("only verify_detached makes a VerifiedBody")

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def signing_input_sha256(self) -> str:
        """SHA-256 of ``header.body``: lets ES256 and PS256 be verified after the body is deleted."""
        return hashlib.sha256(self.jws.split(".", 1)[0].encode() + b"." + self.content).hexdigest()


# ---- keys ---------------------------------------------------------------------------------------


def _b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_jwk(key: VerificationKey, *, kid: str | None = None) -> dict[str, str]:
    """The public JWK (RFC 7517) with ``kid``, ``use`` and ``alg``; ``kid`` defaults to its thumbprint."""
    public = key.public_key
    if isinstance(public, ec.EllipticCurvePublicKey):
        members: Any = ECAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, rsa.RSAPublicKey):
        members = RSAAlgorithm.to_jwk(public, as_dict=True)
        members.pop("key_ops", None)
    else:
        members = OKPAlgorithm.to_jwk(public, as_dict=True)
    jwk = {str(k): str(v) for k, v in members.items()}
    return {**jwk, "kid": kid or _thumbprint(jwk), "use": "sig", "alg": key.alg.value}


def _thumbprint(jwk: Mapping[str, str]) -> str:
    needed = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}[
        jwk["kty"]
    ]
    text = json.dumps({k: jwk[k] for k in sorted(needed)}, separators=(",", ":"))
    return _b64u(hashlib.sha256(text.encode()).digest())


def signer_of(private_key: PrivateKey, alg: Alg) -> JwsSigner:
    """A signer whose ``kid`` is the RFC 7638 thumbprint of its public key."""
    key = VerificationKey(public_key=private_key.public_key(), alg=alg)
    return JwsSigner(private_key=private_key, kid=public_jwk(key)["kid"], alg=alg)


def load_public_jwk(jwk: Mapping[str, object], alg: Alg) -> VerificationKey:
    """A registered public JWK. Raises ConfigError for private, symmetric, unfit or malformed keys."""
    if "d" in jwk or "k" in jwk:
        raise ConfigError("a registered JWK must be public: it holds a private or symmetric key")
    if jwk.get("alg", alg.value) != alg.value:
        raise ConfigError(f"a registered JWK names another algorithm than {alg.value}")
    loader: Any = {"EC": ECAlgorithm, "RSA": RSAAlgorithm, "OKP": OKPAlgorithm}.get(str(jwk.get("kty")))
    if loader is None:
        raise ConfigError("a registered JWK needs kty EC, RSA or OKP")
    try:
        key: Any = loader.from_jwk(dict(jwk))
    except (InvalidKeyError, ValueError, KeyError, TypeError) as exc:
        raise ConfigError("a registered JWK is malformed") from exc
    return VerificationKey(public_key=key, alg=alg)


# ---- signing ------------------------------------------------------------------------------------


def sign_detached(body: bytes, signer: JwsSigner) -> str:
    """``header..signature`` over the unencoded body, header ``{alg, b64:false, crit:["b64"], kid}``."""
    headers = {"typ": None, "kid": signer.kid, "b64": False, "crit": ["b64"]}
    return _JWS.encode(body, signer.private_key, algorithm=signer.alg.value, headers=headers)


def sign_compact(payload: Mapping[str, object], signer: JwsSigner, *, typ: str = "JWT") -> str:
    """A compact JWS over the canonical (sorted, no spaces) JSON of ``payload``: receipts, tokens."""
    content = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    headers = {"typ": typ, "kid": signer.kid}
    return _JWS.encode(content, signer.private_key, algorithm=signer.alg.value, headers=headers)


# ---- verifying ----------------------------------------------------------------------------------


def _refuse(why: str) -> NoReturn:
    raise SignatureInvalid(why)


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate member")
    return found


def parse_header(token: str) -> dict[str, object]:
    """The protected header of a JWS, still unverified. Raises SignatureInvalid when malformed."""
    segment = token.split(".", 1)[0]
    try:
        raw = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except (ValueError, binascii.Error, RecursionError) as exc:
        raise SignatureInvalid("the JWS header is not base64url of a JSON object") from exc
    if not isinstance(header, dict):
        _refuse("the JWS header is not a JSON object")
    return header


def _select(header: Mapping[str, object], keys: Mapping[str, VerificationKey]) -> tuple[str, VerificationKey]:
    kid = header.get("kid")
    if not isinstance(kid, str) or kid not in keys:
        _refuse("the JWS names no registered key (kid)")
    key = keys[kid]
    if header.get("alg") != key.alg.value:
        _refuse(f"the JWS algorithm is not the one registered for this key ({key.alg.value})")
    return kid, key


def verify_detached(
    body: bytes, header_value: str | None, *, keys: Mapping[str, VerificationKey]
) -> VerifiedBody:
    """Verify ``x-jws-signature`` over exactly these bytes.

    (1) present and of bounded size, (2) form ``header..signature``, (3) ``b64`` false and ``crit`` exactly
    ``["b64"]`` (RFC 7797 section 6; an unknown critical parameter is refused, RFC 7515 4.1.11), (4) key by
    ``kid`` and its registered algorithm, (5) the signature. Raises SignatureMissing or SignatureInvalid.
    """
    if header_value is None or not header_value.strip():  # (1)
        raise SignatureMissing("x-jws-signature is missing: send a detached JWS over the body")
    value = header_value.strip()
    if len(value) > MAX_HEADER_CHARS:
        _refuse(f"x-jws-signature is longer than {MAX_HEADER_CHARS} characters")
    segments = value.split(".")  # (2)
    if len(segments) != 3 or segments[1] or not segments[0] or not segments[2] or not value.isascii():
        _refuse("x-jws-signature is not of the form header..signature")
    header = parse_header(value)
    if header.get("b64") is not False or header.get("crit") != ["b64"]:  # (3)
        _refuse('the JWS header needs "b64": false and "crit": ["b64"], and nothing else critical')
    kid, key = _select(header, keys)  # (4)
    try:  # (5)
        _JWS.decode_complete(value, key.public_key, algorithms=[key.alg.value], detached_payload=body)
    except (PyJWTError, ValueError) as exc:
        raise SignatureInvalid("the JWS signature does not hold over this body") from exc
    return VerifiedBody(content=body, kid=kid, alg=key.alg, jws=value, key=key, made_by=_MADE_HERE)


def verify_compact(
    token: str, *, keys: Mapping[str, VerificationKey], typ: str | None = None
) -> dict[str, object]:
    """The JSON claims of a compact JWS. No ``crit`` is understood here. Raises SignatureInvalid."""
    if len(token) > MAX_HEADER_CHARS or not token.isascii():
        _refuse(f"the token is longer than {MAX_HEADER_CHARS} characters or not ASCII")
    header = parse_header(token)
    if "crit" in header or "b64" in header:
        _refuse("the token has critical header parameters that are not understood")
    if typ is not None and header.get("typ") != typ:
        _refuse(f"the token is not of type {typ}")
    _, key = _select(header, keys)
    try:
        payload = _JWS.decode_complete(token, key.public_key, algorithms=[key.alg.value])["payload"]
        claims = json.loads(payload, object_pairs_hook=_no_duplicates)
    except (PyJWTError, ValueError, RecursionError) as exc:
        raise SignatureInvalid("the token's signature does not hold") from exc
    if not isinstance(claims, dict):
        _refuse("the token's payload is not a JSON object")
    return claims
