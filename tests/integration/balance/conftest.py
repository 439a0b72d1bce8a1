"""A gateway whose quotas are small, on either database; its clock starts on Wednesday of 2026-W47."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.uk_client import UkClient
from tests.fixtures.databases import backend, postgres_server, sqlite_template, store_url
from tests.fixtures.uk_gateway import Gateway, running_gateway
from tests.integration.balance.steps import agreed

__all__ = ["backend", "postgres_server", "sqlite_template", "store_url"]


@pytest.fixture
async def gateway(store_url: str, tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Gateway]:
    """Three readmissions and two nominations a week."""
    async with running_gateway(tmp_path, sqlite_template, url=store_url, agreement=agreed()) as running:
        yield running


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[UkClient]:
    async with gateway.client() as made:
        yield made
