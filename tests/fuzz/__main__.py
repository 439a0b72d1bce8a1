"""Fuzz for a while: ``python -m tests.fuzz [--seconds 60] [--target NAME …] [--seed N] [--json]``.

Exit status 1 when anything was found; each finding is printed with the command that makes it again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from tests.fuzz.engine import Outcome, fuzz_for, run_case
from tests.fuzz.targets import TARGETS, prepare


def _show(results: Sequence[dict[str, Any]], seed: int, seconds: float) -> None:
    for result in results:
        common = ", ".join(f"{word} {count}" for word, count in list(result["outcomes"].items())[:6])
        print(
            f"{result['target']:16} {result['tried']:>8} inputs, slowest {result['slowest_ms']:>6.1f} ms, "
            f"memory +{result['memory_growth_mb']:.0f} MB: {common}"
        )
    for result in results:
        for found in result["found"][:5]:
            print(f"\nFOUND {found['what']}\n  again: python -m tests.fuzz --replay {found['case']}")
            print("\n".join(f"  {line}" for line in found["trace"].splitlines()[-12:]))
    tried = sum(r["tried"] for r in results)
    found_count = sum(len(r["found"]) for r in results)
    print(f"\n{tried} inputs in {seconds:.0f} s, seed {seed}: {found_count or 'nothing'} found")


def _replay(case: str) -> int:
    prepare()
    name, _, seed = case.partition(":")
    outcome = Outcome(target=name)
    run_case(TARGETS[name], int(seed), outcome)
    print(json.dumps(outcome.as_json(), indent=1))
    for found in outcome.found:
        print(found.trace)
    return 1 if outcome.found else 0


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="wall-clock time of the whole run (60)")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="only these; repeatable")
    parser.add_argument("--seed", type=int, help="first seed (default: a random one, printed)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes (2)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--list", action="store_true", help="list the targets")
    parser.add_argument("--replay", metavar="TARGET:SEED", help="run one input again and print its trace")
    given = parser.parse_args(arguments)
    if given.list:
        for target in TARGETS.values():
            print(f"{target.name:16} {target.what}")
        return 0
    if given.replay:
        return _replay(given.replay)
    names = given.target or list(TARGETS)
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**9) * 10**6
    share = given.seconds * given.jobs / sum(TARGETS[name].weight for name in names)
    jobs = [(name, seed, share * TARGETS[name].weight) for name in names]
    jobs.sort(key=lambda job: -job[2])  # the longest first: all processes end at about the same time
    prepare()  # here, where a fault in the honest material is told at once
    spawn = multiprocessing.get_context("spawn")
    started = time.monotonic()
    with ProcessPoolExecutor(given.jobs, mp_context=spawn, max_tasks_per_child=1) as pool:
        results = list(pool.map(fuzz_for, jobs))
    seconds = time.monotonic() - started
    if given.json:
        print(json.dumps({"seed": seed, "seconds": round(seconds, 1), "targets": results}, indent=1))
    else:
        _show(results, seed, seconds)
    return 1 if any(r["found"] for r in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
