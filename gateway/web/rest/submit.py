"""The POST routes: each names the message type that it takes, the kind of case and the scope."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from contracts.codes import CaseKind, MessageType
from contracts.model import REFERENCE_PATTERN, UUID_PATTERN
from contracts.ports import ContractError
from gateway.core.errors import (
    IdempotencyKeyMissing,
    IdempotencyKeyRunning,
    InvalidParameter,
    NotFound,
    PasserelleError,
)
from gateway.core.jws import verify_detached
from gateway.flows.accept_uk import Submission, accept, validate
from gateway.flows.dry_run import JUDGED, Rehearsal, refused, rehearse
from gateway.flows.refusals import audit_refusal
from gateway.flows.watch import Taken
from gateway.web.expect import expect_later
from gateway.web.health import METRICS
from gateway.web.rest.auth import authenticate
from gateway.web.rest.bodies import Reading, Uploads, read_posted
from gateway.web.rest.clients import Client
from gateway.web.rest.http import CORRELATION, SIGNATURE_HEADER, TAKEN, accepts, json_response
from gateway.web.rest.problems import problem_of
from gateway.web.services import SERVICES

_REFERENCE: Final = re.compile(REFERENCE_PATTERN.strip("^$"))
_UUID: Final = re.compile(UUID_PATTERN.strip("^$"))
_MAX_KEY = 255
RUNNING: web.AppKey[set[tuple[str, str]]] = web.AppKey("running", set)
"""(client, Idempotency-Key) of requests that this node is working on; the database decides between nodes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PostRoute:
    path: str
    type: MessageType
    kind: CaseKind | None
    scope: str


_R, _N = CaseKind.READMISSION, CaseKind.NOMINATION
_RW, _NW = "readmission.write", "nomination.write"
_RP, _NP = "/v1/readmission-requests", "/v1/nominations"

ROUTES: Final = tuple(
    PostRoute(path=path, type=kind, kind=case, scope=scope)
    for path, kind, case, scope in (
        (_RP, MessageType.READMISSION_REQUEST, _R, _RW),
        (f"{_RP}/{{reference}}/transfer-notices", MessageType.TRANSFER_NOTICE, _R, _RW),
        (f"{_RP}/{{reference}}/transfer-outcomes", MessageType.TRANSFER_OUTCOME, _R, _RW),
        (f"{_RP}/{{reference}}/withdrawals", MessageType.WITHDRAWAL, _R, _RW),
        (f"{_RP}/{{reference}}/corrections", MessageType.CORRECTION, _R, _RW),
        (f"{_RP}/{{reference}}/documents", MessageType.SUPPLEMENTARY_DOCUMENT, _R, _RW),
        (f"{_RP}/{{reference}}/status-updates", MessageType.STATUS_UPDATE, _R, _RW),
        (_NP, MessageType.NOMINATION, _N, _NW),
        (f"{_NP}/{{reference}}/outcomes", MessageType.NOMINATION_OUTCOME, _N, _NW),
        (f"{_NP}/{{reference}}/admissions", MessageType.ADMISSION_OUTCOME, _N, _NW),
        (f"{_NP}/{{reference}}/withdrawals", MessageType.WITHDRAWAL, _N, _NW),
        (f"{_NP}/{{reference}}/status-updates", MessageType.STATUS_UPDATE, _N, _NW),
        (
            "/v1/inbox/{id}/acknowledgements",
            MessageType.ACKNOWLEDGEMENT,
            None,
            "inbox.acknowledge",
        ),
    )
)


def is_reference(text: str) -> bool:
    """Whether the text has the form of a case reference."""
    return _REFERENCE.fullmatch(text) is not None


def reference_of(request: web.Request) -> str:
    """The case reference of the path. Raises NotFound for anything that cannot be one."""
    reference = request.match_info["reference"]
    if not _REFERENCE.fullmatch(reference):
        raise NotFound("no such case")
    return reference


def message_id_of(request: web.Request) -> str:
    """The message id of the path. Raises NotFound for anything that cannot be one."""
    message_id = request.match_info["id"]
    if not _UUID.fullmatch(message_id):
        raise NotFound("no such message")
    return message_id


def idempotency_key(request: web.Request) -> str:
    """Quoted (IETF draft) or raw; 1 to 255 printable ASCII characters."""
    raw = request.headers.get("Idempotency-Key")
    if raw is None:
        raise IdempotencyKeyMissing("Idempotency-Key is missing: send a fresh UUID with every new message")
    key = raw.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= _MAX_KEY or not key.isascii() or not key.isprintable() or '"' in key:
        raise InvalidParameter("Idempotency-Key must be 1 to 255 printable ASCII characters")
    return key


