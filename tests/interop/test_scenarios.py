"""Every scenario against the real peer: ``docs/interop.md`` is the list with its results."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop import scenarios_bad, scenarios_good  # noqa: F401 — they fill the list
from tests.interop.ours import OurEnd
from tests.interop.phase4 import Phase4
from tests.interop.scenario import Ends, Scenario, scenario

pytestmark = pytest.mark.interop
ROWS = [
    pytest.param(row, id=row.id, marks=[pytest.mark.as4(n) for n in row.requirements])
    for row in scenario.found.values()
]


@pytest.mark.parametrize("row", ROWS)
def test_scenario(row: Scenario, peer: Phase4, ours: OurEnd, tmp_path: Path) -> None:
    """The scenario's play asserts everything that its row says."""
    ends = Ends(peer=peer, ours=ours, folder=tmp_path)
    try:
        row.play(ends)
    finally:
        ours.reset()
        for file in ends.files:
            file.close()
