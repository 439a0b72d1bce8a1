"""Tables: events that reach the inbox beside messages: time limits, refusals after waiting, thresholds."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text, UniqueConstraint, text

from gateway.store.columns import Instant, Serial, metadata

_WAITING = text("acknowledged_at IS NULL")

inbox_events = Table(
    "inbox_events",
    metadata,
    Column("sequence", Serial, primary_key=True, autoincrement=True),
    Column("event_id", String(36), nullable=False),
    Column("type", String(64), nullable=False),
    Column("fact", String(128), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reference", String(32)),
    Column("message_id", String(36)),
    Column("path", Text),
    Column("data", Text, nullable=False),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", Text),
    UniqueConstraint("event_id", name="uq_inbox_events_id"),
    UniqueConstraint("fact", name="uq_inbox_events_fact"),
    Index("ix_inbox_events_waiting", "sequence", sqlite_where=_WAITING, postgresql_where=_WAITING),
    sqlite_autoincrement=True,
)
"""No foreign keys: rows are written under the lock of the audit chain, after which nothing may be locked, and
PostgreSQL locks the row that a foreign key points to."""
