"""Rows of reveals on both databases: one person, one case, a beginning and an end."""

from __future__ import annotations

import datetime as dt

from gateway.flows.ports import Store
from gateway.flows.ports_reveals import Reveal
from tests.fixtures.store_records import CLOCK, T0, later, new_case


def reveal(
    reference: str, actor: str = "operator:a", *, at: dt.datetime = T0, seconds: float = 600
) -> Reveal:
    return Reveal(
        reveal_id=CLOCK.new_id(),
        reference=reference,
        actor=actor,
        code="enquiry",
        reason="asked by telephone",
        started_at=at,
        ends_at=at + dt.timedelta(seconds=seconds),
        ended_at=None,
    )


async def test_a_reveal_runs_for_one_person_and_case(store: Store) -> None:
    """From its beginning until just before its end, and for nobody else."""
    one, two = new_case(), new_case()
    made = reveal(one.reference)
    async with store.begin() as tx:
        await tx.add_case(one)
        await tx.add_case(two)
        await tx.add_reveal(made)
    async with store.begin(read_only=True) as tx:
        assert await tx.running_reveal(one.reference, "operator:a", T0) == made
        assert await tx.running_reveal(one.reference, "operator:a", later(599.999)) == made
        assert await tx.running_reveal(one.reference, "operator:a", later(600)) is None
        assert await tx.running_reveal(one.reference, "operator:a", later(-1)) is None
        assert await tx.running_reveal(one.reference, "operator:b", T0) is None
        assert await tx.running_reveal(two.reference, "operator:a", T0) is None


async def test_ending_a_reveal(store: Store) -> None:
    """Only one's own, only what runs; the history stays, the newest first."""
    case = new_case()
    async with store.begin() as tx:
        await tx.add_case(case)
        await tx.add_reveal(reveal(case.reference, at=later(-1000)))
        await tx.add_reveal(reveal(case.reference))
        await tx.add_reveal(reveal(case.reference, "operator:b"))
        assert await tx.end_reveals(case.reference, "operator:a", later(10)) == 1
        assert await tx.end_reveals(case.reference, "operator:a", later(11)) == 0
    async with store.begin(read_only=True) as tx:
        assert await tx.running_reveal(case.reference, "operator:a", later(12)) is None
        assert await tx.running_reveal(case.reference, "operator:b", later(12)) is not None
        found = await tx.reveals(case.reference)
    assert [r.started_at for r in found] == [T0, T0, later(-1000)]
    assert {r.actor: r.ended_at for r in found if r.started_at == T0} == {
        "operator:a": later(10),
        "operator:b": None,
    }
