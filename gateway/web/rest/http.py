"""The outer layer of the UK API: correlation, problems, signed answers, access log, headers."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from gateway.core.errors import (
    ApiError,
    MalformedBody,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    PasserelleError,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from gateway.core.jws import sign_detached
from gateway.core.records import MessageRecord
from gateway.flows.watch import Answered
from gateway.logs import get_logger
from gateway.web.health import METRICS
from gateway.web.rest.problems import MEDIA_TYPE, problem_body, problem_of
from gateway.web.services import SERVICES

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CORRELATION: web.RequestKey[str] = web.RequestKey("correlation_id", str)
CLIENT_ID: web.RequestKey[str] = web.RequestKey("client_id", str)
TAKEN: web.RequestKey[MessageRecord] = web.RequestKey("taken", MessageRecord)
"""The message that this request stored."""
RATE_HEADERS: web.RequestKey[dict[str, str]] = web.RequestKey("rate_headers", dict)

SIGNATURE_HEADER: Final = "x-jws-signature"
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
}
_OTHER_OWNERS = ("/console", "/as4")
"""Paths whose own application answers for everything; nothing is added or translated there."""


def _foreign(request: web.Request) -> bool:
    return any(request.path == p or request.path.startswith(f"{p}/") for p in _OTHER_OWNERS)


def _translate(exc: web.HTTPException) -> ApiError:
    """aiohttp's own refusals in our words (style.md 8)."""
    match exc.status:
        case 404:
            return NotFound("there is nothing at this path")
        case 405:
            allowed = ", ".join(sorted(getattr(exc, "allowed_methods", ())))
            return MethodNotAllowed(f"this path allows {allowed}")
        case 413:
            return TooLarge("the request is larger than allowed")
        case 415:
            return UnsupportedMediaType("the media type is not supported here")
        case _:
            return MalformedBody("the request is not well-formed HTTP")


def problem_response(exc: PasserelleError, *, correlation_id: str) -> web.Response:
    """The problem document with the headers that its status calls for."""
    response = web.Response(
        status=exc.http_status,
        body=problem_body(exc, correlation_id=correlation_id),
        content_type=MEDIA_TYPE,
    )
    if exc.http_status == 401:  # always with a challenge (RFC 9110 15.5.2)
        token = ', error="invalid_token"' if exc.code == "unauthorized" else ""
        response.headers["WWW-Authenticate"] = f'Bearer realm="passerelle"{token}'
    if isinstance(exc, Unavailable):
        response.headers["Retry-After"] = "5"
    return response


def accepts(request: web.Request, *offered: str) -> str:
    """The first offered media type that ``Accept`` allows (RFC 9110 12.5.1). Raises NotAcceptable."""
    header = ",".join(request.headers.getall("Accept", [])).strip()
    if not header:
        return offered[0]
    wanted = {item.split(";", 1)[0].strip().lower() for item in header.split(",")}
    for media_type in offered:
        if wanted & {media_type, media_type.split("/")[0] + "/*", "*/*"}:
            return media_type
    raise NotAcceptable(f"available here: {', '.join(offered)}")


def json_response(
    document: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Compact UTF-8 JSON."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(document),
        content_type="application/json",
        headers=dict(headers or {}),
    )


@web.middleware
async def outer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """(1) name the request, (2) handle, (3) translate what failed, (4) sign, (5) add headers, (6) log."""
    if _foreign(request):
        return await handler(request)
    with structlog.contextvars.bound_contextvars():  # whatever is logged meanwhile carries the request's id
        return await _answered(request, handler)


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    services = request.app[SERVICES]
    started = time.perf_counter()
    correlation_id = request[CORRELATION] = services.exchange.clock.new_id()  # (1)
    structlog.contextvars.bind_contextvars(correlation_id=correlation_id)
    code: str | None = None
    failure: BaseException | None = None
    response: web.StreamResponse
    try:
        response = await handler(request)  # (2)
    except web.HTTPException as exc:  # (3)
        error = _translate(exc)
        code, response = error.code, problem_response(error, correlation_id=correlation_id)
        if exc.status == 405:
            response.headers["Allow"] = exc.headers.get("Allow", "")
    except Exception as exc:  # noqa: BLE001 — the border: anything else is answered as a bug and logged
        known = problem_of(exc)
        code, response = known.code, problem_response(known, correlation_id=correlation_id)
        failure = exc if known.http_status == 500 else None
    _finish(request, response, correlation_id)  # (4) (5)
    elapsed = time.perf_counter() - started
    _tell(request, response, elapsed)
    _log(request, response, elapsed=elapsed, code=code, failure=failure)  # (6)
    return response


def _tell(request: web.Request, response: web.StreamResponse, elapsed: float) -> None:
    """Whoever watches, of a request that stored a message."""
    record = request.get(TAKEN)
    if record is None:
        return
    exchange = request.app[SERVICES].exchange
    now = exchange.clock.now()
    exchange.watch.answered(
        Answered(
            record=record,
            route=route_template(request),
            http_status=response.status,
            started_at=now - dt.timedelta(seconds=elapsed),
            finished_at=now,
            request_id=request[CORRELATION],
            caller=request.headers.get("traceparent"),
        )
    )


def _finish(request: web.Request, response: web.StreamResponse, correlation_id: str) -> None:
    if response.prepared:
        return
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Correlation-Id"] = correlation_id
    record = request.get(TAKEN)
    if record is not None:
        parent = request.app[SERVICES].exchange.watch.traceparent(record.message_id)
        if parent is not None:
            response.headers["traceparent"] = parent
    for name, value in request.get(RATE_HEADERS, {}).items():
        response.headers.setdefault(name, value)
    signs = request.path.startswith("/v1/") and SIGNATURE_HEADER not in response.headers
    if signs and isinstance(response, web.Response) and isinstance(response.body, bytes):
        signer = request.app[SERVICES].exchange.signer
        response.headers[SIGNATURE_HEADER] = sign_detached(response.body, signer)


def route_template(request: web.Request) -> str:
    """The path as it was registered, never the raw path: an unknown path may hold anything."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"


def _log(
    request: web.Request,
    response: web.StreamResponse,
    *,
    elapsed: float,
    code: str | None,
    failure: BaseException | None,
) -> None:
    route = route_template(request)
    request.app[METRICS].observe(route=route, method=request.method, status=response.status, seconds=elapsed)
    record = request.get(TAKEN)
    fields: dict[str, Any] = {
        "correlation_id": request[CORRELATION],
        "message_id": record.message_id if record is not None else None,
        "client_id": request.get(CLIENT_ID),
        "method": request.method if route != "unmatched" else "other",
        "route": route,
        "http_status": response.status,
        "elapsed_ms": round(elapsed * 1000, 1),
        "code": code,
    }
    log = get_logger()
    if failure is not None:
        log.error("http.bug", exc_info=failure, **fields)
    else:
        log.info("http.request", **fields)
