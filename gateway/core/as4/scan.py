"""Searching in a Content as in ``bytes``, so that one parser serves both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from gateway.core.as4.content import Content, Octets, exactly

_LOOK_BACK: Final = 4096
"""Octets kept before the place of the search: a parser looks ahead by a line, then goes back to its start."""


class Searchable(Protocol):
    """What the MIME parser needs of ``bytes``; slices are of short things (a line, the headers of a part)."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: slice, /) -> bytes: ...

    def startswith(self, prefix: bytes, /) -> bool: ...

    def find(self, sub: bytes, start: int, end: int | None = None, /) -> int: ...


def searchable(octets: Octets) -> Searchable:
    """``bytes`` are searchable themselves."""
    return octets if isinstance(octets, bytes) else Window(octets)


class Window:
    """A stretch of a Content in memory that moves with the search: cheap forwards, read anew backwards."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._size = content.size
        self._base = 0
        self._stretch = b""
        self._chunks: Iterator[bytes] = exactly(content)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: slice, /) -> bytes:
        begin, end, _ = key.indices(self._size)
        if begin >= end:
            return b""
        self._cover(begin, end)
        return self._stretch[begin - self._base : end - self._base]

    def startswith(self, prefix: bytes, /) -> bool:
        return self[: len(prefix)] == prefix

    def find(self, sub: bytes, start: int, end: int | None = None, /) -> int:
        """Like ``bytes.find`` with a start that is not negative and a ``sub`` that is not empty."""
        stop = self._size if end is None else min(end, self._size)
        position = start
        while position + len(sub) <= stop:
            self._cover(position, position + len(sub))
            found = self._stretch.find(sub, position - self._base, stop - self._base)
            if found >= 0:
                return self._base + found
            # The last octets of the stretch may be the beginning of what is sought.
            position = self._base + len(self._stretch) - len(sub) + 1
        return -1

    def _cover(self, begin: int, end: int) -> None:
        """Makes the stretch hold ``begin`` to ``end``, which lie inside the content."""
        if not self._base <= begin <= self._base + len(self._stretch):
            self._base, self._stretch = begin, b""
            self._chunks = exactly(self._content, begin, self._size)
        if self._base + len(self._stretch) >= end:
            return
        drop = max(begin - _LOOK_BACK - self._base, 0)
        gathered = [self._stretch[drop:]]
        self._base += drop
        have = self._base + len(gathered[0])
        while have < end:  # which is inside, and ``exactly`` gives all of it or raises
            chunk = next(self._chunks)
            gathered.append(chunk)
            have += len(chunk)
        self._stretch = b"".join(gathered)
