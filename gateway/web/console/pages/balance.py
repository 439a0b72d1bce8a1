"""The balance: who is ahead, the weeks behind and to come, quotas, the weekly figures."""

from __future__ import annotations

from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web
from markupsafe import Markup

from gateway.core.errors import NotFound
from gateway.core.treaty.ledger import BalanceState
from gateway.core.treaty.quotas import QuotaKind
from gateway.flows.balance import balance as balance_of
from gateway.flows.balance import previous_week, weekly_report
from gateway.reports.texts import LANGUAGES, TEXTS
from gateway.reports.weekly import RENDERERS, signed
from gateway.web.console.context import language_of
from gateway.web.console.drawings.balance import Point, Thresholds, balance_chart, meter
from gateway.web.console.i18n import N_, Language, number, plural, translate
from gateway.web.console.services import SERVICES

Json = dict[str, Any]
_NARROW_WEEKS: Final = 8
_NARROW_WIDTH: Final = 400.0
_COMING_WEEKS: Final = 8
STATES: Final = {
    BalanceState.LEVEL: N_("within the threshold"),
    BalanceState.WARN: N_("above the warning threshold"),
    BalanceState.HOLD_READMISSIONS: N_("readmission requests wait"),
    BalanceState.HOLD_NOMINATIONS: N_("nominations wait"),
}
KINDS: Final = {
    QuotaKind.READMISSIONS: N_("Readmission requests"),
    QuotaKind.NOMINATIONS: N_("Nominations"),
}
_TYPES: Final = {"csv": "text/csv", "json": "application/json", "html": "text/html"}


def in_words(balance: int, language: Language) -> str:
    """The signed balance as either ministry would say it. ``balance``: returned minus admitted."""
    if balance > 0:
        return plural(
            N_("France has taken back {n} person more than the United Kingdom has admitted."),
            N_("France has taken back {n} persons more than the United Kingdom has admitted."),
            balance,
            language,
        )
    if balance < 0:
        return plural(
            N_("The United Kingdom has admitted {n} person more than France has taken back."),
            N_("The United Kingdom has admitted {n} persons more than France has taken back."),
            -balance,
            language,
        )
    return translate(
        N_("France has taken back as many persons as the United Kingdom has admitted."), language
    )


# ---- the drawing --------------------------------------------------------------------------------


def _points(view: Json) -> tuple[list[Point], list[Point]]:
    """(weeks up to now, weeks to come with the sums as they would be). The present week is among the latter
    when something more is expected in it."""
    past = [
        Point(
            week=week["week"],
            returned=week["total_returned"],
            admitted=week["total_admitted"],
            difference=week["total_difference"],
        )
        for week in view["weeks"]
    ]
    returned, admitted = view["returned"], view["admitted"]
    coming = []
    for week in view["projection"]["weeks"][:_COMING_WEEKS]:
        returned += week["readmissions"]
        admitted += week["admissions"]
        coming.append(
            Point(week=week["week"], returned=returned, admitted=admitted, difference=week["difference"])
        )
    first = view["projection"]["weeks"][:1]
    if first and not first[0]["readmissions"] and not first[0]["admissions"]:
        del coming[0]
    return past, coming


def _drawings(view: Json, language: Language) -> tuple[Markup, Markup]:
    """(wide, narrow): the narrow one shows fewer weeks, so that its words can be read on a telephone."""
    past, coming = _points(view)
    limits = Thresholds(warn=view["thresholds"]["warn"], hold=view["thresholds"]["hold"] or 0)
    words = {
        name: translate(text, language)
        for name, text in {
            "title": N_("Persons returned and admitted since the beginning, week by week"),
            "returned": N_("Returned"),
            "admitted": N_("Admitted"),
            "difference": N_("Difference (returned minus admitted)"),
            "coming": N_("To come"),
            "warn": N_("Warning from"),
            "hold": N_("Waits from"),
            "week": N_("W"),
        }.items()
    }
    words["desc"] = f"{in_words(view['balance'], language)} {_sums(view, language)}"
    wide = balance_chart(past, coming, limits, words, ident="balance")
    few = balance_chart(
        past[-_NARROW_WEEKS:], coming[:4], limits, words, ident="balance-narrow", width=_NARROW_WIDTH
    )
    return wide, few


def _sums(view: Json, language: Language) -> str:
    parts = ((N_("Returned"), view["returned"]), (N_("Admitted"), view["admitted"]))
    return ", ".join(f"{translate(name, language)}: {number(n, language)}" for name, n in parts) + "."


def quota_view(quota: Json, language: Language) -> Json:
    """A quota of ``flows.balance`` with its names and its bar."""
    kind = KIND_OF[quota["kind"]]
    said = plural(N_("{n} place used"), N_("{n} places used"), quota["used"], language)
    of = plural(N_("of {n} place"), N_("of {n} places"), quota["limit"], language)
    return {
        **quota,
        "id": kind.value,
        "name": KINDS[kind],
        "said": f"{said} {of}",
        "meter": meter(quota["used"], quota["limit"], f"{said} {of}"),
        "full": quota["used"] >= quota["limit"],
    }


KIND_OF: Final = {
    "readmission": QuotaKind.READMISSIONS,
    "nomination": QuotaKind.NOMINATIONS,
}
"""``kind`` of ``flows.balance`` → the quota."""


# ---- pages --------------------------------------------------------------------------------------


@aiohttp_jinja2.template("balance.html")
async def balance(request: web.Request) -> Json:
    exchange = request.app[SERVICES].exchange
    language = language_of(request)
    view = await balance_of(exchange)
    wide, few = _drawings(view, language)
    return {
        "view": view,
        "state": STATES[BalanceState(view["state"])],
        "level": view["state"] == BalanceState.LEVEL,
        "in_words": in_words(view["balance"], language),
        "signed": signed,
        "wide": wide,
        "few": few,
        "quotas": [quota_view(quota, language) for quota in view["quotas"]],
        "reported": previous_week(exchange),
        "weeks": {week["week"]: week["period_start"] for week in view["weeks"]},
        "second_person": exchange.agreement.balance.second_person,
    }


@aiohttp_jinja2.template("weekly.html")
async def weekly(request: web.Request) -> Json:
    """The figures of one week as a page to read or print. Raises InvalidParameter."""
    exchange = request.app[SERVICES].exchange
    week = request.query.get("week") or previous_week(exchange)
    report = await weekly_report(exchange, week)
    language = language_of(request)
    return {
        "report": report,
        "words": TEXTS[language],
        "signed": signed,
        "in_words": in_words(report["total_difference"], language),
    }


async def export(request: web.Request) -> web.Response:
    """The report as a file. Raises NotFound, InvalidParameter."""
    week, form = request.match_info["week"], request.match_info["form"]
    lang = request.match_info["language"]
    if form not in RENDERERS or lang not in LANGUAGES:
        raise NotFound("the report is made as csv, json or html, in en or fr")
    report = await weekly_report(request.app[SERVICES].exchange, week)
    name = f"passerelle-{report['week']}-{lang}.{form}"
    return web.Response(
        text=RENDERERS[form](report, lang),
        content_type=_TYPES[form],
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def add(app: web.Application) -> None:
    app.router.add_get("/balance", balance)
    app.router.add_get("/balance/weekly", weekly)
    app.router.add_get(r"/balance/weekly/{week}.{language:[a-z]+}.{form:[a-z]+}", export)
