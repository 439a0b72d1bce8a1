"""Encryption at rest: every content is sealed with the data key of its case (AES-256-GCM).

The associated data names the message and the column, so that a sealed value moved to another row or
column does not open.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.model import Message
from gateway.core.records import Blob, StoredAttachment

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


class _Inside(msgspec.Struct, omit_defaults=True):
    id: str
    name: str
    content: bytes | None = None
    blob: str | None = None
    """Id of the blob that holds the octets instead."""


def seal_attachment(key: bytes, message_id: str, position: int, attachment: StoredAttachment) -> bytes:
    """Content id, file name and octets (or which blob holds them) together: a file name may be a name."""
    content = attachment.content
    inside = _Inside(id=attachment.content_id, name=attachment.file_name)
    if isinstance(content, bytes):
        inside.content = content
    else:
        inside.blob = content.blob_id
    return seal(key, msgspec.msgpack.encode(inside), where=f"attachments.sealed|{message_id}|{position}")


def unseal_attachment(
    key: bytes, row: Mapping[str, object], blob_of: Callable[[str], Blob]
) -> StoredAttachment:
    """From a row of ``attachments``; ``blob_of`` finds a blob by its id. Raises SealBroken."""
    sealed, media_type = row["sealed"], row["media_type"]
    assert isinstance(sealed, bytes)  # noqa: S101 — narrows the row's type for mypy
    assert isinstance(media_type, str)  # noqa: S101 — as above
    plain = unseal(key, sealed, where=f"attachments.sealed|{row['message_id']}|{row['position']}")
    inside = msgspec.msgpack.decode(plain, type=_Inside)
    return StoredAttachment(
        content_id=inside.id,
        media_type=media_type,
        file_name=inside.name,
        content=blob_of(inside.blob) if inside.blob is not None else inside.content or b"",
    )


class _BlobInside(msgspec.Struct):
    key: bytes
    size: int
    sha256: str


def seal_blob(case_key: bytes, blob: Blob, *, owner: str) -> bytes:
    """For ``blobs.sealed_key``: with the key goes what must not be changed, and the digest, which must not
    be read by others (it tells who has the same file). ``owner`` names its purpose and its message."""
    inside = _BlobInside(key=blob.key, size=blob.size, sha256=blob.sha256)
    return seal(case_key, msgspec.msgpack.encode(inside), where=f"blobs.sealed_key|{blob.blob_id}|{owner}")


def unseal_blob(case_key: bytes, blob_id: str, sealed: bytes, *, owner: str) -> Blob:
    """Raises SealBroken."""
    plain = unseal(case_key, sealed, where=f"blobs.sealed_key|{blob_id}|{owner}")
    inside = msgspec.msgpack.decode(plain, type=_BlobInside)
    return Blob(blob_id=blob_id, size=inside.size, sha256=inside.sha256, key=inside.key)


class ChunkSeal:
    """Seals the chunks of one blob under its own key: the STREAM construction (Hoang, Reyhanitabar, Rogaway,
    Vizár 2015). The nonce is the chunk's number and whether it is the last, so that chunks which change
    places, are left out, or are cut off at the end do not open; the blob's id and the size of its chunks
    are associated data. A number may be sealed once only under one key.
    """

    def __init__(self, key: bytes, blob_id: str, chunk_size: int) -> None:
        self._cipher = AESGCM(key)
        self._where = f"blob_chunks.sealed|{blob_id}|{chunk_size}".encode()

    @staticmethod
    def _nonce(number: int, last: bool) -> bytes:
        return number.to_bytes(_NONCE - 1, "big") + bytes([last])

    def seal(self, number: int, plain: bytes | memoryview, *, last: bool) -> bytes:
        """ciphertext ‖ tag (16)."""
        return self._cipher.encrypt(self._nonce(number, last), plain, self._where)

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        """Raises SealBroken."""
        try:
            return self._cipher.decrypt(self._nonce(number, last), sealed, self._where)
        except (InvalidTag, ValueError) as error:
            raise SealBroken(f"{self._where.decode()}|{number}") from error
