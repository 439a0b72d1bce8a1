"""Sign-in, step by step, and sign-out."""

from __future__ import annotations

import math
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from gateway.core.errors import InvalidParameter, NotFound
from gateway.core.oidc import LoginSecret
from gateway.core.oidc_causes import CAUSES, OidcAway, OidcFault, OidcNoAccount
from gateway.core.people import CodeRefused, SignInLocked, SignInRefused
from gateway.flows import account, oidc, signin
from gateway.flows.oidc import Provider
from gateway.flows.people import SignedIn
from gateway.logs import get_logger
from gateway.web.console.context import language_of
from gateway.web.console.i18n import N_
from gateway.web.console.qr import qr_svg
from gateway.web.console.services import SERVICES, ConsoleServices
from gateway.web.console.session import (
    COOKIE,
    CURRENT,
    LOGIN,
    Current,
    address_of,
    adopt,
    after,
    agent_of,
    carry,
    checked_form,
    cookie_name,
    forget,
    remove_cookie,
    safe_target,
    set_cookie,
)

PROVIDER_COOKIE: Final = "passerelle_provider"
WRONG: Final = N_("The name or the password is wrong.")
CODE_WRONG: Final = N_("The code is wrong or was used before. Wait for the next one.")
PASSWORD_BAD: Final = N_(
    "Choose another password: 12 characters or more, not one you have had, and without your name."
)
PROVIDER_FAILED: Final = N_("The sign-in at the provider did not succeed. Begin again.")
PROVIDER_AWAY: Final = N_("The sign-in provider cannot be reached. Try again later.")
NO_ACCOUNT: Final = N_("You have no access here. An administrator of your side can give it.")


def _services(request: web.Request) -> ConsoleServices:
    return request.app[SERVICES]


def wait_minutes(request: web.Request, exc: SignInLocked) -> int:
    """Whole minutes until it may be tried again."""
    left = (exc.until - _services(request).people.clock.now()).total_seconds()
    return max(1, math.ceil(left / 60))


def _render(request: web.Request, template: str, status: int = 200, **context: Any) -> web.StreamResponse:
    context.setdefault("error", None)
    context.setdefault("cause", None)
    context.setdefault("left", None)
    context.setdefault("minutes", None)
    context.setdefault("next", safe_target(request.query.get("next", "")))
    return aiohttp_jinja2.render_template(template, request, context, status=status)


def _login(request: web.Request, status: int = 200, **context: Any) -> web.StreamResponse:
    services = _services(request)
    return _render(
        request,
        "login.html",
        status,
        provider=services.provider.plan.label if services.provider else None,
        local=services.people.policy.local_accounts,
        **context,
    )


def _go(request: web.Request, done: SignedIn, target: str) -> web.StreamResponse:
    response = web.HTTPSeeOther(after(done, target))
    carry(request, response, done)
    raise response


def pending(request: web.Request) -> Current:
    """The sign-in whose next step this is."""
    return request[CURRENT]


async def login_page(request: web.Request) -> web.StreamResponse:
    services = _services(request)
    left = None
    if request.query.get("left") == "provider" and services.provider is not None:
        left = await oidc.leaving(services.provider, services.people)
    return _login(request, left=left)


async def login(request: web.Request) -> web.StreamResponse:
    form = await checked_form(request)
    target = safe_target(form.get("next", ""))
    try:
        done = await signin.sign_in(
            _services(request).people,
            form.get("name", ""),
            form.get("password", ""),
            address=address_of(request),
            agent=agent_of(request),
        )
    except SignInLocked as exc:
        return _login(request, 429, minutes=wait_minutes(request, exc), next=target)
    except SignInRefused:
        return _login(request, 401, error=WRONG, next=target)
    return _go(request, done, target)


async def code_page(request: web.Request) -> web.StreamResponse:
    return _render(request, "login_code.html")


async def code(request: web.Request) -> web.StreamResponse:
    form = await checked_form(request)
    target = safe_target(form.get("next", ""))
    current = pending(request)
    try:
        done = await signin.give_code(
            _services(request).people, current.session, current.record, form.get("code", "")
        )
    except SignInLocked as exc:
        forget(request)
        return _login(request, 429, minutes=wait_minutes(request, exc), next=target)
    except CodeRefused:
        return _render(request, "login_code.html", 401, error=CODE_WRONG, next=target)
    return _go(request, done, target)


async def renew_page(request: web.Request) -> web.StreamResponse:
    return _render(request, "login_password.html", name=pending(request).record.name)


async def renew(request: web.Request) -> web.StreamResponse:
    form = await checked_form(request)
    target = safe_target(form.get("next", ""))
    current = pending(request)
    new, again = form.get("new", ""), form.get("again", "")
    error = None if new == again else N_("The two passwords differ.")
    if error is None:
        try:
            done = await signin.renew_password(
                _services(request).people, current.session, current.record, new
            )
        except InvalidParameter:
            error = PASSWORD_BAD
        else:
            return _go(request, done, target)
    return _render(request, "login_password.html", 422, error=error, name=current.record.name, next=target)


