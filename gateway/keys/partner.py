"""The partner's public side of an instance: ``trust/<partner>/anchors``, ``party``, ``crl``.

Which certificate signs and which encrypts is read from its key usage, so files may have any name. Several
signing certificates may stand side by side while the partner rotates; of several encryption certificates the
newest valid one of each kind of key is used.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from gateway.core.as4.keys import AGREEING_KINDS, KeyKind, certificate_kind, may_agree
from gateway.core.as4.trust import TrustStore
from gateway.core.errors import ConfigError
from gateway.keys import files


@dataclass(frozen=True, kw_only=True)
class Partner:
    """Whom we believe, and whom we encrypt to."""

    trust: TrustStore = field(repr=False)
    recipients: Mapping[KeyKind, x509.Certificate] = field(repr=False)
    """Never empty: for each kind of key the one to encrypt to."""
    signing: tuple[x509.Certificate, ...] = field(repr=False)

    @property
    def recipient(self) -> x509.Certificate:
        """The one of AS4 profile 1.15. Raises ConfigError when the partner gave only those of 2.0."""
        if KeyKind.RSA not in self.recipients:
            raise ConfigError("The partner has no valid RSA certificate to encrypt to. Add it.")
        return self.recipients[KeyKind.RSA]


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def signs(certificate: x509.Certificate) -> bool:
    """Whether the key usage allows signatures; a certificate without key usage may do everything."""
    usage = _usage(certificate)
    if certificate_kind(certificate) is KeyKind.X25519:
        return False
    return usage is None or usage.digital_signature or usage.content_commitment


def encrypts(certificate: x509.Certificate) -> bool:
    """Whether others may encrypt a message key to it: by RSA key transport, or by key agreement."""
    kind, usage = certificate_kind(certificate), _usage(certificate)
    if kind in AGREEING_KINDS:
        return may_agree(certificate)
    return kind is KeyKind.RSA and (usage is None or usage.key_encipherment or usage.data_encipherment)


def _certificates(folder: Path) -> tuple[x509.Certificate, ...]:
    found = {
        certificate: None for path in sorted(folder.glob("*.pem")) for certificate in files.read_chain(path)
    }
    if not found:
        raise ConfigError(f"{folder}: no certificate (*.pem) is here. Put the partner's certificates there.")
    return tuple(found)


def revoked(folder: Path, anchors: Sequence[x509.Certificate]) -> frozenset[tuple[x509.Name, int]]:
    """Serial numbers of the lists (*.pem) that an anchor signed. Raises ConfigError for any other list."""
    found: set[tuple[x509.Name, int]] = set()
    for path in sorted(folder.glob("*.pem")):
        try:
            crl = x509.load_pem_x509_crl(path.read_bytes())
        except ValueError as error:
            raise ConfigError(f"{path}: this is not a PEM revocation list. Replace it.") from error
        issuers = [a for a in anchors if a.subject == crl.issuer]
        if not any(crl.is_signature_valid(a.public_key()) for a in issuers):  # type: ignore[arg-type]
            raise ConfigError(f"{path}: no anchor signed this revocation list. Replace it.")
        found.update((crl.issuer, entry.serial_number) for entry in crl)
    return frozenset(found)


def load_partner(folder: Path, party: str, *, now: dt.datetime) -> Partner:
    """The partner ``party`` from ``folder`` (for example ``trust/fr``). Raises ConfigError."""
    anchors = _certificates(folder / "anchors")
    certificates = _certificates(folder / "party")
    signing = tuple(c for c in certificates if signs(c))
    usable = [
        c for c in certificates if encrypts(c) and c.not_valid_before_utc <= now <= c.not_valid_after_utc
    ]
    if not signing:
        raise ConfigError(f"{folder / 'party'}: none of the certificates may sign. Add the signing one.")
    if not usable:
        raise ConfigError(
            f"{folder / 'party'}: no valid certificate to encrypt to. Add the partner's new one."
        )
    return Partner(
        trust=TrustStore(
            anchors=anchors,
            party_certificates={party: signing},
            revoked=revoked(folder / "crl", anchors),
        ),
        recipients={
            kind: max(
                (c for c in usable if certificate_kind(c) is kind), key=lambda c: c.not_valid_before_utc
            )
            for kind in {certificate_kind(c) for c in usable}
            if kind is not None
        },
        signing=signing,
    )
