"""Every kind of alert is opened and cleared by what really happens, on both databases."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from typing import Any

import pytest

from contracts.codes import Direction
from gateway.core.alert_kinds import AlertKind, Severity
from gateway.core.alerts import Alert, AlertEvent, Change
from gateway.core.errors import Conflict, InvalidParameter, NotFound, Side
from gateway.core.records import CaseRecord, Channel, MessageRecord, MessageStatus
from gateway.core.treaty.clocks import DeadlineState, NewDeadline
from gateway.core.treaty.deadlines import end
from gateway.core.treaty.ledger import Entry
from gateway.core.treaty.ledger import Side as Account
from gateway.flows import alert_audit, operator
from gateway.flows.alert_conditions import Certificate, Surroundings, side_of
from gateway.flows.alert_views import list_behind
from gateway.flows.alerts import acknowledge, evaluate, open_alerts
from gateway.flows.deadlines import sweep
from gateway.store import SqlStore
from tests.fixtures.alerting import AROUND, Desk, make_desk
from tests.fixtures.raw_sql import raw
from tests.fixtures.store_records import accept, new_case, new_message, record_for

PARTY = "passerelle-fr"  # of make_exchange


async def look(desk: Desk, around: Surroundings = AROUND) -> list[AlertEvent]:
    """One look; what was told by it."""
    return [c.event for c in await evaluate(desk.exchange, desk.plan, around) if c.event is not None]


async def the_alert(desk: Desk) -> Alert:
    (alert,) = await desk.open_alerts()
    return alert


async def messages(desk: Desk, count: int, *, endpoint: str = PARTY) -> list[MessageRecord]:
    now = desk.clock.now()
    async with desk.store.begin() as tx:
        return [await accept(tx, new_case(at=now), at=now, endpoint=endpoint) for _ in range(count)]


async def fail(desk: Desk, records: list[MessageRecord], code: str = "delivery.timed_out") -> None:
    """As ``delivery_record.record_end`` leaves a dead letter."""
    async with desk.store.begin() as tx:
        for record in records:
            await tx.update_message(
                record.message_id, at=desk.clock.now(), status=MessageStatus.FAILED, code=code
            )
        claimed = await tx.claim_due(now=desk.clock.now(), limit=500, lease=dt.timedelta(seconds=1))
        for entry in claimed:
            if entry.message_id in {r.message_id for r in records}:
                await tx.complete(entry)


async def test_nothing_is_told_of_a_quiet_gateway(desk: Desk) -> None:
    """Accepted messages that leave in time raise nothing, and a look without news writes nothing."""
    await messages(desk, 3)
    assert await look(desk) == []
    async with desk.store.begin(read_only=True) as tx:
        before = await tx.watch()
    assert await look(desk) == []
    async with desk.store.begin(read_only=True) as tx:
        assert await tx.watch() == before
        assert await tx.open_alerts() == ()


async def test_dead_letters_of_one_endpoint_are_one_alert(desk: Desk) -> None:
    """300 open one alert with their count; replayed and cancelled ones leave it; the last clears it."""
    made = await messages(desk, 300)
    await fail(desk, made)
    assert await look(desk) == [AlertEvent.OPENED]
    alert = await the_alert(desk)
    assert (alert.kind, alert.count, alert.side, len(alert.messages)) == (
        AlertKind.DEAD_LETTER,
        300,
        Side.FR,
        20,
    )
    assert set(alert.messages) <= {r.message_id for r in made}
    assert alert.facts["value"] == "delivery.timed_out"
    for record in made[:-1]:
        await operator.cancel(desk.exchange, record.message_id, actor="operator:ada", reason="test")
    assert await look(desk) == []
    assert (await the_alert(desk)).count == 1
    await operator.replay(desk.exchange, made[-1].message_id, actor="operator:ada", reason="test")
    assert await look(desk) == [AlertEvent.CLEARED]
    assert await desk.open_alerts() == ()


async def test_new_dead_letters_after_an_acknowledgement_are_told_again(desk: Desk) -> None:
    """An operator took two in hand; a third one an hour later is news."""
    await fail(desk, await messages(desk, 2))
    await look(desk)
    desk.skip(minutes=5)
    await acknowledge(desk.exchange, (await the_alert(desk)).alert_id, actor="operator:ada", reason="calling")
    desk.skip(hours=1)
    assert await look(desk) == []
    await fail(desk, await messages(desk, 1))
    assert await look(desk) == [AlertEvent.WORSENED]
    assert (await the_alert(desk)).acknowledged_at is None


@pytest.mark.parametrize(
    ("code", "side"),
    [
        ("delivery.timed_out", Side.FR),
        ("content_destroyed", Side.GATEWAY),
        ("EBMS:0101", Side.GATEWAY),
        ("schema_violation", Side.UK),
        (None, Side.GATEWAY),
    ],
)
def test_the_side_at_fault_follows_the_code(code: str | None, side: Side) -> None:
    """As the error tree says; what a partner's error means, both must look at."""
    assert side_of(code) is side


