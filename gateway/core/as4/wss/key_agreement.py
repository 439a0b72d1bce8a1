"""Key agreement for the content key: X25519 or ECDH on P-256, HKDF-SHA-256, AES-128 key wrap (as4.md 38).

The sender makes an ephemeral key for each message, agrees with the recipient's certified key on a secret,
derives 16 octets from it and wraps the content key with them. In the message:

    ds:KeyInfo / xenc:AgreementMethod
        xenc11:KeyDerivationMethod / HKDFParams: PRF, Salt, Info, KeyLength (octets)
        xenc:OriginatorKeyInfo: the ephemeral public key
        xenc:RecipientKeyInfo: whose key it was agreed with

Where texts and software differ, we write what Santuario (phase4, Domibus) reads and read both: an X25519
key is a dsig11:DEREncodedKeyValue directly in OriginatorKeyInfo (Santuario finds none inside ds:KeyValue), a
P-256 key a dsig11:ECKeyValue in ds:KeyValue. Info is left out, as WSS4J does; one that comes is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.kdf import hkdf
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.keys import DecryptionPrivateKey
from gateway.core.as4.policy import (
    AGREEMENT_KINDS,
    ECDH_ES,
    HKDF,
    HMAC_SHA256,
    KW_AES128,
    X25519,
    KeyAgreement,
    TokenReference,
)
from gateway.core.as4.wss import tokens, tree
from gateway.core.as4.wss.tokens import Token
from gateway.core.as4.wss.tree import Malformed

WRAPPING_KEY_BYTES: Final = 16
SALT_BYTES: Final = 32
"""As long as the hash (RFC 5869 3.1)."""
MAX_PARAMETER_BYTES: Final = 256
"""Of Salt and Info that others send."""
P256_URI: Final = "urn:oid:1.2.840.10045.3.1.7"
_MAX_SPKI_BYTES: Final = 128

AgreementPublicKey = x25519.X25519PublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a received AgreementMethod says; nothing secret."""

    agreement: KeyAgreement
    originator: AgreementPublicKey
    salt: bytes
    info: bytes
    recipient: Token


@dataclass(frozen=True, slots=True)
class Ephemeral:
    """One message's wrapping key, with what the recipient needs to find it."""

    agreement: KeyAgreement
    public_key: AgreementPublicKey
    salt: bytes
    wrapping_key: bytes = field(repr=False)


def derive(shared: bytes, *, salt: bytes, info: bytes = b"") -> bytes:
    """HKDF (RFC 5869) with HMAC-SHA-256: 16 octets. Raises ValueError for an all-zero secret.

    X25519 gives zeros only for points of small order, that is, for an attacker's (RFC 7748 6.1).
    """
    if not any(shared):
        raise ValueError("the shared secret is zero")
    kdf = hkdf.HKDF(algorithm=hashes.SHA256(), length=WRAPPING_KEY_BYTES, salt=salt, info=info)
    return kdf.derive(shared)


def shared_secret(private_key: DecryptionPrivateKey, public_key: AgreementPublicKey) -> bytes:
    """Raises ValueError when the keys do not go together, or their secret is zero."""
    if isinstance(private_key, x25519.X25519PrivateKey) and isinstance(public_key, x25519.X25519PublicKey):
        return private_key.exchange(public_key)
    if isinstance(private_key, ec.EllipticCurvePrivateKey) and isinstance(
        public_key, ec.EllipticCurvePublicKey
    ):
        return private_key.exchange(ec.ECDH(), public_key)
    raise ValueError("keys of different kinds")


def begin(
    recipient: AgreementPublicKey, agreement: KeyAgreement, *, rng: Callable[[int], bytes]
) -> Ephemeral:
    """A fresh ephemeral key, agreed with ``recipient``. Raises ValueError for a recipient of small order."""
    ephemeral: x25519.X25519PrivateKey | ec.EllipticCurvePrivateKey
    if isinstance(recipient, x25519.X25519PublicKey):
        ephemeral = x25519.X25519PrivateKey.generate()
    else:
        ephemeral = ec.generate_private_key(recipient.curve)
    salt = rng(SALT_BYTES)
    key = derive(shared_secret(ephemeral, recipient), salt=salt)
    return Ephemeral(agreement, ephemeral.public_key(), salt, key)


