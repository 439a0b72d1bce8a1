"""Reading a request within limits: early by Content-Length, then while streaming; JSON or multipart."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from contracts.ports import Problem
from gateway.core.errors import AttachmentMismatch, MalformedBody, TooLarge, UnsupportedMediaType
from gateway.core.jws import VerifiedBody
from gateway.core.records import StoredAttachment
from gateway.flows.exchange import Limits

_CHUNK = 65_536
_ENVELOPE = 65_536
"""Room for MIME boundaries and part headers beside message and attachments."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Posted:
    """A verified message with the parts that came beside it; the parts are still unchecked."""

    body: VerifiedBody
    attachments: tuple[StoredAttachment, ...] = field(repr=False)


def _check_length(request: web.Request, limit: int) -> None:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaType("Content-Encoding is not supported: send the body as it is")
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(f"the request is larger than {limit} bytes")


class _Bounded:
    """What MultipartReader reads from, with an end to it: preamble, headers and boundaries count too."""

    def __init__(self, content: aiohttp.StreamReader, limit: int) -> None:
        self._content, self._left, self._limit = content, limit, limit

    def _count(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge(f"the request is larger than {self._limit} bytes")
        return data

    async def read(self, n: int = -1) -> bytes:
        return self._count(await self._content.read(n))

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        return self._count(await self._content.readline(max_line_length=max_line_length))

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
    chunks: list[bytes] = []
    size = 0
    try:
        async with _in_time(seconds):
            async for chunk in request.content.iter_chunked(_CHUNK):
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"the request is larger than {limit} bytes")
                chunks.append(chunk)
    except (aiohttp.ClientPayloadError, HttpProcessingError) as exc:
        raise MalformedBody("the request body ended early or is not well-formed") from exc
    return b"".join(chunks)


async def read_posted(
    request: web.Request, *, limits: Limits, verify: Callable[[bytes], VerifiedBody]
) -> Posted:
    """A signed message, with attachments when it is multipart/form-data.

    The signature covers the JSON alone and is verified before any attachment is read; the JSON binds
    each attachment by SHA-256 (architecture.md). Raises the errors of ``gateway.core.errors``.
    """
    if request.content_type == "application/json":
        if not _utf8(request.charset):
            raise UnsupportedMediaType("JSON is UTF-8: leave the charset away")
        content = await read_limited(request, limits.message_bytes, seconds=limits.read_seconds)
        return Posted(body=verify(content), attachments=())
    if request.content_type != "multipart/form-data":
        raise UnsupportedMediaType("send application/json, or multipart/form-data with attachments")
    whole = limits.message_bytes + limits.attachments_bytes + _ENVELOPE
    _check_length(request, whole)
    try:
        content_stream: Any = _Bounded(request.content, whole)
        reader = aiohttp.MultipartReader(request.headers, content_stream)
        async with _in_time(limits.read_seconds):
            return await _read_multipart(reader, limits, verify)
    except (ValueError, AssertionError, RuntimeError, EOFError) as exc:
        raise MalformedBody("the multipart body is not well-formed") from exc
    except (aiohttp.ClientPayloadError, HttpProcessingError) as exc:
        raise MalformedBody("the multipart body is not well-formed") from exc


async def _read_multipart(
    reader: aiohttp.MultipartReader, limits: Limits, verify: Callable[[bytes], VerifiedBody]
) -> Posted:
    body: VerifiedBody | None = None
    parts: list[StoredAttachment] = []
    total = 0
    while (part := await reader.next()) is not None:
        if not isinstance(part, aiohttp.BodyPartReader) or part.name is None:
            raise MalformedBody("every part needs a name (Content-Disposition: form-data; name=…)")
        if part.headers.get("Content-Transfer-Encoding", "binary").lower() not in {"binary", "8bit", "7bit"}:
            raise UnsupportedMediaType("Content-Transfer-Encoding is not supported: send bytes as they are")
        if body is None:
            if part.name != "message":
                raise MalformedBody("the first part must be named message")
            body = verify(await _read_part(part, limits.message_bytes, "the message"))
            continue
        if len(parts) >= limits.attachments:
            raise TooLarge(f"more than {limits.attachments} attachments")
        if any(p.content_id == part.name for p in parts):
            raise _twice()
        left = limits.attachments_bytes - total
        content = await _read_part(part, left, "all attachments together")
        total += len(content)
        media_type = part.headers.get("Content-Type", "application/octet-stream").split(";", 1)[0].strip()
        parts.append(
            StoredAttachment(
                content_id=part.name, media_type=media_type.lower(), file_name="", content=content
            )
        )
    if body is None:
        raise MalformedBody("the multipart body has no message part")
    return Posted(body=body, attachments=tuple(parts))


def _twice() -> AttachmentMismatch:
    problem = Problem(
        path="/attachments",
        code="attachment_repeated",
        message_en="Two parts have the same name.",
        message_fr="Deux parties portent le même nom.",
    )
    return AttachmentMismatch("two parts have the same name", problems=(problem,))


async def _read_part(part: aiohttp.BodyPartReader, limit: int, what: str) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while chunk := await part.read_chunk(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"{what}: larger than allowed")
        chunks.append(chunk)
    return b"".join(chunks)
