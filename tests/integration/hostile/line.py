"""The wire between France and a running gateway: honest messages, forged ones, and what came of them."""

from __future__ import annotations

import contextlib
import io
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from cryptography import x509
from lxml import etree

from adapters.fr import FrAdapter
from contracts import codes, model
from contracts.codes import MessageType
from gateway.bootstrap import Instance, Running, serving
from gateway.clock import SystemClock
from gateway.core.as4 import soap
from gateway.core.as4.compression import pack
from gateway.core.as4.ebms import build_user_message
from gateway.core.as4.keys import SigningKey
from gateway.core.as4.message import PartInfo, Payload, UserMessage
from gateway.core.as4.mime import OCTETS, MimePart, build_multipart
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt
from gateway.core.as4.wss.encrypt import encrypt_attachments
from gateway.core.as4.wss.sign import sign_envelope
from gateway.core.records import AuditEntry
from gateway.flows.access_point import LEADING_PART, AccessPoint
from gateway.transport.tls import client_context
from gateway.uk_client import UkClient
from tests.fixtures.ends import french_point
from tests.fixtures.world import World, make_world, post, readmission_request

POLICY = SecurityPolicy()
CANARY = "Quatrevingtdixneuf"
"""Stands in every hostile message, as a name would; it may come to light nowhere."""
UNHURRIED: dict[str, dict[str, Any]] = {
    "uk_api": {"rate_per_second": 10_000, "rate_burst": 10_000},
    "alerts": {"enabled": False},  # an attack is judged by its own audit entries alone
}
"""The tests look often: the limit on requests is not what they are about."""
TABLES = (
    "cases",
    "messages",
    "contents",
    "attachments",
    "identifiers",
    "outbox",
    "evidence",
    "idempotency",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """An open case as France knows it."""

    reference: str
    conversation_id: str
    opening_id: str


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back for one POST, with its status; ``signal`` is None when there was none."""

    status: int
    body: bytes = field(repr=False)
    signal: VerifiedReceipt | VerifiedError | None


@dataclass(kw_only=True)
class Forgery:
    """A French message whose every layer can be bent; by default an honest one.

    ``contents`` are the octets that are signed; ``before_encryption`` replaces them afterwards;
    ``travelling`` bends what the MIME parts hold; ``after`` bends the finished envelope.
    """

    header: UserMessage
    signer: SigningKey
    recipient: x509.Certificate | None
    payloads: Sequence[Payload]
    infos: Sequence[PartInfo] | None = None
    contents: Mapping[str, bytes] | None = None
    before_signing: Callable[[etree._Element], object] = lambda _: None
    before_encryption: Callable[[dict[str, bytes]], dict[str, bytes]] = dict
    travelling: Callable[[dict[str, bytes]], dict[str, bytes]] = dict
    after: Callable[[etree._Element], object] = lambda _: None

    def wire(self) -> tuple[str, bytes]:
        """``(Content-Type, body)``."""
        packed = [pack(p, compress=True) for p in self.payloads]
        infos = [info for info, _, _ in packed] if self.infos is None else self.infos
        contents = {i.content_id: c for i, c, _ in packed} if self.contents is None else dict(self.contents)
        envelope, messaging = soap.build_envelope(self.header.message_id)
        build_user_message(messaging, self.header, infos)
        self.before_signing(envelope)
        sign_envelope(envelope, contents, signer=self.signer, policy=POLICY)
        parts = self.before_encryption(dict(contents))
        if self.recipient is not None:
            parts = encrypt_attachments(envelope, parts, recipient=self.recipient, policy=POLICY)
        self.after(envelope)
        travelling = [
            MimePart(content_id=cid, content_type=OCTETS, content=content)
            for cid, content in self.travelling(parts).items()
        ]
        return build_multipart(etree.tostring(envelope), travelling)


@dataclass(kw_only=True)
class Line:
    """A running gateway, the French access point, an HTTPS session."""

    world: World
    running: Running
    access_point: AccessPoint
    client: UkClient
    session: aiohttp.ClientSession
    tls: Any
    clock: SystemClock = field(default_factory=SystemClock)
    adapter: FrAdapter = field(default_factory=FrAdapter)

    # ---- the UK side

    async def open_case(self) -> Case:
        receipt = await post(self.client, "/v1/readmission-requests", readmission_request())
        page = await self.client.message(receipt.message_id)
        return Case(
            reference=receipt.reference,
            conversation_id=page["conversation_id"],
            opening_id=receipt.message_id,
        )

    async def case_status(self, case: Case) -> str:
        return str((await self.client.get(f"/v1/readmission-requests/{case.reference}")).json()["status"])

    async def inbox(self) -> list[Any]:
        items: list[Any] = (await self.client.inbox())["items"]
        return items

    # ---- what the gateway holds

    def counts(self) -> dict[str, int]:
        """Rows of every table that a message may touch, read past the gateway."""
        with contextlib.closing(sqlite3.connect(self.world.uk / "passerelle.db")) as connection:
            return {
                table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 — own names
                for table in TABLES
            }

    def database_bytes(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.world.uk.glob("passerelle.db*")))

    async def audit(self, *, after: int) -> tuple[AuditEntry, ...]:
        async with self.running.store.begin(read_only=True) as tx:
            return await tx.audit_entries(after=after)

    async def last_audit(self) -> int:
        entries: tuple[AuditEntry, ...] = ()
        after = 0
        while found := await self.audit(after=after):
            entries, after = found, found[-1].sequence
        return entries[-1].sequence if entries else 0

    # ---- messages

    def decision(self, case: Case, **changes: Any) -> model.Message:
        """An acceptance for this case; ``changes`` replace header values."""
        now = self.clock.now()
        message = model.Message(
            message_id=self.clock.new_id(),
            reference=case.reference,
            conversation_id=case.conversation_id,
            issued_at=now,
            in_reply_to=case.opening_id,
            body=model.ReadmissionDecision(
                decision=codes.ReadmissionDecisionCode.ACCEPTED,
                ground=None,
                information_needed=(),
                extended_until=None,
                decided_at=now,
            ),
        )
        values = {name: getattr(message, name) for name in message.__struct_fields__}
        return model.Message(**{**values, **changes})

    def forgery(self, message: model.Message, *, content: bytes | None = None, **changes: Any) -> Forgery:
        """An honest sealing of the message, to be bent."""
        document = self.adapter.from_canonical(message).content if content is None else content
        pmode = self.access_point.sending[MessageType(message.type)]
        header = pmode.new_message(
            message_id=self.access_point.as4_message_id(message.message_id),
            timestamp=self.clock.now(),
            conversation_id=message.conversation_id,
            ref_to_message_id=None,
        )
        payload = Payload(
            content_id=LEADING_PART, mime_type="application/xml", content=document, charset="UTF-8"
        )
        made = Forgery(
            header=header,
            signer=self.access_point.signer,
            recipient=self.access_point.recipient,
            payloads=(payload,),
        )
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    async def send(self, content_type: str, body: bytes) -> Reply:
        """POST to /as4 over TLS; the signal is opened and verified with the gateway's certificates."""
        async with self.session.post(
            self.running.as4_url, data=io.BytesIO(body), headers={"Content-Type": content_type}, ssl=self.tls
        ) as response:
            content = await response.read()
            answered = response.headers.get("Content-Type", "")
        signal = None
        if answered.startswith(("application/soap+xml", "multipart/related")):
            signal = self.access_point.open_answer(answered, content, now=self.clock.now())
        return Reply(status=response.status, body=content, signal=signal)


@asynccontextmanager
async def open_line() -> AsyncIterator[Line]:
    """A gateway without worker (nothing is sent by itself) and an access point with the French keys."""
    with make_world(start=False, settings=UNHURRIED) as world:
        access_point = french_point(world.fr, policy=POLICY)
        tls = client_context(anchors=world.fr / "trust" / "uk" / "anchors")
        instance = Instance.load(world.uk)
        async with (
            serving(instance, with_worker=False) as running,
            world.client() as client,
            aiohttp.ClientSession() as session,
        ):
            yield Line(
                world=world,
                running=running,
                access_point=access_point,
                client=client,
                session=session,
                tls=tls,
            )
