"""``GET /v1/holds``: what waits for an operator, and why. Decisions are made in the console and the command
line, by people."""

from __future__ import annotations

from aiohttp import web

from gateway.flows import hold_views
from gateway.web.rest.auth import authenticate
from gateway.web.rest.http import json_response
from gateway.web.rest.parameters import limit_of, parameters
from gateway.web.rest.submit import message_id_of
from gateway.web.services import SERVICES


async def list_holds(request: web.Request) -> web.Response:
    """Oldest first."""
    authenticate(request, "holds.read")
    given = parameters(request, "cursor", "limit")
    rows, after = await hold_views.list_holds(
        request.app[SERVICES].exchange, cursor=given.get("cursor"), limit=limit_of(given)
    )
    return json_response({"items": rows, "next_cursor": after})


async def get_hold(request: web.Request) -> web.Response:
    """One, with its reasons as of now."""
    authenticate(request, "holds.read")
    parameters(request)
    exchange = request.app[SERVICES].exchange
    return json_response(await hold_views.show_hold(exchange, message_id_of(request)))
