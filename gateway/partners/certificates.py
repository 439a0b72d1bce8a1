"""Certificates as partners send them: PEM, DER or PKCS#7 in, facts for people and checks out. No I/O."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from gateway.core.as4.keys import CERTIFICATE_ERRORS, fingerprint
from gateway.partners.refusals import refuse
from gateway.partners.text import printable

MAX_BYTES: Final = 1_000_000
_GROUP: Final = 4
_GROUPS_IN_LINE: Final = 8
HIDDEN_GROUPS: Final = 2
"""Groups at the end of a fingerprint that are typed to confirm it."""

PublicKey = (
    rsa.RSAPublicKey
    | ec.EllipticCurvePublicKey
    | ed25519.Ed25519PublicKey
    | x25519.X25519PublicKey
    | ed448.Ed448PublicKey
    | x448.X448PublicKey
    | dsa.DSAPublicKey
)


class Purpose(StrEnum):
    """What a partner's certificate is for; the value is what people read."""

    SIGN = "sign"
    ENCRYPT = "encrypt"
    ANCHOR = "CA"
    TLS_ANCHOR = "TLS CA"


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """A certificate and where it came from (a file as the operator named it)."""

    source: str
    certificate: x509.Certificate

    @property
    def sha256(self) -> str:
        return fingerprint(self.certificate)


def read_certificates(content: bytes, source: str) -> tuple[Given, ...]:
    """Every certificate of one file, in its order: PEM (also several), DER, or PKCS#7 in either form.

    Raises PartnerRefused: private key inside, a request, malformed, too large, or nothing of the kind.
    """
    if len(content) > MAX_BYTES:
        raise refuse("too_large", source, limit=MAX_BYTES)
    if b"PRIVATE KEY-----" in content:
        raise refuse("private_key", source)
    if b"CERTIFICATE REQUEST-----" in content:
        raise refuse("request", source)
    try:
        found = _load(content)
    except CERTIFICATE_ERRORS as exc:
        raise refuse("not_a_certificate", source) from exc
    if not found:
        raise refuse("not_a_certificate", source)
    for certificate in found:
        _check_readable(certificate, source)
    return tuple(Given(source=source, certificate=certificate) for certificate in dict.fromkeys(found))


def _load(content: bytes) -> list[x509.Certificate]:
    with warnings.catch_warnings():
        # BER instead of DER is the sender's oddity; what a certificate itself breaks is looked at next
        warnings.simplefilter("ignore")
        if b"-----BEGIN CERTIFICATE-----" in content:
            return x509.load_pem_x509_certificates(content)
        if b"-----BEGIN PKCS7-----" in content:
            return pkcs7.load_pem_pkcs7_certificates(content)
        try:
            return [x509.load_der_x509_certificate(content)]
        except ValueError:
            return pkcs7.load_der_pkcs7_certificates(content)


def _check_readable(certificate: x509.Certificate, source: str) -> None:
    """cryptography reads lazily: what is broken inside shows here, and nowhere later. What it only warns of
    (against RFC 5280, and refused by its next releases) is refused too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            certificate.public_key()
            list(certificate.extensions)
            _ = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
            _ = certificate.serial_number, certificate.signature_hash_algorithm
            _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except (*CERTIFICATE_ERRORS, Warning) as exc:
        raise refuse("malformed", source, why=type(exc).__name__) from exc


# ---- facts ----------------------------------------------------------------------------------------


def key_text(certificate: x509.Certificate) -> str:
    """For example ``RSA 2048``, ``EC secp256r1``, ``Ed25519``."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__.removeprefix("_").removesuffix("PublicKey")


def ski(certificate: x509.Certificate) -> str | None:
    """The subject key identifier extension, hex; None when there is none (peers then cannot refer by it)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return None
    return extension.value.digest.hex()


def is_ca(certificate: x509.Certificate) -> bool:
    """BasicConstraints says that it may issue certificates."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Issued by itself, signature checked."""
    try:
        certificate.verify_directly_issued_by(certificate)
    except Exception:  # noqa: BLE001 — InvalidSignature, ValueError, TypeError: not by itself, whichever
        return False
    return True


def name_text(name: x509.Name) -> str:
    """A distinguished name as people read it (RFC 4514), without control characters."""
    return printable(name.rfc4514_string())


def hex_text(number: int) -> str:
    """A serial number as OpenSSL and Java show it: hex, an even number of digits."""
    text = f"{number:x}"
    return text if len(text) % 2 == 0 else f"0{text}"


def groups(digits: str) -> tuple[str, ...]:
    """Hex digits in groups of four, as they are read aloud."""
    return tuple(digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP))


def group_lines(digits: str, *, hide: int = 0) -> tuple[str, ...]:
    """The groups, eight to a line; the last ``hide`` of them as dots."""
    parts = groups(digits)
    shown = [*parts[: len(parts) - hide], *["····"] * hide]
    return tuple(" ".join(shown[at : at + _GROUPS_IN_LINE]) for at in range(0, len(shown), _GROUPS_IN_LINE))


def last_groups(digits: str) -> str:
    """What the operator types after hearing it on the phone."""
    return "".join(groups(digits)[-HIDDEN_GROUPS:])


def normal(typed: str) -> str:
    """Hex digits as typed or pasted, without blanks, colons and capitals."""
    return "".join(typed.replace(":", " ").split()).lower()


def pem(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(c.public_bytes(Encoding.PEM) for c in certificates)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What people and peers need to know of one certificate; instants are UTC."""

    subject: str
    issuer: str
    serial: int
    serial_hex: str
    ski: str | None
    sha256: str
    key: str
    valid_from: dt.datetime
    valid_until: dt.datetime
    days_left: int
    """Whole days until it ends; negative when it has ended."""
    state: str
    """``valid``, ``not yet valid`` or ``expired``."""


def facts(certificate: x509.Certificate, now: dt.datetime) -> Facts:
    """The facts at ``now`` (aware)."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    state = "not yet valid" if now < start else "expired" if now > end else "valid"
    return Facts(
        subject=name_text(certificate.subject),
        issuer=name_text(certificate.issuer),
        serial=certificate.serial_number,
        serial_hex=hex_text(certificate.serial_number),
        ski=ski(certificate),
        sha256=fingerprint(certificate),
        key=key_text(certificate),
        valid_from=start,
        valid_until=end,
        days_left=(end - now).days,
        state=state,
    )
