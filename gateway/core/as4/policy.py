"""Algorithms and limits of message security in one frozen value (as4.md 17-27, 38; eDelivery AS4 1.15).

The defaults are the profile 1.15; ``profiles.SecurityProfile`` makes the policies of 2.0. A policy never
mixes kinds of keys: where Ed25519 was agreed, RSA cannot even be configured beside it. ``SecurityPolicy``
accepts nothing weaker than the profile; ``UnsafeSecurityPolicy`` does, for a partner whose agreement says
so and for old test vectors.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives import hashes

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.keys import KeyKind

RSA_SHA1: Final = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
RSA_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
RSA_SHA512: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
EDDSA_ED25519: Final = "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519"
ECDSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
SHA1: Final = "http://www.w3.org/2000/09/xmldsig#sha1"
SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#sha384"
SHA512: Final = "http://www.w3.org/2001/04/xmlenc#sha512"
EXC_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
AES128_GCM: Final = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
AES256_GCM: Final = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
RSA_OAEP: Final = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
RSA_OAEP_MGF1P: Final = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
MGF1_SHA1: Final = "http://www.w3.org/2009/xmlenc11#mgf1sha1"
MGF1_SHA256: Final = "http://www.w3.org/2009/xmlenc11#mgf1sha256"
KW_AES128: Final = "http://www.w3.org/2001/04/xmlenc#kw-aes128"
X25519: Final = "http://www.w3.org/2021/04/xmldsig-more#x25519"
ECDH_ES: Final = "http://www.w3.org/2009/xmlenc11#ECDH-ES"
HKDF: Final = "http://www.w3.org/2021/04/xmldsig-more#hkdf"
HMAC_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"

HASHES: Final = MappingProxyType[str, hashes.HashAlgorithm](
    {
        SHA1: hashes.SHA1(),  # noqa: S303 — only reached under an UnsafeSecurityPolicy
        SHA256: hashes.SHA256(),
        SHA384: hashes.SHA384(),
        SHA512: hashes.SHA512(),
        MGF1_SHA1: hashes.SHA1(),  # noqa: S303 — as above; RFC 4055 MGF1
        MGF1_SHA256: hashes.SHA256(),
    }
)
"""Digest and MGF URI → hash."""
SIGNATURE_HASHES: Final = MappingProxyType[str, hashes.HashAlgorithm](
    {
        RSA_SHA1: hashes.SHA1(),  # noqa: S303 — only reached under an UnsafeSecurityPolicy
        RSA_SHA256: hashes.SHA256(),
        RSA_SHA384: hashes.SHA384(),
        RSA_SHA512: hashes.SHA512(),
    }
)
"""RSASSA-PKCS1-v1_5 signature URI → hash."""
SIGNATURE_KINDS: Final = MappingProxyType[str, KeyKind](
    {
        **dict.fromkeys(SIGNATURE_HASHES, KeyKind.RSA),
        EDDSA_ED25519: KeyKind.ED25519,
        ECDSA_SHA256: KeyKind.P256,
    }
)
"""Signature URI → the only kind of key that makes it."""
MAX_CANONICALISED_BYTES: Final = 16 * 1024 * 1024
"""Default of ``SecurityPolicy.max_canonicalised_bytes``."""
CONTENT_KEY_BYTES: Final = MappingProxyType({AES128_GCM: 16, AES256_GCM: 32})


class TokenReference(StrEnum):
    """Ways to name a certificate (as4.md 21, 22)."""

    BINARY_TOKEN = "X509v3"  # noqa: S105 — a kind of security token, no password
    PKI_PATH = "X509PKIPathv1"
    KEY_IDENTIFIER = "X509SubjectKeyIdentifier"
    ISSUER_SERIAL = "X509IssuerSerial"


@dataclass(frozen=True, slots=True)
class KeyTransport:
    """One exact combination of key transport, OAEP digest and mask generation function."""

    algorithm: str
    digest: str
    mgf: str


OAEP_SHA256: Final = KeyTransport(RSA_OAEP, SHA256, MGF1_SHA256)
OAEP_SHA1_MGF1P: Final = KeyTransport(RSA_OAEP_MGF1P, SHA1, MGF1_SHA1)
"""What older peers send (as4.md 25): only under an UnsafeSecurityPolicy."""


@dataclass(frozen=True, slots=True)
class KeyAgreement:
    """One exact combination of key agreement, key derivation, its PRF and the key wrap (as4.md 38)."""

    algorithm: str
    derivation: str
    prf: str
    wrap: str


X25519_HKDF: Final = KeyAgreement(X25519, HKDF, HMAC_SHA256, KW_AES128)
ECDH_ES_HKDF: Final = KeyAgreement(ECDH_ES, HKDF, HMAC_SHA256, KW_AES128)
KeyEstablishment = KeyTransport | KeyAgreement
"""How a content key reaches its recipient."""
AGREEMENT_KINDS: Final = MappingProxyType({X25519: KeyKind.X25519, ECDH_ES: KeyKind.P256})
"""Key agreement URI → the kind of key of recipient and originator."""

_SAFE_SIGNATURES = frozenset({RSA_SHA256, RSA_SHA384, RSA_SHA512, EDDSA_ED25519, ECDSA_SHA256})
_SAFE_DIGESTS = frozenset({SHA256, SHA384, SHA512})
_KNOWN_AGREEMENTS = frozenset({X25519_HKDF, ECDH_ES_HKDF})
_SAFE_TRANSPORTS: frozenset[KeyEstablishment] = _KNOWN_AGREEMENTS | {OAEP_SHA256}
_SAFE_RSA_BITS = 2048
_KNOWN_TRANSPORTS = frozenset({RSA_OAEP, RSA_OAEP_MGF1P})
_TOGETHER = MappingProxyType(
    {KeyKind.RSA: KeyKind.RSA, KeyKind.ED25519: KeyKind.X25519, KeyKind.P256: KeyKind.P256}
)
"""Kind of the signing key → kind of the encryption key in the same profile."""


def encryption_kind(establishment: KeyEstablishment) -> KeyKind:
    """The kind of the recipient's key."""
    if isinstance(establishment, KeyTransport):
        return KeyKind.RSA
    return AGREEMENT_KINDS[establishment.algorithm]


