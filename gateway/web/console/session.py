"""Who is looking at a page: the session, its CSRF token, and what every answer of the console carries.

Steps of every request, in this order: (1) the session of the cookie, looked up in the store; (2) a request
that changes something comes from our own pages, by its headers and by its token; (3) sign-in first where
there is no session, or the next step of a sign-in that is not finished; (4) the page; (5) the closed
security headers; (6) the language that was asked for.

The cookie is SameSite=Lax, so that links in alerts open the console and the OIDC provider can send people
back; nothing changes with GET. Over TLS its name begins with ``__Host-``: no other host can set it.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

import aiohttp_jinja2
from aiohttp import web
from markupsafe import Markup

from gateway.core.errors import (
    Forbidden,
    FormRefused,
    InvalidParameter,
    NotFound,
    PasserelleError,
    TooLarge,
)
from gateway.core.people import SessionRecord, Stage, UserRecord
from gateway.core.people import User as User
from gateway.core.roles import Permission
from gateway.flows import signin
from gateway.flows.people import SignedIn
from gateway.web.console.i18n import LANGUAGES
from gateway.web.console.services import SERVICES

COOKIE: Final = "passerelle_session"
FORM_COOKIE: Final = "passerelle_form"
LANGUAGE_COOKIE: Final = "passerelle_lang"
CSRF_FIELD: Final = "csrf_token"
LIVE_HEADER: Final = "X-Passerelle-Live"
"""A page that fetches itself again: nobody is at the keyboard, so the session is not kept alive."""
LOGIN: Final = "/console/login"
CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_OPEN: Final = ("/console/static/", f"{LOGIN}/provider")
_NEXT: Final = {
    Stage.CODE: f"{LOGIN}/code",
    Stage.RENEW: f"{LOGIN}/password",
    Stage.ENROL: f"{LOGIN}/second-factor",
}
_FORM: Final = "application/x-www-form-urlencoded"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM_SECONDS: Final = 3600
LARGEST_FORM: Final = 64 * 1024
"""Octets of a form."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Current:
    """The session behind a request, finished or not."""

    session: SessionRecord
    record: UserRecord
    token: str = field(repr=False)


USER: web.RequestKey[User] = web.RequestKey("console_user", User)
CURRENT: web.RequestKey[Current] = web.RequestKey("console_current", Current)
FORM_SECRET: web.RequestKey[str] = web.RequestKey("console_form_secret", str)
LARGE_FORMS: web.AppKey[dict[str, int]] = web.AppKey("console_large_forms", dict)
"""Path → octets of a form there; every other form has ``LARGEST_FORM``."""


# ---- for pages ----------------------------------------------------------------------------------


def user_of(request: web.Request) -> User:
    """The user of a page behind the log-in. Raises LookupError on an open page."""
    return request[USER]


def require(request: web.Request, permission: Permission) -> User:
    """The user, if they may. Raises Forbidden."""
    user = user_of(request)
    if not user.may(permission):
        raise Forbidden(f"this needs the permission {permission.value}, which none of your roles gives")
    return user


async def still_signed_in(request: web.Request) -> bool:
    """Whether the session of a long-lived request still holds. Does not keep it alive. Raises Unavailable."""
    current = request[CURRENT]
    found = await signin.current(request.app[SERVICES].people, current.token, touch=False)
    return found is not None and found[0].stage is Stage.FULL


def csrf_token(request: web.Request) -> str:
    """Bound to the session (before the log-in: to a cookie of its own); another site cannot know it."""
    current = request.get(CURRENT)
    secret = request.get(FORM_SECRET, "") if current is None else current.token
    return hmac.digest(secret.encode(), b"passerelle console form v1", "sha256").hex()


