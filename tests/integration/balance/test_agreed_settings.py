"""Every setting of [quotas] and [balance] by its effect: priority, freed places, parity, second person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.core.treaty.quotas import QuotaKind
from gateway.flows.balance import balance
from gateway.flows.ledger import correct_entry
from gateway.flows.quotas import release_waiting, set_quota
from gateway.uk_client import UkClient
from tests.fixtures.uk_gateway import Gateway, running_gateway
from tests.integration.balance.steps import (
    READMISSIONS,
    agreed,
    arrived,
    audit_actions,
    open_nomination,
    open_request,
    outcome_entries,
    queued,
    status_of,
    transferred,
)

WHO = {"actor": "operator:test", "reason": "as agreed"}
WITHDRAWAL = {"type": "Withdrawal", "reason": "litigation", "at": "2026-11-18T09:00:00Z"}


@pytest.fixture
def world(tmp_path: Path, sqlite_template: Path) -> Any:
    """Opens a gateway and a client under an agreement."""

    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[tuple[Gateway, UkClient]]:
        async with (
            running_gateway(tmp_path, sqlite_template, agreement=agreed(**changes)) as gateway,
            gateway.client() as client,
        ):
            yield gateway, client

    return opened


@pytest.mark.parametrize("first", [True, False])
async def test_priority_first(world: Any, first: bool) -> None:
    """Agreed: a priority case passes those that wait. Not agreed: it waits like everybody."""
    async with world(readmissions=1, quotas={"priority_first": first}) as (gateway, client):
        await open_request(client)
        plain = (await open_request(client))["message_id"]
        urgent = (await open_request(client, priority=True))["message_id"]
        await queued(gateway)
        await set_quota(gateway.exchange, QuotaKind.READMISSIONS, 2, **WHO)
        assert await release_waiting(gateway.exchange) == 1
        assert await queued(gateway) == [urgent if first else plain]


@pytest.mark.parametrize(("rule", "released"), [("never", 0), ("unsent", 1), ("ended", 1)])
async def test_which_places_are_free_again(world: Any, rule: str, released: int) -> None:
    """A request stopped before it left: its place is lost, or given to the next."""
    async with world(readmissions=1, quotas={"frees": rule}) as (gateway, client):
        reference = (await open_request(client))["reference"]
        await open_request(client)
        await client.send(f"{READMISSIONS}/{reference}/withdrawals", WITHDRAWAL)
        assert await release_waiting(gateway.exchange) == released


async def test_a_freed_place_serves_a_newcomer_at_once(world: Any) -> None:
    """Nobody waits: the place is given back when the next request asks for it."""
    async with world(readmissions=1) as (_, client):
        reference = (await open_request(client))["reference"]
        await client.send(f"{READMISSIONS}/{reference}/withdrawals", WITHDRAWAL)
        assert (await open_request(client))["status"] == "accepted"
        assert (await open_request(client))["status"] == "held"


async def test_too_many_readmitted_hold_requests_until_somebody_arrives(world: Any) -> None:
    """At a difference of two requests wait, nominations leave; one arrival later requests leave again."""
    async with world(readmissions=9, balance={"hold_difference": 2}) as (gateway, client):
        for _ in range(2):
            await transferred(gateway, client, (await open_request(client))["reference"])
        waiting = await open_request(client)
        assert (waiting["status"], waiting["code"]) == ("held", "balance.readmissions")
        assert (await balance(gateway.exchange))["state"] == "hold_readmissions"
        assert await release_waiting(gateway.exchange) == 0
        nomination = await open_nomination(client)
        assert nomination["status"] == "accepted"
        await arrived(gateway, client, nomination["reference"])
        assert await release_waiting(gateway.exchange) == 1
        assert (await status_of(client, waiting["message_id"]))[0] == "accepted"


async def test_too_many_admitted_hold_nominations(world: Any) -> None:
    """The other direction, with the negative difference."""
    async with world(balance={"hold_difference": 1}) as (gateway, client):
        await arrived(gateway, client, (await open_nomination(client))["reference"])
        waiting = await open_nomination(client)
        assert (waiting["status"], waiting["code"]) == ("held", "balance.nominations")
        request = await open_request(client)
        assert request["status"] == "accepted"
        await transferred(gateway, client, request["reference"])
        assert await release_waiting(gateway.exchange) == 1


async def test_the_warning_is_written_once_when_the_threshold_is_crossed(world: Any) -> None:
    """Level to warn and back: one audit entry each time, none in between."""
    async with world(balance={"warn_difference": 2}) as (gateway, client):
        for _ in range(3):
            await transferred(gateway, client, (await open_request(client))["reference"])
        assert await audit_actions(gateway, "uk-fr") == ["balance.warn"]
        assert (await balance(gateway.exchange))["state"] == "warn"
        for _ in range(2):
            await arrived(gateway, client, (await open_nomination(client))["reference"])
        assert await audit_actions(gateway, "uk-fr") == ["balance.warn", "balance.level"]


async def test_without_a_second_person_one_operator_corrects(world: Any) -> None:
    """second_person = false: the first call books."""
    async with world(balance={"second_person": False}) as (gateway, client):
        await transferred(gateway, client, (await open_request(client))["reference"])
        (entry,) = await outcome_entries(gateway)
        assert (await correct_entry(gateway.exchange, entry.entry_id, persons=None, **WHO)).booked
        assert (await balance(gateway.exchange))["balance"] == 0


async def test_weeks_are_those_of_the_report_zone(world: Any) -> None:
    """An event on Sunday at 23:30 in Paris is Monday in Auckland."""
    async with world(balance={"report_zone": "Pacific/Auckland"}) as (gateway, client):
        reference = (await open_request(client))["reference"]
        await transferred(gateway, client, reference)
        (entry,) = await outcome_entries(gateway)
        assert entry.week == "2026-W47"
        assert (await balance(gateway.exchange))["zone"] == "Pacific/Auckland"
