"""``passerelle users …`` and who gives a command, on a real instance folder."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.bootstrap import serving
from gateway.cli.main import app
from gateway.clock import SystemClock
from gateway.core.totp import code_at
from gateway.flows import users
from gateway.instance import Instance
from tests.fixtures.people import OTHER, PASSWORD
from tests.integration.people.test_import import old_account

RUN = CliRunner()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance as ``passerelle init`` makes it, with an operator and an administrator."""
    path = tmp_path_factory.mktemp("users") / "uk"
    done = RUN.invoke(app, ["init", str(path), "--operator", "alice", "--administrator", "root"])
    assert done.exit_code == 0, done.output
    assert "operator alice, password" in done.output
    assert "administrator root, password" in done.output
    return path


def call(folder: Path, *words: str, stdin: str = "", ok: bool = True, **env: str) -> Result:
    done = RUN.invoke(app, ["-C", str(folder), *words], input=stdin, env=env)
    assert (done.exit_code == 0) is ok, done.output
    return done


def as_json(folder: Path, *words: str, stdin: str = "", **env: str) -> Any:
    return json.loads(call(folder, *words, "--json", stdin=stdin, **env).stdout)


def test_init_makes_people(folder: Path) -> None:
    """Their passwords are printed once and must be renewed."""
    rows = {row["name"]: row for row in as_json(folder, "users", "list")}
    assert (rows["alice"]["roles"], rows["root"]["roles"]) == (["operator"], ["administrator"])
    assert rows["alice"]["state"] == "enabled"
    call(folder, "users", "disable", "root", ok=False)


def test_an_account_from_beginning_to_end(folder: Path) -> None:
    """Added, changed, locked up, given a password, its sessions ended; the old name of the group works."""
    add = ("users", "add", "kim", "--role", "operator")
    row = as_json(folder, *add, "--role", "quotas", "--side", "fr")
    assert (row["language"], row["second_factor"], row["sign_in"]) == ("fr", False, "password")
    assert len(row["password"]) == 20
    call(folder, *add, ok=False)
    call(folder, "users", "add", "tim", "--role", "king", ok=False)
    call(folder, "users", "add", "tim", "--role", "viewer", "--password-stdin", stdin="short\n", ok=False)
    call(folder, "users", "add", "tim", ok=False)
    assert as_json(folder, "users", "change", "kim", "--role", "viewer")["roles"] == ["viewer"]
    assert as_json(folder, "users", "disable", "kim")["state"] == "disabled"
    assert as_json(folder, "users", "enable", "kim")["state"] == "enabled"
    assert as_json(folder, "users", "unlock", "kim")["state"] == "enabled"
    assert "shown once" in call(folder, "users", "password", "kim").stdout
    given = call(folder, "users", "password", "kim", "--password-stdin", stdin=f"{OTHER}\n").stdout
    assert OTHER not in given
    assert as_json(folder, "users", "sessions", "kim") == []
    assert as_json(folder, "users", "sessions", "kim", "--end") == {"name": "kim", "ended": 0}
    assert as_json(folder, "operators", "show", "kim")["name"] == "kim"
    call(folder, "users", "show", "nobody", ok=False)


