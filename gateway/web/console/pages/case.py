"""One case: its state, messages and time limits."""

from __future__ import annotations

from typing import Any

import aiohttp_jinja2
from aiohttp import web

from gateway.core.errors import NotFound
from gateway.flows import deadline_views
from gateway.flows.ports import MessageFilter
from gateway.web.console.services import SERVICES


@aiohttp_jinja2.template("case.html")
async def case(request: web.Request) -> dict[str, Any]:
    exchange, reference = request.app[SERVICES].exchange, request.match_info["reference"]
    async with exchange.store.begin(read_only=True) as tx:
        record = await tx.get_case(reference)
        if record is None:
            raise NotFound("no such case")
        page = await tx.list_messages(MessageFilter(reference=reference), limit=200, newest_first=False)
        deadlines = await deadline_views.of_case(tx, exchange.agreement, reference)
    return {"case": record, "items": page.items, "deadlines": deadlines}


def add(app: web.Application) -> None:
    app.router.add_get("/cases/{reference}", case)
