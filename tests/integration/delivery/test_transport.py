"""The HTTP client and the TLS contexts, against real servers on loopback."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway.clock import SystemClock
from gateway.core.errors import ConfigError, ConnectionFailed, PeerTimedOut, PeerUnavailable
from gateway.transport.http import HttpTransport, parse_retry_after
from gateway.transport.tls import client_context, server_context
from tests.fixtures.world import World, free_port, make_world

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module")
def folders() -> object:
    with make_world(start=False) as world:
        yield world


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def echo(request: web.Request) -> web.Response:
    body = await request.read()
    return web.Response(body=body, headers={"Content-Type": request.headers["Content-Type"]})


def keys(side: Path) -> tuple[Path, Path]:
    return side / "keys" / "tls.crt.pem", side / "keys" / "tls.key.pem"


def server(side: Path, **options: object) -> ssl.SSLContext:
    certificate, key = keys(side)
    return server_context(certificate=certificate, key=key, **options)  # type: ignore[arg-type]


def transport(world: World, **options: object) -> HttpTransport:
    tls = options.pop("tls", None) or client_context(anchors=world.uk / "trust" / "fr" / "anchors")
    return HttpTransport(clock=SystemClock(), tls=tls, **options)  # type: ignore[arg-type]


async def post(sender: HttpTransport, url: str, body: bytes = b"x") -> object:
    return await sender.post(url, content_type="application/soap+xml", body=body)


@pytest.mark.as4(34)
async def test_a_post_over_tls(folders: World) -> None:
    """Body and content type arrive as they are, over the partner's certificate."""
    async with serving(echo, server(folders.fr)) as url, transport(folders) as sender:
        answer = await sender.post(url, content_type='multipart/related; boundary="b"', body=b"\x00\r\n\xff")
    assert (answer.status, answer.body) == (200, b"\x00\r\n\xff")
    assert answer.content_type == 'multipart/related; boundary="b"'


async def test_connections_are_used_again(folders: World) -> None:
    """Two posts after one another come over one connection."""
    peers = []

    async def note(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        return web.Response()

    async with serving(note, server(folders.fr)) as url, transport(folders) as sender:
        await post(sender, url)
        await post(sender, url)
    assert peers[0] == peers[1]


async def test_an_untrusted_certificate(folders: World) -> None:
    """A server whose certificate is not of the partner's CA is not talked to."""
    async with serving(echo, server(folders.uk)) as url, transport(folders) as sender:
        with pytest.raises(ConnectionFailed, match="not trusted"):
            await post(sender, url)


@pytest.mark.as4(34)
async def test_old_tls_is_refused(folders: World) -> None:
    """A server that speaks TLS 1.1 at most gets no request (as4.md 34)."""
    old = server(folders.fr)
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving(echo, old) as url, transport(folders) as sender:
        with pytest.raises(ConnectionFailed):
            await post(sender, url)


@pytest.mark.as4(34)
@pytest.mark.parametrize(("minimum", "works"), [("1.2", True), ("1.3", False)])
async def test_minimum_version_is_in_force(folders: World, minimum: str, works: bool) -> None:
    """``tls.minimum`` decides on both ends whether a TLS 1.2 peer is served."""
    only_12 = client_context(anchors=folders.uk / "trust" / "fr" / "anchors")
    only_12.maximum_version = ssl.TLSVersion.TLSv1_2
    async with (
        serving(echo, server(folders.fr, minimum=minimum)) as url,
        transport(folders, tls=only_12) as sender,
    ):
        if works:
            await post(sender, url)
        else:
            with pytest.raises(ConnectionFailed):
                await post(sender, url)


@pytest.mark.as4(34)
@pytest.mark.parametrize(
    ("asked", "shown", "works"),
    [("none", False, True), ("optional", False, True), ("required", False, False), ("required", True, True)],
)
async def test_client_certificates(folders: World, asked: str, shown: bool, works: bool) -> None:
    """A listener that requires client certificates serves only those of its anchors."""
    anchors = folders.fr / "trust" / "uk" / "anchors"
    certificate, key = keys(folders.uk)
    tls = client_context(
        anchors=folders.uk / "trust" / "fr" / "anchors",
        certificate=certificate if shown else None,
        key=key if shown else None,
    )
    listener = server(folders.fr, client_certificates=asked, client_anchors=anchors)
    async with serving(echo, listener) as url, transport(folders, tls=tls) as sender:
        if works:
            await post(sender, url)
        else:
            with pytest.raises(ConnectionFailed):
                await post(sender, url)


async def test_nobody_listens(folders: World) -> None:
    """A refused connection is ConnectionFailed."""
    async with transport(folders) as sender:
        with pytest.raises(ConnectionFailed, match="no connection"):
            await post(sender, f"https://127.0.0.1:{free_port()}/")


async def test_a_connection_that_breaks(folders: World) -> None:
    """A reset in the middle of the answer is ConnectionFailed."""

    async def abort(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with serving(abort) as url, transport(folders) as sender:
        with pytest.raises(ConnectionFailed, match="broke"):
            await post(sender, url)


async def test_time_is_bounded(folders: World) -> None:
    """A server that never answers costs ``total_timeout_s``."""

    async def sleep(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with serving(sleep) as url, transport(folders, total_timeout_s=0.2) as sender:
        with pytest.raises(PeerTimedOut):
            await post(sender, url)


async def test_size_is_bounded(folders: World) -> None:
    """An answer above ``max_answer_bytes`` is not read to its end; one at the limit is."""

    async def big(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * int(await request.text()))

    async with serving(big) as url, transport(folders, max_answer_bytes=1000) as sender:
        await post(sender, url, b"1000")
        with pytest.raises(PeerUnavailable, match="larger"):
            await post(sender, url, b"1001")


async def test_redirects_are_not_followed(folders: World) -> None:
    """An answer cannot send a message elsewhere."""

    async def away(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "https://elsewhere.example/"})

    async with serving(away) as url, transport(folders) as sender:
        answer = await sender.post(url, content_type="text/plain", body=b"secret")
    assert answer.status == 307


async def test_addresses_that_may_not_be_called(folders: World) -> None:
    """A name that resolves to an address outside the allowed ones is not called."""
    async with (
        serving(echo) as url,
        transport(folders, allowed_address=lambda address: not address.startswith("127.")) as sender,
    ):
        with pytest.raises(ConnectionFailed):
            await post(sender, url.replace("127.0.0.1", "localhost"))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 120 ", 120),
        ("Mon, 23 Nov 2026 12:01:00 GMT", 60),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("-5", None),
        ("soon", None),
        ("9" * 12, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """Seconds and HTTP dates are understood, the past is now, the rest is ignored (RFC 9110 10.2.3)."""
    assert parse_retry_after(value, NOW) == seconds


def test_missing_files_are_configuration_errors(tmp_path: Path, folders: World) -> None:
    """A missing certificate or an empty anchor folder says what to put where."""
    with pytest.raises(ConfigError, match="matching PEM"):
        server_context(certificate=tmp_path / "a.pem", key=tmp_path / "b.pem")
    with pytest.raises(ConfigError, match="anchors there"):
        client_context(anchors=tmp_path)
    with pytest.raises(ConfigError, match="client_anchors"):
        server(folders.fr, client_certificates="required")
    (tmp_path / "x.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"x\.pem"):
        client_context(anchors=tmp_path)
