"""Promise 3: no personal data in logs, metrics, ids, URLs, errors, nor readable in the database."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.fixtures.cases import load_cases
from tests.integration.privacy.play import HOSTILE, Traces
from tests.integration.privacy.search import Search

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEARCH = Search.of(load_cases())


async def test_everything_was_played(traces: Traces) -> None:
    """The traces are worth searching: accepted, refused in many ways, held, hostile answers refused."""
    assert traces.statuses[202] > 150
    assert {400, 401, 404, 406, 409, 415, 422} <= traces.statuses.keys()
    assert traces.statuses[422] > 300
    assert 500 not in traces.statuses
    assert traces.held > 0
    verdicts = [a.json()["verdict"] for a in traces.answers if b'"dry_run":true' in a.body]
    assert len(verdicts) > 100
    assert {"refused", "allowed"} <= set(verdicts)
    assert 'passerelle_dry_runs_total{type="ReadmissionRequest"' in traces.metrics
    hostile = [m for m in traces.sent_by_france if m["hostile"]]
    assert len(hostile) > 5
    assert {m["code"] for m in hostile} == {"EBMS:0004"}
    assert any(m["status"] == "delivered" and m["receipt_verified"] for m in traces.sent_by_france)
    assert HOSTILE


async def test_logs(traces: Traces) -> None:
    """Not a name, document number or birth date in any line, ours or a library's; every line is JSON."""
    lines = traces.log.getvalue().splitlines()
    assert len(lines) > 1000
    assert {"http.request"} <= {json.loads(line)["event"] for line in lines}
    assert SEARCH.in_text(traces.log.getvalue()) == set()


async def test_metrics(traces: Traces) -> None:
    """Labels are types, codes and route templates."""
    assert "passerelle_messages_refused_total" in traces.metrics
    assert SEARCH.in_text(traces.metrics) == set()


async def test_answers(traces: Traces) -> None:
    """Refusals, receipts, lists, timelines, events and evidence name nobody, in headers, links or bodies."""
    assert SEARCH.in_text(traces.written()["answers"]) == set()


async def test_webhooks(traces: Traces) -> None:
    """Events went out, thin: ids, codes and links, and nobody's data in address, header or body."""
    kinds = {json.loads(text.rsplit("\n", 1)[-1])["type"] for text in traces.webhooks}
    assert {"passerelle.message.status.v1", "passerelle.privacy.incident.v1"} <= kinds
    assert len(traces.webhooks) > 100
    assert SEARCH.in_text(traces.written()["webhooks"]) == set()


async def test_pages_of_the_console(traces: Traces) -> None:
    """Two people who may open every page do so: persons are masked, and no page fails."""
    statuses = {answer.status for answer in traces.pages}
    assert 500 not in statuses
    good = [answer for answer in traces.pages if answer.status == 200]
    areas = {area for answer in good for area in answer.headers["page"].split("?")[0].split("/")[2:3]}
    assert {"messages", "cases", "held", "audit", "balance", "users"} <= areas
    assert len(good) > 60
    found = {
        (answer.headers["page"], hit)
        for answer in traces.pages
        if answer.status == 200  # an address that is none is shown to whoever typed it, and written nowhere
        for hit in SEARCH.in_text(answer.body.decode("utf-8", "replace"))
    }
    assert found == set()


async def test_output_of_commands(traces: Traces) -> None:
    """Tables and JSON of what reads, and the errors of what fails: places and codes, nobody's data."""
    crashed = [words for words, _, output in traces.commands if output.endswith("CRASH")]
    assert crashed == []
    worked = [words for words, status, _ in traces.commands if status == 0]
    assert len(worked) > 50, [words for words, status, _ in traces.commands if status]
    found = {
        (" ".join(words[:2]), hit) for words, _, output in traces.commands for hit in SEARCH.in_text(output)
    }
    assert found == set()


async def test_instance_folder(traces: Traces, tmp_path: Path) -> None:
    """No file of the folder, database and its write-ahead log included, holds any of it in any form."""
    names = {path.name for path in traces.folder.iterdir()}
    assert {"passerelle.db", "passerelle.db-wal"} <= names
    assert SEARCH.in_folder(traces.folder) == set()
    copy = tmp_path / "copy"
    shutil.copytree(traces.folder, copy)
    with contextlib.closing(sqlite3.connect(copy / "passerelle.db")) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        assert connection.execute("SELECT count(*) FROM contents").fetchone()[0] > 150
    assert SEARCH.in_database(copy / "passerelle.db") == set()


@pytest.mark.parametrize(
    "text",
    [
        "event=Warsame",
        "WARSAME,LIIBAAN",
        "/v1/messages?name=warsame",
        "AL HAMWI",
        'name="al-Ḥamwī"',
        "Lul\\xebzim",
        "Y&#305;ld&#305;r&#305;m",
        "P57126116",
        "born 29/12/2005",
        "2005-12-29",
        "eyJ4IjoxfQ."
        + base64.urlsafe_b64encode(json.dumps({"name": "Liibaan Warsame " * 3}).encode()).decode(),
    ],
)
async def test_the_search_finds(text: str) -> None:
    """The search is not blind: each form of a record's data is found in a text."""
    assert SEARCH.in_text(text)


@pytest.mark.parametrize(
    "text", ["Adamant", "a" * 64, "2026-11-23T10:00:00Z", "GB01-7QK3M9ZT4XWC", "DGEF-RGPD"]
)
async def test_the_search_does_not_find(text: str) -> None:
    """What is no personal datum is no hit."""
    assert SEARCH.in_text(text) == set()


async def test_the_search_finds_in_files_and_databases(tmp_path: Path) -> None:
    """A name in any column or file is found, in ciphertext columns by its bytes."""
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("CREATE TABLE contents (sealed BLOB)")
        connection.execute("CREATE TABLE audit (data TEXT)")
        connection.execute("INSERT INTO contents VALUES (?)", (b"\x00\x01Woldegabriel\xff",))
        connection.execute('INSERT INTO audit VALUES (\'{"n": "Adam"}\')')
        connection.commit()
    assert SEARCH.in_database(tmp_path / "x.db") == {
        ("contents.sealed", "woldegabriel"),
        ("audit.data", "adam"),
    }
    assert ("x.db", "woldegabriel") in SEARCH.in_folder(tmp_path)
