"""The first page: what needs action, both routes, counts."""

from __future__ import annotations

from typing import Any

import aiohttp_jinja2
from aiohttp import web

from contracts.codes import Direction
from gateway.core.records import MessageRecord, MessageStatus
from gateway.flows import deadline_views
from gateway.flows.ports import MessageFilter, Store
from gateway.web.console.services import SERVICES

NEEDS_ACTION = (MessageStatus.FAILED, MessageStatus.HELD, MessageStatus.REJECTED)


async def _route_card(store: Store, direction: Direction) -> dict[str, Any]:
    async with store.begin(read_only=True) as tx:
        newest = await tx.list_messages(MessageFilter(direction=direction), limit=1)
        waiting = [
            (
                await tx.list_messages(
                    MessageFilter(direction=direction, status=s), limit=1, newest_first=False
                )
            )
            for s in (MessageStatus.ACCEPTED, MessageStatus.SENDING)
        ]
    oldest = [page.items[0] for page in waiting if page.items]
    return {
        "direction": direction,
        "newest": newest.items[0] if newest.items else None,
        "oldest": min(oldest, key=lambda r: r.sequence) if oldest else None,
    }


@aiohttp_jinja2.template("home.html")
async def home(request: web.Request) -> dict[str, Any]:
    exchange = request.app[SERVICES].exchange
    action: list[MessageRecord] = []
    async with exchange.store.begin(read_only=True) as tx:
        for status in NEEDS_ACTION:
            action += (await tx.list_messages(MessageFilter(status=status), limit=20)).items
        backlog = sum((await tx.backlog()).values())
        deadlines = await deadline_views.attention(tx, exchange.agreement)
    return {
        "deadlines": deadlines,
        "action": sorted(action, key=lambda r: r.sequence),
        "routes": [await _route_card(exchange.store, direction) for direction in Direction],
        "backlog": backlog,
    }


def add(app: web.Application) -> None:
    app.router.add_get("", home)
