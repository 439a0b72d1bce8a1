"""A large message is pulled: streamed from the store, the same octets each time, proven like any other."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.core.as4.content import whole
from gateway.core.as4.verified import VerifiedUserMessage
from gateway.core.records import Blob, MessageStatus
from gateway.web.as4 import make_as4_app
from tests.fixtures.agreements import PULLED_UK, UK_CHANNEL, agreement
from tests.fixtures.blobs import pieces
from tests.fixtures.ends import Ends, make_ends
from tests.fixtures.large import noise, part_of
from tests.fixtures.pulls import post, receipt_of, request

pytestmark = pytest.mark.as4(36)
SIZE = 3_000_000


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    async with make_ends(agreement=agreement(uk_to_fr=PULLED_UK)) as made:
        yield made


async def test_a_large_message_streams_into_the_response(ends: Ends) -> None:
    """Content-Length announced, every octet as sealed; again after the lease; its receipt delivers it."""
    blob = await ends.store.write_blob(pieces(noise(SIZE, 7)))
    assert isinstance(blob, Blob)
    message = await ends.open_case(attachments=(dataclasses.replace(part_of(b""), content=blob),))
    bodies: list[tuple[str, bytes]] = []
    client: TestClient[web.Request, web.Application]
    async with TestClient(TestServer(make_as4_app(ends.inbox, max_bytes=100_000))) as client:
        for _ in range(2):
            pull = request(ends)
            answer = await client.post("/as4", data=pull.body, headers={"Content-Type": pull.content_type})
            body = await answer.read()
            assert answer.status == 200
            assert int(answer.headers["Content-Length"]) == len(body) > SIZE
            bodies.append((answer.headers["Content-Type"], body))
            ends.clock.skip(ends.inbox.pull_lease.total_seconds() + 1)
    assert bodies[0] == bodies[1]
    verified = ends.french.open_pulled(*bodies[0], mpc=UK_CHANNEL, now=ends.clock.now())
    assert isinstance(verified, VerifiedUserMessage)
    assert whole(verified.payloads[1].content) == noise(SIZE, 7)
    assert (await post(ends, receipt_of(ends, verified))).status == 202
    record = await ends.record(message.message_id)
    assert (record.status, record.receipt_verified) == (MessageStatus.DELIVERED, True)
    assert (await ends.audit(message.message_id)).count("message.sealed") == 1
