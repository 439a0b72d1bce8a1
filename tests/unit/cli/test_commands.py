"""The command line as its user meets it, on a real instance folder with its SQLite database."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner, Result

from adapters.uk import UkAdapter
from gateway.cli import common
from gateway.cli.common import print_table, show
from gateway.cli.demo.people import first_request
from gateway.cli.main import app
from gateway.clock import SystemClock
from gateway.config import FOLDER_VARIABLE

FRANCE = "FR-MI-AS4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance as ``passerelle init`` makes it, with the certificates of a simulated ministry."""
    base = tmp_path_factory.mktemp("cli")
    command = ["init", str(base / "uk"), "--with-sandbox", str(base / "fr"), "--client", "test"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    return base / "uk"


def call(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["-C", str(folder), *arguments])


def as_json(folder: Path, *arguments: str) -> list[dict[str, object]]:
    result = call(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


def test_pause_and_resume_are_kept_and_audited(folder: Path) -> None:
    """A paused endpoint stays paused until it is resumed; both leave who, what and why in the audit log."""
    assert [(e["endpoint"], e["circuit"]) for e in as_json(folder, "endpoints", "list")] == [
        (FRANCE, "closed")
    ]
    assert call(folder, "endpoints", "pause", FRANCE, "--reason", "maintenance").exit_code == 0
    assert [e["circuit"] for e in as_json(folder, "endpoints", "list")] == ["paused"]
    assert call(folder, "endpoints", "resume", FRANCE, "--reason", "it is over").exit_code == 0
    assert [e["circuit"] for e in as_json(folder, "endpoints", "list")] == ["closed"]
    (paused,) = as_json(folder, "audit", "list", "--action", "endpoint.paused")
    assert (paused["actor"], paused["subject"], paused["data"]) == ("cli", FRANCE, {"reason": "maintenance"})
    assert len(as_json(folder, "audit", "list", "--action", "endpoint.resumed")) == 1


def test_an_unknown_endpoint_is_refused(folder: Path) -> None:
    """Nothing is paused by a typing error."""
    result = call(folder, "endpoints", "pause", "nothing", "--reason", "x")
    assert result.exit_code == 1
    assert "no such endpoint" in result.stderr


def test_an_action_needs_a_reason(folder: Path) -> None:
    """A blank reason is none."""
    assert call(folder, "endpoints", "pause", FRANCE, "--reason", "  ").exit_code == 1


def test_the_folder_may_come_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PASSERELLE_FOLDER names the instance, and is not taken for an unknown setting."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    result = CliRunner().invoke(app, ["cases", "list"])
    assert (result.exit_code, result.stdout.strip()) == (0, "No case matches.")


def test_the_example_keeps_the_contract() -> None:
    """What ``client example`` prints is a body that the UK contract accepts, dated for today."""
    result = CliRunner().invoke(app, ["client", "example"])
    assert UkAdapter().validate_body(result.stdout.encode(), "ReadmissionRequest")
    now = SystemClock().now()
    assert first_request(now)["arrival"]["at"] < now.isoformat()


def test_tables_keep_ids_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In a narrow window a row is longer than the window, never cut or folded: ids are there to be copied."""
    monkeypatch.setenv("COLUMNS", "40")
    table = Table("id", "more")
    table.add_row("01a20899-b336-7248-8621-2830a3c7776d", "x" * 60)
    print_table(table)
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "01a20899" in line]
    assert "01a20899-b336-7248-8621-2830a3c7776d" in row
    assert "x" * 60 in row


def test_instants_are_written_one_way_for_people() -> None:
    """To the second in UTC, whether a view gives an instant or has written it; other text stays."""
    instant = dt.datetime(2026, 11, 23, 14, 30, 20, 999_000, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    assert common.cell(instant) == "2026-11-23 13:30:20Z"
    assert common.cell("2026-11-23T13:30:20.999Z") == "2026-11-23 13:30:20Z"
    assert common.cell("2026-11-23T13:30:20.999Z and more") == "2026-11-23T13:30:20.999Z and more"


def test_a_narrow_terminal_folds_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a window of 80 columns no line of a wide table is longer, and the id is whole; markup stays text."""
    screen = io.StringIO()
    monkeypatch.setattr(common, "out", Console(file=screen, force_terminal=True, width=80, color_system=None))
    row = {"id": "01a20899-b336-7248-8621-2830a3c7776d", "what": "[red]" + "x" * 30, "more": "y" * 30}
    show([row], as_json=False, title="Wide", empty="")
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert any(row["id"] in line for line in lines)
    assert row["what"] in screen.getvalue()
    assert lines[-1].strip() == row["more"]


def test_balance_shows_quotas_as_a_table(folder: Path) -> None:
    """The quotas of the week are rows for people, not a Python list."""
    result = call(folder, "balance")
    assert result.exit_code == 0
    assert "Quotas of this week" in result.stdout
    assert "{" not in result.stdout
