"""A real gateway on each database, and what the tests of the holding area do with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.uk_client import UkClient
from tests.fixtures.databases import backend, postgres_server, sqlite_template, store_url
from tests.fixtures.uk_gateway import Gateway, running_gateway

__all__ = ["backend", "postgres_server", "sqlite_template", "store_url"]


@pytest.fixture
async def gateway(tmp_path: Path, sqlite_template: Path, store_url: str) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path, sqlite_template, url=store_url) as running:
        yield running


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[UkClient]:
    async with gateway.client() as made:
        yield made
