"""Everything happens once: all records, well and badly sent, France answering; then traces are searched."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.integration.privacy.play import Traces, play


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traces() -> AsyncIterator[Traces]:
    async with play() as made:
        yield made
