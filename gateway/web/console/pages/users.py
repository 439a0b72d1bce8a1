"""Accounts of others, for administrators: list, add, change, disable, reset."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp_jinja2
from aiohttp import web

from gateway.core.errors import Conflict, Forbidden, InvalidParameter, PasserelleError
from gateway.core.people import User
from gateway.core.roles import Permission, Role, Side
from gateway.flows import account, users
from gateway.flows.people import People
from gateway.flows.users import Made
from gateway.web.console.context import told
from gateway.web.console.i18n import N_
from gateway.web.console.services import SERVICES
from gateway.web.console.session import checked_form, require

PAGE: Final = "/console/users"
ROLES: Final = {
    Role.VIEWER: N_("Viewer: sees messages, cases, time limits and balance"),
    Role.OPERATOR: N_("Operator: also sends again, cancels, decides, reveals with a reason"),
    Role.SUPERVISOR: N_("Supervisor: also is the second person, pauses routes, changes quotas"),
    Role.AUDITOR: N_("Auditor: sees everything, the audit log too; changes nothing"),
    Role.ADMINISTRATOR: N_("Administrator: manages users and partners, never messages"),
    Role.EXCLUSION: N_("Exclusion: compares nominees with returned persons"),
    Role.QUOTAS: N_("Quotas: decides about what waits for a quota"),
}
NAMES: Final = {
    Role.VIEWER: N_("viewer"),
    Role.OPERATOR: N_("operator"),
    Role.SUPERVISOR: N_("supervisor"),
    Role.AUDITOR: N_("auditor"),
    Role.ADMINISTRATOR: N_("administrator"),
    Role.EXCLUSION: N_("exclusion"),
    Role.QUOTAS: N_("quotas"),
}
DONE: Final = {
    "changed": N_("The account is changed."),
    "disabled": N_("The account is disabled. Its sessions were ended."),
    "enabled": N_("The account is enabled."),
    "unlocked": N_("The failed attempts are forgotten."),
    "second-factor": N_("The second factor is removed. A new one is set up at the next log-in."),
    "sessions": N_("All sessions of the account were ended."),
}
REFUSED: Final = {
    Conflict: N_("This cannot be done: the name is taken, or this is the last administrator."),
    Forbidden: N_("Nobody changes their own rights. Another administrator does."),
    InvalidParameter: N_(
        "Check the name (a-z, 0-9, . _ @ -) and the roles: an administrator does not also send or decide."
    ),
}


def _people(request: web.Request) -> People:
    return request.app[SERVICES].people


def _admin(request: web.Request) -> User:
    return require(request, Permission.MANAGE_USERS)


def _why(exc: PasserelleError) -> str:
    return next((text for kind, text in REFUSED.items() if isinstance(exc, kind)), exc.detail)


async def _roles_of(request: web.Request) -> list[str]:
    """All boxes that are ticked; ``checked_form`` keeps only one value of a name."""
    form = await request.post()
    return [value for value in form.getall("role", []) if isinstance(value, str)]


def _side(text: str) -> Side:
    try:
        return Side(text)
    except ValueError as exc:
        raise InvalidParameter("the side is uk or fr") from exc


@aiohttp_jinja2.template("users.html")
async def show_all(request: web.Request) -> dict[str, Any]:
    shown = await users.list_users(_people(request), by=_admin(request))
    return {"shown": shown, "names": NAMES}


def _form(
    request: web.Request, status: int = 200, *, error: str | None = None, **values: Any
) -> web.StreamResponse:
    filled: dict[str, Any] = {
        "name": "",
        "display_name": "",
        "side": _admin(request).side.value,
        "language": "",
        "roles": [],
    }
    return aiohttp_jinja2.render_template(
        "user_new.html",
        request,
        {"error": error, "roles_known": ROLES, "filled": filled | values},
        status=status,
    )


async def new_page(request: web.Request) -> web.StreamResponse:
    _admin(request)
    return _form(request)


async def new(request: web.Request) -> web.StreamResponse:
    """The password is in the answer itself: it is shown once and stands in no address."""
    form, roles = await checked_form(request), await _roles_of(request)
    try:
        made = await users.add_user(
            _people(request),
            form.get("name", ""),
            side=_side(form.get("side", "")),
            roles=roles,
            by=_admin(request),
            display_name=form.get("display_name") or None,
            language=form.get("language") or None,
        )
    except (Conflict, InvalidParameter) as exc:
        kept = {k: form.get(k, "") for k in ("name", "display_name", "side", "language")}
        return _form(request, exc.http_status, error=_why(exc), roles=roles, **kept)
    return _handed_over(request, made)


def _handed_over(request: web.Request, made: Made) -> web.StreamResponse:
    return aiohttp_jinja2.render_template("user_password.html", request, {"made": made})


async def _page(request: web.Request, status: int = 200, error: str | None = None) -> web.StreamResponse:
    user = _admin(request)
    shown = await users.show_user(_people(request), request.match_info["name"], by=user)
    return aiohttp_jinja2.render_template(
        "user.html",
        request,
        {
            "shown": shown,
            "record": shown.user,
            "sessions": await account.sessions_of(_people(request), shown.user.name),
            "own": shown.user.name == user.name,
            "roles_known": ROLES,
            "done": told(request, DONE),
            "error": error,
        },
        status=status,
    )


async def show_one(request: web.Request) -> web.StreamResponse:
    return await _page(request)


Work = Callable[[People, str, User], Awaitable[object]]


async def _do(request: web.Request, work: Work, done: str) -> web.StreamResponse:
    """One action, then the page of the account with its result."""
    name, admin = request.match_info["name"], _admin(request)
    try:
        await work(_people(request), name, admin)
    except (Conflict, Forbidden, InvalidParameter) as exc:
        return await _page(request, exc.http_status, _why(exc))
    raise web.HTTPSeeOther(f"{PAGE}/{name}?done={done}")


async def change(request: web.Request) -> web.StreamResponse:
    form, roles = await checked_form(request), await _roles_of(request)

    async def work(people: People, name: str, by: User) -> object:
        return await users.change_user(
            people,
            name,
            by=by,
            roles=roles,
            side=_side(form.get("side", "")),
            language=form.get("language", ""),
            display_name=form.get("display_name", ""),
        )

    return await _do(request, work, "changed")


async def disable(request: web.Request) -> web.StreamResponse:
    return await _do(request, lambda p, n, by: users.set_disabled(p, n, disabled=True, by=by), "disabled")


async def enable(request: web.Request) -> web.StreamResponse:
    return await _do(request, lambda p, n, by: users.set_disabled(p, n, disabled=False, by=by), "enabled")


async def unlock(request: web.Request) -> web.StreamResponse:
    return await _do(request, lambda p, n, by: users.unlock(p, n, by=by), "unlocked")


async def end_sessions(request: web.Request) -> web.StreamResponse:
    return await _do(request, lambda p, n, by: users.end_all_sessions(p, n, by=by), "sessions")


async def reset_factor(request: web.Request) -> web.StreamResponse:
    return await _do(request, lambda p, n, by: users.reset_second_factor(p, n, by=by), "second-factor")


async def reset_password(request: web.Request) -> web.StreamResponse:
    try:
        made = await users.reset_password(_people(request), request.match_info["name"], by=_admin(request))
    except (Conflict, Forbidden) as exc:
        return await _page(request, exc.http_status, _why(exc))
    return _handed_over(request, made)


def add(app: web.Application) -> None:
    app.router.add_get("/users", show_all)
    app.router.add_get("/users/new", new_page)
    app.router.add_post("/users/new", new)
    app.router.add_get("/users/{name}", show_one)
    app.router.add_post("/users/{name}", change)
    app.router.add_post("/users/{name}/disable", disable)
    app.router.add_post("/users/{name}/enable", enable)
    app.router.add_post("/users/{name}/unlock", unlock)
    app.router.add_post("/users/{name}/sessions", end_sessions)
    app.router.add_post("/users/{name}/second-factor", reset_factor)
    app.router.add_post("/users/{name}/password", reset_password)