def wrap(ephemeral: Ephemeral, content_key: bytes) -> bytes:
    """AES key wrap (RFC 3394) of the content key."""
    return aes_key_wrap(ephemeral.wrapping_key, content_key)


def unwrap(agreed: Agreed, private_key: DecryptionPrivateKey, wrapped: bytes) -> bytes:
    """The content key. Raises ValueError or InvalidUnwrap: the caller makes them look alike."""
    shared = shared_secret(private_key, agreed.originator)
    return aes_key_unwrap(derive(shared, salt=agreed.salt, info=agreed.info), wrapped)


# ---- writing ------------------------------------------------------------------------------------


def write_agreement(
    key_info: etree._Element,
    security: etree._Element,
    ephemeral: Ephemeral,
    chain: Sequence[x509.Certificate],
    *,
    kind: TokenReference,
    stem: str,
) -> None:
    """Puts the AgreementMethod into ``key_info``; ``chain[0]`` is the recipient's certificate."""
    agreement = ephemeral.agreement
    method = etree.SubElement(
        key_info, ns.q(ns.XENC, "AgreementMethod"), Algorithm=agreement.algorithm, nsmap={"xenc": ns.XENC}
    )
    derivation = etree.SubElement(
        method,
        ns.q(ns.XENC11, "KeyDerivationMethod"),
        Algorithm=agreement.derivation,
        nsmap={"xenc11": ns.XENC11},
    )
    parameters = etree.SubElement(
        derivation, ns.q(ns.DSIG_MORE, "HKDFParams"), nsmap={"dsig-more": ns.DSIG_MORE}
    )
    etree.SubElement(parameters, ns.q(ns.DSIG_MORE, "PRF"), Algorithm=agreement.prf)
    etree.SubElement(parameters, ns.q(ns.DSIG_MORE, "Salt")).text = tree.base64_text(ephemeral.salt)
    etree.SubElement(parameters, ns.q(ns.DSIG_MORE, "KeyLength")).text = str(WRAPPING_KEY_BYTES)
    _write_originator(etree.SubElement(method, ns.q(ns.XENC, "OriginatorKeyInfo")), ephemeral.public_key)
    recipient = etree.SubElement(method, ns.q(ns.XENC, "RecipientKeyInfo"))
    tokens.write_token(recipient, security, chain, kind=kind, stem=stem, position=0)


def _write_originator(parent: etree._Element, public_key: AgreementPublicKey) -> None:
    if isinstance(public_key, x25519.X25519PublicKey):
        value = etree.SubElement(parent, ns.q(ns.DSIG11, "DEREncodedKeyValue"), nsmap={"dsig11": ns.DSIG11})
        value.text = tree.base64_text(_spki(public_key))
        return
    key_value = etree.SubElement(parent, ns.q(ns.DS, "KeyValue"), nsmap={"ds": ns.DS})
    ec_key = etree.SubElement(key_value, ns.q(ns.DSIG11, "ECKeyValue"), nsmap={"dsig11": ns.DSIG11})
    etree.SubElement(ec_key, ns.q(ns.DSIG11, "NamedCurve"), URI=P256_URI)
    point = public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    etree.SubElement(ec_key, ns.q(ns.DSIG11, "PublicKey")).text = tree.base64_text(point)


def _spki(public_key: AgreementPublicKey) -> bytes:
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


# ---- reading ------------------------------------------------------------------------------------


def read_agreement(key_info: etree._Element, security: etree._Element) -> Agreed:
    """What ds:KeyInfo of an EncryptedKey under kw-aes128 says. Raises Malformed for whatever is unknown."""
    if len(tree.elements(key_info)) != 1:
        raise Malformed("KeyInfo must hold one AgreementMethod")
    method = tree.only(key_info, ns.q(ns.XENC, "AgreementMethod"))
    algorithm = tree.attribute(method, "Algorithm")
    if algorithm not in AGREEMENT_KINDS:
        raise Malformed("key agreement is not known")
    derivation = tree.only(method, ns.q(ns.XENC11, "KeyDerivationMethod"))
    originator = tree.only(method, ns.q(ns.XENC, "OriginatorKeyInfo"))
    recipient = tree.only(method, ns.q(ns.XENC, "RecipientKeyInfo"))
    if len(tree.elements(method)) != 3:  # a KA-Nonce has no place in this profile
        raise Malformed("the AgreementMethod holds something that is not understood")
    if tree.attribute(derivation, "Algorithm") != HKDF:
        raise Malformed("key derivation is not known")
    salt, info = _read_parameters(derivation)
    return Agreed(
        agreement=KeyAgreement(algorithm, HKDF, HMAC_SHA256, KW_AES128),
        originator=_read_originator(originator, algorithm),
        salt=salt,
        info=info,
        recipient=tokens.read_recipient(recipient, security),
    )


