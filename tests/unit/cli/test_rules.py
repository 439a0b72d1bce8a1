"""``passerelle rules``: listing, explaining and trying, with and without an instance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.core.treaty.rules_catalogue import catalogue

EXAMPLES = Path(__file__).parents[3] / "contracts" / "uk" / "v1" / "examples" / "valid"
IDS = {rule.id for rule in catalogue()}


def call(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["-C", str(folder), "rules", *arguments])


def as_json(folder: Path, *arguments: str) -> Any:
    return json.loads(call(folder, *arguments, "--json").stdout)


def body(name: str, folder: Path, **changes: Any) -> str:
    """A file with the body of a valid example, changed."""
    content = json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))["body"]
    path = folder / "body.json"
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")
    return str(path)


def test_list_without_an_instance(tmp_path: Path) -> None:
    """Every rule is listed, in JSON and as a table with the label of what is unverified."""
    assert {r["id"] for r in as_json(tmp_path, "list")} == IDS
    shown = call(tmp_path, "list")
    assert shown.exit_code == 0
    assert "art7.evidence_list" in shown.stdout
    assert "unverified" in shown.stdout


def test_list_narrows(tmp_path: Path) -> None:
    """By message type, severity and place."""
    assert {r["id"] for r in as_json(tmp_path, "list", "--place", "row 8")} == {"row8.biometrics"}
    held = as_json(tmp_path, "list", "--severity", "hold", "--type", "Nomination")
    assert {r["severity"] for r in held} == {"hold"}
    assert "row9.not_checked" in {r["id"] for r in held}
    assert "art8.request_in_time" not in {r["id"] for r in held}


def test_explain(tmp_path: Path) -> None:
    """One rule with both texts, its settings and why they are unverified."""
    shown = call(tmp_path, "explain", "art7.evidence_list")
    assert shown.exit_code == 0
    for part in ("EN", "FR", "evidence.list_a", "(unverified)", "Dublin", "taxonomie"):
        assert part in shown.stdout
    assert as_json(tmp_path, "explain", "art8.request_in_time")["settings"][0]["value"] == 14
    assert call(tmp_path, "explain", "art99.nothing").exit_code == 1


def test_try_says_what_refuses(tmp_path: Path) -> None:
    """A message that is too late and has no evidence: exit status 1, rules and places named."""
    arrival = json.loads((EXAMPLES / "ReadmissionRequest.json").read_text("utf-8"))["body"]["arrival"]
    late = {**arrival, "at": "2026-01-09T05:42:00Z"}
    file = body("ReadmissionRequest", tmp_path, evidence=[], arrival=late)
    result = call(tmp_path, "try", file)
    assert result.exit_code == 1
    for part in ("refused", "art8.request_in_time", "/arrival/at", "art7.evidence_needed", "Art 4, 8"):
        assert part in result.stdout
    verdict = as_json(tmp_path, "try", file)
    assert verdict["verdict"] == "refused"
    assert {f["code"] for f in verdict["findings"]} == {"art8.request_in_time", "art7.evidence_needed"}


def test_try_never_says_that_a_nominee_was_compared(tmp_path: Path) -> None:
    """Without a gateway nobody looked among the returned: the nomination would wait."""
    verdict = as_json(tmp_path, "try", body("Nomination", tmp_path))
    assert "row9.not_checked" in {f["code"] for f in verdict["findings"]}
    assert verdict["verdict"] in {"held", "refused"}


def test_try_names_the_contract(tmp_path: Path) -> None:
    """A body against the schema is refused with its place; no value is repeated."""
    result = call(tmp_path, "try", body("ReadmissionRequest", tmp_path, priority="Warsame"))
    assert result.exit_code == 1
    assert "/priority" in result.stdout
    assert "Warsame" not in result.stdout + result.stderr


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"type": "Nonsense"}', '{"type": 1}'])
def test_try_refuses_what_is_no_message(tmp_path: Path, content: str) -> None:
    """Not a message at all: exit status 1 and no traceback."""
    path = tmp_path / "x.json"
    path.write_text(content)
    result = call(tmp_path, "try", str(path))
    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert call(tmp_path, "try", str(tmp_path / "absent.json")).exit_code == 1


def test_a_later_message_needs_its_case(tmp_path: Path) -> None:
    """Without --reference a transfer notice belongs to no case; the verdict says so."""
    verdict = as_json(tmp_path, "try", body("TransferNotice", tmp_path))
    assert "general.unknown_case" in {f["code"] for f in verdict["findings"]}
