"""Signature values: what each algorithm puts into ds:SignatureValue, and the one kind of key it takes.

RSASSA-PKCS1-v1_5 as RFC 8017 has it; Ed25519 raw, 64 octets (RFC 8032, RFC 9231); ECDSA as r ‖ s, each as
long as the order of the curve (XML Signature 1.1, 6.4.3), not as DER.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from gateway.core.as4.keys import KeyKind, SigningPrivateKey, key_kind
from gateway.core.as4.policy import SIGNATURE_HASHES, SIGNATURE_KINDS
from gateway.core.errors import ConfigError, PolicyNoncompliance

P256_BYTES: Final = 32
"""Octets of r, of s, and of a coordinate."""
_ECDSA = ec.ECDSA(hashes.SHA256())


def sign_octets(private_key: SigningPrivateKey, algorithm: str, octets: bytes) -> bytes:
    """The signature value. ``algorithm``: a URI of the policy. Raises ConfigError for another kind of key."""
    if key_kind(private_key.public_key()) is not SIGNATURE_KINDS[algorithm]:
        raise ConfigError("the signing key is not of the kind that the security profile signs with")
    if isinstance(private_key, rsa.RSAPrivateKey):
        return private_key.sign(octets, padding.PKCS1v15(), SIGNATURE_HASHES[algorithm])
    if isinstance(private_key, ed25519.Ed25519PrivateKey):
        return private_key.sign(octets)
    r, s = decode_dss_signature(private_key.sign(octets, _ECDSA))
    return r.to_bytes(P256_BYTES, "big") + s.to_bytes(P256_BYTES, "big")


def check_key(public_key: object, algorithm: str, *, min_rsa_bits: int) -> None:
    """Raises PolicyNoncompliance unless the key is of the algorithm's kind, and an RSA key long enough."""
    kind = key_kind(public_key)
    if kind is not SIGNATURE_KINDS[algorithm]:
        raise PolicyNoncompliance("the signing key is not of the kind that the policy allows")
    if (
        kind is KeyKind.RSA
        and isinstance(public_key, rsa.RSAPublicKey)
        and public_key.key_size < min_rsa_bits
    ):
        raise PolicyNoncompliance("the signing key is too short")


def verify_octets(
    public_key: object, algorithm: str, value: bytes, octets: bytes, *, min_rsa_bits: int
) -> None:
    """Returns when ``value`` is the signature over ``octets``.

    Raises InvalidSignature, and PolicyNoncompliance for a key that the policy does not allow.
    """
    check_key(public_key, algorithm, min_rsa_bits=min_rsa_bits)
    if isinstance(public_key, rsa.RSAPublicKey):
        public_key.verify(value, octets, padding.PKCS1v15(), SIGNATURE_HASHES[algorithm])
    elif isinstance(public_key, ed25519.Ed25519PublicKey):
        public_key.verify(value, octets)
    elif isinstance(public_key, ec.EllipticCurvePublicKey) and len(value) == 2 * P256_BYTES:
        r, s = (int.from_bytes(half, "big") for half in (value[:P256_BYTES], value[P256_BYTES:]))
        public_key.verify(encode_dss_signature(r, s), octets, _ECDSA)
    else:
        raise InvalidSignature
