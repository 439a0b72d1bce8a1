"""``passerelle alerts …`` on a real instance folder, with a real mail server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.clock import SystemClock
from gateway.config import settings_text
from gateway.flows.alert_conditions import Surroundings
from gateway.flows.alerts import evaluate
from gateway.instance import Instance
from gateway.keys import UK, generate_instance
from tests.fixtures.alerting import PASSWORD as MAIL_PASSWORD
from tests.fixtures.alerting import USER, MailServer, anchors, mail_server, server_tls

PASSWORD = "correct horse battery staple"
RUN = CliRunner()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[MailServer]:
    async with mail_server(server_tls(tmp_path)) as made:
        yield made


@pytest.fixture
async def folder(tmp_path: Path, server: MailServer) -> Path:
    """An instance with an operator and a mail server; nothing runs."""
    made = tmp_path / "uk"
    instance = await asyncio.to_thread(_made, made, tmp_path, server)
    store = await instance.open_store(create=True)
    await store.close()
    add = ["users", "add", "ada", "--role", "operator", "--password-stdin"]
    assert (await call(made, *add, stdin=f"{PASSWORD}\n")).exit_code == 0
    return made


def _made(folder: Path, tmp_path: Path, server: MailServer) -> Instance:
    generate_instance(folder, identity=UK, now=SystemClock().now())
    (folder / "smtp.password").write_text(MAIL_PASSWORD)
    values: dict[str, dict[str, Any]] = {
        "france": {"url": "https://127.0.0.1:9/as4"},
        "console": {"unsafe_optional_second_factor": True},
        "alerts": {"mail_uk": ("ops@uk.test",), "escalation_fr": ("chef@fr.test",)},
        "smtp": {
            "host": "127.0.0.1",
            "port": server.port,
            "username": USER,
            "password_file": "smtp.password",
            "anchors": str(anchors(tmp_path)),
        },
    }
    (folder / "passerelle.toml").write_text(settings_text(values))
    return Instance.load(folder)


async def call(folder: Path, *words: str, stdin: str = "") -> Result:
    """In a thread: the mail server of the test must be able to answer."""
    return await asyncio.to_thread(RUN.invoke, app, ["-C", str(folder), *words], input=stdin)


async def as_json(folder: Path, *words: str, stdin: str = "") -> Any:
    done = await call(folder, *words, "--json", stdin=stdin)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


async def raise_one(folder: Path) -> None:
    """The disk of this node is full."""
    instance = Instance.load(folder)
    store = await instance.open_store()
    exchange = instance.exchange(store)
    await evaluate(exchange, exchange.alerts, Surroundings(node="node-1", works=True, disk_free=0))
    await store.close()


def acknowledging(alert_id: str) -> list[str]:
    return ["alerts", "acknowledge", alert_id, "--reason", "on it", "--as", "ada", "--password-stdin"]


async def test_list_show_acknowledge(folder: Path) -> None:
    """The same as the pages: titles in both languages, notices, who has it in hand."""
    assert await as_json(folder, "alerts", "list") == []
    assert "No alert is open." in (await call(folder, "alerts", "list")).stdout
    await raise_one(folder)
    (row,) = await as_json(folder, "alerts", "list")
    assert (row["kind"], row["severity"], row["state"], row["acknowledged_at"]) == (
        "disk_space",
        "critical",
        "open",
        None,
    )
    assert row["title"]["fr"].startswith("Espace disque insuffisant")
    alert_id = row["alert_id"]
    shown = await as_json(folder, "alerts", "show", alert_id)
    assert [(n["recipient"], n["state"]) for n in shown["notices"]] == [("o…@uk.test", "waiting")]
    assert "what to do" in (await call(folder, "alerts", "show", alert_id)).stdout
    refused = await call(folder, *acknowledging(alert_id), stdin="wrong\n")
    assert refused.exit_code == 1
    done = await as_json(folder, *acknowledging(alert_id), stdin=f"{PASSWORD}\n")
    assert (done["acknowledged_by"], done["reason"]) == ("operator:ada", "on it")
    again = await call(folder, *acknowledging(alert_id), stdin=f"{PASSWORD}\n")
    assert again.exit_code == 1
    assert "acknowledged before" in again.output
    assert (await call(folder, "alerts", "show", "nobody")).exit_code == 1
    assert await as_json(folder, "alerts", "list", "--all", "--kind", "database") == []


async def test_a_test_from_the_command_line(folder: Path, server: MailServer) -> None:
    """Sent by the command itself when no gateway runs; exit status 1 when one does not arrive."""
    words = ["alerts", "test", "--as", "ada", "--password-stdin"]
    rows = await as_json(folder, *words, stdin=f"{PASSWORD}\n")
    assert [(r["recipient"], r["state"]) for r in rows] == [("o…@uk.test", "sent"), ("c…@fr.test", "sent")]
    assert sorted(server.subjects) == ["[Passerelle] Essai", "[Passerelle] Test"]
    server.refused = {"chef@fr.test": "550 no such user"}
    done = await call(folder, *words, stdin=f"{PASSWORD}\n")
    assert done.exit_code == 1
    assert "mail.refused" in done.output
    assert "chef@" not in done.output
