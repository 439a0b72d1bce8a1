"""Which requirement of AS4 is proven by which test, and with what result: kept while the tests run.

``--as4-results FILE`` writes them as JSON; ``python -m tests.report.as4_table`` makes the page of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

MARK = "as4"


class As4Results:
    """Collects on the controlling process; workers of xdist send the numbers along with their reports."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        numbers = sorted({int(str(v)) for name, v in report.user_properties if name == MARK})
        if not numbers:
            return
        entry = self.found.setdefault(report.nodeid, {"requirements": numbers, "result": "not run"})
        if report.failed:
            entry["result"] = "failed"
        elif report.when == "call" and report.passed and entry["result"] != "failed":
            entry["result"] = "passed"

    @pytest.hookimpl
    def pytest_sessionfinish(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(dict(sorted(self.found.items())), indent=1) + "\n", "utf-8")


def add_option(parser: pytest.Parser) -> None:
    parser.addoption("--as4-results", metavar="FILE", help="write which AS4 requirement each test proved")


def configure(config: pytest.Config) -> None:
    """Only the controlling process writes."""
    path = config.getoption("--as4-results")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(As4Results(Path(path)), "as4-results")


def note_requirements(items: list[pytest.Item]) -> None:
    """Each number of each ``as4`` mark becomes a property of the test's reports."""
    for item in items:
        numbers = {number for mark in item.iter_markers(MARK) for number in mark.args}
        item.user_properties.extend((MARK, number) for number in sorted(numbers))
