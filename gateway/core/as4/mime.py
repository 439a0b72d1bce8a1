"""SOAP with Attachments: ``multipart/related`` in and out (RFC 2387, RFC 2046; as4.md 7, 9, 10).

A small strict parser of our own: every limit comes from the policy, nothing is repaired, and what is
ambiguous (a Content-ID twice, a header twice, no closing boundary, text after it) is refused, so that no
two readers of the same bytes can see different parts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.as4.content import Octets, settle, size_of, whole
from gateway.core.as4.message import CONTENT_ID_PATTERN
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.scan import Searchable, searchable
from gateway.core.as4.streams import Joined, Slice
from gateway.core.as4.transfer import unbase64
from gateway.core.errors import InvalidHeader, MimeInconsistency

SOAP: Final = "application/soap+xml"
PLAIN_SOAP: Final = "application/soap+xml; charset=UTF-8"
OCTETS: Final = "application/octet-stream"

_BOM: Final = b"\xef\xbb\xbf"
_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE: Final = re.compile(rf"[ \t]*({_WORD}/{_WORD})[ \t]*")
_PARAMETER: Final = re.compile(rf';[ \t]*(?:({_WORD})=(?:"((?:[^"\\]|\\.)*)"|({_WORD}))[ \t]*)?')
_UNQUOTED_TYPE: Final = re.compile(r"(type|start-info)=([A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+)", re.IGNORECASE)
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]\Z")
_HEADER: Final = re.compile(rf"({_WORD}):[ \t]*(.*?)[ \t]*\Z", re.DOTALL)
_IDENTITY_ENCODINGS: Final = frozenset({"binary", "8bit", "7bit"})
_MAX_CONTENT_TYPE: Final = 2048
_MAX_PREAMBLE: Final = 1024
_MAX_LOOKALIKES: Final = 1000
"""Lines that only begin like the delimiter. Each costs microseconds, half a gigabyte of them minutes."""
_MAX_HEADERS: Final = 8192
"""All headers of one part together, in bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MimePart:
    """One MIME part, its transfer encoding undone. ``content_id`` without its angle brackets."""

    content_id: str | None
    content_type: str
    content: Octets


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A SOAP root part and the other parts in the order of the wire, each with its own Content-ID."""

    root: MimePart
    parts: tuple[MimePart, ...]


def parse_media_type(value: str) -> tuple[str, dict[str, str]]:
    """``(type/subtype in lower case, parameters by lower-case name)`` of a Content-Type value.

    Raises MimeInconsistency when malformed, too long, or when a parameter is given twice.
    """
    if len(value) > _MAX_CONTENT_TYPE:
        raise MimeInconsistency("a Content-Type is too long")
    # ``type=application/soap+xml`` without its quotes is against RFC 2045, but common.
    value = _UNQUOTED_TYPE.sub(r'\1="\2"', value)
    match = _MEDIA_TYPE.match(value)
    if match is None:
        raise MimeInconsistency("a Content-Type is malformed")
    parameters: dict[str, str] = {}
    position = match.end()
    while position < len(value):
        found = _PARAMETER.match(value, position)
        if found is None:
            raise MimeInconsistency("a Content-Type is malformed")
        position = found.end()
        name, quoted, plain = found.groups()
        if name is None:
            continue
        if name.lower() in parameters:
            raise MimeInconsistency("a Content-Type gives a parameter twice")
        parameters[name.lower()] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    return match.group(1).lower(), parameters


def parse_multipart(content_type: str, body: Octets, policy: SecurityPolicy) -> Package:
    """Take an HTTP body apart: plain SOAP, or ``multipart/related`` with a SOAP root (as4.md 9, TA21–22).

    The root is the part that ``start`` names, or the first, and in memory. Parts of a Content that are not
    small are sections of it. Raises MimeInconsistency (EBMS:0007) for everything else: another type, size
    or number beyond the policy, truncated or ambiguous parts; and InvalidHeader for a large root beyond
    the policy's limit, before it is read (``soap.parse_envelope`` judges the others).
    """
    if size_of(body) > policy.max_decompressed_bytes + policy.max_header_bytes:
        raise MimeInconsistency("the message is larger than the limit")
    body = settle(body)
    media_type, parameters = parse_media_type(content_type)
    if media_type == SOAP:
        _check_charset(parameters)
        return Package(root=_root(None, body, policy), parts=())
    if media_type != "multipart/related":
        raise MimeInconsistency("neither SOAP 1.2 nor multipart/related")
    if parse_media_type(parameters.get("type", SOAP))[0] != SOAP:
        raise MimeInconsistency("the root of the multipart is not SOAP 1.2")
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.match(boundary):
        raise MimeInconsistency("the multipart boundary is missing or malformed")
    text = searchable(body)
    parts = [_parse_part(text, body, begin, end) for begin, end in _split(text, boundary, policy)]
    return _package(parts, parameters.get("start"), policy)


def _split(body: Searchable, boundary: str, policy: SecurityPolicy) -> Iterable[tuple[int, int]]:
    """Where each part begins and ends (RFC 2046 5.1.1): delimiter lines, then a closing one, then nothing."""
    delimiter = b"\r\n--" + boundary.encode("ascii")
    spans: list[tuple[int, int]] = []
    opened: int | None = None
    lookalikes = 0
    # The CRLF belongs to the delimiter; only the very first one may lack it.
    position = 0 if body.startswith(delimiter[2:]) else body.find(delimiter, 0, _MAX_PREAMBLE)
    width = len(delimiter) - (2 if position == 0 and not body.startswith(b"\r\n") else 0)
    while position >= 0:
        after = position + width
        width = len(delimiter)
        line_end = body.find(b"\r\n", after, after + 256)
        tail = body[after : line_end if line_end >= 0 else after + 256]
        closing = tail.startswith(b"--")
        if tail.removeprefix(b"--").strip(b" \t") or (line_end < 0 and not closing):
            lookalikes += 1
            if lookalikes > _MAX_LOOKALIKES:
                raise MimeInconsistency("too many lines begin like the boundary")
            position = body.find(delimiter, after)
            continue
        if opened is not None:
            spans.append((opened, position))
        if len(spans) > policy.max_parts + 1:  # the root is no payload
            raise MimeInconsistency("too many MIME parts")
        if closing:
            if line_end >= 0 and body[line_end : line_end + _MAX_PREAMBLE].strip(b"\r\n \t"):
                raise MimeInconsistency("there is data after the closing boundary")
            if line_end >= 0 and len(body) > line_end + _MAX_PREAMBLE:
                raise MimeInconsistency("there is data after the closing boundary")
            if not spans:
                raise MimeInconsistency("the multipart has no parts")
            return spans
        opened = line_end + 2
        # The CRLF that ends this delimiter line may also begin the next one (an empty part).
        position = body.find(delimiter, line_end)
    raise MimeInconsistency("the multipart is truncated: it has no closing boundary")


def _parse_part(text: Searchable, body: Octets, begin: int, end: int) -> MimePart:
    head_end = text.find(b"\r\n\r\n", begin - 2, min(end, begin + _MAX_HEADERS) + 2)
    if head_end < 0:
        raise MimeInconsistency("the headers of a MIME part do not end, or are too long")
    headers = _parse_headers(text[begin:head_end] if head_end >= begin else b"")
    begin = head_end + 4
    content = body[begin:end] if isinstance(body, bytes) else settle(Slice(body, begin, max(begin, end)))
    encoding = headers.get("content-transfer-encoding", "binary").lower()
    if encoding == "base64":
        content = unbase64(content)
    elif encoding not in _IDENTITY_ENCODINGS:
        raise MimeInconsistency("an unknown Content-Transfer-Encoding")
    content_id = headers.get("content-id")
    if content_id is not None:
        content_id = _strip_brackets(content_id)
    return MimePart(
        content_id=content_id, content_type=headers.get("content-type", "text/plain"), content=content
    )


def _parse_headers(head: bytes) -> Mapping[str, str]:
    if not head:
        return {}
    try:
        text = head.decode("ascii")
    except UnicodeDecodeError as exc:
        raise MimeInconsistency("a MIME header is not ASCII") from exc
    headers: dict[str, str] = {}
    for line in re.sub(r"\r\n[ \t]+", " ", text).split("\r\n"):
        match = _HEADER.match(line)
        if match is None or "\r" in line or "\n" in line or "\0" in line:
            raise MimeInconsistency("a MIME header is malformed")
        name = match.group(1).lower()
        if name in headers:
            raise MimeInconsistency("a MIME header is given twice")
        headers[name] = match.group(2)
    return headers


def _strip_brackets(value: str) -> str:
    if not (value.startswith("<") and value.endswith(">")) or not CONTENT_ID_PATTERN.match(value[1:-1]):
        raise MimeInconsistency("a Content-ID is malformed")
    return value[1:-1]


def _package(parts: Sequence[MimePart], start: str | None, policy: SecurityPolicy) -> Package:
    ids = [part.content_id for part in parts if part.content_id is not None]
    if len(set(ids)) != len(ids):
        raise MimeInconsistency("two MIME parts have the same Content-ID")
    root = parts[0]
    if start is not None:
        named = [p for p in parts if p.content_id is not None and f"<{p.content_id}>" == start]
        if not named:
            raise MimeInconsistency("the start parameter names no MIME part")
        root = named[0]
    media_type, parameters = parse_media_type(root.content_type)
    if media_type != SOAP:
        raise MimeInconsistency("the root part is not SOAP 1.2")
    _check_charset(parameters)
    rest = tuple(part for part in parts if part is not root)
    if any(part.content_id is None for part in rest):
        raise MimeInconsistency("a MIME part has no Content-ID")
    return Package(root=_root(root.content_id, root.content, policy), parts=rest)


def _check_charset(parameters: Mapping[str, str]) -> None:
    if parameters.get("charset", "utf-8").lower() not in {"utf-8", "us-ascii"}:
        raise MimeInconsistency("the SOAP envelope is not UTF-8")


def _root(content_id: str | None, content: Octets, policy: SecurityPolicy) -> MimePart:
    """Drops a UTF-8 byte order mark, which is accepted (as4.md 11)."""
    if not isinstance(content, bytes) and content.size > policy.max_header_bytes + len(_BOM):
        raise InvalidHeader("the SOAP envelope is larger than the limit")
    return MimePart(content_id=content_id, content_type=SOAP, content=whole(content).removeprefix(_BOM))


def build_multipart(envelope: bytes, parts: Sequence[MimePart]) -> tuple[str, Octets]:
    """``(Content-Type, body)``: plain SOAP without parts, else multipart with the root first.

    The same input gives the same bytes. The multipart type carries no charset, which trips firewalls
    (as4.md, Traps). Every part needs a Content-ID. With a Content among the parts the body is one too,
    and the envelope has to hold that part's digest (a signed one does).
    """
    if not parts:
        return PLAIN_SOAP, envelope
    boundary = _boundary(envelope, parts)
    root_id = f"root.{boundary}@passerelle"
    root = MimePart(content_id=root_id, content_type=PLAIN_SOAP, content=envelope)
    delimiter = f"--{boundary}\r\n".encode("ascii")
    chunks: list[Octets] = []
    for part in (root, *parts):
        head = (
            f"Content-Type: {part.content_type}\r\n"
            "Content-Transfer-Encoding: binary\r\n"
            f"Content-ID: <{part.content_id}>\r\n\r\n"
        )
        chunks += (delimiter, head.encode("ascii"), part.content, b"\r\n")
    chunks.append(f"--{boundary}--\r\n".encode("ascii"))
    content_type = f'multipart/related; boundary="{boundary}"; type="{SOAP}"; start="<{root_id}>"'
    in_memory = [chunk for chunk in chunks if isinstance(chunk, bytes)]
    return content_type, b"".join(in_memory) if len(in_memory) == len(chunks) else Joined(chunks)


def _boundary(envelope: bytes, parts: Sequence[MimePart]) -> str:
    """From the envelope's digest, and counted on in the (absurd) case that a part contains it.

    A Content is not searched. It cannot hold the boundary: that is a digest (160 bits) of the envelope,
    which itself holds the digest of the part, or a signature over it. Whoever chooses the part would have
    to find octets that contain a digest of their own digest. Were it so by chance, the receiver's digest
    would not match, and nothing false would be accepted.
    """
    digest = hashlib.sha256(envelope).hexdigest()[:40]
    counter = 0
    known = [part.content for part in parts if isinstance(part.content, bytes)]
    while any(f"--{digest}.{counter}".encode("ascii") in content for content in known):
        counter += 1
    return f"{digest}.{counter}"
