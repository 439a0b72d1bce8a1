"""``python -m bench.simulate [--shape pilot|peak] [--scale 0.1] [--seed N] [--output DIR]``

The pilot's real shape, or 1,300 requests in one day, through the real gateway under a clock that is moved:
docs/simulation.md. Ends with status 1 when one of its checks fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.report import machine
from bench.simulate_checks import Check, checks
from bench.simulate_plot import Chart, Line, svg
from bench.simulate_run import Simulation
from bench.simulate_shape import DAY, SHAPES, Plan, known_at
from bench.simulate_world import make_world
from gateway.core.treaty.agreement import Agreement, uk_fr
from gateway.core.treaty.weeks import monday_of, week_of
from gateway.flows.ledger import report_zone
from gateway.logs import configure_logs

Json = dict[str, Any]
SEED = 20260610


def agreed(plan: Plan) -> Agreement:
    """The shipped agreement with the quotas of the plan."""
    shipped = uk_fr()
    quotas = msgspec.structs.replace(
        shipped.quotas, readmissions=plan.readmissions, nominations=plan.nominations
    )
    return msgspec.structs.replace(shipped, quotas=quotas)


async def simulate(
    shape: str, *, scale: float, seed: int, progress: Callable[[float], None] = lambda share: None
) -> tuple[Json, list[Check]]:
    """The figures as JSON values, and what was checked. Takes about 20 ms of CPU per message."""
    plan = SHAPES[shape](seed, scale)
    begun, cpu = time.perf_counter(), time.process_time()
    async with make_world(plan.start, agreed(plan), seed) as world:
        simulation = Simulation(plan, world, seed)
        await simulation.run(progress)
        verdicts = await checks(simulation)
        figures = figures_of(plan, simulation, scale=scale, seed=seed)
        figures["database_mb"] = round(world.database.stat().st_size / 1e6, 1)
    used = time.process_time() - cpu
    figures |= {
        "machine": machine(),
        "wall_s": round(time.perf_counter() - begun, 1),
        "cpu_s": round(used, 1),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
        "checks": [{"name": c.name, "ok": c.ok, "found": c.found} for c in verdicts],
    }
    return figures, verdicts


def figures_of(plan: Plan, s: Simulation, *, scale: float, seed: int) -> Json:
    told = Counter((kind, clock) for kind, clock, _, _ in s.tally.told)
    return {
        "shape": plan.name,
        "scale": scale,
        "seed": seed,
        "from": plan.start.date().isoformat(),
        "to": plan.end.date().isoformat(),
        "requests": len(plan.returns),
        "nominations": len(plan.admissions),
        "messages_uk": len(s.tally.accepted),
        "messages_fr": len(s.tally.from_france),
        "returned": s.tally.readmitted,
        "admitted": s.tally.admitted,
        "released_from_queue": s.tally.released,
        "refused": dict(s.tally.refused),
        "matched_as_returned": s.tally.matched,
        "too_late_to_say": dict(s.tally.not_sent),
        "outage_attempts": s.world.france.unreachable,
        "breaches": {clock: n for (kind, clock), n in sorted(told.items()) if kind.endswith("breached")},
        "warnings": {clock: n for (kind, clock), n in sorted(told.items()) if kind.endswith("warning")},
        "weeks": [{**row, "until": row["until"].isoformat()} for row in s.tally.weeks],
    }


# ---- plots --------------------------------------------------------------------------------------


def charts(figures: Json, plan: Plan) -> dict[str, Chart]:
    """File name → chart: persons, balance, held, backlog, clocks."""
    rows = figures["weeks"]
    labels = [row["week"] for row in rows]

    def line(name: str, key: str) -> Line:
        return Line(name=name, values=[row[key] for row in rows])

    def told(key: str) -> Line:
        return Line(name=key, values=[sum(row[key].values()) for row in rows])

    zone = report_zone(uk_fr())
    marks = [(week_of(change.at, zone), "quota changed") for change in plan.raises]
    marks += [(week_of(begin, zone), "outage") for begin, _ in plan.outages]
    if plan.quiet:
        marks += [(week_of(plan.quiet[0], zone), "no arrivals"), (week_of(plan.quiet[1], zone), "again")]
    persons = [line("returned", "total_returned"), line("admitted", "total_admitted")]
    balance = [line("returned less admitted", "balance")]
    if plan.known:
        known = {side: _published(plan, side, labels, figures["scale"]) for side in ("returned", "admitted")}
        persons += [Line(name=f"{side}, published", values=values) for side, values in known.items()]
        apart = [r - a for r, a in zip(known["returned"], known["admitted"], strict=True)]
        balance.append(Line(name="as published", values=apart))

    def chart(title: str, unit: str, *lines: Line) -> Chart:
        head = f"{plan.name}, scale {figures['scale']:g}: {title}"
        return Chart(title=head, unit=unit, labels=labels, lines=lines, marks=marks)

    ends = "at the end of each ISO week"
    made = {
        "persons": chart("returned and admitted", f"Persons, cumulated, {ends}", *persons),
        "balance": chart("balance", f"Persons returned less persons admitted, {ends}", *balance),
        "held": chart(
            "held by quota",
            f"Requests and nominations, {ends}",
            line("requests held", "readmissions_held"),
            line("requests gone", "readmissions_places"),
            line("quota of requests", "readmissions_quota"),
            line("nominations held", "nominations_held"),
        ),
        "backlog": chart(
            "backlog",
            "At the end of each ISO week",
            line("clocks running", "clocks_open"),
            line("waiting for France", "outbox"),
        ),
        "clocks": chart(
            "clocks", "Warnings and breaches told in each ISO week", told("warnings"), told("breaches")
        ),
    }
    return {f"{plan.name}-{name}.svg": each for name, each in made.items()}


def _published(plan: Plan, side: str, labels: Sequence[str], scale: float) -> list[float]:
    """Published totals at the end of each week, scaled; interpolated between the dates that are known."""
    points = plan.known[side]
    sundays = [monday_of(label) + 6 * DAY for label in labels]
    return [round(known_at(points, day) * scale, 1) for day in sundays]


def write(figures: Json, plan: Plan, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
    (folder / f"{plan.name}.json").write_text(text, "utf-8")
    for name, chart in charts(figures, plan).items():
        (folder / name).write_text(svg(chart), "utf-8")


# ---- terminal -----------------------------------------------------------------------------------


def show(figures: Json, verdicts: list[Check], console: Console) -> None:
    table = Table(title=f"{figures['shape']}, scale {figures['scale']:g}, seed {figures['seed']}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name in (
        "from",
        "to",
        "requests",
        "nominations",
        "messages_uk",
        "messages_fr",
        "returned",
        "admitted",
        "released_from_queue",
        "refused",
        "matched_as_returned",
        "too_late_to_say",
        "outage_attempts",
        "breaches",
        "warnings",
        "wall_s",
        "cpu_s",
        "memory_mb",
        "database_mb",
    ):
        value = figures[name]
        said = "\n".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), said)
    console.print(table)
    for row in figures["weeks"]:
        console.print(
            f"{row['week']}  returned {row['total_returned']:>4}  admitted {row['total_admitted']:>4}"
            f"  balance {row['balance']:>+4}  held {row['readmissions_held']:>4}"
            f"+{row['nominations_held']:<3} late {sum(row['breaches'].values()):>3}",
            highlight=False,
        )
    for check in verdicts:
        console.print(f"{'ok    ' if check.ok else 'FAILED'} {check.name}: {check.found}", highlight=False)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.simulate", description=__doc__)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="pilot")
    parser.add_argument(
        "--scale", type=float, default=0.1, help="share of the persons, 0.01 to 1 (default 0.1)"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--output", type=Path, help="a folder for the JSON and the plots")
    chosen = parser.parse_args(arguments)
    if not 0.01 <= chosen.scale <= 1:
        parser.error("--scale is 0.01 to 1")
    configure_logs(level="error", stream=sys.stderr)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulated time", total=1.0)
        figures, verdicts = asyncio.run(
            simulate(
                chosen.shape,
                scale=chosen.scale,
                seed=chosen.seed,
                progress=lambda share: bar.update(task, completed=share),
            )
        )
    if chosen.output is not None:
        write(figures, SHAPES[chosen.shape](chosen.seed, chosen.scale), chosen.output)
    show(figures, verdicts, Console())
    return 0 if all(check.ok for check in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
