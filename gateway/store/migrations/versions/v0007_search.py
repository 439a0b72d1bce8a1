"""Finding messages: indexes for the filters, saved filters, counts that triggers keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# One writer at a time: the cell itself is changed, and only the few cells there are take space.
_CELL = """INSERT INTO message_counts (type, direction, status, messages)
    VALUES ({row}.type, {row}.direction, {row}.status, {delta})
    ON CONFLICT (type, direction, status) DO UPDATE SET messages = messages + ({delta});"""
_SQLITE = (
    f"""CREATE TRIGGER messages_count_insert AFTER INSERT ON messages BEGIN
        {_CELL.format(row="NEW", delta=1)} END""",
    f"""CREATE TRIGGER messages_count_update AFTER UPDATE OF type, direction, status ON messages
        WHEN OLD.status <> NEW.status OR OLD.type <> NEW.type OR OLD.direction <> NEW.direction BEGIN
        {_CELL.format(row="OLD", delta=-1)} {_CELL.format(row="NEW", delta=1)} END""",
    f"""CREATE TRIGGER messages_count_delete AFTER DELETE ON messages BEGIN
        {_CELL.format(row="OLD", delta=-1)} END""",
)
# Many writers: each adds rows of its own and waits for nobody.
_POSTGRESQL = (
    """CREATE FUNCTION messages_count() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            INSERT INTO message_changes (type, direction, status, delta)
            VALUES (OLD.type, OLD.direction, OLD.status, -1);
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO message_changes (type, direction, status, delta)
            VALUES (NEW.type, NEW.direction, NEW.status, 1);
        END IF;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER messages_count_rows AFTER INSERT OR DELETE ON messages
    FOR EACH ROW EXECUTE FUNCTION messages_count()""",
    """CREATE TRIGGER messages_count_update AFTER UPDATE OF type, direction, status ON messages
    FOR EACH ROW
    WHEN (OLD.status <> NEW.status OR OLD.type <> NEW.type OR OLD.direction <> NEW.direction)
    EXECUTE FUNCTION messages_count()""",
)
_FILL = """INSERT INTO message_counts (type, direction, status, messages)
    SELECT type, direction, status, COUNT(*) FROM messages GROUP BY type, direction, status"""


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    some = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=some, postgresql_where=some)


def upgrade() -> None:
    _index("ix_messages_code", "messages", ["code", "sequence"], "code IS NOT NULL")
    _index("ix_messages_tried", "messages", ["attempts", "sequence"], "attempts >= 2")
    unproven = "receipt_verified = 0 AND direction = 'UK_TO_FR'"
    _index("ix_messages_unproven", "messages", ["sequence"], unproven)
    _index("ix_messages_delivered", "messages", ["direction", "delivered_at"], "delivered_at IS NOT NULL")
    _index("ix_deadlines_unclosed", "deadlines", ["state", "due_at", "deadline_id"], "closed_at IS NULL")
    warned = "closed_at IS NULL AND state = 'open' AND warnings > 0"
    _index("ix_deadlines_warned", "deadlines", ["due_at", "deadline_id"], warned)
    op.create_index("ix_audit_actor", "audit", ["actor", "sequence"])
    op.create_index("ix_audit_action", "audit", ["action", "sequence"])
    op.create_table(
        "message_counts",
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("type", "direction", "status"),
    )
    op.create_table(
        "message_changes",
        sa.Column("change_id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("delta", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("change_id"),
    )
    op.create_table(
        "saved_filters",
        sa.Column("filter_id", sa.String(length=36), nullable=False),
        sa.Column("side", sa.String(length=8), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("shared", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("filter_id"),
        sa.UniqueConstraint("side", "owner", "name", name="uq_saved_filters_name"),
    )
    dialect = op.get_bind().dialect.name
    if dialect == "postgresql":
        op.execute(
            "LOCK TABLE messages IN SHARE ROW EXCLUSIVE MODE"
        )  # nothing comes between count and trigger
    op.execute(_FILL)
    for statement in _POSTGRESQL if dialect == "postgresql" else _SQLITE:
        op.execute(statement)
