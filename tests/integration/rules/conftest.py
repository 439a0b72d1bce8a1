"""One real gateway for each test, on a loopback port with a fresh SQLite store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.uk_client import UkClient
from tests.fixtures.databases import sqlite_template
from tests.fixtures.uk_gateway import Gateway, running_gateway

__all__ = ["sqlite_template"]


@pytest.fixture
async def gateway(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path, sqlite_template) as running:
        yield running


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[UkClient]:
    async with gateway.client() as made:
        yield made
