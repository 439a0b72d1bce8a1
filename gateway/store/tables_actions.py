"""Tables: actions on many messages at once, and reasoned reveals of personal data."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text

from gateway.store.columns import Instant, case_reference, metadata

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
