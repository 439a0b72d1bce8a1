"""Listings find exactly what a filter means, page by page, on both databases, whatever is combined."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest

from contracts.codes import Direction, MessageType
from gateway.core.errors import BadCursor
from gateway.core.records import MessageRecord, MessageStatus
from gateway.flows.ports_search import MessageFilter
from gateway.store import SqlStore, listing
from tests.fixtures.searched import ENDPOINT, fill, matches, walk
from tests.fixtures.store_records import T0, later

NUMBER = 160


def _single(records: list[MessageRecord]) -> dict[str, dict[str, Any]]:
    """One filter for each condition, from what is stored."""
    one = records[len(records) // 2]
    inbound = next(r for r in records if r.as4_message_id)
    outbound = next(r for r in records if not r.as4_message_id)
    return {
        "nothing": {},
        "reference": {"reference": one.reference},
        "reference prefix": {"reference_prefix": one.reference[:7]},
        "short prefix": {"reference_prefix": "GB01-"},
        "no such prefix": {"reference_prefix": "GB09-"},
        "type": {"type": one.type},
        "types": {"types": tuple(MessageType)[:4]},
        "all types": {"types": tuple(MessageType)},
        "status": {"status": one.status},
        "statuses": {"statuses": (MessageStatus.FAILED, MessageStatus.HELD)},
        "direction": {"direction": Direction.FR_TO_UK},
        "message id": {"id_prefix": one.message_id},
        "message id begins": {"id_prefix": one.message_id[:11]},
        "conversation in the field of ids": {"id_prefix": one.conversation_id},
        "conversation": {"conversation_id": one.conversation_id},
        "their AS4 id": {"as4_message_id": inbound.as4_message_id},
        "our AS4 id": {"as4_message_id": f"{outbound.message_id}@uk.example"},
        "code": {"code": "EBMS:0004"},
        "code begins": {"code_prefix": "EBMS:"},
        "code begins as it is": {"code_prefix": "EBMS:0004"},
        "no such code": {"code_prefix": "zzz"},
        "from": {"received_from": later(1500)},
        "before": {"received_before": later(2100)},
        "between": {"received_from": later(1000), "received_before": later(3300)},
        "between in the future": {"received_from": later(10**7)},
        "before everything": {"received_before": later(-(10**7))},
        "one attempt": {"attempts_from": 1},
        "attempts": {"attempts_from": 3},
        "more attempts than any": {"attempts_from": 50},
        "no receipt": {"no_receipt": True},
        "queued": {"queued_for": ENDPOINT},
        "queued elsewhere": {"queued_for": "urn:nobody"},
        "for room in a quota": {"for_room": True},
        "not for room": {"for_room": False},
        "held for a decision": {"status": MessageStatus.HELD, "for_room": False},
    }


async def test_every_filter_alone_finds_what_it_means(store: SqlStore) -> None:
    """Each condition by itself, newest and oldest first, page by page, agrees with plain Python."""
    records = await fill(store, NUMBER)
    queued = [r.message_id for n, r in enumerate(records) if n % 5 == 0]
    for name, values in _single(records).items():
        where = MessageFilter(**values)
        expected = [r.message_id for r in records if matches(r, where, queued)]
        assert [r.message_id for r in await walk(store, where, newest_first=False)] == expected, name
        assert [r.message_id for r in await walk(store, where)] == expected[::-1], name


async def test_any_combination_finds_what_it_means(store: SqlStore) -> None:
    """Two to four conditions at once, drawn at random."""
    records = await fill(store, NUMBER, seed=2)
    queued = [r.message_id for n, r in enumerate(records) if n % 5 == 0]
    singles, dice = _single(records), random.Random(3)
    for _ in range(120):
        values: dict[str, Any] = {}
        for name in dice.sample(sorted(singles), dice.randint(2, 4)):
            values |= singles[name]
        where = MessageFilter(**values)
        expected = [r.message_id for r in records if matches(r, where, queued)]
        assert [r.message_id for r in await walk(store, where)] == expected[::-1], values


async def test_a_search_that_stops_early_goes_on_where_it_stopped(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With little work allowed for a page, pages are short, say so, and together still hold everything."""
    records = await fill(store, NUMBER, seed=4)
    queued = [r.message_id for n, r in enumerate(records) if n % 5 == 0]
    monkeypatch.setattr(listing, "WALK", 12)
    monkeypatch.setattr(listing, "MANY", 3)
    singles, dice = _single(records), random.Random(5)
    for _ in range(80):
        values: dict[str, Any] = {}
        for name in dice.sample(sorted(singles), dice.randint(1, 3)):
            values |= singles[name]
        where = MessageFilter(**values)
        expected = [r.message_id for r in records if matches(r, where, queued)]
        assert [r.message_id for r in await walk(store, where, limit=3)] == expected[::-1], values
        oldest = await walk(store, where, limit=3, newest_first=False)
        assert [r.message_id for r in oldest] == expected, values


async def test_a_short_page_says_that_it_is_short(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hardly any row fulfils: nothing found yet, not counted to its end, and where to go on."""
    await fill(store, 60)
    monkeypatch.setattr(listing, "WALK", 10)
    async with store.begin(read_only=True) as tx:
        where = MessageFilter(queued_for="urn:nobody")
        page = await tx.list_messages(where, limit=5)
        assert (page.items, page.cut) == ((), True)
        assert page.next_cursor is not None
        count = await tx.count_messages(where, most=5)
        assert (count.value, count.more) == (0, True)


async def test_counts_stop_where_they_are_told(store: SqlStore) -> None:
    """Exact below the limit and for type, status and direction; beyond it "more"."""
    records = await fill(store, 90, seed=6)
    coded = [r for r in records if r.code == "EBMS:0004"]
    outbound = [r for r in records if r.direction is Direction.UK_TO_FR]
    async with store.begin(read_only=True) as tx:
        exact = await tx.count_messages(MessageFilter(code="EBMS:0004"))
        assert (exact.value, exact.more) == (len(coded), False)
        some = await tx.count_messages(MessageFilter(code="EBMS:0004"), most=3)
        assert (some.value, some.more) == (3, True)
        every = await tx.count_messages(MessageFilter(direction=Direction.UK_TO_FR), most=3)
        assert (every.value, every.more) == (len(outbound), False)


async def test_a_cursor_belongs_to_its_order(store: SqlStore) -> None:
    """The cursor of one order is refused in the other, and so is an invented one."""
    await fill(store, 12)
    async with store.begin(read_only=True) as tx:
        page = await tx.list_messages(MessageFilter(), limit=5)
        for cursor in (page.next_cursor, "nonsense"):
            with pytest.raises(BadCursor):
                await tx.list_messages(MessageFilter(), cursor=cursor, limit=5, newest_first=False)


async def test_times_are_found_whatever_the_pace(store: SqlStore) -> None:
    """Quiet weeks and busy seconds side by side: the edges of a time are exact to the millisecond."""
    records = await fill(store, 30, at=T0, step=0)
    records += await fill(store, 30, seed=7, at=T0 + dt.timedelta(days=40), step=3600)
    for probe in records[::7]:
        start = MessageFilter(received_from=probe.received_at)
        end = MessageFilter(received_before=probe.received_at)
        for where in (start, end):
            expected = [r.message_id for r in records if matches(r, where)]
            assert [r.message_id for r in await walk(store, where, newest_first=False)] == expected
