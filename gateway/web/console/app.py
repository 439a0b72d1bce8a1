"""Routes and handlers of the console. Every page needs a session; nothing here changes a message."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http.cookies import CookieError
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp_jinja2
import jinja2
from aiohttp import web

from contracts import codelists
from contracts.codes import Direction, MessageType
from gateway.core.errors import InvalidParameter, NotFound, PasserelleError
from gateway.core.records import EvidenceKind, MessageRecord, MessageStatus
from gateway.core.treaty.agreement import Agreement, uk_fr
from gateway.flows import deadline_views
from gateway.flows.ports import Clock, MessageFilter, Store
from gateway.web.console.accounts import SESSION_HOURS, Accounts, Operator, Sessions
from gateway.web.console.i18n import LANGUAGES, Language, translate

HERE = Path(__file__).parent
COOKIE = "passerelle_session"
PAGE_SIZE = 50
PROOF_NAMES = {
    EvidenceKind.AS4_USER_MESSAGE: "AS4 message as signed",
    EvidenceKind.NRR_RECEIPT: "non-repudiation receipt (NRR)",
    EvidenceKind.AS4_ERROR: "AS4 error signal",
    EvidenceKind.UK_REQUEST_JWS: "signature of the UK request (JWS)",
    EvidenceKind.UK_RECEIPT_JWS: "our receipt to the UK (JWS)",
}
NEEDS_ACTION = (MessageStatus.FAILED, MessageStatus.HELD, MessageStatus.REJECTED)
MAX_LOGIN_FAILURES = 10
LOCKOUT = dt.timedelta(minutes=15)
CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsoleServices:
    store: Store
    clock: Clock
    accounts: Accounts
    sessions: Sessions
    secure_cookie: bool
    """True when the console is served over TLS."""
    agreement: Agreement = field(default_factory=uk_fr)
    """Names its clocks."""


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


SERVICES: web.AppKey[ConsoleServices] = web.AppKey("console_services", ConsoleServices)
GUARD: web.AppKey[LoginGuard] = web.AppKey("console_guard", LoginGuard)
OPERATOR: web.RequestKey[Operator] = web.RequestKey("console_operator", Operator)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _language(request: web.Request) -> Language:
    """Asked for, else remembered, else the operator's, else the browser's."""
    operator = request.get(OPERATOR)
    wishes = (
        request.query.get("lang"),
        request.cookies.get("passerelle_lang"),
        operator.language if operator else None,
        request.headers.get("Accept-Language", "")[:2].lower(),
    )
    for wish in wishes:
        if wish == "fr":
            return "fr"
        if wish == "en":
            return "en"
    return "en"


def _both_zones(value: dt.datetime | None) -> str:
    """One instant as both capitals read it."""
    if value is None:
        return "—"
    london = value.astimezone(ZoneInfo("Europe/London"))
    paris = value.astimezone(ZoneInfo("Europe/Paris"))
    return f"{london:%Y-%m-%d %H:%M:%S} {london.tzname()} · {paris:%H:%M:%S} {paris.tzname()}"


def _age(value: dt.datetime, now: dt.datetime) -> str:
    seconds = max(0, int((now - value).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


async def _context(request: web.Request) -> dict[str, Any]:
    language = _language(request)
    now = request.app[SERVICES].clock.now()
    return {
        "lang": language,
        "other_lang": "fr" if language == "en" else "en",
        "path": request.path,
        "query": {k: v for k, v in request.query.items() if k != "lang"},
        "operator": request.get(OPERATOR),
        "_": lambda text: translate(text, language),
        "label": lambda member: codelists.label(member, language),
        "zones": _both_zones,
        "age": lambda value: _age(value, now),
    }


@web.middleware
async def _protect(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Session, security headers, language cookie: for every page, in this order."""
    services = request.app[SERVICES]
    cookie = request.cookies.get(COOKIE, "")
    try:
        operator = services.sessions.read(cookie, services.clock.now()) if cookie else None
    except (ValueError, CookieError):
        operator = None
    open_path = request.path.startswith("/console/static/") or request.path == "/console/login"
    if operator is not None:
        request[OPERATOR] = operator
    elif not open_path:
        raise web.HTTPSeeOther("/console/login")
    try:
        response = await handler(request)
    except PasserelleError as exc:
        response = aiohttp_jinja2.render_template(
            "error.html", request, {"code": exc.code, "detail": exc.detail}, status=exc.http_status
        )
    response.headers["Content-Security-Policy"] = CSP
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    if request.query.get("lang") in LANGUAGES:
        response.set_cookie(
            "passerelle_lang", request.query["lang"], path="/console", httponly=True, samesite="Strict"
        )
    return response


async def login_page(request: web.Request) -> web.StreamResponse:
    return aiohttp_jinja2.render_template("login.html", request, {"error": None})


