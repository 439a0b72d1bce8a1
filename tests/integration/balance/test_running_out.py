"""Requests whose 14 days end while they wait for the quota: told in time, as one incident."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from gateway.core.alert_kinds import KINDS, AlertKind, Severity
from gateway.core.alerts import Alert, AlertEvent, AlertPlan, fill
from gateway.core.treaty.quotas import QuotaKind
from gateway.flows import operator
from gateway.flows.alert_views import list_behind
from gateway.flows.alerts import evaluate
from gateway.flows.deadlines import sweep
from gateway.flows.quotas import release_waiting, set_quota
from gateway.uk_client import UkClient
from tests.fixtures.alerting import AROUND, NOW_CALM
from tests.fixtures.uk_gateway import Gateway
from tests.integration.balance.steps import open_nomination, open_request, status_of

DAY = dt.timedelta(days=1)
WHO = {"actor": "operator:test", "reason": "agreed on the telephone"}
PLAN = AlertPlan(policy=NOW_CALM)


async def look(gateway: Gateway, plan: AlertPlan = PLAN) -> list[AlertEvent]:
    """One look; what was told of this kind by it."""
    changes = await evaluate(gateway.exchange, plan, AROUND)
    return [c.event for c in changes if c.event is not None and c.alert.kind is AlertKind.QUOTA_WAIT]


async def the_alert(gateway: Gateway) -> Alert:
    async with gateway.exchange.store.begin(read_only=True) as tx:
        (alert,) = [a for a in await tx.open_alerts() if a.kind is AlertKind.QUOTA_WAIT]
    return alert


async def waiting(client: UkClient, count: int) -> list[str]:
    """So many requests behind a quota that is used up."""
    for _ in range(3):
        assert (await open_request(client))["status"] == "accepted"
    answers = [await open_request(client) for _ in range(count)]
    assert {a["code"] for a in answers} == {"quota.readmissions"}
    return [a["message_id"] for a in answers]


async def limit_of(gateway: Gateway, client: UkClient, message_id: str) -> dt.datetime:
    """The end of the clock ``request`` of that message."""
    reference = (await client.message(message_id))["reference"]
    async with gateway.exchange.store.begin(read_only=True) as tx:
        (row,) = [d for d in await tx.case_deadlines(reference) if d.clock == "request"]
    return row.due_at


def go_to(gateway: Gateway, at: dt.datetime) -> None:
    gateway.clock.skip(at - gateway.clock.now())


async def test_told_three_days_before_and_louder_on_the_last_day(gateway: Gateway, client: UkClient) -> None:
    """One alert with the count, for all that wait; those that have left or were never held do not count."""
    ids = await waiting(client, 3)
    due = await limit_of(gateway, client, ids[0])
    go_to(gateway, due - 3 * DAY - dt.timedelta(minutes=1))
    assert await look(gateway) == []
    go_to(gateway, due - 3 * DAY + dt.timedelta(minutes=1))
    assert await look(gateway) == [AlertEvent.OPENED]
    alert = await the_alert(gateway)
    assert (alert.key, alert.count, alert.severity) == ("readmissions", 3, Severity.MAJOR)
    assert set(alert.messages) == set(ids)
    assert list_behind(alert) == "/console/held"
    for language, word in (("en", "readmissions"), ("fr", "réadmissions")):
        assert word in fill(KINDS[alert.kind].cause, alert.count, alert.facts, language)
    await operator.cancel(gateway.exchange, ids[2], **WHO)
    assert await look(gateway) == []
    assert (await the_alert(gateway)).count == 2
    go_to(gateway, due - DAY + dt.timedelta(minutes=1))
    assert await look(gateway) == [AlertEvent.WORSENED]
    assert (await the_alert(gateway)).severity is Severity.CRITICAL


async def test_over_when_the_quota_is_raised_in_time(gateway: Gateway, client: UkClient) -> None:
    """What has room leaves before its limit, and nothing is left to tell."""
    ids = await waiting(client, 2)
    due = await limit_of(gateway, client, ids[0])
    go_to(gateway, due - DAY)
    assert await look(gateway) == [AlertEvent.OPENED]
    await set_quota(gateway.exchange, QuotaKind.READMISSIONS, 5, **WHO)
    assert await release_waiting(gateway.exchange) == 2
    assert await look(gateway) == [AlertEvent.CLEARED]
    assert [await status_of(client, m) for m in ids] == [("accepted", None)] * 2


async def test_what_is_lost_is_told_no_more(gateway: Gateway, client: UkClient) -> None:
    """The limit of the clock is that of the rule: up to its last millisecond the request may leave and is
    told of, one later it is refused when its turn comes, and is a breach."""
    first, second = await waiting(client, 2)
    due = await limit_of(gateway, client, first)
    go_to(gateway, due - dt.timedelta(minutes=1))
    assert await look(gateway) == [AlertEvent.OPENED]
    await set_quota(gateway.exchange, QuotaKind.READMISSIONS, 1, **WHO)
    assert await release_waiting(gateway.exchange) == 1
    assert await status_of(client, first) == ("accepted", None)
    go_to(gateway, due + dt.timedelta(minutes=1))
    await sweep(gateway.exchange)
    assert await look(gateway) == [AlertEvent.CLEARED]
    await set_quota(gateway.exchange, QuotaKind.READMISSIONS, 9, **WHO)
    assert await release_waiting(gateway.exchange) == 1
    assert await status_of(client, second) == ("rejected", "art8.request_in_time")


async def test_held_by_the_balance_counts_too(gateway: Gateway, client: UkClient) -> None:
    """Parity keeps a request as the quota does: its days run on."""
    (message_id,) = await waiting(client, 1)
    async with gateway.exchange.store.begin() as tx:
        record = await tx.get_message(message_id)
        assert record is not None
        await tx.update_message(
            message_id, at=gateway.clock.now(), status=record.status, code="balance.readmissions"
        )
    go_to(gateway, await limit_of(gateway, client, message_id) - DAY)
    assert await look(gateway) == [AlertEvent.OPENED]


async def test_what_waits_for_an_operator_is_not_told_here(gateway: Gateway, client: UkClient) -> None:
    """Its limit is warned of as such; raising a quota would not help it. A nomination has no such limit."""
    (message_id,) = await waiting(client, 1)
    for _ in range(3):
        await open_nomination(client)
    async with gateway.exchange.store.begin() as tx:
        record = await tx.get_message(message_id)
        assert record is not None
        await tx.update_message(
            message_id, at=gateway.clock.now(), status=record.status, code="unmappable.country_unmapped"
        )
    go_to(gateway, await limit_of(gateway, client, message_id) - DAY)
    assert await look(gateway) == []


@pytest.mark.parametrize(("days", "told"), [(None, []), (1, []), (2, [AlertEvent.OPENED])])
async def test_how_early_is_a_setting(
    gateway: Gateway, client: UkClient, days: int | None, told: list[AlertEvent]
) -> None:
    """A day and a half before the limit: told with two days, not with one, and never with none."""
    (message_id,) = await waiting(client, 1)
    go_to(gateway, await limit_of(gateway, client, message_id) - 1.5 * DAY)
    policy = dataclasses.replace(NOW_CALM, quota_left=None if days is None else days * DAY)
    assert await look(gateway, AlertPlan(policy=policy)) == told
