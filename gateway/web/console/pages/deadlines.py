"""Time limits: what is due next, who owes it, what is not verified."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from gateway.core.errors import InvalidParameter
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.clocks import DeadlineState, clocks_of
from gateway.flows.deadline_views import deadline_list, local_days, owed_by
from gateway.flows.ports import DeadlineFilter
from gateway.web.console.forms import one_of
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES

PAGE_SIZE: Final = 50
WHICH: Final = (
    ("unclosed", N_("Not closed yet")),
    ("told", N_("Warned of or passed, and not closed")),
    ("all", N_("All, also the closed ones")),
)
_CLOSED: Final = frozenset({DeadlineState.MET, DeadlineState.CANCELLED})


def _which(query: Mapping[str, str], state: DeadlineState | None) -> str:
    """Closed states are only among all; ``told=1`` and ``unclosed=1`` are the links of other pages."""
    if state in _CLOSED:
        return "all"
    given = query.get("which") or ("told" if query.get("told") else "unclosed")
    if given not in {name for name, _ in WHICH}:
        raise InvalidParameter("which has no such value")
    return given


def _filter(query: Mapping[str, str], agreement: Agreement) -> tuple[DeadlineFilter, str]:
    """Raises InvalidParameter."""
    state = one_of(DeadlineState, query.get("state"), "state")
    clock = query.get("clock") or None
    if clock is not None and clock not in clocks_of(agreement):
        raise InvalidParameter("clock has no such value")
    first, end = local_days(agreement, query.get("from"), query.get("to"))
    which = _which(query, state)
    side = query.get("owed_by")
    where = DeadlineFilter(
        reference=query.get("reference") or None,
        state=state,
        clock=clock,
        clocks=owed_by(agreement, side) if side else None,
        after=first,
        before=end,
        unclosed=which != "all",
        told=which == "told",
    )
    return where, which


@aiohttp_jinja2.template("deadlines.html")
async def deadlines(request: web.Request) -> dict[str, Any]:
    exchange = request.app[SERVICES].exchange
    where, which = _filter(request.query, exchange.agreement)
    page = await deadline_list(exchange, where, cursor=request.query.get("cursor") or None, limit=PAGE_SIZE)
    return {
        "items": [{**item, "due": dt.datetime.fromisoformat(item["due_at"])} for item in page.items],
        "notes": list(
            {i["clock"]: (i["name"], i["unverified"]) for i in page.items if i["unverified"]}.values()
        ),
        "next_cursor": page.next_cursor,
        "which": which,
        "choices": dict(WHICH),
        "states": list(DeadlineState),
        "clocks": {name: clock.terms for name, clock in clocks_of(exchange.agreement).items()},
        "sides": ("uk", "fr", "both"),
        "zone": exchange.agreement.clocks.answer_zone,
    }


def add(app: web.Application) -> None:
    app.router.add_get("/deadlines", deadlines)
