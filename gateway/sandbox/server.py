"""The simulated French ministry: its AS4 endpoint, its own sending, and a control endpoint on loopback.

It speaks through the same core library as the gateway, from the other side (``AccessPoint`` with FR_TO_UK):
it decrypts, verifies, validates against the French contract, remembers, and only then sends its receipt.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from contracts.codes import MessageType
from contracts.ports import ContractError
from gateway.core.as4.content import Octets, whole
from gateway.core.as4.pmode import ReceiptReply
from gateway.core.as4.verified import (
    Verified,
    VerifiedError,
    VerifiedPullRequest,
    VerifiedReceipt,
    VerifiedUserMessage,
)
from gateway.core.errors import As4Error, ConfigError, EmptyChannel, PasserelleError, PayloadRefused
from gateway.flows.access_point import AccessPoint
from gateway.flows.contents import in_thread
from gateway.flows.deliver import PASSING, error_code
from gateway.flows.ports import Clock, HttpAnswer, Transport
from gateway.logs import get_logger
from gateway.sandbox import pulling
from gateway.sandbox.brain import Brain, opening_service
from gateway.sandbox.memory import Memory, Received, Sending
from gateway.sandbox.received import document_of, keep_attachments, read_body
from gateway.sandbox.script import Script, parse_script
from gateway.transport.spool import FileContent

_SIGNALS: Final = ("application/soap+xml", "multipart/related")
_CONCURRENT: Final = 8


@dataclass(kw_only=True)
class Outage:
    """``down``: HTTP 503 until a loop time or for so many requests; both zero means open."""

    until: float = 0.0
    requests: int = 0

    def hits(self, now: float) -> bool:
        """Whether this request meets a closed door; counts it."""
        if now < self.until:
            return True
        if self.requests > 0:
            self.requests -= 1
            return True
        return False


@dataclass(kw_only=True)
class Ministry:
    """The running sandbox. ``retry_s``: waits between its own attempts; the last one repeats."""

    access_point: AccessPoint
    brain: Brain
    memory: Memory
    transport: Transport
    clock: Clock
    gateway_url: str
    files: Path
    """Folder of the attachments that came."""
    retry_s: tuple[float, ...] = (0.2, 0.5, 1, 2, 5)
    max_attempts: int = 200
    max_bytes: int = 600_000_000
    outage: Outage = field(default_factory=Outage)

    def __post_init__(self) -> None:
        self._wake = asyncio.Event()
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: dict[str, int] = {}

    # ---- receiving ------------------------------------------------------------------------------

    async def post_as4(self, request: web.Request) -> web.StreamResponse:
        body = await read_body(request, self.max_bytes, self.files.parent)
        try:
            return await self._answer(request, body)
        finally:
            if isinstance(body, FileContent):
                body.close()

    async def _answer(self, request: web.Request, body: Octets) -> web.StreamResponse:
        if self.outage.hits(asyncio.get_running_loop().time()):
            return web.Response(status=503)
        now = self.clock.now()
        verified: VerifiedUserMessage | None = None
        try:
            opened = await self._opened(request.headers.get("Content-Type", ""), body, now)
            if isinstance(opened, VerifiedPullRequest):
                return pulling.give_out(self, opened)
            if not isinstance(opened, VerifiedUserMessage):
                return pulling.settle(self, opened)
            verified = opened
            return self._replied(request, verified, await self.take_in(verified))
        except As4Error as exc:
            return self.refuse(exc, verified)

    def refuse(self, exc: As4Error, verified: VerifiedUserMessage | None) -> web.Response:
        """A signed error; nothing but HTTP 400 for a receipt or error that is refused."""
        if not isinstance(exc, EmptyChannel):
            self._refused[exc.code] = self._refused.get(exc.code, 0) + 1
        if exc.of_signal:
            return web.Response(status=400)
        ref_to = exc.ref_to_message_id
        if verified is not None:
            ref_to, exc.security_profile = verified.message.message_id, verified.pmode.security
        now = self.clock.now()
        sealed = self.access_point.error(exc, signal_id=self.clock.new_id(), now=now, ref_to=ref_to)
        return web.Response(body=sealed.body, headers={"Content-Type": sealed.content_type})

    async def _opened(self, content_type: str, body: Octets, now: dt.datetime) -> Verified:
        def work() -> Verified:
            return self.access_point.open_posted(content_type, body, now=now)

        return work() if isinstance(body, bytes) else await in_thread(work)

    def _replied(
        self, request: web.Request, verified: VerifiedUserMessage, reply: web.Response | None
    ) -> web.StreamResponse:
        """The reply as the P-Mode wants it: in the response, or by callback after a 202."""
        if reply is None:
            return _break_connection(request)
        if verified.pmode.receipt is ReceiptReply.RESPONSE or reply.status != web.HTTPOk.status_code:
            return reply
        task = asyncio.create_task(pulling.call_back(self, reply))
        self._tasks.add(task)
        task.add_done_callback(self._sent)
        return web.Response(status=202)

    async def take_in(self, verified: VerifiedUserMessage) -> web.Response | None:
        """The receipt to give, or HTTP 503; None when it is to be lost on the way. Raises As4Error."""
        now = self.clock.now()
        receipt = self.access_point.receipt(verified, signal_id=self.clock.new_id(), now=now)
        if verified.is_ping:
            return web.Response(body=receipt.body, headers={"Content-Type": receipt.content_type})
        as4_id, party = verified.message.message_id, verified.party_id
        known = self.memory.stored_receipt(as4_id, party)
        if known is not None:
            return web.Response(body=known[1], headers={"Content-Type": known[0]})
        try:
            adapter = self.brain.adapter
            message = adapter.to_canonical(adapter.validate(document_of(verified)))
        except ContractError as exc:
            raise PayloadRefused("the document is against the contract") from exc
        files = await keep_attachments(self.files, message, verified)
        before = self.memory.case(message.reference)
        scenario = self.brain.scenario(before or self.brain.case_for(message, None))
        opens = opening_service(message) is not None
        tries = self.memory.count_try(message.reference) if opens else 0
        if opens and tries <= scenario.down_requests:
            return web.Response(status=503)
        received = Received(
            as4_message_id=as4_id,
            party=party,
            message_id=message.message_id,
            type=message.type.value,
            reference=message.reference,
            attachments=len(verified.payloads) - 1,
            receipt=receipt.body,
            receipt_type=receipt.content_type,
        )
        answers = self.brain.answers(message, before, as4_message_id=as4_id, now=now)
        try:
            self.memory.take_in(received, self.brain.case_for(message, before), answers, files)
        except sqlite3.IntegrityError as exc:
            raise PayloadRefused("the message came twice at the same time") from exc
        self._wake.set()
        if opens and tries - scenario.down_requests <= scenario.lose_receipts:
            return None
        return web.Response(body=receipt.body, headers={"Content-Type": receipt.content_type})

    # ---- sending --------------------------------------------------------------------------------

    async def send_forever(self) -> None:
        """Sends what is due: in order within a case, several cases at a time; nothing that is pulled."""
        if self.access_point.outgoing.pulled:
            return
        while True:
            self._wake.clear()
            free = _CONCURRENT - len(self._tasks)
            now = self.clock.now().timestamp()
            for item in self.memory.due(now, free, frozenset(self._busy)) if free > 0 else ():
                self._busy.add(item.queued.reference)
                task = asyncio.create_task(self._send(item))
                self._tasks.add(task)
                task.add_done_callback(self._sent)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self._wake.wait()

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()
        if not task.cancelled() and (exc := task.exception()) is not None:
            get_logger().error("sandbox.bug", exc_info=exc)

    async def _send(self, item: Sending) -> None:
        queued = item.queued
        try:
            wire, wire_type, envelope = self.sealed(item)
            await self._attempt(item, wire, wire_type, envelope)
        except PasserelleError as exc:
            if item.attempts + 1 >= self.max_attempts:
                self.memory.finish(queued.message_id, status="failed", code=exc.code, receipt_verified=False)
            else:
                wait = self.retry_s[min(item.attempts, len(self.retry_s) - 1)]
                self.memory.try_later(queued.message_id, self.clock.now().timestamp() + wait, exc.code)
        finally:
            self._busy.discard(queued.reference)

    def sealed(self, item: Sending) -> tuple[bytes, str, bytes]:
        if item.wire is not None and item.wire_type is not None and item.envelope is not None:
            return item.wire, item.wire_type, item.envelope
        queued = item.queued
        sealed = self.access_point.unsafe_seal_bytes(
            MessageType(queued.type),
            queued.message_id,
            queued.conversation_id,
            queued.content,
            now=self.clock.now(),
            ref_to=queued.ref_to,
        )
        wire = whole(sealed.body)
        self.memory.save_wire(queued.message_id, wire, sealed.content_type, sealed.envelope)
        return wire, sealed.content_type, sealed.envelope

    async def _attempt(self, item: Sending, wire: bytes, wire_type: str, envelope: bytes) -> None:
        message_id = item.queued.message_id
        answer = await self.transport.post(self.gateway_url, content_type=wire_type, body=wire)
        if answer.status == web.HTTPAccepted.status_code and not answer.body:
            later = self.clock.now().timestamp() + pulling.LEASE_S
            self.memory.try_later(message_id, later, "receipt awaited")
            return
        signal = self._signal(answer)
        if isinstance(signal, VerifiedReceipt):
            self.access_point.check_receipt(envelope, signal, message_id=message_id)
            self.memory.finish(message_id, status="delivered", code=None, receipt_verified=True)
            return
        code = error_code(signal, self.access_point.as4_message_id(message_id))
        if code in PASSING:
            raise PasserelleError(f"the gateway reports {code}")
        self.memory.finish(message_id, status="refused", code=code, receipt_verified=False)

    def _signal(self, answer: HttpAnswer) -> VerifiedReceipt | VerifiedError:
        if not answer.content_type.startswith(_SIGNALS):
            raise PasserelleError(f"the gateway answered with HTTP {answer.status} and no signal")
        return self.access_point.open_answer(answer.content_type, answer.body, now=self.clock.now())

    async def drain(self) -> None:
        """Waits for what is being sent; cancelled sends are tried again after a restart."""
        tasks = set(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=5)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # ---- control --------------------------------------------------------------------------------

    async def get_status(self, _: web.Request) -> web.StreamResponse:
        """Messages received and sent with their verification: ids, types, codes; no content."""
        return web.json_response({**self.memory.status(), "refused": self._refused})

    async def post_control(self, request: web.Request) -> web.StreamResponse:
        """``{"script": {…}}`` replaces the script; ``{"down": {"seconds": n}}`` or ``{"requests": n}`` closes
        the AS4 endpoint; both may come together. Answers 204, or 400 with the reason."""
        try:
            values = await request.json()
            self._control(values)
        except (ValueError, TypeError, ConfigError) as exc:
            return web.json_response({"error": str(exc)}, status=400)
        return web.Response(status=204)

    def _control(self, values: dict[str, Any]) -> None:
        unknown = set(values) - {"script", "down"}
        if unknown or not values:
            raise ValueError("give script or down")
        if "script" in values:
            self.brain = Brain(
                script=parse_script(values["script"]), adapter=self.brain.adapter, new_id=self.brain.new_id
            )
        if "down" in values:
            down = dict(values["down"])
            loop_now = asyncio.get_running_loop().time()
            self.outage = Outage(
                until=loop_now + float(down.pop("seconds", 0)), requests=int(down.pop("requests", 0))
            )
            if down:
                raise ValueError("down takes seconds or requests")

    @property
    def script(self) -> Script:
        return self.brain.script


def _break_connection(request: web.Request) -> web.StreamResponse:
    """The receipt is lost on the way: the connection breaks before any answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def make_as4_app(ministry: Ministry) -> web.Application:
    app = web.Application(client_max_size=ministry.max_bytes)
    app.router.add_post("/as4", ministry.post_as4)
    return app


def make_control_app(ministry: Ministry) -> web.Application:
    """For loopback only: it changes behaviour and is not authenticated."""
    app = web.Application(client_max_size=1_000_000)
    app.router.add_get("/status", ministry.get_status)
    app.router.add_post("/control", ministry.post_control)
    return app
