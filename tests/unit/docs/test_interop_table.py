"""The page of interop results is of the scenarios that exist, and says that every one of them passed."""

from __future__ import annotations

import re
from pathlib import Path

from tests.interop import test_scenarios
from tests.interop.scenario import IN, OUT, scenario

PAGE = Path(__file__).parents[3] / "docs" / "interop.md"
_ROW = re.compile(r"^\| `([^`]+)`(?: G)? \| .* \| ([^|]+) \|$", re.MULTILINE)


def test_the_page_holds_every_scenario_and_all_passed() -> None:
    """``make interop`` has to be run again when a scenario is added, renamed or taken away."""
    assert test_scenarios.rows(None)
    found = dict(_ROW.findall(PAGE.read_text("utf-8")))
    assert set(found) == set(scenario.found)
    assert set(found.values()) == {"passed"}


def test_there_are_enough_each_way() -> None:
    """At least 30 scenarios in either direction, and every one says which requirement it proves."""
    for direction in (OUT, IN):
        assert sum(row.direction == direction for row in scenario.found.values()) >= 30
    assert all(row.requirements for row in scenario.found.values())
