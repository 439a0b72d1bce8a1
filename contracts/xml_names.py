"""Which documents may be parsed in the caller's thread, and which in a thread of their own.

libxml2 keeps every name it meets (elements, attributes, prefixes, namespaces, processing instructions,
entities) in a dictionary of the thread, and lxml never empties it: documents full of invented names would
fill the memory of a process that runs for months, also when each of them is refused. So names that are new
are counted. A bounded number is learned, which is what real partners need; a document with a name beyond
that is parsed in a thread of its own, whose dictionary goes with it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

T = TypeVar("T")

MAX_NAMES: Final = 5_000
MAX_OCTETS: Final = 500_000
"""Of all names learned together, in one process."""
LARGE: Final = 256 * 1024
"""Documents beyond this are rare: looking for names in them would cost more than a thread."""

# In a tag: whatever may become a name, and more: too much only costs a thread, too little would let a name
# through. Possessive quantifiers: linear time on any input.
_NAMES: Final = re.compile(
    rb"\A[/?!]?+[^\s/?]*+"  # an element or a processing instruction
    rb"|\sxmlns(?::[^\s=]*+)?+\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+')"  # a prefix with its namespace
    rb"|[\s\"'][^\s=\"'/]++(?=\s*+(?:[=/]|\Z))"  # attributes, also those that lack their value
)
_ENTITIES: Final = re.compile(rb"&[^\s;<&#]++")
_UNCLEAR: Final = frozenset({b"<"})
"""Stands for a tag that cannot be read without being a parser; ``<`` is never a name."""
_SHORT: Final = 512
_ENCODING: Final = re.compile(rb"\A(?:\xef\xbb\xbf)?<\?xml[^>]{0,200}?\sencoding\s*=\s*[\"']([^\"']*)")
_READABLE: Final = frozenset({b"utf-8", b"us-ascii", b"ascii", b"iso-8859-1"})
"""Encodings in which the pattern sees the names that the parser sees."""
_STARTS: Final = (b"<", b"\xef\xbb\xbf<", b"\n", b"\r", b" ", b"\t")


class Names:
    """The names learned so far; one for the process."""

    def __init__(self, *, max_names: int = MAX_NAMES, max_octets: int = MAX_OCTETS) -> None:
        self._known: set[bytes] = set()
        self._octets = 0
        self._max_names, self._max_octets = max_names, max_octets
        self._lock = threading.Lock()

    def admit(self, content: bytes) -> bool:
        """Whether the document has only names that are known, or that there is room to learn (they are
        then known)."""
        if len(content) > LARGE or not _readable(content):
            return False
        new = _names(content) - self._known
        if not new:
            return True
        if b"<" in new:
            return False
        with self._lock:
            octets = self._octets + sum(map(len, new))
            if len(self._known) + len(new) > self._max_names or octets > self._max_octets:
                return False
            self._known |= new
            self._octets = octets
        return True


def _names(content: bytes) -> set[bytes]:
    names: set[bytes] = set()
    for piece in content.split(b"<"):
        tag = piece.partition(b">")[0]
        names |= _short_tag(tag) if len(tag) <= _SHORT else _tag(tag)
    if b"&" in content:
        names.update(_ENTITIES.findall(content))
    return names


def _tag(tag: bytes) -> frozenset[bytes]:
    """The names in what stands between ``<`` and the first ``>``."""
    if tag.count(b'"') % 2 or tag.count(b"'") % 2:
        return _UNCLEAR  # a value holds the ``>``, or the tag is broken
    return frozenset(_NAMES.findall(tag))


_short_tag = lru_cache(maxsize=4096)(_tag)
"""Nearly every tag of a message has been seen before."""


def _readable(content: bytes) -> bool:
    """Whether names stand in the octets as they are, and no DTD declares others."""
    if not content.startswith(_STARTS) or b"\0" in content or b"<!DOCTYPE" in content:
        return False
    declared = _ENCODING.match(content)
    return declared is None or declared.group(1).lower() in _READABLE


def apart(work: Callable[[], T]) -> T:
    """``work`` in a thread of its own, waited for; what it returns or raises."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as exc:  # noqa: BLE001 — handed to the caller, whatever it is
            errors.append(exc)

    thread = threading.Thread(target=run, name="parse-apart")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


NAMES: Final = Names()
