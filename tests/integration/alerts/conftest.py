"""A desk to look and send from above each database; a real mail server with STARTTLS and log-in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store import SqlStore
from tests.fixtures.alerting import Desk, Hook, MailServer, hook_server, mail_server, make_desk, server_tls
from tests.fixtures.databases import backend, postgres_server, sqlite_template, store, store_url

__all__ = ["backend", "postgres_server", "sqlite_template", "store", "store_url"]


@pytest.fixture
async def desk(store: SqlStore) -> AsyncIterator[Desk]:
    async with make_desk(store) as made:
        yield made


@pytest.fixture
async def post_office(tmp_path: Path) -> AsyncIterator[MailServer]:
    async with mail_server(server_tls(tmp_path)) as made:
        yield made


@pytest.fixture
async def target() -> AsyncIterator[Hook]:
    async with hook_server() as made:
        yield made
