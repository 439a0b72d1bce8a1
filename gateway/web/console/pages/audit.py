"""The audit log: who did what and why, and whether the chain holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp_jinja2
from aiohttp import web

from gateway.core.roles import Permission
from gateway.core.treaty.agreement import Agreement
from gateway.flows.audit_views import MOST_VERIFIED, audit_list, chain_state, export_lines, verify_more
from gateway.flows.deadline_views import local_days
from gateway.flows.ports_audit import AuditFilter
from gateway.web.console.services import SERVICES
from gateway.web.console.session import checked_form, require, secure_headers

PAGE_SIZE: Final = 50
_LONGEST: Final = 200
_NAMES: Final = ("subject", "actor", "action", "from", "to")


def _filter(query: Mapping[str, str], agreement: Agreement) -> AuditFilter:
    """Raises InvalidParameter."""

    def text(name: str) -> str | None:
        return query.get(name, "").strip()[:_LONGEST] or None

    since, until = local_days(agreement, query.get("from"), query.get("to"))
    return AuditFilter(
        subject=text("subject"), actor=text("actor"), action=text("action"), since=since, until=until
    )


@aiohttp_jinja2.template("audit.html")
async def audit(request: web.Request) -> dict[str, Any]:
    require(request, Permission.SEE_AUDIT)
    exchange = request.app[SERVICES].exchange
    where = _filter(request.query, exchange.agreement)
    cursor = request.query.get("cursor") or None
    page = await audit_list(exchange.store, where, cursor=cursor, limit=PAGE_SIZE)
    return {
        "page": page,
        "chain": await chain_state(exchange.store),
        "most": MOST_VERIFIED,
        "zone": exchange.agreement.clocks.answer_zone,
        "export": urlencode({name: request.query[name] for name in _NAMES if request.query.get(name)}),
        "filtered": where != AuditFilter(),
    }


async def export(request: web.Request) -> web.StreamResponse:
    """What the filters match, as JSON lines. The export is itself an entry of the log."""
    user = require(request, Permission.SEE_AUDIT)
    exchange = request.app[SERVICES].exchange
    where = _filter(request.query, exchange.agreement)
    async with exchange.store.begin() as tx:
        named = {
            name: request.query[name] for name in ("subject", "actor", "action") if request.query.get(name)
        }
        await tx.append_audit(
            at=exchange.clock.now(),
            actor=user.actor,
            action="audit.exported",
            subject="audit",
            data={**named},
        )
    answer = web.StreamResponse(headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'})
    answer.content_type = "application/x-ndjson"
    secure_headers(answer)
    await answer.prepare(request)
    lines: list[str] = []
    async for line in export_lines(exchange.store, where):
        lines.append(line)
        if len(lines) >= PAGE_SIZE:
            await answer.write("".join(lines).encode())
            lines.clear()
    await answer.write("".join(lines).encode())
    await answer.write_eof()
    return answer


async def verify(request: web.Request) -> web.StreamResponse:
    user = require(request, Permission.SEE_AUDIT)
    form = await checked_form(request)
    start = form.get("from") == "start"
    await verify_more(request.app[SERVICES].exchange, actor=user.actor, from_start=start)
    raise web.HTTPSeeOther("/console/audit?done=verified")


def add(app: web.Application) -> None:
    app.router.add_get("/audit", audit)
    app.router.add_get("/audit/export", export)
    app.router.add_post("/audit/verify", verify)
