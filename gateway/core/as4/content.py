"""Octets of a payload: ``bytes`` in memory, or a ``Content`` that is read piece by piece, again and again.

The core does no I/O: a Content of a file or of the store is given to it from outside. What the core makes of
one (a slice, something compressed, encrypted or decrypted) is again a Content that works while it is read, so
that no step holds more than one chunk in memory. Small things stay ``bytes``: everything here takes both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final, Protocol, TypeAlias, runtime_checkable

CHUNK: Final = 256 * 1024
"""Octets in one chunk, at most."""
IN_MEMORY: Final = 1 << 20
"""Up to this size octets are kept as ``bytes``; only what is larger needs to be a Content."""


@runtime_checkable
class Content(Protocol):
    """Octets whose number is known, readable from any offset as often as needed.

    Reading may block (a file, a database): callers of the event loop do it in a thread.
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


def chunks_of(octets: Octets) -> Iterator[bytes]:
    """All of it in pieces; ``bytes`` are one piece."""
    if isinstance(octets, bytes):
        yield octets
    else:
        yield from octets.chunks()


def whole(octets: Octets) -> bytes:
    """All of it in memory: only for what is known to be small."""
    return octets if isinstance(octets, bytes) else b"".join(octets.chunks())


def digest_of(octets: Octets, algorithm: str) -> bytes:
    """The digest by its hashlib name, in constant memory."""
    digest = hashlib.new(algorithm)
    for chunk in chunks_of(octets):
        digest.update(chunk)
    return digest.digest()
