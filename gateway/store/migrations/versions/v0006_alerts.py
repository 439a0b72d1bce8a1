"""Alerts: one row per incident, and what was sent about it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _instant(name: str, *, needed: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=not needed)


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("side", sa.String(length=16), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("messages", sa.Text(), nullable=False),
        _instant("opened_at", needed=True),
        _instant("updated_at", needed=True),
        _instant("told_at", needed=True),
        _instant("newest_at"),
        _instant("calm_since"),
        _instant("acknowledged_at"),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("acknowledged_count", sa.Integer(), nullable=True),
        _instant("escalated_at"),
        _instant("cleared_at"),
        sa.Column("cleared_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("alert_id"),
    )
    is_open = sa.text("cleared_at IS NULL")
    op.create_index(
        "uq_alerts_open",
        "alerts",
        ["kind", "key"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_index("ix_alerts_opened", "alerts", ["opened_at", "alert_id"])
    op.create_index("ix_alerts_kind", "alerts", ["kind", "opened_at", "alert_id"])
    _notices()
    _watch()
    # what was told before this version stays told: a clock that has passed is a condition, read anew
    told = sa.text("closed_at IS NULL AND (warnings > 0 OR state = 'breached')")
    op.create_index(
        "ix_deadlines_told",
        "deadlines",
        ["clock", "state", "due_at"],
        sqlite_where=told,
        postgresql_where=told,
    )


def _notices() -> None:
    op.create_table(
        "alert_notices",
        sa.Column("notice_id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("alert_id", sa.String(length=36), nullable=True),
        sa.Column("test_id", sa.String(length=36), nullable=True),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("target_id", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _instant("created_at", needed=True),
        _instant("due_at", needed=True),
        _instant("first_due_at", needed=True),
        _instant("ended_at"),
        sa.Column("lease", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("notice_id"),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.alert_id"]),
        sqlite_autoincrement=True,
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "ix_alert_notices_due",
        "alert_notices",
        ["due_at", "notice_id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index("ix_alert_notices_alert", "alert_notices", ["alert_id", "notice_id"])
    op.create_index("ix_alert_notices_test", "alert_notices", ["test_id"])
    op.create_table(
        "alert_attempts",
        sa.Column("attempt_id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("notice_id", _SERIAL, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        _instant("started_at", needed=True),
        _instant("finished_at", needed=True),
        sa.Column("outcome", sa.String(length=128), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("attempt_id"),
        sa.ForeignKeyConstraint(["notice_id"], ["alert_notices.notice_id"]),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alert_attempts_notice", "alert_attempts", ["notice_id", "attempt_id"])


def _watch() -> None:
    op.create_table(
        "alert_watch",
        sa.Column("watch_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("audit_sequence", sa.BigInteger(), nullable=False),
        sa.Column("audit_hash", sa.String(length=64), nullable=False),
        sa.Column("full_sequence", sa.BigInteger(), nullable=False),
        sa.Column("full_hash", sa.String(length=64), nullable=False),
        _instant("full_started_at"),
        _instant("full_done_at"),
        sa.Column("broken_sequence", sa.BigInteger(), nullable=True),
        sa.Column("broken_reason", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("watch_id"),
    )
    op.create_table(
        "alert_nodes",
        sa.Column("node", sa.String(length=255), nullable=False),
        _instant("seen_at", needed=True),
        sa.Column("works", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("node"),
    )
    # alerts begin with what comes after this version; the first full verification looks at all before it
    op.execute(
        "INSERT INTO alert_watch (watch_id, generation, audit_sequence, audit_hash, full_sequence, full_hash)"
        " SELECT 1, 0, coalesce(max(sequence), 0),"
        " coalesce((SELECT hash FROM audit ORDER BY sequence DESC LIMIT 1), '"
        + "0" * 64
        + "'), 0, '"
        + "0" * 64
        + "' FROM audit"
    )
