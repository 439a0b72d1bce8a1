"""Encryption at rest: every content is sealed with the data key of its case (AES-256-GCM).

The associated data names the message and the column, so that a sealed value moved to another row or
column does not open.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.model import Message
from gateway.core.records import StoredAttachment

_NONCE = 12


class KeyService(Protocol):
    """What the store needs of the keys (``gateway.keys.KeyRing`` gives it)."""

    def wrap(self, data_key: bytes, *, context: str) -> tuple[str, bytes]:
        """(id of the key encryption key, wrapped key) for a 32-byte data key."""
        ...

    def unwrap(self, kek_id: str, wrapped: bytes, *, context: str) -> bytes:
        """Raises PasserelleError (ConfigError) when that key is not at hand or does not fit."""
        ...

    def blind_index(self, kind: str, value: str) -> str:
        """Keyed hash (HMAC-SHA-256, hex) of a normalised value."""
        ...


class SealBroken(Exception):
    """A sealed column does not open: changed, moved or sealed with another key."""


def new_data_key() -> bytes:
    """32 random bytes."""
    return AESGCM.generate_key(256)


def seal(key: bytes, plain: bytes, *, where: str) -> bytes:
    """nonce (12) ‖ ciphertext ‖ tag (16)."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, where.encode())


def unseal(key: bytes, sealed: bytes, *, where: str) -> bytes:
    """Raises SealBroken."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], where.encode())
    except (InvalidTag, ValueError) as error:
        raise SealBroken(where) from error


def seal_message(key: bytes, message: Message) -> bytes:
    """The canonical JSON of the message, sealed for ``contents.sealed``."""
    return seal(key, msgspec.json.encode(message), where=f"contents.sealed|{message.message_id}")


def unseal_message(key: bytes, message_id: str, sealed: bytes) -> Message:
    """Raises SealBroken."""
    plain = unseal(key, sealed, where=f"contents.sealed|{message_id}")
    return msgspec.json.decode(plain, type=Message)


def seal_attachment(key: bytes, message_id: str, position: int, attachment: StoredAttachment) -> bytes:
    """Content id, file name and bytes together: a file name may be a name."""
    plain = msgspec.msgpack.encode(
        {"id": attachment.content_id, "name": attachment.file_name, "content": attachment.content}
    )
    return seal(key, plain, where=f"attachments.sealed|{message_id}|{position}")


class _Inside(msgspec.Struct):
    id: str
    name: str
    content: bytes


def unseal_attachment(key: bytes, row: Mapping[str, object]) -> StoredAttachment:
    """From a row of ``attachments``. Raises SealBroken."""
    sealed, media_type = row["sealed"], row["media_type"]
    assert isinstance(sealed, bytes)  # noqa: S101 — narrows the row's type for mypy
    assert isinstance(media_type, str)  # noqa: S101 — as above
    plain = unseal(key, sealed, where=f"attachments.sealed|{row['message_id']}|{row['position']}")
    inside = msgspec.msgpack.decode(plain, type=_Inside)
    return StoredAttachment(
        content_id=inside.id, media_type=media_type, file_name=inside.name, content=inside.content
    )
