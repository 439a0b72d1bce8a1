"""Reading a request within limits: early by Content-Length, then while streaming; JSON or multipart.

Of a multipart body the message comes first: it is verified and judged before any attachment is read, so what
it announces (how many, how large) bounds what follows. Large attachments go to the store piece by piece.
"""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from contracts.ports import ValidDocument
from gateway.core.as4.content import CHUNK, IN_MEMORY
from gateway.core.errors import (
    AttachmentMismatch,
    MalformedBody,
    PasserelleError,
    TooLarge,
    UnsupportedMediaType,
)
from gateway.core.jws import VerifiedBody
from gateway.core.records import Blob, StoredAttachment
from gateway.flows.attachments import Announced, announced, mismatch
from gateway.flows.exchange import Limits
from gateway.flows.ports import Store
from gateway.transport.spool import Patience
from gateway.web.expect import go_on

_CHUNK = 65_536
_ENVELOPE = 65_536
"""Room for MIME boundaries and part headers beside message and attachments."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Posted:
    """A verified and valid message with the parts that came beside it; the parts are still unchecked."""

    body: VerifiedBody
    document: ValidDocument = field(repr=False)
    attachments: tuple[StoredAttachment, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How a body is read: ``verify`` its signature, then ``judge`` it by the contract."""

    limits: Limits
    verify: Callable[[bytes], VerifiedBody]
    judge: Callable[[VerifiedBody], ValidDocument]


class Uploads:
    """Blobs written for one request; those of a request that stored no message are dropped.

    Use as an async context manager, and call ``keep`` when they belong to a message.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._blobs: list[Blob] = []

    async def write(self, chunks: AsyncIterator[bytes]) -> Blob:
        blob = await self._store.write_blob(chunks)
        self._blobs.append(blob)
        return blob

    def keep(self) -> None:
        self._blobs.clear()

    async def __aenter__(self) -> Uploads:
        return self

    async def __aexit__(self, *_: object) -> None:
        for blob in self._blobs:
            with contextlib.suppress(PasserelleError):  # housekeeping removes what belongs to nothing
                await self._store.drop_blob(blob)


def _check_length(request: web.Request, limit: int) -> None:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaType("Content-Encoding is not supported: send the body as it is")
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(f"the request is larger than {limit} bytes")


class _Bounded:
    """What MultipartReader reads from, with an end to it: preamble, headers and boundaries count too, and
    the sender must not be too slow."""

    def __init__(self, content: aiohttp.StreamReader, limit: int, patience: Patience) -> None:
        self._content, self._left, self._limit, self._patience = content, limit, limit, patience

    async def _take(self, reading: Awaitable[bytes]) -> bytes:
        try:
            data = await self._patience.wait(reading)
        except TimeoutError as exc:
            seconds, rate = self._patience.seconds, self._patience.rate
            raise MalformedBody(
                f"the body did not arrive within {seconds:g} s and then at {rate:g} bytes per second"
            ) from exc
        except OSError as exc:
            raise MalformedBody("the connection broke before the end of the body") from exc
        self._patience.came(len(data))
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge(f"the request is larger than {self._limit} bytes")
        return data

    async def read(self, n: int = -1) -> bytes:
        return await self._take(self._content.read(n))

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        return await self._take(self._content.readline(max_line_length=max_line_length))

    def unread_data(self, data: bytes) -> None:
        self._left += len(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # aiohttp's own reader calls it so
            self._content.unread_data(data)

    def at_eof(self) -> bool:
        return self._content.at_eof()


@contextlib.asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    """A sender that dribbles bytes must not hold a connection and its memory for ever."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as exc:
        raise MalformedBody(f"the body did not arrive within {seconds:g} s") from exc


def _utf8(charset: str | None) -> bool:
    return charset is None or charset.lower() in {"utf-8", "utf8"}


async def read_limited(request: web.Request, limit: int, *, seconds: float = 30) -> bytes:
    """The whole body. Raises TooLarge as soon as the limit is passed, MalformedBody when it is too slow."""
    _check_length(request, limit)
    await go_on(request)
    chunks: list[bytes] = []
    size = 0
    try:
        async with _in_time(seconds):
            async for chunk in request.content.iter_chunked(_CHUNK):
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"the request is larger than {limit} bytes")
                chunks.append(chunk)
    except (aiohttp.ClientPayloadError, HttpProcessingError, ConnectionError) as exc:
        raise MalformedBody("the request body ended early or is not well-formed") from exc
    return b"".join(chunks)


