"""Makes ``docs/as4-conformance.md`` from the results of test runs (``make as4-table``).

python -m tests.report.as4_table [--output FILE] RESULTS.json [RESULTS.json …]
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ATTACKS = Path(__file__).with_name("attacks.csv")
REQUIREMENTS = Path(__file__).with_name("as4_requirements.csv")
PAGE = Path(__file__).parents[2] / "docs" / "as4-conformance.md"
HEAD = """# AS4 conformance

Written by `make as4-table` from a run of the tests; not by hand. Each test of a requirement carries its
number (`@pytest.mark.as4(n)`; `pytest -m as4 --collect-only` lists them); the number after a file's name is
how many tests of that file count. "Interop" are tests against phase4 ([interop](interop.md)).

Not supported, and refused with `EBMS:0008` or `EBMS:0010` as it applies: message splitting and joining, SMP
and dynamic discovery, WS-ReliableMessaging, UsernameToken, multi-hop. None of them is part of the eDelivery
Common Profile that both sides use.
"""


ATTACKS_HEAD = """
## Attacks

What the AS4 page lists as attacks, the code that each is answered with, and the vectors that prove it. Those
under `integration/hostile` are sent over HTTPS to a running gateway, which stores nothing and answers with a
signed error; a second code is that of the layer below, asked alone. [Fuzzing](fuzzing.md) looks for others.

| Attack | Answer | Vectors |
|---|---|---|
"""


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_requirements() -> list[dict[str, str]]:
    """Rows ``number``, ``part``, ``requirement``."""
    return _read(REQUIREMENTS)


def read_attacks() -> list[dict[str, str]]:
    """Rows ``attack``, ``codes``, ``vectors`` (``file::name``, separated by spaces)."""
    return _read(ATTACKS)


def _attacks() -> str:
    rows = [
        f"| {row['attack']} | {row['codes']} | {', '.join(f'`{v}`' for v in row['vectors'].split())} |"
        for row in read_attacks()
    ]
    return ATTACKS_HEAD + "\n".join(rows) + "\n"


def _files(tests: Mapping[str, str]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for name in tests:
        counts[name.partition("::")[0].removeprefix("tests/")] += 1
    return ", ".join(f"`{name}` ({count})" for name, count in sorted(counts.items()))


def _result(tests: Mapping[str, str]) -> str:
    if not tests:
        return "**no test**"
    counts = defaultdict(int, dict.fromkeys(("passed", "failed", "not run"), 0))
    for result in tests.values():
        counts[result] += 1
    told = [f"{count} {result}" for result, count in counts.items() if count]
    return ("✗ " if counts["failed"] else "✓ " if counts["passed"] else "") + ", ".join(told)


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The page. ``results``: test id → ``{"requirements": [n, …], "result": "passed|failed|not run"}``."""
    by_number: dict[int, dict[str, str]] = defaultdict(dict)
    for name, entry in results.items():
        for number in entry["requirements"]:
            by_number[number][name] = entry["result"]
    lines = [HEAD, "| | Requirement | Result | Of these interop | Tests |", "|---|---|---|---|---|"]
    part = ""
    for row in read_requirements():
        if row["part"] != part:
            part = row["part"]
            lines.append(f"| | **{part}** | | | |")
        tests = by_number[int(row["number"])]
        interop = {name: result for name, result in tests.items() if name.startswith("tests/interop/")}
        shown = _result(interop) if interop else "–"
        lines.append(
            f"| {row['number']} | {row['requirement']} | {_result(tests)} | {shown} | {_files(tests)} |"
        )
    return "\n".join(lines) + "\n" + _attacks()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    results: dict[str, Any] = {}
    for path in given.results:
        results |= json.loads(path.read_text("utf-8"))
    given.output.write_text(table(results), "utf-8")
    print(f"{given.output.name}: {len(results)} tests of {len(read_requirements())} requirements")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
