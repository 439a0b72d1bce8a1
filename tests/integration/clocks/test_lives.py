"""Clocks in the lives of cases: outages, holds, operators, crossings; nothing of it is decided by silence."""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo

from gateway.core.records import MessageStatus
from gateway.core.treaty.clocks import DeadlineState
from gateway.core.treaty.deadlines import Told
from gateway.flows import deadlines, operator
from tests.fixtures.clock_life import LATE, Life
from tests.fixtures.ends import replace_body
from tests.fixtures.world import nomination, readmission_request, supplementary_document
from tests.integration.clocks import scenarios
from tests.integration.clocks.scenarios import N, R

DAY = dt.timedelta(days=1)


async def states_of(life: Life, reference: str) -> dict[str, str]:
    """The last state of every clock of the case."""
    return {row.clock: row.state.value for row in await life.rows(reference)}


async def test_an_outage_stops_no_clock(life: Life) -> None:
    """The days since the arrival run on; France's begin when its receipt is proven, days later."""
    opened = await scenarios.request_waits(life)
    assert await states_of(life, opened.reference) == {"request": "open", "procedure": "open"}
    request = await life.row(opened.reference, "request")
    life.wait_until(request.due_at + LATE)
    told = [e.told for e in await life.sweep() if e.row.clock == "request"]
    assert told == [Told.BREACHED]
    await life.deliver()
    late = await life.row(opened.reference, "request")
    assert (late.state, late.closed_at, late.closed_by) == (
        DeadlineState.BREACHED,
        life.now,
        opened.message_id,
    )
    answer = await life.row(opened.reference, "answer")
    assert (answer.started_at, answer.state) == (life.now, DeadlineState.OPEN)
    assert (await life.ends.record(opened.message_id)).delivered_at == answer.started_at


async def test_a_clock_runs_while_nobody_sweeps(life: Life) -> None:
    """A gateway that was off for weeks tells one breach, and not the warnings that it slept through."""
    opened = await scenarios.requested(life)
    life.wait_until(life.now + 50 * DAY)
    told = [(e.row.clock, e.told) for e in await life.sweep() if e.row.reference == opened.reference]
    assert sorted(told) == [("acknowledgement_france", Told.BREACHED), ("answer", Told.BREACHED)]
    assert await life.sweep() == []


async def test_a_decision_before_the_proof_of_receipt_is_in_time(life: Life) -> None:
    """France decides on what it got in an attempt whose receipt was lost; the proof comes afterwards."""
    opened = await scenarios.request_waits(life)
    await life.come(life.decision("accepted"), opened)
    answer = await life.row(opened.reference, "answer")
    assert (answer.state, answer.closed_at) == (DeadlineState.MET, life.now)
    assert (await life.row(opened.reference, "request")).state is DeadlineState.MET
    life.wait_until(life.now + dt.timedelta(hours=2))
    await life.deliver()
    assert (await life.ends.record(opened.message_id)).receipt_verified
    assert await life.rows(opened.reference, "answer") == [answer]
    assert (await life.row(opened.reference, "acknowledgement_france")).state is DeadlineState.OPEN


async def test_an_acknowledgement_before_the_proof_of_receipt(life: Life) -> None:
    """The same for the second level of acknowledgement."""
    opened = await scenarios.request_waits(life)
    await life.come(life.taken(opened), opened)
    assert (await life.row(opened.reference, "acknowledgement_france")).state is DeadlineState.MET
    life.wait_until(life.now + dt.timedelta(hours=2))
    await life.deliver()
    (row,) = await life.rows(opened.reference, "acknowledgement_france")
    assert row.state is DeadlineState.MET
    assert (await life.row(opened.reference, "answer")).state is DeadlineState.OPEN


async def test_an_extension_prolongs_from_the_same_start(life: Life) -> None:
    """Art 8: 14 days are met by the extension, 28 count from the receipt of the request."""
    opened = await scenarios.requested(life)
    first = await life.row(opened.reference, "answer")
    life.wait_until(life.now + 10 * DAY)
    until = (first.started_at.astimezone(scenarios.PARIS) + 20 * DAY).date()
    await life.come(life.decision("extension", extended_until=until), opened)
    row = await life.row(opened.reference, "answer_extended")
    assert row.started_at == first.started_at
    assert row.due_at.astimezone(zoneinfo.ZoneInfo("Europe/Paris")).date() == until
    assert (await life.row(opened.reference, "answer")).state is DeadlineState.MET


async def test_a_rejected_request_awaits_no_decision(life: Life) -> None:
    """France's system rejected it: the decision and the procedure are not awaited any more."""
    opened = await scenarios.requested(life)
    await life.come(life.taken(opened, rejected=True), opened)
    states = await states_of(life, opened.reference)
    assert (states["answer"], states["procedure"]) == ("cancelled", "cancelled")
    assert states["acknowledgement_france"] == "met"
    assert await life.status(opened.reference) == "rejected"


