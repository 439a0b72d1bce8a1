"""``POST /as4`` under noise that nobody vouches for: 429, a bounded audit, the partner unharmed."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import generate_latest

from gateway.flows.accept_fr import FrenchInbox
from gateway.flows.noise import NoiseGate, NoiseLimits
from gateway.web.as4 import make_as4_app
from gateway.web.health import Metrics
from tests.fixtures.ends import Ends, make_ends

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    async with make_ends() as made:
        yield made


@pytest.fixture
def inbox(ends: Ends) -> FrenchInbox:
    gate = NoiseGate(limits=NoiseLimits(per_second=0.1, burst=3, entries=2))
    return dataclasses.replace(ends.inbox, noise=gate)


@pytest.fixture
async def client(inbox: FrenchInbox) -> AsyncIterator[Client]:
    async with TestClient(TestServer(make_as4_app(inbox, max_bytes=100_000))) as made:
        yield made


async def refusals(ends: Ends) -> list[dict[str, object]]:
    async with ends.store.begin(read_only=True) as tx:
        return [dict(e.data) for e in await tx.audit_entries() if e.action == "message.refused"]


async def test_noise_is_answered_then_limited(ends: Ends, inbox: FrenchInbox, client: Client) -> None:
    """Three signed errors, then HTTP 429 with Retry-After and no body; two audit entries."""
    answers = [
        await client.post("/as4", data=b"<x/>", headers={"Content-Type": "text/xml"}) for _ in range(6)
    ]
    assert [a.status for a in answers] == [200, 200, 200, 429, 429, 429]
    assert "multipart" in answers[0].headers["Content-Type"] or "soap" in answers[0].headers["Content-Type"]
    assert await answers[-1].read() == b""
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 10
    assert len(await refusals(ends)) == 2
    assert (inbox.noise.refused, inbox.noise.limited, inbox.noise.unaudited) == (6, 3, 4)
    ends.clock.skip(61)
    await client.post("/as4", data=b"<x/>", headers={"Content-Type": "text/xml"})
    assert (await refusals(ends))[-1]["not_written_before"] == 4


@pytest.mark.as4(33)
async def test_what_the_partner_signed_is_never_limited(ends: Ends, client: Client) -> None:
    """From the very address that noise comes from, after its bucket is empty, signed messages are taken."""
    for _ in range(5):
        await client.post("/as4", data=b"noise")
    ping = ends.french.ping(message_id=ends.clock.new_id(), conversation_id="c", now=ends.clock.now())
    for _ in range(5):
        answer = await client.post("/as4", data=ping.body, headers={"Content-Type": ping.content_type})
        assert answer.status == 200
        signal = ends.french.open_answer(
            answer.headers["Content-Type"], await answer.read(), now=ends.clock.now()
        )
        assert signal.ref_to_message_id


async def test_the_counters_are_scraped() -> None:
    """Refused, limited and not audited: in the metrics, from the moment they are watched."""
    gate = NoiseGate(limits=NoiseLimits(per_second=1, burst=1, entries=1))
    metrics = Metrics()
    metrics.watch_noise(gate)
    gate.refused, gate.limited, gate.unaudited = 7, 5, 3
    text = generate_latest(metrics.registry).decode()
    name = "passerelle_as4_unauthenticated_refusals"
    assert f"{name}_total 7.0" in text
    assert f"{name}_limited_total 5.0" in text
    assert f"{name}_unaudited_total 3.0" in text
