"""Webhooks against a real HTTP target on loopback: signature, thin body, retries, 410, private targets."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.records import Channel, MessageStatus, OutboxEntry
from gateway.flows import operator
from gateway.flows.webhook_post import WebhookDecision
from gateway.flows.webhook_targets import resolved_address_allowed
from gateway.flows.webhooks import WebhookSender, deliver_webhook
from gateway.transport.http import HttpTransport
from gateway.uk_client import UkClient
from tests.fixtures.alerting import Hook, hook_server
from tests.fixtures.uk_gateway import CLIENT, ISSUER, Gateway, simple_request

REQUESTS = "/v1/readmission-requests"
HOOK = f"{CLIENT}-hook"


@pytest.fixture
async def target() -> AsyncIterator[Hook]:
    """A client's endpoint that remembers what it got and answers as told."""
    async with hook_server() as made:
        yield made


@contextlib.asynccontextmanager
async def sending(gateway: Gateway, target: Hook, *, guarded: bool = False) -> AsyncIterator[WebhookSender]:
    registered = gateway.exchange.webhooks[0]
    async with HttpTransport(
        clock=gateway.clock,
        tls=ssl.create_default_context(),
        total_timeout_s=5,
        allowed_address=resolved_address_allowed if guarded else None,
    ) as transport:
        yield WebhookSender(
            store=gateway.exchange.store,
            transport=transport,
            clock=gateway.clock,
            targets={HOOK: dataclasses.replace(registered, url=target.url)},
            key=Ed25519PrivateKey.generate(),
            issuer=ISSUER,
        )


async def claim(gateway: Gateway) -> tuple[OutboxEntry, ...]:
    async with gateway.exchange.store.begin() as tx:
        rows = await tx.claim_due(now=gateway.clock.now(), limit=10, lease=dt.timedelta(seconds=60))
    return tuple(row for row in rows if row.channel is Channel.WEBHOOK)


async def something_happens(gateway: Gateway, client: UkClient) -> str:
    """A status change that the client wants to hear of; returns the message id."""
    message_id = (await client.send(REQUESTS, simple_request())).message_id
    await operator.cancel(gateway.exchange, message_id, actor="operator:test", reason="test")
    return message_id