def csrf_field(request: web.Request) -> Markup:
    """The hidden field that every form with ``method="post"`` carries."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(CSRF_FIELD, csrf_token(request))


async def checked_form(request: web.Request) -> Mapping[str, str]:
    """The text fields of a POSTed form (of several with one name, the last), once its CSRF token holds. No
    page has a form of parts (multipart): one is not even read.

    Raises FormRefused, InvalidParameter."""
    if request.content_type != _FORM:
        raise FormRefused("this is no form of the console; open the page and repeat")
    try:
        form = await request.post()
    except (ValueError, LookupError) as exc:  # octets that are no text, an unknown charset
        raise InvalidParameter("the form cannot be read") from exc
    given = str(form.get(CSRF_FIELD, ""))
    if not hmac.compare_digest(given.encode(), csrf_token(request).encode()):
        raise FormRefused("the form is out of date or came from elsewhere; open the page again and repeat")
    return {name: value for name, value in form.items() if isinstance(value, str)}


def address_of(request: web.Request) -> str:
    """Where the request came from: behind proxies that are configured, what the nearest of them says."""
    proxies = [ipaddress.ip_network(p) for p in request.app[SERVICES].settings.console.proxies]
    hops = [part.strip() for part in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")]
    address = request.remote or "unknown"
    while hops and _within(address, proxies):
        nearer = hops.pop()
        if not _is_address(nearer):
            break
        address = nearer
    return address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _within(text: str, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return _is_address(text) and any(ipaddress.ip_address(text) in network for network in networks)


_BROWSERS: Final = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS: Final = ("Windows", "Android", "iPhone", "iPad", "Macintosh", "Linux")


def agent_of(request: web.Request) -> str:
    """Browser and system in two words, as a list of sessions shows them."""
    text = request.headers.get("User-Agent", "")
    browser = next((name for mark, name in _BROWSERS if mark in text), "")
    system = next((name for name in _SYSTEMS if name in text), "")
    return " · ".join(part for part in (browser, system) if part)


def safe_target(path: str) -> str:
    """A page of the console to go on to; anything else is the first page."""
    parts = urlsplit(path)
    ours = path == "/console" or path.startswith("/console/")
    if not ours or parts.scheme or parts.netloc or "\\" in path or path.startswith(LOGIN):
        return "/console"
    return path if path.isprintable() and " " not in path else "/console"


# ---- cookies ------------------------------------------------------------------------------------


def _secure(request: web.Request) -> bool:
    return request.app[SERVICES].secure_cookie


def cookie_name(request: web.Request, name: str) -> str:
    """With the prefix that binds it to this host, over TLS (RFC 6265bis 4.1.3)."""
    return f"__Host-{name}" if _secure(request) else name


def set_cookie(
    request: web.Request, response: web.StreamResponse, name: str, value: str, *, seconds: int
) -> None:
    secure = _secure(request)
    response.set_cookie(
        cookie_name(request, name),
        value,
        max_age=seconds,
        path="/" if secure else "/console",
        httponly=True,
        secure=secure,
        samesite="Lax",
    )


def remove_cookie(request: web.Request, response: web.StreamResponse, name: str) -> None:
    secure = _secure(request)
    response.del_cookie(
        cookie_name(request, name),
        path="/" if secure else "/console",
        secure=secure,
        httponly=True,
        samesite="Lax",
    )


def carry(request: web.Request, response: web.StreamResponse, done: SignedIn) -> None:
    """Gives the browser the token of a new session."""
    left = done.session.expires_at - done.session.created_at
    set_cookie(request, response, COOKIE, done.token, seconds=int(left.total_seconds()))


def adopt(request: web.Request, done: SignedIn) -> None:
    """For a page shown in the very answer that changes the session: its forms belong to the new one."""
    request[CURRENT] = Current(session=done.session, record=done.user, token=done.token)
    if done.session.stage is Stage.FULL:
        request[USER] = done.user.as_user()


def forget(request: web.Request) -> None:
    """The session has ended while the page was made: its forms are those of somebody new."""
    if CURRENT in request:
        del request[CURRENT]
    if USER in request:
        del request[USER]
    request[FORM_SECRET] = secrets.token_urlsafe(32)


def after(done: SignedIn, target: str = "/console") -> str:
    """Where a sign-in goes on."""
    stage = done.session.stage
    if stage is Stage.FULL:
        return target
    return _NEXT[stage] if target == "/console" else f"{_NEXT[stage]}?next={quote(target)}"


# ---- every request ------------------------------------------------------------------------------


async def _look_up(request: web.Request) -> None:
    """(1)"""
    token = request.cookies.get(cookie_name(request, COOKIE), "")
    touch = LIVE_HEADER not in request.headers and request.path != "/console/events"
    found = await signin.current(request.app[SERVICES].people, token, touch=touch) if token else None
    if found is None:
        request[FORM_SECRET] = request.cookies.get(
            cookie_name(request, FORM_COOKIE), ""
        ) or secrets.token_urlsafe(32)
        return
    session, record = found
    request[CURRENT] = Current(session=session, record=record, token=token)
    if session.stage is Stage.FULL:
        request[USER] = record.as_user()


def _check_origin(request: web.Request) -> None:
    """A browser says where a form was: Sec-Fetch-Site, and Origin, which is ``null`` where the browser or
    a proxy keeps it back: then the former and the CSRF token decide. Raises FormRefused."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    elsewhere = site is not None and site not in {"same-origin", "none"}
    if origin == "null" and site == "same-origin":
        origin = None
    ours = {
        request.host,
        urlsplit(request.app[SERVICES].exchange.issuer).netloc,
    }  # as bound; as the public knows us
    if origin is not None and urlsplit(origin).netloc not in ours:
        elsewhere = True
    if elsewhere:
        raise FormRefused("the form came from elsewhere; open the page here and repeat")


