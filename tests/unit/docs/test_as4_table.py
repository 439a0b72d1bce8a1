"""The table of AS4 requirements has no gap, and the page is of the tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.report import as4_table

ROOT = Path(__file__).parents[3]


def _marked(tree: ast.AST) -> set[int]:
    """The numbers of every ``as4(…)`` call in a module."""
    return {
        argument.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "as4"
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, int)
    }


def test_every_requirement_has_a_test() -> None:
    """Each number is carried by at least one test, and no test carries a number that is none."""
    found: set[int] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        found |= _marked(ast.parse(path.read_text("utf-8")))
    assert found == {int(row["number"]) for row in as4_table.read_requirements()}


def test_the_page_tells_failures_and_gaps() -> None:
    """A failed test, and a requirement without any, are seen at once."""
    page = as4_table.table(
        {
            "tests/unit/as4/test_a.py::test_x": {"requirements": [1], "result": "passed"},
            "tests/interop/test_b.py::test_y[z]": {"requirements": [1, 2], "result": "failed"},
        }
    )
    rows = {row.split(" | ")[0].strip("| "): row for row in page.splitlines() if row.startswith("| ")}
    assert (
        "✗ 1 passed, 1 failed | ✗ 1 failed | `interop/test_b.py` (1), `unit/as4/test_a.py` (1)" in rows["1"]
    )
    assert "**no test**" in rows["3"]


def test_the_page_in_the_repository_is_whole() -> None:
    """Nothing failed or missing in the page that is kept, and every file that it names is there."""
    page = as4_table.PAGE.read_text("utf-8")
    assert "✗" not in page
    assert "no test" not in page
    for row in as4_table.read_requirements():
        assert f"| {row['number']} | {row['requirement']} |" in page
    for name in set(re.findall(r"`([a-z0-9_/]+\.py)`", page)):
        assert (ROOT / "tests" / name).is_file(), name


def test_every_attack_names_vectors_that_exist() -> None:
    """Each attack of the list has at least one vector; file, test and parameter are there."""
    attacks = as4_table.read_attacks()
    assert len(attacks) >= 24
    for row in attacks:
        assert row["codes"], row
        assert row["vectors"], row
        for vector in row["vectors"].split():
            file, _, name = vector.partition("::")
            path = ROOT / "tests" / file
            assert path.is_file(), vector
            test, _, parameter = name.partition("[")
            text = path.read_text("utf-8") if name else ""
            assert not test or f"def {test}(" in text, vector
            assert not parameter or f"def {parameter.rstrip(']')}(" in text, vector