def verified(sender: WebhookSender, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The event, after the check that Standard Webhooks asks of every receiver."""
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1a"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    sender.key.public_key().verify(base64.b64decode(signature), signed)
    event: dict[str, Any] = json.loads(body)
    return event


async def test_status_change_is_told_thinly_and_signed(
    gateway: Gateway, client: UkClient, target: Hook
) -> None:
    """The target gets type, id and link with a signature that holds; nothing else, no content."""
    message_id = await something_happens(gateway, client)
    async with sending(gateway, target) as sender:
        (entry,) = await claim(gateway)
        outcome = await deliver_webhook(entry, sender)
        assert (outcome.decision, outcome.http_status) == (WebhookDecision.DONE, 204)
        headers, body = target.got[0]
        event = verified(sender, headers, body)
        with pytest.raises(InvalidSignature):
            verified(sender, headers, body + b" ")
    assert event["type"] == "passerelle.message.status.v1"
    assert event["subject"] == message_id
    assert event["data"] == {"message_id": message_id, "link": f"{ISSUER}/v1/messages/{message_id}"}
    assert headers["webhook-id"] == event["id"]
    assert set(event) == {
        "specversion",
        "id",
        "source",
        "type",
        "time",
        "subject",
        "datacontenttype",
        "data",
    }
    assert await gateway.count("outbox") == 0
    async with gateway.exchange.store.begin() as tx:
        attempts = await tx.attempts(message_id)
        assert [(a.channel, a.outcome, a.http_status) for a in attempts] == [
            (Channel.WEBHOOK, "delivered", 204)
        ]
        record = await tx.get_message(message_id)
        assert record is not None
        assert (record.attempts, record.status) == (0, MessageStatus.CANCELLED)


async def test_retry_keeps_id_and_body_and_renews_the_timestamp(
    gateway: Gateway, client: UkClient, target: Hook
) -> None:
    """After a 500 the same event comes again: same webhook-id and bytes, new timestamp and signature."""
    await something_happens(gateway, client)
    target.status = 500
    async with sending(gateway, target) as sender:
        (entry,) = await claim(gateway)
        first = await deliver_webhook(entry, sender)
        assert first.decision is WebhookDecision.RETRY
        assert first.next_due_at is not None
        gateway.clock.skip(dt.timedelta(minutes=1))
        target.status = 200
        (again,) = await claim(gateway)
        assert (await deliver_webhook(again, sender)).decision is WebhookDecision.DONE
        (one, body_one), (two, body_two) = target.got
        verified(sender, two, body_two)
    assert body_one == body_two
    assert one["webhook-id"] == two["webhook-id"]
    assert int(two["webhook-timestamp"]) > int(one["webhook-timestamp"])


@pytest.mark.parametrize("status", [429, 502, 504])
async def test_busy_target_is_given_time(
    gateway: Gateway, client: UkClient, target: Hook, status: int
) -> None:
    """429, 502 and 504 wait at least a minute, or as long as Retry-After says."""
    await something_happens(gateway, client)
    target.status, target.headers = status, {"Retry-After": "600"}
    async with sending(gateway, target) as sender:
        (entry,) = await claim(gateway)
        outcome = await deliver_webhook(entry, sender)
    assert outcome.decision is WebhookDecision.SLOW_DOWN
    assert outcome.next_due_at is not None
    assert outcome.next_due_at >= gateway.clock.now() + dt.timedelta(seconds=590)


async def test_gone_target_is_disabled(gateway: Gateway, client: UkClient, target: Hook) -> None:
    """After 410 the target hears nothing more; what is queued for it is dropped without a call."""
    await something_happens(gateway, client)
    target.status = 410
    async with sending(gateway, target) as sender:
        (entry,) = await claim(gateway)
        assert (await deliver_webhook(entry, sender)).decision is WebhookDecision.DISABLE
        await something_happens(gateway, client)
        (later,) = await claim(gateway)
        outcome = await deliver_webhook(later, sender)
    assert outcome.code == "webhook.disabled"
    assert len(target.got) == 1
    assert await gateway.count("outbox") == 0


async def test_target_that_is_down_is_retried(gateway: Gateway, client: UkClient, target: Hook) -> None:
    """No connection is a retry with the reason in the attempt history."""
    message_id = await something_happens(gateway, client)
    target.url = "http://127.0.0.1:1/in"
    async with sending(gateway, target) as sender:
        (entry,) = await claim(gateway)
        assert (await deliver_webhook(entry, sender)).decision is WebhookDecision.RETRY
    async with gateway.exchange.store.begin() as tx:
        assert [a.outcome for a in await tx.attempts(message_id)] == ["delivery.connection_failed"]


async def test_name_that_resolves_to_a_private_address_is_not_called(
    gateway: Gateway, client: UkClient, target: Hook
) -> None:
    """A public-looking name behind which loopback hides is refused when it is resolved (rebinding)."""
    await something_happens(gateway, client)
    target.url = target.url.replace("127.0.0.1", "localhost")
    async with sending(gateway, target, guarded=True) as sender:
        (entry,) = await claim(gateway)
        outcome = await deliver_webhook(entry, sender)
    assert outcome.decision is WebhookDecision.RETRY
    assert target.got == []


async def test_unregistered_target_is_dropped(gateway: Gateway, client: UkClient, target: Hook) -> None:
    """Rows of a webhook that is no longer registered end quietly; polling stays authoritative."""
    await something_happens(gateway, client)
    async with sending(gateway, target) as sender:
        (entry,) = await claim(gateway)
        outcome = await deliver_webhook(entry, dataclasses.replace(sender, targets={}))
    assert outcome.code == "webhook.unregistered"
    assert target.got == []
    assert await gateway.count("outbox") == 0


async def test_lost_lease_leaves_the_row_to_its_new_owner(
    gateway: Gateway, client: UkClient, target: Hook
) -> None:
    """When the lease ran out meanwhile, neither attempt nor row is touched."""
    message_id = await something_happens(gateway, client)
    async with sending(gateway, target) as sender:
        (entry,) = await claim(gateway)
        gateway.clock.skip(dt.timedelta(minutes=5))
        (_taken,) = await claim(gateway)
        outcome = await deliver_webhook(entry, sender)
    assert outcome.code == "webhook.lease_lost"
    assert await gateway.count("outbox") == 1
    async with gateway.exchange.store.begin() as tx:
        assert await tx.attempts(message_id) == ()


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("192.168.1.1", False),
        ("172.16.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 — an address to refuse
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("::ffff:127.0.0.1", False),
    ],
)
def test_public_addresses_only(address: str, allowed: bool) -> None:
    """Private, loopback, link-local, shared, multicast and mapped addresses are not called."""
    assert resolved_address_allowed(address) is allowed
