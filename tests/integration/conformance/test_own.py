"""The whole set against our own endpoints, real processes over HTTPS: the gateway and the simulated ministry.

``KEEP_CONFORMANCE_REPORT=1`` writes the gateway's report into ``docs/conformance-own.*``.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result as Result_
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.clock import SystemClock
from gateway.conformance import Report, Result, Verdict, run_conformance
from gateway.conformance.cases import all_cases
from gateway.conformance.model import Expectation
from gateway.conformance.report import by_requirement
from gateway.conformance.target import choose_pmode, make_target
from gateway.core.errors import ConfigError
from gateway.transport.tls import client_context
from tests.fixtures.conformance import keep
from tests.fixtures.ends import french_point
from tests.fixtures.world import World, make_world

pytestmark = pytest.mark.xdist_group("conformance-own")
PROGRAM = Path(sys.executable).parent / "passerelle"
NOTED = {"address-families"}
"""The name in the URL is localhost, which may have one address family only."""
WITHOUT = {
    "four-corner": "the ping service has no corners",
    "four-corner-missing": "the ping service has no corners",
    "four-corner-twice": "the ping service has no corners",
    "expired-certificate": "no such key of the ministry exists",
    "revoked-certificate": "no such key of the ministry exists",
    "other-party-certificate": "no such key of the ministry exists",
}
"""Not run here; tests/integration/conformance/test_rules.py runs them."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with make_world() as running:
        yield running


def against_gateway(world: World, *only: str, pmode_id: str | None = None) -> Report:
    """A run of the ministry against the gateway's real AS4 endpoint."""
    side = french_point(world.fr)
    target = make_target(
        side,
        f"https://localhost:{world.as4_port}/as4",
        clock=SystemClock(),
        make_tls=lambda: client_context(anchors=world.fr / "trust" / "uk" / "anchors"),
        pmode=choose_pmode(side, pmode_id),
        product="Passerelle",
    )
    return asyncio.run(run_conformance(target, only=only))


@pytest.fixture(scope="module")
def report(world: World) -> Report:
    found = against_gateway(world)
    keep(found, "conformance-own")
    return found


def test_our_endpoint_passes(report: Report) -> None:
    """Nothing fails; what is noted or not run is so for a known reason."""
    verdicts = {r.case.id: r.verdict for r in report.results}
    assert {i for i, v in verdicts.items() if v is Verdict.FAIL} == set()
    assert {i for i, v in verdicts.items() if v is Verdict.NOTE} <= NOTED
    assert {i for i, v in verdicts.items() if v is Verdict.NOT_RUN} == set(WITHOUT)
    assert report.ok


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(n, marks=pytest.mark.as4(n), id=str(n))
        for n in sorted({n for c in all_cases() for n in c.requirements} - {35})
    ],
)
def test_requirement_seen_from_outside(number: int, report: Report) -> None:
    """Every case of this requirement that could be run passes against the real endpoint."""
    results = [r for r in by_requirement(report)[str(number)] if r.case.id not in WITHOUT]
    assert results
    assert {r.verdict for r in results if r.case.id not in NOTED} == {Verdict.PASS}


@pytest.mark.as4(35)
def test_four_corners_are_judged_by_a_business_p_mode(world: World) -> None:
    """By a P-Mode of the agreement, missing and doubled corners are refused before the business checks."""
    report = against_gateway(
        world,
        "four-corner-missing",
        "four-corner-twice",
        "retry-after-refusal",
        pmode_id="uk-fr.FR_TO_UK.StatusUpdate",
    )
    results = {r.case.id: r for r in report.results}
    assert results["four-corner-missing"].verdict is Verdict.PASS
    assert results["four-corner-twice"].verdict is Verdict.PASS
    # the invented payload is no document of the contract: said, with the cure, not accepted
    assert codes(results["retry-after-refusal"]) == [("EBMS:0101",), ("EBMS:0004",)]
    cure = results["retry-after-refusal"].outcome.cure
    assert cure is not None
    assert cure.key == "cure-other"


