"""Settings and agreement as they are in force here, read only."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from gateway.core.roles import Permission
from gateway.settings_view import agreement_view, settings_view
from gateway.web.console.context import language_of
from gateway.web.console.forms import plain
from gateway.web.console.i18n import N_, Language, plural, translate
from gateway.web.console.services import SERVICES
from gateway.web.console.session import require

LEVELS: Final = {"ok": N_("fine"), "warning": N_("weak"), "error": N_("wrong")}
LEVEL_TAGS: Final = {"ok": "good", "warning": "wait", "error": "bad"}
KNOWN: Final = frozenset(
    {
        N_("the settings are complete and known"),
        N_("weakens the gateway; turn it off when possible"),
        N_("can be used"),
        N_("no UK client is registered yet"),
        N_("the certificate is not valid today; renew it"),
    }
)
"""What the check says in these words is shown in the reader's language."""
_DAYS: Final = re.compile(r"the certificate is valid for (\d+) days")
_OTHERS: Final = {
    "ok": N_("can be used"),
    "warning": N_("this needs somebody's attention"),
    "error": N_("this cannot be used as it is"),
}


def said(finding: dict[str, Any], language: Language) -> dict[str, str]:
    """``said``: what was found; ``detail``: the check's own English words where there are no others."""
    text = finding["text"]
    if (days := _DAYS.fullmatch(text)) is not None:
        one, many = N_("the certificate is valid for {n} day"), N_("the certificate is valid for {n} days")
        return {"said": plural(one, many, int(days[1]), language), "detail": ""}
    if text in KNOWN:
        return {"said": translate(text, language), "detail": ""}
    return {"said": translate(_OTHERS[finding["level"]], language), "detail": text}


@aiohttp_jinja2.template("settings.html")
async def settings(request: web.Request) -> dict[str, Any]:
    require(request, Permission.SEE_SETTINGS)
    services = request.app[SERVICES]
    sections = settings_view(services.settings)
    findings = [] if services.system is None else await asyncio.to_thread(services.system.findings)
    language = language_of(request)
    rows = [row for section in sections for row in section["settings"]]
    return {
        "sections": sections,
        "changed": [row for row in rows if row["changed"]],
        "unsafe": [row for row in rows if row["on"]],
        "findings": [
            {**row, **said(row, language)}
            for row in sorted(findings, key=lambda row: ("error", "warning", "ok").index(row["level"]))
        ],
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
