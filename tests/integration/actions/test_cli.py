"""``passerelle batches …`` on a real instance folder: the same flows as the console, with --json."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.bootstrap import Instance
from gateway.cli.main import app
from gateway.config import settings_text
from gateway.core.roles import Role
from tests.fixtures.actions import dead_letter, statuses, withdrawal
from tests.fixtures.people import PASSWORD

RUN = CliRunner()
WHY = ("--reason", "the ministry is back")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An instance with an operator and a supervisor who sign in with passwords alone."""
    path = tmp_path / "uk"
    assert RUN.invoke(app, ["init", str(path)]).exit_code == 0
    (path / "passerelle.toml").write_text(settings_text({"console": {"unsafe_optional_second_factor": True}}))
    for name, role in (("nadia", Role.OPERATOR), ("sue", Role.SUPERVISOR)):
        words = ["users", "add", name, "--role", role.value, "--password-stdin"]
        call(path, *words, stdin=f"{PASSWORD}\n")
    return path


def call(folder: Path, *words: str, stdin: str = "", ok: bool = True) -> str:
    done = RUN.invoke(app, ["-C", str(folder), *words], input=stdin)
    assert (done.exit_code == 0) is ok, done.output
    return done.output


def as_json(folder: Path, *words: str, name: str | None = None) -> Any:
    """Standard output alone is JSON; warnings go to standard error."""
    who = () if name is None else ("--as", name, "--password-stdin")
    stdin = "" if name is None else f"{PASSWORD}\n"
    done = RUN.invoke(app, ["-C", str(folder), *words, *who, "--json"], input=stdin)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def dead_letters(folder: Path, count: int, *, withdraw: bool = False, **attempt: Any) -> list[str]:
    async def work() -> list[str]:
        instance = Instance.load(folder)
        store = await instance.open_store()
        try:
            exchange = instance.exchange(store)
            body = withdrawal(exchange) if withdraw else None
            return [await dead_letter(exchange, body=body, **attempt) for _ in range(count)]
        finally:
            await store.close()

    return asyncio.run(work())


def status_of(folder: Path, ids: list[str]) -> list[str]:
    async def work() -> list[str]:
        instance = Instance.load(folder)
        store = await instance.open_store()
        try:
            return await statuses(instance.exchange(store), ids)
        finally:
            await store.close()

    return asyncio.run(work())


def test_batch_from_beginning_to_end(folder: Path) -> None:
    """Preview, create, approve by another, start, pause, stop, show and list; every step as JSON."""
    ids = dead_letters(folder, 2)
    chosen = ("--action", "replay", "--filter", "status=failed")
    seen = as_json(folder, "batches", "preview", *chosen)
    assert (seen["to_do"], seen["second_person"]) == (2, True)
    assert [item["message_id"] for item in seen["items"]] == ids
    create = (
        "batches",
        "create",
        *chosen,
        "--digest",
        seen["digest"],
        "--reason-code",
        "partner_outage",
        *WHY,
    )
    made = as_json(folder, *create, name="nadia")
    assert (made["state"], made["created_by"]) == ("waiting", "operator:nadia")
    batch = made["batch_id"]
    approve = ("batches", "approve", batch, "--digest", made["now"]["digest"], *WHY)
    who = ("--as", "nadia", "--password-stdin")
    assert "permission" in call(folder, *approve, *who, stdin=f"{PASSWORD}\n", ok=False)
    assert as_json(folder, *approve, name="sue")["state"] == "paused"
    for step, state in (("start", "running"), ("pause", "paused"), ("stop", "stopped")):
        assert as_json(folder, "batches", step, batch, *WHY, name="nadia")["state"] == state
    shown = as_json(folder, "batches", "show", batch)
    assert [item["result"] for item in shown["items"]] == ["pending", "pending"]
    assert [row["batch_id"] for row in as_json(folder, "batches", "list", "--state", "stopped")] == [batch]
    assert batch in call(folder, "batches", "list")
    assert "digest:" in call(folder, "batches", "preview", *chosen)
    assert status_of(folder, ids) == ["failed", "failed"]


