"""What comes around a French document: MIME headers, ids, property values (Art 16). Pure; nothing is kept.

The contract says nothing about these, so they are where a value could hide. What every access point writes
(media types, transfer encodings) is left out; what machines make up (boundaries, Content-IDs) is read without
its digits, unless it is a ten-digit number as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from gateway.core.as4.message import UserMessage

_MOST_PARTS = 64
_LONGEST_HEAD = 8192
"""Bytes of the headers of one part; the MIME parser refuses longer ones."""
_KNOWN_HEADERS: Final = frozenset({"content-length", "mime-version", "content-transfer-encoding"})
_KNOWN_PARAMETERS: Final = frozenset({"charset", "type", "start-info", "action"})
_MACHINE_MADE: Final = frozenset({"boundary", "start"})
_TOKEN: Final = re.compile(r"[A-Za-z0-9+./_-]{1,80}")
_PARAMETER: Final = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_BOUNDARY: Final = re.compile(r'boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;]{1,200}))', re.IGNORECASE)
_TEN: Final = re.compile(r"[^0-9A-Za-z]*(?:\d[^0-9A-Za-z]{0,3}){10}")
_DIGITS: Final = re.compile(r"\d+")


def machine_made(value: str) -> str:
    """A Content-ID or boundary as far as it is read: with its digits only when they are all there is."""
    local = value.strip("<> ").partition("@")[0]
    return value if _TEN.fullmatch(local) else _DIGITS.sub("", value)


def header_texts(message: UserMessage) -> tuple[str, ...]:
    """Values of a verified ebMS header that the sender chose freely."""
    found = [*(id_.partition("@")[2] for id_ in (message.message_id, message.ref_to_message_id) if id_)]
    found += [text for p in message.properties for text in (p.value, p.type) if text]
    for part in message.parts:
        found.append(machine_made(part.content_id))
        found += [text for p in part.properties for text in (p.name, p.value, p.type) if text]
    return tuple(found)


def mime_texts(content_type: str, body: bytes) -> tuple[str, ...]:
    """Values in the HTTP Content-Type and in the headers of the MIME parts that say more than they must."""
    found = list(_content_type(content_type))
    boundary = _BOUNDARY.search(content_type)
    if boundary is not None:
        mark = b"--" + (boundary[1] or boundary[2]).encode("latin-1", "replace")
        for head in _heads(body, mark):
            found.extend(_header(head))
    return tuple(text for text in found if text)


def _heads(body: bytes, mark: bytes) -> Iterator[str]:
    at = body.find(mark)
    # what stands before the first part is read by nobody: it is a place to hide
    if at > 0:
        yield f"X-Preamble: {body[: min(at, _LONGEST_HEAD)].decode('latin-1').strip()}"
    for _ in range(_MOST_PARTS):
        if at < 0:
            return
        begin = at + len(mark)
        end = body.find(b"\r\n\r\n", begin, begin + _LONGEST_HEAD)
        if body[begin : begin + 2] == b"--" or end < 0:
            yield f"X-Epilogue: {body[begin + 2 : begin + _LONGEST_HEAD].decode('latin-1').strip()}"
            return
        yield body[begin:end].decode("utf-8", "replace")
        at = body.find(mark, end)


def _header(head: str) -> Iterator[str]:
    """Header names and values of one part, unfolded."""
    for line in re.sub(r"\r?\n[ \t]+", " ", head).splitlines():
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        if name == "content-type":
            yield from _content_type(value)
        elif name == "content-id":
            yield machine_made(value)
        elif name not in _KNOWN_HEADERS or not _TOKEN.fullmatch(value):
            yield from (name.removeprefix("content-"), value)


def _content_type(value: str) -> Iterable[str]:
    """The media type only when it has no usual form; parameters that are not usual, by name and value."""
    kind = value.partition(";")[0].strip()
    if not _TOKEN.fullmatch(kind):
        yield kind
    for name, raw in _PARAMETER.findall(value):
        text = raw.strip().strip('"')
        if name.lower() in _MACHINE_MADE:
            yield machine_made(text)
        elif name.lower() not in _KNOWN_PARAMETERS:
            yield from (name, text)
