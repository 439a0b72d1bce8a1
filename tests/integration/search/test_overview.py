"""The first page's figures against a store whose state is known."""

from __future__ import annotations

import dataclasses
import datetime as dt
from urllib.parse import parse_qs

import pytest

from contracts.codes import Direction, MessageType
from gateway.core.errors import Side
from gateway.core.records import Breaker, MessageRecord, MessageStatus
from gateway.core.treaty import quotas
from gateway.flows.alert_conditions import Certificate
from gateway.flows.exchange import Exchange
from gateway.flows.hold_views import list_holds
from gateway.flows.message_search import narrow, parse
from gateway.flows.overview import Need, Overview, matrix, overview, overview_view
from gateway.store import SqlStore
from tests.fixtures.console import MovingClock, make_exchange
from tests.fixtures.searched import fill, matches

S = MessageStatus


async def _exchange(store: SqlStore) -> tuple[Exchange, list[MessageRecord], dt.datetime]:
    clock = MovingClock()
    start = clock.now() - dt.timedelta(days=2)
    records = await fill(store, 120, at=start, step=60)
    return make_exchange(store, clock), records, clock.now()


def _group(seen: Overview, need: Need) -> tuple[int, list[str]]:
    group = next(g for g in seen.groups if g.need is need)
    return group.count.value, [r.message_id for r in group.messages]


async def test_each_figure_is_the_length_of_the_list_behind_it(store: SqlStore) -> None:
    """Counts of groups, backlogs and cells equal what their queries mean."""
    exchange, records, now = await _exchange(store)
    seen = await overview(exchange)
    for group in seen.groups:
        if group.query is not None:
            where = narrow(parse(parse_qs(group.query)), now)
            meant = [r for r in records if matches(r, where)]
            assert (group.count.value, group.count.more) == (len(meant), False), group.need
            assert {r.message_id for r in group.messages} <= {r.message_id for r in meant}
    for card in seen.routes:
        where = narrow(parse(parse_qs(card.backlog_query)), now)
        assert card.backlog == len([r for r in records if matches(r, where)])
    for line in matrix(seen.counts):
        for cell in (*line.cells.values(), line.total):
            where = narrow(parse(parse_qs(cell.query)), now)
            assert cell.count == len([r for r in records if matches(r, where)])
    assert not seen.calm


async def test_who_waits_for_a_quota_is_told_apart_from_who_waits_for_a_decision(store: SqlStore) -> None:
    """Nobody decides about the former: no row of them presses, and they alone leave the page calm."""
    exchange, records, _ = await _exchange(store)
    held = [r for r in records if r.status is S.HELD and r.direction is Direction.UK_TO_FR]
    waiting = [r.message_id for r in held if r.code in quotas.WAITING]
    decided = [r.message_id for r in held if r.message_id not in waiting]
    seen = await overview(exchange)
    assert waiting
    assert _group(seen, Need.HELD) == (len(decided), decided[:5])
    assert _group(seen, Need.QUOTA) == (len(waiting), [])
    listed, _ = await list_holds(exchange, limit=100, for_room=False)
    assert [row["message_id"] for row in listed] == decided
    alone = dataclasses.replace(seen, groups=tuple(g for g in seen.groups if g.need is Need.QUOTA))
    assert alone.calm


async def test_dead_letters_come_oldest_first(store: SqlStore) -> None:
    """They have waited longest; refusals come newest first."""
    exchange, records, _ = await _exchange(store)
    seen = await overview(exchange)
    failed = [r.message_id for r in records if r.status is S.FAILED]
    refused = [r.message_id for r in records if r.status is S.REJECTED and r.direction is Direction.UK_TO_FR]
    assert _group(seen, Need.DEAD_LETTERS) == (len(failed), failed[:5])
    assert _group(seen, Need.NEGATIVE) == (len(refused), refused[::-1][:5])


async def test_the_route_cards_name_who_waits_longest(store: SqlStore) -> None:
    """Oldest not delivered, oldest not acknowledged, last proven delivery, breaker and pause."""
    exchange, records, now = await _exchange(store)
    delivered = [r for r in records if r.direction is Direction.UK_TO_FR and r.status is S.DELIVERED]
    async with store.begin() as tx:
        await tx.update_message(delivered[1].message_id, at=now, delivered_at=now)
        await tx.update_message(delivered[0].message_id, at=now, delivered_at=now - dt.timedelta(minutes=5))
        await tx.save_breaker(
            Breaker(
                endpoint=exchange.french_party,
                consecutive_failures=5,
                opened_at=now,
                probe_at=now,
                paused=True,
            )
        )
    seen = await overview(exchange)
    out, back = seen.routes
    assert (out.direction, back.direction) == (Direction.UK_TO_FR, Direction.FR_TO_UK)
    waiting = [r for r in records if r.direction is out.direction and r.status in {S.ACCEPTED, S.SENDING}]
    awaited = [r for r in delivered if r.type is not MessageType.ACKNOWLEDGEMENT]
    inbox = [
        r
        for r in records
        if r.direction is back.direction and r.status in {S.ACCEPTED, S.SENDING, S.DELIVERED, S.FAILED}
    ]
    assert out.oldest_waiting == waiting[0]
    assert out.oldest_unacknowledged is not None
    assert out.oldest_unacknowledged.message_id == awaited[0].message_id
    assert back.oldest_unacknowledged == inbox[0]
    assert out.last_success_at == now
    taken = [r for r in records if r.direction is back.direction]
    assert back.last_success_at == taken[-1].received_at
    assert (out.open, out.paused, back.open, back.paused) == (True, True, False, False)


@pytest.mark.parametrize(
    ("paused", "opened", "calm"), [(True, False, False), (False, True, False), (False, False, True)]
)
async def test_a_route_that_carries_nothing_is_not_calm(
    store: SqlStore, *, paused: bool, opened: bool, calm: bool
) -> None:
    """Whoever paused a route may have gone home: the page does not say that all is well."""
    exchange = make_exchange(store, MovingClock())
    now = exchange.clock.now() if opened else None
    french = Breaker(
        endpoint=exchange.french_party,
        consecutive_failures=5 if opened else 0,
        opened_at=now,
        probe_at=now,
        paused=paused,
    )
    async with store.begin() as tx:
        await tx.save_breaker(french)
    assert (await overview(exchange)).calm is calm


async def test_an_empty_gateway_is_calm(store: SqlStore) -> None:
    """Nothing needs action, nothing waits, and all kinds of needs are named still."""
    seen = await overview(make_exchange(store, MovingClock()))
    assert seen.calm
    assert [group.need for group in seen.groups] == list(Need)
    assert matrix(seen.counts) == ()
    assert overview_view(seen)["routes"][0]["certificate_days_left"] is None


async def test_a_route_shows_the_certificate_that_expires_first(store: SqlStore) -> None:
    """Of those that the direction depends on; the other direction's do not count."""
    exchange = make_exchange(store, MovingClock())
    now = exchange.clock.now()

    def one(name: str, days: int) -> Certificate:
        ends = now + dt.timedelta(days=days, hours=1)
        return Certificate(name=name, side=Side.UK, fingerprint="0" * 64, not_after=ends)

    known = [one("as4-sign", 40), one("as4-decrypt", 9), one("fr encryption", 30), one("fr anchor 1", 300)]
    seen = await overview(exchange, certificates=known)
    assert [card.days_left(seen.at) for card in seen.routes] == [30, 9]
    assert {c.name for c in seen.routes[0].certificates} == {"as4-sign", "fr encryption", "fr anchor 1"}
