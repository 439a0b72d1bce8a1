"""One gateway for the module; everything that it answers is recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fixtures.databases import sqlite_template
from tests.fixtures.uk_gateway import running_gateway
from tests.integration.contract.recorder import Recorder, play

__all__ = ["sqlite_template"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorded(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> AsyncIterator[Recorder]:
    folder = tmp_path_factory.mktemp("contract")
    async with running_gateway(folder, sqlite_template) as gateway, Recorder.of(gateway) as client:
        await play(gateway, client)
        yield client
