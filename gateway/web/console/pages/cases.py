"""The list of cases, by kind and state."""

from __future__ import annotations

from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from contracts.codes import CaseKind
from gateway.core.errors import InvalidParameter
from gateway.core.treaty.states import STATUSES
from gateway.flows.case_page import case_list
from gateway.web.console.services import SERVICES

PAGE_SIZE: Final = 50
ALL_STATUSES: Final = tuple(dict.fromkeys(str(s) for kind in CaseKind for s in STATUSES[kind]))


@aiohttp_jinja2.template("cases.html")
async def cases(request: web.Request) -> dict[str, Any]:
    query = request.query
    kind, status = query.get("kind") or None, query.get("status") or None
    if (kind is not None and kind not in set(CaseKind)) or (status and status not in ALL_STATUSES):
        raise InvalidParameter("there is no such kind or state of a case")
    page = await case_list(
        request.app[SERVICES].exchange,
        kind=None if kind is None else CaseKind(kind),
        status=status,
        cursor=query.get("cursor"),
        limit=PAGE_SIZE,
    )
    return {
        "page": page,
        "kind": kind,
        "status": status,
        "kinds": [k.value for k in CaseKind],
        "statuses": ALL_STATUSES,
    }


def add(app: web.Application) -> None:
    app.router.add_get("/cases", cases)
