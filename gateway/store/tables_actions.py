"""Tables: actions on many messages at once, and reasoned reveals of personal data."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from gateway.store.columns import Instant, case_reference, message_id_column, metadata

reveals = Table(
    "reveals",
    metadata,
    Column("reveal_id", String(36), primary_key=True),
    case_reference(),
    Column("actor", Text, nullable=False),
    Column("code", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index("ix_reveals_case", "reference", "started_at"),
)
"""Who looked at the personal data of which case, why and until when (``gateway.store.reveals``)."""

batches = Table(
    "batches",
    metadata,
    Column("batch_id", String(36), primary_key=True),
    Column("action", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason_code", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("selection", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("items", Integer, nullable=False),
    Column("to_do", Integer, nullable=False),
    Column("second_person", Integer, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("approved_by", Text),
    Column("approved_at", Instant),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("next_at", Instant),
    Column("updated_at", Instant, nullable=False),
    Index("ix_batches_state", "state", "batch_id"),
)
"""Actions on a set of messages that was fixed when somebody confirmed it (``gateway.core.batches``)."""

batch_items = Table(
    "batch_items",
    metadata,
    Column("batch_id", String(36), ForeignKey("batches.batch_id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    message_id_column(),
    Column("seen_status", String(16), nullable=False),
    Column("seen_code", String(128)),
    Column("verdict", String(16), nullable=False),
    Column("why", String(32), nullable=False),
    Column("judged_at", Instant, nullable=False),
    Column("result", String(16), nullable=False),
    Column("code", String(128)),
    Column("at", Instant),
    Index("ix_batch_items_message", "message_id"),
    Index("ix_batch_items_result", "batch_id", "result", "position"),
)
"""One message of a batch: as it was judged, and what became of it."""
