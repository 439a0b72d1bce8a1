"""One's own account: language, password, second factor, sessions."""

from __future__ import annotations

from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from gateway.core.errors import Conflict, InvalidParameter
from gateway.core.people import CodeRefused, SignInLocked, SignInRefused
from gateway.flows import account
from gateway.flows.people import People
from gateway.web.console.context import told
from gateway.web.console.i18n import N_
from gateway.web.console.pages.signin import CODE_WRONG, PASSWORD_BAD, wait_minutes
from gateway.web.console.qr import qr_svg
from gateway.web.console.services import SERVICES
from gateway.web.console.session import (
    CURRENT,
    LANGUAGE_COOKIE,
    address_of,
    adopt,
    carry,
    checked_form,
    user_of,
)

PAGE: Final = "/console/account"
DONE: Final = {
    "language": N_("Your language is saved."),
    "password": N_("Your password is changed. Every other session was ended."),
    "session": N_("The session was ended."),
    "sessions": N_("Every other session was ended."),
}


def _people(request: web.Request) -> People:
    return request.app[SERVICES].people


async def _page(request: web.Request, status: int = 200, **context: Any) -> web.StreamResponse:
    user, current = user_of(request), request[CURRENT]
    shown = {
        "record": current.record,
        "here": current.session.session_id,
        "sessions": await account.sessions_of(_people(request), user.name),
        "codes_left": await account.codes_left(_people(request), user),
        "done": told(request, DONE),
        "error": None,
        "minutes": None,
        **context,
    }
    return aiohttp_jinja2.render_template("account.html", request, shown, status=status)


def _back(done: str) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"{PAGE}?done={done}")


async def show(request: web.Request) -> web.StreamResponse:
    return await _page(request)


async def language(request: web.Request) -> web.StreamResponse:
    form = await checked_form(request)
    await account.set_language(_people(request), user_of(request), form.get("language", ""))
    response = _back("language")
    response.del_cookie(LANGUAGE_COOKIE, path="/console")  # the switch gives way to the preference
    raise response


async def password(request: web.Request) -> web.StreamResponse:
    form = await checked_form(request)
    user, current = user_of(request), request[CURRENT]
    if form.get("new", "") != form.get("again", ""):
        return await _page(request, 422, error=N_("The two passwords differ."))
    try:
        done = await account.change_password(
            _people(request),
            user,
            current.session,
            old=form.get("old", ""),
            new=form.get("new", ""),
            address=address_of(request),
        )
    except InvalidParameter:
        return await _page(request, 422, error=PASSWORD_BAD)
    except SignInRefused:
        return await _page(request, 401, error=N_("The password you have now is not that one."))
    except SignInLocked as exc:
        return await _page(request, 429, minutes=wait_minutes(request, exc))
    response = _back("password")
    carry(request, response, done)
    raise response


async def end_session(request: web.Request) -> web.StreamResponse:
    await account.end_one_session(_people(request), user_of(request), request.match_info["session_id"])
    raise _back("session")


async def end_others(request: web.Request) -> web.StreamResponse:
    await account.end_other_sessions(_people(request), user_of(request), request[CURRENT].session)
    raise _back("sessions")


# ---- second factor ------------------------------------------------------------------------------


async def _factor(request: web.Request, status: int = 200, **context: Any) -> web.StreamResponse:
    shown = {"record": request[CURRENT].record, "enrolment": None, "qr": None, "error": None, "minutes": None}
    return aiohttp_jinja2.render_template("second_factor.html", request, shown | context, status=status)


async def factor_page(request: web.Request) -> web.StreamResponse:
    return await _factor(request)


async def factor_start(request: web.Request) -> web.StreamResponse:
    """Who has a second factor proves it; the answer shows the new key, once."""
    form = await checked_form(request)
    try:
        made = await account.start_enrolment(
            _people(request), user_of(request).name, code=form.get("code", "")
        )
    except CodeRefused:
        return await _factor(request, 401, error=CODE_WRONG)
    except SignInLocked as exc:
        return await _factor(request, 429, minutes=wait_minutes(request, exc))
    return await _factor(request, enrolment=made, qr=qr_svg(made.uri))


async def factor_confirm(request: web.Request) -> web.StreamResponse:
    form = await checked_form(request)
    people, name = _people(request), user_of(request).name
    try:
        codes = await account.confirm_enrolment(people, name, form.get("code", ""))
    except CodeRefused:
        waiting = await account.waiting_enrolment(people, name)
        if waiting is None:
            raise Conflict("no authenticator waits to be confirmed: begin again") from None
        return await _factor(request, 401, error=CODE_WRONG, enrolment=waiting, qr=qr_svg(waiting.uri))
    done = await account.finish_enrolment(people, request[CURRENT].session, name)
    adopt(request, done)
    response = aiohttp_jinja2.render_template(
        "recovery_codes.html", request, {"codes": codes, "next": PAGE, "error": None}
    )
    carry(request, response, done)
    return response


async def recovery(request: web.Request) -> web.StreamResponse:
    """New recovery codes in place of the old ones, after a code."""
    form = await checked_form(request)
    try:
        codes = await account.new_recovery_codes(
            _people(request), user_of(request), code=form.get("code", "")
        )
    except CodeRefused:
        return await _factor(request, 401, error=CODE_WRONG)
    except SignInLocked as exc:
        return await _factor(request, 429, minutes=wait_minutes(request, exc))
    return aiohttp_jinja2.render_template(
        "recovery_codes.html", request, {"codes": codes, "next": PAGE, "error": None}
    )


def add(app: web.Application) -> None:
    app.router.add_get("/account", show)
    app.router.add_post("/account/language", language)
    app.router.add_post("/account/password", password)
    app.router.add_post("/account/sessions/end-others", end_others)
    app.router.add_post("/account/sessions/{session_id}/end", end_session)
    app.router.add_get("/account/second-factor", factor_page)
    app.router.add_post("/account/second-factor", factor_start)
    app.router.add_post("/account/second-factor/confirm", factor_confirm)
    app.router.add_post("/account/recovery-codes", recovery)
