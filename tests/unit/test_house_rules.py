"""Rules of this repository that no linter checks (docs/architecture.md, house rules)."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("contracts", "adapters", "gateway")
MOST_LINES = 399


def test_modules_are_short() -> None:
    """Every module has under 400 lines: a longer one holds two things that want names of their own."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    assert {name.partition("/")[0] for name in lengths} == set(PACKAGES)
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}
