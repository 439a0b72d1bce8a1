"""Ports of the use cases: store, transport, clock. Adapters of these live in store/, transport/, keys/.

The store port is transactional: everything done inside one ``async with store.begin() as tx`` commits
together or not at all (style.md 11). Fakes implement the same Protocol and run the same test suite.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from contracts.codes import CaseKind, MessageType
from contracts.model import Message
from gateway.core.records import (
    Attempt,
    AuditEntry,
    Blob,
    Breaker,
    CaseRecord,
    Channel,
    Claim,
    Evidence,
    MessageRecord,
    MessageStatus,
    OutboxEntry,
    Page,
    StoredAnswer,
    StoredAttachment,
)
from gateway.flows.ports_actions import ActionRows
from gateway.flows.ports_alerts import AlertRows
from gateway.flows.ports_audit import AuditFilter as AuditFilter
from gateway.flows.ports_audit import AuditRows
from gateway.flows.ports_balance import BalanceRows
from gateway.flows.ports_deadlines import DeadlineFilter as DeadlineFilter
from gateway.flows.ports_deadlines import DeadlineRows
from gateway.flows.ports_endpoints import EndpointRows
from gateway.flows.ports_figures import FigureRows
from gateway.flows.ports_holds import HoldRows
from gateway.flows.ports_inbox import InboxEventRows
from gateway.flows.ports_reveals import RevealRows
from gateway.flows.ports_search import MessageFilter as MessageFilter
from gateway.flows.ports_search import SearchRows
from gateway.flows.ports_users import UserRows


class Clock(Protocol):
    """The only source of time and of random ids (ruff bans the direct calls elsewhere)."""

    def now(self) -> dt.datetime:
        """Aware, UTC, whole milliseconds."""
        ...

    def new_id(self) -> str:
        """A time-ordered UUID (RFC 9562 version 7), lower case."""
        ...

    def new_reference(self, kind: CaseKind, *, priority: bool) -> str:
        """A fresh random case reference (contracts.model.REFERENCE_PATTERN)."""
        ...


class DuplicateMessage(Exception):
    """``add_message`` found the AS4 MessageId of that sender already stored."""


class Running:
    """An Idempotency-Key whose first request is still running (409)."""


class KeyReused(Exception):
    """The same Idempotency-Key came with another body (422)."""


class Transaction(
    DeadlineRows,
    HoldRows,
    BalanceRows,
    InboxEventRows,
    UserRows,
    AlertRows,
    SearchRows,
    ActionRows,
    RevealRows,
    FigureRows,
    AuditRows,
    EndpointRows,
    Protocol,
):
    # cases
    async def add_case(self, case: CaseRecord) -> None: ...
    async def get_case(self, reference: str, *, lock: bool = False) -> CaseRecord | None:
        """``lock`` holds the case against other transactions until commit."""
        ...

    async def case_by_conversation(self, conversation_id: str) -> CaseRecord | None: ...
    async def set_case_status(self, reference: str, status: str, at: dt.datetime) -> None: ...
    async def list_cases(
        self,
        *,
        kind: CaseKind | None = None,
        status: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[CaseRecord]: ...

    # messages (content is encrypted with the data key of its case)
    async def add_message(
        self, record: MessageRecord, message: Message, attachments: Sequence[StoredAttachment]
    ) -> MessageRecord:
        """Stores; returns the record with its sequence. Raises DuplicateMessage. Attachments that are blobs
        belong to the message from then on; raises LookupError when one is gone or belongs to another (the
        transaction must not commit)."""
        ...

    async def get_message(self, message_id: str) -> MessageRecord | None: ...
    async def message_by_as4_id(self, as4_message_id: str, client_id: str) -> MessageRecord | None: ...
    async def content(self, message_id: str) -> Message:
        """Decrypts. Raises LookupError when unknown or when retention destroyed the key."""
        ...

    async def attachments(self, message_id: str) -> tuple[StoredAttachment, ...]:
        """In the order given; large ones as Blob (read with ``Store.read_blob``, after the transaction)."""
        ...

    async def update_message(
        self,
        message_id: str,
        *,
        at: dt.datetime,
        status: MessageStatus | None = None,
        code: str | None = None,
        as4_message_id: str | None = None,
        receipt_verified: bool | None = None,
        delivered_at: dt.datetime | None = None,
    ) -> None:
        """Changes what is given; ``code`` is always written (None clears it) when status is given."""
        ...

    async def history(self, reference: str) -> tuple[tuple[MessageRecord, Message], ...]:
        """All messages of a case in order of acceptance, decrypted."""
        ...

    async def inbox(self, *, after: int, limit: int) -> tuple[MessageRecord, ...]:
        """FR→UK messages that the UK has not acknowledged, sequence > after, oldest first."""
        ...

    # personal identifiers, searchable only by keyed hash
    async def index_identifiers(self, reference: str, identifiers: Sequence[tuple[str, str]]) -> None:
        """(kind, normalised value) pairs, for example ("document", "P57126116")."""
        ...

    async def find_by_identifier(self, kind: str, value: str) -> tuple[str, ...]:
        """References of the cases that hold it."""
        ...

    # outbox
    async def enqueue(
        self,
        *,
        channel: Channel,
        endpoint: str,
        message_id: str,
        reference: str,
        due_at: dt.datetime,
        urgent: bool = False,
        wire: bytes | None = None,
        wire_content_type: str | None = None,
    ) -> None:
        """``urgent`` (withdrawals) overtakes the other rows of its case. ``wire``: what to send, when it is
        known already (an event about something other than the message)."""
        ...

    async def claim_due(
        self,
        *,
        now: dt.datetime,
        limit: int,
        lease: dt.timedelta,
        skip_endpoints: Sequence[str] = (),
        skip_channels: Sequence[Channel] = (),
    ) -> tuple[OutboxEntry, ...]:
        """Claims due rows: per (channel, endpoint, case) only the first (urgent first, then oldest);
        a row whose lease has run out is due again. FOR UPDATE SKIP LOCKED on PostgreSQL. A wire that was
        saved as a blob but can be read no more (key destroyed, seal broken) is given as None."""
        ...

    async def claim_oldest(
        self, channel: Channel, endpoint: str, *, now: dt.datetime, lease: dt.timedelta
    ) -> Claim | None:
        """Claims the one row that its receiver may fetch next: urgent first, then the oldest of all cases; of
        one case only the first. A lease that ran out counts as an attempt. Two callers never get the same."""
        ...

    async def seize(self, message_id: str, channel: Channel, *, until: dt.datetime) -> OutboxEntry | None:
        """Claims the row of that message whoever holds it: what it waited for has come by another way. The
        former holder loses its lease. None when no row waits."""
        ...

    async def waiting(self, message_id: str, channel: Channel) -> OutboxEntry | None:
        """The row of that message as it is, without claiming it."""
        ...

    async def extend_lease(self, entry: OutboxEntry, until: dt.datetime) -> bool:
        """Keeps a claim alive while a long delivery is under way; False when the lease was lost."""
        ...

    async def save_wire(self, entry: OutboxEntry, wire: bytes | Blob, content_type: str) -> None:
        """In place of the wire saved before. A blob belongs to the row from then on and goes with it. Does
        nothing when the lease was lost. Raises LookupError for a blob that is gone or belongs to another,
        or when the key of the case was destroyed."""
        ...

    async def complete(self, entry: OutboxEntry) -> bool:
        """Removes the row; False when the lease was lost."""
        ...

    async def reschedule(self, entry: OutboxEntry, due_at: dt.datetime) -> bool:
        """Counts the attempt and gives the row back; False when the lease was lost."""
        ...

    async def release(self, entry: OutboxEntry, due_at: dt.datetime) -> bool:
        """Gives the row back without counting an attempt (breaker open)."""
        ...

    async def cancel_queued(
        self, reference: str, *, at: dt.datetime, code: str, keep: Collection[MessageType] = ()
    ) -> tuple[str, ...]:
        """Removes the AS4 rows of a case that are not urgent, not under lease and of no type in ``keep``,
        and marks their messages ``cancelled`` with ``code``; returns their message ids."""
        ...

    async def cancel_message(self, message_id: str, *, at: dt.datetime, code: str) -> bool:
        """The same for one message; False when it is not queued any more."""
        ...

    async def next_due(
        self, *, skip_endpoints: Sequence[str] = (), skip_channels: Sequence[Channel] = ()
    ) -> dt.datetime | None:
        """When the earliest row that may be claimed (or whose lease runs out) is due."""
        ...

    async def backlog(self) -> Mapping[str, int]:
        """Rows waiting, by endpoint."""
        ...

    # attempts, evidence, receipts
    async def add_attempt(self, attempt: Attempt) -> None:
        """Also counts it in the message record (AS4 channel)."""
        ...

    async def attempts(self, message_id: str) -> tuple[Attempt, ...]: ...
    async def add_evidence(self, evidence: Evidence) -> None: ...
    async def evidence(self, message_id: str) -> tuple[Evidence, ...]: ...

    # UK API security
    async def use_jti(self, client_id: str, jti: str, expires_at: dt.datetime) -> bool:
        """False when that jti was used before."""
        ...

    async def begin_idempotent(
        self, client_id: str, key: str, body_digest: str, at: dt.datetime
    ) -> StoredAnswer | Running | None:
        """None: first request, now marked as running. Raises KeyReused."""
        ...

    async def finish_idempotent(self, client_id: str, key: str, answer: StoredAnswer) -> None: ...

    # retention
    async def destroy_case_key(self, reference: str, *, at: dt.datetime) -> bool:
        """Makes the content of a case, its blobs too, unreadable for ever; records, evidence and audit stay.
        False when it was destroyed before. Raises LookupError for an unknown case."""
        ...

    async def purge(self, now: dt.datetime) -> int:
        """Removes token ids that have expired, answers to Idempotency-Keys older than 24 hours, and blobs
        that were dropped or belong to nothing since 24 hours; returns how many rows. Of blobs it removes a
        bounded number per call: call again, each time in a transaction of its own, until it returns 0."""
        ...

    # circuit breaker
    async def breaker(self, endpoint: str) -> Breaker: ...
    async def save_breaker(self, breaker: Breaker) -> None: ...

    # audit chain
    async def append_audit(
        self,
        *,
        at: dt.datetime,
        actor: str,
        action: str,
        subject: str,
        data: Mapping[str, str | int | bool | None],
    ) -> None:
        """Adds a link to the chain. Its sequence and hash are fixed when the transaction commits, so
        that the chain's lock is held for an instant only and is always the last one taken."""
        ...

    async def audit_entries(
        self, *, after: int = 0, limit: int = 500, subject: str | None = None
    ) -> tuple[AuditEntry, ...]:
        """Links in order of the chain; ``subject`` narrows to one message id or case reference."""
        ...


