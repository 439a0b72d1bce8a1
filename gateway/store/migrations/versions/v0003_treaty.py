"""Time limits, the ledger of persons, changes of quotas, decisions about held messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _case() -> list[sa.Column[str] | sa.ForeignKeyConstraint]:
    return [
        sa.Column("reference", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["reference"], ["cases.reference"]),
    ]


def _message() -> list[sa.Column[str] | sa.ForeignKeyConstraint]:
    return [
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.message_id"]),
    ]


def upgrade() -> None:
    op.create_table(
        "deadlines",
        sa.Column("deadline_id", _SERIAL, autoincrement=True, nullable=False),
        *_case(),
        sa.Column("clock", sa.String(length=64), nullable=False),
        *_message(),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("warnings", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("deadline_id"),
        sa.UniqueConstraint("clock", "message_id", name="uq_deadlines_clock"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deadlines_case", "deadlines", ["reference", "deadline_id"])
    op.create_index("ix_deadlines_due", "deadlines", ["state", "due_at", "deadline_id"])
    waiting = sa.text("next_at IS NOT NULL")
    op.create_index(
        "ix_deadlines_next", "deadlines", ["next_at"], sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_table(
        "ledger",
        sa.Column("entry_id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("side", sa.String(length=16), nullable=False),
        sa.Column("persons", sa.Integer(), nullable=False),
        sa.Column("event_at", sa.BigInteger(), nullable=False),
        sa.Column("week", sa.String(length=8), nullable=False),
        sa.Column("booked_at", sa.BigInteger(), nullable=False),
        *_case(),
        *_message(),
        sa.Column("corrects", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=128), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id"),
        sa.UniqueConstraint("corrects", name="uq_ledger_corrects"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ledger_message", "ledger", ["message_id"])
    op.create_index("ix_ledger_week", "ledger", ["week", "side"])
    op.create_table(
        "quota_changes",
        sa.Column("change_id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("side", sa.String(length=16), nullable=False),
        sa.Column("persons", sa.Integer(), nullable=False),
        sa.Column("from_week", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("change_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_quota_changes", "quota_changes", ["side", "from_week", "change_id"])
    op.create_table(
        "ledger_weeks",
        sa.Column("week", sa.String(length=8), nullable=False),
        sa.Column("side", sa.String(length=16), nullable=False),
        sa.Column("persons", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("week", "side"),
    )
    op.create_table(
        "hold_decisions",
        sa.Column("decision_id", _SERIAL, autoincrement=True, nullable=False),
        *_message(),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=128), nullable=False),
        sa.Column("seen", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id"),
        sa.UniqueConstraint(
            "message_id", "round", "actor", "seen", "decision", name="uq_hold_decisions_actor"
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "returned",
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "digest", "person_id"),
    )
    op.create_index("ix_returned_person", "returned", ["person_id"])
