"""docs/clocks.md says what the agreement file says."""

from __future__ import annotations

from pathlib import Path

from gateway.core.treaty.agreement import uk_fr
from gateway.core.treaty.clocks import DeadlineState, clocks_of

PAGE = (Path(__file__).parents[3] / "docs" / "clocks.md").read_text("utf-8")
ROWS = {
    cells[0].strip("`"): cells
    for line in PAGE.splitlines()
    if line.startswith("| `")
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
}


def test_every_clock_has_its_row() -> None:
    """Length, zone, warnings, severity and the mark of what is not verified, in the order of the file."""
    clocks = clocks_of(uk_fr())
    assert [name for name in ROWS if name not in set(DeadlineState)] == list(clocks)
    for clock in clocks.values():
        _, what, basis, length, zone, _, warns, _, severity = ROWS[clock.id]
        terms = clock.terms
        assert what == terms.name_en
        assert (basis.removesuffix(" **[U]**"), basis.endswith("**[U]**")) == (
            terms.article,
            terms.unverified,
        )
        assert length == f"{clock.amount} {clock.unit.value.replace('_', ' ')}"
        assert (zone, severity) == (clock.zone, terms.severity.value)
        assert warns == ", ".join(str(days) for days in terms.warn_days)


def test_every_state_is_explained() -> None:
    """Each state of a deadline stands in its table."""
    assert set(DeadlineState) <= set(ROWS)
