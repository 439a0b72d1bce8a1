"""Changing a quota and correcting the ledger: look, try, say why, see what became of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from gateway.core.errors import InvalidParameter, NotFound
from gateway.core.roles import Permission
from gateway.core.treaty.ledger import Reason, Side
from gateway.core.treaty.quotas import QuotaKind
from gateway.core.treaty.weeks import monday_of
from gateway.flows.balance import ledger_list, quota_list
from gateway.flows.balance_previews import ledger_entry, preview_correction, preview_quota
from gateway.flows.ledger import correct_entry, report_zone
from gateway.flows.quotas import MOST_PERSONS, release_waiting, set_quota
from gateway.reports.weekly import signed
from gateway.web.console import reasons
from gateway.web.console.context import language_of, told
from gateway.web.console.forms import reason_of, whole
from gateway.web.console.i18n import N_
from gateway.web.console.pages.balance import KIND_OF, KINDS, quota_view
from gateway.web.console.services import SERVICES
from gateway.web.console.session import checked_form, require

Json = dict[str, Any]
_ENTRIES: Final = 100
DONE: Final = {
    "changed": N_("The quota is changed. What has room now leaves by itself."),
    "proposed": N_("The correction is proposed. A second person must now confirm exactly the same."),
    "booked": N_("The correction is booked."),
}
SIDES: Final = {
    Side.READMITTED: N_("Returned to France"),
    Side.ADMITTED: N_("Admitted to the United Kingdom"),
}
NOTES: Final = {
    Reason.RECEIPT_DIFFERS: N_("countered: France received another number"),
    Reason.RECEIPT_OTHER_WEEK: N_("countered: taken in charge in another week"),
    Reason.OUTCOME_DIFFERS: N_("note: the United Kingdom reported another number"),
    Reason.CORRECTED: N_("corrected by an operator"),
    Reason.FREED: N_("place given back"),
}


# ---- quotas -------------------------------------------------------------------------------------


def _kind(request: web.Request) -> QuotaKind:
    try:
        return QuotaKind(request.match_info["kind"])
    except ValueError as exc:
        raise NotFound("no such quota") from exc


@aiohttp_jinja2.template("quota.html")
async def quota(request: web.Request) -> Json:
    kind, language = _kind(request), language_of(request)
    rows = await quota_list(request.app[SERVICES].exchange)
    found = next(row for row in rows if KIND_OF[row["kind"]] is kind)
    history = [{**change, "at": dt.datetime.fromisoformat(change["at"])} for change in found["history"]]
    return {
        "quota": quota_view(found, language),
        "history": history[::-1],
        "most": MOST_PERSONS,
        "done": told(request, DONE),
        "unverified": request.app[SERVICES].exchange.agreement.quotas.unverified,
    }


@aiohttp_jinja2.template("quota_change.html")
async def quota_preview(request: web.Request) -> Json:
    require(request, Permission.CHANGE_QUOTA)
    kind = _kind(request)
    persons = whole(request.query.get("persons"), "persons")
    preview = await preview_quota(
        request.app[SERVICES].exchange, kind, persons, from_week=request.query.get("from_week") or None
    )
    return {
        "kind": kind,
        "name": KINDS[kind],
        "preview": preview,
        "monday": monday_of(preview.week),
        "reasons": reasons.QUOTA,
    }


async def quota_change(request: web.Request) -> web.StreamResponse:
    user = require(request, Permission.CHANGE_QUOTA)
    form = await checked_form(request)
    exchange, kind = request.app[SERVICES].exchange, _kind(request)
    await set_quota(
        exchange,
        kind,
        whole(form.get("persons"), "persons"),
        from_week=form.get("from_week") or None,
        actor=user.actor,
        reason=reason_of(form, reasons.QUOTA),
    )
    await release_waiting(exchange)
    raise web.HTTPSeeOther(f"/console/balance/quotas/{kind.value}?done=changed")


# ---- ledger -------------------------------------------------------------------------------------


@aiohttp_jinja2.template("ledger.html")
async def ledger(request: web.Request) -> Json:
    """Entries in order of booking, of one week or all. Raises InvalidParameter."""
    week, after = request.query.get("week") or None, request.query.get("after") or "0"
    if week is not None:
        try:
            monday_of(week)
        except ValueError as exc:
            raise InvalidParameter("a week is written YYYY-Www, for example 2026-W47") from exc
    rows = await ledger_list(
        request.app[SERVICES].exchange, week=week, after=whole(after, "after"), limit=_ENTRIES + 1
    )
    return {
        "rows": [_row(row) for row in rows[:_ENTRIES]],
        "more": rows[_ENTRIES - 1]["entry"] if len(rows) > _ENTRIES else None,
        "week": week,
    }


def _row(row: Json) -> Json:
    note = None if row["reason"] is None else NOTES[Reason(row["reason"])]
    return {**row, "side_name": SIDES[Side(row["side"])], "note": note}


@aiohttp_jinja2.template("ledger_entry.html")
async def entry(request: web.Request) -> Json:
    exchange = request.app[SERVICES].exchange
    view = await ledger_entry(exchange, int(request.match_info["entry"]))
    found = view.entry
    local = found.event_at.astimezone(report_zone(exchange.agreement))
    return {
        "view": view,
        "entry": found,
        "side_name": SIDES[found.side],
        "note": None if found.reason is None else NOTES[found.reason],
        "local": local.strftime("%Y-%m-%dT%H:%M"),
        "zone": exchange.agreement.balance.report_zone,
        "done": told(request, DONE),
    }


def _wanted(fields: Mapping[str, str], request: web.Request) -> tuple[int | None, dt.datetime | None]:
    """(persons, None when it did not happen; when, None as before). Raises InvalidParameter."""
    if fields.get("happened") == "no":
        return None, None
    text, before = fields.get("at") or "", fields.get("at_before") or ""
    if not text or text == before:
        return whole(fields.get("persons"), "persons"), None
    try:
        local = dt.datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidParameter("the time is written YYYY-MM-DDThh:mm") from exc
    zone = report_zone(request.app[SERVICES].exchange.agreement)
    at = (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(dt.UTC)
    return whole(fields.get("persons"), "persons"), at


@aiohttp_jinja2.template("ledger_correct.html")
async def correction_preview(request: web.Request) -> Json:
    user = require(request, Permission.CORRECT_LEDGER)
    persons, at = _wanted(request.query, request)
    preview = await preview_correction(
        request.app[SERVICES].exchange,
        int(request.match_info["entry"]),
        persons=persons,
        event_at=at,
        actor=user.actor,
    )
    return {
        "preview": preview,
        "persons": persons,
        "at": at,
        "side_name": SIDES[preview.entry.side],
        "signed": signed,
        "reasons": reasons.LEDGER,
    }


async def correction(request: web.Request) -> web.StreamResponse:
    user = require(request, Permission.CORRECT_LEDGER)
    form = await checked_form(request)
    number = int(request.match_info["entry"])
    persons, at = _wanted(form, request)
    done = await correct_entry(
        request.app[SERVICES].exchange,
        number,
        persons=persons,
        event_at=at,
        actor=user.actor,
        reason=reason_of(form, reasons.LEDGER),
    )
    code = "booked" if done.booked else "proposed"
    raise web.HTTPSeeOther(f"/console/balance/ledger/{number}?done={code}")


def add(app: web.Application) -> None:
    app.router.add_get("/balance/quotas/{kind}", quota)
    app.router.add_get("/balance/quotas/{kind}/change", quota_preview)
    app.router.add_post("/balance/quotas/{kind}/change", quota_change)
    app.router.add_get("/balance/ledger", ledger)
    app.router.add_get(r"/balance/ledger/{entry:\d{1,18}}", entry)
    app.router.add_get(r"/balance/ledger/{entry:\d{1,18}}/correct", correction_preview)
    app.router.add_post(r"/balance/ledger/{entry:\d{1,18}}/correct", correction)
