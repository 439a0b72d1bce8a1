"""Operator actions on the real store: replay, cancel, release, and what they refuse."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from contracts.codes import Direction
from gateway.core.errors import Conflict, InvalidParameter, NotFound
from gateway.core.records import Channel, MessageStatus, OutboxEntry
from gateway.flows import operator
from gateway.uk_client import UkClient
from tests.fixtures.uk_gateway import Gateway, simple_request

REQUESTS = "/v1/readmission-requests"
WHO = {"actor": "operator:test", "reason": "the line was down"}


async def claim(gateway: Gateway) -> tuple[OutboxEntry, ...]:
    async with gateway.exchange.store.begin() as tx:
        rows = await tx.claim_due(now=gateway.clock.now(), limit=10, lease=dt.timedelta(seconds=60))
    return tuple(row for row in rows if row.channel is Channel.AS4)


async def dead_letter(gateway: Gateway, client: UkClient) -> str:
    """A message that the worker has given up."""
    message_id = (await client.send(REQUESTS, simple_request())).message_id
    (entry,) = await claim(gateway)
    async with gateway.exchange.store.begin() as tx:
        await tx.update_message(
            message_id, at=gateway.clock.now(), status=MessageStatus.FAILED, code="delivery.unavailable"
        )
        assert await tx.complete(entry)
    return message_id


async def held(client: UkClient) -> str:
    body = simple_request()
    body["persons"].append({**body["persons"][0], "role": "minor"})
    body["persons"][1]["birth_date"] = {"precision": "day", "value": "1990-01-01"}
    return str((await client.post_raw(REQUESTS, json.dumps(body).encode())).json()["message_id"])


async def test_dead_letter_is_queued_again_as_the_same_message(gateway: Gateway, client: UkClient) -> None:
    """Replay keeps the message id, makes one row, tells webhooks and is audited with its reason."""
    message_id = await dead_letter(gateway, client)
    record = await operator.replay(gateway.exchange, message_id, **WHO)
    assert (record.status, record.code) == (MessageStatus.ACCEPTED, None)
    assert [row.message_id for row in await claim(gateway)] == [message_id]
    async with gateway.exchange.store.begin() as tx:
        entry = (await tx.audit_entries(subject=message_id))[-1]
        assert (entry.action, entry.actor) == ("message.replayed", WHO["actor"])
        assert entry.data["reason"] == WHO["reason"]
        assert f"{client.client_id}-hook" in await tx.backlog()


async def test_replay_twice_makes_one_row(gateway: Gateway, client: UkClient) -> None:
    """A second replay finds no dead letter any more: nothing can leave twice."""
    message_id = await dead_letter(gateway, client)
    await operator.replay(gateway.exchange, message_id, **WHO)
    with pytest.raises(Conflict):
        await operator.replay(gateway.exchange, message_id, **WHO)
    assert len(await claim(gateway)) == 1


async def test_dry_run_changes_nothing(gateway: Gateway, client: UkClient) -> None:
    """A dry run says what would be and leaves message, outbox and audit as they were."""
    message_id = await dead_letter(gateway, client)
    before, audit = await gateway.stored(), await gateway.count("audit")
    preview = await operator.replay(gateway.exchange, message_id, dry_run=True, **WHO)
    assert preview.status is MessageStatus.ACCEPTED
    assert (await gateway.stored(), await gateway.count("audit")) == (before, audit)
    assert (await client.message(message_id))["status"] == "failed"


async def test_delivered_message_is_not_replayed(gateway: Gateway, client: UkClient) -> None:
    """What has its receipt never leaves again."""
    message_id = (await client.send(REQUESTS, simple_request())).message_id
    async with gateway.exchange.store.begin() as tx:
        await tx.update_message(message_id, at=gateway.clock.now(), status=MessageStatus.DELIVERED)
    for action in (operator.replay, operator.release):
        with pytest.raises(Conflict):
            await action(gateway.exchange, message_id, **WHO)


async def test_waiting_message_is_cancelled(gateway: Gateway, client: UkClient) -> None:
    """Cancelling takes the row out of the outbox; a second time there is nothing to cancel."""
    message_id = (await client.send(REQUESTS, simple_request())).message_id
    record = await operator.cancel(gateway.exchange, message_id, **WHO)
    assert (record.status, record.code) == (MessageStatus.CANCELLED, "cancelled_by_operator")
    assert await claim(gateway) == ()
    with pytest.raises(Conflict):
        await operator.cancel(gateway.exchange, message_id, **WHO)


async def test_message_under_way_is_not_cancelled(gateway: Gateway, client: UkClient) -> None:
    """A row that a worker holds may be on the wire already."""
    message_id = (await client.send(REQUESTS, simple_request())).message_id
    assert len(await claim(gateway)) == 1
    with pytest.raises(Conflict):
        await operator.cancel(gateway.exchange, message_id, **WHO)


async def test_held_message_is_released_or_cancelled(gateway: Gateway, client: UkClient) -> None:
    """An operator lets one held message go and stops another."""
    first, second = await held(client), await held(client)
    released = await operator.release(gateway.exchange, first, **WHO)
    assert released.status is MessageStatus.ACCEPTED
    assert [row.message_id for row in await claim(gateway)] == [first]
    stopped = await operator.cancel(gateway.exchange, second, **WHO)
    assert stopped.status is MessageStatus.CANCELLED


async def test_message_held_after_withdrawal_is_not_released(gateway: Gateway, client: UkClient) -> None:
    """A withdrawal cancels what is held for its case: it can never be let go afterwards."""
    message_id = await held(client)
    reference = (await client.message(message_id))["reference"]
    body = {"type": "Withdrawal", "reason": "litigation", "at": "2026-11-18T09:00:00Z"}
    await client.send(f"{REQUESTS}/{reference}/withdrawals", body)
    with pytest.raises(Conflict):
        await operator.release(gateway.exchange, message_id, **WHO)
    assert (await client.message(message_id))["status"] == "cancelled"


async def test_what_is_not_ours_to_move(gateway: Gateway, client: UkClient) -> None:
    """Unknown messages, messages from France and empty reasons are refused."""
    with pytest.raises(NotFound):
        await operator.replay(gateway.exchange, gateway.clock.new_id(), **WHO)
    receipt = await client.send(REQUESTS, simple_request())
    body = {"type": "StatusUpdate", "code": "absconded", "since": "2026-11-18T09:00:00Z"}
    inbound = await gateway.from_france(body, reference=receipt.reference, in_reply_to=None)
    assert (await client.message(inbound))["direction"] == Direction.FR_TO_UK
    with pytest.raises(Conflict):
        await operator.cancel(gateway.exchange, inbound, **WHO)
    with pytest.raises(InvalidParameter):
        await operator.cancel(gateway.exchange, receipt.message_id, actor="x", reason=" ")


async def test_a_reason_that_names_the_person_is_refused(gateway: Gateway, client: UkClient) -> None:
    """It would stand in the audit log for ever: refused, nothing is done and nothing written."""
    message_id = await dead_letter(gateway, client)
    name = simple_request()["persons"][0]["name"]["given_names"]
    for reason in (f"{name} must not wait", f"again: {name.upper()}"):
        for act in (operator.replay, operator.cancel):
            with pytest.raises(InvalidParameter):
                await act(gateway.exchange, message_id, actor="operator:test", reason=reason)
    async with gateway.exchange.store.begin(read_only=True) as tx:
        assert not [e for e in await tx.audit_entries(subject=message_id) if "reason" in e.data]
