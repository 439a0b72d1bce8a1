"""The certificates that messages depend on, ours and the partner's.

Alerts, metrics, ``passerelle check`` and the pages about the partner begin with ``own``, those that tell of
the partner's files with ``TrustFolder.installed``; each gives the names that its readers know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509

from gateway.core.as4.keys import KeyKind, fingerprint
from gateway.core.errors import ConfigError, Side
from gateway.flows.alert_conditions import Certificate
from gateway.instance import Instance
from gateway.keys import files, keyring
from gateway.partners.certificates import Purpose
from gateway.partners.folder import TrustFolder


class Use(StrEnum):
    """What one of our certificates is for; the value names the key that every instance has for it."""

    SIGN = keyring.AS4_SIGN
    DECRYPT = keyring.AS4_DECRYPT
    TLS = keyring.TLS


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    """One of ours that is in use."""

    key: str
    """Name of its key, which is that of its files: ``as4-sign``, ``as4-decrypt-x25519``."""
    use: Use
    kind: KeyKind | None = None
    """Of a key of AS4 profile 2.0; None for those that every instance has."""
    chain: tuple[x509.Certificate, ...]
    """The certificate, then the CAs that lie in its file."""

    @property
    def name(self) -> str:
        """For people: ``as4-sign``, ``as4-decrypt (X25519)``."""
        return self.use.value if self.kind is None else f"{self.use} ({self.kind})"

    @property
    def certificate(self) -> x509.Certificate:
        return self.chain[0]


def own(instance: Instance, *, leave_out_broken: bool = False) -> tuple[Own, ...]:
    """Ours as this process uses them; not those of rotated keys, which only read what was encrypted before.

    Reads the file of the TLS certificate, which may have changed since the start. Raises ConfigError when it
    cannot be read, or leaves it out.
    """
    found = list(_of_keys(instance.keyring))
    try:
        tls = files.read_chain(instance.keyring.tls_certificate)
    except ConfigError:
        if not leave_out_broken:
            raise
    else:
        found.append(Own(key=keyring.TLS, use=Use.TLS, chain=tls))
    return tuple(found)


def _of_keys(keys: keyring.KeyRing) -> Iterator[Own]:
    yield Own(key=keyring.AS4_SIGN, use=Use.SIGN, chain=keys.as4_sign.chain)
    yield Own(key=keyring.AS4_DECRYPT, use=Use.DECRYPT, chain=(keys.as4_decrypt[0].certificate,))
    for kind, signer in keys.more_sign.items():
        yield Own(key=keyring.MORE_SIGN[kind], use=Use.SIGN, kind=kind, chain=signer.chain)
    # of each kind the one in use comes first
    in_use = {key.kind: key for key in reversed(keys.more_decrypt)}
    for kind, name in keyring.MORE_DECRYPT.items():
        if kind in in_use:
            yield Own(key=name, use=Use.DECRYPT, kind=kind, chain=(in_use[kind].certificate,))


def trust_folder(instance: Instance) -> TrustFolder:
    """Where the partner's certificates lie."""
    settings = instance.settings
    return TrustFolder(
        instance=instance.folder,
        trust=instance.folder / settings.keys.trust,
        tls_anchors=instance.folder / settings.france.anchors,
        keys=instance.folder / settings.keys.folder,
    )


# ---- as alerts and the first page name them -----------------------------------------------------


def certificates(instance: Instance) -> tuple[Certificate, ...]:
    """Ours as this process uses them, the partner's as they lie in its folder: of several for one use the one
    that lasts longest. A file that cannot be read is left out: ``passerelle check`` names it."""
    found = [
        _certificate(item.name, Side.UK, item.certificate) for item in own(instance, leave_out_broken=True)
    ]
    longest: dict[str, Certificate] = {}
    for name, certificate in _of_partner(instance):
        one = _certificate(name, Side.FR, certificate)
        held = longest.get(name)
        if held is None or held.not_after < one.not_after:
            longest[name] = one
    return (*found, *longest.values())


def _of_partner(instance: Instance) -> Iterator[tuple[str, x509.Certificate]]:
    party = instance.agreement.parties.fr.id
    for item in trust_folder(instance).installed(leave_out_broken=True):
        if Purpose.SIGN in item.purposes:
            yield f"{party} signature", item.certificate
        if Purpose.ENCRYPT in item.purposes:
            yield f"{party} encryption", item.certificate
        if Purpose.ANCHOR in item.purposes:
            yield f"{party} anchor {fingerprint(item.certificate)[:8]}", item.certificate


def _certificate(name: str, side: Side, certificate: x509.Certificate) -> Certificate:
    return Certificate(
        name=name, side=side, fingerprint=fingerprint(certificate), not_after=certificate.not_valid_after_utc
    )
