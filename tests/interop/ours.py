"""Our own end for payloads of any kind: the product's core and transport around a small AS4 endpoint.

It runs on an event loop of its own, in a thread, so that the tests may block while phase4 calls us.
Nothing here decides about security: ``open_message`` and ``seal_user_message`` do.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509

from gateway.clock import SystemClock
from gateway.core.as4.content import IN_MEMORY, Octets, size_of
from gateway.core.as4.keys import DecryptionKey, SigningKey
from gateway.core.as4.message import ErrorEntry, Payload, Sealed, SealedMessage, UserMessage
from gateway.core.as4.open import open_message
from gateway.core.as4.pmode import PMode, PModes
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.receipts import build_receipt, match_receipt
from gateway.core.as4.seal import seal_user_message
from gateway.core.as4.signals import build_error
from gateway.core.as4.trust import TrustStore
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt, VerifiedUserMessage
from gateway.core.errors import As4Error, PasserelleError
from gateway.flows.contents import stream
from gateway.flows.ports import StreamedBody
from gateway.transport.http import HttpTransport
from gateway.transport.spool import FileContent, Patience, spool
from gateway.transport.tls import client_context, server_context
from tests.interop.agreement import ALL, SUITES, of_suite
from tests.interop.certificates import Certificates

MAX_BYTES = 700_000_000
SECONDS = 240.0


@dataclass(frozen=True, kw_only=True)
class Sent:
    """How the peer answered one message of ours. ``proven``: its receipt was verified and matched."""

    message: UserMessage
    sealed: SealedMessage
    status: int
    answer: bytes
    proven: bool = False
    receipt: VerifiedReceipt | None = None
    errors: tuple[ErrorEntry, ...] = ()
    error_ref: str | None = None
    refused: PasserelleError | None = None
    """Why we do not believe the answer."""

    @property
    def codes(self) -> list[str]:
        return [error.code for error in self.errors]


Answering = Callable[["OurEnd", VerifiedUserMessage], Sealed]


@dataclass(kw_only=True)
class OurEnd:
    """Keys, trust, endpoint and what happened; ``answer`` replaces the honest receipt in some tests."""

    folder: Path
    certificates: Certificates
    signer: SigningKey
    decryption_keys: tuple[DecryptionKey, ...]
    recipient: x509.Certificate
    trust: TrustStore
    loop: asyncio.AbstractEventLoop
    pmodes: PModes = ALL
    policy: SecurityPolicy = field(default_factory=SecurityPolicy)
    url: str = ""
    received: list[VerifiedUserMessage] = field(default_factory=list)
    refused: list[As4Error] = field(default_factory=list)
    answered: dict[str, Sealed] = field(default_factory=dict)
    answer: Answering | None = None
    on_message: Callable[[VerifiedUserMessage], Coroutine[Any, Any, None]] | None = None
    spooled: list[FileContent] = field(default_factory=list)
    """Bodies of large messages: what was received reads from them."""
    tls_versions: list[str] = field(default_factory=list)
    clock: SystemClock = field(default_factory=SystemClock)

    def reset(self) -> None:
        """Forgets what happened; called before each test."""
        for body in self.spooled:
            body.close()
        self.spooled.clear()
        self.received.clear()
        self.refused.clear()
        self.answered.clear()
        self.tls_versions.clear()
        self.answer = self.on_message = None

    # ---- sending

    def new_message(self, pmode: PMode, **changes: Any) -> UserMessage:
        """A header of this P-Mode with fresh ids."""
        header = pmode.new_message(
            message_id=f"{self.clock.new_id()}@uk.interop.test",
            timestamp=self.clock.now(),
            conversation_id=f"conversation-{self.clock.new_id()}",
        )
        return replace(header, **changes)

    def seal(
        self,
        pmode: PMode,
        payloads: Sequence[Payload] = (),
        *,
        policy: SecurityPolicy | None = None,
        signer: SigningKey | None = None,
        recipient: x509.Certificate | None = None,
        **changes: Any,
    ) -> tuple[UserMessage, SealedMessage]:
        message = self.new_message(pmode, **changes)
        sealed = seal_user_message(
            message,
            payloads,
            pmode=pmode,
            signer=signer or self.signer,
            recipient=(recipient or self.recipient) if pmode.encrypt else None,
            policy=policy or self.policy,
            now=self.clock.now(),
        )
        return message, sealed

    def send(self, url: str, pmode: PMode, payloads: Sequence[Payload] = (), **options: Any) -> Sent:
        """Seal, POST, open the answer and match its receipt. ``tls``: a context of its own."""
        tls = options.pop("tls", None)
        message, sealed = self.seal(pmode, payloads, **options)
        return self.post(url, message, sealed, tls=tls)

    def post(
        self, url: str, message: UserMessage, sealed: SealedMessage, *, tls: ssl.SSLContext | None = None
    ) -> Sent:
        """POST what is sealed already: a retry, or something bent on purpose."""
        return self.run(self.post_async(url, message, sealed, tls))

    async def post_async(
        self, url: str, message: UserMessage, sealed: SealedMessage, tls: ssl.SSLContext | None = None
    ) -> Sent:
        context = tls or client_context(anchors=self.folder / "anchors")
        transport = HttpTransport(
            clock=self.clock, tls=context, total_timeout_s=SECONDS, max_answer_bytes=10_000_000
        )
        async with transport:
            body = sealed.body
            if size_of(body) > IN_MEMORY:
                body = StreamedBody(size=size_of(body), open=partial(stream, body))
            answer = await transport.post(url, content_type=sealed.content_type, body=body)
        sent = Sent(message=message, sealed=sealed, status=answer.status, answer=answer.body)
        try:
            opened = self._open(answer.content_type, answer.body)
            if isinstance(opened, VerifiedReceipt):
                match_receipt(
                    sealed.references,
                    opened,
                    message_id=message.message_id,
                    expected_party=message.to_party.id,
                )
                return replace(sent, proven=True, receipt=opened)
            if isinstance(opened, VerifiedError):
                return replace(sent, errors=opened.errors, error_ref=opened.ref_to_message_id)
        except PasserelleError as exc:
            return replace(sent, refused=exc)
        return sent

    def _open(self, content_type: str, body: bytes) -> VerifiedUserMessage | VerifiedReceipt | VerifiedError:
        return open_message(
            content_type,
            body,
            pmodes=self.pmodes,
            trust=self.trust,
            decryption_keys=self.decryption_keys,
            policy=self.policy,
            now=self.clock.now(),
        )

    # ---- receiving

    async def handle(self, request: web.Request) -> web.Response:
        """Opens one message; a receipt, a stored receipt for a duplicate, or a signed error."""
        transport = request.transport
        connection = None if transport is None else transport.get_extra_info("ssl_object")
        self.tls_versions.append(connection.version() if connection is not None else "none")
        body = await spool(request.content, limit=MAX_BYTES, patience=Patience(SECONDS, 1_000_000))
        if isinstance(body, FileContent):
            self.spooled.append(body)
        sealed = await asyncio.to_thread(self._take, request.headers.get("Content-Type", ""), body)
        return web.Response(body=sealed.body, headers={"Content-Type": sealed.content_type})

    def _take(self, content_type: str, body: Octets) -> Sealed:
        try:
            opened = self._open(content_type, body)
            assert isinstance(opened, VerifiedUserMessage)
        except As4Error as exc:
            self.refused.append(exc)
            return build_error(
                exc,
                signer=self.signer,
                message_id=f"{self.clock.new_id()}@uk.interop.test",
                ref_to_message_id=exc.ref_to_message_id,
                now=self.clock.now(),
                policy=self.policy,
            )
        message_id = opened.message.message_id
        if message_id not in self.answered:
            self.answered[message_id] = (self.answer or OurEnd.receipt)(self, opened)
            if not opened.is_ping:
                self.received.append(opened)
            if self.on_message is not None:
                self._background(self.on_message(opened))
        return self.answered[message_id]

    def receipt(
        self,
        verified: VerifiedUserMessage,
        *,
        signer: SigningKey | None = None,
        policy: SecurityPolicy | None = None,
    ) -> Sealed:
        """The honest receipt."""
        return build_receipt(
            verified,
            signer=signer or self.signer,
            message_id=f"{self.clock.new_id()}@uk.interop.test",
            now=self.clock.now(),
            policy=policy or self.policy,
        )

    # ---- the loop

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run on our loop, wait for the result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(SECONDS)

    async def start(self, tls: ssl.SSLContext) -> tuple[web.AppRunner, int]:
        """The listener and its port."""
        app = web.Application(client_max_size=MAX_BYTES)
        app.router.add_post("/as4", self.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        return runner, runner.addresses[0][1]

    @contextmanager
    def listening(self, tls: ssl.SSLContext) -> Iterator[str]:
        """A listener with this TLS context; gives its address and ends with the block."""
        runner, port = self.run(self.start(tls))
        try:
            yield f"https://127.0.0.1:{port}/as4"
        finally:
            self.run(runner.cleanup())


@contextmanager
def our_end(folder: Path, certificates: Certificates, suite: str = "rsa") -> Iterator[OurEnd]:
    """Our endpoint, listening; it ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    certificates.tls.write(folder, "tls")
    certificates.write_ca(folder)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="our-end", daemon=True)
    thread.start()
    uk, fr = certificates.uk, certificates.fr
    sign, decrypt, to = {
        "rsa": (uk.sign, uk.decrypt, fr.decrypt),
        "ed25519": (uk.ed25519_sign, uk.x25519_decrypt, fr.x25519_decrypt),
        "ecdsa": (uk.ec_sign, uk.ec_decrypt, fr.ec_decrypt),
    }[suite]
    end = OurEnd(
        folder=folder,
        certificates=certificates,
        signer=sign.signing,
        decryption_keys=(decrypt.decryption,),
        recipient=to.certificate,
        trust=certificates.trust(),
        pmodes=PModes(of_suite(p, suite) for p in ALL),
        policy=SUITES[suite].policy(SecurityPolicy()),
        loop=loop,
    )
    tls = server_context(certificate=folder / "tls.crt.pem", key=folder / "tls.key.pem")
    try:
        with end.listening(tls) as end.url:
            yield end
    finally:
        end.reset()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=5)
        loop.close()


def wait_for(look: Callable[[], list[Any]], *, seconds: float = 20) -> list[Any]:
    """The first list that is not empty. Fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.05)
    return found
