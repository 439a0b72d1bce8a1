"""Detectors of personal data in a text, however it is written (Art 16).

Each works on bounded texts and never says what it found. Three questions: is there a ten-digit number, a name
or a document number of the case, or either of them in a usual encoding? A text that is an agreed code, a date
or a UUID says nothing about a person and is left alone.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import contextlib
import html
import quopri
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Collection, Iterator
from enum import StrEnum
from functools import cache
from typing import Final

from contracts import codelists, model
from gateway.core.identifiers import normalise, normalise_name

_UUID: Final = re.compile(model.UUID_PATTERN)
_DAY = r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME = r"(?:T(?:[01]\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?)?(?:Z|[+-][01]\d:[0-5]\d)?"
_DATE: Final = re.compile(rf"(?<![0-9]){_DAY}{_TIME}(?![0-9])")
_TEN_DIGITS: Final = re.compile(r"(?<![0-9])[0-9](?:[^0-9A-Za-z\n]{0,3}[0-9]){9}(?![0-9])")
"""Ten digits and no more, also in groups of any kind."""
_SHORTEST_NAME = 2
_SHORTEST_WORD = 4
"""Words of this length in a longer name are looked for by themselves."""
_SHORTEST_RUN = 6
"""Names of this length are found even inside a longer run of letters; document numbers too."""
_LONGEST = 4096
"""Characters of one text that are decoded; coded fields and headers are far shorter."""
_DEEPEST = 2
"""Encodings inside encodings."""

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{6,}={0,2}")
_BASE32: Final = re.compile(r"[A-Z2-7]{8,}={0,6}")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}[ :-]?){4,}")
_ESCAPE: Final = re.compile(r"\\u\{?([0-9a-fA-F]{4})\}?|\\x([0-9a-fA-F]{2})|U\+([0-9a-fA-F]{4})")


class Found(StrEnum):
    """What a text holds."""

    NUMBER = "number"
    NAME = "name"
    DOCUMENT = "document"
    ENCODED = "encoded"


@cache
def _wire_codes() -> frozenset[str]:
    """Every agreed code, canonical and French: a value that is one says nothing about a person."""
    return frozenset(
        code
        for enum in codelists.CODE_LISTS
        for member, french in codelists.to_french(enum).items()
        for code in (str(member.value), french)
    )


def with_words(names: Collection[str]) -> frozenset[str]:
    """The names, and the longer words of each by themselves."""
    words = {word for name in names for word in name.split() if len(word) >= _SHORTEST_WORD}
    return frozenset({*names, *words})


def plain(text: str) -> str:
    """Compatibility forms resolved, digits of every script as ASCII, invisible characters gone."""
    found = []
    for character in unicodedata.normalize("NFKC", text):
        digit = unicodedata.digit(character, None)
        if digit is not None:
            found.append(str(digit))
        elif unicodedata.category(character) not in {"Cf", "Mn", "Me"}:
            found.append(character)
    return "".join(found)


def has_number(text: str) -> bool:
    """A number of exactly ten digits, whatever groups or script it is written in; dates are none."""
    # no group of a UUID has ten characters, so digits inside one are never a number of their own
    if _UUID.match(text):
        return False
    return _TEN_DIGITS.search(_DATE.sub("\n", plain(text))) is not None


def has_name(text: str, names: Collection[str]) -> bool:
    """A normalised name as words of the text, or, from six letters on, inside a longer run."""
    if not names or text in _wire_codes():
        return False
    words, run = f" {normalise_name(text)} ", normalise(text)
    for name in names:
        if len(name) >= _SHORTEST_NAME and f" {name} " in words:
            return True
        solid = name.replace(" ", "")
        if len(solid) >= _SHORTEST_RUN and solid in run:
            return True
        if len(solid) >= _SHORTEST_WORD and solid == run:  # letter by letter: W.A.R.D
            return True
    return False


def has_document(text: str, documents: Collection[str]) -> bool:
    """A normalised document number of the case, also inside a longer run."""
    run = normalise(text)
    return any(len(number) >= _SHORTEST_RUN and number in run for number in documents)


# ---- encodings ----------------------------------------------------------------------------------


def _printable(content: bytes) -> Iterator[str]:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        with contextlib.suppress(UnicodeDecodeError):
            text = content.decode(encoding)
            if len(text) >= _SHORTEST_WORD and all(c.isprintable() or c.isspace() for c in text):
                yield text


def _base64(token: str) -> bytes:
    body = token.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(body + "=" * (-len(body) % 4))


def _base32(token: str) -> bytes:
    body = token.rstrip("=")
    return base64.b32decode(body + "=" * (-len(body) % 8))


def _hex(token: str) -> bytes:
    return bytes.fromhex(re.sub(r"[ :-]", "", token))


_TOKENS: Final[tuple[tuple[re.Pattern[str], Callable[[str], bytes]], ...]] = (
    (_BASE64, _base64),
    (_BASE32, _base32),
    (_HEX, _hex),
)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1] or m[2] or m[3], 16)), text)


def _quoted(text: str) -> str:
    content = quopri.decodestring(text.encode("ascii", "ignore"), header="=?" in text)
    return content.decode("utf-8", "replace")


def decodings(text: str, *, depth: int = _DEEPEST) -> Iterator[str]:
    """What the text may stand for: escapes, percent, quoted-printable, base64, base32, hex, ROT13, mirror."""
    text = text[:_LONGEST]
    found = {html.unescape(text), urllib.parse.unquote(text), _unescaped(text), _quoted(text)}
    for pattern, decode in _TOKENS:
        for token in pattern.findall(text):
            with contextlib.suppress(binascii.Error, ValueError):
                found.update(_printable(decode(token)))
    found.discard(text)
    for other in sorted(found):
        yield other
        if depth > 1:
            yield from decodings(other, depth=depth - 1)
    if depth == _DEEPEST:
        yield text[::-1]
        yield codecs.encode(text, "rot13")


def findings(text: str, names: Collection[str], documents: Collection[str] = ()) -> frozenset[Found]:
    """Everything that the text holds. ``names`` as ``with_words`` gives them; ``documents`` normalised."""
    if text in _wire_codes() or _UUID.match(text):
        return frozenset()
    found = set()
    if has_number(text):
        found.add(Found.NUMBER)
    if has_name(text, names):
        found.add(Found.NAME)
    if has_document(text, documents):
        found.add(Found.DOCUMENT)
    if not found and _encoded(text, names, documents):
        found.add(Found.ENCODED)
    return frozenset(found)


def _encoded(text: str, names: Collection[str], documents: Collection[str]) -> bool:
    """Short names turn up in random letters: encoded ones count from four letters on."""
    long = [name for name in names if len(name.replace(" ", "")) >= _SHORTEST_WORD]
    if _DATE.fullmatch(text):
        return False
    mirrored = (text[::-1], codecs.encode(text, "rot13"))
    return any(
        has_name(other, long)
        or has_document(other, documents)
        # a number read backwards is another number
        or (other not in mirrored and has_number(other))
        for other in decodings(text)
    )