@dataclass(frozen=True, kw_only=True, slots=True)
class SecurityPolicy:
    """What we accept, and (``send_…``) what we write. Raises ValueError when weak or contradictory.

    ``key_transports`` are the ways in which a content key may reach us: RSA key transport or, in profile
    2.0, key agreement. ``min_rsa_bits`` holds for signing certificates that we verify and for recipients
    we encrypt to. ``timestamp_window`` is the greatest age of eb:Timestamp and wsu:Created (a retry keeps
    its timestamp, as4.md 31, so it must exceed the retry schedule); ``clock_skew`` how far ahead they may
    be. ``pull_window`` is the greatest age of a PullRequest, which is made anew for every pull.
    ``max_parts`` counts payload parts (as4.md: Domibus carries 28; Santuario stops at 30 references).
    ``max_decompressed_bytes`` and ``max_compression_ratio`` bound each gzip part;
    ``max_canonicalised_bytes`` bounds XML that travels uncompressed and so has to be parsed as a whole.
    """

    signature_algorithms: frozenset[str] = frozenset({RSA_SHA256})
    digest_algorithms: frozenset[str] = frozenset({SHA256})
    canonicalizations: frozenset[str] = frozenset({EXC_C14N})
    attachment_transforms: frozenset[str] = frozenset({ns.SWA_CONTENT_SIGNATURE})
    key_transports: frozenset[KeyEstablishment] = frozenset({OAEP_SHA256})
    content_encryptions: frozenset[str] = frozenset({AES128_GCM})
    token_references: frozenset[TokenReference] = frozenset(TokenReference)
    min_rsa_bits: int = 2048
    require_signed_body: bool = True

    send_signature: str = RSA_SHA256
    send_digest: str = SHA256
    send_key_transport: KeyEstablishment = OAEP_SHA256
    send_content_encryption: str = AES128_GCM
    send_token_reference: TokenReference = TokenReference.BINARY_TOKEN

    max_references: int = 30
    max_parts: int = 28
    max_header_bytes: int = 1_000_000
    max_decompressed_bytes: int = 512 * 1024 * 1024
    max_compression_ratio: int = 200
    max_canonicalised_bytes: int = MAX_CANONICALISED_BYTES
    max_depth: int = 40
    timestamp_window: dt.timedelta = dt.timedelta(days=14)
    clock_skew: dt.timedelta = dt.timedelta(minutes=5)
    pull_window: dt.timedelta = dt.timedelta(minutes=5)

    def __post_init__(self) -> None:
        self._check_known()
        self._check_transports()
        self._check_one_profile()
        self._check_sending()
        self._check_limits()
        self._check_strength()

    def _check_known(self) -> None:
        known: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
            ("signature_algorithms", self.signature_algorithms, frozenset(SIGNATURE_KINDS)),
            ("digest_algorithms", self.digest_algorithms, frozenset({SHA1}) | _SAFE_DIGESTS),
            ("canonicalizations", self.canonicalizations, frozenset({EXC_C14N})),
            ("attachment_transforms", self.attachment_transforms, frozenset({ns.SWA_CONTENT_SIGNATURE})),
            ("content_encryptions", self.content_encryptions, frozenset(CONTENT_KEY_BYTES)),
        )
        for name, given, possible in known:
            if not given or not given <= possible:
                raise ValueError(f"{name} is empty or names an algorithm that is not implemented")
        if not self.token_references:
            raise ValueError("token_references is empty")

    def _check_transports(self) -> None:
        if not self.key_transports:
            raise ValueError("key_transports is empty")
        for transport in self.key_transports | {self.send_key_transport}:
            if transport in _KNOWN_AGREEMENTS:
                continue
            if isinstance(transport, KeyAgreement):
                raise ValueError("key_transports names a key agreement that is not implemented")  # noqa: TRY004 — a value
            digests_known = transport.digest in HASHES and transport.mgf in HASHES
            if transport.algorithm not in _KNOWN_TRANSPORTS or not digests_known:
                raise ValueError("key_transports names an algorithm that is not implemented")

    def _check_one_profile(self) -> None:
        signing = {SIGNATURE_KINDS[algorithm] for algorithm in self.signature_algorithms}
        encryption = {encryption_kind(each) for each in self.key_transports | {self.send_key_transport}}
        if len(signing) != 1 or encryption != {_TOGETHER[kind] for kind in signing}:
            raise ValueError("signature_algorithms and key_transports mix the keys of several profiles")

    @property
    def signing_kind(self) -> KeyKind:
        """The one kind of key that signs under this policy."""
        return SIGNATURE_KINDS[self.send_signature]

    def _check_sending(self) -> None:
        for name, value, allowed in (
            ("send_signature", self.send_signature, self.signature_algorithms),
            ("send_digest", self.send_digest, self.digest_algorithms),
            ("send_content_encryption", self.send_content_encryption, self.content_encryptions),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is not among the algorithms that this policy accepts")

    def _check_limits(self) -> None:
        for name in (
            "max_references", "max_parts", "max_header_bytes", "max_decompressed_bytes",
            "max_compression_ratio", "max_canonicalised_bytes", "max_depth",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.timestamp_window <= dt.timedelta(0) or self.clock_skew < dt.timedelta(0):
            raise ValueError("timestamp_window must be positive and clock_skew not negative")
        if not dt.timedelta(0) < self.pull_window <= self.timestamp_window:
            raise ValueError("pull_window must be positive and within timestamp_window")

    def _check_strength(self) -> None:
        if (
            not self.signature_algorithms <= _SAFE_SIGNATURES
            or not self.digest_algorithms <= _SAFE_DIGESTS
            or not self.key_transports | {self.send_key_transport} <= _SAFE_TRANSPORTS
            or self.min_rsa_bits < _SAFE_RSA_BITS
            or not self.require_signed_body
        ):
            raise ValueError("weaker than the profile: use UnsafeSecurityPolicy if that is agreed")


@dataclass(frozen=True, kw_only=True, slots=True)
class UnsafeSecurityPolicy(SecurityPolicy):
    """Allows SHA-1, rsa-oaep-mgf1p, short RSA keys or an unsigned (empty) Body."""

    def _check_strength(self) -> None:
        """Everything that is implemented is allowed here; the name says so."""