async def _enrolment(request: web.Request, status: int = 200, **context: Any) -> web.StreamResponse:
    """The key that waits, after a wrong code; otherwise a new one: nobody confirms what others have seen."""
    people, name = _services(request).people, pending(request).record.name
    waiting = await account.waiting_enrolment(people, name) if status != 200 else None
    made = waiting or await account.start_enrolment(people, name)
    return _render(request, "login_enrol.html", status, secret=made.secret, qr=qr_svg(made.uri), **context)


async def enrol_page(request: web.Request) -> web.StreamResponse:
    return await _enrolment(request)


async def enrol(request: web.Request) -> web.StreamResponse:
    """The recovery codes are in the answer itself: they are shown once and stand in no address."""
    form = await checked_form(request)
    people, current = _services(request).people, pending(request)
    target = safe_target(form.get("next", ""))
    try:
        codes = await account.confirm_enrolment(people, current.record.name, form.get("code", ""))
    except CodeRefused:
        return await _enrolment(request, 401, error=CODE_WRONG, next=target)
    done = await account.finish_enrolment(people, current.session, current.record.name)
    adopt(request, done)
    response = _render(request, "recovery_codes.html", codes=codes, next=target)
    carry(request, response, done)
    return response


async def logout(request: web.Request) -> web.StreamResponse:
    current = request.get(CURRENT)
    if current is not None:
        await signin.sign_out(_services(request).people, current.session, current.record)
    came_from_there = current is not None and current.record.issuer is not None
    response = web.HTTPSeeOther(f"{LOGIN}?left=provider" if came_from_there else LOGIN)
    remove_cookie(request, response, COOKIE)
    raise response


# ---- OIDC provider -------------------------------------------------------------------------------


def _provider(request: web.Request) -> Provider:
    provider = _services(request).provider
    if provider is None:
        raise NotFound("no sign-in provider is configured")
    return provider


def _callback_url(request: web.Request) -> str:
    return _services(request).exchange.issuer + oidc.CALLBACK


def _not_in(request: web.Request, exc: OidcFault) -> web.StreamResponse:
    """Why nobody came in: one sentence for the person, the cause for whoever can mend it, and in the log."""
    get_logger().warning("signin.provider", code=exc.code, reason=exc.cause.value)
    error = PROVIDER_FAILED
    if isinstance(exc, OidcNoAccount):
        error = NO_ACCOUNT
    elif isinstance(exc, OidcAway):
        error = PROVIDER_AWAY
    words = CAUSES[exc.cause]
    said = words.fr if language_of(request) == "fr" else words.en
    return _login(request, exc.http_status, error=error, cause=exc.cause.value, said=said)


async def to_provider(request: web.Request) -> web.StreamResponse:
    provider = _provider(request)
    try:
        secret, url = await oidc.begin(
            provider,
            _services(request).people,
            redirect_uri=_callback_url(request),
            language=language_of(request),
        )
    except OidcFault as exc:
        return _not_in(request, exc)
    response = web.HTTPSeeOther(url)
    seconds = int(oidc.BEGUN.total_seconds())
    set_cookie(request, response, PROVIDER_COOKIE, secret.value, seconds=seconds)
    raise response


async def from_provider(request: web.Request) -> web.StreamResponse:
    provider = _provider(request)
    value = request.cookies.get(cookie_name(request, PROVIDER_COOKIE), "")
    query = {name: request.query.getall(name) for name in request.query}
    try:
        done = await oidc.finish(
            provider,
            _services(request).people,
            LoginSecret(value),
            query,
            redirect_uri=_callback_url(request),
            address=address_of(request),
            agent=agent_of(request),
        )
    except OidcFault as exc:
        response = _not_in(request, exc)
        remove_cookie(request, response, PROVIDER_COOKIE)
        return response
    target = web.HTTPSeeOther(after(done))
    carry(request, target, done)
    remove_cookie(request, target, PROVIDER_COOKIE)
    raise target


def add(app: web.Application) -> None:
    app.router.add_get("/login", login_page)
    app.router.add_post("/login", login)
    app.router.add_get("/login/code", code_page)
    app.router.add_post("/login/code", code)
    app.router.add_get("/login/password", renew_page)
    app.router.add_post("/login/password", renew)
    app.router.add_get("/login/second-factor", enrol_page)
    app.router.add_post("/login/second-factor", enrol)
    app.router.add_get("/login/provider", to_provider)
    app.router.add_get("/login/provider/callback", from_provider)
    app.router.add_post("/logout", logout)
