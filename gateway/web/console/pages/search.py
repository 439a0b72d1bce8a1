"""Exact search on a personal identifier. What is looked for is POSTed and never stands in an address; the
answer names cases, and every search is in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from gateway.core.errors import InvalidParameter
from gateway.core.roles import Permission
from gateway.flows.person_search import PersonFound, PersonKind, search_person
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES
from gateway.web.console.session import checked_form, require

KINDS: Final = {
    PersonKind.DOCUMENT: N_("Number of a travel or identity document"),
    PersonKind.UAN: N_("Unique application number (UAN)"),
    PersonKind.GWF: N_("Visa application number (GWF)"),
    PersonKind.HOME_OFFICE_REFERENCE: N_("Home Office reference"),
    PersonKind.EOI: N_("Expression of interest"),
    PersonKind.BIOMETRICS: N_("Biometric reference"),
    PersonKind.NAME_BIRTH: N_("Whole name and birth date"),
}


def _context(found: PersonFound | None = None, *, kind: str = "", wrong: bool = False) -> dict[str, Any]:
    return {"kinds": KINDS, "name_birth": PersonKind.NAME_BIRTH, "found": found, "kind": kind, "wrong": wrong}


@aiohttp_jinja2.template("search.html")
async def form(request: web.Request) -> dict[str, Any]:
    require(request, Permission.SEARCH_PERSON)
    return _context()


def _kind(given: Mapping[str, str]) -> PersonKind:
    try:
        return PersonKind(given.get("kind", ""))
    except ValueError:
        raise InvalidParameter("the kind of identifier is not known") from None


async def find(request: web.Request) -> web.StreamResponse:
    user = require(request, Permission.SEARCH_PERSON)
    given = await checked_form(request)
    try:
        found = await search_person(
            request.app[SERVICES].exchange,
            _kind(given),
            actor=user.actor,
            value=given.get("value", ""),
            family_name=given.get("family_name", ""),
            given_names=given.get("given_names", ""),
            birth_date=given.get("birth_date", ""),
        )
    except InvalidParameter:
        context = _context(kind=given.get("kind", ""), wrong=True)
        return aiohttp_jinja2.render_template("search.html", request, context, status=400)
    return aiohttp_jinja2.render_template("search.html", request, _context(found, kind=found.kind))


def add(app: web.Application) -> None:
    app.router.add_get("/search", form)
    app.router.add_post("/search", find)
