"""JSON proofs: the UK system's request signature, our receipt to it, our signature of the manifest.

A request is verified over the stored digest of its signing input, without its body: ES256 and PS256 sign a
SHA-256 digest, so the digest is enough (RFC 7518 3.4, 3.5). EdDSA hashes twice and needs the body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from gateway.core.errors import ConfigError, PasserelleError, SignatureInvalid
from gateway.core.jws import (
    Alg,
    VerificationKey,
    load_public_jwk,
    parse_header,
    verify_compact,
    verify_detached,
)
from gateway.core.proofs.known import GATEWAY, Known, judge_key
from gateway.core.proofs.report import Check, CheckCode, Proof, check, unknown

RECEIPT_TYPE = "receipt+jwt"
_SHA256 = Prehashed(hashes.SHA256())


class Unreadable(SignatureInvalid):
    """A proof that is not in its form."""


def load_keys(jwks: bytes) -> dict[str, VerificationKey]:
    """Public keys of a JWK set, by kid. Raises Unreadable."""
    try:
        listed = json.loads(jwks)["keys"]
        return {str(k["kid"]): load_public_jwk(k, Alg(k["alg"])) for k in listed}
    except (ValueError, KeyError, TypeError, ConfigError, RecursionError) as exc:
        raise Unreadable("the key set is not readable") from exc


def verify_digest(jws: str, digest: bytes, key: VerificationKey) -> bool:
    """Whether a detached JWS holds over a signing input with that SHA-256. Raises Unreadable for EdDSA and
    for what is no detached JWS with ``b64`` false (RFC 7797) of this key's algorithm."""
    header = parse_header(jws)
    segments = jws.split(".")
    detached = len(segments) == 3 and not segments[1]
    if not detached or header.get("b64") is not False or header.get("crit") != ["b64"]:
        raise Unreadable("not a detached JWS over an unencoded body")
    if header.get("alg") != key.alg.value or key.alg is Alg.EDDSA or len(digest) != 32:
        raise Unreadable("the algorithm is not the one of the key, or needs the body")
    try:
        value = base64.b64decode(segments[2] + "=" * (-len(segments[2]) % 4), altchars=b"-_", validate=True)
        _verify(value, digest, key.public_key)
    except (InvalidSignature, binascii.Error):
        return False
    return True


def _verify(value: bytes, digest: bytes, public: object) -> None:
    if isinstance(public, ec.EllipticCurvePublicKey) and len(value) == 64:
        r, s = int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big")
        public.verify(encode_dss_signature(r, s), digest, ec.ECDSA(_SHA256))
    elif isinstance(public, rsa.RSAPublicKey):
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)
        public.verify(value, digest, pss, _SHA256)
    else:
        raise InvalidSignature


# ---- the request of the UK system ---------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The stored proof of a request, read and nothing more."""

    jws: str
    body_sha256: str
    signing_input_sha256: str
    key: VerificationKey
    kid: str


def read_request(content: bytes) -> Request:
    """Raises SignatureInvalid."""
    try:
        raw: Any = json.loads(content)
        jwk = raw["key"]
        return Request(
            jws=str(raw["jws"]),
            body_sha256=str(raw["body_sha256"]),
            signing_input_sha256=str(raw["signing_input_sha256"]),
            key=load_public_jwk(jwk, Alg(jwk["alg"])),
            kid=str(jwk["kid"]),
        )
    except (ValueError, KeyError, TypeError, ConfigError, RecursionError) as exc:
        raise Unreadable("the proof of the request is not readable") from exc


def judge_request(
    name: str, kind: str, content: bytes, digest: Check, *, known: Known, body: bytes | None
) -> tuple[Proof, str | None]:
    """(the proof, the digest of the body that it names or None). ``body``: the request as it was posted, when
    somebody still has it."""
    checks = [digest]
    try:
        request = read_request(content)
        checks += _request_checks(request, body)
    except (PasserelleError, ValueError) as exc:
        checks.append(check(CheckCode.SIGNATURE, False, error=getattr(exc, "code", "unreadable")))
        return Proof(name=name, kind=kind, checks=tuple(checks)), None
    checks.append(judge_key(request.key, owner=None, known=known))
    return Proof(name=name, kind=kind, checks=tuple(checks)), request.body_sha256


def _request_checks(request: Request, body: bytes | None) -> list[Check]:
    facts = {"alg": request.key.alg.value, "kid": request.kid}
    if body is not None:
        signing = request.jws.split(".", 1)[0].encode() + b"." + body
        same = (
            hashlib.sha256(body).hexdigest() == request.body_sha256
            and hashlib.sha256(signing).hexdigest() == request.signing_input_sha256
        )
        verify_detached(body, request.jws, keys={request.kid: request.key})
        return [check(CheckCode.SIGNATURE, True, **facts), check(CheckCode.BODY, same)]
    if parse_header(request.jws).get("kid") != request.kid:
        raise Unreadable("the JWS names another key")
    if request.key.alg is Alg.EDDSA:
        return [unknown(CheckCode.SIGNATURE, **facts)]
    holds = verify_digest(request.jws, bytes.fromhex(request.signing_input_sha256), request.key)
    return [check(CheckCode.SIGNATURE, holds, **facts)]


# ---- our receipt --------------------------------------------------------------------------------


def judge_receipt(
    name: str,
    kind: str,
    content: bytes,
    digest: Check,
    *,
    message: Mapping[str, Any],
    bodies: frozenset[str],
    keys: Mapping[str, VerificationKey],
    known: Known,
) -> Proof:
    """Our signed receipt: it speaks of this message, and of a body whose request is in the bundle."""
    checks = [digest]
    try:
        token = content.decode("ascii")
        claims = verify_compact(token, keys=keys, typ=RECEIPT_TYPE)
        key = keys[str(parse_header(token)["kid"])]
    except (PasserelleError, ValueError) as exc:
        checks.append(check(CheckCode.SIGNATURE, False, error=getattr(exc, "code", "unreadable")))
        return Proof(name=name, kind=kind, checks=tuple(checks))
    same = all(claims.get(n) == message.get(n) for n in ("message_id", "reference"))
    checks += [
        check(CheckCode.SIGNATURE, True, alg=key.alg.value, received_at=_text(claims.get("received_at"))),
        check(CheckCode.MESSAGE, same),
        check(CheckCode.BODY, claims.get("body_sha256") in bodies),
        judge_key(key, owner=GATEWAY, known=known),
    ]
    return Proof(name=name, kind=kind, checks=tuple(checks))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def judge_manifest(
    manifest: bytes, jws: bytes | None, *, keys: Mapping[str, VerificationKey], known: Known
) -> tuple[Check, ...]:
    """Our signature over the manifest, which names every file by its digest."""
    if jws is None:
        return (check(CheckCode.MANIFEST, False, error="missing"),)
    try:
        verified = verify_detached(manifest, jws.decode("ascii"), keys=keys)
    except (PasserelleError, UnicodeDecodeError) as exc:
        return (check(CheckCode.MANIFEST, False, error=getattr(exc, "code", "unreadable")),)
    return (
        check(CheckCode.MANIFEST, True, kid=verified.kid),
        judge_key(verified.key, owner=GATEWAY, known=known),
    )
