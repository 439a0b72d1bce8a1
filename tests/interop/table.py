"""``docs/interop.md``: every scenario with its result, written by the run itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.scenario import IN, OUT, Scenario, scenario

versions: dict[str, Any] = {}
"""What the peer says of itself; empty when none was started."""
_results: dict[str, str] = {}
_HEADINGS = {OUT: "Passerelle sends, phase4 answers", IN: "phase4 sends, Passerelle answers"}
_INTRODUCTION = """\
# Interoperability with phase4

<!-- Written by `make interop`; do not edit. -->

Every row was played between Passerelle and a real AS4 access point of another make, over HTTPS with a PKI
made for the run. Nothing is mocked: the peer is phase4 in a Java process of its own, driven by the tests
(`tests/interop/`). "Req." are the numbers of the requirements in `docs/as4-conformance.md`.

| | version |
|---|---|
"""
_METHOD = """
Rows marked G were played by the gateway as its own process, with phase4 in the place of the French ministry
and messages of the treaty; in all others the same AS4 code and transport carry payloads of any kind. In each
row of honest messages both ends compare everything: ids, parties, properties, the digest of every payload,
what was signed and encrypted; and the receipt, which its receiver verifies and matches with what it sent.
phase4's profile artifacts could not be had: its P-Modes are set up with the values of the eDelivery profiles
1.15 and 2.0; those of the treaty are read from the file that Passerelle writes for phase4
([guide](partners/phase4.md)).
"""


def note(report: pytest.TestReport) -> None:
    """Remembers the worst result of a scenario's phases."""
    if "[" not in report.nodeid or "test_scenarios" not in report.nodeid:
        return
    row = report.nodeid.split("[", 1)[1].removesuffix("]")
    if report.failed:
        _results[row] = "**failed**"
    elif report.when == "call" and report.passed:
        _results.setdefault(row, "passed")


def write(path: Path) -> None:
    """Writes the page; nothing when no peer was started."""
    if versions:
        path.write_text("".join(_page()), "utf-8")


def _page() -> Iterator[str]:
    yield _INTRODUCTION
    for label, name in (("phase4", "phase4"), ("Jetty", "jetty"), ("Java", "java")):
        yield f"| {label} | {versions[name]} |\n"
    yield _METHOD
    for direction, heading in _HEADINGS.items():
        rows = sorted((row for row in scenario.found.values() if row.direction == direction), key=_chapter)
        passed = sum(_results.get(row.id) == "passed" for row in rows)
        yield f"\n## {heading}\n\n{passed} of {len(rows)} scenarios passed.\n\n"
        yield "| scenario | what is played | Req. | result |\n|---|---|---|---|\n"
        yield from (_line(row) for row in rows)


def _chapter(row: Scenario) -> tuple[bool, bool, bool]:
    """Honest messages first, then what is refused, profile 2.0, the gateway's process; else as registered."""
    return row.gateway is not None, ".2-0." in row.id, ".refused." in row.id or ".receipt." in row.id


def _line(row: Scenario) -> str:
    numbers = ", ".join(str(number) for number in sorted(set(row.requirements)))
    mark = " G" if row.gateway else ""
    what = row.what.replace("|", "\\|")
    return f"| `{row.id}`{mark} | {what} | {numbers} | {_results.get(row.id, 'not run')} |\n"
