"""The content of one part under AES-GCM: IV (12 octets) ‖ ciphertext ‖ tag (16 octets) (as4.md 24)."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.as4.content import Octets, whole

IV_BYTES: Final = 12
TAG_BYTES: Final = 16


def encrypt_content(key: bytes, iv: bytes, content: Octets) -> Octets:
    """IV ‖ ciphertext ‖ tag. ``iv`` is used once with this key."""
    return iv + AESGCM(key).encrypt(iv, whole(content), None)


def decrypt_content(key: bytes, sealed: Octets) -> Octets:
    """The content, its tag checked before any octet of it is handed on.

    Raises InvalidTag, and ValueError for something too short to be encrypted.
    """
    octets = memoryview(whole(sealed))
    if len(octets) < IV_BYTES + TAG_BYTES:
        raise ValueError("too short to be encrypted")
    return AESGCM(key).decrypt(bytes(octets[:IV_BYTES]), octets[IV_BYTES:], None)
