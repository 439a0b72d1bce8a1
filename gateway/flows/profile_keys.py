"""The AS4 keys of an access point by security profile: ours to sign with, the partner's to encrypt to.

Those of eDelivery AS4 1.15 (RSA) are always there; those of 2.0 only where an agreement uses it (as4.md 38).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cryptography import x509

from gateway.core.as4.keys import DecryptionKey, SigningKey
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ProfileKeys:
    """Signing keys and the partner's encryption certificates, at most one of each for a profile."""

    signers: Mapping[SecurityProfile, SigningKey] = field(repr=False, default_factory=dict)
    recipients: Mapping[SecurityProfile, x509.Certificate] = field(repr=False, default_factory=dict)

    def signer(self, profile: SecurityProfile) -> SigningKey:
        """Raises ConfigError."""
        try:
            return self.signers[profile]
        except KeyError as exc:
            raise ConfigError(f"there is no signing key of the security profile {profile}") from exc

    def check(self, profiles: Iterable[SecurityProfile], decryption_keys: Iterable[DecryptionKey]) -> None:
        """Every profile has all its keys. Raises ConfigError that names what is missing, and the cure."""
        held = {key.kind for key in decryption_keys}
        for profile in sorted(profiles):
            missing = [
                f"{what} ({kind})"
                for what, kind, there in (
                    ("our signing key", profile.signing_kind, profile in self.signers),
                    ("our decryption key", profile.encryption_kind, profile.encryption_kind in held),
                    ("the partner's certificate", profile.encryption_kind, profile in self.recipients),
                )
                if not there
            ]
            if missing:
                raise ConfigError(
                    f"The agreement secures messages by {profile}, but something is missing: "
                    f"{', '.join(missing)}. Make our keys with `passerelle keys add {profile}`; put the "
                    "partner's certificates of "
                    "this profile into the folder of its certificates."
                )
