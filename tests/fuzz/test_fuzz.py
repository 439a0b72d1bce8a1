"""The fuzz targets on fixed seeds: what a longer run finds in seconds is found with every test run.

The longer ones: ``make fuzz`` (a minute, also in CI) and ``make fuzz FUZZ_SECONDS=3600``.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.core.errors import As4Error
from tests.fixtures import as4
from tests.fuzz import targets
from tests.fuzz.engine import Outcome, run_case, run_target
from tests.fuzz.targets import TARGETS, Finding, Target

CORPUS = Path(__file__).with_name("corpus")
CASES = 150


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_only_documented_errors_come_out(name: str) -> None:
    """Bent input is refused with a documented code, in bounded time and memory, or it is what was sealed."""
    targets.prepare()
    outcome = run_target(TARGETS[name], first_seed=0, more=lambda tried: tried < CASES)
    assert outcome.found == []
    assert outcome.tried == CASES
    assert len(outcome.outcomes) >= 2, "the bending never changes what happens"


def test_what_was_found_once_stays_fixed() -> None:
    """Inputs that once showed a fault (``target:seed``, one in a line)."""
    targets.prepare()
    for case in (CORPUS / "cases.txt").read_text("utf-8").split():
        name, _, seed = case.partition(":")
        outcome = Outcome(target=name)
        run_case(TARGETS[name], int(seed), outcome)
        assert outcome.found == [], case


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.http")), ids=lambda path: path.stem)
def test_corpus_of_bodies(path: Path) -> None:
    """HTTP bodies (first line: Content-Type) that lie at the edges of the grammar are refused cleanly."""
    content_type, _, body = path.read_bytes().partition(b"\n")
    with pytest.raises(As4Error) as caught:
        as4.open_any(content_type.decode("latin-1"), body)
    assert caught.value.ebms is not None


def test_the_same_seed_makes_the_same_input() -> None:
    """A finding can be made again from its name alone."""
    seen: list[bytes] = []

    def look(rng: random.Random) -> str:
        seen.append(rng.randbytes(16))
        return "seen"

    target = Target(name="look", what="", run=look)
    for _ in range(2):
        run_case(target, 7, Outcome(target="look"))
    assert seen[0] == seen[1]


def test_the_engine_sees_faults() -> None:
    """An unknown exception, a finding of the oracle, and nothing else, are findings."""

    def crash(_: random.Random) -> str:
        raise KeyError("x")

    def wrong(_: random.Random) -> str:
        raise Finding("taken for whole")

    for run, what in ((crash, "KeyError escaped"), (wrong, "taken for whole")):
        outcome = run_target(Target(name="t", what="", run=run), first_seed=3, more=lambda tried: tried < 2)
        assert [f.what for f in outcome.found] == [what, what]
        assert outcome.found[0].case == "t:3"


def test_the_oracle_knows_a_changed_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that was never sealed, but is accepted, is a finding."""
    targets.prepare()
    other = as4.seal(as4.header(conversation_id="another"))
    with pytest.raises(Finding, match="taken for a whole one"):
        targets._judge(random.Random(0), (other.content_type, targets.whole(other.body)), originals=True)
