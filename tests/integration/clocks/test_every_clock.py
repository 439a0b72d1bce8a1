"""Every configured clock is enforced: it runs, warns, breaches once, and is met or cancelled as it should.

Expected ends are counted here on their own, from the table of the agreement.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo

import holidays
import pytest
from dateutil.relativedelta import relativedelta

from gateway.core.treaty.agreement import uk_fr
from gateway.core.treaty.clocks import Clock, Deadline, DeadlineState, Unit, clocks_of
from gateway.core.treaty.deadlines import Told
from tests.fixtures.clock_life import LATE, Life
from tests.integration.clocks.scenarios import SCENARIOS

CLOCKS = clocks_of(uk_fr())
DAY = dt.timedelta(days=1)


def expected_last_day(clock: Clock, start: dt.datetime) -> dt.date:
    """Counted day by day."""
    day = start.astimezone(zoneinfo.ZoneInfo(clock.zone)).date()
    if clock.unit is Unit.MONTHS:
        return day + relativedelta(months=clock.amount)
    england, france = holidays.country_holidays("GB", subdiv="ENG"), holidays.country_holidays("FR")
    left = clock.amount
    while left:
        day += DAY
        counts = clock.unit is Unit.DAYS or not (day.weekday() >= 5 or day in england or day in france)
        left -= counts
    return day


def midnight_after(day: dt.date, zone: str) -> dt.datetime:
    return dt.datetime.combine(day + DAY, dt.time(), tzinfo=zoneinfo.ZoneInfo(zone))


def test_every_clock_has_a_scenario() -> None:
    """A clock that is configured without a test that lets it pass is a fault."""
    assert set(SCENARIOS) == set(CLOCKS)


async def started(life: Life, clock_id: str) -> tuple[str, Deadline, Clock]:
    opened = await SCENARIOS[clock_id].start(life)
    row = await life.row(opened.reference, clock_id)
    assert (row.state, row.warnings, row.closed_at) == (DeadlineState.OPEN, 0, None)
    return opened.reference, row, CLOCKS[clock_id]


@pytest.mark.parametrize("clock_id", SCENARIOS)
async def test_a_clock_that_is_let_pass_warns_and_breaches_once(life: Life, clock_id: str) -> None:
    """Each warning and the breach are told once, at their millisecond; the case waits; late is late."""
    reference, row, clock = await started(life, clock_id)
    assert row.zone == clock.zone
    last_day = expected_last_day(clock, row.started_at)
    if clock_id == "visa":  # the visa itself says until when it is valid
        last_day = min(last_day, (life.now + 80 * DAY).date())
    end = midnight_after(last_day, clock.zone)
    assert row.due_at == end - LATE
    status, opened = await life.status(reference), await life.ends.record(row.message_id)
    given = 0
    for days in clock.terms.warn_days:
        at = midnight_after(last_day - days * DAY, clock.zone)
        if at <= life.now:
            continue
        life.wait_until(at - LATE)
        assert [e for e in await life.sweep() if e.row.clock == clock_id] == []
        life.wait_until(at)
        (event,) = [e for e in await life.sweep() if e.row.clock == clock_id]
        given += 1
        assert (event.told, event.row.warnings, event.row.state) == (Told.WARNING, given, DeadlineState.OPEN)
    assert given >= 1
    life.wait_until(row.due_at)
    assert [e for e in await life.sweep() if e.row.clock == clock_id] == []
    life.wait_until(row.due_at + LATE)
    (event,) = [e for e in await life.sweep() if e.row.clock == clock_id]
    assert (event.told, event.row.state) == (Told.BREACHED, DeadlineState.BREACHED)
    assert await life.sweep() == []
    assert await life.status(reference) == status  # silence decides nothing
    assert len(await life.audited("deadline.warning", clock_id)) == given
    assert len(await life.audited("deadline.breached", clock_id)) == 1
    told = [e for e in await life.webhooks() if e["data"]["deadline_id"] == row.deadline_id]
    types = ["passerelle.deadline.warning.v1"] * given + ["passerelle.deadline.breached.v1"]
    assert [e["type"] for e in told] == types
    assert {e["subject"] for e in told} == {opened.message_id}


@pytest.mark.parametrize("clock_id", SCENARIOS)
async def test_a_clock_that_is_met_tells_nothing(life: Life, clock_id: str) -> None:
    """What closes it in time makes it met; nothing is told of it afterwards."""
    opened = await SCENARIOS[clock_id].start(life)
    row = await life.row(opened.reference, clock_id)
    life.wait_until(life.now + dt.timedelta(minutes=30))
    await SCENARIOS[clock_id].close(life, opened)
    met = await life.row(opened.reference, clock_id)
    assert (met.deadline_id, met.state, met.closed_at) == (row.deadline_id, DeadlineState.MET, life.now)
    assert met.closed_by is not None
    life.wait_until(row.due_at + LATE)
    assert row.deadline_id not in {e.row.deadline_id for e in await life.sweep()}


@pytest.mark.parametrize("clock_id", SCENARIOS)
async def test_an_answer_after_the_end_stays_late(life: Life, clock_id: str) -> None:
    """Closed one millisecond too late, before anybody looked: breached, told once, closed at that time."""
    opened = await SCENARIOS[clock_id].start(life)
    row = await life.row(opened.reference, clock_id)
    life.wait_until(row.due_at + LATE)
    await SCENARIOS[clock_id].close(life, opened)
    late = await life.row(opened.reference, clock_id)
    assert (late.state, late.closed_at) == (DeadlineState.BREACHED, life.now)
    told = [e.told for e in await life.sweep() if e.row.deadline_id == row.deadline_id]
    assert told == [Told.BREACHED]
    assert await life.sweep() == []


@pytest.mark.parametrize("clock_id", [c for c, s in SCENARIOS.items() if s.cancel is not None])
async def test_a_withdrawal_ends_a_clock(life: Life, clock_id: str) -> None:
    """Nothing is awaited any more: cancelled, and never told of."""
    scenario = SCENARIOS[clock_id]
    opened = await scenario.start(life)
    row = await life.row(opened.reference, clock_id)
    life.wait_until(life.now + dt.timedelta(minutes=30))
    assert scenario.cancel is not None
    await scenario.cancel(life, opened)
    (ended,) = [r for r in await life.rows(opened.reference) if r.deadline_id == row.deadline_id]
    assert (ended.state, ended.closed_at) == (DeadlineState.CANCELLED, life.now)
    life.wait_until(row.due_at + LATE)
    assert row.deadline_id not in {e.row.deadline_id for e in await life.sweep()}
