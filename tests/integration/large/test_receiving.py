"""Large bodies that come in: at our AS4 endpoint, and at the ministry, which checks what it acknowledges."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import io
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from adapters.fr import FrAdapter
from contracts.codes import CaseKind, MessageType
from gateway.core.as4.message import SealedMessage
from gateway.core.as4.verified import Verified, VerifiedError, VerifiedReceipt
from gateway.core.records import StoredAttachment
from gateway.flows.access_point import AccessPoint
from gateway.flows.ports import HttpAnswer
from gateway.instance import Instance
from gateway.transport.http import HttpTransport
from gateway.transport.tls import client_context
from gateway.web.as4 import make_as4_app
from tests.fixtures.ends import Ends
from tests.fixtures.large import announced, noise, part_of, request_with
from tests.fixtures.world import World, make_world

LIMIT = 4_000_000
THREADS: list[str] = []


class Seen(AccessPoint):
    """An access point that notes in which thread it opens what came."""

    def open_posted(self, content_type: str, body: Any, **values: Any) -> Verified:
        THREADS.append(threading.current_thread().name)
        return super().open_posted(content_type, body, **values)


@asynccontextmanager
async def endpoint(ends: Ends, **settings: Any) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """Our AS4 endpoint over HTTP."""
    fields = {f.name: getattr(ends.british, f.name) for f in dataclasses.fields(ends.british)}
    inbox = dataclasses.replace(ends.inbox, access_point=Seen(**fields))
    THREADS.clear()
    app = make_as4_app(inbox, max_bytes=LIMIT, **settings)
    async with TestClient(TestServer(app)) as client:
        yield client


def with_attachment(ends: Ends, size: int) -> SealedMessage:
    """What France may not send: a decision with an attachment."""
    return ends.french.unsafe_seal_bytes(
        MessageType.READMISSION_DECISION,
        ends.clock.new_id(),
        ends.clock.new_id(),
        b"<Decision/>",
        [part_of(noise(size))],
        now=ends.clock.now(),
        ref_to=None,
    )


def codes_of(ends: Ends, content_type: str, body: bytes) -> list[str]:
    opened = ends.french.open_answer(content_type, body, now=ends.clock.now())
    assert isinstance(opened, VerifiedError)
    return [error.code for error in opened.errors]


@pytest.mark.parametrize(("size", "thread"), [(1000, "MainThread"), (3_000_000, "large_")])
async def test_an_attachment_from_france_is_refused(ends: Ends, size: int, thread: str) -> None:
    """Art 16: refused with a signed error, and an incident; a large body is opened beside the event loop."""
    sealed = with_attachment(ends, size)
    assert isinstance(sealed.body, bytes)
    async with endpoint(ends) as client:
        answer = await client.post(
            "/as4", data=io.BytesIO(sealed.body), headers={"Content-Type": sealed.content_type}
        )
        assert answer.status == 200
        assert codes_of(ends, answer.headers["Content-Type"], await answer.read()) == ["EBMS:0004"]
    assert [name.startswith(thread) for name in THREADS] == [True]
    async with ends.store.begin(read_only=True) as tx:
        actions = [entry.action for entry in await tx.audit_entries()]
    assert actions == ["privacy.incident"]


async def test_a_large_body_that_was_changed_is_refused(ends: Ends) -> None:
    """One octet of the ciphertext: refused as a small one is, whichever way it is read."""
    sealed = with_attachment(ends, 3_000_000)
    assert isinstance(sealed.body, bytes)
    changed = bytearray(sealed.body)
    changed[-200_000] ^= 1
    async with endpoint(ends) as client:
        answer = await client.post(
            "/as4", data=io.BytesIO(changed), headers={"Content-Type": sealed.content_type}
        )
        found = codes_of(ends, answer.headers["Content-Type"], await answer.read())
    assert found == ["EBMS:0102"]


async def test_the_length_is_judged_before_the_body_is_asked_for(ends: Ends) -> None:
    """With ``Expect: 100-continue`` a body over the limit gets 413 with a plain reason, never 100."""
    async with endpoint(ends) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        lines = ["POST /as4 HTTP/1.1", "Host: x", f"Content-Length: {LIMIT + 1}", "Expect: 100-continue"]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(5):
            found = await reader.readuntil(b"bytes.\n")
        writer.close()
    assert found.startswith(b"HTTP/1.1 413 ")
    assert found.endswith(b"The message is larger than 4000000 bytes.\n")
    assert THREADS == []


async def test_a_body_without_length_ends_at_the_limit(ends: Ends) -> None:
    """Chunked and without end: 413 as soon as the limit is passed, nothing is opened."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield noise(100_000)

    async with endpoint(ends) as client:
        async with asyncio.timeout(5):
            answer = await client.post("/as4", data=endless())
        assert (answer.status, await answer.text()) == (413, "The message is larger than 4000000 bytes.\n")
    assert THREADS == []


