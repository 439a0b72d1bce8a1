"""Content-Transfer-Encoding base64 of a MIME part, in memory or while it is read (RFC 2045 6.8)."""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator

from gateway.core.as4.content import Content, Derived, Octets, exactly, settle
from gateway.core.errors import ContentChanged, MimeInconsistency

_BLANKS = b"\r\n \t"


def unbase64(content: Octets) -> Octets:
    """The octets that base64 stands for. Raises MimeInconsistency: nothing but its alphabet and line ends."""
    if isinstance(content, bytes):
        return b"".join(_decoded((content,)))
    return settle(Unbase64(content, sum(map(len, _decoded(exactly(content))))))


class Unbase64(Derived):
    """What base64 in a Content stands for; ``unbase64`` has read it before and knows that it is sound."""

    def __init__(self, encoded: Content, size: int) -> None:
        super().__init__(size)
        self._encoded = encoded

    def _all(self) -> Iterator[bytes]:
        try:
            yield from _decoded(exactly(self._encoded))
        except MimeInconsistency as exc:
            raise ContentChanged("a content is not the base64 that it was before") from exc


def _decoded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    # One to four characters always wait, so that the end (with its padding) is decoded as such.
    waiting = b""
    for chunk in chunks:
        text = waiting + chunk.translate(None, _BLANKS)
        ready = max(len(text) - 1, 0) // 4 * 4
        if b"=" in text[:ready]:
            raise MimeInconsistency("a MIME part is not valid base64")
        waiting = text[ready:]
        yield _strict(text[:ready])
    yield _strict(waiting)


def _strict(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as exc:
        raise MimeInconsistency("a MIME part is not valid base64") from exc
