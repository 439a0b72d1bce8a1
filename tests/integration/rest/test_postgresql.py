"""The same promises on PostgreSQL, where two nodes share one database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.flows.ports import MessageFilter
from gateway.uk_client import UkClient
from gateway.web.rest.clients import make_registry
from tests.fixtures.databases import PostgresServer, postgres_server
from tests.fixtures.uk_gateway import (
    CLIENT,
    Gateway,
    client_of,
    es256,
    example_body,
    parts_for,
    running_gateway,
    simple_request,
)

__all__ = ["postgres_server"]
REQUESTS = "/v1/readmission-requests"
SIGNER = es256()


@pytest.fixture
async def nodes(
    tmp_path: Path,
    sqlite_template: Path,
    postgres_server: PostgresServer,
) -> AsyncIterator[tuple[Gateway, Gateway]]:
    url = postgres_server.new_database()
    registry = make_registry([client_of(SIGNER)])
    keys = (es256(), es256())
    async with (
        running_gateway(tmp_path, sqlite_template, registry=registry, url=url, keys=keys) as one,
        running_gateway(tmp_path, sqlite_template, registry=registry, url=url, keys=keys) as two,
    ):
        yield one, two
    postgres_server.drop(url)


async def stored(gateway: Gateway) -> list[str]:
    async with gateway.exchange.store.begin(read_only=True) as tx:
        return [m.message_id for m in (await tx.list_messages(MessageFilter())).items]


async def test_one_key_on_two_nodes_makes_one_message(nodes: tuple[Gateway, Gateway]) -> None:
    """Two nodes that get the same request at once store it once and give one answer."""
    one, two = nodes
    async with one.client(signer=SIGNER) as first, two.client(signer=SIGNER) as second:
        assert first.client_id == CLIENT
        body = json.dumps(simple_request()).encode()
        await asyncio.gather(first.token(), second.token())
        for number in range(5):
            answers = await asyncio.gather(
                first.post_raw(REQUESTS, body, key=f"k-{number}"),
                second.post_raw(REQUESTS, body, key=f"k-{number}"),
            )
            assert {a.status for a in answers} <= {202, 409}
            assert len({a.body for a in answers if a.status == 202}) == 1
    assert len(await stored(one)) == 5


async def test_one_assertion_on_two_nodes_gets_one_token(nodes: tuple[Gateway, Gateway]) -> None:
    """The jti is remembered by the database, not by a node."""
    one, two = nodes
    async with one.client(signer=SIGNER) as first, two.client(signer=SIGNER) as second:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": first.assertion(),
        }
        answers = [
            await first.request("POST", "/oauth/token", data=form),
            await second.request("POST", "/oauth/token", data=form),
        ]
        assert [a.status for a in answers] == [200, 401]


async def test_inbox_poll_wakes_for_a_message_stored_by_another_node(nodes: tuple[Gateway, Gateway]) -> None:
    """A long poll on one node ends when the other node stores a message from France."""
    one, two = nodes
    async with one.client(signer=SIGNER) as client:
        reference = (await client.send(REQUESTS, simple_request())).reference
        waiting = asyncio.create_task(client.inbox(wait=30))
        await asyncio.sleep(0.3)
        body = {"type": "StatusUpdate", "code": "absconded", "since": "2026-11-18T09:00:00Z"}
        inbound = await two.from_france(body, reference=reference, in_reply_to=None)
        page = await asyncio.wait_for(waiting, 10)
    assert [m["message_id"] for m in page["items"]] == [inbound]


async def test_parallel_messages_of_one_case_do_not_lose_a_status(nodes: tuple[Gateway, Gateway]) -> None:
    """Of an outcome and a second one at the same time on two nodes exactly one is accepted."""
    one, two = nodes
    async with one.client(signer=SIGNER) as first, two.client(signer=SIGNER) as second:
        nomination = example_body("Nomination")
        opened = await first.send("/v1/nominations", nomination, attachments=parts_for(nomination))
        outcome = {"type": "NominationOutcome", "outcome": "refused", "visa_valid_until": None}
        body = json.dumps({**outcome, "decided_at": "2026-11-18T09:00:00Z"}).encode()
        path = f"/v1/nominations/{opened.reference}/outcomes"

        async def post(client: UkClient) -> int:
            return (await client.post_raw(path, body)).status

        assert sorted(await asyncio.gather(post(first), post(second))) == [202, 409]
