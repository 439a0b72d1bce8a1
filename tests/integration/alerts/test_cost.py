"""What a look reads uses indexes, so that it costs the same however much is stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Executable
from sqlalchemy.dialects import sqlite

from gateway.store import alerts as store_alerts
from tests.fixtures.raw_sql import raw

READINGS: dict[str, tuple[Executable, str]] = {
    "dead letters": (store_alerts._FAILED, "ix_messages_status"),
    "newest dead letters": (store_alerts._FAILED_IDS, "ix_messages_status"),
    "told limits": (store_alerts._TOLD, "ix_deadlines_told"),
    "messages of told limits": (store_alerts._TOLD_IDS, "ix_deadlines_told"),
    "open alerts": (store_alerts._OPEN, "uq_alerts_open"),
    "count of open alerts": (store_alerts._COUNT, "uq_alerts_open"),
    "due notices": (store_alerts._DUE, "ix_alert_notices_due"),
    "next notice": (store_alerts._NEXT, "ix_alert_notices_due"),
}


@pytest.mark.parametrize("what", READINGS)
async def test_a_look_walks_indexes(sqlite_template: Path, what: str) -> None:
    """SQLite plans each reading with the index that was made for it."""
    statement, index = READINGS[what]
    compiled = statement.compile(dialect=sqlite.dialect())  # type: ignore[attr-defined] # every statement can
    text = str(compiled).replace("?", "1")
    plan = await raw(f"sqlite:///{sqlite_template}", f"EXPLAIN QUERY PLAN {text}")
    steps = [str(step[-1]) for step in plan]
    assert any(index in step for step in steps), steps
