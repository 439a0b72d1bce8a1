"""The holding area: what waits for a decision or for room in a quota; release and refuse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from gateway.core.errors import ApiError, NotFound, PersonError
from gateway.core.roles import Permission
from gateway.core.treaty.holding import EXCLUSION, OPERATOR, QUOTAS
from gateway.core.treaty.quotas import WAITING, QuotaKind
from gateway.flows import hold_views, holds
from gateway.flows.exclusion import Match
from gateway.web.console.acting import COMMON, Question, act, ask, has_done, reason_text, token_of
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES
from gateway.web.console.session import checked_form, require, user_of

DUTIES: Final = {
    OPERATOR: N_("an operator"),
    EXCLUSION: N_("somebody who compares with the returned"),
    QUOTAS: N_("somebody who decides about quotas"),
}
MATCHES: Final = {
    Match.RETURNED: N_("a person who was returned"),
    Match.NEAR: N_("like a person who was returned"),
    Match.UNDER_WAY: N_("in a readmission that has not ended"),
}
EQUAL: Final = {
    "near": N_("the name sounds alike and the birth date agrees"),
    "document": N_("the number of a document, the country unknown or another"),
    "document_issued": N_("number and country of a document"),
    "uan": N_("Unique Application Number"),
    "gwf": N_("GWF number"),
    "eoi": N_("expression of interest"),
    "home_office_reference": N_("Home Office reference"),
    "biometrics": N_("biometric reference"),
}
DECISIONS: Final = {
    "approved": N_("approved, another person is needed"),
    "released": N_("let go"),
    "refused": N_("refused by an operator"),
}
QUEUES: Final = {
    QuotaKind.READMISSIONS: N_("Waiting for the quota of readmissions"),
    QuotaKind.NOMINATIONS: N_("Waiting for the quota of nominations"),
}
WORDS: Final[dict[str, Any]] = {
    **COMMON,
    "duties": DUTIES,
    "matches_words": MATCHES,
    "equal_words": EQUAL,
    "decision_words": DECISIONS,
    "queue_words": QUEUES,
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@aiohttp_jinja2.template("held.html")
async def show_all(request: web.Request) -> dict[str, Any]:
    user_of(request)
    exchange = request.app[SERVICES].exchange
    rows, after = await hold_views.list_holds(exchange, cursor=request.query.get("cursor"), for_room=False)
    queues = [(kind, await hold_views.waiting(exchange, kind)) for kind in QuotaKind]
    return {
        "rows": rows,
        "followers": await hold_views.followers(exchange),
        "queues": queues,
        "next_cursor": after,
        "approvals": hold_views.approvals,
        **WORDS,
    }


@aiohttp_jinja2.template("held_one.html")
async def show_one(request: web.Request) -> dict[str, Any]:
    """Gone once it was decided about: then the page of the message says what became of it."""
    user = user_of(request)
    exchange, message_id = request.app[SERVICES].exchange, request.match_info["message_id"]
    try:
        row = await hold_views.show_hold(exchange, message_id)
    except NotFound:
        raise web.HTTPSeeOther(f"/console/messages/{message_id}") from None
    decides = user.may(Permission.DECIDE_HOLD)
    return {
        "row": row,
        "matches": await hold_views.explain(exchange, message_id) if decides else [],
        "queued": row["code"] in WAITING,
        "lacking": sorted(set(row["roles"]) - user.decider.roles),
        "done": await _done(request, message_id),
        "approvals": hold_views.approvals,
        **WORDS,
    }


_TITLES: Final = {"release": N_("Let it go"), "refuse": N_("Refuse it")}
_DO: Final = {"release": holds.release, "refuse": holds.refuse}
_DONE: Final = {
    "release": N_("Your approval is kept. Another person must agree before it goes."),
    "refuse": N_("It is refused. The UK system is told."),
}
_DID: Final = {"release": "hold.approved", "refuse": "hold.refused"}


async def _done(request: web.Request, message_id: str) -> str | None:
    name = request.query.get("done", "")
    return _DONE[name] if name in _DID and await has_done(request, message_id, _DID[name]) else None


_WHAT: Final = {
    "release": N_("It is judged again by all rules and goes on as if it had come now."),
    "refuse": N_("It never leaves. The UK system is told, and a case that it was to open ends."),
}
_SECOND: Final = N_("After you another person with the same duty must let it go.")


def _preview(name: str) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        user = require(request, Permission.DECIDE_HOLD)
        exchange, message_id = request.app[SERVICES].exchange, request.match_info["message_id"]
        page = f"/console/held/{message_id}"
        row = await hold_views.show_hold(exchange, message_id)
        question: dict[str, Any] = {
            "title": _TITLES[name],
            "crumbs": (("/console/held", N_("Held")), (page, row["reference"])),
            "facts": (
                (N_("Message id"), message_id),
                (N_("Code"), row["code"] or "–"),
                (N_("Persons needed"), row["persons"]),
                (N_("Persons who have approved"), hold_views.approvals(row)),
            ),
            "back": page,
        }
        try:
            tried = await _DO[name](exchange, message_id, by=user.decider, reason="dry run", dry_run=True)
        except (ApiError, PersonError) as exc:
            note = N_("This is not possible now.")
            return ask(request, Question(**question, note=note, kind="bad", detail=exc.detail))
        note = _SECOND if tried.needed else _WHAT[name]
        danger = name == "refuse"
        return ask(request, Question(**question, note=note, button=_TITLES[name], danger=danger))

    return show


def _post(name: str) -> Handler:
    async def do(request: web.Request) -> web.StreamResponse:
        user = require(request, Permission.DECIDE_HOLD)
        form = await checked_form(request)
        exchange, message_id = request.app[SERVICES].exchange, request.match_info["message_id"]
        reason, once = reason_text(form), token_of(form)

        async def work() -> object:
            return await _DO[name](exchange, message_id, by=user.decider, reason=reason, once=once)

        return await act(work, f"/console/held/{message_id}?done={name}")

    return do


def add(app: web.Application) -> None:
    app.router.add_get("/held", show_all)
    app.router.add_get("/held/{message_id}", show_one)
    for name in _DO:
        app.router.add_get(f"/held/{{message_id}}/{name}", _preview(name))
        app.router.add_post(f"/held/{{message_id}}/{name}", _post(name))
