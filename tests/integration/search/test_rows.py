"""The port's contract on both databases: kept filters, half-approved holds, pressing time limits, persons."""

from __future__ import annotations

import datetime as dt

import pytest

from contracts.codes import Direction
from gateway.core.errors import InvalidParameter, NotFound
from gateway.core.records import MessageStatus
from gateway.core.roles import Side
from gateway.core.treaty.clocks import DeadlineState, NewDeadline
from gateway.flows import saved_filters
from gateway.flows.person_search import PersonKind, search_person
from gateway.flows.ports_holds import DecisionRecord, HoldDecision
from gateway.store import SqlStore
from tests.fixtures.console import MovingClock, make_exchange
from tests.fixtures.raw_sql import raw
from tests.fixtures.searched import fill
from tests.fixtures.store_records import T0, later

D = HoldDecision


async def test_a_filter_of_the_same_name_is_replaced(store: SqlStore) -> None:
    """It keeps its id; another person's or the other side's filter of that name is another one."""
    exchange = make_exchange(store, MovingClock())
    mine = {"owner": "nadia", "side": Side.FR}
    first = await saved_filters.save(exchange, name=" Old  ones ", query="older=4 h", **mine)
    again = await saved_filters.save(exchange, name="Old ones", query="older=2 d", shared=True, **mine)
    await saved_filters.save(exchange, name="Old ones", query="newer=2 d", owner="omar", side=Side.FR)
    await saved_filters.save(exchange, name="Old ones", query="newer=1 d", owner="nadia", side=Side.UK)
    assert first.filter_id == again.filter_id
    listed = await saved_filters.listed(exchange, **mine)
    assert [(f.name, f.query, f.shared) for f in listed] == [("Old ones", "older=2+d", True)]
    seen = await saved_filters.listed(exchange, owner="omar", side=Side.FR)
    assert [(f.owner, f.query) for f in seen] == [("nadia", "older=2+d"), ("omar", "newer=2+d")]
    with pytest.raises(NotFound):
        await saved_filters.remove(exchange, first.filter_id, owner="omar", side=Side.FR)
    with pytest.raises(NotFound):
        await saved_filters.remove(exchange, first.filter_id, owner="nadia", side=Side.UK)
    await saved_filters.remove(exchange, first.filter_id, **mine)
    assert await saved_filters.listed(exchange, **mine) == ()


async def test_filters_are_bounded(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name, a query that asks something, and so many for one person."""
    exchange = make_exchange(store, MovingClock())
    mine = {"owner": "nadia", "side": Side.FR}
    for name, query in (("", "older=4 h"), ("x" * 81, "older=4 h"), ("x", ""), ("x", "older=soon")):
        with pytest.raises(InvalidParameter):
            await saved_filters.save(exchange, name=name, query=query, **mine)
    monkeypatch.setattr(saved_filters, "MOST", 2)
    for name in ("a", "b", "a"):
        await saved_filters.save(exchange, name=name, query="older=4 h", **mine)
    with pytest.raises(InvalidParameter, match="2 filters"):
        await saved_filters.save(exchange, name="c", query="older=4 h", **mine)


async def test_half_approved_holds_are_those_that_wait_for_one_more(store: SqlStore) -> None:
    """One approval waits; an ended round, a later round and another status do not."""
    records = [r for r in await fill(store, 60) if r.direction is Direction.UK_TO_FR][:6]
    decisions = {
        0: [(1, D.APPROVED)],
        1: [(1, D.APPROVED), (1, D.RELEASED)],
        2: [(1, D.APPROVED), (2, D.REFUSED)],
        3: [],
        4: [(1, D.REFUSED), (2, D.APPROVED)],
        5: [(1, D.APPROVED)],
    }
    async with store.begin() as tx:
        for number, taken in decisions.items():
            record = records[number]
            status = MessageStatus.CANCELLED if number == 5 else MessageStatus.HELD
            await tx.update_message(record.message_id, at=T0, status=status, code="quota_exhausted")
            for place, (round_, decision) in enumerate(taken):
                await tx.add_decision(
                    DecisionRecord(
                        message_id=record.message_id,
                        round=round_,
                        decision=decision,
                        code="quota_exhausted",
                        seen="0" * 64,
                        reason="r",
                        actor=f"operator:{place}",
                        at=T0,
                    )
                )
    async with store.begin(read_only=True) as tx:
        found = await tx.half_approved(limit=10)
        assert [r.message_id for r in found] == [records[0].message_id, records[4].message_id]
        assert len(await tx.half_approved(limit=1)) == 1


async def test_pressing_time_limits_are_open_ones(store: SqlStore, store_url: str) -> None:
    """Breached and warned ones apart, closed ones left out, the earliest due first."""
    records = await fill(store, 8)
    rows = [
        (DeadlineState.BREACHED, 0, None, 40),
        (DeadlineState.BREACHED, 2, None, 20),
        (DeadlineState.BREACHED, 2, later(9), 10),
        (DeadlineState.OPEN, 1, None, 60),
        (DeadlineState.OPEN, 0, None, 30),
        (DeadlineState.OPEN, 2, None, 50),
    ]
    for record, (state, warnings, closed, due) in zip(records, rows, strict=False):
        async with store.begin() as tx:
            await tx.start_deadline(
                NewDeadline(
                    reference=record.reference,
                    clock="acknowledgement",
                    message_id=record.message_id,
                    zone="Europe/Paris",
                    started_at=T0,
                    due_at=later(due),
                    state=state,
                    next_at=None,
                    closed_at=closed,
                    closed_by=None,
                )
            )
        change = "UPDATE deadlines SET warnings = :n WHERE message_id = :id"
        await raw(store_url, change, n=warnings, id=record.message_id)

    def due(found: tuple[object, ...]) -> list[dt.datetime]:
        return [row.due_at for row in found]  # type: ignore[attr-defined]  # deadlines

    async with store.begin(read_only=True) as tx:
        assert due(await tx.pressing_deadlines(breached=True, limit=9)) == [later(20), later(40)]
        assert due(await tx.pressing_deadlines(breached=False, limit=9)) == [later(50), later(60)]
        assert due(await tx.pressing_deadlines(breached=False, limit=1)) == [later(50)]


async def test_a_search_that_is_refused_is_not_a_search(store: SqlStore) -> None:
    """Nothing is audited for a value that cannot be one; a month finds what is known to the month."""
    exchange = make_exchange(store, MovingClock())
    records = await fill(store, 2)
    async with store.begin() as tx:
        await tx.index_identifiers(
            records[0].reference,
            [("name_birth_partial", "FATIMA HASSAN|1990-05"), ("uan", "1234567890123456")],
        )
    with pytest.raises(InvalidParameter) as refused:
        await search_person(exchange, PersonKind.UAN, actor="operator:x", value="////")
    assert "////" not in refused.value.detail
    named = {"family_name": "Ḥassan", "given_names": "Fatima", "birth_date": "1990-05"}
    found = await search_person(exchange, PersonKind.NAME_BIRTH, actor="operator:x", **named)
    assert [case.reference for case in found.cases] == [records[0].reference]
    found = await search_person(exchange, PersonKind.UAN, actor="operator:x", value="1234-5678-9012-3456")
    assert [case.reference for case in found.cases] == [records[0].reference]
    async with store.begin(read_only=True) as tx:
        entries = await tx.audit_entries()
    assert [dict(e.data) for e in entries] == [{"kind": "name_birth"}, {"kind": "uan"}]
