"""May it be sent again? First page, message page, dry run, batch: one answer, and it is what happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from contracts.codes import Direction
from gateway.core.errors import Conflict, InvalidParameter, NotFound
from gateway.core.records import Channel, MessageStatus
from gateway.core.resend import Action, Verdict, Why
from gateway.core.words import Words
from gateway.flows import batches, operator
from gateway.flows.attention import rows
from gateway.flows.batch_preview import Selection, preview
from gateway.flows.exchange import Exchange
from gateway.flows.message_view import message_view
from gateway.flows.overview import overview
from gateway.store import SqlStore
from tests.fixtures.actions import (
    NADIA,
    WHY,
    dead_letter,
    exchange_on,
    made,
    message_in,
    receipted,
    tried,
    withdrawal,
)
from tests.fixtures.store_records import new_case, new_message, record_for

LOST: Final = {"outcome": "delivery.timed_out", "detail": ""}
Situation = Callable[[Exchange], Awaitable[str]]


async def _in_status(exchange: Exchange, status: MessageStatus, code: str | None = None) -> str:
    async with exchange.store.begin() as tx:
        record = await message_in(tx, exchange, new_case())
        await tx.update_message(record.message_id, at=exchange.clock.now(), status=status, code=code)
    return record.message_id


async def never_connected(exchange: Exchange) -> str:
    return await dead_letter(exchange)


async def refused(exchange: Exchange) -> str:
    return await dead_letter(exchange, outcome="EBMS:0101", http_status=200, detail="")


async def unavailable(exchange: Exchange) -> str:
    return await dead_letter(exchange, outcome="delivery.unavailable", http_status=503, detail="")


async def lost(exchange: Exchange) -> str:
    return await dead_letter(exchange, **LOST)


async def lost_then_never_connected(exchange: Exchange) -> str:
    message_id = await dead_letter(exchange, **LOST)
    async with exchange.store.begin() as tx:
        await tried(tx, exchange, message_id)
    return message_id


async def lost_then_refused(exchange: Exchange) -> str:
    return await dead_letter(exchange, outcome="EBMS:0004", http_status=200, detail="")


async def with_its_receipt(exchange: Exchange) -> str:
    message_id = await dead_letter(exchange, **LOST)
    await receipted(exchange, message_id)
    return message_id


async def in_a_waiting_batch(exchange: Exchange) -> str:
    message_id = await dead_letter(exchange)
    await made(exchange, Selection(ids=(message_id, await dead_letter(exchange))))
    return message_id


async def in_a_running_batch(exchange: Exchange) -> str:
    message_id = await dead_letter(exchange)
    batch = await made(exchange, Selection(ids=(message_id,)))
    await batches.start(exchange, batch.batch_id, by=NADIA, reason=WHY)
    return message_id


async def in_a_stopped_batch(exchange: Exchange) -> str:
    message_id = await dead_letter(exchange)
    batch = await made(exchange, Selection(ids=(message_id,)))
    await batches.stop(exchange, batch.batch_id, by=NADIA, reason=WHY)
    return message_id


async def of_a_withdrawn_case(exchange: Exchange) -> str:
    case = new_case()
    message_id = await dead_letter(exchange, case)
    async with exchange.store.begin() as tx:
        await tx.set_case_status(case.reference, "withdrawn", exchange.clock.now())
    return message_id


async def withdrawing(exchange: Exchange) -> str:
    return await dead_letter(exchange, body=withdrawal(exchange))


async def deleted(exchange: Exchange) -> str:
    case = new_case()
    message_id = await dead_letter(exchange, case)
    async with exchange.store.begin() as tx:
        assert await tx.destroy_case_key(case.reference, at=exchange.clock.now())
    return message_id


async def waiting(exchange: Exchange) -> str:
    return await _in_status(exchange, MessageStatus.ACCEPTED)


async def on_the_wire(exchange: Exchange) -> str:
    message_id = await _in_status(exchange, MessageStatus.SENDING)
    now = exchange.clock.now()
    async with exchange.store.begin() as tx:
        assert await tx.seize(message_id, Channel.AS4, until=now.replace(year=now.year + 1))
    return message_id


async def held(exchange: Exchange) -> str:
    return await _in_status(exchange, MessageStatus.HELD, "unmappable.country_unmapped")


async def held_for_two(exchange: Exchange) -> str:
    return await _in_status(exchange, MessageStatus.HELD, "row9.near_match")


async def held_for_room(exchange: Exchange) -> str:
    return await _in_status(exchange, MessageStatus.HELD, "balance.readmissions")


async def delivered(exchange: Exchange) -> str:
    return await _in_status(exchange, MessageStatus.DELIVERED)


async def rejected(exchange: Exchange) -> str:
    return await _in_status(exchange, MessageStatus.REJECTED, "EBMS:0004")


async def cancelled(exchange: Exchange) -> str:
    return await _in_status(exchange, MessageStatus.CANCELLED, operator.CANCELLED)


TABLE: Final[dict[Situation, tuple[str, Why, bool, bool]]] = {
    # (answer, why, may go again alone, may be stopped alone)
    never_connected: ("yes", Why.REFUSED_BEFORE, True, True),
    refused: ("yes", Why.REFUSED_BEFORE, True, True),
    unavailable: ("unknown", Why.OUTCOME_UNKNOWN, True, True),
    lost: ("unknown", Why.OUTCOME_UNKNOWN, True, True),
    lost_then_never_connected: ("unknown", Why.OUTCOME_UNKNOWN, True, True),
    lost_then_refused: ("unknown", Why.PERHAPS_TAKEN, True, True),
    with_its_receipt: ("no", Why.RECEIPTED, False, False),
    in_a_waiting_batch: ("no", Why.IN_BATCH, False, True),
    in_a_running_batch: ("no", Why.IN_BATCH, False, True),
    in_a_stopped_batch: ("yes", Why.REFUSED_BEFORE, True, True),
    of_a_withdrawn_case: ("no", Why.WITHDRAWN, False, True),
    withdrawing: ("yes", Why.REFUSED_BEFORE, True, True),
    deleted: ("no", Why.DELETED, False, True),
    waiting: ("no", Why.UNDER_WAY, False, True),
    on_the_wire: ("no", Why.UNDER_WAY, False, False),
    held: ("no", Why.HELD, False, True),
    held_for_two: ("no", Why.HELD, False, False),
    held_for_room: ("no", Why.HELD, False, True),
    delivered: ("no", Why.RECEIPTED, False, False),
    rejected: ("no", Why.REJECTED, False, False),
    cancelled: ("no", Why.CANCELLED, False, False),
}
WORDS: Final = {Verdict.SAFE: "yes", Verdict.UNCERTAIN: "unknown", Verdict.UNSAFE: "no"}


async def _does(exchange: Exchange, action: Action, message_id: str, *, dry_run: bool) -> bool:
    """Whether the action of one person takes place."""
    do = operator.replay if action is Action.REPLAY else operator.cancel
    try:
        await do(exchange, message_id, actor=NADIA.actor, reason=WHY, dry_run=dry_run)
    except Conflict:
        return False
    return True


@pytest.mark.parametrize("situation", TABLE, ids=lambda s: s.__name__)
async def test_every_surface_says_the_same_and_it_happens(store: SqlStore, situation: Situation) -> None:
    """The first page's row, the message page and its buttons, a batch, the dry run and the act itself."""
    exchange = exchange_on(store)
    answer, why, again, stop = TABLE[situation]
    message_id = await situation(exchange)
    page = await message_view(exchange, message_id)
    assert page["holding"]["resend"] == answer
    assert (page["actions"]["replay"], page["actions"]["cancel"]) == (again, stop)
    (planned,) = (await preview(exchange, Selection(ids=(message_id,)), Action.REPLAY)).items
    assert planned.why is why
    assert WORDS[planned.verdict] == answer or planned.why is Why.PERHAPS_TAKEN
    shown = [r for r in await rows(exchange, await overview(exchange)) if r.message_id == message_id]
    for row in shown:
        assert row.resend is not None
        assert (row.resend.value, row.why) == (answer, page_reason(page))
    for dry_run in (True, False):
        assert await _does(exchange, Action.REPLAY, message_id, dry_run=dry_run) is again