async def test_an_open_circuit(desk: Desk) -> None:
    """Open while the breaker is open; an operator's pause alone is none."""
    async with desk.store.begin() as tx:
        breaker = await tx.breaker(PARTY)
        await tx.save_breaker(dataclasses.replace(breaker, paused=True))
    assert await look(desk) == []
    async with desk.store.begin() as tx:
        opened = dataclasses.replace(breaker, consecutive_failures=5, opened_at=desk.clock.now())
        await tx.save_breaker(opened)
    assert await look(desk) == [AlertEvent.OPENED]
    alert = await the_alert(desk)
    assert (alert.kind, alert.key, alert.count, alert.severity) == (
        AlertKind.BREAKER_OPEN,
        PARTY,
        5,
        Severity.MAJOR,
    )
    async with desk.store.begin() as tx:
        await tx.save_breaker(breaker)
    assert await look(desk) == [AlertEvent.CLEARED]


async def test_an_old_backlog_gets_worse_and_goes(desk: Desk) -> None:
    """Major at the threshold, critical at four times it; gone when the rows are."""
    await messages(desk, 2)
    desk.skip(minutes=14)
    assert await look(desk) == []
    desk.skip(minutes=1)
    assert await look(desk) == [AlertEvent.OPENED]
    alert = await the_alert(desk)
    assert (alert.kind, alert.count, alert.severity) == (AlertKind.BACKLOG_AGE, 2, Severity.MAJOR)
    assert alert.facts["value"] == 15
    desk.skip(minutes=45)
    assert await look(desk) == [AlertEvent.WORSENED]
    assert (await the_alert(desk)).severity is Severity.CRITICAL
    async with desk.store.begin() as tx:
        for entry in await tx.claim_due(now=desk.clock.now(), limit=9, lease=dt.timedelta(seconds=9)):
            await tx.complete(entry)
    assert await look(desk) == [AlertEvent.CLEARED]


# ---- time limits --------------------------------------------------------------------------------


async def limits(desk: Desk, count: int, *, due_in: dt.timedelta) -> list[tuple[CaseRecord, MessageRecord]]:
    """Cases with a running answer clock."""
    now, made = desk.clock.now(), []
    async with desk.store.begin() as tx:
        for _ in range(count):
            case = new_case(at=now)
            record = await accept(tx, case, at=now)
            await tx.start_deadline(
                NewDeadline(
                    reference=case.reference,
                    clock="answer",
                    message_id=record.message_id,
                    zone="Europe/Paris",
                    started_at=now,
                    due_at=now + due_in,
                    next_at=now,
                )
            )
            made.append((case, record))
        for entry in await tx.claim_due(now=now, limit=500, lease=dt.timedelta(seconds=9)):
            await tx.complete(entry)
    return made


async def close(desk: Desk, cases: list[tuple[CaseRecord, MessageRecord]]) -> None:
    async with desk.store.begin() as tx:
        for case, record in cases:
            endings = [
                end(row, DeadlineState.MET, at=desk.clock.now(), by=record.message_id)
                for row in await tx.case_deadlines(case.reference)
            ]
            await tx.close_deadlines(endings)


