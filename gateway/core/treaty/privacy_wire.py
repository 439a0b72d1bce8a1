"""What comes around a French document: MIME headers, ids, property values (Art 16). Pure; nothing is kept.

The contract says nothing about these, so they are where a value could hide. What every access point writes
(media types, transfer encodings) is left out; what machines make up (boundaries, Content-IDs) is read without
its UUIDs and long numbers, unless it is a ten-digit number as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from contracts.model import UUID_PATTERN
from gateway.core.as4.message import UserMessage

_MOST_PARTS = 64
_LONGEST_HEAD = 8192
"""Bytes of the headers of one part; the MIME parser refuses longer ones."""
_KNOWN_VALUES: Final = re.compile(
    r"utf-?8|us-ascii|7bit|8bit|binary|base64|quoted-printable|1\.0|[0-9]{1,9}|multipart/related|text/(?:plain|xml)"
    r"|application/(?:soap\+xml|xml|octet-stream|gzip|x-gzip)",
    re.IGNORECASE,
)
"""Values that every access point writes."""
_KNOWN_NAMES: Final = frozenset(
    {"length", "transfer-encoding", "mime-version", "charset", "type", "start-info", "action"}
)
_MACHINE_MADE: Final = frozenset({"boundary", "start"})
_PARAMETER: Final = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_BOUNDARY: Final = re.compile(r'boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;]{1,200}))', re.IGNORECASE)
_TEN: Final = re.compile(r"[^0-9A-Za-z]*(?:\d[^0-9A-Za-z]{0,3}){10}")
_NUMBERS: Final = re.compile(r"\d{5,}")
_UUIDS: Final = re.compile(UUID_PATTERN.strip("^$"), re.IGNORECASE)


def machine_made(value: str) -> str:
    """A Content-ID or boundary as far as it is read: long numbers only when they are all there is."""
    local = value.strip("<> ").partition("@")[0]
    return value if _TEN.fullmatch(local) else _NUMBERS.sub("", _UUIDS.sub("", value))


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
        else:
            yield from _pair(name.removeprefix("content-"), value)


def _pair(name: str, value: str) -> Iterator[str]:
    """A name and its value, as far as they are not those that every access point writes."""
    if name not in _KNOWN_NAMES:
        yield name
    if not _KNOWN_VALUES.fullmatch(value):
        yield value


def _content_type(value: str) -> Iterator[str]:
    """Media type and parameters, as far as they are not the usual ones."""
    kind = value.partition(";")[0].strip()
    if not _KNOWN_VALUES.fullmatch(kind):
        yield kind
    for name, raw in _PARAMETER.findall(value):
        text = raw.strip().strip('"')
        if name.lower() in _MACHINE_MADE:
            yield machine_made(text)
        else:
            yield from _pair(name.lower(), text)