class Store(Protocol):
    def begin(self, *, read_only: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """A transaction; commits on leaving, rolls back on an exception. ``read_only`` never waits for
        writers (and they never for it); a write inside it is an error."""
        ...

    async def write_blob(self, chunks: AsyncIterator[bytes]) -> Blob:
        """Keeps octets in sealed chunks, in small transactions of their own, so that nobody waits long for
        the database. The blob belongs to nothing until a transaction links it (``add_message``,
        ``save_wire``). Holds a few chunks in memory at most, and asks for the next only when there is room.
        On any exception, also cancellation, what was written is removed."""
        ...

    def read_blob(self, blob: Blob, begin: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The clear octets ``begin`` to ``end`` (exclusive; None: to the last) in pieces of at most
        ``gateway.core.as4.content.CHUNK``, each checked before it is handed on, in short read-only
        transactions. Raises the store's SealBroken for a chunk that is changed, moved, missing or cut off,
        LookupError when the blob is gone, ValueError for a range outside it."""
        ...

    async def drop_blob(self, blob: Blob) -> None:
        """Removes one that belongs to nothing; does nothing to one that belongs to a message (so that it is
        safe after a commit whose end is not known)."""
        ...

    async def notify(self, channel: str) -> None:
        """Wakes ``wait`` everywhere (LISTEN/NOTIFY on PostgreSQL). Call after commit."""
        ...

    async def wait(self, channel: str, seconds: float) -> None:
        """Returns on a notification or after ``seconds``; channels ``outbox`` and ``inbox``."""
        ...

    async def ping(self) -> None:
        """Raises when the database cannot be reached or its schema is not current."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpAnswer:
    status: int
    content_type: str
    body: bytes
    retry_after: float | None
    """Seconds, when the peer sent Retry-After."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamedBody:
    """A request body that is read while it is sent; ``open`` begins at its first octet every time."""

    size: int
    """In octets: announced as Content-Length."""
    open: Callable[[], AsyncIterator[bytes]] = field(repr=False)


class Transport(Protocol):
    async def post(
        self,
        url: str,
        *,
        content_type: str,
        body: bytes | StreamedBody,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """One POST. Raises gateway.core.errors.ConnectionFailed / PeerTimedOut; bounded in time/size."""
        ...
