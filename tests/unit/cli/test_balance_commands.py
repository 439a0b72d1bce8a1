"""``passerelle balance``, ``quotas``, ``ledger`` and ``report`` on a real instance folder."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.clock import SystemClock
from gateway.core.roles import Role
from tests.fixtures.people import PASSWORD, add_to_folder, password_alone

DUTY = ("--as", "duty", "--password-stdin")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance as ``passerelle init`` makes it."""
    base = tmp_path_factory.mktemp("cli") / "uk"
    result = CliRunner().invoke(app, ["init", str(base)])
    assert result.exit_code == 0, result.output
    password_alone(base)
    add_to_folder(base, "duty", Role.SUPERVISOR)
    add_to_folder(base, "tom", Role.OPERATOR)
    return base


def call(folder: Path, *arguments: str) -> Result:
    """Whoever is asked for a password gives the one of all test accounts."""
    return CliRunner().invoke(app, ["-C", str(folder), *arguments], input=f"{PASSWORD}\n")


def as_json(folder: Path, *arguments: str) -> Any:
    result = call(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_balance_is_for_people_and_for_programs(folder: Path) -> None:
    """Sums, weeks, quotas, what is to come, and which numbers are unverified."""
    shown = call(folder, "balance").stdout
    for words in ("returned", "Weeks (Europe/Paris)", "Quotas of this week", "To come", "unverified: quotas"):
        assert words in shown
    values = as_json(folder, "balance")
    assert (values["balance"], values["state"], values["differences"]) == (0, "level", [])
    assert {item["place"] for item in values["unverified"]} == {"quotas", "balance"}


def test_a_quota_is_raised_with_a_reason_and_keeps_its_history(folder: Path) -> None:
    """Set, listed with who, why and since when, and written into the audit log."""
    assert call(folder, "quotas", "set", "readmissions", "60").exit_code != 0
    arguments = (
        "quotas",
        "set",
        "readmissions",
        "60",
        "--reason",
        "agreed",
        "--as",
        "duty",
        "--password-stdin",
    )
    changed = as_json(folder, *arguments)
    assert (changed["limit"], changed["kind"]) == (60, "readmissions")
    rows = {row["kind"]: row for row in as_json(folder, "quotas", "list")}
    assert (rows["readmission"]["limit"], rows["nomination"]["limit"]) == (60, 50)
    (change,) = rows["readmission"]["history"]
    assert (change["limit"], change["reason"], change["actor"]) == (60, "agreed", "operator:duty")
    assert all(row["unverified"] for row in rows.values())
    shown = call(folder, "quotas", "list").stdout
    assert "duty" in shown
    (entry,) = as_json(folder, "audit", "list", "--action", "quota.changed")
    assert (entry["actor"], entry["data"]["before"], entry["data"]["persons"]) == ("operator:duty", 50, 60)


@pytest.mark.parametrize(
    "arguments",
    [
        ("quotas", "set", "readmissions", "60", "--reason", "x", "--from", "2020-W01", *DUTY),
        ("quotas", "set", "readmissions", "-1", "--reason", "x", *DUTY),
        ("quotas", "set", "persons", "1", "--reason", "x", *DUTY),
        ("ledger", "correct", "77", "--reason", "x", *DUTY),
        ("report", "weekly", "--week", "2199-W01"),
        ("report", "weekly", "--format", "pdf"),
        ("report", "weekly", "--lang", "de"),
    ],
)
def test_mistakes_change_nothing_and_say_why(folder: Path, arguments: tuple[str, ...]) -> None:
    """Exit status is not 0, and there is a text."""
    result = call(folder, *arguments)
    assert result.exit_code != 0
    assert result.output.strip()


def test_who_decides_is_recognised_and_may(folder: Path) -> None:
    """A name without its password, and a person without the permission, change no quota."""
    arguments = ("-C", str(folder), "quotas", "set", "nominations", "70", "--reason", "x", "--password-stdin")
    wrong = CliRunner().invoke(app, [*arguments, "--as", "duty"], input="something else\n")
    assert wrong.exit_code == 1
    assert "signin.refused" in wrong.output
    operator = CliRunner().invoke(app, [*arguments, "--as", "tom"], input=f"{PASSWORD}\n")
    assert operator.exit_code == 1
    assert "forbidden" in operator.output
    rows = {row["kind"]: row for row in as_json(folder, "quotas", "list")}
    assert rows["nomination"]["limit"] == 50


def test_the_empty_ledger_proves_itself(folder: Path) -> None:
    """No case, no entry, nothing broken."""
    assert as_json(folder, "balance", "--verify")["ok"] is True
    assert "The ledger holds: 0 entries" in call(folder, "balance", "--verify").stdout
    assert as_json(folder, "ledger", "list") == []


def test_a_ledger_that_was_changed_past_the_gateway(folder: Path, tmp_path: Path) -> None:
    """The week and side are named, with what to compare; programs read the same in JSON."""
    copy = tmp_path / "changed"
    shutil.copytree(folder, copy)
    with contextlib.closing(sqlite3.connect(copy / "passerelle.db")) as database, database:
        database.execute("INSERT INTO ledger_weeks VALUES ('2026-W47', 'readmitted', 7)")
    told = CliRunner().invoke(app, ["-C", str(copy), "balance", "--verify"])
    assert told.exit_code == 1
    assert "in: 2026-W47 readmitted; rows were changed past the gateway" in " ".join(told.output.split())
    values = CliRunner().invoke(app, ["-C", str(copy), "balance", "--verify", "--json"])
    assert values.exit_code == 1
    assert json.loads(values.stdout)["miscounted"] == ["2026-W47 readmitted"]


def test_weekly_report_in_every_form(folder: Path, tmp_path: Path) -> None:
    """Without a week it is the last one that is over; a file gets exactly what standard output would."""
    year, number, _ = SystemClock().now().isocalendar()
    rows = list(csv.reader(io.StringIO(call(folder, "report", "weekly").stdout)))
    assert rows[0][0] == "Week"
    assert rows[1][0] < f"{year}-W{number:02d}"
    values = json.loads(call(folder, "report", "weekly", "--format", "json").stdout)
    assert values["final"] is True
    for lang, title in (("en", "joint committee"), ("fr", "comité conjoint")):
        target = tmp_path / f"{lang}.html"
        arguments = ("report", "weekly", "--format", "html", "--lang", lang, "--output", str(target))
        assert call(folder, *arguments).exit_code == 0
        text = target.read_text("utf-8")
        assert title in text
        assert f'lang="{lang}"' in text
