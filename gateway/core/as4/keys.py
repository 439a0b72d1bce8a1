"""Our own keys for AS4: some sign, some decrypt. No I/O: ``gateway.keys`` loads them.

Each kind of key belongs to one security profile: RSA to eDelivery AS4 1.15, Ed25519 and X25519 to 2.0, EC
P-256 to 2.0's alternative (as4.md 17, 25, 38). No other kind or curve can be held.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.x509.oid import NameOID

from gateway.core.errors import ConfigError

CERTIFICATE_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What cryptography raises, late and lazily, on a malformed certificate."""

SigningPrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
DecryptionPrivateKey = rsa.RSAPrivateKey | x25519.X25519PrivateKey | ec.EllipticCurvePrivateKey


class KeyKind(StrEnum):
    """Kinds of key that AS4 messages are secured with; the value is for people."""

    RSA = "RSA"
    ED25519 = "Ed25519"
    X25519 = "X25519"
    P256 = "EC P-256"


_SIGNING_KINDS = frozenset({KeyKind.RSA, KeyKind.ED25519, KeyKind.P256})
AGREEING_KINDS = frozenset({KeyKind.X25519, KeyKind.P256})
"""Others agree on a key with these, where they encrypt one with RSA."""

_OTHER_NAMES = {
    "EMAILADDRESS": NameOID.EMAIL_ADDRESS,
    "E": NameOID.EMAIL_ADDRESS,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
    "S": NameOID.STATE_OR_PROVINCE_NAME,
    "STREET": NameOID.STREET_ADDRESS,
    "SURNAME": NameOID.SURNAME,
    "GIVENNAME": NameOID.GIVEN_NAME,
    "T": NameOID.TITLE,
}
NameKey = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class IssuerSerial:
    """ds:X509IssuerSerial: the issuer in RFC 2253 form as it arrived, and the serial number."""

    issuer: str
    serial: int


@dataclass(frozen=True, slots=True)
class SubjectKeyId:
    """The value of the SubjectKeyIdentifier extension (RFC 5280 4.2.1.2)."""

    value: bytes


def name_key(name: x509.Name) -> NameKey:
    """A distinguished name to compare by: order, case, string type and spacing do not count."""
    return tuple(
        sorted(
            (attribute.oid.dotted_string, " ".join(str(attribute.value).split()).casefold())
            for attribute in name
        )
    )


def parse_name(text: str) -> NameKey | None:
    """The key of an RFC 2253 or RFC 4514 name; None when it is not readable as one."""
    compact = re.sub(r"(?<!\\),\s+", ",", text.strip())
    try:
        return name_key(x509.Name.from_rfc4514_string(compact, _OTHER_NAMES))
    except ValueError:
        return None


def issuer_serial(certificate: x509.Certificate) -> IssuerSerial:
    """What X509IssuerSerial says of this certificate (issuer in RFC 4514 form)."""
    return IssuerSerial(certificate.issuer.rfc4514_string(), certificate.serial_number)


def subject_key_id(certificate: x509.Certificate) -> bytes:
    """The SubjectKeyIdentifier extension, or SHA-1 over the public key where it is absent."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        public = certificate.public_key()
        return x509.SubjectKeyIdentifier.from_public_key(public).digest
    return extension.value.digest


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the DER form, lower-case hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def names(certificate: x509.Certificate, reference: IssuerSerial | SubjectKeyId) -> bool:
    """Whether the reference means this certificate. An unreadable issuer leaves the serial to decide."""
    if isinstance(reference, SubjectKeyId):
        return subject_key_id(certificate) == reference.value
    if certificate.serial_number != reference.serial:
        return False
    issuer = parse_name(reference.issuer)
    return issuer is None or issuer == name_key(certificate.issuer)


def key_kind(public_key: object) -> KeyKind | None:
    """The kind of a public key; None for every other algorithm or curve."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return KeyKind.RSA
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return KeyKind.ED25519
    if isinstance(public_key, x25519.X25519PublicKey):
        return KeyKind.X25519
    if isinstance(public_key, ec.EllipticCurvePublicKey) and isinstance(public_key.curve, ec.SECP256R1):
        return KeyKind.P256
    return None


def certificate_kind(certificate: x509.Certificate) -> KeyKind | None:
    """The kind of a certificate's key; None also when the key cannot be read."""
    try:
        return key_kind(certificate.public_key())
    except CERTIFICATE_ERRORS:
        return None


def may_agree(certificate: x509.Certificate) -> bool:
    """Whether the key usage allows key agreement (RFC 5280 4.2.1.3); without key usage it does."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_agreement
    except x509.ExtensionNotFound:
        return True


def _check_pair(
    private_key: SigningPrivateKey | DecryptionPrivateKey,
    certificate: x509.Certificate,
    kinds: frozenset[KeyKind],
) -> KeyKind:
    public_key = private_key.public_key()
    if public_key != certificate.public_key():
        raise ConfigError("the certificate does not belong to the private key")
    kind = key_kind(public_key)
    if kind is None or kind not in kinds:
        raise ConfigError("this kind of key is not used for this purpose")
    return kind


def _kind_of(private_key: SigningPrivateKey | DecryptionPrivateKey) -> KeyKind:
    kind = key_kind(private_key.public_key())
    assert kind is not None  # noqa: S101 — checked when the key was made; tells mypy
    return kind


@dataclass(frozen=True)
class SigningKey:
    """The key that signs, with its certificate first in ``chain``: RSA, Ed25519 or EC P-256.

    Raises ConfigError when they differ or the key is of another kind.
    """

    private_key: SigningPrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...]

    def __post_init__(self) -> None:
        if not self.chain:
            raise ConfigError("a signing key needs its certificate")
        _check_pair(self.private_key, self.chain[0], _SIGNING_KINDS)

    @property
    def kind(self) -> KeyKind:
        return _kind_of(self.private_key)

    @property
    def certificate(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate)

    @property
    def issuer_serial(self) -> IssuerSerial:
        return issuer_serial(self.certificate)

    @property
    def subject_key_id(self) -> bytes:
        return subject_key_id(self.certificate)


@dataclass(frozen=True)
class DecryptionKey:
    """The key that others encrypt to: RSA, X25519 or EC P-256.

    Raises ConfigError when key and certificate differ, the key is of another kind, or its certificate does
    not allow key agreement where that is what the kind is for.
    """

    private_key: DecryptionPrivateKey = field(repr=False)
    certificate: x509.Certificate

    def __post_init__(self) -> None:
        kind = _check_pair(self.private_key, self.certificate, AGREEING_KINDS | {KeyKind.RSA})
        if kind in AGREEING_KINDS and not may_agree(self.certificate):
            raise ConfigError("the certificate is not made for key agreement")

    @property
    def kind(self) -> KeyKind:
        return _kind_of(self.private_key)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate)

    @property
    def issuer_serial(self) -> IssuerSerial:
        return issuer_serial(self.certificate)

    @property
    def subject_key_id(self) -> bytes:
        return subject_key_id(self.certificate)
