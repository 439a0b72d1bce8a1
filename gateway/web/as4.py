"""``POST /as4``: the endpoint the French access point calls. Reading is bounded; the use case decides."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from gateway.core.errors import Unavailable
from gateway.flows.accept_fr import FrenchInbox, accept
from gateway.logs import get_logger

_INBOX: Final = web.AppKey("as4_inbox", FrenchInbox)
_MAX_BYTES: Final = web.AppKey("as4_max_bytes", int)
_READ_TIMEOUT: Final = web.AppKey("as4_read_timeout_s", float)
_CHUNK: Final = 65_536


async def _read(request: web.Request, limit: int, timeout_s: float) -> bytes:
    """The body, at most ``limit`` bytes within ``timeout_s``. Raises HTTP 413 or 408."""
    if (request.content_length or 0) > limit:
        raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=request.content_length or 0)
    content = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.content.iter_chunked(_CHUNK):
                content += chunk
                if len(content) > limit:
                    raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=len(content))
    except TimeoutError as exc:
        raise web.HTTPRequestTimeout from exc
    return bytes(content)


async def post_as4(request: web.Request) -> web.StreamResponse:
    """Receipts and error signals travel with HTTP 200, as peers expect; 503 when nothing could be stored."""
    body = await _read(request, request.app[_MAX_BYTES], request.app[_READ_TIMEOUT])
    try:
        answer = await accept(request.app[_INBOX], request.headers.get("Content-Type", ""), body)
    except Unavailable:
        get_logger().error("as4.unavailable")
        return web.Response(status=503, headers={"Retry-After": "5"})
    if answer.code is not None:
        get_logger().warning("as4.refused", code=answer.code)
    return web.Response(body=answer.body, headers={"Content-Type": answer.content_type})


async def livez(_: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")


def make_as4_app(inbox: FrenchInbox, *, max_bytes: int, read_timeout_s: float = 60) -> web.Application:
    """The application of the AS4 listener."""
    app = web.Application(client_max_size=max_bytes)
    app[_INBOX] = inbox
    app[_MAX_BYTES] = max_bytes
    app[_READ_TIMEOUT] = read_timeout_s
    app.router.add_post("/as4", post_as4)
    app.router.add_get("/livez", livez)
    return app