def page_reason(page: dict[str, dict[str, dict[str, str]]]) -> object:
    """As the row of the first page has it."""
    return Words(**page["holding"]["reason"])


@pytest.mark.parametrize("situation", TABLE, ids=lambda s: s.__name__)
async def test_what_may_be_stopped_is_stopped(store: SqlStore, situation: Situation) -> None:
    """The button of the message page, the dry run and the act itself agree about cancelling too."""
    exchange = exchange_on(store)
    stop = TABLE[situation][3]
    message_id = await situation(exchange)
    for dry_run in (True, False):
        assert await _does(exchange, Action.CANCEL, message_id, dry_run=dry_run) is stop
    if stop:
        assert (await message_view(exchange, message_id))["message"]["status"] == "cancelled"


async def test_first_page_shows_dead_letters_and_what_is_held(store: SqlStore) -> None:
    """So that the comparison above compares something."""
    exchange = exchange_on(store)
    for situation in (lost, in_a_waiting_batch, held):
        message_id = await situation(exchange)
        found = await rows(exchange, await overview(exchange))
        assert message_id in {row.message_id for row in found}


async def test_a_message_from_france_is_not_ours(store: SqlStore) -> None:
    """Neither to send nor to stop; the page says so."""
    exchange = exchange_on(store)
    case = new_case()
    message = new_message(case)
    async with store.begin() as tx:
        await tx.add_case(case)
        theirs = record_for(message, direction=Direction.FR_TO_UK, client_id="fr", as4_message_id="1@fr")
        record = (await tx.add_message(theirs, message, ())).message_id
    page = await message_view(exchange, record)
    assert (page["holding"]["resend"], page["actions"]["replay"], page["actions"]["cancel"]) == (
        "no",
        False,
        False,
    )
    for action in Action:
        assert not await _does(exchange, action, record, dry_run=False)


@pytest.mark.parametrize("made_up", ["\x00", "x", "01a20899-b336-7248-8621-2830a3c7776d"])
async def test_ids_that_are_made_up(store: SqlStore, made_up: str) -> None:
    """Refused as such on both databases, also what PostgreSQL cannot even compare."""
    exchange = exchange_on(store)
    good = await dead_letter(exchange)
    with pytest.raises((NotFound, InvalidParameter)):
        await message_view(exchange, made_up)
    with pytest.raises((NotFound, InvalidParameter)):
        await preview(exchange, Selection(ids=(good, made_up)), Action.REPLAY)
    with pytest.raises((NotFound, InvalidParameter)):
        await batches.look_again(exchange, made_up)
    for act in (operator.replay, operator.cancel, operator.release):
        with pytest.raises((NotFound, InvalidParameter)):
            await act(exchange, made_up, actor=NADIA.actor, reason=WHY)