async def login(request: web.Request) -> web.StreamResponse:
    services, guard = request.app[SERVICES], request.app[GUARD]
    now = services.clock.now()
    form = await request.post()
    name, password = str(form.get("name", ""))[:128], str(form.get("password", ""))[:256]
    operator = None
    if not guard.locked(name, now):
        operator = await asyncio.to_thread(services.accounts.check, name, password)
    if operator is None:
        guard.failed(name, now)
        error = (
            "Too many attempts: wait fifteen minutes."
            if guard.locked(name, now)
            else ("The name or the password is wrong.")
        )
        return aiohttp_jinja2.render_template("login.html", request, {"error": error}, status=401)
    guard.succeeded(name)
    async with services.store.begin() as tx:
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
    response = web.HTTPSeeOther("/console/login")
    response.del_cookie(COOKIE, path="/console")
    raise response


async def _route_card(store: Store, direction: Direction) -> dict[str, Any]:
    async with store.begin() as tx:
        newest = await tx.list_messages(MessageFilter(direction=direction), limit=1)
        waiting = [
            (
                await tx.list_messages(
                    MessageFilter(direction=direction, status=s), limit=1, newest_first=False
                )
            )
            for s in (MessageStatus.ACCEPTED, MessageStatus.SENDING)
        ]
    oldest = [page.items[0] for page in waiting if page.items]
    return {
        "direction": direction,
        "newest": newest.items[0] if newest.items else None,
        "oldest": min(oldest, key=lambda r: r.sequence) if oldest else None,
    }


@aiohttp_jinja2.template("home.html")
async def home(request: web.Request) -> dict[str, Any]:
    store = request.app[SERVICES].store
    action: list[MessageRecord] = []
    async with store.begin() as tx:
        for status in NEEDS_ACTION:
            action += (await tx.list_messages(MessageFilter(status=status), limit=20)).items
        backlog = sum((await tx.backlog()).values())
        deadlines = await deadline_views.attention(tx, request.app[SERVICES].agreement)
    return {
        "deadlines": deadlines,
        "action": sorted(action, key=lambda r: r.sequence),
        "routes": [await _route_card(store, direction) for direction in Direction],
        "backlog": backlog,
    }


def _filter(request: web.Request) -> MessageFilter:
    query = request.query

    def pick(kind: type[Any], name: str) -> Any:
        try:
            return kind(query[name]) if query.get(name) else None
        except ValueError as exc:
            raise InvalidParameter(f"{name} has no such value") from exc

    return MessageFilter(
        reference=query.get("reference") or None,
        type=pick(MessageType, "type"),
        direction=pick(Direction, "direction"),
        status=pick(MessageStatus, "status"),
    )


@aiohttp_jinja2.template("messages.html")
async def messages(request: web.Request) -> dict[str, Any]:
    where = _filter(request)
    async with request.app[SERVICES].store.begin() as tx:
        page = await tx.list_messages(where, cursor=request.query.get("cursor"), limit=PAGE_SIZE)
    return {
        "page": page,
        "where": where,
        "types": list(MessageType),
        "statuses": list(MessageStatus),
        "directions": list(Direction),
    }


@aiohttp_jinja2.template("message.html")
async def message(request: web.Request) -> dict[str, Any]:
    message_id = request.match_info["message_id"]
    async with request.app[SERVICES].store.begin() as tx:
        record = await tx.get_message(message_id)
        if record is None:
            raise NotFound("no such message")
        attempts = await tx.attempts(message_id)
        evidence = await tx.evidence(message_id)
        case = await tx.get_case(record.reference)
    return {
        "record": record,
        "attempts": attempts,
        "evidence": evidence,
        "case": case,
        "proof_names": PROOF_NAMES,
    }


@aiohttp_jinja2.template("case.html")
async def case(request: web.Request) -> dict[str, Any]:
    reference = request.match_info["reference"]
    async with request.app[SERVICES].store.begin() as tx:
        record = await tx.get_case(reference)
        if record is None:
            raise NotFound("no such case")
        page = await tx.list_messages(MessageFilter(reference=reference), limit=200, newest_first=False)
        deadlines = await deadline_views.of_case(tx, request.app[SERVICES].agreement, reference)
    return {"case": record, "items": page.items, "deadlines": deadlines}


def make_console(services: ConsoleServices) -> web.Application:
    """The console as a sub-application: ``app.add_subapp("/console", make_console(services))``."""
    app = web.Application(middlewares=[_protect], client_max_size=16 * 1024)
    app[SERVICES] = services
    app[GUARD] = LoginGuard()
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        context_processors=[_context],
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    app.router.add_get("", home)
    app.router.add_get("/login", login_page)
    app.router.add_post("/login", login)
    app.router.add_post("/logout", logout)
    app.router.add_get("/messages", messages)
    app.router.add_get("/messages/{message_id}", message)
    app.router.add_get("/cases/{reference}", case)
    app.router.add_static("/static/", HERE / "static")
    return app