def _read_parameters(derivation: etree._Element) -> tuple[bytes, bytes]:
    """Salt and Info; PRF and KeyLength are judged here."""
    parameters = tree.only(derivation, ns.q(ns.DSIG_MORE, "HKDFParams"))
    if len(tree.elements(derivation)) != 1:
        raise Malformed("the KeyDerivationMethod holds something that is not understood")
    inside = tree.elements(parameters)
    # RFC 9231's schema has PRF in its own namespace; Santuario looks for it in that of XML Encryption 1.1.
    prfs = [e for e in inside if e.tag in (ns.q(ns.DSIG_MORE, "PRF"), ns.q(ns.XENC11, "PRF"))]
    if len(prfs) != 1 or tree.attribute(prfs[0], "Algorithm") != HMAC_SHA256 or tree.elements(prfs[0]):
        raise Malformed("the pseudo-random function is not known")
    salt, info, length = (
        tree.optional(parameters, ns.q(ns.DSIG_MORE, name)) for name in ("Salt", "Info", "KeyLength")
    )
    if len(inside) != 1 + sum(each is not None for each in (salt, info, length)):
        raise Malformed("HKDFParams holds something that is not understood")
    if length is not None and tree.leaf_text(length) != str(WRAPPING_KEY_BYTES):
        raise Malformed("the length of the derived key is not that of the key wrap, in octets")
    values = [b"" if each is None else tree.binary(each) for each in (salt, info)]
    if any(len(value) > MAX_PARAMETER_BYTES for value in values):
        raise Malformed("a parameter of the key derivation is too long")
    return values[0], values[1]


def _read_originator(parent: etree._Element, algorithm: str) -> AgreementPublicKey:
    """The ephemeral public key, on the one curve of the algorithm."""
    (inside,) = tree.elements(parent) if len(tree.elements(parent)) == 1 else (None,)
    if inside is not None and inside.tag == ns.q(ns.DS, "KeyValue"):
        (inside,) = tree.elements(inside) if len(tree.elements(inside)) == 1 else (None,)
        if inside is not None and inside.tag == ns.q(ns.DSIG11, "ECKeyValue") and algorithm == ECDH_ES:
            return _read_ec_key(inside)
    if inside is None or inside.tag != ns.q(ns.DSIG11, "DEREncodedKeyValue"):
        raise Malformed("OriginatorKeyInfo holds no key of the agreed kind")
    der = tree.binary(inside)
    if len(der) > _MAX_SPKI_BYTES:
        raise Malformed("the originator's key is too long")
    try:
        public_key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise Malformed("the originator's key cannot be read") from exc
    if isinstance(public_key, x25519.X25519PublicKey):
        fits = algorithm == X25519
    elif isinstance(public_key, ec.EllipticCurvePublicKey):
        fits = algorithm == ECDH_ES and isinstance(public_key.curve, ec.SECP256R1)
    else:
        raise Malformed("the originator's key is of another kind")
    # One key has one encoding: nothing after it, no compressed point, no curve in explicit parameters.
    if not fits or _spki(public_key) != der:
        raise Malformed("the originator's key is on another curve, or in another form")
    return public_key


def _read_ec_key(ec_key: etree._Element) -> ec.EllipticCurvePublicKey:
    curve = tree.only(ec_key, ns.q(ns.DSIG11, "NamedCurve"))
    value = tree.only(ec_key, ns.q(ns.DSIG11, "PublicKey"))
    if len(tree.elements(ec_key)) != 2 or tree.attribute(curve, "URI") != P256_URI:
        raise Malformed("the originator's key is on another curve")
    point = tree.binary(value)
    try:
        public_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as exc:
        raise Malformed("the originator's point is not on the curve") from exc
    if public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) != point:
        raise Malformed("the originator's point is not in the uncompressed form")
    return public_key