async def test_a_withdrawal_that_overtakes_leaves_nothing_running(life: Life) -> None:
    """The request was on the wire: its receipt comes after the withdrawal and starts no decision."""
    opened = await life.post(R, readmission_request())

    async def withdraw() -> None:
        life.ends.partner.before = None
        await life.post(f"{R}/{opened.reference}/withdrawals", scenarios.withdrawal())

    life.ends.partner.before = withdraw
    await life.deliver()
    states = await states_of(life, opened.reference)
    assert "answer" not in states
    assert states["procedure"] == "cancelled"


async def test_a_held_request_runs_out_of_days_all_the_same(life: Life) -> None:
    """What an operator holds still has its 14 days; when it is released, France's clock starts on receipt."""
    body = readmission_request()
    body["persons"].append({**body["persons"][0], "role": "minor"})
    body["persons"][1]["birth_date"] = {"precision": "day", "value": "1990-01-01"}
    opened = await life.post(R, body)
    assert opened.status is MessageStatus.HELD
    before = await life.row(opened.reference, "request")
    assert before.state is DeadlineState.OPEN
    await operator.release(life.exchange, opened.message_id, actor="operator:test", reason="test")
    await life.deliver()
    assert (await life.row(opened.reference, "request")).state is DeadlineState.MET
    assert (await life.row(opened.reference, "answer")).started_at == life.now
    assert len(await life.rows(opened.reference, "procedure")) == 1


async def test_a_message_that_an_operator_cancels_is_not_awaited(life: Life) -> None:
    """What it started ends without a message that closed it."""
    opened = await life.post(R, readmission_request())
    await operator.cancel(life.exchange, opened.message_id, actor="operator:test", reason="test")
    rows = await life.rows(opened.reference)
    assert {(r.clock, r.state.value, r.closed_by) for r in rows} == {
        ("request", "cancelled", None),
        ("procedure", "cancelled", None),
    }


async def test_dry_runs_move_no_clock(life: Life) -> None:
    """What an operator only tries leaves every row as it was."""
    opened = await life.post(R, readmission_request())
    before = await life.rows(opened.reference)
    await operator.cancel(life.exchange, opened.message_id, actor="o", reason="test", dry_run=True)
    assert await life.rows(opened.reference) == before


async def test_information_is_owed_until_france_has_it(life: Life) -> None:
    """A document that waits in an outage has not answered yet; France's own clock runs on meanwhile."""
    opened = await scenarios.asked(life)
    life.wait_until(life.now + DAY)
    await life.post(f"{R}/{opened.reference}/documents", supplementary_document())
    await life.outage()
    assert (await life.row(opened.reference, "information")).state is DeadlineState.OPEN
    life.wait_until(life.now + DAY)
    await life.deliver()
    assert (await life.row(opened.reference, "information")).closed_at == life.now
    assert (await life.row(opened.reference, "answer")).state is DeadlineState.OPEN


async def test_silence_is_shown_as_no_decision(life: Life) -> None:
    """The event says what silence means: escalate. The case stays as it is."""
    opened = await scenarios.requested(life)
    row = await life.row(opened.reference, "answer")
    life.wait_until(row.due_at + LATE)
    await life.sweep()
    (entry,) = await life.audited("deadline.breached", "answer")
    assert entry.data["effect"] == "escalate"
    assert await life.status(opened.reference) == "requested"


async def test_nothing_of_a_person_is_told(life: Life) -> None:
    """Events, audit entries and rows name the case and the message, nobody and nothing else."""
    body = nomination()
    opened = await life.send(N, body)
    life.wait_until(life.now + 200 * DAY)
    await life.sweep()
    async with life.exchange.store.begin(read_only=True) as tx:
        entries = [e for e in await tx.audit_entries(limit=500) if e.action.startswith("deadline.")]
    told = json.dumps([dict(e.data) for e in entries]) + json.dumps(await life.webhooks())
    assert opened.reference in told
    for person in body["persons"]:
        for name in (person["name"]["family_name"], person["name"]["given_names"]):
            assert name is None or name not in told


async def test_a_date_that_the_agreement_does_not_allow_is_set_aside(life: Life) -> None:
    """Behind the rules, which refuse such a message: 28 days count, and the audit log says so."""
    opened = await scenarios.requested(life)
    asked = await life.come(life.decision("information_needed"), opened)
    record = await life.ends.record(asked)
    until = (life.now + 40 * DAY).date()
    async with life.exchange.store.begin() as tx:
        message = await tx.content(asked)
        body = life.decision("extension", extended_until=until)
        await deadlines.came(tx, life.exchange.agreement, record, replace_body(message, body))
    row = await life.row(opened.reference, "answer_extended")
    assert row.due_at - row.started_at < 29 * DAY
    (entry,) = await life.audited("deadline.date_set_aside", "answer_extended")
    assert entry.data["code"] == "beyond_limit"
    assert until.isoformat() not in str(entry.data)
