"""``POST /as4``: the endpoint the French access point calls. Reading is bounded; the use case decides."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from gateway.core.errors import Unavailable
from gateway.flows.accept_fr import As4Answer, FrenchInbox, accept
from gateway.logs import get_logger
from gateway.metrics import Metrics
from gateway.transport.spool import FileContent, Patience, TooMuch, spool
from gateway.web.expect import expect_later, go_on

_INBOX: Final = web.AppKey("as4_inbox", FrenchInbox)
_MAX_BYTES: Final = web.AppKey("as4_max_bytes", int)
_READ_TIMEOUT: Final = web.AppKey("as4_read_timeout_s", float)
_LEAST_RATE: Final = web.AppKey("as4_least_rate", float)
_FOLDER: Final = web.AppKey("as4_spool_folder", Path)
_METRICS: Final = web.AppKey("as4_metrics", Metrics)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _watched(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Names the request for the log, counts it and logs one line. Errors of aiohttp keep their answer."""
    started, status = time.perf_counter(), 500
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "unmatched"
    with structlog.contextvars.bound_contextvars(correlation_id=request.app[_INBOX].clock.new_id()):
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as exc:
            status = exc.status
            raise
        finally:
            elapsed = time.perf_counter() - started
            if _METRICS in request.app:
                request.app[_METRICS].observe(
                    route=route, method=request.method, status=status, seconds=elapsed
                )
            get_logger().info(
                "as4.request", route=route, http_status=status, elapsed_ms=round(elapsed * 1000, 1)
            )
    return response


def _too_large(limit: int, size: int) -> web.HTTPRequestEntityTooLarge:
    return web.HTTPRequestEntityTooLarge(limit, size, text=f"The message is larger than {limit} bytes.\n")


async def _read(request: web.Request) -> bytes | FileContent:
    """The body, in a file when it is large. Raises HTTP 413 (by Content-Length before reading) or 408."""
    app = request.app
    limit = app[_MAX_BYTES]
    announced = request.content_length or 0
    if announced > limit:
        raise _too_large(limit, announced)
    await go_on(request)
    patience = Patience(app[_READ_TIMEOUT], app[_LEAST_RATE])
    try:
        return await spool(request.content, limit=limit, patience=patience, folder=app.get(_FOLDER))
    except TooMuch:
        raise _too_large(limit, limit + 1) from None
    except TimeoutError as exc:
        raise web.HTTPRequestTimeout(text="The message did not arrive in time.\n") from exc


async def post_as4(request: web.Request) -> web.StreamResponse:
    """Receipts, error signals and pulled messages travel with HTTP 200, as peers expect. 202 without a body:
    taken, and nothing to say; 400 without one: a signal that is refused; 429: enough refusals for this
    caller; 503: nothing could be stored."""
    body = await _read(request)
    try:
        media_type = request.headers.get("Content-Type", "")
        answer = await accept(request.app[_INBOX], media_type, body, remote=request.remote or "")
    except Unavailable:
        get_logger().error("as4.unavailable")
        return web.Response(status=503, headers={"Retry-After": "5"})
    finally:
        if isinstance(body, FileContent):
            body.close()
    if answer.code is not None and answer.status != web.HTTPTooManyRequests.status_code:
        get_logger().warning("as4.refused", code=answer.code)
    return await _sent(request, answer)


async def _sent(request: web.Request, answer: As4Answer) -> web.StreamResponse:
    headers = {"Content-Type": answer.content_type} if answer.content_type else {}
    if answer.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(answer.retry_after))
    if isinstance(answer.body, bytes):
        return web.Response(status=answer.status, body=answer.body, headers=headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = answer.body.size
    await response.prepare(request)
    async for chunk in answer.body.open():
        await response.write(chunk)
    await response.write_eof()
    return response


async def livez(_: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")


def make_as4_app(
    inbox: FrenchInbox,
    *,
    max_bytes: int,
    read_timeout_s: float = 60,
    least_rate: float = 100_000,
    spool_folder: Path | None = None,
    metrics: Metrics | None = None,
) -> web.Application:
    """The application of the AS4 listener. A body may take ``read_timeout_s`` and, on top of it, the time
    that ``least_rate`` bytes per second need; a large one waits in an unnamed file in ``spool_folder``."""
    app = web.Application(middlewares=[_watched], client_max_size=max_bytes)
    app[_INBOX] = inbox
    app[_MAX_BYTES] = max_bytes
    app[_READ_TIMEOUT] = read_timeout_s
    app[_LEAST_RATE] = least_rate
    if spool_folder is not None:
        app[_FOLDER] = spool_folder
    if metrics is not None:
        app[_METRICS] = metrics
    app.router.add_post("/as4", post_as4, expect_handler=expect_later)
    app.router.add_get("/livez", livez)
    return app
