"""Every scenario against the real peer: ``docs/interop.md`` is the list with its results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from tests.interop import (  # noqa: F401 — they fill the list
    gateway_worlds,
    scenarios_answers,
    scenarios_good,
    scenarios_profile2,
    scenarios_refused_in,
    scenarios_refused_out,
)
from tests.interop.gateway_plays import NEWER, PULLED, PUSHED, Ministry
from tests.interop.ours import OurEnd
from tests.interop.phase4 import Phase4
from tests.interop.scenario import Ends, Scenario, scenario

pytestmark = pytest.mark.interop


def rows(*worlds: str | None) -> list[ParameterSet]:
    return [
        pytest.param(row, id=row.id, marks=[pytest.mark.as4(n) for n in row.requirements])
        for row in scenario.found.values()
        if row.gateway in worlds
    ]


@pytest.mark.parametrize("row", rows(None))
def test_scenario(
    row: Scenario, peer: Phase4, ours: OurEnd, suites: dict[str, OurEnd], tmp_path: Path
) -> None:
    """The scenario's play asserts everything that its row says."""
    ends = Ends(peer=peer, ours=ours, folder=tmp_path, suites=suites)
    try:
        row.play(ends)
    finally:
        for end in (ours, *suites.values()):
            end.reset()
        for file in ends.files:
            file.close()


@pytest.mark.parametrize("row", rows(PUSHED, PULLED, NEWER))
async def test_gateway(row: Scenario, ministry_of: Callable[[str], Ministry]) -> None:
    """As above, with the gateway as a process of its own."""
    assert row.gateway is not None
    ministry = ministry_of(row.gateway)
    async with ministry.world.client() as client:
        await row.play(replace(ministry, client=client))