def _redirect(request: web.Request) -> str | None:
    """(3) Where to go first; None when the page may be opened."""
    if request.path.startswith(_OPEN):
        return None
    current = request.get(CURRENT)
    if request.path == LOGIN or request.path == "/console/logout":
        return None
    if current is None:
        wanted = request.path if request.method == "GET" and request.path != "/console" else ""
        return f"{LOGIN}?next={quote(wanted)}" if wanted and not request.path.startswith(LOGIN) else LOGIN
    stage = current.session.stage
    if stage is Stage.FULL:
        return "/console" if request.path in _NEXT.values() else None
    return None if request.path == _NEXT[stage] else _NEXT[stage]


def error_page(request: web.Request, exc: PasserelleError) -> web.Response:
    """What went wrong, with its code, as a page of the console."""
    return aiohttp_jinja2.render_template(
        "error.html", request, {"code": exc.code, "detail": exc.detail}, status=exc.http_status
    )


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return error_page(request, TooLarge("the form is larger than this page takes"))
    except web.HTTPNotFound:
        return error_page(request, NotFound("there is no page at this address"))
    except PasserelleError as exc:
        return error_page(request, exc)


def _limited(request: web.Request) -> web.Request:
    """The request with the size that its form may have: the limit that aiohttp set is that of the whole
    server, for which documents travel too. Where a page asks for large forms, whoever is signed in may send
    one; nobody else anywhere."""
    most = request.app[LARGE_FORMS].get(request.path, 0) if USER in request else 0
    return request.clone(client_max_size=max(most, LARGEST_FORM))


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Steps (2) to (4); runs inside what fills the templates, so that a refusal is a page too."""
    if request.method not in _SAFE:  # (2)
        _check_origin(request)
        await checked_form(request)
    target = _redirect(request)  # (3)
    if target is not None:
        raise web.HTTPSeeOther(target)
    return await handler(request)  # (4)


def _finish(request: web.Request, response: web.StreamResponse) -> None:
    secure_headers(response)  # (5)
    if _secure(request):
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    secret = request.get(FORM_SECRET)
    if secret and request.cookies.get(cookie_name(request, FORM_COOKIE)) != secret:
        set_cookie(request, response, FORM_COOKIE, secret, seconds=_FORM_SECONDS)
    if request.query.get("lang") in LANGUAGES:  # (6)
        response.set_cookie(
            LANGUAGE_COOKIE,
            request.query["lang"],
            path="/console",
            httponly=True,
            secure=_secure(request),
            samesite="Lax",
        )


@web.middleware
async def protect(request: web.Request, handler: Handler) -> web.StreamResponse:
    """See the head of this module. Raises what aiohttp raises for redirects and wrong methods."""
    if request.path.startswith("/console/static/"):
        response = await handler(request)
        secure_headers(response)
        return response
    await _look_up(request)  # (1)
    if request.method not in _SAFE:
        request = _limited(request)  # before anything keeps the request: what a page adopts is finished here
    try:
        response = await _answer(request, handler)
    except web.HTTPException as exc:
        _finish(request, exc)
        raise
    if not response.prepared:  # a stream has sent its headers itself
        _finish(request, response)
    return response


def secure_headers(response: web.StreamResponse) -> None:
    """For every answer of the console, streams too (before they begin)."""
    response.headers["Content-Security-Policy"] = CSP
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "same-origin"  # with no-referrer a browser says Origin: null
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers.setdefault("Cache-Control", "no-store")
