"""``python -m bench [--messages N] [--json]``: one gateway on one core, measured against the crypto floor."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID

from bench import floor as crypto
from bench.load import Load, sign
from bench.report import Json, result, show
from bench.stage import cores, running, stay_on

RESULTS = Path(__file__).parent / "results" / "latest.json"
WARM_UP = 40
STEADY_SECONDS = 10.0
STEADY_MOST = 1000


async def measure(folder: Path, messages: int, bar: Bar, profile: Path | None) -> Json:
    """(1) floor, (2) start, (3) warm up, (4) flood, (5) half load, (6) floor again."""

    def task(name: str, total: float | None = None) -> TaskID:
        return bar.add_task(name, total=total)

    preparing = task("keys, floor, two processes", 1)
    floors = [await asyncio.to_thread(crypto.measure)]  # (1)
    async with running(folder, profile=profile) as stage, Load(stage) as load:  # (2)
        requests = await sign(WARM_UP + messages, load.client, stage)
        bar.update(preparing, completed=1)
        warming = task("warm-up", WARM_UP)  # (3)
        await load.flood(requests[:WARM_UP], lambda n: bar.update(warming, completed=n))
        bar.update(warming, completed=WARM_UP)
        flooding = task("as fast as it goes", messages)  # (4)
        flood = await load.flood(
            requests[WARM_UP:], lambda n: bar.update(flooding, completed=n) if n else None
        )
        bar.update(flooding, completed=messages)
        rate = messages / flood.delivered_s / 2  # (5)
        count = min(STEADY_MOST, max(20, int(rate * STEADY_SECONDS)))
        steady = task("half load", count)
        more = await sign(count, load.client, stage)
        before = load.delivered()
        latencies = await load.steady(more, rate, lambda n: bar.update(steady, completed=n))
        await load.wait_delivered(before + count, lambda _: None)
        bar.update(steady, completed=count)
    floors.append(await asyncio.to_thread(crypto.measure))  # (6)
    return result(floors, flood, latencies, rate, len(requests[0].body))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--messages", type=int, default=500, help="messages of the flood (default 500)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--profile", type=Path, help="write a cProfile of the gateway here, and no result")
    arguments = parser.parse_args()
    if arguments.messages < 10:
        parser.error("--messages must be 10 or more")
    stay_on(cores()[1])
    console = Console(stderr=arguments.json)
    with (
        tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder,
        Bar(console=Console(stderr=True), transient=True) as bar,
    ):
        found = uvloop.run(measure(Path(folder), arguments.messages, bar, arguments.profile))
    if arguments.profile is None:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", "utf-8")
    show(found, console)
    if arguments.json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
