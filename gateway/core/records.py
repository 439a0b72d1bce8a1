"""What the store keeps, as frozen values. No record but the payload itself holds personal data."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from contracts.codes import CaseKind, Direction, MessageType

T = TypeVar("T")


class MessageStatus(StrEnum):
    """accepted → sending → delivered → acknowledged, or one of the other ends (design.md)."""

    ACCEPTED = "accepted"
    SENDING = "sending"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    FAILED = "failed"
    HELD = "held"
    CANCELLED = "cancelled"


class Channel(StrEnum):
    """Where an outbox row goes."""

    AS4 = "as4"
    AS4_SIGNAL = "as4_signal"
    """Our receipt for a message of the partner, POSTed back (receipt by callback)."""
    WEBHOOK = "webhook"


class EvidenceKind(StrEnum):
    AS4_USER_MESSAGE = "as4_user_message"
    """SOAP envelope as sent or received, without payload parts (it holds digests only)."""
    NRR_RECEIPT = "nrr_receipt"
    AS4_ERROR = "as4_error"
    UK_REQUEST_JWS = "uk_request_jws"
    """Detached JWS header..signature of the UK system over the body it sent."""
    UK_RECEIPT_JWS = "uk_receipt_jws"


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseRecord:
    reference: str
    kind: CaseKind
    conversation_id: str
    status: str
    """A state of ``gateway.core.treaty.states`` (domain.md, the two lives)."""
    priority: bool
    created_at: dt.datetime
    updated_at: dt.datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageRecord:
    """One message without its content. ``sequence`` is the order of acceptance, set by the store."""

    sequence: int
    message_id: str
    reference: str
    conversation_id: str
    type: MessageType
    direction: Direction
    status: MessageStatus
    code: str | None
    """Machine code of the hold, refusal or last failure."""
    in_reply_to: str | None
    client_id: str | None
    """UK OAuth client, or the French party id."""
    as4_message_id: str | None
    body_sha256: str
    attempts: int
    receipt_verified: bool
    received_at: dt.datetime
    """When we took it in durably (UTC)."""
    delivered_at: dt.datetime | None
    updated_at: dt.datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """Octets that are kept in the store in sealed chunks because they are too many for memory.

    Whoever holds it can read it: ``key`` seals its chunks. The store keeps that key only wrapped with the
    data key of a case, from the moment the blob belongs to a message; until then nobody else can read it,
    and a blob that never came to belong to a message is removed after a day.
    """

    blob_id: str
    size: int
    """Of the clear octets."""
    sha256: str
    """Of the clear octets, lower-case hex."""
    key: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAttachment:
    content_id: str
    media_type: str
    file_name: str
    content: bytes | Blob
    """A Blob when it is larger than ``gateway.core.as4.content.IN_MEMORY``."""

    @property
    def size(self) -> int:
        """In octets."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.size

    @property
    def sha256(self) -> str:
        """Lower-case hex."""
        content = self.content
        return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else content.sha256


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboxEntry:
    """A claimed delivery; ``lease`` proves the claim when completing or rescheduling."""

    entry_id: int
    channel: Channel
    endpoint: str
    """Party id (AS4) or webhook id."""
    message_id: str
    reference: str
    attempts: int
    """Attempts finished before this one."""
    first_due_at: dt.datetime
    lease: str
    wire: bytes | Blob | None
    """Sealed bytes of the first attempt: a retry sends the same MessageId and digests (as4.md 31)."""
    wire_content_type: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A row claimed for the receiver who fetches it."""

    entry: OutboxEntry
    lapsed_at: dt.datetime | None
    """When an earlier handing out ended without a receipt; ``entry.attempts`` counts it already."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try, kept for ever; history survives success."""

    message_id: str
    channel: Channel
    endpoint: str
    number: int
    started_at: dt.datetime
    finished_at: dt.datetime
    outcome: str
    """``delivered`` or an error code."""
    http_status: int | None
    detail: str
    """For operators; never content of a message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    message_id: str
    kind: EvidenceKind
    media_type: str
    content: bytes
    created_at: dt.datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """A link of the chain: hash = SHA-256 over previous hash and the canonical JSON of the rest."""

    sequence: int
    at: dt.datetime
    actor: str
    action: str
    subject: str
    data: Mapping[str, str | int | bool | None]
    previous_hash: str
    hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Breaker:
    """Circuit of one endpoint. Closed while ``opened_at`` is None."""

    endpoint: str
    consecutive_failures: int
    opened_at: dt.datetime | None
    probe_at: dt.datetime | None
    """When one attempt may try again."""
    paused: bool
    """Paused by an operator: nothing is sent until resumed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredAnswer:
    """First answer to an Idempotency-Key, given again as it was."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """One page of a listing; ``next_cursor`` is opaque, None at the end."""

    items: tuple[T, ...]
    next_cursor: str | None
    cut: bool = False
    """The search stopped at its limit before the page was full; the cursor goes on from there."""
    turned_cursor: str | None = None
    """Of a page in the other order, from the first item here on: what came before this page."""
