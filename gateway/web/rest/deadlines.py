"""``GET /v1/deadlines``: time limits of all cases, the earliest due first."""

from __future__ import annotations

import datetime as dt

from aiohttp import web

from gateway.core.errors import InvalidParameter
from gateway.core.treaty.clocks import DeadlineState, clocks_of
from gateway.flows.deadline_views import deadline_list
from gateway.flows.ports import DeadlineFilter
from gateway.web.rest.auth import authenticate
from gateway.web.rest.http import json_response
from gateway.web.rest.parameters import limit_of, one_of, parameters
from gateway.web.rest.submit import is_reference
from gateway.web.services import SERVICES


async def list_deadlines(request: web.Request) -> web.Response:
    authenticate(request, "messages.read")
    exchange = request.app[SERVICES].exchange
    given = parameters(request, "state", "before", "reference", "clock", "cursor", "limit")
    reference, clock, before = given.get("reference"), given.get("clock"), given.get("before")
    if reference is not None and not is_reference(reference):
        raise InvalidParameter("reference is not a case reference")
    if clock is not None and clock not in clocks_of(exchange.agreement):
        raise InvalidParameter("clock is not one of the agreement")
    page = await deadline_list(
        exchange,
        DeadlineFilter(
            state=one_of(given.get("state"), DeadlineState, "state"),
            before=None if before is None else _instant(before),
            reference=reference,
            clock=clock,
        ),
        cursor=given.get("cursor"),
        limit=limit_of(given),
    )
    return json_response({"items": list(page.items), "next_cursor": page.next_cursor})


def _instant(text: str) -> dt.datetime:
    """ISO 8601 with zone. Raises InvalidParameter."""
    try:
        value = dt.datetime.fromisoformat(text)
        if value.tzinfo is not None and value.year < 9999:  # room for any offset
            return value.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidParameter("before must be an ISO 8601 date and time with its zone")
