"""Lives of cases, and databases for what several nodes do at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fixtures.clock_life import Life, make_life
from tests.fixtures.databases import backend, postgres_server, sqlite_template, store, store_url

__all__ = ["backend", "postgres_server", "sqlite_template", "store", "store_url"]


@pytest.fixture
async def life() -> AsyncIterator[Life]:
    async with make_life() as made:
        yield made
