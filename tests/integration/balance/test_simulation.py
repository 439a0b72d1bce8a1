"""The simulation of bench/simulate.py, small: it holds what it checks, and its checks can fail."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

from bench.simulate import agreed, figures_of, write
from bench.simulate_checks import checks
from bench.simulate_run import Simulation
from bench.simulate_shape import PEAK_DAY, Plan, at, peak
from bench.simulate_world import make_world

DAY = dt.timedelta(days=1)


def small() -> Plan:
    """The record day with 13 requests and the weeks around it; France is away when the quota is raised."""
    plan, start = peak(7, 0.01), at(PEAK_DAY - 7 * DAY)
    return replace(
        plan,
        start=start,
        end=at(PEAK_DAY + 28 * DAY),
        returns=[r for r in plan.returns if r.request >= start],
        admissions=[a for a in plan.admissions if a.nominated >= start],
        outages=((at(PEAK_DAY + DAY, 4), at(PEAK_DAY + DAY, 20)),),
    )


async def test_a_small_record_day_holds_every_check(tmp_path: Path) -> None:
    """Held, released, judged again, late, repeated after an outage: all checks hold; each fails when what it
    counts is changed; figures and plots are written."""
    plan = small()
    async with make_world(plan.start, agreed(plan), 7) as world:
        simulation = Simulation(plan, world, 7)
        await simulation.run()
        verdicts = await checks(simulation)
        assert all(check.ok for check in verdicts), verdicts
        tally = simulation.tally
        assert world.france.unreachable
        assert tally.released
        assert any(week["readmissions_held"] for week in tally.weeks)
        assert any(week["breaches"] for week in tally.weeks)

        tally.readmitted += 1
        tally.from_france.append("00000000-0000-7000-8000-000000000000")
        world.france.opened[next(iter(tally.accepted))] += 1
        hook = next(name for name in tally.webhooks if "_breached_" in name)
        tally.webhooks[hook] += 1
        failed = [check.name for check in await checks(simulation) if not check.ok]
        assert failed == [c.name for c in verdicts if not c.name.startswith("quota of")]

        write(figures_of(plan, simulation, scale=0.01, seed=7), plan, tmp_path)
    _look_at_files(tmp_path)


def _look_at_files(folder: Path) -> None:
    figures = json.loads((folder / "peak.json").read_text("utf-8"))
    assert [week["week"] for week in figures["weeks"]] == [f"2026-W{number}" for number in range(33, 38)]
    assert len(list(folder.glob("peak-*.svg"))) == 5
