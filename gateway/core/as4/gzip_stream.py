"""gzip of a Content, both ways, computed while it is read (RFC 1952)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from gateway.core.as4 import content as contents
from gateway.core.as4.content import Content, Derived, Octets, evenly, exactly, pieces
from gateway.core.errors import ContentChanged, DecompressionFailure

GZIP_WINDOW: Final = 31
"""zlib's wbits for the gzip container with a 32 KiB window."""
_FAST: Final = 1
"""JSON at 150 MB/s to 22 % of its size; level 6: at 52 MB/s to 20 % (one core, zlib 1.2.13)."""
_STORED: Final = 0
"""2 GB/s: for photographs and PDF, which are compressed already."""
_SAMPLE: Final = 64 * 1024
_WORTH_IT: Final = 0.97
_TRAILER: Final = 8
"""CRC-32 and length of the content at the end of a gzip member."""


class Gzipped(Derived):
    """Deterministic gzip of ``content``: no name, no time, and the same octets at every reading.

    Raises ContentChanged at its end when ``content`` is not what it was at the first reading.
    """

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._content = content
        self._level: int | None = None
        self._trailer: bytes | None = None

    def _all(self) -> Iterator[bytes]:
        if self._level is None:
            self._level = level_for(self._content)
        packer = zlib.compressobj(self._level, zlib.DEFLATED, GZIP_WINDOW)
        # Even blocks: what zlib puts out may depend on how its input is cut, and files are cut at will.
        for block in evenly(exactly(self._content)):
            packed = packer.compress(block)
            if packed:
                yield packed
        rest = packer.flush()
        if self._trailer is None:
            self._trailer = rest[-_TRAILER:]
        elif self._trailer != rest[-_TRAILER:]:
            raise ContentChanged("a content is not what was compressed before")
        yield rest


def level_for(content: Content) -> int:
    """How hard to try: not at all when neither beginning, middle nor end get smaller. The same every time."""
    for begin in (0, max(content.size // 2 - _SAMPLE // 2, 0), max(content.size - _SAMPLE, 0)):
        sample = b"".join(exactly(content, begin, min(begin + _SAMPLE, content.size)))
        if len(zlib.compress(sample, _FAST)) < _WORTH_IT * len(sample):
            return _FAST
    return _STORED


class Gunzipped(Derived):
    """What a gzip member holds; ``gunzip`` has read it before and knows its size and that it is sound."""

    def __init__(self, packed: Octets, size: int) -> None:
        super().__init__(size)
        self._packed = packed

    def _all(self) -> Iterator[bytes]:
        try:
            yield from inflated(self._packed)
        except DecompressionFailure as exc:
            raise ContentChanged("a content is not the gzip that it was before") from exc


def inflated(packed: Octets) -> Iterator[bytes]:
    """The content of exactly one gzip member in pieces of at most CHUNK.

    Raises DecompressionFailure (EBMS:0303) for corrupt, truncated or followed-by-garbage input; its CRC-32
    and length are checked before the last piece is given out. The caller counts: this has no limit.
    """
    unpacker = zlib.decompressobj(GZIP_WINDOW)
    held = b""
    for chunk in pieces(packed) if isinstance(packed, bytes) else exactly(packed):
        if unpacker.eof:
            raise DecompressionFailure("a gzip payload is followed by other data")
        data = chunk
        # Behind the end zlib keeps offering what follows as unconsumed: without ``eof`` this would not end.
        while data and not unpacker.eof:
            try:
                piece = unpacker.decompress(data, contents.CHUNK)
            except zlib.error as exc:
                raise DecompressionFailure("a payload is not valid gzip") from exc
            if piece:
                if held:
                    yield held
                held = piece
            # What zlib still holds back comes with the next input: the trailer at the latest.
            data = unpacker.unconsumed_tail
        if unpacker.unused_data:
            raise DecompressionFailure("a gzip payload is followed by other data")
    if not unpacker.eof:
        raise DecompressionFailure("a gzip payload is truncated")
    if held:
        yield held
