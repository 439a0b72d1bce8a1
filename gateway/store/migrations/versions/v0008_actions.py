"""Actions on many messages at once, and reasoned reveals of personal data."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    pass