def codes(result: Result) -> list[tuple[str, ...]]:
    return [e.seen.codes for e in result.exchanges]


def test_nothing_was_delivered(world: World, report: Report) -> None:
    """After all those good messages to the ping service no case and no message exists at the gateway."""
    assert any(r.case.expect is Expectation.RECEIPT and r.verdict is Verdict.PASS for r in report.results)
    assert json.loads(invoke(world, "messages", "list", "--json").stdout) == []


# ---- as a user runs it, against the simulated ministry -------------------------------------------


def test_command_against_the_ministry(world: World, tmp_path: Path) -> None:
    """JSON on standard output, progress on standard error, both files written, exit status 0."""
    url = f"https://localhost:{world.french_port}/as4"
    html, saved = tmp_path / "report.html", tmp_path / "report.json"
    words = ("conformance", url, "--json", "--html", str(html), "--output", str(saved), "--lang", "fr")
    done = subprocess.run(
        [PROGRAM, "-C", str(world.uk), *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout[-3000:]
    values: dict[str, Any] = json.loads(done.stdout)
    assert values == json.loads(saved.read_text("utf-8"))
    assert values["ok"] is True
    assert values["target"]["from"] == "GB-HO-PASSERELLE"
    assert values["counts"]["pass"] >= 100
    assert "Rapport de conformité AS4" in html.read_text("utf-8")
    assert "réussi" in done.stderr
    assert "GB-HO-PASSERELLE → FR-MI-AS4" in done.stderr


def invoke(world: World, *words: str) -> Result_:
    """The command in this process: quicker, for what needs no pipe."""
    return CliRunner().invoke(app, ["-C", str(world.uk), *words])


def test_command_shows_a_table(world: World) -> None:
    """Without --json: a summary by requirement; a few cases only when asked for."""
    url = f"https://localhost:{world.french_port}/as4"
    done = invoke(world, "conformance", url, "--only", "push", "--only", "unsigned", "--only", "dtd")
    assert done.exit_code == 0
    assert "Nothing failed." in done.stdout
    assert "Push: signed" in done.stdout
    assert "List of attacks" in done.stdout


def test_command_fails_when_something_fails(world: World) -> None:
    """An endpoint out of reach gives exit status 1, with cause and cure."""
    done = invoke(world, "conformance", "https://127.0.0.1:9/as4", "--timeout", "2")
    assert done.exit_code == 1
    assert "The host refused the connection." in done.stdout
    assert "Is the access point started" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("conformance",), "no URL given"),
        (("conformance", "http://127.0.0.1:1/as4"), "AS4 needs https"),
        (("conformance", "https://localhost:1/as4", "--only", "nonsense"), "no such case: nonsense"),
        (("conformance", "https://localhost:1/as4", "--pmode", "nonsense"), "we send by no P-Mode"),
        (("conformance", "https://localhost:1/as4", "--service", "urn:x"), "needs both"),
        (("conformance", "https://localhost:1/as4", "--lang", "de"), "en or fr"),
        (("conformance", "https://localhost:1/as4", "--expired", "nowhere.pem"), "nowhere.pem"),
    ],
)
def test_command_refuses_what_cannot_be(world: World, words: tuple[str, ...], said: str) -> None:
    """Mistakes are said before anything is sent, as errors of the tree, which become one line."""
    done = invoke(world, *words)
    assert done.exit_code != 0
    assert done.exception is None or isinstance(done.exception, ConfigError | SystemExit)
    assert said in f"{done.output} {done.exception}"


def test_command_lists_the_cases(world: World) -> None:
    """--list sends nothing and names every case with its requirements."""
    listed = json.loads(invoke(world, "conformance", "--list", "--json").stdout)
    assert [row["id"] for row in listed] == [c.id for c in all_cases()]
    assert "wrap-duplicate-id" in invoke(world, "conformance", "--list", "--lang", "fr").stdout
