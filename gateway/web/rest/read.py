"""The GET routes: cases, messages, timeline, evidence, inbox, balance."""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import Final

from aiohttp import web

from contracts.codes import CaseKind
from gateway.core.errors import BadCursor, PasserelleError
from gateway.flows import deadline_views, message_search, views
from gateway.flows.balance import balance
from gateway.web.rest.auth import authenticate
from gateway.web.rest.deadlines import list_deadlines
from gateway.web.rest.holds import get_hold, list_holds
from gateway.web.rest.http import Handler, accepts, json_response
from gateway.web.rest.parameters import MAX_LIMIT, filled, limit_of, parameters, whole
from gateway.web.rest.submit import message_id_of, reference_of
from gateway.web.services import SERVICES

_INBOX_LIMIT: Final = 50
_CURSOR: Final = re.compile(r"inbox:(\d{1,18})(?::(\d{1,18}))?", re.ASCII)
_LOOK_AGAIN_S: Final = 2.0
"""A notification may come between looking and waiting: look again at least this often."""


async def list_messages(request: web.Request) -> web.Response:
    """With the filters of the console's list and the command line."""
    authenticate(request, "messages.read")
    page = parameters(request, "cursor", "limit", besides=message_search.NAMES)
    query = message_search.parse(filled(request, message_search.NAMES))
    found = await message_search.search(
        request.app[SERVICES].exchange, query, cursor=page.get("cursor"), limit=limit_of(page)
    )
    return json_response(
        {"items": [views.message_summary(m) for m in found.items], "next_cursor": found.older}
    )


async def get_message(request: web.Request) -> web.Response:
    authenticate(request, "messages.read")
    parameters(request)
    return json_response(await views.message_page(request.app[SERVICES].exchange, message_id_of(request)))


async def get_events(request: web.Request) -> web.Response:
    authenticate(request, "messages.read")
    parameters(request)
    events = await views.timeline(request.app[SERVICES].exchange, message_id_of(request))
    return json_response({"items": events})


async def get_evidence(request: web.Request) -> web.Response:
    """JSON, or with ``Accept: application/zip`` a ZIP with a manifest."""
    authenticate(request, "messages.read")
    parameters(request)
    message_id = message_id_of(request)
    exchange = request.app[SERVICES].exchange
    if accepts(request, "application/json", "application/zip") == "application/json":
        return json_response({"items": await views.evidence_list(exchange, message_id)})
    content = await views.evidence_bundle(exchange, message_id)
    disposition = f'attachment; filename="evidence-{message_id}.zip"'
    return web.Response(
        body=content, content_type="application/zip", headers={"Content-Disposition": disposition}
    )


async def get_readmission(request: web.Request) -> web.Response:
    return await _case(request, CaseKind.READMISSION)


async def get_nomination(request: web.Request) -> web.Response:
    return await _case(request, CaseKind.NOMINATION)


async def _case(request: web.Request, kind: CaseKind) -> web.Response:
    authenticate(request, "messages.read")
    parameters(request)
    exchange = request.app[SERVICES].exchange
    return json_response(await views.case_page(exchange, reference_of(request), kind))


async def get_balance(request: web.Request) -> web.Response:
    authenticate(request, "balance.read")
    parameters(request)
    return json_response(await balance(request.app[SERVICES].exchange))


# ---- inbox --------------------------------------------------------------------------------------


def _write_cursor(message: int, event: int) -> str:
    return base64.urlsafe_b64encode(f"inbox:{message}:{event}".encode()).rstrip(b"=").decode()


def _read_cursor(value: str | None) -> tuple[int, int]:
    """Position among the messages, and among the events (0 in cursors of earlier versions)."""
    if value is None:
        return 0, 0
    error: PasserelleError = BadCursor("not a cursor of the inbox")
    try:
        text = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode("ascii")
    except (ValueError, binascii.Error) as exc:
        raise error from exc
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise error
    return int(found[1]), int(found[2] or 0)


async def get_inbox(request: web.Request) -> web.Response:
    """What waits after the cursor, messages and events, each oldest first; with ``wait`` (seconds) it holds
    until something comes."""
    authenticate(request, "inbox.read")
    services = request.app[SERVICES]
    exchange = services.exchange
    given = parameters(request, "wait", "cursor", "after", "limit")
    longest = math.floor(services.settings.longest_wait.total_seconds())
    asked = given.get("cursor", given.get("after"))
    wait = whole(given.get("wait", "0"), "wait", 0, longest)
    limit = whole(given.get("limit", str(_INBOX_LIMIT)), "limit", 1, MAX_LIMIT)
    message, event = _read_cursor(asked)
    until = exchange.clock.now().timestamp() + wait
    while True:
        items = await views.inbox_items(exchange, after=message, limit=limit)
        events = await views.inbox_events(exchange, after=event, limit=limit)
        left = until - exchange.clock.now().timestamp()
        if items or events or left <= 0:
            break
        await exchange.store.wait("inbox", min(left, _LOOK_AGAIN_S))
    cursor = asked
    if items or events:
        cursor = _write_cursor(items[-1][0] if items else message, events[-1][0] if events else event)
    async with exchange.store.begin(read_only=True) as tx:
        told = await deadline_views.attention(tx, exchange.agreement)
    return json_response(
        {
            "items": [item for _, item in items],
            "events": [item for _, item in events],
            "next_cursor": cursor,
            "deadlines": told,
        }
    )


def _accepting_json(handler: Handler) -> Handler:
    async def get(request: web.Request) -> web.StreamResponse:
        accepts(request, "application/json")
        return await handler(request)

    return get


def add_gets(app: web.Application) -> None:
    for path, handler in (
        ("/v1/readmission-requests/{reference}", get_readmission),
        ("/v1/nominations/{reference}", get_nomination),
        ("/v1/messages", list_messages),
        ("/v1/messages/{id}", get_message),
        ("/v1/messages/{id}/events", get_events),
        ("/v1/messages/{id}/evidence", get_evidence),
        ("/v1/inbox", get_inbox),
        ("/v1/deadlines", list_deadlines),
        ("/v1/balance", get_balance),
        ("/v1/holds", list_holds),
        ("/v1/holds/{id}", get_hold),
    ):
        app.router.add_get(path, handler if handler is get_evidence else _accepting_json(handler))
