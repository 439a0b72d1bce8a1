"""Dockerfile and compose file: unprivileged, health-checked, with commands that exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.config import Settings

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
OURS = ("init", "gateway", "worker", "sandbox")
LASTING = ("database", "gateway", "worker", "sandbox")


def words(service: str) -> list[str]:
    """Command words of a service, without global options and values."""
    command = [str(w) for w in COMPOSE["services"][service]["command"]]
    return command[2:] if command[0] == "--dir" else command


def test_four_parts_are_there() -> None:
    """Gateway, worker, PostgreSQL and sandbox, and the one-off init."""
    assert set(COMPOSE["services"]) == {*OURS, "database"}
    assert COMPOSE["services"]["database"]["image"].startswith("postgres:")


@pytest.mark.parametrize("name", LASTING)
def test_lasting_parts_are_health_checked(name: str) -> None:
    """A part that stays up tells whether it is well."""
    assert COMPOSE["services"][name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", OURS)
def test_our_parts_have_no_privileges(name: str) -> None:
    """Read-only root, no capability, no way to gain one."""
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_commands_exist_with_their_options(name: str) -> None:
    """Each command and option of the compose file is one that the command line knows."""
    command, *rest = words(name)
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for word in rest:
        if word.startswith("--"):
            assert word in shown.output


@pytest.mark.parametrize("name", LASTING[1:])
def test_health_checks_exist(name: str) -> None:
    """The health check runs a command that the command line knows."""
    test = COMPOSE["services"][name]["healthcheck"]["test"]
    assert test[1] == "passerelle"
    rest = test[4:] if test[2] == "--dir" else test[2:]
    shown = CliRunner().invoke(app, [rest[0], "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert all(word in shown.output for word in rest if word.startswith("--"))


def test_variables_are_settings() -> None:
    """Every PASSERELLE_ variable of the compose file names a setting."""
    for name in COMPOSE["services"]["gateway"]["environment"]:
        section, key = name.removeprefix("PASSERELLE_").lower().split("__")
        assert key in type(getattr(Settings(), section)).model_fields


def test_no_secret_is_written_down() -> None:
    """Passwords come from files: none is in the compose file or in the image."""
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert "POSTGRES_PASSWORD:" not in text
    assert "passerelle:passerelle@" not in text
    assert "PASSWORD" not in (ROOT / "Dockerfile").read_text("utf-8")


def test_image_runs_unprivileged() -> None:
    """The image ends as a numbered user, so that an orchestrator can check that it is not root."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001"]
    assert lines.index("USER 10001") > max(i for i, line in enumerate(lines) if line.startswith("RUN"))


def test_lock_files_hold_no_address() -> None:
    """Names, versions and hashes only."""
    for lock in (ROOT / "requirements").glob("*.lock"):
        assert "://" not in lock.read_text("utf-8")
