"""Both access points in one process for a test, and the empty database of gateways."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fixtures.databases import sqlite_template
from tests.fixtures.ends import Ends, make_ends

__all__ = ["sqlite_template"]


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    async with make_ends() as made:
        yield made
