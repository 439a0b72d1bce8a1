"""Tables: alerts: one row per incident, and what was sent about it.

Recipients stand here by a digest of their address only; the addresses are in the settings.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, text

from gateway.store.columns import Instant, Serial, metadata

_OPEN = text("cleared_at IS NULL")
_WAITING = text("state = 'waiting'")

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", String(36), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("key", Text, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("side", String(16), nullable=False),
    Column("level", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("facts", Text, nullable=False),
    Column("messages", Text, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("told_at", Instant, nullable=False),
    Column("newest_at", Instant),
    Column("calm_since", Instant),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", Text),
    Column("reason", Text),
    Column("acknowledged_count", Integer),
    Column("escalated_at", Instant),
    Column("cleared_at", Instant),
    Column("cleared_by", Text),
    Index("uq_alerts_open", "kind", "key", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_alerts_opened", "opened_at", "alert_id"),
    Index("ix_alerts_kind", "kind", "opened_at", "alert_id"),
)
"""``uq_alerts_open``: one open alert per incident, whatever the nodes do. ``facts``, ``messages``: JSON."""

alert_notices = Table(
    "alert_notices",
    metadata,
    Column("notice_id", Serial, primary_key=True, autoincrement=True),
    Column("alert_id", String(36), ForeignKey("alerts.alert_id")),
    Column("test_id", String(36)),
    Column("event", String(16), nullable=False),
    Column("target_id", String(64), nullable=False),
    Column("content", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("first_due_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("lease", String(64)),
    Index("ix_alert_notices_due", "due_at", "notice_id", sqlite_where=_WAITING, postgresql_where=_WAITING),
    Index("ix_alert_notices_alert", "alert_id", "notice_id"),
    Index("ix_alert_notices_test", "test_id"),
    sqlite_autoincrement=True,
)
"""One telling to one recipient; rows stay for ever. ``content``: the alert as it was then (JSON), so that a
retry says the same. A claim moves ``due_at`` to the end of its lease, as in the outbox."""

alert_attempts = Table(
    "alert_attempts",
    metadata,
    Column("attempt_id", Serial, primary_key=True, autoincrement=True),
    Column("notice_id", Serial, ForeignKey("alert_notices.notice_id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant, nullable=False),
    Column("outcome", String(128), nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_alert_attempts_notice", "notice_id", "attempt_id"),
    sqlite_autoincrement=True,
)

alert_watch = Table(
    "alert_watch",
    metadata,
    Column("watch_id", Integer, primary_key=True, autoincrement=False),
    Column("generation", BigInteger, nullable=False),
    Column("audit_sequence", BigInteger, nullable=False),
    Column("audit_hash", String(64), nullable=False),
    Column("full_sequence", BigInteger, nullable=False),
    Column("full_hash", String(64), nullable=False),
    Column("full_started_at", Instant),
    Column("full_done_at", Instant),
    Column("broken_sequence", BigInteger),
    Column("broken_reason", String(32)),
)
"""One row (1): how far the audit log was read and verified. Whoever changes alerts counts ``generation`` up
in the same transaction; who has looked at an older one starts again."""

alert_nodes = Table(
    "alert_nodes",
    metadata,
    Column("node", String(255), primary_key=True),
    Column("seen_at", Instant, nullable=False),
    Column("works", Integer, nullable=False),
)
"""When each node was last alive, and whether it delivers."""
