"""The rows of the first page: read together, judged like the page of the message."""

from __future__ import annotations

from gateway.core.records import Attempt, Channel, MessageStatus
from gateway.flows.attention import rows
from gateway.flows.message_view import message_view
from gateway.flows.overview import Need, overview
from gateway.store import SqlStore
from tests.fixtures.console import MovingClock, make_exchange
from tests.fixtures.store_records import accept, new_case


async def test_a_row_says_what_the_page_of_the_message_says(store: SqlStore) -> None:
    """Same part, same reason, same answer about sending again; the newest attempt of a channel counts."""
    clock = MovingClock()
    exchange = make_exchange(store, clock)
    async with store.begin() as tx:
        failed = await accept(tx, new_case())
        for number, outcome in enumerate(("delivery.connection_failed", "delivery.unavailable"), start=1):
            await tx.add_attempt(
                Attempt(
                    message_id=failed.message_id,
                    channel=Channel.AS4,
                    endpoint=exchange.french_party,
                    number=number,
                    started_at=clock.now(),
                    finished_at=clock.now(),
                    outcome=outcome,
                    http_status=503,
                    detail="",
                )
            )
        await tx.update_message(
            failed.message_id, at=clock.now(), status=MessageStatus.FAILED, code="delivery.unavailable"
        )
    (row,) = await rows(exchange, await overview(exchange))
    assert (row.need, row.message_id, row.code) == (
        Need.DEAD_LETTERS,
        failed.message_id,
        "delivery.unavailable",
    )
    assert row.part_of is not None
    assert row.why is not None
    assert row.resend is not None
    page = await message_view(exchange, failed.message_id)
    assert page["holding"]["fault_name"] == row.part_of.as_json()
    assert page["holding"]["reason"] == row.why.as_json()
    assert page["holding"]["resend"] == row.resend.value
