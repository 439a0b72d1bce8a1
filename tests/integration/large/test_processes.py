"""Large messages through real processes: UK client → gateway → (a relay that can stand still) → ministry."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.setup import register_client
from gateway.uk_client import UkClient
from tests.fixtures.large import (
    MEGABYTE,
    Peak,
    Relay,
    agreement_allowing,
    noise,
    noise_file,
    part_of,
    request_with,
)
from tests.fixtures.world import World, free_port, make_world, readmission_request, until, withdrawal

REQUESTS = "/v1/readmission-requests"
LIMIT = 60 * MEGABYTE
LARGE = 2 * MEGABYTE


@dataclasses.dataclass
class Line:
    world: World
    relay: Relay

    def received(self, message_id: str) -> list[dict[str, Any]]:
        return [m for m in self.world.ministry_status()["received"] if m["message_id"] == message_id]


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    port = free_port()
    settings = {
        "limits": {"attachment_bytes": LIMIT, "attachments_bytes": LIMIT},
        "france": {"url": f"https://127.0.0.1:{port}/as4"},
    }
    with make_world(settings=settings, agreement=agreement_allowing(LIMIT), start=False) as world:
        relay = Relay(port, world.french_port)
        register_client(world.uk, "cli")  # a second client, whose key the command line finds
        world.start_ministry()
        world.start_gateway()
        yield Line(world=world, relay=relay)
        relay.close()
        print(world.log("gateway")[-3000:], world.log("ministry")[-1000:])


@pytest.fixture(autouse=True)
def flowing(line: Line) -> Iterator[None]:
    yield
    line.relay.release()


async def delivered(client: UkClient, message_id: str, seconds: float = 60) -> dict[str, Any]:
    """The message once the ministry's receipt is verified."""

    async def look() -> dict[str, Any] | None:
        message: dict[str, Any] = await client.message(message_id)
        return message if message["receipt_verified"] else None

    found: dict[str, Any] = await until(look, seconds=seconds, what="verified receipt")
    return found


async def small(client: UkClient, number: int) -> str:
    body = readmission_request("DGEF-SILENCE", number=number)
    body["attachments"] = []
    for item in body["evidence"]:
        item["attachment"] = None
    return (await client.send(REQUESTS, body)).message_id


async def large(client: UkClient, number: int, size: int = LARGE) -> Any:
    part = part_of(noise(size, number))
    return await client.send(REQUESTS, request_with([part], number=number), attachments=[part])


@pytest.mark.as4(1)
async def test_forty_megabytes_arrive_in_constant_memory(line: Line, tmp_path: Path) -> None:
    """An attachment of 40 MB arrives with its digest and a verified receipt; neither process grows by as
    much as it is large."""
    world = line.world
    part = noise_file(tmp_path / "large.pdf", 40 * MEGABYTE)
    assert world.gateway is not None
    assert world.ministry is not None
    async with world.client() as client:
        for number in range(5):  # caches fill
            await delivered(client, await small(client, 1000 + number))
        with Peak(gateway=world.gateway.pid, ministry=world.ministry.pid) as peak:
            receipt = await client.send(REQUESTS, request_with([part], number=1), attachments=[part])
            await delivered(client, receipt.message_id)
    (arrived,) = line.received(receipt.message_id)
    assert arrived["files"] == [{"sha256": part.sha256, "size": 40 * MEGABYTE}]
    kept = world.fr / "received" / part.sha256
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == part.sha256
    assert peak.growth("gateway") < 35 * MEGABYTE, peak.most
    assert peak.growth("ministry") < 35 * MEGABYTE, peak.most


async def test_small_messages_pass_large_ones(line: Line) -> None:
    """Three large messages and thirty small ones at once: every small one is delivered while a large one
    stands still on the wire, and each large one, one at a time, after it goes on."""
    async with line.world.client() as client:
        line.relay.hold()
        many = [await large(client, 10 + n) for n in range(3)]
        await until(lambda: line.relay.held, what="a large message under way")
        ids = await asyncio.gather(*(small(client, 100 + n) for n in range(30)))
        for message_id in ids:
            await delivered(client, message_id)
        assert line.relay.held == 1
        assert not [m for r in many for m in line.received(r.message_id)]
        line.relay.release()
        for receipt in many:
            message = await delivered(client, receipt.message_id)
            assert message["attempts"] == 1
    assert all(len(line.received(r.message_id)) == 1 for r in many)


async def test_killed_in_the_middle_it_is_delivered_once(line: Line) -> None:
    """kill -9 while the body is on the wire: after the restart the message is delivered, once."""
    world = line.world
    async with world.client() as client:
        line.relay.hold()
        size = 16 * MEGABYTE  # more than the buffers of the sockets between hold
        receipt = await large(client, 20, size)
        await until(lambda: line.relay.held, what="the large message under way")
        await asyncio.to_thread(world.kill_gateway)
        line.relay.release()
        await asyncio.to_thread(world.start_gateway)
    async with world.client() as client:
        await delivered(client, receipt.message_id)
    (arrived,) = line.received(receipt.message_id)
    assert arrived["deliveries"] == 1
    assert arrived["files"][0]["size"] == size


async def test_withdrawals_overtake_large_messages(line: Line) -> None:
    """A withdrawal is delivered while the large message of its case is on the wire, and stops one that still
    waits for its place; the order within a case stays."""
    async with line.world.client() as client:
        line.relay.hold()
        first = await large(client, 30)
        await until(lambda: line.relay.held, what="the large message under way")
        waiting = await large(client, 31)
        for receipt in (first, waiting):
            withdrawn = await client.send(f"{REQUESTS}/{receipt.reference}/withdrawals", withdrawal())
            await delivered(client, withdrawn.message_id)
        assert not line.received(first.message_id)
        line.relay.release()
        await delivered(client, first.message_id)

        async def cancelled() -> bool:  # at once, or, if it was just asking for a place, when it asks again
            message = await client.message(waiting.message_id)
            return (message["status"], message["code"]) == ("cancelled", "withdrawn")

        await until(cancelled, what="the waiting one is cancelled")
    assert not line.received(waiting.message_id)


async def test_the_command_line_sends_files(line: Line, tmp_path: Path) -> None:
    """``passerelle send BODY --attach NAME=FILE`` sends a large file as a registered client, and checks the
    receipt."""
    world = line.world
    part = noise_file(tmp_path / "scan.pdf", 3 * MEGABYTE, "scan-1")
    body = tmp_path / "body.json"
    body.write_text(json.dumps(request_with([part], number=40)), "utf-8")
    program = Path(sys.executable).parent / "passerelle"
    command = [program, "-C", world.uk, "send", body, "--client", "cli", "--json", "--attach"]
    done = await asyncio.to_thread(run, *command, f"scan-1={part.path}")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["receipt_verified"] is True
    await until(lambda: line.received(answer["message_id"]), seconds=30, what="arrival")
    (arrived,) = line.received(answer["message_id"])
    assert arrived["files"] == [{"sha256": part.sha256, "size": 3 * MEGABYTE}]


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
