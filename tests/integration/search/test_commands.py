"""The commands of the search do what the pages do: each as a process of its own."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.core.people import UserRecord
from gateway.core.records import MessageRecord, MessageStatus
from gateway.core.roles import Role, Side
from gateway.instance import Instance
from tests.fixtures.console import PASSWORD, password_hash
from tests.fixtures.searched import fill

PROGRAM = Path(sys.executable).parent / "passerelle"


def passerelle(folder: Path, *words: str, told: str = "", ok: bool = True) -> str:
    """What the command prints; its exit status must fit."""
    done = subprocess.run(
        [PROGRAM, "-C", folder, *words],
        input=told,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "200", "PASSERELLE_CONSOLE__UNSAFE_OPTIONAL_SECOND_FACTOR": "true"},
    )
    assert (done.returncode == 0) is ok, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout if ok else done.stderr


def as_json(folder: Path, *words: str, told: str = "") -> Any:
    return json.loads(passerelle(folder, *words, "--json", told=told))


async def _prepare(folder: Path) -> list[MessageRecord]:
    """Sixty messages, one identifier, a viewer and an operator."""
    store = await Instance.load(folder).open_store(create=True)
    clock = SystemClock()
    records = await fill(store, 60)  # type: ignore[arg-type]  # the store that is opened is this one
    async with store.begin() as tx:
        await tx.index_identifiers(records[0].reference, [("document", "P57126116")])
        for role in (Role.VIEWER, Role.OPERATOR):
            await tx.add_user(
                UserRecord(
                    user_id=clock.new_id(),
                    name=role.value,
                    display_name=role.value,
                    side=Side.UK,
                    roles=frozenset({role}),
                    language="en",
                    password_hash=password_hash(),
                    created_at=clock.now(),
                    changed_at=clock.now(),
                )
            )
    await store.close()
    return records


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[MessageRecord]]:
    folder = tmp_path_factory.mktemp("searched") / "gateway"
    passerelle(Path(), "init", str(folder))
    return folder, asyncio.run(_prepare(folder))


def test_the_list_takes_every_filter(instance: tuple[Path, list[MessageRecord]]) -> None:
    """Options, a whole query and both together narrow the list; a page goes on with its cursor."""
    folder, records = instance
    stuck = [r for r in records if r.status in {MessageStatus.FAILED, MessageStatus.HELD}]
    listed = as_json(folder, "messages", "list", "--status", "failed", "--status", "held", "--limit", "500")
    assert [row["id"] for row in listed] == [r.message_id for r in reversed(stuck)]
    both = as_json(folder, "messages", "list", "--filter", "status=failed&status=held", "--attempts", "2")
    assert [row["id"] for row in both] == [r.message_id for r in reversed(stuck) if r.attempts >= 2]
    text = passerelle(folder, "messages", "list", "--limit", "50", "--count")
    assert "60 in all" in text
    cursor = text.split("--cursor ")[1].strip()
    rest = as_json(folder, "messages", "list", "--limit", "50", "--cursor", cursor)
    assert len(rest) == 10
    assert "older" in passerelle(folder, "messages", "list", "--older", "yesterday", ok=False)


def test_counts_and_overview(instance: tuple[Path, list[MessageRecord]]) -> None:
    """As JSON and as tables."""
    folder, records = instance
    cells = as_json(folder, "messages", "counts")
    assert sum(cell["messages"] for cell in cells) == len(records)
    assert "all" in passerelle(folder, "messages", "counts")
    seen = as_json(folder, "overview")
    failed = next(need for need in seen["needs"] if need["need"] == "dead_letters")
    assert failed["count"] == len([r for r in records if r.status is MessageStatus.FAILED])
    assert {route["direction"] for route in seen["routes"]} == {"UK_TO_FR", "FR_TO_UK"}
    assert all(route["certificate_days_left"] > 100 for route in seen["routes"])
    text = passerelle(folder, "overview")
    assert "Needs action" in text
    assert "Most pressing" in text
    rows = [row for row in seen["pressing"] if row["need"] == "dead_letters"]
    assert {row["message_id"] for row in rows} == {m["message_id"] for m in failed["messages"]}
    for row in rows:
        holding = as_json(folder, "messages", "show", row["message_id"])["holding"]
        assert (row["resend"], row["why"]) == (holding["resend"], holding["reason"])
        assert row["part_of"] == holding["fault_name"]


def test_a_listing_is_written_to_a_file(instance: tuple[Path, list[MessageRecord]], tmp_path: Path) -> None:
    """CSV to standard output, JSON to a file."""
    folder, records = instance
    text = passerelle(folder, "messages", "export", "--output", "-")
    assert len(list(csv.DictReader(io.StringIO(text)))) == len(records)
    target = tmp_path / "messages.json"
    passerelle(folder, "messages", "export", "--form", "json", "-o", str(target), "--direction", "UK_TO_FR")
    assert {row["direction"] for row in json.loads(target.read_text("utf-8"))} == {"UK_TO_FR"}


def test_filters_are_kept_under_a_name(instance: tuple[Path, list[MessageRecord]]) -> None:
    """Saved in canonical form, seen by their owner, removed by nobody else."""
    folder, _ = instance
    me = ("--as", "operator", "--password-stdin")
    saved = as_json(
        folder, "filters", "save", "Stuck", "--filter", "status=held&status=failed", *me, told=PASSWORD
    )
    assert saved[0]["query"] == "status=failed&status=held"
    assert [row["name"] for row in as_json(folder, "filters", "list", *me, told=PASSWORD)] == ["Stuck"]
    other = ("--as", "viewer", "--password-stdin")
    assert as_json(folder, "filters", "list", *other, told=PASSWORD) == []
    passerelle(folder, "filters", "remove", saved[0]["id"], *other, told=PASSWORD, ok=False)
    passerelle(folder, "filters", "remove", saved[0]["id"], *me, told=PASSWORD)
    assert as_json(folder, "filters", "list", *me, told=PASSWORD) == []


def test_a_person_is_looked_for_by_who_may(instance: tuple[Path, list[MessageRecord]]) -> None:
    """The value comes from standard input, never from the command line; a viewer is refused."""
    folder, records = instance
    words = ("search", "person", "--kind", "document", "--password-stdin", "--as")
    found = as_json(folder, *words, "operator", told=f"{PASSWORD}\nP 571-26116\n")
    assert [case["reference"] for case in found] == [records[0].reference]
    passerelle(folder, *words, "viewer", told=f"{PASSWORD}\nP57126116\n", ok=False)
    entries = as_json(folder, "audit", "list", "--action", "person.searched")
    assert "P57126116" not in json.dumps(entries)
