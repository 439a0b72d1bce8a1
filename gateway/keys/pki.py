"""Keys and certificates that we make ourselves: for the demo, for tests, and for trying out an instance.

In production both states' certificates come from their own authorities; see the operator guide.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.core.as4.keys import AGREEING_KINDS, KeyKind, SigningKey
from gateway.core.errors import ConfigError

RSA_BITS = 2048
CA_DAYS = 3650
LEAF_DAYS = 825
_BACKDATED = dt.timedelta(minutes=5)  # the other side's clock may be a little behind

PrivateKey = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey
)
Purpose = Literal["sign", "encrypt"]


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A private key with its certificate first in ``chain``; the root itself is not in the chain."""

    private_key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...]

    @property
    def certificate(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def key_pem(self) -> bytes:
        """PKCS #8, not encrypted: the file's permissions protect it."""
        return private_pem(self.private_key)

    @property
    def chain_pem(self) -> bytes:
        return chain_pem(self.chain)

    def signing_key(self) -> SigningKey:
        """Raises ConfigError for a kind of key that does not sign."""
        if isinstance(self.private_key, x25519.X25519PrivateKey):
            raise ConfigError("an X25519 key does not sign")
        return SigningKey(self.private_key, self.chain)


def new_key(kind: KeyKind, *, bits: int = RSA_BITS) -> PrivateKey:
    """A new private key; ``bits`` is the size of an RSA key."""
    match kind:
        case KeyKind.RSA:
            return rsa.generate_private_key(65537, bits)
        case KeyKind.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
        case KeyKind.X25519:
            return x25519.X25519PrivateKey.generate()
        case KeyKind.P256:
            return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: PrivateKey) -> bytes:
    """PKCS #8 PEM without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def chain_pem(chain: Sequence[x509.Certificate]) -> bytes:
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in chain)


def _name(common_name: str, organisation: str, country: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(**granted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: granted.get(name, False) for name in names})


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, *, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(identifier, critical=False)
    )


def make_ca(common_name: str, *, now: dt.datetime, organisation: str = "Passerelle", country: str) -> Issued:
    """A self-signed RSA root that may issue leaves only. ``country``: ISO 3166-1 alpha-2."""
    key = rsa.generate_private_key(65537, RSA_BITS)
    name = _name(common_name, organisation, country)
    certificate = (
        _builder(name, name, key, now=now, days=CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Issued(private_key=key, chain=(certificate,))


def _issue(ca: Issued, builder: x509.CertificateBuilder) -> x509.Certificate:
    if not isinstance(ca.private_key, rsa.RSAPrivateKey):
        raise ConfigError("an authority of ours has an RSA key")
    authority = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), critical=False
        )
        .sign(ca.private_key, hashes.SHA256())
    )


def make_party_certificate(
    ca: Issued,
    common_name: str,
    purpose: Purpose,
    *,
    now: dt.datetime,
    organisation: str = "Passerelle",
    country: str,
    kind: KeyKind = KeyKind.RSA,
    bits: int = RSA_BITS,
    days: int = LEAF_DAYS,
) -> Issued:
    """A key for AS4: ``sign`` (digitalSignature, nonRepudiation) or ``encrypt``, whose certificate is for
    keyEncipherment with RSA and for keyAgreement with the other kinds."""
    key = new_key(kind, bits=bits)
    if purpose == "sign":
        usage = _usage(digital_signature=True, content_commitment=True)
    elif kind in AGREEING_KINDS:
        usage = _usage(key_agreement=True)
    else:
        usage = _usage(key_encipherment=True)
    builder = _builder(
        _name(common_name, organisation, country), ca.certificate.subject, key, now=now, days=days
    )
    return Issued(private_key=key, chain=(_issue(ca, builder.add_extension(usage, critical=True)),))


def make_tls_certificate(
    ca: Issued,
    *,
    now: dt.datetime,
    hosts: Sequence[str] = ("localhost", "127.0.0.1", "::1"),
    organisation: str = "Passerelle",
    country: str,
    days: int = LEAF_DAYS,
) -> Issued:
    """An EC P-256 key for TLS, as server and (mutual TLS) as client; ``hosts`` are names or addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(hosts[0], organisation, country)
    builder = (
        _builder(subject, ca.certificate.subject, key, now=now, days=days)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False)
    )
    return Issued(private_key=key, chain=(_issue(ca, builder),))


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
