"""``passerelle watch`` beside a gateway that runs: the view, JSON lines, and a clean end."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gateway.cli.watch import view
from gateway.flows.figures import read_figures
from tests.fixtures.cases import load_cases
from tests.fixtures.uk_gateway import running_gateway, simple_request
from tests.fixtures.world import World, make_world, post, readmission_request, until

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with make_world() as made:
        yield made


def command(world: World, *arguments: str) -> list[str]:
    return [
        sys.executable,
        "-c",
        "from gateway.cli import main; main()",
        "-C",
        str(world.uk),
        "watch",
        *arguments,
    ]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PASSERELLE_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


async def deliver(world: World) -> str:
    """A message that the ministry answers; its id."""
    async with world.client() as client:
        receipt = await post(client, "/v1/readmission-requests", readmission_request())
    return str(receipt.message_id)


async def test_json_lines_as_it_happens(world: World) -> None:
    """One object per event from another process; SIGINT ends it with status 0 and nothing half-written."""
    watching = await asyncio.create_subprocess_exec(
        *command(world, "--json"),
        cwd=ROOT,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert watching.stdout is not None
    first = json.loads(await asyncio.wait_for(watching.stdout.readline(), 60))
    assert first["event"] == "watch.started"
    message_id = await deliver(world)
    seen: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not any(e["event"] == "message.delivered" and e["subject"] == message_id for e in seen):
            seen.append(json.loads(await watching.stdout.readline()))
    watching.send_signal(signal.SIGINT)
    rest, errors = await asyncio.wait_for(watching.communicate(), 15)
    assert watching.returncode == 0, errors.decode()
    assert errors == b""
    seen += [json.loads(line) for line in rest.decode().splitlines()]
    assert [e["sequence"] for e in seen] == sorted(e["sequence"] for e in seen)
    events = [e["event"] for e in seen if e["subject"] == message_id]
    assert events[0] == "message.accepted"
    known = {"sequence", "at", "event", "subject", "actor", "reference"}
    allowed = known | {"type", "status", "code", "attempt", "before", "after", "count"}
    assert all(set(e) <= allowed for e in seen)


async def test_once_says_how_things_are(world: World) -> None:
    """Routes, endpoints and the newest events, as one object or as a table; status 0."""
    await deliver(world)
    done = subprocess.run(  # noqa: ASYNC221 — short, and nothing else runs here
        command(world, "--once", "--json"),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["figures"]["routes"]) == {"UK_TO_FR", "FR_TO_UK"}
    assert found["figures"]["endpoints"][0]["circuit"] == "closed"
    assert found["events"]
    done = subprocess.run(  # noqa: ASYNC221 — as above
        command(world, "--once"),
        cwd=ROOT,
        env=environment(COLUMNS="80"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "UK → FR" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


async def test_the_live_view_in_a_terminal(world: World) -> None:
    """In a real pseudo-terminal of 80 columns it shows what happens; Ctrl-C leaves the terminal as it was."""
    ours, theirs = pty.openpty()
    watching = subprocess.Popen(  # noqa: ASYNC220 — it is read without waiting
        command(world),
        cwd=ROOT,
        env=environment(COLUMNS="80", LINES="24", TERM="xterm"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    shown = b""

    def look(text: bytes) -> bool:
        nonlocal shown
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except (BlockingIOError, OSError):
            pass
        return text in shown

    await until(lambda: look("UK → FR".encode()), seconds=30, what="the view")
    await deliver(world)
    await until(lambda: look(b"message.delivered"), seconds=30, what="a delivery in the view")
    watching.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 15
    while watching.poll() is None and time.monotonic() < deadline:
        look(b"never")
        await asyncio.sleep(0.05)
    look(b"never")
    os.close(ours)
    assert watching.returncode == 0
    assert shown.rstrip().endswith(b"\x1b[?25h") or b"\x1b[?1049l" in shown
    assert b"Traceback" not in shown


async def test_the_view_fits_and_names_nobody(tmp_path: Path, sqlite_template: Path) -> None:
    """At 80 columns and 24 lines nothing is wider or longer, whatever happened; no personal data."""
    async with running_gateway(tmp_path, sqlite_template) as gateway:
        async with gateway.client() as client:
            for _ in range(30):
                await client.send("/v1/readmission-requests", simple_request())
        figures = await read_figures(gateway.exchange)
        async with gateway.exchange.store.begin(read_only=True) as tx:
            entries = await tx.audit_entries()
    assert len(entries) > 25
    console = Console(width=80, height=24, record=True, file=io.StringIO())
    console.print(view(figures, entries, height=24))
    lines = console.export_text().splitlines()
    assert len(lines) <= 24
    assert max(len(line.rstrip()) for line in lines) <= 80
    names = {p["family_name"] for case in load_cases() for p in case["persons"] if p["family_name"]}
    assert not [n for n in names if any(n in line for line in lines)]
