"""Actions on many messages at once, and reasoned reveals of personal data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    _reveals()


def _reveals() -> None:
    op.create_table(
        "reveals",
        sa.Column("reveal_id", sa.String(length=36), nullable=False),
        sa.Column("reference", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("reveal_id"),
        sa.ForeignKeyConstraint(["reference"], ["cases.reference"]),
    )
    op.create_index("ix_reveals_case", "reveals", ["reference", "started_at"])
