"""Actions on many messages: previewed, made, approved by a second person, started, paused, stopped."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from contracts.model import UUID_PATTERN
from gateway.core.batches import BatchEvent, BatchState, Reason, Result, Seen, SetChanged
from gateway.core.errors import InvalidParameter
from gateway.core.resend import Action
from gateway.core.roles import Permission
from gateway.flows import batch_views as views
from gateway.flows import batches as flow
from gateway.flows.batch_preview import Selection, preview
from gateway.flows.message_search import NAMES, canonical, parse, parse_text
from gateway.web.console import reasons, wording
from gateway.web.console.acting import (
    ACTIONS,
    COMMON,
    VERDICTS,
    WHY,
    Question,
    act,
    ask,
    has_done,
    reason_of,
    reason_text,
    token_of,
)
from gateway.web.console.context import language_of
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES
from gateway.web.console.session import checked_form, require, user_of

_PAGE: Final = 200
_UUID: Final = re.compile(UUID_PATTERN)
STATES: Final = {
    BatchState.WAITING: ("wait", N_("waiting for a second person")),
    BatchState.PAUSED: ("wait", N_("paused")),
    BatchState.RUNNING: ("good", N_("running")),
    BatchState.DONE: ("good", N_("finished")),
    BatchState.STOPPED: ("bad", N_("stopped")),
}
RESULTS: Final = {
    Result.PENDING: ("wait", N_("still to do")),
    Result.DONE: ("good", N_("done")),
    Result.SKIPPED: ("calm", N_("skipped")),
    Result.FAILED: ("bad", N_("not done: an error")),
}
_STEPS: Final = {
    BatchEvent.APPROVE: N_("Approve"),
    BatchEvent.START: N_("Start"),
    BatchEvent.PAUSE: N_("Pause"),
    BatchEvent.STOP: N_("Stop for good"),
}
_DONE: Final = {
    "created": N_("The grouped action is made. Nothing has been done to any message yet."),
    "approve": N_("It is approved. Somebody starts it now."),
    "start": N_("It has started."),
    "pause": N_("It is paused."),
    "stop": N_("It is stopped. What was done stays done."),
}
_DID: Final = {
    "created": "batch.created",
    "approve": "batch.approved",
    "start": "batch.started",
    "pause": "batch.paused",
    "stop": "batch.stopped",
}
_WHAT: Final = {
    BatchEvent.APPROVE: N_("You are the second person: what stands here is what you agree to."),
    BatchEvent.START: N_("One message after the other is judged again and acted upon."),
    BatchEvent.PAUSE: N_("No further message is taken until it is started again."),
    BatchEvent.STOP: N_("It ends for good. What was done stays done, the rest is left alone."),
}
WORDS: Final[dict[str, Any]] = {
    **COMMON,
    "states": STATES,
    "results": RESULTS,
    "steps": _STEPS,
    "verdicts": VERDICTS,
    "why": WHY,
    "actions": ACTIONS,
    "reason_words": reasons.ACTION,
}
_OWN: Final = N_("You made it. Another person must approve it.")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _action(text: str) -> Action:
    try:
        return Action(text)
    except ValueError as exc:
        raise InvalidParameter("the action is replay or cancel") from exc


def _state(text: str | None) -> BatchState | None:
    try:
        return BatchState(text) if text else None
    except ValueError as exc:
        raise InvalidParameter("there is no such state") from exc


@aiohttp_jinja2.template("batches.html")
async def show_all(request: web.Request) -> dict[str, Any]:
    user_of(request)
    query, exchange = request.query, request.app[SERVICES].exchange
    rows, after = await views.list_batches(
        exchange, state=_state(query.get("state")), cursor=query.get("cursor")
    )
    return {"rows": rows, "next_cursor": after, "chosen": query.get("state", ""), **WORDS}


# ---- a new one ----------------------------------------------------------------------------------


def _asked(request: web.Request) -> tuple[Selection, str, str]:
    """(selection, ids as one text, canonical query): ``id`` may be there several times, or a filter."""
    ids = tuple(one for one in request.query.getall("id", []) if one)
    if any(not _UUID.fullmatch(one) for one in ids):
        raise InvalidParameter("id is no message id")
    if ids:
        return Selection(ids=ids), ",".join(ids), ""
    query = parse({name: request.query.getall(name) for name in request.query if name in NAMES})
    return Selection(query=query), "", canonical(query)


async def _new(
    request: web.Request, action: Action, selection: Selection, ids: str, query: str, **more: Any
) -> web.StreamResponse:
    exchange = request.app[SERVICES].exchange
    seen = views.preview_view(await preview(exchange, selection, action))
    values = {
        "view": seen,
        "shown": seen["items"][:_PAGE],
        "action": action,
        "ids": ids,
        "filter": query,
        "batch_id": exchange.clock.new_id(),
        "reasons": list(reasons.ACTION.items()),
        "changed": None,
        **WORDS,
    }
    status = more.pop("status", 200)
    return aiohttp_jinja2.render_template("batch_new.html", request, values | more, status=status)


async def new(request: web.Request) -> web.StreamResponse:
    require(request, Permission.ACT)
    return await _new(request, _action(request.query.get("action", "replay")), *_asked(request))


async def create(request: web.Request) -> web.StreamResponse:
    """A set that has changed is shown again, with what changed; nothing was made."""
    user = require(request, Permission.ACT)
    form = await checked_form(request)
    action, ids, query = _action(form.get("action", "")), form.get("ids", ""), form.get("filter", "")
    selection = Selection(ids=tuple(ids.split(","))) if ids else Selection(query=parse_text(query))
    batch_id = form.get("batch_id", "")
    if not _UUID.fullmatch(batch_id):
        raise InvalidParameter("the form is not whole; open the page again")
    code, words = reason_of(form)
    try:
        batch = await flow.create(
            request.app[SERVICES].exchange,
            selection,
            action,
            by=user,
            reason=Reason(code=code, text=words),
            seen=Seen.parse(form.get("digest", "")),
            batch_id=batch_id,
        )
    except SetChanged as exc:
        return await _new(request, action, selection, ids, query, changed=exc, status=409)
    raise web.HTTPSeeOther(f"/console/batches/{batch.batch_id}?done=created")


# ---- one ----------------------------------------------------------------------------------------


def _after(request: web.Request) -> int:
    text = request.query.get("after", "-1")
    if not text.removeprefix("-").isdecimal() or len(text) > 9:
        raise InvalidParameter("after is a position")
    return int(text)


@aiohttp_jinja2.template("batch.html")
async def show_one(request: web.Request) -> dict[str, Any]:
    user = user_of(request)
    row = await views.show_batch(
        request.app[SERVICES].exchange, request.match_info["batch_id"], after=_after(request), limit=_PAGE
    )
    may = {
        BatchEvent.APPROVE: user.may(Permission.APPROVE) and row["created_by"] != user.actor,
        **dict.fromkeys((BatchEvent.START, BatchEvent.PAUSE, BatchEvent.STOP), user.may(Permission.ACT)),
    }
    return {
        "row": row,
        "offered": [event for event in _STEPS if event.value in row["possible"] and may[event]],
        "done": await _done(request, row["batch_id"]),
        **WORDS,
    }


async def _done(request: web.Request, batch_id: str) -> str | None:
    name = request.query.get("done", "")
    return _DONE[name] if name in _DID and await has_done(request, batch_id, _DID[name]) else None


def _step_preview(event: BatchEvent) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        user = require(request, Permission.APPROVE if event is BatchEvent.APPROVE else Permission.ACT)
        batch_id = request.match_info["batch_id"]
        row = await views.show_batch(request.app[SERVICES].exchange, batch_id, limit=1)
        page = f"/console/batches/{batch_id}"
        own = event is BatchEvent.APPROVE and row["created_by"] == user.actor
        possible = event.value in row["possible"] and not own
        now = row["now"] or {"to_do": row["results"]["pending"], "digest": ""}
        question = Question(
            title=_STEPS[event],
            crumbs=(("/console/batches", N_("Grouped actions")), (page, ACTIONS[row["action"]])),
            facts=(
                (N_("Messages"), row["count"]),
                (N_("Still to do"), now["to_do"]),
                (N_("Made by"), wording.actor(row["created_by"], language_of(request))),
                (N_("In words"), reasons.shown(row["reason"], language_of(request))),
            ),
            note=_WHAT[event] if possible else _OWN if own else N_("This is not possible now."),
            kind="wait" if possible else "bad",
            button=_STEPS[event] if possible else None,
            danger=event is BatchEvent.STOP,
            hidden={"digest": now["digest"]} if event is BatchEvent.APPROVE else {},
            back=page,
        )
        return ask(request, question)

    return show


_CHANGES: Final = {
    BatchEvent.START: flow.start,
    BatchEvent.PAUSE: flow.pause,
    BatchEvent.STOP: flow.stop,
}


def _step_post(event: BatchEvent) -> Handler:
    async def do(request: web.Request) -> web.StreamResponse:
        user = require(request, Permission.APPROVE if event is BatchEvent.APPROVE else Permission.ACT)
        form = await checked_form(request)
        exchange, batch_id = request.app[SERVICES].exchange, request.match_info["batch_id"]
        reason, once = reason_text(form), token_of(form)

        async def work() -> object:
            if event is BatchEvent.APPROVE:
                seen = Seen.parse(form.get("digest", ""))
                return await flow.approve(exchange, batch_id, by=user, reason=reason, seen=seen, once=once)
            return await _CHANGES[event](exchange, batch_id, by=user, reason=reason, once=once)

        return await act(work, f"/console/batches/{batch_id}?done={event.value}")

    return do


def add(app: web.Application) -> None:
    app.router.add_get("/batches", show_all)
    app.router.add_get("/batches/new", new)
    app.router.add_post("/batches/new", create)
    app.router.add_get("/batches/{batch_id}", show_one)
    for event in _STEPS:
        path = f"/batches/{{batch_id}}/{event.value}"
        app.router.add_get(path, _step_preview(event))
        app.router.add_post(path, _step_post(event))
