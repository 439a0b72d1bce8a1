"""Deadlines in the store, on both databases: once per message, closed once, found by case, state and end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt

import pytest

from gateway.core.errors import BadCursor
from gateway.core.treaty.clocks import Deadline, DeadlineState, NewDeadline
from gateway.core.treaty.deadlines import Ending
from gateway.flows.ports import DeadlineFilter
from gateway.store import SqlStore
from tests.fixtures.store_records import T0, accept, new_case

DAY = dt.timedelta(days=1)


async def started(store: SqlStore, *days: float, clock: str = "answer") -> list[NewDeadline]:
    """One new case, with a message for each deadline due so many days after ``T0``."""
    case = new_case()
    made = []
    async with store.begin() as tx:
        for number, wait in enumerate(days):
            record = await accept(tx, case, new=number == 0)
            new = NewDeadline(
                reference=case.reference,
                clock=clock,
                message_id=record.message_id,
                zone="Europe/Paris",
                started_at=T0,
                due_at=T0 + wait * DAY,
                next_at=T0 + wait * DAY,
            )
            assert await tx.start_deadline(new)
            made.append(new)
    return made


async def rows_of(store: SqlStore, reference: str) -> tuple[Deadline, ...]:
    async with store.begin(read_only=True) as tx:
        return await tx.case_deadlines(reference)


def ending(row: Deadline, state: DeadlineState = DeadlineState.MET, **changes: object) -> Ending:
    values = {
        "deadline_id": row.deadline_id,
        "clock": row.clock,
        "state": state,
        "next_at": None,
        "closed_at": T0 + DAY,
        "closed_by": row.message_id,
    }
    return Ending(**{**values, **changes})  # type: ignore[arg-type]  # keyword values from a dict


async def test_what_is_started_is_read_back(store: SqlStore) -> None:
    """Every value, with no warning given yet."""
    (new,) = await started(store, 14)
    (row,) = await rows_of(store, new.reference)
    for name in NewDeadline.__dataclass_fields__:
        assert getattr(row, name) == getattr(new, name)
    assert row.warnings == 0


async def test_a_message_starts_a_clock_once(store: SqlStore) -> None:
    """The second start changes nothing, whatever it says; another clock of the same message starts."""
    (new,) = await started(store, 14)
    async with store.begin() as tx:
        assert not await tx.start_deadline(dataclasses.replace(new, due_at=T0 + 99 * DAY))
        assert await tx.start_deadline(dataclasses.replace(new, clock="procedure"))
    first, second = await rows_of(store, new.reference)
    assert (first.due_at, first.clock, second.clock) == (new.due_at, "answer", "procedure")


async def test_a_deadline_is_closed_once(store: SqlStore) -> None:
    """The second ending is too late; a rolled-back one never was."""
    (new,) = await started(store, 14)
    (row,) = await rows_of(store, new.reference)

    with contextlib.suppress(ZeroDivisionError):
        async with store.begin() as tx:
            await tx.close_deadlines([ending(row, DeadlineState.CANCELLED)])
            _ = 1 / 0
    async with store.begin() as tx:
        await tx.close_deadlines([ending(row)])
    async with store.begin() as tx:
        await tx.close_deadlines([ending(row, DeadlineState.BREACHED, closed_at=T0 + 2 * DAY)])
    (closed,) = await rows_of(store, new.reference)
    assert (closed.state, closed.closed_at, closed.next_at) == (DeadlineState.MET, T0 + DAY, None)


async def test_due_ones_are_given_in_order_and_left_when_told(store: SqlStore) -> None:
    """By the time they want to be looked at, up to the limit; told ones come again at their next time."""
    await started(store, 3, 1, 2)
    (other,) = await started(store, 1.5)
    now = T0 + 2 * DAY
    async with store.begin() as tx:
        assert await tx.next_deadline() == T0 + DAY
        first, second = await tx.due_deadlines(now, limit=2)
        assert [r.next_at for r in (first, second)] == [T0 + DAY, T0 + 1.5 * DAY]
        assert second.reference == other.reference
        await tx.told_deadline(
            dataclasses.replace(first, state=DeadlineState.BREACHED, warnings=2, next_at=None)
        )
        await tx.told_deadline(dataclasses.replace(second, warnings=1, next_at=T0 + 5 * DAY))
    async with store.begin() as tx:
        assert [r.next_at for r in await tx.due_deadlines(now, limit=9)] == [T0 + 2 * DAY]
        assert await tx.next_deadline() == T0 + 2 * DAY
    (kept,) = [r for r in await rows_of(store, first.reference) if r.deadline_id == first.deadline_id]
    assert (kept.state, kept.warnings, kept.next_at) == (DeadlineState.BREACHED, 2, None)


async def test_two_nodes_never_hold_the_same_deadline(store: SqlStore, backend: str) -> None:
    """On PostgreSQL the second passes over what the first holds; on SQLite it waits for its turn."""
    await started(store, 1, 1, 1, 1)
    held = asyncio.Event()
    given: list[set[int]] = []

    async def first() -> None:
        async with store.begin() as tx:
            rows = await tx.due_deadlines(T0 + DAY, limit=2)
            given.append({r.deadline_id for r in rows})
            held.set()
            await asyncio.sleep(0.2)
            for row in rows:
                await tx.told_deadline(dataclasses.replace(row, next_at=None))

    async def second() -> None:
        await held.wait()
        async with store.begin() as tx:
            given.append({r.deadline_id for r in await tx.due_deadlines(T0 + DAY, limit=4)})

    await asyncio.gather(first(), second())
    assert [len(g) for g in given] == [2, 2], backend
    assert not given[0] & given[1]


async def test_the_list_filters_by_everything(store: SqlStore) -> None:
    """State, case, clock, end, whether it is closed, whether it was told."""
    news = await started(store, 1, 2, 3, 4)
    (other,) = await started(store, 2.5, clock="visa")
    rows = await rows_of(store, news[0].reference)
    async with store.begin() as tx:
        await tx.close_deadlines([ending(rows[0]), ending(rows[1], DeadlineState.BREACHED)])
        await tx.told_deadline(dataclasses.replace(rows[2], state=DeadlineState.BREACHED, next_at=None))
        await tx.told_deadline(dataclasses.replace(rows[3], warnings=1))

    async def found(**where: object) -> list[float]:
        async with store.begin(read_only=True) as tx:
            page = await tx.deadlines(DeadlineFilter(**where), limit=50)  # type: ignore[arg-type]
        return [(r.due_at - T0) / DAY for r in page.items]

    assert await found() == [1, 2, 2.5, 3, 4]
    assert await found(reference=other.reference) == [2.5]
    assert await found(clock="answer") == [1, 2, 3, 4]
    assert await found(state=DeadlineState.BREACHED) == [2, 3]
    assert await found(state=DeadlineState.OPEN, before=T0 + 4 * DAY) == [2.5]
    assert await found(unclosed=True) == [2.5, 3, 4]
    assert await found(unclosed=True, told=True) == [3, 4]
    assert await found(reference=news[0].reference, state=DeadlineState.MET) == [1]


async def test_pages_give_every_row_once(store: SqlStore) -> None:
    """Also rows that are due at the same instant; a cursor of another listing is refused."""
    for days in ((1, 1, 1), (2, 1), (1, 3)):
        await started(store, *days)
    seen: list[int] = []
    cursor: str | None = None
    while True:
        async with store.begin(read_only=True) as tx:
            page = await tx.deadlines(DeadlineFilter(), cursor=cursor, limit=2)
        seen += [r.deadline_id for r in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 7
    async with store.begin(read_only=True) as tx:
        cases = await tx.list_cases(limit=1)
        assert cases.next_cursor is not None
        with pytest.raises(BadCursor):
            await tx.deadlines(DeadlineFilter(), cursor=cases.next_cursor)


async def test_counts_are_of_what_is_not_closed(store: SqlStore) -> None:
    """Open and breached, by clock; what has ended is history."""
    news = await started(store, 1, 2, 3)
    rows = await rows_of(store, news[0].reference)
    async with store.begin() as tx:
        await tx.close_deadlines([ending(rows[0])])
        await tx.told_deadline(dataclasses.replace(rows[1], state=DeadlineState.BREACHED, next_at=None))
    async with store.begin(read_only=True) as tx:
        assert await tx.count_deadlines() == {
            ("answer", DeadlineState.OPEN): 1,
            ("answer", DeadlineState.BREACHED): 1,
        }


async def test_a_held_case_waits_for_the_one_who_holds_its_deadlines(store: SqlStore, backend: str) -> None:
    """``lock``: what another transaction tells in between is not overwritten by an ending on old values."""
    (new,) = await started(store, 1)
    told = asyncio.Event()

    async def sweeps() -> None:
        async with store.begin() as tx:
            (row,) = await tx.due_deadlines(T0 + DAY, limit=1)
            told.set()
            await asyncio.sleep(0.2)
            await tx.told_deadline(dataclasses.replace(row, warnings=1, next_at=T0 + 3 * DAY))

    async def closes() -> Deadline:
        await told.wait()
        async with store.begin() as tx:
            (row,) = await tx.case_deadlines(new.reference, lock=True)
            await tx.close_deadlines([ending(row)])
            return row

    _, seen = await asyncio.gather(sweeps(), closes())
    assert seen.warnings == 1, backend
    (row,) = await rows_of(store, new.reference)
    assert (row.warnings, row.state, row.next_at) == (1, DeadlineState.MET, None)
