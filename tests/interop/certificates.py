"""Keys and certificates of an interop run, valid from yesterday for a month, as objects and as PEM files.

The fixed moment of ``tests.fixtures.pki`` would not do here: phase4 and TLS look at the machine's clock.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.clock import SystemClock
from gateway.core.as4.keys import DecryptionKey, SigningKey
from gateway.core.as4.trust import TrustStore
from tests.fixtures import pki

UK, FR, THIRD = "urn:test:interop:uk", "urn:test:interop:fr", "urn:test:interop:third"
_AGREES = pki.key_usage(key_agreement=True)


@dataclass(frozen=True)
class Pair:
    """A private key with its certificate; RSA, EC, Ed25519 or X25519."""

    private_key: Any
    certificate: x509.Certificate

    @property
    def signing(self) -> SigningKey:
        return SigningKey(self.private_key, (self.certificate,))

    @property
    def decryption(self) -> DecryptionKey:
        return DecryptionKey(self.private_key, self.certificate)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """``NAME.key.pem`` and ``NAME.crt.pem``; returns their paths."""
        key = self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.key.pem").write_bytes(key)
        (folder / f"{name}.crt.pem").write_bytes(self.certificate.public_bytes(Encoding.PEM))
        return folder / f"{name}.key.pem", folder / f"{name}.crt.pem"


def _issue(
    common_name: str, key: Any, *, usage: x509.KeyUsage = pki.SIGNS, ca: str = "Interop CA", **more: Any
) -> Pair:
    now = SystemClock().now()
    certificate = pki.issue(
        pki.name(common_name),
        key.public_key(),
        pki.authority(ca),
        not_before=now - pki.DAY,
        not_after=now + 30 * pki.DAY,
        usage=usage,
        **more,
    )
    return Pair(key, certificate)


def _rsa(name: str, **options: Any) -> Pair:
    return _issue(name, pki.private_key(f"interop {name}"), **options)


@dataclass(frozen=True)
class End:
    """The keys of one access point: those of profile 1.15, and both suites of 2.0."""

    party: str
    sign: Pair
    decrypt: Pair
    ed25519_sign: Pair
    x25519_decrypt: Pair
    ec_sign: Pair
    ec_decrypt: Pair

    @property
    def signers(self) -> tuple[x509.Certificate, ...]:
        return tuple(pair.certificate for pair in (self.sign, self.ed25519_sign, self.ec_sign))


def _end(party: str) -> End:
    def p256() -> Any:
        return ec.generate_private_key(ec.SECP256R1())

    return End(
        party=party,
        sign=_rsa(f"{party} signing"),
        decrypt=_rsa(f"{party} encryption", usage=pki.ENCRYPTS),
        ed25519_sign=_issue(f"{party} ed25519", ed25519.Ed25519PrivateKey.generate()),
        x25519_decrypt=_issue(f"{party} x25519", x25519.X25519PrivateKey.generate(), usage=_AGREES),
        ec_sign=_issue(f"{party} p256 signing", p256()),
        ec_decrypt=_issue(f"{party} p256 encryption", p256(), usage=_AGREES),
    )


@dataclass(frozen=True)
class Certificates:
    """Everything an interop run needs."""

    uk: End = field(default_factory=lambda: _end(UK))
    fr: End = field(default_factory=lambda: _end(FR))
    third: Pair = field(default_factory=lambda: _rsa(f"{THIRD} signing"))
    """A party that both ends know, and that is neither of them."""
    untrusted: Pair = field(default_factory=lambda: _rsa(f"{FR} signing, false", ca="Foreign CA"))
    stranger: Pair = field(default_factory=lambda: _rsa(f"{UK} signing, false", ca="Foreign CA"))
    """As ``untrusted`` for the other side: WSS4J trusts every certificate of its own key store."""
    other_recipient: Pair = field(default_factory=lambda: _rsa("another recipient", usage=pki.ENCRYPTS))
    tls: Pair = field(
        default_factory=lambda: _rsa(
            "127.0.0.1",
            extensions=(
                (x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False),
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            ),
        )
    )

    @property
    def authority(self) -> x509.Certificate:
        return pki.authority("Interop CA").certificate

    def trust(self) -> TrustStore:
        """What our end trusts."""
        return TrustStore(
            (self.authority,),
            {UK: self.uk.signers, FR: self.fr.signers, THIRD: (self.third.certificate,)},
        )

    def write_ca(self, folder: Path) -> Path:
        """The folder of anchors for ``gateway.transport.tls``."""
        anchors = folder / "anchors"
        anchors.mkdir(exist_ok=True)
        (anchors / "ca.pem").write_bytes(self.authority.public_bytes(Encoding.PEM))
        return anchors


def tls_for(host: str, *, ended: bool = False) -> Pair:
    """Of a server with that name and no other; ``ended`` yesterday."""
    key = pki.private_key(f"interop tls {host}")
    certificate = pki.issue(
        pki.name(host),
        key.public_key(),
        pki.authority("Interop CA"),
        not_before=now() - 30 * pki.DAY,
        not_after=now() + (-1 if ended else 30) * pki.DAY,
        extensions=(
            (x509.SubjectAlternativeName([x509.DNSName(host)]), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        ),
    )
    return Pair(key, certificate)


def now() -> dt.datetime:
    return SystemClock().now()
