"""What every template can use: words, times, links, the user and the menu."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from contracts import codelists
from gateway.core.roles import Permission
from gateway.core.terms import days_left
from gateway.web.console import reasons, times, wording
from gateway.web.console.i18n import N_, Language, number, plural, translate
from gateway.web.console.live import live_areas
from gateway.web.console.refusals import sentence
from gateway.web.console.services import SERVICES
from gateway.web.console.session import CURRENT, LANGUAGE_COOKIE, USER, csrf_field


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One link of the menu; shown when its page exists and the user may see it."""

    path: str
    text: str
    group: str
    permission: Permission = Permission.VIEW


_WORK: Final = N_("Day to day")
_AGREEMENT: Final = N_("The agreement")
_GATEWAY: Final = N_("The gateway")
MENU: Final = (
    Entry(path="/console", text=N_("Needs action"), group=_WORK),
    Entry(path="/console/messages", text=N_("Messages"), group=_WORK),
    Entry(path="/console/cases", text=N_("Cases"), group=_WORK),
    Entry(path="/console/held", text=N_("Held"), group=_WORK),
    Entry(path="/console/deadlines", text=N_("Time limits"), group=_WORK),
    Entry(path="/console/batches", text=N_("Grouped actions"), group=_WORK),
    Entry(path="/console/search", text=N_("Find a person"), group=_WORK, permission=Permission.SEARCH_PERSON),
    Entry(path="/console/balance", text=N_("Balance"), group=_AGREEMENT),
    Entry(path="/console/rules", text=N_("Rules"), group=_AGREEMENT),
    Entry(path="/console/partners", text=N_("Partners"), group=_GATEWAY),
    Entry(path="/console/alerts", text=N_("Alerts"), group=_GATEWAY),
    Entry(path="/console/audit", text=N_("Audit log"), group=_GATEWAY, permission=Permission.SEE_AUDIT),
    Entry(path="/console/settings", text=N_("Settings"), group=_GATEWAY, permission=Permission.SEE_SETTINGS),
    Entry(path="/console/users", text=N_("Users"), group=_GATEWAY, permission=Permission.MANAGE_USERS),
)


def language_of(request: web.Request) -> Language:
    """Asked for, else remembered, else the user's, else the browser's."""
    current = request.get(CURRENT)
    wishes = (
        request.query.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
        current.record.language if current else None,
        request.headers.get("Accept-Language", "")[:2].lower(),
    )
    for wish in wishes:
        if wish == "fr":
            return "fr"
        if wish == "en":
            return "en"
    return "en"


def _menu(request: web.Request) -> list[tuple[str, list[Entry]]]:
    """Groups in their order, each with the entries that this user may open."""
    user = request.get(USER)
    if user is None:
        return []
    known = {resource.canonical for resource in request.app.router.resources()}
    groups: dict[str, list[Entry]] = {}
    for entry in MENU:
        if entry.path in known and user.may(entry.permission):
            groups.setdefault(entry.group, []).append(entry)
    return list(groups.items())


def _link(request: web.Request, changes: dict[str, Any]) -> str:
    """This page with some parameters changed; None removes one. What an action answered is not said again."""
    kept = {
        name: value
        for name, value in request.query.items()
        if name not in changes and name not in {"lang", "done"}
    }
    query = urlencode({**kept, **{name: value for name, value in changes.items() if value is not None}})
    return f"{request.path}?{query}" if query else request.path


def told(request: web.Request, texts: Mapping[str, str]) -> str | None:
    """What ``?done=`` names, when one of our own pages led here after its action. A browser that names
    another site or a typed address (``Sec-Fetch-Site``, Fetch Metadata) is told nothing: nothing was done."""
    led_by = request.headers.get("Sec-Fetch-Site", "same-origin")
    return texts.get(request.query.get("done", "")) if led_by == "same-origin" else None


async def page_context(request: web.Request) -> dict[str, Any]:
    """Context processor of every template."""
    language = language_of(request)
    now: dt.datetime = request.app[SERVICES].exchange.clock.now()
    user = request.get(USER)
    return {
        "lang": language,
        "other_lang": "fr" if language == "en" else "en",
        "path": request.path,
        "query": {k: v for k, v in request.query.items() if k != "lang"},
        "user": user,
        "may": lambda name: user is not None and user.may(Permission(name)),
        "menu": _menu(request),
        "now": now,
        "_": lambda text: translate(str(text), language),
        "n_": lambda one, many, count: plural(one, many, count, language),
        "colon": "\N{NO-BREAK SPACE}:" if language == "fr" else ":",
        "semicolon": "\N{NO-BREAK SPACE};" if language == "fr" else ";",
        "actor": lambda value: wording.actor(value, language),
        "reason": lambda text: reasons.shown(text, language),
        "basis": lambda value: wording.basis(value, language),
        "days_left": lambda days: days_left(days).of(language),
        "num": lambda value: number(value, language),
        "label": lambda member: codelists.label(member, language),
        "zones": lambda value: times.both_zones(value, language),
        "day_of": lambda text: times.day(dt.date.fromisoformat(text), language),
        "day": lambda value: times.day(value, language),
        "age": lambda value: times.age(value, now, language),
        "ago": lambda value: times.ago(value, now, language),
        "until": lambda value: times.until(value, now, language),
        "duration": lambda seconds: times.duration(seconds, language),
        "sentence": lambda code: translate(sentence(code), language),
        "link": lambda **changes: _link(request, changes),
        "csrf_field": lambda: csrf_field(request),
        "live_areas": live_areas(request),
    }