async def read_posted(request: web.Request, how: Reading, uploads: Uploads) -> Posted:
    """A signed message, with attachments when it is multipart/form-data.

    The signature covers the JSON alone; the JSON binds each attachment by size and SHA-256
    (architecture.md). Raises the errors of ``gateway.core.errors`` and ``contracts.ports.InvalidDocument``.
    """
    limits = how.limits
    if request.content_type == "application/json":
        if not _utf8(request.charset):
            raise UnsupportedMediaType("JSON is UTF-8: leave the charset away")
        content = await read_limited(request, limits.message_bytes, seconds=limits.read_seconds)
        body = how.verify(content)
        return Posted(body=body, document=how.judge(body), attachments=())
    if request.content_type != "multipart/form-data":
        raise UnsupportedMediaType("send application/json, or multipart/form-data with attachments")
    whole = limits.message_bytes + limits.attachments_bytes + _ENVELOPE
    _check_length(request, whole)
    await go_on(request)
    stream: Any = _Bounded(request.content, whole, Patience(limits.read_seconds, limits.least_rate))
    with _well_formed():
        reader = aiohttp.MultipartReader(request.headers, stream)
    return await _read_multipart(reader, how, uploads)


@contextlib.contextmanager
def _well_formed() -> Iterator[None]:
    """What aiohttp's reader raises means that the sender broke the form; only reading belongs in here."""
    try:
        yield
    except (ValueError, AssertionError, RuntimeError, EOFError) as exc:
        raise MalformedBody("the multipart body is not well-formed") from exc
    except (aiohttp.ClientPayloadError, HttpProcessingError) as exc:
        raise MalformedBody("the multipart body is not well-formed") from exc


async def _next(reader: aiohttp.MultipartReader) -> tuple[str, aiohttp.BodyPartReader] | None:
    """(name, part), None at the end."""
    with _well_formed():
        part = await reader.next()
    if part is None:
        return None
    if not isinstance(part, aiohttp.BodyPartReader) or part.name is None:
        raise MalformedBody("every part needs a name (Content-Disposition: form-data; name=…)")
    if part.headers.get("Content-Transfer-Encoding", "binary").lower() not in {"binary", "8bit", "7bit"}:
        raise UnsupportedMediaType("Content-Transfer-Encoding is not supported: send bytes as they are")
    return part.name, part


async def _read_multipart(reader: aiohttp.MultipartReader, how: Reading, uploads: Uploads) -> Posted:
    """(1) the message, verified and judged; (2) what it announces, against the limits; (3) the parts."""
    first = await _next(reader)
    if first is None:
        raise MalformedBody("the multipart body has no message part")
    if first[0] != "message":
        raise MalformedBody("the first part must be named message")
    too_large = TooLarge("the message: larger than allowed")
    body = how.verify(b"".join([c async for c in _pieces(first[1], how.limits.message_bytes, too_large)]))
    document = how.judge(body)  # (1)
    expected = announced(document, how.limits)  # (2)
    parts: list[StoredAttachment] = []
    while (named := await _next(reader)) is not None:  # (3)
        name, part = named
        if len(parts) >= how.limits.attachments:
            raise TooLarge(f"more than {how.limits.attachments} attachments")
        if any(p.content_id == name for p in parts):
            raise mismatch("/attachments", "attachment_repeated")
        media_type = part.headers.get("Content-Type", "application/octet-stream").split(";", 1)[0].strip()
        content = await _content(part, expected.get(name), uploads)
        parts.append(
            StoredAttachment(content_id=name, media_type=media_type.lower(), file_name="", content=content)
        )
    return Posted(body=body, document=document, attachments=tuple(parts))


async def _content(
    part: aiohttp.BodyPartReader, expected: Announced | None, uploads: Uploads
) -> bytes | Blob:
    """The octets of one part, refused as soon as there are more than announced.

    What no one announced is refused too, but a small one only later, with every other fault of the message.
    """
    if expected is None:
        pieces = _pieces(part, IN_MEMORY, mismatch("/attachments", "attachment_not_announced"))
    else:
        too_much = mismatch(f"/attachments/{expected.index}/size", "attachment_size")
        pieces = _pieces(part, expected.size, too_much)
        if expected.size > IN_MEMORY:
            return await uploads.write(pieces)
    return b"".join([chunk async for chunk in pieces])


async def _pieces(
    part: aiohttp.BodyPartReader, limit: int, too_much: TooLarge | AttachmentMismatch
) -> AsyncIterator[bytes]:
    while True:
        with _well_formed():
            chunk = await part.read_chunk(CHUNK)
        if not chunk:
            return
        limit -= len(chunk)
        if limit < 0:
            raise too_much
        yield chunk
