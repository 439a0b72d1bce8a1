"""Our own keys for AS4: one signs, one decrypts. No I/O: ``gateway.keys`` loads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
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


def _check_pair(private_key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> None:
    if private_key.public_key() != certificate.public_key():
        raise ConfigError("the certificate does not belong to the private key")


@dataclass(frozen=True)
class SigningKey:
    """The key that signs, with its certificate first in ``chain``. Raises ConfigError when they differ."""

    private_key: rsa.RSAPrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...]

    def __post_init__(self) -> None:
        if not self.chain:
            raise ConfigError("a signing key needs its certificate")
        _check_pair(self.private_key, self.chain[0])

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
    """The key that others encrypt to. Raises ConfigError when key and certificate differ."""

    private_key: rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate

    def __post_init__(self) -> None:
        _check_pair(self.private_key, self.certificate)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate)

    @property
    def issuer_serial(self) -> IssuerSerial:
        return issuer_serial(self.certificate)

    @property
    def subject_key_id(self) -> bytes:
        return subject_key_id(self.certificate)