@pytest.mark.parametrize(("rate", "status"), [(20_000_000, 408), (1_000_000, 200)])
async def test_a_sender_is_judged_by_its_rate(ends: Ends, rate: int, status: int) -> None:
    """Of 2 MB in one second: too slow for 20 MB/s, and fast enough for 1 MB/s, after 0.2 s to begin with."""
    sealed = with_attachment(ends, 2_000_000)
    assert isinstance(sealed.body, bytes)
    body = sealed.body

    async def slowly() -> AsyncIterator[bytes]:
        for begin in range(0, len(body), 200_000):
            yield body[begin : begin + 200_000]
            await asyncio.sleep(0.08)

    async with endpoint(ends, read_timeout_s=0.2, least_rate=rate) as client:
        answer = await client.post("/as4", data=slowly(), headers={"Content-Type": sealed.content_type})
        assert answer.status == status


# ---- the ministry -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with make_world(start=False) as made:
        with (made.fr / "sandbox.toml").open("a") as file:
            file.write("max_bytes = 6_000_000\n")
        made.start_ministry()
        yield made
        print(made.log("ministry")[-2000:])


async def to_ministry(
    world: World, ends: Ends, says: StoredAttachment, sends: list[StoredAttachment]
) -> HttpAnswer:
    """Posts a request that announces ``says`` and carries ``sends``, sealed with the gateway's keys."""
    instance = Instance.load(world.uk)
    posted = {**request_with([]), "attachments": announced([says])}
    reference = ends.clock.new_reference(CaseKind.READMISSION, priority=False)
    message = ends.canonical(posted, reference, ends.clock.new_id())
    sealed = instance.make_access_point().seal(
        message, FrAdapter().from_canonical(message), sends, now=ends.clock.now(), ref_to=None
    )
    assert isinstance(sealed.body, bytes)
    tls = client_context(anchors=world.uk / "trust" / "fr" / "anchors")
    async with HttpTransport(clock=ends.clock, tls=tls) as transport:
        return await transport.post(
            f"https://127.0.0.1:{world.french_port}/as4", content_type=sealed.content_type, body=sealed.body
        )


RIGHT = part_of(noise(3_000_000))
WRONG = {
    "other octets": [part_of(noise(3_000_000, 1))],
    "one octet short": [part_of(noise(2_999_999))],
    "none": [],
    "one more": [RIGHT, part_of(b"more", "file-2")],
}


@pytest.mark.parametrize("name", WRONG)
async def test_the_ministry_acknowledges_only_what_was_announced(world: World, ends: Ends, name: str) -> None:
    """Attachments that are not those of the document are refused with a signed error, and not kept."""
    before = world.ministry_status()["received"]
    answer = await to_ministry(world, ends, RIGHT, WRONG[name])
    access_point = Instance.load(world.uk).make_access_point()
    opened = access_point.open_answer(answer.content_type, answer.body, now=ends.clock.now())
    assert isinstance(opened, VerifiedError)
    assert [error.code for error in opened.errors] == ["EBMS:0004"]
    assert world.ministry_status()["received"] == before
    folder = world.fr / "received"
    assert sorted(folder.iterdir() if folder.exists() else []) == []


async def test_what_is_larger_than_the_ministry_takes_is_refused(world: World, ends: Ends) -> None:
    """``max_bytes`` of the sandbox: HTTP 413."""
    part = part_of(noise(6_500_000))
    answer = await to_ministry(world, ends, part, [part])
    assert answer.status == 413


async def test_the_ministry_keeps_what_came(world: World, ends: Ends) -> None:
    """The file lies under its SHA-256, and the status shows digest and size, after the signed receipt."""
    answer = await to_ministry(world, ends, RIGHT, [RIGHT])
    access_point = Instance.load(world.uk).make_access_point()
    opened = access_point.open_answer(answer.content_type, answer.body, now=ends.clock.now())
    assert isinstance(opened, VerifiedReceipt)
    kept = world.fr / "received" / RIGHT.sha256
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == RIGHT.sha256
    (found,) = world.ministry_status()["received"]
    assert found["files"] == [{"sha256": RIGHT.sha256, "size": 3_000_000}]
