"""What waits for each endpoint and how its newest attempts ended; on every database."""

from __future__ import annotations

from gateway.core.records import Attempt, Channel
from gateway.flows.ports import Transaction
from gateway.store import SqlStore
from tests.fixtures.store_records import FRANCE, accept, later, new_case


async def _tried(tx: Transaction, message_id: str, number: int, outcome: str, endpoint: str = FRANCE) -> None:
    await tx.add_attempt(
        Attempt(
            message_id=message_id,
            channel=Channel.AS4,
            endpoint=endpoint,
            number=number,
            started_at=later(number),
            finished_at=later(number),
            outcome=outcome,
            http_status=None,
            detail="",
        )
    )


async def test_newest_success_and_newest_attempt_differ(store: SqlStore) -> None:
    """A failure after a success leaves both to be seen, each endpoint for itself."""
    async with store.begin() as tx:
        record = await accept(tx, new_case())
        for number, outcome in enumerate(("delivered", "delivered", "delivery.timed_out"), start=1):
            await _tried(tx, record.message_id, number, outcome)
        await _tried(tx, record.message_id, 4, "webhook.gone", "hook-1")
    async with store.begin(read_only=True) as tx:
        found = await tx.endpoint_figures(attempts=100)
    france, hook = found[FRANCE], found["hook-1"]
    assert (france.succeeded_at, france.tried_at, france.outcome) == (
        later(2),
        later(3),
        "delivery.timed_out",
    )
    assert (hook.succeeded_at, hook.tried_at, hook.outcome) == (None, later(4), "webhook.gone")
    assert hook.waiting == 0


async def test_what_waits_is_counted_with_its_oldest(store: SqlStore) -> None:
    """Rows of the outbox, when the first of them was due, when the next attempt is."""
    async with store.begin() as tx:
        first = await accept(tx, new_case())
        for number, record in enumerate((first, await accept(tx, new_case())), start=1):
            await tx.enqueue(
                channel=Channel.AS4,
                endpoint="waits",
                message_id=record.message_id,
                reference=record.reference,
                due_at=later(number * 10),
            )
    async with store.begin(read_only=True) as tx:
        found = (await tx.endpoint_figures(attempts=100))["waits"]
    assert (found.waiting, found.oldest_at, found.next_at) == (2, later(10), later(10))


async def test_only_so_many_attempts_are_looked_at(store: SqlStore) -> None:
    """An old success beyond the bound is not found: the figure costs the same in every store."""
    async with store.begin() as tx:
        record = await accept(tx, new_case())
        await _tried(tx, record.message_id, 1, "delivered")
        for number in range(2, 7):
            await _tried(tx, record.message_id, number, "delivery.timed_out")
    async with store.begin(read_only=True) as tx:
        assert (await tx.endpoint_figures(attempts=5))[FRANCE].succeeded_at is None
        assert (await tx.endpoint_figures(attempts=6))[FRANCE].succeeded_at == later(1)
