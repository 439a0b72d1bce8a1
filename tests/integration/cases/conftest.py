"""One real gateway for all cases of a module: a loopback port, SQLite, a clock that each test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fixtures.databases import sqlite_template
from tests.fixtures.uk_gateway import Gateway, running_gateway

__all__ = ["sqlite_template"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_gateway(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path_factory.mktemp("cases"), sqlite_template) as running:
        yield running
