"""Tables: finding messages: filters, saved filters, counts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint, text

from gateway.store import tables as t
from gateway.store.columns import Instant, Serial, metadata


def _some(name: str, *columns: Column[object] | str, where: str) -> Index:
    """An index of the rows that ``where`` holds for."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


_M, _D = t.messages.c, t.deadlines.c
_some("ix_messages_code", _M.code, _M.sequence, where="code IS NOT NULL")
_some("ix_messages_tried", _M.attempts, _M.sequence, where="attempts >= 2")
_some("ix_messages_unproven", _M.sequence, where="receipt_verified = 0 AND direction = 'UK_TO_FR'")
_some("ix_messages_delivered", _M.direction, _M.delivered_at, where="delivered_at IS NOT NULL")
_some("ix_deadlines_unclosed", _D.state, _D.due_at, _D.deadline_id, where="closed_at IS NULL")
_some(
    "ix_deadlines_warned",
    _D.due_at,
    _D.deadline_id,
    where="closed_at IS NULL AND state = 'open' AND warnings > 0",
)

# the end of the audit log, by who did something and by what was done (gateway.store.audit)
Index("ix_audit_actor", t.audit.c.actor, t.audit.c.sequence)
Index("ix_audit_action", t.audit.c.action, t.audit.c.sequence)

message_counts = Table(
    "message_counts",
    metadata,
    Column("type", String(32), primary_key=True),
    Column("direction", String(8), primary_key=True),
    Column("status", String(16), primary_key=True),
    Column("messages", BigInteger, nullable=False),
)
"""Kept by triggers on ``messages`` (migration 0007): whoever writes, in the same transaction. On SQLite,
which has one writer, at once; on PostgreSQL with what waits in ``message_changes``."""

message_changes = Table(
    "message_changes",
    metadata,
    Column("change_id", Serial, primary_key=True, autoincrement=True),
    Column("type", String(32), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("status", String(16), nullable=False),
    Column("delta", Integer, nullable=False),
)
"""PostgreSQL: only ever added to, so that no two nodes wait for each other; ``fold_counts`` adds them up."""

saved_filters = Table(
    "saved_filters",
    metadata,
    Column("filter_id", String(36), primary_key=True),
    Column("side", String(8), nullable=False),
    Column("owner", String(128), nullable=False),
    Column("shared", Integer, nullable=False),
    Column("name", String(128), nullable=False),
    Column("query", Text, nullable=False),
    Column("saved_at", Instant, nullable=False),
    UniqueConstraint("side", "owner", "name", name="uq_saved_filters_name"),
)
