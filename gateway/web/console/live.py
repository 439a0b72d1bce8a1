"""Which pages update themselves, and on what: the areas of ``gateway.flows.live`` that each shows.

Overviews and the page of one thing do; forms and confirmations never change under somebody's hands.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

_PAGE: Final = re.compile(r"/console(?:/([a-z-]+)(?:/\{[a-z_]+\})?)?")
SHOWN: Final = {
    None: "messages deadlines endpoints held alerts batches balance",
    "alerts": "alerts",
    "audit": "audit",
    "balance": "balance",
    "batches": "batches",
    "cases": "cases deadlines",
    "deadlines": "deadlines",
    "held": "held",
    "inbox": "inbox",
    "messages": "messages",
    "partners": "endpoints messages",
    "quotas": "balance held",
}
"""By the first word after ``/console/``; None: the first page."""


def live_areas(request: web.Request) -> str:
    """The value of ``data-live`` of this page's ``<main>``; nothing for a page that stays as it is."""
    resource = request.match_info.route.resource
    if request.method != "GET" or resource is None:
        return ""
    found = _PAGE.fullmatch(resource.canonical)
    return SHOWN.get(found[1], "") if found is not None else ""
