"""Traces: one per message, over processes, retries and hours, received by a real OTLP/HTTP receiver."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from gateway.core import trace as names
from gateway.tracing import ATTRIBUTES
from tests.fixtures.otlp import Receiver, Span, otlp_receiver
from tests.fixtures.world import World, make_world, parts_of, readmission_request, until

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
pytestmark = pytest.mark.asyncio


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with otlp_receiver() as found:
        yield found


@pytest.fixture
def world(receiver: Receiver) -> Iterator[World]:
    with make_world(settings={"tracing": {"endpoint": receiver.url}}) as made:
        yield made


def one(spans: list[Span], name: str) -> Span:
    (found,) = [s for s in spans if s.name == name]
    return found


async def _send(
    world: World, *, traceparent: str | None = None, service: str = "DGEF"
) -> tuple[str, str, str]:
    """Posts a request; returns message id, reference and the answer's traceparent."""
    body = readmission_request(service)
    async with world.client() as client:
        answer = await client.post_raw(
            "/v1/readmission-requests",
            json.dumps(body).encode(),
            attachments=parts_of(body),
            headers={"traceparent": traceparent} if traceparent else {},
        )
    assert answer.status == 202
    found = answer.json()
    return found["message_id"], found["reference"], answer.headers["traceparent"]


async def _delivered(world: World, message_id: str) -> None:
    async with world.client() as client:

        async def look() -> bool:
            found = (await client.get(f"/v1/messages/{message_id}")).json()
            return bool(found["receipt_verified"])

        await until(look, seconds=30, what="a verified receipt")


async def test_one_trace_from_post_to_receipt_over_a_restart(world: World, receiver: Receiver) -> None:
    """The trace id is the message id; attempts of two processes, before and after a restart, join it."""
    world.control(down={"seconds": 60})
    message_id, _, parent = await _send(world, traceparent=CALLER)
    trace = message_id.replace("-", "")
    assert parent == f"00-{trace}-{names.span_id(message_id)}-01"
    await until(lambda: any(s.error for s in receiver.of(trace)), seconds=30, what="a failed attempt")
    assert world.stop_gateway() == 0  # what is left is sent when it stops
    world.control(down={"seconds": 0})
    world.start_gateway()
    await _delivered(world, message_id)
    await until(lambda: any(s.name == "receipt" for s in receiver.of(trace)), seconds=30, what="receipt")
    spans = receiver.of(trace)
    root = one(spans, "POST /v1/readmission-requests")
    assert root.parent_id == ""
    assert root.span_id == names.span_id(message_id)
    assert root.attributes["passerelle.message_id"] == message_id
    assert root.attributes["http.response.status_code"] == 202
    assert root.links == ((CALLER.split("-")[1], CALLER.split("-")[2]),)
    stored = one(spans, "store")
    assert stored.parent_id == root.span_id
    assert root.start <= stored.start <= stored.end <= root.end
    attempts = [s for s in spans if s.name == "as4 attempt"]
    assert len(attempts) >= 2
    assert {s.parent_id for s in attempts} == {root.span_id}
    last = max(attempts, key=lambda s: s.end)
    assert (last.error, last.attributes["passerelle.outcome"]) == (False, "delivered")
    assert all(s.error and s.attributes["passerelle.code"] for s in attempts if s is not last)
    receipt = one(spans, "receipt")
    assert receipt.parent_id == last.span_id
    assert receipt.attributes["passerelle.receipt_seconds"] > 0


async def test_the_callers_own_trace_leads_to_ours(world: World, receiver: Receiver) -> None:
    """A sampled caller gets a server span below its own, with a link to the trace of the message."""
    message_id, _, _ = await _send(world, traceparent=CALLER)
    theirs = CALLER.split("-")[1]
    await until(lambda: receiver.of(theirs), seconds=30, what="a span in the caller's trace")
    (span,) = receiver.of(theirs)
    assert span.parent_id == CALLER.split("-")[2]
    assert span.links == ((message_id.replace("-", ""), names.span_id(message_id)),)


async def test_messages_from_france_have_traces_too(world: World, receiver: Receiver) -> None:
    """What France sends back is received in a trace of its own message id."""
    _, reference, _ = await _send(world)
    sent = await until(lambda: world.sent_by_ministry(reference), seconds=30, what="an answer")
    trace = sent[0]["message_id"].replace("-", "")
    await until(lambda: receiver.of(trace), seconds=30, what="its span")
    span = receiver.of(trace)[0]
    assert span.name.startswith("receive ")
    assert span.attributes["passerelle.direction"] == "FR_TO_UK"


async def test_no_personal_data_in_any_span(world: World, receiver: Receiver) -> None:
    """Attributes are those of the list, and nothing of the content is in what was sent."""
    message_id, _, _ = await _send(world)
    await _delivered(world, message_id)
    await until(lambda: any(s.name == "receipt" for s in receiver.spans), seconds=30, what="receipt")
    assert {name for s in receiver.spans for name in s.attributes} <= ATTRIBUTES
    person = readmission_request()["persons"][0]
    values = [person["name"]["family_name"], person["name"]["given_names"]] if "name" in person else []
    values += [d["number"] for d in person.get("documents", [])]
    values = [v for v in values if v]
    assert values
    for body in receiver.bodies:
        assert not [v for v in values if v.encode() in body]
