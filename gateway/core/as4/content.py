"""Octets of a payload: ``bytes`` in memory, or a ``Content`` that is read piece by piece, again and again.

The core does no I/O: a Content of a file or of the store is given to it from outside. What the core makes of
one (a slice, something compressed, encrypted or decrypted) is again a Content that works while it is read, so
that no step holds more than one chunk in memory. Small things stay ``bytes``: everything here takes both.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Final, Protocol, TypeAlias, runtime_checkable

from gateway.core.errors import ContentChanged

CHUNK: Final = 256 * 1024
"""Octets in one chunk, at most."""
IN_MEMORY: Final = 1 << 20
"""Up to this size octets are kept as ``bytes``; only what is larger needs to be a Content."""


@runtime_checkable
class Content(Protocol):
    """Octets whose number is known, readable from any offset as often as needed.

    Reading may block (a file, a database): callers of the event loop do it in a thread. The octets never
    change: what was signed and encrypted (with an IV that is used once) is read again when it is sent.
    """

    @property
    def size(self) -> int:
        """In octets."""
        ...

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The octets ``begin`` to ``end`` (exclusive; None: to the last), in pieces of at most CHUNK."""
        ...


Octets: TypeAlias = bytes | Content


def size_of(octets: Octets) -> int:
    """In octets."""
    return len(octets) if isinstance(octets, bytes) else octets.size


def is_small(size: int) -> bool:
    """Whether so many octets are kept as ``bytes``."""
    return size <= IN_MEMORY


def settle(octets: Octets) -> Octets:
    """``bytes`` of a Content that is small; everything else as it is."""
    return octets if isinstance(octets, bytes) or not is_small(octets.size) else whole(octets)


def chunks_of(octets: Octets) -> Iterator[bytes]:
    """All of it in pieces; ``bytes`` are one piece. Raises ContentChanged like ``exactly``."""
    if isinstance(octets, bytes):
        yield octets
    else:
        yield from exactly(octets)


def whole(octets: Octets) -> bytes:
    """All of it in memory: only for what is known to be small."""
    return octets if isinstance(octets, bytes) else b"".join(exactly(octets))


def digest_of(octets: Octets, algorithm: str) -> bytes:
    """The digest by its hashlib name, in constant memory."""
    if isinstance(octets, bytes):
        return hashlib.new(algorithm, octets).digest()
    if isinstance(octets, Derived):
        return octets.digest(algorithm)
    digest = hashlib.new(algorithm)
    for chunk in exactly(octets):
        digest.update(chunk)
    return digest.digest()


def exactly(content: Content, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The octets ``begin`` to ``end``; raises ContentChanged when there are not as many as ``size`` said.

    A body of another length than announced would otherwise be cut off, or read as something else.
    """
    left = (content.size if end is None else end) - begin
    for chunk in content.chunks(begin, end):
        left -= len(chunk)
        if left < 0:
            break
        if chunk:
            yield chunk
    if left:
        raise ContentChanged("a content does not have the size it had before")


def pieces(octets: bytes, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
    """``bytes`` in pieces of at most CHUNK."""
    stop = len(octets) if end is None else min(end, len(octets))
    for at in range(begin, stop, CHUNK):
        yield octets[at : min(at + CHUNK, stop)]


def evenly(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same octets in pieces of exactly CHUNK (the last may be shorter), however they came."""
    waiting = bytearray()
    for chunk in chunks:
        if not waiting and len(chunk) == CHUNK:
            yield chunk
            continue
        waiting += chunk
        while len(waiting) >= CHUNK:
            yield bytes(waiting[:CHUNK])
            del waiting[:CHUNK]
    if waiting:
        yield bytes(waiting)


class Derived(ABC):
    """A Content computed while it is read, always from the beginning, with nothing kept.

    Size and digest, where not known yet, are found in one pass and remembered: ask for the digest first.
    ``chunks`` from an offset computes what lies before it too. Reading to the end raises ContentChanged
    when that is not what was there the first time.
    """

    def __init__(self, size: int | None = None) -> None:
        self._size = size
        self._digests: dict[str, bytes] = {}

    @abstractmethod
    def _all(self) -> Iterator[bytes]:
        """Everything in pieces of any size; the last is held back until everything that can be is checked."""

    @property
    def size(self) -> int:
        """In octets; reads everything when it is not known yet."""
        if self._size is None:
            self._size = sum(map(len, self._all()))
        return self._size

    def digest(self, algorithm: str) -> bytes:
        """By its hashlib name; computed once."""
        known = self._digests.get(algorithm)
        if known is not None:
            return known
        digest = hashlib.new(algorithm)
        size = 0
        for piece in self._all():
            size += len(piece)
            digest.update(piece)
        self._same_size(size)
        self._digests[algorithm] = digest.digest()
        return self._digests[algorithm]

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The octets ``begin`` to ``end`` (exclusive; None: to the last), in pieces of at most CHUNK."""
        to_end = end is None or end >= self.size
        at = 0
        for piece in self._all():
            yield from pieces(piece, max(begin - at, 0), None if end is None else max(end - at, 0))
            at += len(piece)
            if not to_end and end is not None and at >= end:
                return
        self._same_size(at)

    def _same_size(self, size: int) -> None:
        if self._size is None:
            self._size = size
        elif self._size != size:
            raise ContentChanged("a content does not have the size it had before")
