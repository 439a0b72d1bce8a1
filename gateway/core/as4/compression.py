"""gzip before sign and encrypt (AS4 profile 3.1; as4.md 12 to 16), bounded in both size and ratio."""

from __future__ import annotations

import re
import zlib
from typing import Final

from gateway.core.as4 import content as contents
from gateway.core.as4.content import Octets, is_small, settle, size_of
from gateway.core.as4.gzip_stream import GZIP_WINDOW, Gunzipped, Gzipped, inflated
from gateway.core.as4.message import (
    AS4_PART_PROPERTIES,
    CHARACTER_SET,
    COMPRESSION_TYPE,
    MIME_TYPE,
    PartInfo,
    Payload,
    Property,
)
from gateway.core.as4.streams import Pinned
from gateway.core.errors import DecompressionFailure, ValueInconsistent, ValueNotRecognized

GZIP: Final = "application/gzip"
_LEVEL: Final = 6
_PIN: Final = "sha256"
"""Digest by which a large uncompressed payload is compared with itself at every sending."""
_RATIO_FLOOR: Final = 1 << 20
"""Below this many bytes a high ratio does no harm and is normal for small, repetitive XML."""
_MIME_PATTERN: Final = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(?:;[\x20-\x7e]*)?\Z"
)
_CHARSET_PATTERN: Final = re.compile(
    r"(?:utf-8|utf-16|utf-16le|utf-16be|utf-32|us-ascii|iso-8859-(?:1[0-6]?|[2-9])|windows-125[0-8])\Z",
    re.IGNORECASE,
)


def gzip(content: bytes) -> bytes:
    """Deterministic gzip: no name and no time in the header, so that a rebuilt part has the same digest."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    return packer.compress(content) + packer.flush()


def gunzip(content: Octets, *, max_bytes: int, max_ratio: int) -> Octets:
    """Exactly one gzip member, never more than ``max_bytes`` out; ``bytes`` when that is small.

    What is large is read to its end once, counted and dropped, and decompressed again when it is used.
    Raises DecompressionFailure (EBMS:0303) for corrupt, truncated or followed-by-garbage input, for a
    result beyond ``max_bytes``, and beyond 1 MiB for one larger than ``max_ratio`` times the input.
    """
    limit = min(max_bytes, max(_RATIO_FLOOR, max_ratio * size_of(content)))
    if isinstance(content, bytes):
        unpacker = zlib.decompressobj(GZIP_WINDOW)
        try:
            result = unpacker.decompress(content, min(limit, contents.IN_MEMORY) + 1)
        except zlib.error as exc:
            raise DecompressionFailure("a payload is not valid gzip") from exc
        if len(result) > limit:
            raise DecompressionFailure("a payload expands beyond the limits")
        if is_small(len(result)):
            if not unpacker.eof:
                raise DecompressionFailure("a gzip payload is truncated")
            if unpacker.unused_data:
                raise DecompressionFailure("a gzip payload is followed by other data")
            return result
    return _gunzip_large(content, limit)


def _gunzip_large(content: Octets, limit: int) -> Octets:
    size = 0
    kept: list[bytes] = []
    for piece in inflated(content):
        size += len(piece)
        if size > limit:
            raise DecompressionFailure("a payload expands beyond the limits")
        if is_small(size):
            kept.append(piece)
    return b"".join(kept) if is_small(size) else Gunzipped(content, size)


def pack(payload: Payload, *, compress: bool) -> tuple[PartInfo, Octets, str]:
    """``(PartInfo, content of the MIME part, its Content-Type)`` of one payload (as4.md 12, 13).

    Raises ValueNotRecognized for a media type or character set that no receiver would accept.
    """
    _check_type(payload.mime_type, payload.charset)
    compressed = compress and payload.compress
    own = [Property(name=MIME_TYPE, value=payload.mime_type)]
    if payload.charset is not None:
        own.append(Property(name=CHARACTER_SET, value=payload.charset))
    if compressed:
        own.append(Property(name=COMPRESSION_TYPE, value=GZIP))
    info = PartInfo(content_id=payload.content_id, properties=(*own, *payload.properties))
    content = settle(payload.content)
    if compressed:
        return info, gzip(content) if isinstance(content, bytes) else Gzipped(content), GZIP
    return info, content if isinstance(content, bytes) else Pinned(content, _PIN), payload.mime_type


def unpack(part: PartInfo, content: Octets, *, fallback: str, max_bytes: int, max_ratio: int) -> Payload:
    """The payload of a verified, decrypted part; AS4's own properties are not shown (as4.md 16).

    ``fallback`` is the media type to report for an uncompressed part that names none.
    Raises DecompressionFailure for a compressed part without MimeType (as4.md 12, TA26) or bad gzip,
    ValueNotRecognized for another CompressionType, media type or CharacterSet (TA29), and
    ValueInconsistent for one of AS4's properties given twice.
    """
    for name in AS4_PART_PROPERTIES:
        if sum(p.name == name for p in part.properties) > 1:
            raise ValueInconsistent("a part property of AS4 is given twice")
    compression, mime_type, charset = (part.value(n) for n in (COMPRESSION_TYPE, MIME_TYPE, CHARACTER_SET))
    if compression is not None and compression != GZIP:
        raise ValueNotRecognized("a part has an unknown CompressionType")
    if compression is not None and mime_type is None:
        raise DecompressionFailure("a compressed part has no MimeType property")
    if mime_type is None:
        mime_type = fallback
    _check_type(mime_type, charset)
    if compression is not None:
        content = gunzip(content, max_bytes=max_bytes, max_ratio=max_ratio)
    elif size_of(content) > max_bytes:
        raise DecompressionFailure("a payload is larger than the limit")
    return Payload(
        content_id=part.content_id,
        mime_type=mime_type,
        content=content,
        properties=tuple(p for p in part.properties if p.name not in AS4_PART_PROPERTIES),
        compress=compression is not None,
        charset=charset,
    )


def _check_type(mime_type: str, charset: str | None) -> None:
    if not _MIME_PATTERN.match(mime_type):
        raise ValueNotRecognized("a part has a malformed media type")
    if charset is not None and not _CHARSET_PATTERN.match(charset):
        raise ValueNotRecognized("a part has an unknown CharacterSet")
