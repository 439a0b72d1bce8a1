"""What the AS4 endpoint works with, what it answers, and how it refuses: a signed ebMS error, and an audit
entry without anything of the content."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from contracts.ports import Adapter
from gateway.core.as4.message import Sealed, UserMessage
from gateway.core.errors import As4Error
from gateway.core.treaty.agreement import Agreement
from gateway.flows import incidents
from gateway.flows.access_point import AccessPoint
from gateway.flows.delivery_record import Delivery
from gateway.flows.events import Listeners
from gateway.flows.noise import NoiseGate
from gateway.flows.ports import Clock, Store, StreamedBody
from gateway.flows.watch import UNWATCHED, Watch
from gateway.flows.webhooks import WebhookTarget

ACTOR: Final = "as4"
_OUR_KIND_OF_ID: Final = re.compile(r"[0-9a-f-]{36}@[a-z0-9.-]{1,100}")


@dataclass(frozen=True, kw_only=True, slots=True)
class FrenchInbox:
    """Everything that taking in works with; built by bootstrap."""

    store: Store
    clock: Clock
    french: Adapter
    access_point: AccessPoint
    agreement: Agreement
    webhooks: tuple[WebhookTarget, ...] = ()
    issuer: str = ""
    """Public base URL of the gateway: ``source`` and links of events."""
    delivery: Delivery | None = None
    """For what concerns our own messages: handing them out, receipts by callback. None: refused."""
    pull_lease: dt.timedelta = dt.timedelta(minutes=10)
    """How long a message that was handed out waits for its receipt before it is handed out again."""
    noise: NoiseGate = field(default_factory=NoiseGate)
    watch: Watch = field(repr=False, default=UNWATCHED)
    """Metrics and traces."""

    @property
    def listeners(self) -> Listeners:
        """Who is told of what happens (``gateway.flows.events``)."""
        return Listeners(webhooks=self.webhooks, issuer=self.issuer, new_id=self.clock.new_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class As4Answer:
    """What goes back in the HTTP response: a signal, a pulled message, or nothing (202, 400, 429).

    ``code`` is None unless the request was refused; then the code of the refusal.
    """

    content_type: str
    body: bytes | StreamedBody
    code: str | None = None
    status: int = 200
    retry_after: float | None = None
    """Seconds."""
    repeated: bool = False
    """The message had been taken in before."""


NOTHING: Final = As4Answer(content_type="", body=b"", status=202)
"""Taken in; there is nothing to say, or it is said by callback."""
AGAIN: Final = dataclasses.replace(NOTHING, repeated=True)


def signed(sealed: Sealed) -> As4Answer:
    """A signal in the response."""
    return As4Answer(content_type=sealed.content_type, body=sealed.body)


async def refuse(
    inbox: FrenchInbox,
    exc: As4Error,
    *,
    message: UserMessage | None = None,
    party: str | None = None,
    remote: str | None = None,
) -> As4Answer:
    """Audit without content, then the signed error; receipts and errors are refused without one.

    ``message`` and ``party``: what was verified before the refusal. ``remote``: the caller's address, when
    nothing vouches for the request; then the noise gate may shorten both answer and entry. Art 16 breaches
    are incidents: both sides are told, the sender by the error, our operators by the entry.
    """
    now = inbox.clock.now()
    wait = None if remote is None else inbox.noise.answer(remote, now)
    skipped = 0 if remote is None else inbox.noise.audit(now)
    if skipped is not None:
        await _audit(inbox, exc, message, party, now, skipped)
    if wait is not None:
        return As4Answer(content_type="", body=b"", code=exc.code, status=429, retry_after=wait)
    if exc.of_signal:
        return As4Answer(content_type="", body=b"", code=exc.code, status=400)
    ref_to = _ref_to(exc, message)
    sealed = inbox.access_point.error(exc, signal_id=inbox.clock.new_id(), now=now, ref_to=ref_to)
    return dataclasses.replace(signed(sealed), code=exc.code)


def _ref_to(exc: As4Error, message: UserMessage | None) -> str | None:
    return message.message_id if message is not None else exc.ref_to_message_id


async def _audit(
    inbox: FrenchInbox,
    exc: As4Error,
    message: UserMessage | None,
    party: str | None,
    now: dt.datetime,
    skipped: int,
) -> None:
    ref_to = _ref_to(exc, message)
    # an id of another form may be anything, even a name: its digest is enough to find it again
    shown = ref_to if ref_to is not None and _OUR_KIND_OF_ID.fullmatch(ref_to) else None
    digest = hashlib.sha256(ref_to.encode()).hexdigest() if ref_to is not None else None
    more = {"not_written_before": skipped} if skipped else {}
    async with inbox.store.begin() as tx:
        await tx.append_audit(
            at=now,
            actor=f"party:{party}" if party is not None else ACTOR,
            action=incidents.action_of(exc),
            subject=incidents.shown_id(exc, shown or "as4"),
            data={
                "code": exc.code,
                "ebms": exc.ebms.code if exc.ebms is not None else None,
                "codes": incidents.codes_of(exc),
                "as4_message_id_sha256": digest,
                "type": message.action if message is not None else None,
                **more,
            },
        )
        await incidents.tell(tx, inbox.listeners, exc, message, now=now)
