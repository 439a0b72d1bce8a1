"""The list of messages: filters, kept filters, pages in both directions, files. Nothing here is personal."""

from __future__ import annotations

import dataclasses
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp_jinja2
from aiohttp import web

from contracts.codes import Direction, MessageType
from gateway.core.errors import InvalidParameter
from gateway.core.records import MessageStatus
from gateway.core.roles import Permission
from gateway.flows import message_export, saved_filters
from gateway.flows.endpoints import names
from gateway.flows.message_export import Form
from gateway.flows.message_search import NAMES, ZONES, MessageQuery, QueryRefused, canonical, parse, search
from gateway.web.console.context import told
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES
from gateway.web.console.session import checked_form, require, secure_headers, user_of

PAGE: Final = "/console/messages"
PAGE_SIZE: Final = 50
HINTS: Final = {
    "q": N_(
        "Give a message id, an AS4 message id, a conversation id, a reference or a code, or how it begins."
    ),
    "reference": N_("Give a reference such as GB01-7QK3M9ZT4XWC, or how it begins."),
    "code": N_("Give a code; a star at its end stands for anything: EBMS:*"),
    "from": N_("Give a day (2026-11-23) or a time (2026-11-23T14:30)."),
    "to": N_("Give a day (2026-11-23) or a time (2026-11-23T14:30)."),
    "older": N_("Give an age such as 90 min, 4 h or 2 d."),
    "newer": N_("Give an age such as 90 min, 4 h or 2 d."),
    "attempts": N_("Give a whole number."),
}
_UNKNOWN: Final = N_("One of the filters in the address is not known.")
DONE: Final = {
    "kept": N_("The filter is kept."),
    "removed": N_("The filter is removed."),
}
_NOT_KEPT: Final = N_("The filter was not kept: it needs a name and must ask for something.")
_ZONE_NAMES: Final = {ZONES[0]: "London", ZONES[1]: "Paris", ZONES[2]: "UTC"}
_EXPORTS: Final = {Form.CSV: "text/csv", Form.JSON: "application/json"}


def _asked(request: web.Request) -> MessageQuery:
    """Raises QueryRefused. Parameters that are none of a filter are left alone."""
    return parse({name: request.query.getall(name) for name in request.query if name in NAMES})


def _page_link(query: str, **more: str) -> str:
    text = "&".join(part for part in (query, urlencode(more)) if part)
    return f"{PAGE}?{text}" if text else PAGE


async def _kept(request: web.Request) -> list[dict[str, Any]]:
    user = user_of(request)
    rows = await saved_filters.listed(request.app[SERVICES].exchange, owner=user.name, side=user.side)
    return [{"filter": row, "href": _page_link(row.query), "own": row.owner == user.name} for row in rows]


async def _base(request: web.Request, query: MessageQuery) -> dict[str, Any]:
    """What the form shows, whether the filter could be read or not."""
    exchange, user = request.app[SERVICES].exchange, user_of(request)
    zone = query.zone if query.begin or query.end else ZONES[1 if user.language == "fr" else 0]
    return {
        "asked": dataclasses.replace(query, zone=zone),
        "canonical": canonical(query),
        "types": list(MessageType),
        "statuses": list(MessageStatus),
        "directions": list(Direction),
        "zone_names": _ZONE_NAMES,
        "endpoints": names(exchange),
        "kept": await _kept(request),
        "done": told(request, DONE),
        "page": PAGE,
        "wrong": None,
        "hint": None,
        "given": {},
        "found": None,
        "newer_link": None,
        "older_link": None,
        "export_links": [],
    }


async def _refused(request: web.Request, exc: QueryRefused) -> web.Response:
    """The form again, with what was given and what is expected."""
    context = await _base(request, MessageQuery())
    context |= {
        "wrong": exc.name,
        "hint": HINTS.get(exc.name, _UNKNOWN),
        "given": {name: request.query[name] for name in request.query if name in HINTS},
    }
    return aiohttp_jinja2.render_template("messages.html", request, context, status=400)


async def messages(request: web.Request) -> web.StreamResponse:
    require(request, Permission.VIEW)
    try:
        query = _asked(request)
    except QueryRefused as exc:
        return await _refused(request, exc)
    cursor, back = request.query.get("cursor") or None, request.query.get("back") == "1"
    found = await search(
        request.app[SERVICES].exchange,
        query,
        cursor=cursor,
        back=back and cursor is not None,
        limit=PAGE_SIZE,
        counted=True,
    )
    text = canonical(query)
    context = await _base(request, query)
    context |= {
        "found": found,
        "older_link": found.older and _page_link(text, cursor=found.older),
        "newer_link": found.newer and _page_link(text, cursor=found.newer, back="1"),
        "first_link": _page_link(text),
        "export_links": [
            (form.value.upper(), f"{PAGE}/export?{urlencode({'form': form.value})}&{text}".rstrip("&"))
            for form in Form
        ],
        "all_link": f"/console/batches/new?{'&'.join(p for p in ('action=replay', text) if p)}",
    }
    return aiohttp_jinja2.render_template("messages.html", request, context)


async def export(request: web.Request) -> web.StreamResponse:
    """The listing as a file, at most ``MOST_EXPORTED`` messages, streamed."""
    require(request, Permission.VIEW)
    try:
        form = Form(request.query.get("form", Form.CSV))
    except ValueError:
        raise InvalidParameter(f"form must be one of {', '.join(Form)}") from None
    query = _asked(request)
    exchange = request.app[SERVICES].exchange
    stamp = exchange.clock.now().strftime("%Y%m%dT%H%M%SZ")
    response = web.StreamResponse(
        headers={
            "Content-Type": f"{_EXPORTS[form]}; charset=utf-8",
            "Content-Disposition": f'attachment; filename="messages-{stamp}.{form.value}"',
        }
    )
    secure_headers(response)
    await response.prepare(request)
    async for piece in message_export.export(exchange, query, form):
        await response.write(piece)
    await response.write_eof()
    return response


async def keep(request: web.Request) -> web.StreamResponse:
    user = require(request, Permission.VIEW)
    form = await checked_form(request)
    query = form.get("query", "")
    try:
        saved = await saved_filters.save(
            request.app[SERVICES].exchange,
            name=form.get("name", ""),
            query=query,
            owner=user.name,
            side=user.side,
            shared=form.get("shared") == "1",
        )
    except InvalidParameter as exc:
        context = await _base(request, MessageQuery())
        context |= {"hint": _NOT_KEPT, "wrong": "name" if not isinstance(exc, QueryRefused) else exc.name}
        return aiohttp_jinja2.render_template("messages.html", request, context, status=400)
    raise web.HTTPSeeOther(_page_link(saved.query, done="kept"))


async def remove(request: web.Request) -> web.StreamResponse:
    user = require(request, Permission.VIEW)
    await checked_form(request)
    exchange = request.app[SERVICES].exchange
    await saved_filters.remove(exchange, request.match_info["filter_id"], owner=user.name, side=user.side)
    raise web.HTTPSeeOther(_page_link("", done="removed"))


def add(app: web.Application) -> None:
    app.router.add_get("/messages", messages)
    app.router.add_get("/messages/export", export)
    app.router.add_post("/messages/filters", keep)
    app.router.add_post("/messages/filters/{filter_id}/remove", remove)