def test_changed_set_and_wrong_digest_are_refused(folder: Path) -> None:
    """Exit status 1, what changed is said, nothing is made."""
    dead_letters(folder, 1)
    chosen = ("--action", "replay", "--filter", "status=failed")
    digest = as_json(folder, "batches", "preview", *chosen)["digest"]
    dead_letters(folder, 1)
    for given, said in ((digest, "set_changed"), ("nonsense", "invalid_parameter")):
        create = ("batches", "create", *chosen, "--digest", given, "--reason-code", "other", *WHY)
        who = ("--as", "nadia", "--password-stdin")
        assert said in call(folder, *create, *who, stdin=f"{PASSWORD}\n", ok=False)
    assert as_json(folder, "batches", "list") == []


def test_settings_reach_the_batches(folder: Path) -> None:
    """Threshold and greatest number are those of the settings."""
    changed = {"unsafe_optional_second_factor": True, "second_person_above": 2, "batch_most": 2}
    (folder / "passerelle.toml").write_text(settings_text({"console": changed}))
    dead_letters(folder, 2)
    chosen = ("--action", "replay", "--filter", "status=failed")
    assert as_json(folder, "batches", "preview", *chosen)["second_person"] is False
    dead_letters(folder, 1)
    assert "more than 2 messages" in call(folder, "batches", "preview", *chosen, ok=False)
    fast = settings_text({"console": {"batch_per_second": 250}})
    (folder / "passerelle.toml").write_text(fast)
    assert Instance.load(folder).settings.console.batches().interval.total_seconds() == pytest.approx(0.004)


def actors_of(folder: Path, action: str) -> list[str]:
    """Who did it, as the audit log says, the newest first."""
    listed = as_json(folder, "audit", "list", "--action", action)
    return [entry["actor"] for entry in listed]


def test_person_or_the_command_line_acts(folder: Path) -> None:
    """``--as`` signs in and books the person; without it nobody is asked, and ``cli`` is booked."""
    one, two = dead_letters(folder, 2)
    assert as_json(folder, "messages", "replay", one, *WHY, name="nadia")[0]["status"] == "accepted"
    assert as_json(folder, "messages", "cancel", two, *WHY)[0]["status"] == "cancelled"
    assert actors_of(folder, "message.replayed") == ["operator:nadia"]
    assert actors_of(folder, "message.cancelled") == ["cli"]
    endpoint = as_json(folder, "endpoints", "list")[0]["endpoint"]
    as_json(folder, "endpoints", "pause", endpoint, *WHY, name="sue")
    as_json(folder, "endpoints", "resume", endpoint, *WHY)
    assert actors_of(folder, "endpoint.paused") == ["operator:sue"]
    assert actors_of(folder, "endpoint.resumed") == ["cli"]


def test_dry_run_says_what_is_proven(folder: Path) -> None:
    """The verdict and why, as a batch would have them; nothing is changed. Only the dry run has them."""
    (one,) = dead_letters(folder, 1, outcome="delivery.timed_out", detail="")
    for command in ("replay", "cancel"):
        (row,) = as_json(folder, "messages", command, one, *WHY, "--dry-run")
        assert (row["verdict"], row["why"]) == ("uncertain", "outcome_unknown")
    assert status_of(folder, [one]) == ["failed"]
    (row,) = as_json(folder, "messages", "cancel", one, *WHY)
    assert "verdict" not in row


def test_stopped_withdrawal_says_what_follows(folder: Path) -> None:
    """Before and after: nobody stops one without reading that France goes on."""
    (one,) = dead_letters(folder, 1, withdraw=True)
    (row,) = as_json(folder, "messages", "cancel", one, *WHY, "--dry-run")
    assert (row["verdict"], row["why"]) == ("unsafe", "withdraws")
    assert "tell France another way" in call(folder, "messages", "cancel", one, *WHY)
    assert status_of(folder, [one]) == ["cancelled"]


def test_person_is_checked_before_acting(folder: Path) -> None:
    """A wrong password, a role without the permission, or a password for nobody: nothing is done."""
    (one,) = dead_letters(folder, 1)
    replay = ("messages", "replay", one, *WHY)
    nadia = ("--as", "nadia", "--password-stdin")
    call(folder, *replay, *nadia, stdin="not the password\n", ok=False)
    assert "--as" in call(folder, *replay, "--password-stdin", stdin=f"{PASSWORD}\n", ok=False)
    endpoint = as_json(folder, "endpoints", "list")[0]["endpoint"]
    pause = ("endpoints", "pause", endpoint, *WHY)
    assert "permission" in call(folder, *pause, *nadia, stdin=f"{PASSWORD}\n", ok=False)
    assert as_json(folder, "endpoints", "list")[0]["circuit"] == "closed"
    assert status_of(folder, [one]) == ["failed"]
