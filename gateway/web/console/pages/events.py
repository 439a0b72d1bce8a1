"""``GET /console/events``: server-sent events that say which areas changed, and nothing else.

``change`` carries ``{"areas": […]}`` and, as its id, a number that only rises; ``beat`` says that the stream
lives; ``ended`` that the session is over: sign in again. A browser that comes back with ``Last-Event-ID`` is
told what it missed. The session is looked at again before every event, and ends when it ends; the stream
itself never keeps a session alive.
"""

from __future__ import annotations

import contextlib
import json
from typing import Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from gateway.core.errors import PasserelleError
from gateway.flows.live import Change, Listener, LiveFeed, TooManyListeners, changed_since, newest
from gateway.web.console.services import SERVICES
from gateway.web.console.session import secure_headers, still_signed_in, user_of

FEED: Final = web.AppKey("console_feed", LiveFeed)
BEAT_S: Final = web.AppKey("console_beat_s", float)
_BEAT_S: Final = 15.0
_SEND_S: Final = 20.0
_GONE_S: Final = 0.5
_RETRY_MS: Final = 3000
_LONGEST_ID: Final = 15


def _last_seen(request: web.Request) -> int | None:
    """The id of the last event that the browser saw: after a break its own header, else from the page."""
    given = request.headers.get("Last-Event-ID") or request.query.get("after", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) <= _LONGEST_ID else None


async def _send(response: EventSourceResponse, change: Change) -> None:
    areas = json.dumps({"areas": sorted(change.areas)}, separators=(",", ":"))
    await response.send(areas, event="change", id=str(change.number))


async def _first(request: web.Request, response: EventSourceResponse) -> None:
    """Where we are, or what was missed: so that the browser has an id from the start."""
    store, seen = request.app[SERVICES].exchange.store, _last_seen(request)
    with contextlib.suppress(PasserelleError):
        if seen is None:
            await response.send("{}", event="beat", id=str(await newest(store)), retry=_RETRY_MS)
        elif (change := await changed_since(store, seen)) is not None:
            await _send(response, change)
        else:
            await response.send("{}", event="beat", retry=_RETRY_MS)


def _gone(request: web.Request) -> bool:
    """Whether the browser has left: aiohttp tells only who looks, and a page that was left behind would
    keep its place until the next beat."""
    return request.transport is None or request.transport.is_closing()


async def _stream(request: web.Request, response: EventSourceResponse, listener: Listener) -> None:
    feed, beat = request.app[FEED], request.app[BEAT_S]
    await _first(request, response)
    quiet = 0.0
    while True:
        change = await listener.next(min(beat, _GONE_S))
        if feed.closed or _gone(request):
            return
        quiet = 0.0 if change is not None else quiet + _GONE_S
        if change is None and quiet < beat:
            continue
        quiet = 0.0
        if not await still_signed_in(request):
            await response.send("{}", event="ended")
            return
        if change is None:
            await response.send("{}", event="beat")
        else:
            await _send(response, change)


async def events(request: web.Request) -> web.StreamResponse:
    """429 when this user has too many streams open; 503 while the process stops."""
    feed = request.app[FEED]
    try:
        with feed.listening(user_of(request).name) as listener:
            response = EventSourceResponse(send_timeout=_SEND_S, ping_interval=3600)  # our beats do that
            response.headers["Cache-Control"] = "no-store"
            secure_headers(response)
            await response.prepare(request)
            async with response:
                with contextlib.suppress(ConnectionResetError, TimeoutError):
                    await _stream(request, response, listener)
            return response
    except TooManyListeners:
        status = 503 if feed.closed else 429
        return web.Response(status=status, text="Too many live views.\n", headers={"Retry-After": "60"})


async def _drain(app: web.Application) -> None:
    await app[FEED].close()


def add(app: web.Application) -> None:
    app[FEED] = LiveFeed(app[SERVICES].exchange.store)
    app[BEAT_S] = _BEAT_S
    app.on_shutdown.append(_drain)
    app.router.add_get("/events", events)
