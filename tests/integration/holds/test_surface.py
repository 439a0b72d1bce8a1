"""The holding area from outside: REST with its scope, the command line, and nothing personal anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.core.roles import Role
from gateway.core.tokens import SCOPES
from gateway.flows.holds import refuse, release
from gateway.uk_client import UkClient
from tests.fixtures.nominees import person
from tests.fixtures.people import PASSWORD, add_to_folder, password_alone
from tests.fixtures.raw_sql import raw
from tests.fixtures.uk_gateway import Gateway
from tests.integration.holds import steps as s

DAY = "1990-05-14"
KHAN = person("Khandahari", "Rasheed", DAY, number="P57126116")
KHAN_LIKE = person("Khandahari", "Rashid", DAY, number="X9988776")
RUN = CliRunner()


async def test_the_list_and_one_hold(gateway: Gateway, client: UkClient) -> None:
    """Oldest first, in pages, with reason, age, role and decisions; 404 once it is decided."""
    await s.return_(gateway, client, KHAN)
    first, second = await s.held(client, KHAN_LIKE), await s.held(client, KHAN_LIKE)
    await release(gateway.exchange, first, by=s.NADIA, reason=s.WHY)
    page = (await client.get("/v1/holds?limit=1")).json()
    (row,) = page["items"]
    assert (row["message_id"], row["code"], row["pointer"]) == (first, "row9.near_match", "/persons/0")
    assert (row["roles"], row["persons"], row["age_seconds"] < 600) == (["exclusion"], 2, True)
    assert [(d["decision"], d["actor"]) for d in row["decisions"]] == [("approved", "operator:nadia")]
    more = (await client.get(f"/v1/holds?cursor={page['next_cursor']}")).json()
    assert [r["message_id"] for r in more["items"]] == [second]
    shown = (await client.get(f"/v1/holds/{second}")).json()
    assert [r["code"] for r in shown["reasons"]] == ["row9.near_match"]
    await refuse(gateway.exchange, second, by=s.OMAR, reason="the same person")
    assert (await client.get(f"/v1/holds/{second}")).status == 404
    assert (await client.get("/v1/holds?state=x")).status == 400


async def test_the_scope_is_needed(gateway: Gateway) -> None:
    """A client that may read messages may not read holds."""
    async with gateway.client(scope=" ".join(x for x in SCOPES if x != "holds.read")) as other:
        assert (await other.get("/v1/messages")).status == 200
        for path in ("/v1/holds", "/v1/holds/019a8c52-4e1f-7c33-a4d8-6b2e9f0c7a15"):
            assert (await other.get(path)).status == 403


async def test_nothing_personal_is_written(
    gateway: Gateway, client: UkClient, store_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Held, approved, refused, returned, flagged: no column but the sealed ones and no log has a name, a
    number or a birth date; nor do the list and the events."""
    await s.return_(gateway, client, KHAN)
    held = await s.held(client, KHAN_LIKE)
    await release(gateway.exchange, held, by=s.NADIA, reason=s.WHY)
    await refuse(gateway.exchange, held, by=s.OMAR, reason="the same person")
    written = [json.dumps((await client.get("/v1/holds")).json()), *capfd.readouterr()]
    written.append((await client.get(f"/v1/messages/{held}/events")).body.decode())
    for table in ("audit", "hold_decisions", "identifiers", "returned", "messages", "cases", "attempts"):
        written += [str(row) for row in await raw(store_url, f"SELECT * FROM {table}")]  # noqa: S608 — our own names
    text = "\n".join(written).lower()
    for word in ("khandahari", "rasheed", "rashid", "57126116", "9988776", DAY):
        assert word not in text, word


# ---- the command line ---------------------------------------------------------------------------


def passerelle(*words: str, stdin: str = "", ok: bool = True) -> str:
    done = RUN.invoke(app, words, input=stdin)
    assert (done.exit_code == 0) is ok, done.output
    return done.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("holds") / "uk"
    passerelle("init", str(path), "--client", "home-office")
    password_alone(path)
    add_to_folder(path, "nadia", Role.EXCLUSION)
    return path


def as_json(folder: Path, *words: str, stdin: str = "") -> Any:
    return json.loads(passerelle("-C", str(folder), *words, "--json", stdin=stdin))


def test_the_command_line_decides_with_a_password(folder: Path, near_on_disk: str) -> None:
    """A wrong password and an account that is not there decide nothing; the right one approves."""
    (row,) = as_json(folder, "holds", "list")
    assert (row["message_id"], row["code"]) == (near_on_disk, "row9.near_match")
    assert "row9.near_match" in passerelle("-C", str(folder), "holds", "show", near_on_disk)
    decide = ("holds", "release", near_on_disk, "--reason", s.WHY, "--password-stdin", "--as")
    for name, password in (("nadia", "no\n"), ("nobody", f"{PASSWORD}\n")):
        passerelle("-C", str(folder), *decide, name, stdin=password, ok=False)
    (done,) = as_json(folder, *decide, "nadia", stdin=f"{PASSWORD}\n")
    assert (done["status"], done["approvals_needed"]) == ("held", 1)
    passerelle("-C", str(folder), *decide, "nadia", stdin=f"{PASSWORD}\n", ok=False)
    refusal = ("holds", "refuse", near_on_disk, "--reason", "same", "--password-stdin", "--as", "nadia")
    (done,) = as_json(folder, *refusal, stdin=f"{PASSWORD}\n")
    assert (done["status"], done["code"]) == ("rejected", "row9.near_match")
    assert as_json(folder, "holds", "list") == []


@pytest.fixture
async def near_on_disk(folder: Path) -> str:
    """A held nomination in the store of the folder, as accept leaves it."""
    return await s.held_on_disk(folder, KHAN, KHAN_LIKE)


def test_returned_are_imported(folder: Path, tmp_path: Path) -> None:
    """Counted, idempotent, with a dry run; a wrong file changes nothing."""
    file = tmp_path / "returned.csv"
    file.write_text("family_name,birth_date\nKhan,1990-05-14\nHaddad,1968\n", "utf-8")
    words = ("returned", "import", str(file), "--reason", "before go-live")
    before = as_json(folder, "returned", "count")["persons"]
    nothing = {"persons": 2, "added": 0, "known": 0, "flagged": [], "dry_run": True}
    assert as_json(folder, *words, "--dry-run") == nothing
    assert as_json(folder, *words)["added"] == 2
    assert as_json(folder, *words)["known"] == 2
    assert as_json(folder, "returned", "count") == {"persons": before + 2}
    file.write_text("family_name,birth_date\nKhan,yesterday\n", "utf-8")
    assert "yesterday" not in passerelle("-C", str(folder), *words, ok=False)
    assert as_json(folder, "returned", "count") == {"persons": before + 2}
