"""Figures for metrics and live views: bounded, on both databases."""

from __future__ import annotations

from contracts.codes import Direction
from gateway.core.records import MessageStatus
from gateway.store import SqlStore
from tests.fixtures.store_records import FRANCE, accept, later, new_case, new_message, record_for


async def test_an_empty_store_has_figures(store: SqlStore) -> None:
    """Nothing is an error."""
    async with store.begin(read_only=True) as tx:
        assert await tx.count_inbox(most=10) == 0
        assert await tx.newest_audit() == 0


async def test_the_newest_entry_rises_with_every_change(store: SqlStore) -> None:
    """One entry for each accepted message here; what is rolled back leaves no trace."""
    for number in range(1, 4):
        async with store.begin() as tx:
            await accept(tx, new_case())
        async with store.begin(read_only=True) as tx:
            assert await tx.newest_audit() == number


async def test_the_inbox_is_counted_up_to_a_bound(store: SqlStore) -> None:
    """What the UK has acknowledged no longer counts; neither does what goes to France."""
    ids = []
    for number in range(3):
        case = new_case()
        async with store.begin() as tx:
            await tx.add_case(case)
            message = new_message(case)
            record = record_for(
                message, direction=Direction.FR_TO_UK, client_id=FRANCE, as4_message_id=f"{number}@fr"
            )
            await tx.add_message(record, message, ())
            await accept(tx, new_case())
        ids.append(message.message_id)
    async with store.begin() as tx:
        assert await tx.count_inbox(most=10) == 3
        assert await tx.count_inbox(most=2) == 2
        await tx.update_message(ids[0], at=later(5), status=MessageStatus.ACKNOWLEDGED)
    async with store.begin(read_only=True) as tx:
        assert await tx.count_inbox(most=10) == 2
