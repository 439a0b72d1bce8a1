"""Reading the figures: not more often than configured, and the scrape survives a database that does not."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.flows.figures import FigureCache
from tests.fixtures.uk_gateway import Gateway, running_gateway, simple_request


@pytest.fixture
async def gateway(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path, sqlite_template) as found:
        yield found


async def test_figures_are_kept_however_many_ask(gateway: Gateway) -> None:
    """Twenty scrapes at once are one reading of the database; a new message shows in the next one."""
    cache = FigureCache(gateway.exchange, keep_s=4)
    found = await asyncio.gather(*(cache.get() for _ in range(20)))
    assert len({id(figures) for figures in found}) == 1
    before = found[0]
    assert before is not None
    async with gateway.client() as client:
        await client.send("/v1/readmission-requests", simple_request())
    assert await cache.get() is before
    await asyncio.sleep(4.1)
    after = await cache.get()
    assert after is not None
    assert after.newest_audit > before.newest_audit
    assert sum(after.messages.values()) == sum(before.messages.values()) + 1


async def test_a_database_out_of_reach_is_a_figure_too(gateway: Gateway) -> None:
    """The process can still be watched: its own metrics are there, and database_up is 0."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{gateway.base}/metrics") as answer:
            assert "passerelle_database_up 1.0" in await answer.text()
        with contextlib.closing(sqlite3.connect(gateway.database)) as broken:
            broken.execute("ALTER TABLE audit RENAME TO gone")
        async with session.get(f"{gateway.base}/metrics") as answer:
            text = await answer.text()
    assert answer.status == 200
    assert "passerelle_database_up 0.0" in text
    assert "passerelle_outbox_rows{" not in text
    assert "process_cpu_seconds_total" in text


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP"])
async def test_nobody_reads_metrics_through_a_proxy(gateway: Gateway, header: str) -> None:
    """Without a token only this machine may ask, and a proxy on it speaks for others."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{gateway.base}/metrics", headers={header: "192.0.2.1"}) as answer,
    ):
        assert answer.status == 403
        assert "passerelle_" not in await answer.text()
