"""The certificates that messages depend on, ours and the partner's, with their last day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.core.errors import ConfigError, Side
from gateway.flows.alert_conditions import Certificate
from gateway.instance import Instance
from gateway.keys import files
from gateway.keys.partner import encrypts, signs


def certificates(instance: Instance) -> tuple[Certificate, ...]:
    """Ours as this process uses them, the partner's as they lie in its folder: of several for one use the one
    that lasts longest. A file that cannot be read is left out: ``passerelle check`` names it."""
    keys = instance.keyring
    own = [
        ("as4-sign", keys.as4_sign.certificate),
        ("as4-decrypt", keys.as4_decrypt[0].certificate),
        *((f"as4-sign ({kind.value})", key.certificate) for kind, key in keys.more_sign.items()),
        *((f"as4-decrypt ({key.kind.value})", key.certificate) for key in keys.more_decrypt),
    ]
    own += [("tls", chain[0]) for chain in _chains(keys.tls_certificate)]
    found = [_certificate(name, Side.UK, certificate) for name, certificate in own]
    longest: dict[str, Certificate] = {}
    for name, certificate in _of_partner(instance):
        one = _certificate(name, Side.FR, certificate)
        held = longest.get(name)
        if held is None or held.not_after < one.not_after:
            longest[name] = one
    return (*found, *longest.values())


def _chains(path: Any) -> Iterator[tuple[x509.Certificate, ...]]:
    try:
        yield tuple(files.read_chain(path))
    except ConfigError:
        return


def _of_partner(instance: Instance) -> Iterator[tuple[str, x509.Certificate]]:
    trust = instance.folder / instance.settings.keys.trust
    party = instance.agreement.parties.fr.id
    for path in sorted((trust / "party").glob("*.pem")):
        for chain in _chains(path):
            for certificate in chain:
                if signs(certificate):
                    yield f"{party} signature", certificate
                if encrypts(certificate):
                    yield f"{party} encryption", certificate
    for path in sorted((trust / "anchors").glob("*.pem")):
        for chain in _chains(path):
            for certificate in chain:
                name = hashes_of(certificate)[:8]
                yield f"{party} anchor {name}", certificate


def hashes_of(certificate: x509.Certificate) -> str:
    """SHA-256 fingerprint, hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _certificate(name: str, side: Side, certificate: x509.Certificate) -> Certificate:
    return Certificate(
        name=name, side=side, fingerprint=hashes_of(certificate), not_after=certificate.not_valid_after_utc
    )
