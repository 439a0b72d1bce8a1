"""One message sent again or cancelled; a route paused or resumed: each with its dry run first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from contracts import codelists
from gateway.core.errors import ApiError, NotFound, PersonError
from gateway.core.records import MessageRecord
from gateway.core.resend import Action, Verdict, Why
from gateway.core.roles import Permission
from gateway.flows import endpoints, operator, routes
from gateway.flows.resending import facts_of, verdict_alone
from gateway.flows.routes import Effect
from gateway.web.console import times
from gateway.web.console.acting import (
    NOT_RECALLED,
    SAME_ID,
    VERDICTS,
    WHY,
    Question,
    act,
    ask,
    has_done,
    reason_text,
    token_of,
)
from gateway.web.console.context import language_of
from gateway.web.console.i18n import N_, translate
from gateway.web.console.services import SERVICES
from gateway.web.console.session import checked_form, require

_TITLES: Final = {Action.REPLAY: N_("Send this message again"), Action.CANCEL: N_("Cancel this message")}
_DONE: Final = {
    Action.REPLAY: N_("The message is in the queue again."),
    Action.CANCEL: N_("The message is cancelled."),
}
_DID: Final = {Action.REPLAY: "message.replayed", Action.CANCEL: "message.cancelled"}
_DO: Final = {Action.REPLAY: operator.replay, Action.CANCEL: operator.cancel}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _record(request: web.Request) -> MessageRecord:
    async with request.app[SERVICES].exchange.store.begin(read_only=True) as tx:
        record = await tx.get_message(request.match_info["message_id"])
    if record is None:
        raise NotFound("no such message")
    return record


def _question(
    request: web.Request, action: Action, record: MessageRecord, note: tuple[str, str, str], **more: Any
) -> Question:
    """``note``: its kind, its text, and an English detail."""
    language = language_of(request)
    page = f"/console/messages/{record.message_id}"
    kind, text, detail = note
    return Question(
        title=_TITLES[action],
        crumbs=(("/console/messages", N_("Messages")), (page, codelists.label(record.type, language))),
        facts=(
            (N_("Message id"), record.message_id),
            (N_("Case"), record.reference),
            (N_("Status"), translate(record.status.value, language)),
            (N_("Attempts"), record.attempts),
            *(((N_("Code"), record.code),) if record.code else ()),
        ),
        note=text,
        kind=kind,
        detail=detail,
        danger=action is Action.CANCEL,
        back=page,
        **more,
    )


def _preview(action: Action) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        user = require(request, Permission.ACT)
        exchange = request.app[SERVICES].exchange
        record = await _record(request)
        if request.query.get("done") and await has_done(request, record.message_id, _DID[action]):
            note = ("good", "", "")
            return ask(request, _question(request, action, record, note, done=_DONE[action]))
        async with exchange.store.begin(read_only=True) as tx:
            facts = await facts_of(tx, record.message_id, exchange.clock.now())
        verdict, why, possible = verdict_alone(exchange, action, facts)
        try:
            await _DO[action](exchange, record.message_id, actor=user.actor, reason="dry run", dry_run=True)
        except (ApiError, PersonError) as exc:
            note = (
                "bad",
                N_("This is not possible now.") if possible else WHY[why],
                exc.detail,
            )
            return ask(request, _question(request, action, record, note))
        text = WHY[why]
        if verdict is Verdict.UNCERTAIN or why is Why.PERHAPS_TAKEN:
            hint = SAME_ID if action is Action.REPLAY else NOT_RECALLED
            text = f"{translate(text, language_of(request))} {translate(hint, language_of(request))}"
        note = (VERDICTS[verdict][0], text, "")
        return ask(request, _question(request, action, record, note, button=_TITLES[action]))

    return show


def _post(action: Action) -> Handler:
    async def do(request: web.Request) -> web.StreamResponse:
        user = require(request, Permission.ACT)
        form = await checked_form(request)
        message_id = request.match_info["message_id"]
        reason, once = reason_text(form), token_of(form)

        async def work() -> object:
            exchange = request.app[SERVICES].exchange
            return await _DO[action](exchange, message_id, actor=user.actor, reason=reason, once=once)

        return await act(work, f"/console/messages/{message_id}/{action.value}?done=1")

    return do


# ---- routes -------------------------------------------------------------------------------------

_EFFECTS: Final = {
    Effect.WAITS: N_("Messages to France are accepted and wait; no attempt is used up while it is paused."),
    Effect.STAYS: N_("While it is paused we fetch nothing; France's messages stay with France."),
    Effect.DROPPED: N_(
        "Events are dropped while it is paused; the UK system still finds everything by polling."
    ),
}
_RESUMED: Final = N_("What waits goes out at once, in its order. A circuit that is open is tried at once.")
_PAUSE_TITLES: Final = {True: N_("Pause this route"), False: N_("Resume this route")}
_PAUSE_DONE: Final = {True: N_("The route is paused."), False: N_("The route is in use again.")}
_NOT_NOW: Final = {True: N_("The route is paused already."), False: N_("The route is not paused.")}


def _route_preview(*, paused: bool) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        require(request, Permission.PAUSE)
        exchange, language = request.app[SERVICES].exchange, language_of(request)
        row = await routes.look(exchange, request.match_info["endpoint"])
        done = _PAUSE_DONE[paused] if request.query.get("done") and row["paused"] is paused else ""
        possible = (row["paused"] is not paused or (not paused and row["open"])) and not done
        note = _EFFECTS[Effect(row["effect"])] if paused else _RESUMED
        now = exchange.clock.now()
        question = Question(
            title=_PAUSE_TITLES[paused],
            crumbs=(("/console/partners", N_("Partners")),),
            facts=(
                (N_("Route"), row["endpoint"]),
                (N_("Waiting now"), row["waiting"]),
                (N_("Oldest since"), times.age(row["oldest_at"], now, language) if row["oldest_at"] else "–"),
                (N_("Failures in a row"), row["failures"]),
            ),
            note="" if done else note if possible else _NOT_NOW[paused],
            kind="wait",
            button=_PAUSE_TITLES[paused] if possible else None,
            danger=paused,
            done=done,
            back="/console/partners",
        )
        return ask(request, question)

    return show


def _route_post(*, paused: bool) -> Handler:
    async def do(request: web.Request) -> web.StreamResponse:
        user = require(request, Permission.PAUSE)
        form = await checked_form(request)
        name = request.match_info["endpoint"]
        reason, once = reason_text(form), token_of(form)

        async def work() -> object:
            return await endpoints.set_paused(
                request.app[SERVICES].exchange,
                name,
                paused=paused,
                actor=user.actor,
                reason=reason,
                once=once,
            )

        return await act(work, f"/console/routes/{name}/{'pause' if paused else 'resume'}?done=1")

    return do


def add(app: web.Application) -> None:
    for action in Action:
        path = f"/messages/{{message_id}}/{action.value}"
        app.router.add_get(path, _preview(action))
        app.router.add_post(path, _post(action))
    for paused, word in ((True, "pause"), (False, "resume")):
        path = f"/routes/{{endpoint}}/{word}"
        app.router.add_get(path, _route_preview(paused=paused))
        app.router.add_post(path, _route_post(paused=paused))
