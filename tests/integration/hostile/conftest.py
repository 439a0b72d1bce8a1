"""One gateway for the module, in this process, on real HTTPS ports; France is played by the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.integration.hostile.line import Line, open_line


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line() -> AsyncIterator[Line]:
    async with open_line() as made:
        yield made
