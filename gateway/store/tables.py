"""Tables as SQLAlchemy Core sees them. The schema itself is made by the migrations alone; a test proves
that both agree. Newer parts have modules of their own (``tables_…``); ``schema`` knows all of them.

No column but the sealed ones holds personal data.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gateway.store.columns import Instant as Instant
from gateway.store.columns import Serial, case_reference, message_id_column
from gateway.store.columns import from_ms as from_ms
from gateway.store.columns import metadata as metadata
from gateway.store.columns import to_ms as to_ms

cases = Table(
    "cases",
    metadata,
    Column("reference", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("conversation_id", String(36), nullable=False, unique=True),
    Column("status", String(64), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_cases_created", "created_at", "reference"),
    Index("ix_cases_kind", "kind", "created_at", "reference"),
    Index("ix_cases_status", "status", "created_at", "reference"),
)

case_keys = Table(
    "case_keys",
    metadata,
    case_reference(primary_key=True),
    Column("kek_id", String(64), nullable=False),
    Column("wrapped", LargeBinary),
    Column("destroyed_at", Instant),
)

messages = Table(
    "messages",
    metadata,
    Column("sequence", Serial, primary_key=True, autoincrement=True),
    Column("message_id", String(36), nullable=False, unique=True),
    case_reference(),
    Column("conversation_id", String(36), nullable=False),
    Column("type", String(32), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("status", String(16), nullable=False),
    Column("code", String(128)),
    Column("in_reply_to", String(36)),
    Column("client_id", Text),
    Column("as4_message_id", Text),
    Column("body_sha256", String(64), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("receipt_verified", Integer, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("delivered_at", Instant),
    Column("updated_at", Instant, nullable=False),
    Column("in_inbox", Integer, nullable=False),
    UniqueConstraint("client_id", "as4_message_id", name="uq_messages_as4"),
    Index("ix_messages_reference", "reference", "sequence"),
    Index("ix_messages_type", "type", "sequence"),
    Index("ix_messages_type_status", "type", "status", "sequence"),
    Index("ix_messages_status", "status", "direction", "sequence"),
    Index(
        "ix_messages_inbox",
        "sequence",
        sqlite_where=text("in_inbox = 1"),
        postgresql_where=text("in_inbox = 1"),
    ),
    sqlite_autoincrement=True,
)

contents = Table(
    "contents",
    metadata,
    message_id_column(primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

attachments = Table(
    "attachments",
    metadata,
    message_id_column(primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("media_type", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

identifiers = Table(
    "identifiers",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("digest", String(64), primary_key=True),
    case_reference(primary_key=True),
)

outbox = Table(
    "outbox",
    metadata,
    Column("entry_id", Serial, primary_key=True, autoincrement=True),
    Column("channel", String(16), nullable=False),
    Column("endpoint", Text, nullable=False),
    message_id_column(),
    case_reference(),
    Column("urgent", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("first_due_at", Instant, nullable=False),
    Column("lease", String(64)),
    Column("wire", LargeBinary),
    Column("wire_content_type", Text),
    Column("wire_blob", String(36)),
    Index("ix_outbox_due", "urgent", "due_at", "entry_id"),
    Index("ix_outbox_case", "reference", "channel", "endpoint", "urgent", "entry_id"),
    Index("ix_outbox_message", "message_id"),
    sqlite_autoincrement=True,
)

blobs = Table(
    "blobs",
    metadata,
    Column("blob_id", String(36), primary_key=True),
    Column("chunk_size", Integer, nullable=False),
    Column("size", BigInteger),
    Column("message_id", String(36), ForeignKey("messages.message_id")),
    Column("sealed_key", LargeBinary),
    Column("expires_at", Instant),
    Index("ix_blobs_message", "message_id"),
    Index(
        "ix_blobs_expires",
        "expires_at",
        sqlite_where=text("expires_at IS NOT NULL"),
        postgresql_where=text("expires_at IS NOT NULL"),
    ),
)
"""``size``: None until all of it is written. ``expires_at``: when it goes if nothing links it; None once it
belongs to a message, and ``DROPPED`` (see ``gateway.store.blobs``) once it is no longer needed."""

blob_chunks = Table(
    "blob_chunks",
    metadata,
    Column("blob_id", String(36), ForeignKey("blobs.blob_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("attempt_id", Serial, primary_key=True, autoincrement=True),
    message_id_column(),
    Column("channel", String(16), nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant, nullable=False),
    Column("outcome", String(128), nullable=False),
    Column("http_status", Integer),
    Column("detail", Text, nullable=False),
    Index("ix_attempts_message", "message_id", "attempt_id"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("evidence_id", Serial, primary_key=True, autoincrement=True),
    message_id_column(),
    Column("kind", String(32), nullable=False),
    Column("media_type", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_evidence_message", "message_id", "evidence_id"),
)

jtis = Table(
    "jtis",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("jti", Text, primary_key=True),
    Column("expires_at", Instant, nullable=False),
    Index("ix_jtis_expires", "expires_at"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_digest", String(128), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("status", Integer),
    Column("headers", Text),
    Column("body", LargeBinary),
    Index("ix_idempotency_created", "created_at"),
)

breakers = Table(
    "breakers",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("consecutive_failures", Integer, nullable=False),
    Column("opened_at", Instant),
    Column("probe_at", Instant),
    Column("paused", Integer, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(128), nullable=False),
    Column("subject", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_audit_subject", "subject", "sequence"),
)

deadlines = Table(
    "deadlines",
    metadata,
    Column("deadline_id", Serial, primary_key=True, autoincrement=True),
    case_reference(),
    Column("clock", String(64), nullable=False),
    message_id_column(),
    Column("zone", String(64), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("warnings", Integer, nullable=False),
    Column("next_at", Instant),
    Column("closed_at", Instant),
    Column("closed_by", String(36)),
    UniqueConstraint("clock", "message_id", name="uq_deadlines_clock"),
    Index("ix_deadlines_case", "reference", "deadline_id"),
    Index("ix_deadlines_due", "state", "due_at", "deadline_id"),
    Index(
        "ix_deadlines_next",
        "next_at",
        sqlite_where=text("next_at IS NOT NULL"),
        postgresql_where=text("next_at IS NOT NULL"),
    ),
    Index(
        "ix_deadlines_told",
        "clock",
        "state",
        "due_at",
        sqlite_where=text("closed_at IS NULL AND (warnings > 0 OR state = 'breached')"),
        postgresql_where=text("closed_at IS NULL AND (warnings > 0 OR state = 'breached')"),
    ),
    sqlite_autoincrement=True,
)
"""One running or ended time limit: started by ``message_id``, looked at again at ``next_at``."""

ledger = Table(
    "ledger",
    metadata,
    Column("entry_id", Serial, primary_key=True, autoincrement=True),
    Column("side", String(16), nullable=False),
    Column("persons", Integer, nullable=False),
    Column("event_at", Instant, nullable=False),
    Column("week", String(8), nullable=False),
    Column("booked_at", Instant, nullable=False),
    case_reference(),
    message_id_column(),
    Column("corrects", BigInteger),
    Column("reason", String(128)),
    Column("actor", Text, nullable=False),
    UniqueConstraint("corrects", name="uq_ledger_corrects"),
    Index("ix_ledger_message", "message_id"),
    Index("ix_ledger_week", "week", "side"),
    sqlite_autoincrement=True,
)
"""Persons readmitted and admitted, signed; corrected only by a counter-entry (``corrects``)."""

quota_changes = Table(
    "quota_changes",
    metadata,
    Column("change_id", Serial, primary_key=True, autoincrement=True),
    Column("side", String(16), nullable=False),
    Column("persons", Integer, nullable=False),
    Column("from_week", String(8), nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_quota_changes", "side", "from_week", "change_id"),
    sqlite_autoincrement=True,
)

ledger_weeks = Table(
    "ledger_weeks",
    metadata,
    Column("week", String(8), primary_key=True),
    Column("side", String(16), primary_key=True),
    Column("persons", Integer, nullable=False),
)
"""What the entries of a week and side add up to: asking costs the same however long the ledger is."""

hold_decisions = Table(
    "hold_decisions",
    metadata,
    Column("decision_id", Serial, primary_key=True, autoincrement=True),
    message_id_column(),
    Column("round", Integer, nullable=False),
    Column("decision", String(16), nullable=False),
    Column("code", String(128), nullable=False),
    Column("seen", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("message_id", "round", "actor", "seen", "decision", name="uq_hold_decisions_actor"),
    sqlite_autoincrement=True,
)
"""What each operator decided about a held message; where two are needed, the second one acts. ``round``: a
message may be held again after it was released; ``seen``: digest of the reasons that were decided about."""

returned = Table(
    "returned",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("person_id", String(64), primary_key=True),
    Column("imported_at", Instant, nullable=False),
    Index("ix_returned_person", "person_id"),
)
"""Persons returned before the gateway ran, as keyed hashes only (``passerelle returned import``)."""
