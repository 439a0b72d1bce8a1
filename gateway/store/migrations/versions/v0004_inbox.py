"""Events that reach the inbox beside messages: time limits, refusals after waiting, thresholds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "inbox_events",
        sa.Column("sequence", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("fact", sa.String(length=128), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=32), nullable=True),
        sa.Column("message_id", sa.String(length=36), nullable=True),
        sa.Column("path", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("sequence"),
        sa.UniqueConstraint("event_id", name="uq_inbox_events_id"),
        sa.UniqueConstraint("fact", name="uq_inbox_events_fact"),
        sqlite_autoincrement=True,
    )
    waiting = sa.text("acknowledged_at IS NULL")
    op.create_index(
        "ix_inbox_events_waiting",
        "inbox_events",
        ["sequence"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
