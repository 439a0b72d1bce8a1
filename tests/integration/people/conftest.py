"""People on both databases."""

from __future__ import annotations

import pytest

from gateway.flows.people import People
from gateway.store import SqlStore
from tests.fixtures.console import MovingClock
from tests.fixtures.databases import backend, postgres_server, sqlite_template, store, store_url
from tests.fixtures.people import people_of

__all__ = ["backend", "people", "postgres_server", "sqlite_template", "store", "store_url"]


@pytest.fixture
def people(store: SqlStore) -> People:
    """The strict policy on a fresh database, with a clock that moves."""
    return people_of(store, MovingClock())
