"""Runs targets: every input costs bounded time and memory, and only documented errors come out."""

from __future__ import annotations

import random
import resource
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.fuzz.targets import TARGETS, Finding, Target, prepare

SLOW_S: Final = 2.0
"""CPU seconds that no input may cost."""
HANG_S: Final = 15
"""Wall seconds after which an input is given up as hanging."""
MEMORY_BYTES: Final = 300 * 1024 * 1024
"""How much resident memory may grow beyond where it stood after the first inputs."""
_WARM_UP: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One thing that must not happen; ``case`` makes it again: ``--replay TARGET:SEED``."""

    case: str
    what: str
    trace: str


@dataclass(kw_only=True, slots=True)
class Outcome:
    """Of one target in one run."""

    target: str
    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest_case: str = ""
    growth_bytes: int = 0
    found: list[Found] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "tried": self.tried,
            "outcomes": dict(self.outcomes.most_common()),
            "slowest_ms": round(self.slowest_s * 1000, 1),
            "slowest_case": self.slowest_case,
            "memory_growth_mb": round(self.growth_bytes / 1e6, 1),
            "found": [{"case": f.case, "what": f.what, "trace": f.trace} for f in self.found],
        }


@contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Finding(f"an input took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_case(target: Target, seed: int, outcome: Outcome) -> None:
    """One input. Whatever it does is counted in ``outcome``."""
    case = f"{target.name}:{seed}"
    started = time.process_time()
    try:
        with _alarm(HANG_S):
            # a string seeds alike in every process and version
            word = target.run(random.Random(case))
        outcome.outcomes[word] += 1
    except Finding as exc:
        outcome.found.append(Found(case=case, what=str(exc), trace=traceback.format_exc()))
    except Exception as exc:  # noqa: BLE001 — an unknown exception is what we are looking for
        what = f"{type(exc).__name__} escaped"
        outcome.found.append(Found(case=case, what=what, trace=traceback.format_exc()))
    spent = time.process_time() - started
    if spent > SLOW_S:
        what = f"an input cost {spent:.1f} s of CPU"
        outcome.found.append(Found(case=case, what=what, trace=""))
    if spent > outcome.slowest_s and outcome.tried >= _WARM_UP:
        outcome.slowest_s, outcome.slowest_case = spent, case
    outcome.tried += 1


def run_target(target: Target, *, first_seed: int, more: Callable[[int], bool]) -> Outcome:
    """Inputs from ``first_seed`` upwards while ``more(tried)``."""
    outcome = Outcome(target=target.name)
    resident = 0
    while more(outcome.tried):
        run_case(target, first_seed + outcome.tried, outcome)
        if outcome.tried == _WARM_UP:
            resident = _resident()
    if resident:
        outcome.growth_bytes = _resident() - resident
    if outcome.growth_bytes > MEMORY_BYTES:
        what = f"resident memory grew by {outcome.growth_bytes / 1e6:.0f} MB"
        outcome.found.append(Found(case=f"{target.name}:{first_seed}", what=what, trace=""))
    return outcome


def fuzz_for(job: tuple[str, int, float]) -> dict[str, Any]:
    """``(target, first seed, seconds)`` → the outcome as JSON values; runs in a process of its own."""
    name, seed, seconds = job
    prepare()
    end = time.monotonic() + seconds
    return run_target(TARGETS[name], first_seed=seed, more=lambda _: time.monotonic() < end).as_json()
