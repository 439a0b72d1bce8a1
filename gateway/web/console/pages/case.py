"""One case: its life as a line, messages both ways, time limits, persons, what happened."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web
from markupsafe import Markup

from contracts.codes import CaseKind
from gateway.flows.case_page import case_page
from gateway.reports.lifeline import draw_line, symbol
from gateway.web.console import times
from gateway.web.console.context import language_of
from gateway.web.console.i18n import N_, translate
from gateway.web.console.pages.message import page, viewer_of, when
from gateway.web.console.services import SERVICES

TITLES: Final = {
    CaseKind.READMISSION: N_("The life of this readmission"),
    CaseKind.NOMINATION: N_("The life of this nomination"),
}
MARKS: Final = {
    "done": N_("done"),
    "now": N_("now"),
    "todo": N_("ahead"),
    "goal": N_("reached"),
    "stopped": N_("ended here"),
}


def _drawing(request: web.Request, view: dict[str, Any]) -> Markup:
    """The line as SVG; its texts were escaped where they were put in."""
    language = language_of(request)

    def words(text: str) -> str:
        return translate(text, language)

    steps = view["line"]
    described = ", ".join(f"{words(s['status'])} ({words(MARKS[s['mark']])})" for s in steps)
    drawn = draw_line(
        steps,
        name=lambda status: words(status).replace("_", " ").capitalize(),
        when=lambda text: _instant(text, language),
        title=words(TITLES[CaseKind(view["case"]["kind"])]),
        description=described,
    )
    return Markup(drawn)  # noqa: S704 — made by draw_line, which escapes every text


def _instant(text: str, language: Any) -> str:
    value = when(text)
    return "" if value is None else times.own_zone(value, language)


async def case(request: web.Request) -> web.Response:
    view = await case_page(
        request.app[SERVICES].exchange, request.match_info["reference"], viewer=viewer_of(request)
    )
    values = {"v": view, "drawing": _drawing(request, view), "marks": MARKS, "symbol": symbol}
    return page(request, "case.html", values, view["content"])


def add(app: web.Application) -> None:
    app.router.add_get("/cases/{reference}", case)
