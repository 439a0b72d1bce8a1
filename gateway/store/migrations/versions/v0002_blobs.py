"""Blobs: large contents in sealed chunks, linked to messages and outbox rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "blobs",
        sa.Column("blob_id", sa.String(length=36), nullable=False),
        sa.Column("chunk_size", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("message_id", sa.String(length=36), nullable=True),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["messages.message_id"],
        ),
        sa.PrimaryKeyConstraint("blob_id"),
    )
    op.create_index("ix_blobs_message", "blobs", ["message_id"], unique=False)
    op.create_index(
        "ix_blobs_expires",
        "blobs",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("expires_at IS NOT NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "blob_chunks",
        sa.Column("blob_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["blob_id"],
            ["blobs.blob_id"],
        ),
        sa.PrimaryKeyConstraint("blob_id", "number"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # what is sealed does not compress: PostgreSQL need not try
        op.execute("ALTER TABLE blob_chunks ALTER COLUMN sealed SET STORAGE EXTERNAL")
    op.add_column("outbox", sa.Column("wire_blob", sa.String(length=36), nullable=True))
