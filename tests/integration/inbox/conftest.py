"""A gateway with small quotas on either database; its clock starts on Wednesday of 2026-W47."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.uk_client import UkClient
from tests.fixtures.databases import backend, postgres_server, sqlite_template, store, store_url
from tests.fixtures.uk_gateway import Gateway, running_gateway
from tests.integration.balance.steps import agreed

__all__ = ["backend", "postgres_server", "sqlite_template", "store", "store_url"]


@pytest.fixture
async def gateway(store_url: str, tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Gateway]:
    """One readmission and two nominations a week; a warning at a difference of two persons."""
    agreement = agreed(readmissions=1, balance={"warn_difference": 2, "hold_difference": 0})
    async with running_gateway(tmp_path, sqlite_template, url=store_url, agreement=agreement) as running:
        yield running


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[UkClient]:
    async with gateway.client() as made:
        yield made
