"""Who is looking at a page: the session, its CSRF token, and what every answer of the console carries.

Steps of every request, in this order: (1) the session, (2) log-in first where there is none, (3) the page,
(4) the closed security headers, (5) the language that was asked for.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError
from typing import Final

import aiohttp_jinja2
from aiohttp import web
from markupsafe import Markup

from gateway.core.errors import Forbidden, NotFound, PasserelleError
from gateway.core.roles import Permission, Role, Side, permissions
from gateway.web.console.i18n import LANGUAGES
from gateway.web.console.services import SERVICES

COOKIE: Final = "passerelle_session"
LANGUAGE_COOKIE: Final = "passerelle_lang"
CSRF_FIELD: Final = "csrf_token"
CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_OPEN: Final = ("/console/static/", "/console/login")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Somebody who has logged in."""

    name: str
    display_name: str
    side: Side
    roles: frozenset[Role]
    language: str
    """``en`` or ``fr``: the preference, which the switch on every page overrides."""

    def may(self, permission: Permission) -> bool:
        return permission in permissions(self.roles)

    @property
    def actor(self) -> str:
        """As in the audit log."""
        return f"operator:{self.name}"


USER: web.RequestKey[User] = web.RequestKey("console_user", User)


def user_of(request: web.Request) -> User:
    """The user of a page behind the log-in. Raises LookupError on an open page."""
    return request[USER]


def require(request: web.Request, permission: Permission) -> User:
    """The user, if they may. Raises Forbidden."""
    user = user_of(request)
    if not user.may(permission):
        raise Forbidden(f"this needs the permission {permission.value}, which none of your roles gives")
    return user


def csrf_token(request: web.Request) -> str:
    """Bound to the session: another site cannot know it."""
    key = request.app[SERVICES].sessions.csrf_key
    return hmac.digest(key, request.cookies.get(COOKIE, "").encode(), "sha256").hex()


def csrf_field(request: web.Request) -> Markup:
    """The hidden field that every form with ``method="post"`` carries."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(CSRF_FIELD, csrf_token(request))


async def checked_form(request: web.Request) -> Mapping[str, str]:
    """The text fields of a POSTed form (of several with one name, the last), once its CSRF token holds.

    Raises Forbidden."""
    form = await request.post()
    given = str(form.get(CSRF_FIELD, ""))
    if not hmac.compare_digest(given.encode(), csrf_token(request).encode()):
        raise Forbidden("the form is out of date or came from elsewhere; open the page again and repeat")
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _session(request: web.Request) -> User | None:
    services = request.app[SERVICES]
    cookie = request.cookies.get(COOKIE, "")
    try:
        operator = services.sessions.read(cookie, services.exchange.clock.now()) if cookie else None
    except (ValueError, CookieError):
        return None
    known = None if operator is None else services.accounts.find(operator.name)
    if known is None:
        return None
    return User(
        name=known.name,
        display_name=known.name,
        side=Side.FR if known.language == "fr" else Side.UK,
        roles=frozenset(Role(role) for role in known.roles),
        language=known.language,
    )


def error_page(request: web.Request, exc: PasserelleError) -> web.Response:
    """What went wrong, with its code, as a page of the console."""
    return aiohttp_jinja2.render_template(
        "error.html", request, {"code": exc.code, "detail": exc.detail}, status=exc.http_status
    )


@web.middleware
async def protect(request: web.Request, handler: Handler) -> web.StreamResponse:
    """See the head of this module. Raises HTTPSeeOther towards the log-in."""
    user = _session(request)  # (1)
    if user is not None:
        request[USER] = user
    elif not request.path.startswith(_OPEN):
        raise web.HTTPSeeOther("/console/login")  # (2)
    response: web.StreamResponse
    try:
        response = await handler(request)  # (3)
    except web.HTTPNotFound:
        response = error_page(request, NotFound("there is no page at this address"))
    except PasserelleError as exc:
        response = error_page(request, exc)
    if response.prepared:  # a stream has sent its headers itself
        return response
    secure_headers(response)  # (4)
    if request.query.get("lang") in LANGUAGES:  # (5)
        response.set_cookie(
            LANGUAGE_COOKIE, request.query["lang"], path="/console", httponly=True, samesite="Strict"
        )
    return response


def secure_headers(response: web.StreamResponse) -> None:
    """For every answer of the console, streams too (before they begin)."""
    response.headers["Content-Security-Policy"] = CSP
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers.setdefault("Cache-Control", "no-store")
