"""Settings and agreement as they are in force here, read only."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from gateway.core.roles import Permission
from gateway.settings_view import agreement_view, settings_view
from gateway.web.console.forms import plain
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES
from gateway.web.console.session import require

LEVELS: Final = {"ok": N_("fine"), "warning": N_("weak"), "error": N_("wrong")}
LEVEL_TAGS: Final = {"ok": "good", "warning": "wait", "error": "bad"}


@aiohttp_jinja2.template("settings.html")
async def settings(request: web.Request) -> dict[str, Any]:
    require(request, Permission.SEE_SETTINGS)
    services = request.app[SERVICES]
    sections = settings_view(services.settings)
    findings = [] if services.system is None else await asyncio.to_thread(services.system.findings)
    rows = [row for section in sections for row in section["settings"]]
    return {
        "sections": sections,
        "changed": [row for row in rows if row["changed"]],
        "unsafe": [row for row in rows if row["on"]],
        "findings": sorted(findings, key=lambda row: ("error", "warning", "ok").index(row["level"])),
        "known": services.system is not None,
        "levels": LEVELS,
        "level_tags": LEVEL_TAGS,
        "plain": plain,
    }


@aiohttp_jinja2.template("agreement.html")
async def agreement(request: web.Request) -> dict[str, Any]:
    require(request, Permission.SEE_SETTINGS)
    return {"view": agreement_view(request.app[SERVICES].exchange.agreement), "plain": plain}


def add(app: web.Application) -> None:
    app.router.add_get("/settings", settings)
    app.router.add_get("/settings/agreement", agreement)