def wants_dry_run(request: web.Request) -> bool:
    """``?dry_run=true``. Raises InvalidParameter for anything else: a message that was only to be tried must
    not be sent because of a typing error."""
    given = list(request.query.items())
    if given in ([], [("dry_run", "false")]):
        return False
    if given == [("dry_run", "true")]:
        return True
    raise InvalidParameter("allowed query parameter: dry_run, once, true or false")


def handler_of(route: PostRoute) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler: (1) caller, (2) key, one request at a time for each, then ``_take``; a dry run: (1) only."""

    async def post(request: web.Request) -> web.Response:
        accepts(request, "application/json")
        client = authenticate(request, route.scope)  # (1)
        if wants_dry_run(request):
            return await _try(request, route, client)
        key = idempotency_key(request)  # (2)
        running = request.app[RUNNING]
        if (client.client_id, key) in running:
            raise IdempotencyKeyRunning("the first request with this Idempotency-Key is still running")
        running.add((client.client_id, key))
        try:
            return await _take(request, route, client, key)
        except (PasserelleError, ContractError) as exc:
            await _refused(request, route, client, exc)
            raise
        finally:
            running.discard((client.client_id, key))

    return post


async def _refused(
    request: web.Request, route: PostRoute, client: Client, exc: PasserelleError | ContractError
) -> None:
    """Count and audit a refusal of an authenticated client; what a retry may cure is no refusal."""
    error = problem_of(exc)
    request.app[METRICS].refused.labels(error.code).inc()
    if error.retry_helps or error.http_status >= 500:
        return
    named = request.match_info.get("reference") or request.match_info.get("id")
    await audit_refusal(
        request.app[SERVICES].exchange,
        error,
        client_id=client.client_id,
        message_type=route.type,
        subject=named if named and (_REFERENCE.fullmatch(named) or _UUID.fullmatch(named)) else None,
        correlation_id=request[CORRELATION],
    )


async def _read(
    request: web.Request, route: PostRoute, client: Client, key: str, uploads: Uploads
) -> Submission:
    """(1) path, (2) signature and contract while reading."""
    exchange = request.app[SERVICES].exchange
    reference = reference_of(request) if "reference" in request.match_info else None  # (1)
    acknowledges = message_id_of(request) if "id" in request.match_info else None
    signature = request.headers.getall(SIGNATURE_HEADER, [])
    if len(signature) > 1:
        raise InvalidParameter("x-jws-signature is repeated")
    how = Reading(
        limits=exchange.limits,
        verify=lambda body: verify_detached(body, next(iter(signature), None), keys=client.keys),
        judge=lambda body: validate(exchange, body, route.type, acknowledges=acknowledges),
    )
    posted = await read_posted(request, how, uploads)  # (2)
    return Submission(
        body=posted.body,
        document=posted.document,
        attachments=posted.attachments,
        client_id=client.client_id,
        expected=route.type,
        kind=route.kind,
        reference=reference,
        acknowledges=acknowledges,
        idempotency_key=key,
        target=f"POST {request.path}",
        correlation_id=request[CORRELATION],
    )


async def _take(request: web.Request, route: PostRoute, client: Client, key: str) -> web.Response:
    """(1) read, (2) the flow, (3) the stored answer."""
    exchange, metrics = request.app[SERVICES].exchange, request.app[METRICS]
    async with Uploads(exchange.store) as uploads:
        submission = await _read(request, route, client, key, uploads)  # (1)
        started = exchange.clock.now()
        accepted = await accept(exchange, submission)  # (2)
        if accepted.record is not None:
            uploads.keep()
    if accepted.record is not None:
        metrics.accepted.labels(accepted.record.type.value, accepted.record.status.value).inc()
        request[TAKEN] = accepted.record
        exchange.watch.taken(
            Taken(record=accepted.record, started_at=started, stored_at=exchange.clock.now())
        )
    answer = accepted.answer  # (3)
    return web.Response(status=answer.status, headers=dict(answer.headers), body=answer.body)


async def _try(request: web.Request, route: PostRoute, client: Client) -> web.Response:
    """A dry run: read and judged like any other, then undone; counted, and nothing else is written."""
    verdict = await _verdict(request, route, client)
    request.app[METRICS].dry_runs.labels(route.type.value, verdict.outcome.value).inc()
    return json_response(verdict.document())


async def _verdict(request: web.Request, route: PostRoute, client: Client) -> Rehearsal:
    """Raises what is not about the message: caller, signature, path, sizes, media types."""
    exchange = request.app[SERVICES].exchange
    async with Uploads(exchange.store) as uploads:
        try:
            submission = await _read(request, route, client, exchange.clock.new_id(), uploads)
        except (PasserelleError, ContractError) as exc:
            error = problem_of(exc)
            if not isinstance(error, JUDGED):
                raise
            return refused(route.type, error.problems)
        return await rehearse(exchange, submission)


def add_posts(app: web.Application) -> None:
    app[RUNNING] = set()
    for route in ROUTES:
        app.router.add_post(route.path, handler_of(route), expect_handler=expect_later)
