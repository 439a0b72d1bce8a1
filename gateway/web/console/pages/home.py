"""The first page: is anything stuck, whose part is it, how old, when does it breach, may it be sent again."""

from __future__ import annotations

from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from gateway.core.records import MessageStatus
from gateway.flows.alert_views import alert_row
from gateway.flows.alerts import open_alerts
from gateway.flows.attention import rows
from gateway.flows.overview import Need, matrix, overview
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES

NEEDS: Final = {
    Need.BREACHED: (N_("Time limits breached"), "bad", "/console/deadlines?state=breached&unclosed=1"),
    Need.DUE_SOON: (N_("Time limits due soon"), "wait", "/console/deadlines?state=open&told=1"),
    Need.DEAD_LETTERS: (N_("Dead letters"), "bad", None),
    Need.NEGATIVE: (N_("Refused by the other side, last 7 days"), "bad", None),
    Need.HELD: (N_("Held for a decision"), "wait", "/console/held"),
    Need.SECOND_PERSON: (N_("Waiting for a second person"), "wait", "/console/batches?state=waiting"),
    Need.QUOTA: (N_("Waiting for the quota"), "calm", "/console/held#waiting"),
}
"""What each group is called, how it looks when there is something in it, and the list behind it where that
is not a list of messages."""
COLUMNS: Final = tuple(MessageStatus)


@aiohttp_jinja2.template("home.html")
async def home(request: web.Request) -> dict[str, Any]:
    services = request.app[SERVICES]
    exchange = services.exchange
    seen = await overview(exchange, certificates=services.certificates)
    async with exchange.store.begin(read_only=True) as tx:
        alerts = [alert_row(alert) for alert in await open_alerts(tx)]
    return {
        "seen": seen,
        "needs": NEEDS,
        "rows": await rows(exchange, seen),
        "alerts": alerts,
        "lines": matrix(seen.counts),
        "columns": [s for s in COLUMNS if any(place.status is s for place in seen.counts)],
    }


def add(app: web.Application) -> None:
    app.router.add_get("", home)
