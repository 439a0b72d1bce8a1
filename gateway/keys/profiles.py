"""Which keys of an instance serve which AS4 security profile (as4.md 38)."""

from __future__ import annotations

from gateway.core.as4.profiles import SecurityProfile
from gateway.flows.profile_keys import ProfileKeys
from gateway.keys.keyring import KeyRing
from gateway.keys.partner import Partner


def profile_keys(keyring: KeyRing, partner: Partner) -> ProfileKeys:
    """Keys and certificates of the profiles beside 1.15, as far as they are there."""
    more = [profile for profile in SecurityProfile if profile is not SecurityProfile.EDELIVERY_1_15]
    return ProfileKeys(
        signers={
            profile: keyring.more_sign[profile.signing_kind]
            for profile in more
            if profile.signing_kind in keyring.more_sign
        },
        recipients={
            profile: partner.recipients[profile.encryption_kind]
            for profile in more
            if profile.encryption_kind in partner.recipients
        },
    )
