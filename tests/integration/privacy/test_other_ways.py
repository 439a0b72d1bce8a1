"""The same promise where messages are pulled, and where receipts come by callback: every case, either way."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fixtures.agreements import CALLBACK, PULLED_FR, PULLED_UK, agreement_text
from tests.fixtures.cases import load_cases
from tests.integration.privacy.play import Traces, play
from tests.integration.privacy.search import Search

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEARCH = Search.of(load_cases())
WAYS = {"pulled both ways": (PULLED_UK, PULLED_FR), "callback both ways": (CALLBACK, CALLBACK)}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=WAYS)
async def traces(request: pytest.FixtureRequest) -> AsyncIterator[Traces]:
    uk_to_fr, fr_to_uk = WAYS[request.param]
    text = agreement_text(uk_to_fr=uk_to_fr, fr_to_uk=fr_to_uk)
    for name in ("readmissions", "nominations"):
        assert f"{name} = 50\n" in text
        text = text.replace(f"{name} = 50\n", f"{name} = 1000\n")  # all of them travel
    async with play(text, badly=False) as made:
        yield made


async def test_everything_travelled(traces: Traces) -> None:
    """Both ways, with good answers of France and with hostile ones, which were refused."""
    assert traces.statuses[202] > 150
    assert 500 not in traces.statuses
    good = [m for m in traces.sent_by_france if not m["hostile"]]
    hostile = [m for m in traces.sent_by_france if m["hostile"]]
    assert len(good) > 50
    assert len(hostile) > 5
    assert all(m["receipt_verified"] for m in good if m["status"] == "delivered")


async def test_nothing_that_was_written_names_anybody(traces: Traces) -> None:
    """Logs, metrics, answers and webhooks."""
    lines = traces.log.getvalue().splitlines()
    assert len(lines) > 500
    assert {"http.request"} <= {json.loads(line)["event"] for line in lines}
    written = {where: text for where, text in traces.written().items() if text}
    assert {"logs", "metrics", "answers", "webhooks"} <= written.keys()
    found = {(where, hit) for where, text in written.items() for hit in SEARCH.in_text(text)}
    assert found == set()


async def test_nothing_in_the_folder_can_be_read(traces: Traces, tmp_path: Path) -> None:
    """Files, database and write-ahead log."""
    assert SEARCH.in_folder(traces.folder) == set()
    copy = tmp_path / "copy"
    shutil.copytree(traces.folder, copy)
    with contextlib.closing(sqlite3.connect(copy / "passerelle.db")) as connection:
        assert connection.execute("SELECT count(*) FROM contents").fetchone()[0] > 150
    assert SEARCH.in_database(copy / "passerelle.db") == set()