async def test_time_limits_that_come_near_and_pass(desk: Desk) -> None:
    """The sweep warns of 30 cases: one alert. They pass: the warning is over, the breach is one alert.
    Settled, however late: cleared."""
    made = await limits(desk, 30, due_in=dt.timedelta(hours=20))
    while await sweep(desk.exchange):
        pass
    assert await look(desk) == [AlertEvent.OPENED]
    warning = await the_alert(desk)
    assert (warning.kind, warning.key, warning.count) == (AlertKind.CLOCK_WARNING, "answer", 30)
    assert warning.severity is Severity.MINOR
    assert {r.message_id for _, r in made} >= set(warning.messages) != set()
    desk.skip(hours=21)
    while await sweep(desk.exchange):
        pass
    assert sorted(await look(desk)) == [AlertEvent.CLEARED, AlertEvent.OPENED]
    breach = await the_alert(desk)
    assert (breach.kind, breach.count, breach.side) == (AlertKind.CLOCK_BREACH, 30, Side.FR)
    await close(desk, made[1:])
    assert await look(desk) == []
    assert (await the_alert(desk)).count == 1
    await close(desk, made[:1])
    assert await look(desk) == [AlertEvent.CLEARED]


async def test_a_breach_is_as_loud_as_the_agreement_says(desk: Desk) -> None:
    """The severity is that of the clock in the agreement file, its name in both languages."""
    await limits(desk, 1, due_in=dt.timedelta(hours=1))
    desk.skip(hours=2)
    await sweep(desk.exchange)
    await look(desk)
    terms = next(t for t in desk.exchange.agreement.deadlines if t.id == "answer")
    alert = await the_alert(desk)
    assert alert.severity.value == terms.severity.value
    assert (alert.facts["subject"], alert.facts["subject_fr"]) == (terms.name_en, terms.name_fr)


# ---- certificates, disk, parts ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "severity"),
    [
        (61, None),
        (60, Severity.MINOR),
        (30, Severity.MINOR),
        (7, Severity.MAJOR),
        (1, Severity.CRITICAL),
        (-3, Severity.CRITICAL),
    ],
)
async def test_a_certificate_by_its_days(desk: Desk, days: float, severity: Severity | None) -> None:
    """60, 30, 7, 1 days and after the end."""
    around = with_certificate(desk, days)
    expected = [] if severity is None else [(AlertKind.CERTIFICATE, severity)]
    await look(desk, around)
    assert await desk.open_kinds() == expected


def with_certificate(desk: Desk, days: float, fingerprint: str = "ab" * 32) -> Surroundings:
    one = Certificate(
        name="as4-sign",
        side=Side.UK,
        fingerprint=fingerprint,
        not_after=desk.clock.now() + dt.timedelta(days=days),
    )
    return dataclasses.replace(AROUND, certificates=(one,))


async def test_each_step_is_told_once_until_it_is_replaced(desk: Desk) -> None:
    """One alert lives through all steps and is cleared by a new certificate."""
    told = []
    for days in (60, 59, 31, 30, 29, 8, 7, 6, 1, 0.5, 0, -1):
        told += await look(desk, with_certificate(desk, days))
    assert told == [AlertEvent.OPENED, *[AlertEvent.WORSENED] * 4]
    assert await look(desk, with_certificate(desk, 800, "cd" * 32)) == [AlertEvent.CLEARED]


async def test_little_space_on_one_node(desk: Desk) -> None:
    """Told by the node itself; another node does not clear it while the first one lives, and does when it is
    gone."""
    full = dataclasses.replace(AROUND, disk_free=999_999_999)
    other = Surroundings(node="node-2", works=True, disk_free=10**12)
    assert await look(desk, full) == [AlertEvent.OPENED]
    assert (await the_alert(desk)).facts == {"subject": "node-1", "value": 999}
    assert await look(desk, other) == []
    assert await look(desk, dataclasses.replace(AROUND, disk_free=100_000_000)) == [AlertEvent.WORSENED]
    desk.skip(minutes=16)
    assert await look(desk, other) == [AlertEvent.CLEARED]
    assert await look(desk, full) == [AlertEvent.OPENED]
    assert await look(desk, dataclasses.replace(AROUND, disk_free=10**10)) == [AlertEvent.CLEARED]


