"""The gateway's own AS4 listener and its calls: TLS versions, client certificates, IPv6 (as4.md 34)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.bootstrap import Instance, Running, serving
from gateway.clock import SystemClock
from gateway.config import SETTINGS_FILE, settings_text
from gateway.core.as4.verified import VerifiedReceipt
from gateway.core.errors import ConnectionFailed
from gateway.flows.access_point import AccessPoint
from gateway.sandbox.server import Ministry, make_as4_app
from gateway.sandbox.setup import make_ministry
from gateway.transport.http import HttpTransport
from gateway.transport.tls import client_context, server_context
from tests.fixtures.world import FAST, World, free_port, make_world, post, readmission_request, until

pytestmark = pytest.mark.as4(34)


@pytest.fixture
def world() -> Iterator[World]:
    with make_world(start=False) as made:
        yield made


@asynccontextmanager
async def listening(world: World, **as4: Any) -> AsyncIterator[Running]:
    """The gateway's own listeners, with these settings in [as4]."""
    values = {"uk_api": {"port": world.uk_port}, "as4": {"port": world.as4_port, **as4}}
    (world.uk / SETTINGS_FILE).write_text(settings_text(values))
    async with serving(Instance.load(world.uk), with_worker=False) as running:
        yield running


def caller(world: World, *, certificate_of: Path | None = None) -> ssl.SSLContext:
    """TLS of the ministry towards the gateway."""
    folder = certificate_of / "keys" if certificate_of else None
    return client_context(
        anchors=world.fr / "trust" / "uk" / "anchors",
        certificate=folder / "tls.crt.pem" if folder else None,
        key=folder / "tls.key.pem" if folder else None,
    )


def french(world: World) -> AccessPoint:
    transport = HttpTransport(clock=SystemClock(), tls=caller(world))
    ministry = make_ministry(world.fr, transport)
    ministry.memory.close()
    return ministry.access_point


async def pings(world: World, url: str, tls: ssl.SSLContext) -> None:
    """One ping of the ministry; its receipt is verified. Raises ConnectionFailed."""
    access_point, clock = french(world), SystemClock()
    message_id = clock.new_id()
    ping = access_point.ping(message_id=message_id, conversation_id="c", now=clock.now())
    async with HttpTransport(clock=clock, tls=tls) as transport:
        assert isinstance(ping.body, bytes)
        answer = await transport.post(url, content_type=ping.content_type, body=ping.body)
    signal = access_point.open_answer(answer.content_type, answer.body, now=clock.now())
    assert isinstance(signal, VerifiedReceipt)
    access_point.check_receipt(ping.envelope, signal, message_id=message_id)


async def handshake(url: str, tls: ssl.SSLContext) -> str | None:
    """The TLS version that a bare handshake agrees on. Raises ssl.SSLError, ConnectionError."""
    port = int(url.rsplit(":", 1)[1].split("/")[0])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost")
    version = writer.get_extra_info("ssl_object").version()
    writer.close()
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        await writer.wait_closed()
    return str(version)


async def test_plain_http_gets_no_answer(world: World) -> None:
    """Without any setting the listener speaks TLS: a plain request gets not one octet of HTTP, and says
    nothing about the gateway."""
    async with listening(world) as running:
        assert running.as4_url.startswith("https://")
        for line in (b"GET /as4 HTTP/1.1", b"POST /as4 HTTP/1.1"):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.as4_port)
            writer.write(line + b"\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in await asyncio.wait_for(reader.read(), 10)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.mark.parametrize(("version", "name"), [("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")])
async def test_tls_12_and_13_are_accepted(world: World, version: str, name: str) -> None:
    """A caller that speaks only one of them is served (TA39, TA40)."""
    tls = caller(world)
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion[version]
    async with listening(world) as running:
        assert await handshake(running.as4_url, tls) == name
        await pings(world, running.as4_url, tls)


async def test_the_newest_version_is_chosen(world: World) -> None:
    """Where both ends can, TLS 1.3 is spoken."""
    async with listening(world) as running:
        assert await handshake(running.as4_url, caller(world)) == "TLSv1.3"


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
async def test_older_versions_are_refused(world: World, version: str) -> None:
    """A caller with TLS 1.1 or 1.0 alone gets no connection (TA41)."""
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(next((world.fr / "trust" / "uk" / "anchors").glob("*.pem")))
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion[version]
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion[version]
    async with listening(world) as running:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await handshake(running.as4_url, old)
        await pings(world, running.as4_url, caller(world))  # the listener goes on


@pytest.mark.parametrize("asked", ["none", "optional", "required"])
@pytest.mark.parametrize("shown", ["nothing", "ours", "a stranger's"])
async def test_client_certificates(world: World, asked: str, shown: str) -> None:
    """Required: only a certificate of the anchors; optional: nothing or such a one; none: not asked (TA42,
    TA43)."""
    certificate_of = {"nothing": None, "ours": world.fr, "a stranger's": world.uk}[shown]
    tls = caller(world, certificate_of=certificate_of)
    works = asked == "none" or shown == "ours" or (asked == "optional" and shown == "nothing")
    async with listening(world, client_certificates=asked) as running:
        if works:
            await pings(world, running.as4_url, tls)
        else:
            with pytest.raises(ConnectionFailed):
                await pings(world, running.as4_url, tls)


def _ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.mark.skipif(not _ipv6(), reason="this machine has no IPv6 loopback")
async def test_a_case_over_ipv6_both_ways(world: World) -> None:
    """The gateway listens on ::1 and calls a ministry on ::1: a request is accepted, every leg with its
    receipt (TA46)."""
    french_port = free_port()
    values = {
        **{name: dict(section) for name, section in FAST.items()},
        "uk_api": {"port": world.uk_port},
        "as4": {"port": world.as4_port, "host": "::1"},
    }
    values["france"]["url"] = f"https://[::1]:{french_port}/as4"
    (world.uk / SETTINGS_FILE).write_text(settings_text(values))
    async with serving(Instance.load(world.uk)) as running, ministry_on_ipv6(world, french_port) as ministry:
        assert running.as4_url == f"https://[::1]:{world.as4_port}/as4"
        await pings(world, running.as4_url, caller(world))
        async with world.client() as client:
            sent = await post(client, "/v1/readmission-requests", readmission_request())

            async def accepted() -> bool:
                page = await client.get(f"/v1/readmission-requests/{sent.reference}")
                return bool(page.json()["status"] == "accepted")

            await until(accepted, what="France accepted over IPv6")
            assert (await client.message(sent.message_id))["receipt_verified"]
        await until(lambda: proven(ministry), what="the ministry verified our receipts")


def proven(ministry: Ministry) -> bool:
    sent = ministry.memory.status()["sent"]
    return len(sent) >= 2 and all(m["receipt_verified"] for m in sent)


@asynccontextmanager
async def ministry_on_ipv6(world: World, port: int) -> AsyncIterator[Ministry]:
    keys = world.fr / "keys"
    tls = server_context(certificate=keys / "tls.crt.pem", key=keys / "tls.key.pem")
    async with HttpTransport(clock=SystemClock(), tls=caller(world)) as transport:
        made = make_ministry(world.fr, transport)
        ministry = dataclasses.replace(made, gateway_url=f"https://[::1]:{world.as4_port}/as4")
        runner = web.AppRunner(make_as4_app(ministry))
        await runner.setup()
        await web.TCPSite(runner, "::1", port, ssl_context=tls).start()
        sending = asyncio.create_task(ministry.send_forever())
        try:
            yield ministry
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await ministry.drain()
            await runner.cleanup()
            ministry.memory.close()