def test_second_factor_and_recognition(folder: Path) -> None:
    """Password, then code, each on a line or from a file; without enrolment a decision is refused."""
    call(folder, "users", "add", "sue", "--role", "supervisor", "--password-stdin", stdin=f"{PASSWORD}\n")
    decide = ("quotas", "set", "nominations", "70", "--reason", "x", "--as", "sue")
    refused = call(folder, *decide, "--password-stdin", stdin=f"{PASSWORD}\n", ok=False)
    assert "signin.unfinished" in refused.output
    call(folder, "users", "totp", "start", "sue", "--password-stdin", stdin="wrong\n", ok=False)
    made = as_json(folder, "users", "totp", "start", "sue", "--password-stdin", stdin=f"{PASSWORD}\n")
    confirm = ("users", "totp", "confirm", "sue")
    call(folder, *confirm, "000000", "--password-stdin", stdin=f"{PASSWORD}\n", ok=False)
    code = code_at(made["secret"], SystemClock().now())
    codes = as_json(folder, *confirm, code, "--password-stdin", stdin=f"{PASSWORD}\n")["recovery_codes"]
    assert len(codes) == 10
    call(folder, *decide, "--password-stdin", stdin=f"{PASSWORD}\n{code}\n", ok=False)
    done = as_json(folder, *decide, "--password-stdin", stdin=f"{PASSWORD}\n{codes[0]}\n")
    assert done["limit"] == 70
    file = folder / "sue.password"
    file.write_text(PASSWORD + "\n", "utf-8")
    env = {"PASSERELLE_PASSWORD_FILE": str(file)}
    done = RUN.invoke(app, ["-C", str(folder), *decide, "--json"], input=f"{codes[1]}\n", env=env)
    assert done.exit_code == 0, done.output
    env["PASSERELLE_PASSWORD_FILE"] = str(folder / "nothing")
    assert RUN.invoke(app, ["-C", str(folder), *decide], env=env).exit_code == 1
    assert as_json(folder, "users", "totp", "reset", "sue")["second_factor"] is False


def test_an_administrator_by_name(folder: Path) -> None:
    """With --as the change is theirs in the audit log; an operator may not, nobody changes themselves."""
    call(folder, "users", "password", "root", "--password-stdin", stdin=f"{PASSWORD}\n")
    call(folder, "users", "add", "max", "--role", "operator", "--password-stdin", stdin=f"{PASSWORD}\n")
    codes: dict[str, list[str]] = {}
    for name in ("root", "max"):
        made = as_json(folder, "users", "totp", "start", name, "--password-stdin", stdin=f"{PASSWORD}\n")
        code = code_at(made["secret"], SystemClock().now())
        confirm = ("users", "totp", "confirm", name, code, "--password-stdin")
        codes[name] = as_json(folder, *confirm, stdin=f"{PASSWORD}\n")["recovery_codes"]
    change = ("users", "change", "alice", "--role", "viewer", "--as")
    refused = call(folder, *change, "max", stdin=f"{PASSWORD}\n{codes['max'][0]}\n", ok=False)
    assert "forbidden" in refused.output
    call(folder, *change, "root", stdin=f"{PASSWORD}\n{codes['root'][0]}\n")
    itself = ("users", "change", "root", "--role", "viewer", "--as", "root")
    call(folder, *itself, stdin=f"{PASSWORD}\n{codes['root'][1]}\n", ok=False)
    (entry,) = [
        e
        for e in as_json(folder, "audit", "list", "--action", "user.changed")
        if e["subject"] == "user:alice"
    ]
    assert entry["actor"] == "operator:root"
    call(folder, "audit", "verify")


def test_accounts_of_an_older_release(folder: Path, tmp_path: Path) -> None:
    """By command, as often as one likes."""
    file = tmp_path / "operators.toml"
    file.write_text(old_account("olga"), "utf-8")
    assert as_json(folder, "users", "import", str(file)) == {"added": ["olga"], "there": []}
    assert as_json(folder, "users", "import", str(file)) == {"added": [], "there": ["olga"]}
    call(folder, "users", "import", str(tmp_path / "absent.toml"), ok=False)


async def test_accounts_of_an_older_release_at_start(tmp_path: Path) -> None:
    """A gateway that starts on a database without accounts takes them over."""
    folder, ministry = tmp_path / "uk", tmp_path / "fr"
    words = ["init", str(folder), "--with-sandbox", str(ministry), "--client", "home-office"]
    assert (await asyncio.to_thread(RUN.invoke, app, words)).exit_code == 0
    (folder / "operators.toml").write_text(old_account("olga"), "utf-8")
    settings = (folder / "passerelle.toml").read_text("utf-8")
    for port in ("8440", "8441"):
        settings = settings.replace(f"# port = {port}", "port = 0")
    (folder / "passerelle.toml").write_text(settings, "utf-8")
    instance = Instance.load(folder)
    async with serving(instance, with_worker=False) as running:
        (shown,) = await users.list_users(instance.people(running.store), by=None)
    assert shown.user.name == "olga"
    assert shown.user.created_at <= instance.clock.now() + dt.timedelta(0)