async def test_a_part_that_has_ended(desk: Desk) -> None:
    """The worker's task is over though its process lives."""
    assert await look(desk, dataclasses.replace(AROUND, stopped=("worker",))) == [AlertEvent.OPENED]
    alert = await the_alert(desk)
    assert (alert.kind, alert.key, alert.severity) == (
        AlertKind.WORKER_STOPPED,
        "node-1/worker",
        Severity.CRITICAL,
    )
    assert await look(desk) == [AlertEvent.CLEARED]


async def test_nobody_delivers(desk: Desk) -> None:
    """A node that only listens sees rows that are due and no sign of a worker; one that comes clears it."""
    listener = Surroundings(node="node-1#web", works=False)
    await messages(desk, 1)
    assert await look(desk, listener) == []
    desk.skip(minutes=4)
    assert await look(desk, listener) == [AlertEvent.OPENED]
    assert (await the_alert(desk)).key == "worker"
    await look(desk, Surroundings(node="node-2", works=True))
    assert await desk.open_alerts() == ()


# ---- what happens -------------------------------------------------------------------------------


async def rejected(desk: Desk, code: str, *, actor: str = "as4", direction: Any = Direction.UK_TO_FR) -> str:
    now = desk.clock.now()
    async with desk.store.begin() as tx:
        case = new_case(at=now)
        await tx.add_case(case)
        message = new_message(case, at=now)
        await tx.add_message(record_for(message, direction=direction, at=now), message, ())
        await tx.update_message(message.message_id, at=now, status=MessageStatus.REJECTED, code=code)
        await tx.append_audit(
            at=now, actor=actor, action="message.rejected", subject=message.message_id, data={"code": code}
        )
    return message.message_id


async def test_refusals_by_france_are_one_alert_for_each_code(desk: Desk) -> None:
    """Counted until somebody acknowledges; after that a new one opens a new alert."""
    first = [await rejected(desk, "EBMS:0004", actor="worker") for _ in range(3)]
    await rejected(desk, "unreadable")
    assert await look(desk) == [AlertEvent.OPENED, AlertEvent.OPENED]
    again = await rejected(desk, "EBMS:0004", actor="worker")
    assert await look(desk) == []
    alert = next(a for a in await desk.open_alerts() if a.key == "EBMS:0004")
    assert (alert.count, alert.side) == (4, Side.UK)
    assert alert.messages == (again, *reversed(first))
    done = await acknowledge(desk.exchange, alert.alert_id, actor="operator:ada", reason="settled")
    assert done.cleared_by == "operator:ada"
    await rejected(desk, "EBMS:0004", actor="worker")
    assert await look(desk) == [AlertEvent.OPENED]


@pytest.mark.parametrize(
    "of", [{"actor": "gateway"}, {"actor": "operator:ada"}, {"direction": Direction.FR_TO_UK}]
)
async def test_other_refusals_are_none_of_france(desk: Desk, of: dict[str, Any]) -> None:
    """An operator, a full quota, or the UK refusing a French message."""
    await rejected(desk, "quota_full", **of)
    assert await look(desk) == []


async def _refused_here(desk: Desk, actor: str) -> None:
    async with desk.store.begin() as tx:
        await tx.append_audit(
            at=desk.clock.now(),
            actor=actor,
            action="message.refused",
            subject="m",
            data={"code": "as4.payload_refused", "ebms": "EBMS:0004"},
        )


