"""``passerelle settings``, ``agreement``, ``audit`` and ``deadlines`` with the filters of the console."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.config import settings_text
from gateway.instance import Instance
from tests.fixtures.store_records import T0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance as ``passerelle init`` makes it, with some entries in its audit log."""
    base = tmp_path_factory.mktemp("cli") / "uk"
    result = CliRunner().invoke(app, ["init", str(base)])
    assert result.exit_code == 0, result.output
    (base / "passerelle.toml").write_text(settings_text({"uk_api": {"rate_burst": 7}}))
    asyncio.run(_fill(Instance.load(base)))
    return base


async def _fill(instance: Instance) -> None:
    store = await instance.open_store()
    async with store.begin() as tx:
        for number in range(6):
            await tx.append_audit(
                at=T0,
                actor=f"operator:{'ab'[number % 2]}",
                action="quota.changed",
                subject="uk-fr.readmissions",
                data={"reason": f"why {number}"},
            )
    await store.close()


def call(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["-C", str(folder), *arguments])


def as_json(folder: Path, *arguments: str) -> Any:
    result = call(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_settings_with_their_changes_and_findings(folder: Path) -> None:
    """All of them, or what differs; with JSON also what the check finds."""
    every = as_json(folder, "settings", "show")
    assert {"uk_api", "as4", "france"} <= {part["name"] for part in every["sections"]}
    assert any(finding["setting"] == "settings" for finding in every["findings"])
    (part,) = as_json(folder, "settings", "show", "--section", "uk_api", "--changed")["sections"]
    assert [(row["key"], row["value"], row["default"]) for row in part["settings"]] == [
        ("rate_burst", 7, 200)
    ]
    assert "uk_api.rate_burst" in call(folder, "settings", "show", "--changed").stdout
    assert call(folder, "settings", "show", "--section", "nothing").exit_code != 0


def test_the_agreement_with_what_is_unverified(folder: Path) -> None:
    """Both languages of every note, for people and for programs."""
    view = as_json(folder, "agreement", "show")
    text = call(folder, "agreement", "show").stdout
    for item in view["unverified"]:
        assert f"unverified: {item['place']}" in text
    assert "Identifiant de partie à convenir." in text


def test_the_audit_log_from_its_end(folder: Path) -> None:
    """Newest first, with the filters of the console and pages that join."""
    where = ("--action", "quota.changed", "--actor", "operator:a")
    assert [e["data"]["reason"] for e in as_json(folder, "audit", "list", *where)] == [
        "why 4",
        "why 2",
        "why 0",
    ]
    first = call(folder, "audit", "list", *where, "--limit", "2").stdout
    cursor = first.split("More: --cursor ")[1].strip()
    rest = as_json(folder, "audit", "list", *where, "--cursor", cursor)
    assert [e["data"]["reason"] for e in rest] == ["why 0"]
    assert as_json(folder, "audit", "list", *where, "--to", "2020-01-01") == []
    assert len(as_json(folder, "audit", "list", *where, "--from", "2026-11-23")) == 3


def test_the_audit_log_onwards_from_a_place(folder: Path) -> None:
    """``--after`` gives the order of the chain, as scripts that follow it need."""
    rows = as_json(folder, "audit", "list", "--after", "0", "--action", "quota.changed", "--limit", "2")
    assert [e["data"]["reason"] for e in rows] == ["why 0", "why 1"]


def test_export_is_json_lines(folder: Path) -> None:
    """One entry a line, with its hash."""
    result = call(folder, "audit", "export", "--actor", "operator:b")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["data"]["reason"] for row in rows] == ["why 5", "why 3", "why 1"]
    assert all(len(row["hash"]) == 64 for row in rows)


@pytest.mark.parametrize(
    "flag", [("--owed-by", "fr"), ("--unclosed",), ("--told",), ("--after", "2026-01-01")]
)
def test_filters_of_time_limits(folder: Path, flag: tuple[str, ...]) -> None:
    """Each filter of the page is one of the command; an unknown side is told."""
    assert as_json(folder, "deadlines", "list", *flag) == []
    assert call(folder, "deadlines", "list", "--owed-by", "nobody").exit_code != 0
