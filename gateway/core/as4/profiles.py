"""Which algorithms secure the messages of a P-Mode: one profile each, never a choice (as4.md 17 to 27, 38).

The profile is agreed and written down. A message of a P-Mode is sent, and accepted, with exactly the
algorithms of its profile; what answers it is signed in the same profile. Nothing ever falls back from one
profile to another: who could make a peer do that could choose the weaker.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

from lxml import etree

from gateway.core.as4.keys import KeyKind
from gateway.core.as4.namespaces import DS, S12, WSSE, q
from gateway.core.as4.policy import (
    AES128_GCM,
    ECDH_ES_HKDF,
    ECDSA_SHA256,
    EDDSA_ED25519,
    OAEP_SHA256,
    RSA_SHA256,
    SHA256,
    SIGNATURE_KINDS,
    X25519_HKDF,
    KeyEstablishment,
    SecurityPolicy,
    encryption_kind,
)
from gateway.core.errors import PolicyNoncompliance


class SecurityProfile(StrEnum):
    """The security profiles that a P-Mode can name; the value is that of the agreement file."""

    EDELIVERY_1_15 = "edelivery-1.15"
    """RSA: rsa-sha256, rsa-oaep with SHA-256."""
    EDELIVERY_2_0 = "edelivery-2.0"
    """Ed25519; X25519, HKDF and AES-128 key wrap: the Common Usage Profile of eDelivery AS4 2.0."""
    EDELIVERY_2_0_EC = "edelivery-2.0-ec"
    """P-256: ecdsa-sha256; ECDH-ES, HKDF and AES-128 key wrap: the alternative of eDelivery AS4 2.0."""

    @property
    def signing_kind(self) -> KeyKind:
        """Kind of the keys that sign messages, receipts and errors."""
        return _SIGNING[self]

    @property
    def encryption_kind(self) -> KeyKind:
        """Kind of the keys that messages are encrypted to."""
        return encryption_kind(_ALGORITHMS[self][1])

    def policy(self, base: SecurityPolicy) -> SecurityPolicy:
        """``base`` with exactly the algorithms of this profile; its limits stay.

        For 1.15, a ``base`` of RSA stays as it is: what was agreed beside the profile (other SHA-2 sizes,
        or what an ``UnsafeSecurityPolicy`` names) is written in it. Nothing of that kind exists for 2.0.
        """
        return _specialised(self, base)


_ALGORITHMS: Final[dict[SecurityProfile, tuple[str, KeyEstablishment]]] = {
    SecurityProfile.EDELIVERY_1_15: (RSA_SHA256, OAEP_SHA256),
    SecurityProfile.EDELIVERY_2_0: (EDDSA_ED25519, X25519_HKDF),
    SecurityProfile.EDELIVERY_2_0_EC: (ECDSA_SHA256, ECDH_ES_HKDF),
}
_SIGNING: Final = {
    SecurityProfile.EDELIVERY_1_15: KeyKind.RSA,
    SecurityProfile.EDELIVERY_2_0: KeyKind.ED25519,
    SecurityProfile.EDELIVERY_2_0_EC: KeyKind.P256,
}


_METHOD: Final = "/".join(
    (q(S12, "Header"), q(WSSE, "Security"), q(DS, "Signature"), q(DS, "SignedInfo"), q(DS, "SignatureMethod"))
)
_BY_KIND: Final = {kind: profile for profile, kind in _SIGNING.items()}


def claimed_profile(envelope: etree._Element) -> SecurityProfile | None:
    """The profile that a received signature *claims* by its algorithm, before anything is verified.

    None when there is no signature, or one of no profile: verification then says so.
    """
    method = envelope.find(_METHOD)
    kind = None if method is None else SIGNATURE_KINDS.get(method.get("Algorithm", ""))
    return None if kind is None else _BY_KIND[kind]


def refuse_other_profile(envelope: etree._Element, agreed: SecurityProfile) -> None:
    """Before any key is used: a message secured by another profile than its P-Mode's is refused as that.

    Raises PolicyNoncompliance (EBMS:0103). It tells nothing that the message does not show by itself.
    """
    if claimed_profile(envelope) not in (agreed, None):
        raise PolicyNoncompliance("the message is secured by another profile than the one agreed")


@lru_cache(maxsize=64)
def _specialised(profile: SecurityProfile, base: SecurityPolicy) -> SecurityPolicy:
    if profile is SecurityProfile.EDELIVERY_1_15 and base.signing_kind is KeyKind.RSA:
        return base
    signature, establishment = _ALGORITHMS[profile]
    return replace(
        base,
        signature_algorithms=frozenset({signature}),
        digest_algorithms=frozenset({SHA256}),
        key_transports=frozenset({establishment}),
        content_encryptions=frozenset({AES128_GCM}),
        require_signed_body=True,
        send_signature=signature,
        send_digest=SHA256,
        send_key_transport=establishment,
        send_content_encryption=AES128_GCM,
    )