async def test_a_message_of_france_that_we_refuse(desk: Desk) -> None:
    """Signed and against the contract: one alert for all with the code, until somebody acknowledges."""
    for _ in range(2):
        await _refused_here(desk, "party:FR-MI-AS4")
    assert await look(desk) == [AlertEvent.OPENED]
    alert = await the_alert(desk)
    assert (alert.kind, alert.key, alert.count, alert.side) == (
        AlertKind.REFUSED_HERE,
        "as4.payload_refused",
        2,
        Side.FR,
    )
    assert list_behind(alert) == "/console/audit?action=message.refused&actor=party:FR-MI-AS4"
    await acknowledge(desk.exchange, alert.alert_id, actor="operator:ada", reason="France was told")
    assert await desk.open_alerts() == ()


@pytest.mark.parametrize("actor", ["as4", "client:home-office"])
async def test_refusals_that_are_not_of_france(desk: Desk, actor: str) -> None:
    """Anybody may send what nobody signed; what a UK system sent wrongly, its answer tells."""
    await _refused_here(desk, actor)
    assert await look(desk) == []


async def test_a_privacy_breach(desk: Desk) -> None:
    """Critical; those that the noise gate kept out of the log count too."""
    async with desk.store.begin() as tx:
        await tx.append_audit(
            at=desk.clock.now(),
            actor="party:FR-MI-AS4",
            action="privacy.incident",
            subject="m",
            data={"code": "privacy.personal_data", "not_written_before": 4},
        )
    assert await look(desk) == [AlertEvent.OPENED]
    alert = await the_alert(desk)
    assert (alert.kind, alert.key, alert.count, alert.severity) == (
        AlertKind.PRIVACY_BREACH,
        "FR-MI-AS4",
        5,
        Severity.CRITICAL,
    )
    await acknowledge(desk.exchange, alert.alert_id, actor="operator:ada", reason="officers told")
    assert await desk.open_alerts() == ()


async def test_the_balance_leaves_its_bounds_and_comes_back(desk: Desk) -> None:
    """As the ledger and the agreement's threshold say."""
    case, record = (await limits(desk, 1, due_in=dt.timedelta(days=9)))[0]
    warn = desk.exchange.agreement.balance.warn_difference

    async def book(side: Account, persons: int) -> None:
        async with desk.store.begin() as tx:
            entry = Entry(
                side=side,
                persons=persons,
                event_at=desk.clock.now(),
                week="2026-W48",
                reference=case.reference,
                message_id=record.message_id,
            )
            await tx.add_entry(entry, at=desk.clock.now())

    await book(Account.READMITTED, warn)
    assert (AlertKind.BALANCE_THRESHOLD, Severity.MINOR) in await after_look(desk)
    assert next(a for a in await desk.open_alerts() if a.kind is AlertKind.BALANCE_THRESHOLD).count == warn
    await book(Account.ADMITTED, 1)
    assert AlertKind.BALANCE_THRESHOLD not in {k for k, _ in await after_look(desk)}


async def after_look(desk: Desk) -> list[tuple[AlertKind, Severity]]:
    await look(desk)
    return await desk.open_kinds()


# ---- the audit chain ----------------------------------------------------------------------------


async def entries(desk: Desk, count: int) -> None:
    async with desk.store.begin() as tx:
        for n in range(count):
            await tx.append_audit(at=desk.clock.now(), actor="x", action="y", subject=f"s{n}", data={})


async def test_a_change_of_what_is_new_is_found_at_the_next_look(desk: Desk, store_url: str) -> None:
    """An entry that was changed before it was read; put right, the next full verification clears it."""
    await entries(desk, 5)
    await raw(store_url, "UPDATE audit SET action = 'z' WHERE sequence = 3")
    assert await look(desk) == [AlertEvent.OPENED]
    alert = await the_alert(desk)
    assert (alert.kind, alert.facts) == (AlertKind.AUDIT_CHAIN, {"subject": "hash", "value": 3})
    await raw(store_url, "UPDATE audit SET action = 'y' WHERE sequence = 3")
    assert await look(desk) == []
    desk.skip(hours=1)
    await look(desk)
    await look(desk)
    assert await desk.open_alerts() == ()


