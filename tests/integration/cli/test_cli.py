"""The command line as a user runs it: a process, its output, its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("cli")
PROGRAM = Path(sys.executable).parent / "passerelle"


def passerelle(*words: str | Path, ok: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs the command; its exit status must fit."""
    done = subprocess.run(
        [PROGRAM, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert (done.returncode == 0) is ok, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def as_json(*words: str | Path) -> Any:
    return json.loads(passerelle(*words, "--json").stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with a client, an administrator and a simulated ministry."""
    path = tmp_path_factory.mktemp("cli")
    more = ("--client", "home-office", "--administrator", "root")
    passerelle("init", path / "gateway", "--with-sandbox", path / "ministry", *more)
    return path / "gateway"


def test_demo_once_proves_everything() -> None:
    """The promise of design.md: ok, under a minute, every message final and every receipt verified."""
    report = as_json("demo", "--once")
    assert report["ok"] is True
    assert report["elapsed_s"] < 60
    assert {"id", "type", "direction", "status", "attempts", "receipt_verified"} <= set(report["messages"][0])
    unproven = [m for m in report["messages"] if not m["receipt_verified"]]
    assert {m["status"] for m in unproven} == {"cancelled"}
    assert {m["direction"] for m in report["messages"]} == {"UK_TO_FR", "FR_TO_UK"}
    assert any(m["attempts"] >= 3 and m["receipt_verified"] for m in report["messages"])
    assert {c["status"] for c in report["cases"]} == {
        "received",
        "arrived",
        "refused",
        "withdrawn",
        "accepted",
        "no_objection",
    }


def test_a_new_instance_is_well(folder: Path) -> None:
    """After init, check finds no error, and an empty store can be listed."""
    assert {row["level"] for row in as_json("-C", folder, "check", "--database")} == {"ok"}
    assert as_json("-C", folder, "messages", "list") == []
    assert as_json("-C", folder, "cases", "list") == []
    assert as_json("-C", folder, "audit", "verify")["ok"] is True


def test_init_never_overwrites(folder: Path) -> None:
    """A second init is refused and changes nothing; with --if-missing it is content."""
    before = (folder / "passerelle.toml").read_bytes()
    assert "already holds an instance" in passerelle("init", folder, ok=False).stderr
    assert "nothing was changed" in passerelle("init", folder, "--if-missing").stdout
    assert (folder / "passerelle.toml").read_bytes() == before


def test_private_files_are_private(folder: Path) -> None:
    """Keys can be read by their owner only."""
    keys = [*folder.glob("keys/*.key*"), *folder.glob("client-keys/*.pem"), *folder.glob("ca/*.key.pem")]
    assert keys
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


def test_keys_are_listed_and_rotated(folder: Path) -> None:
    """A rotation adds a current key and keeps the old one for reading."""
    before = {row["fingerprint"] for row in as_json("-C", folder, "keys", "list") if row["purpose"] == "jws"}
    passerelle("-C", folder, "keys", "rotate", "jws")
    after = [row for row in as_json("-C", folder, "keys", "list") if row["purpose"] == "jws"]
    assert [row["current"] for row in after] == [True, False]
    assert before == {after[1]["fingerprint"]}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("messages", "list"), "passerelle init DIR"),
        (("serve",), "passerelle init DIR"),
        (("check",), "passerelle.toml is missing"),
    ],
)
def test_no_instance_is_told_with_its_cure(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """Outside an instance folder each command says what to do."""
    done = passerelle("-C", tmp_path, *words, ok=False)
    assert said in " ".join((done.stdout + done.stderr).split())


def test_unknown_message_is_an_error(folder: Path) -> None:
    """An id that is not there: exit status 1 and the way to find ids."""
    done = passerelle("-C", folder, "messages", "show", "nothing", ok=False)
    assert "passerelle messages list" in done.stderr


def test_send_without_a_gateway(folder: Path, tmp_path: Path) -> None:
    """When nothing listens, send says so and exits with 1."""
    body = tmp_path / "body.json"
    body.write_text('{"type": "Withdrawal", "reason": "litigation", "at": "2026-11-23T10:00:00Z"}', "utf-8")
    done = passerelle("-C", folder, "send", body, "--reference", "GB01-000000000000", ok=False)
    assert "does not answer" in done.stderr
    assert "--reference" in passerelle("-C", folder, "send", body, ok=False).stderr
    body.write_text("{nonsense", "utf-8")
    assert "not JSON" in passerelle("-C", folder, "send", body, ok=False).stderr


def test_sandbox_status_without_a_sandbox(folder: Path) -> None:
    """A ministry that does not run is told, not waited for."""
    done = passerelle("sandbox", folder.parent / "ministry", "--status", ok=False)
    assert "does not answer" in done.stderr


def test_demo_json_needs_once() -> None:
    """--json without --once would never end."""
    assert "--once" in passerelle("demo", "--json", ok=False).stderr
