"""Alerts: those that are open or cleared, one with everything that was told about it, acknowledge, test."""

from __future__ import annotations

from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from gateway.core.alert_kinds import KINDS, AlertKind
from gateway.core.errors import Conflict, InvalidParameter
from gateway.core.records import MessageRecord
from gateway.core.roles import Permission
from gateway.flows import alert_views
from gateway.flows import alerts as flow
from gateway.flows.exchange import Exchange
from gateway.flows.ports_alerts import AlertFilter
from gateway.web.console import reasons
from gateway.web.console.context import told
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES
from gateway.web.console.session import checked_form, require

PAGE: Final = "/console/alerts"
PAGE_SIZE: Final = 50
DONE: Final = {"acknowledged": N_("The alert is acknowledged.")}
_STATES: Final = {"open": True, "cleared": False, "all": None}


def _exchange(request: web.Request) -> Exchange:
    return request.app[SERVICES].exchange


def _filter(request: web.Request) -> AlertFilter:
    state, kind = request.query.get("state") or "open", request.query.get("kind")
    try:
        return AlertFilter(kind=AlertKind(kind) if kind else None, is_open=_STATES[state])
    except (ValueError, KeyError) as exc:
        raise InvalidParameter("state or kind has no such value") from exc


@aiohttp_jinja2.template("alerts.html")
async def show_all(request: web.Request) -> dict[str, Any]:
    require(request, Permission.VIEW)
    where = _filter(request)
    rows, cursor = await alert_views.list_alerts(
        _exchange(request), where, cursor=request.query.get("cursor"), limit=PAGE_SIZE
    )
    return {
        "rows": rows,
        "cursor": cursor,
        "state": request.query.get("state") or "open",
        "kind": where.kind.value if where.kind else "",
        "kinds": {kind.value: alert_views.both(spec.name) for kind, spec in KINDS.items()},
        "recipients": len(_exchange(request).alerts.recipients),
    }


async def _messages(exchange: Exchange, ids: list[str]) -> list[MessageRecord]:
    async with exchange.store.begin(read_only=True) as tx:
        found = [await tx.get_message(message_id) for message_id in ids]
    return [record for record in found if record is not None]


async def _page(request: web.Request, status: int = 200, error: str | None = None) -> web.StreamResponse:
    exchange = _exchange(request)
    alert = await alert_views.show_alert(exchange, request.match_info["alert_id"])
    return aiohttp_jinja2.render_template(
        "alert.html",
        request,
        {
            "alert": alert,
            "messages": await _messages(exchange, alert["messages"]),
            "reasons": reasons.ALERT,
            "done": told(request, DONE),
            "error": error,
        },
        status=status,
    )


async def show_one(request: web.Request) -> web.StreamResponse:
    require(request, Permission.VIEW)
    return await _page(request)


async def acknowledge(request: web.Request) -> web.StreamResponse:
    user = require(request, Permission.ACKNOWLEDGE_ALERT)
    form = await checked_form(request)
    alert_id, code = request.match_info["alert_id"], form.get("reason", "")
    if code not in dict(reasons.ALERT):
        return await _page(request, InvalidParameter.http_status, N_("Choose a reason."))
    words = form.get("words", "").strip()
    reason = f"{code}: {words}" if words else code
    try:
        await flow.acknowledge(_exchange(request), alert_id, actor=user.actor, reason=reason)
    except Conflict as exc:
        text = N_("The alert is cleared or was acknowledged before.")
        return await _page(request, exc.http_status, text)
    except InvalidParameter as exc:
        return await _page(request, exc.http_status, N_("The reason is too long."))
    raise web.HTTPSeeOther(f"{PAGE}/{alert_id}?done=acknowledged")


async def test(request: web.Request) -> web.StreamResponse:
    user = require(request, Permission.TEST_CONNECTION)
    await checked_form(request)
    test_id = await flow.test(_exchange(request), actor=user.actor)
    raise web.HTTPSeeOther(f"{PAGE}/tests/{test_id}")


@aiohttp_jinja2.template("alert_test.html")
async def show_test(request: web.Request) -> dict[str, Any]:
    require(request, Permission.TEST_CONNECTION)
    notices = await alert_views.show_test(_exchange(request), request.match_info["test_id"])
    return {"notices": notices, "waiting": any(row["state"] == "waiting" for row in notices)}


def add(app: web.Application) -> None:
    app.router.add_get("/alerts", show_all)
    app.router.add_post("/alerts/test", test)
    app.router.add_get("/alerts/tests/{test_id}", show_test)
    app.router.add_get("/alerts/{alert_id}", show_one)
    app.router.add_post("/alerts/{alert_id}/acknowledge", acknowledge)