async def test_a_change_of_what_was_read_is_found_by_the_full_verification(
    desk: Desk, store_url: str
) -> None:
    """Old entries are read again once a day."""
    await entries(desk, 5)
    await look(desk)
    await raw(store_url, "UPDATE audit SET subject = 'z' WHERE sequence = 2")
    desk.skip(hours=23)
    assert await look(desk) == []
    desk.skip(hours=1)
    assert await look(desk) == [AlertEvent.OPENED]


async def test_the_full_verification_goes_on_in_turns(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bounded number of entries with each look, remembered by the store."""
    monkeypatch.setattr(alert_audit, "LEAST_FULL", 4)
    monkeypatch.setattr(alert_audit, "PAGE", 2)
    await entries(desk, 10)
    places = []
    for _ in range(4):
        await look(desk)
        async with desk.store.begin(read_only=True) as tx:
            watch = await tx.watch()
        places.append((watch.full_sequence, watch.full_done_at is not None))
    assert places[:3] == [(4, False), (8, False), (10, True)]


async def test_an_end_cut_off_is_found(desk: Desk, store_url: str) -> None:
    """The chain that is left holds; only the remembered end shows it. An operator ends the alert."""
    await entries(desk, 5)
    await look(desk)
    await raw(store_url, "DELETE FROM audit WHERE sequence > 3")
    assert await look(desk) == [AlertEvent.OPENED]
    alert = await the_alert(desk)
    assert alert.facts == {"subject": "cut", "value": 5}
    desk.skip(days=2)
    await look(desk)
    assert len(await desk.open_alerts()) == 1
    await acknowledge(desk.exchange, alert.alert_id, actor="operator:ada", reason="restored on purpose")
    assert await look(desk) == [AlertEvent.CLEARED]


async def test_a_log_made_anew_is_found(desk: Desk, store_url: str) -> None:
    """Cut off and written on by somebody who knows how: the remembered hash differs."""
    await entries(desk, 3)
    await look(desk)
    await raw(store_url, "DELETE FROM audit WHERE sequence > 2")
    await entries(desk, 2)
    assert await look(desk) == [AlertEvent.OPENED]
    assert (await the_alert(desk)).facts["subject"] == "cut"


def test_the_share_of_a_look_ends_within_half_a_day() -> None:
    """10 million entries, a look every 15 seconds: 3,473 at a time; never less than the least."""
    assert alert_audit.share(10_000_000, dt.timedelta(seconds=15)) == 3473
    assert alert_audit.share(5, dt.timedelta(seconds=15)) == alert_audit.LEAST_FULL
    assert alert_audit.share(10_000, dt.timedelta(days=1)) == 10_000


# ---- nodes, restarts, operators -----------------------------------------------------------------


async def test_two_nodes_open_and_clear_once(desk: Desk, store: SqlStore) -> None:
    """Both look at the same time, many times: one alert, one opening, one end in the audit log."""
    await fail(desk, made := await messages(desk, 3))
    around = [Surroundings(node=f"node-{n}", works=True) for n in range(4)]
    for _ in range(3):
        await asyncio.gather(*(look(desk, one) for one in around))
    assert len(await desk.open_alerts()) == 1
    for record in made:
        await operator.cancel(desk.exchange, record.message_id, actor="operator:ada", reason="test")
    for _ in range(3):
        await asyncio.gather(*(look(desk, one) for one in around))
    assert await desk.open_alerts() == ()
    async with store.begin(read_only=True) as tx:
        actions = [e.action for e in await tx.audit_entries(limit=500) if e.action.startswith("alert.")]
    assert actions == ["alert.opened", "alert.cleared"]


async def test_a_look_that_fails_in_the_middle_is_found_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not committed was not told: the refusal is read again by the next look, once."""
    await rejected(desk, "unreadable")

    async def gone(*_: object, **__: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr("gateway.flows.alerts._tell", gone)
        with pytest.raises(ConnectionError):
            await look(desk)
    assert await desk.open_alerts() == ()
    assert await look(desk) == [AlertEvent.OPENED]
    assert await look(desk) == []
    assert (await the_alert(desk)).count == 1


async def test_a_restart_goes_on_where_it_was(desk: Desk, store: SqlStore) -> None:
    """Another process above the same database tells nothing again, and clears what it finds over."""
    await fail(desk, made := await messages(desk, 1))
    assert await look(desk) == [AlertEvent.OPENED]
    async with make_desk(store) as later:
        assert await look(later) == []
        await operator.cancel(later.exchange, made[0].message_id, actor="operator:ada", reason="test")
        assert await look(later) == [AlertEvent.CLEARED]


async def test_acknowledging_is_for_open_alerts_and_with_a_reason(desk: Desk) -> None:
    """Unknown, empty reason, twice, cleared: each refused, and nothing is written."""
    with pytest.raises(NotFound):
        await acknowledge(desk.exchange, "nobody", actor="operator:ada", reason="x")
    await fail(desk, made := await messages(desk, 1))
    await look(desk)
    alert = await the_alert(desk)
    for reason in ("", "  ", "x" * 501):
        with pytest.raises(InvalidParameter):
            await acknowledge(desk.exchange, alert.alert_id, actor="operator:ada", reason=reason)
    taken = await acknowledge(desk.exchange, alert.alert_id, actor="operator:ada", reason="calling Paris")
    assert (taken.acknowledged_by, taken.reason, taken.is_open) == ("operator:ada", "calling Paris", True)
    with pytest.raises(Conflict):
        await acknowledge(desk.exchange, alert.alert_id, actor="operator:bo", reason="me too")
    await operator.cancel(desk.exchange, made[0].message_id, actor="operator:ada", reason="test")
    await look(desk)
    with pytest.raises(Conflict):
        await acknowledge(desk.exchange, alert.alert_id, actor="operator:bo", reason="late")
    async with desk.store.begin(read_only=True) as tx:
        (entry,) = [e for e in await tx.audit_entries(limit=500) if e.action == "alert.acknowledged"]
    assert (entry.actor, entry.data["reason"]) == ("operator:ada", "calling Paris")


async def test_the_first_glance_puts_what_nobody_has_in_hand_first(desk: Desk) -> None:
    """Unacknowledged before acknowledged, loud before quiet."""
    await fail(desk, await messages(desk, 1))
    await look(desk, with_certificate(desk, 50))
    await rejected(desk, "unreadable")
    await look(desk, dataclasses.replace(with_certificate(desk, 50), disk_free=0))
    async with desk.store.begin(read_only=True) as tx:
        kinds = [a.kind for a in await open_alerts(tx)]
    assert kinds[0] is AlertKind.DISK_SPACE
    assert kinds[-1] is AlertKind.CERTIFICATE
    disk = next(a for a in await desk.open_alerts() if a.kind is AlertKind.DISK_SPACE)
    await acknowledge(desk.exchange, disk.alert_id, actor="operator:ada", reason="x")
    async with desk.store.begin(read_only=True) as tx:
        assert (await open_alerts(tx))[-1].kind is AlertKind.DISK_SPACE


def changed(changes: tuple[Change, ...]) -> list[AlertEvent | None]:
    return [c.event for c in changes]


async def test_escalation_by_the_flow(desk: Desk) -> None:
    """A critical alert that nobody acknowledges escalates after a quarter of an hour, once."""
    around = dataclasses.replace(AROUND, disk_free=0)
    await look(desk, around)
    desk.skip(minutes=14)
    assert await look(desk, around) == []
    desk.skip(minutes=1)
    assert await look(desk, around) == [AlertEvent.ESCALATED]
    desk.skip(minutes=60)
    assert await look(desk, around) == []


async def test_the_channel_of_a_row_does_not_matter(desk: Desk) -> None:
    """A webhook's queue gets old too."""
    record = (await messages(desk, 1))[0]
    async with desk.store.begin() as tx:
        await tx.enqueue(
            channel=Channel.WEBHOOK,
            endpoint="hook-1",
            message_id=record.message_id,
            reference=record.reference,
            due_at=desk.clock.now() - dt.timedelta(minutes=20),
        )
    await look(desk)
    assert [a.key for a in await desk.open_alerts()] == ["hook-1"]
