"""Alerts: one row per incident, and what was sent about it."""

from __future__ import annotations

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    pass
