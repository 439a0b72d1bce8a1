"""Sections, concatenations and line ends of a Content: no octet is copied before it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.core.as4.content import Content, Derived, Octets, exactly, pieces, size_of
from gateway.core.errors import ContentChanged


@dataclass(frozen=True, slots=True)
class Slice:
    """The octets ``begin`` to ``end`` (exclusive) of ``content``, counted in it."""

    content: Content
    begin: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.begin

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        stop = self.size if end is None else min(end, self.size)
        if begin < stop:
            yield from exactly(self.content, self.begin + begin, self.begin + stop)


class Joined:
    """One after the other. Reading from an offset asks only the parts that lie behind it."""

    def __init__(self, parts: Sequence[Octets]) -> None:
        self._parts = tuple(_merged(parts))
        self._sizes = tuple(size_of(part) for part in self._parts)

    @property
    def size(self) -> int:
        return sum(self._sizes)

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        stop = self.size if end is None else end
        at = 0
        for part, size in zip(self._parts, self._sizes, strict=True):
            first, last = max(begin - at, 0), min(stop - at, size)
            at += size
            if first >= last:
                continue
            if isinstance(part, bytes):
                yield from pieces(part, first, last)
            else:
                yield from exactly(part, first, last)


def _merged(parts: Sequence[Octets]) -> Iterator[Octets]:
    """Neighbouring ``bytes`` become one, so that delimiters and headers are not sent in crumbs."""
    waiting: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes):
            waiting.append(part)
            continue
        if waiting:
            yield b"".join(waiting)
            waiting = []
        yield part
    if waiting:
        yield b"".join(waiting)


class Pinned(Derived):
    """``content`` with the digest that was verified, or else that of its first reading.

    Every reading from the first to the last octet is compared with it, before its last piece is given out.
    The reading of a section cannot be.
    """

    def __init__(self, content: Content, algorithm: str, digest: bytes | None = None) -> None:
        super().__init__(content.size)
        self._content = content
        self._algorithm = algorithm
        if digest is not None:
            self._digests[algorithm] = digest

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        stop = self.size if end is None else min(end, self.size)
        if begin == 0 and stop == self.size:
            yield from super().chunks()
        elif begin < stop:
            yield from exactly(self._content, begin, stop)

    def _all(self) -> Iterator[bytes]:
        digest = hashlib.new(self._algorithm)
        held = b""
        for chunk in exactly(self._content):
            if held:
                yield held
            digest.update(chunk)
            held = chunk
        found = digest.digest()
        if self._digests.setdefault(self._algorithm, found) != found:
            raise ContentChanged("a content is not what it was when it was signed or verified")
        yield held


class CrlfText(Derived):
    """Text whose line ends (CR LF, CR, LF) are all CR LF, whatever its character set (SwA profile 5.4.2)."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._content = content

    def _all(self) -> Iterator[bytes]:
        open_cr = b""  # the LF of this CR may be in the next chunk
        for chunk in exactly(self._content):
            text = open_cr + chunk
            open_cr = text[-1:] if text.endswith(b"\r") else b""
            yield with_crlf(text.removesuffix(b"\r"))
        if open_cr:
            yield b"\r\n"


def with_crlf(text: bytes) -> bytes:
    """All line ends as CR LF."""
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
