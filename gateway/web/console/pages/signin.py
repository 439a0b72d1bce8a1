"""Log-in and log-out."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Final

import aiohttp_jinja2
from aiohttp import web

from gateway.web.console.accounts import SESSION_HOURS
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES
from gateway.web.console.session import COOKIE, checked_form

MAX_LOGIN_FAILURES: Final = 10
LOCKOUT: Final = dt.timedelta(minutes=15)


class LoginGuard:
    """Locks a name out after too many wrong passwords, for a quarter of an hour."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, dt.datetime]] = {}

    def locked(self, name: str, now: dt.datetime) -> bool:
        count, since = self._failures.get(name, (0, now))
        return count >= MAX_LOGIN_FAILURES and now - since < LOCKOUT

    def failed(self, name: str, now: dt.datetime) -> None:
        count, since = self._failures.get(name, (0, now))
        fresh = now - since >= LOCKOUT
        self._failures[name] = (1 if fresh else count + 1, now)
        if len(self._failures) > 10_000:
            self._failures.clear()

    def succeeded(self, name: str) -> None:
        self._failures.pop(name, None)


GUARD: web.AppKey[LoginGuard] = web.AppKey("console_guard", LoginGuard)


async def login_page(request: web.Request) -> web.StreamResponse:
    return aiohttp_jinja2.render_template("login.html", request, {"error": None})


async def login(request: web.Request) -> web.StreamResponse:
    services, guard = request.app[SERVICES], request.app[GUARD]
    exchange = services.exchange
    now = exchange.clock.now()
    form = await request.post()
    name, password = str(form.get("name", ""))[:128], str(form.get("password", ""))[:256]
    operator = None
    if not guard.locked(name, now):
        operator = await asyncio.to_thread(services.accounts.check, name, password)
    if operator is None:
        guard.failed(name, now)
        error = (
            N_("Too many attempts: wait fifteen minutes.")
            if guard.locked(name, now)
            else N_("The name or the password is wrong.")
        )
        return aiohttp_jinja2.render_template("login.html", request, {"error": error}, status=401)
    guard.succeeded(name)
    async with exchange.store.begin() as tx:
        await tx.append_audit(
            at=now, actor=f"operator:{operator.name}", action="console.login", subject="console", data={}
        )
    response = web.HTTPSeeOther("/console")
    response.set_cookie(
        COOKIE,
        services.sessions.issue(operator, now),
        max_age=SESSION_HOURS * 3600,
        path="/console",
        httponly=True,
        secure=services.secure_cookie,
        samesite="Strict",
    )
    raise response


async def logout(request: web.Request) -> web.StreamResponse:
    await checked_form(request)
    response = web.HTTPSeeOther("/console/login")
    response.del_cookie(COOKIE, path="/console")
    raise response


def add(app: web.Application) -> None:
    app[GUARD] = LoginGuard()
    app.router.add_get("/login", login_page)
    app.router.add_post("/login", login)
    app.router.add_post("/logout", logout)
