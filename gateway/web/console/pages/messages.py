"""The list of messages, filtered."""

from __future__ import annotations

from typing import Any

import aiohttp_jinja2
from aiohttp import web

from contracts.codes import Direction, MessageType
from gateway.core.errors import InvalidParameter
from gateway.core.records import MessageStatus
from gateway.flows.ports import MessageFilter
from gateway.web.console.services import SERVICES

PAGE_SIZE = 50


def _filter(request: web.Request) -> MessageFilter:
    query = request.query

    def pick(kind: type[Any], name: str) -> Any:
        try:
            return kind(query[name]) if query.get(name) else None
        except ValueError as exc:
            raise InvalidParameter(f"{name} has no such value") from exc

    return MessageFilter(
        reference=query.get("reference") or None,
        type=pick(MessageType, "type"),
        direction=pick(Direction, "direction"),
        status=pick(MessageStatus, "status"),
    )


@aiohttp_jinja2.template("messages.html")
async def messages(request: web.Request) -> dict[str, Any]:
    where = _filter(request)
    async with request.app[SERVICES].exchange.store.begin(read_only=True) as tx:
        page = await tx.list_messages(where, cursor=request.query.get("cursor"), limit=PAGE_SIZE)
    return {
        "page": page,
        "where": where,
        "types": list(MessageType),
        "statuses": list(MessageStatus),
        "directions": list(Direction),
    }


def add(app: web.Application) -> None:
    app.router.add_get("/messages", messages)
