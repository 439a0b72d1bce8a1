"""What the UK-side use cases work with: ports, both adapters, the agreement, our key, the webhooks."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Protocol

from contracts.codes import MessageType
from contracts.model import Message
from contracts.ports import Adapter, ValidDocument
from gateway.core.alerts import AlertPlan
from gateway.core.batches import BatchPolicy
from gateway.core.jws import JwsSigner
from gateway.core.proofs.known import Known
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.holding import HoldPolicy
from gateway.flows.events import Listeners
from gateway.flows.ports import Clock, Store
from gateway.flows.watch import UNWATCHED, Watch
from gateway.flows.webhooks import WebhookTarget


class UkContract(Adapter, Protocol):
    """The UK adapter: a UK system posts only bodies, the gateway makes the header (architecture.md)."""

    def validate_body(self, content: bytes, expected_type: MessageType) -> ValidDocument:
        """Judge one body against the JSON Schema of the expected type. Raises InvalidDocument."""
        ...

    def body_to_canonical(
        self,
        document: ValidDocument,
        *,
        message_id: str,
        reference: str,
        conversation_id: str,
        issued_at: dt.datetime,
        in_reply_to: str | None,
    ) -> Message:
        """The canonical message of a body from ``validate_body``. Raises Unmappable."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Sizes in bytes, counts in pieces."""

    message_bytes: int = 262_144
    attachment_bytes: int = 20_000_000
    """One attachment."""
    attachments_bytes: int = 20_000_000
    """All attachments of one message together (domain.md: 20 MB by default)."""
    attachments: int = 27
    """An AS4 message carries 28 parts (``SecurityPolicy.max_parts``), and the document is one of them."""
    read_seconds: float = 60
    """How long a request body may let us wait, and more as it arrives at ``least_rate``."""
    least_rate: float = 100_000
    """Bytes per second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """Built once by bootstrap, shared by every request."""

    store: Store
    clock: Clock
    uk: UkContract
    fr: Adapter
    agreement: Agreement
    french_party: str
    """Party id of the French side in the agreement: endpoint of AS4 outbox rows."""
    signer: JwsSigner = field(repr=False)
    """Signs receipts and answers (keys/jws.key.pem)."""
    issuer: str
    """Public base URL of the gateway, no trailing slash: ``iss`` of receipts, ``source`` of events."""
    limits: Limits = field(default_factory=Limits)
    holds: HoldPolicy = field(default_factory=HoldPolicy)
    """Who may decide about what is held."""
    batches: BatchPolicy = field(default_factory=BatchPolicy)
    """How actions on many messages are bounded."""
    webhooks: tuple[WebhookTarget, ...] = ()
    alerts: AlertPlan = field(default_factory=AlertPlan)
    """Thresholds of alerts, and who is told."""
    earlier_signers: tuple[JwsSigner, ...] = field(repr=False, default=())
    """Rotated keys: still published, so that answers and receipts signed with them keep verifying."""
    known: Known = field(repr=False, default_factory=Known)
    """Certificates and keys that stored proofs are compared with."""
    reveal: dt.timedelta = dt.timedelta(minutes=10)
    """How long a look at personal data lasts (``gateway.flows.reveals``)."""
    events_kept: dt.timedelta | None = dt.timedelta(days=90)
    """How long an acknowledged event of the inbox stays (``flows.inbox_retention``); None: for ever."""
    watch: Watch = field(repr=False, default=UNWATCHED)
    """Metrics and traces."""

    @property
    def listeners(self) -> Listeners:
        """Who is told of what happens (``gateway.flows.events``)."""
        return Listeners(webhooks=self.webhooks, issuer=self.issuer, new_id=self.clock.new_id)
