"""Hostile requests cost bounded time and memory and are answered (promise 7)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.core.jws import sign_detached
from gateway.flows.exchange import Limits
from gateway.uk_client import UkClient
from tests.fixtures.uk_gateway import Gateway, running_gateway

REQUESTS = "/v1/readmission-requests"
SMALL = Limits(message_bytes=10_000, attachments_bytes=20_000, read_seconds=0.5)


async def headers_for(client: UkClient, gateway: Gateway, kind: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {await client.token()}",
        "Idempotency-Key": "k",
        "Content-Type": kind,
        "x-jws-signature": sign_detached(b"{}", gateway.signer),
    }


@pytest.fixture
async def small(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path, sqlite_template, limits=SMALL) as running:
        yield running


PART = b'--x\r\nContent-Disposition: form-data; name="message"\r\nContent-Type: application/json\r\n\r\n'
STREAMS = {
    "endless preamble": (b"", b"never a boundary\r\n"),
    "endless message": (PART, b"x" * 1000),
    "endless part headers": (b"--x\r\n", b"X-More: more\r\n"),
    "endless parts": (PART + b"{}", b"\r\n" + PART),
    "one endless line": (b"", b"x" * 1000),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_endless_multipart_is_cut(small: Gateway, name: str) -> None:
    """A chunked multipart body without end is refused soon after its limit, wherever it does not end."""
    first, again = STREAMS[name]
    sent = 0

    async def stream() -> AsyncIterator[bytes]:
        nonlocal sent
        for chunk in itertools.chain([first], itertools.repeat(again, 200_000)):
            sent += len(chunk)
            yield chunk

    async with small.client() as client:
        headers = await headers_for(client, small, "multipart/form-data; boundary=x")
        status = 0
        try:
            status = (await client.request("POST", REQUESTS, headers=headers, data=stream())).status
        except Exception as exc:  # noqa: BLE001 — the server may close while we still send
            assert type(exc).__name__ == "ConnectionFailed"  # noqa: PT017 — either outcome is right
        assert status in {0, 400, 401, 413, 422}
        assert (await client.request("GET", "/livez")).status == 200
    assert set((await small.stored()).values()) == {0}


async def test_dribbling_sender_is_cut_off(small: Gateway) -> None:
    """A body that does not arrive in time is refused; the connection is not held for ever."""

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" "
            await asyncio.sleep(0.1)

    async with small.client() as client:
        headers = await headers_for(client, small, "application/json")
        started = asyncio.get_running_loop().time()
        answer = await client.request("POST", REQUESTS, headers=headers, data=stream())
        assert (answer.status, answer.json()["code"]) == (400, "malformed_body")
        assert asyncio.get_running_loop().time() - started < 3


async def test_compressed_body_is_not_unpacked(small: Gateway) -> None:
    """A compression bomb is refused by its header, before a byte of it is unpacked."""
    import gzip

    async with small.client() as client:
        headers = await headers_for(client, small, "application/json")
        bomb = gzip.compress(b" " * 50_000_000)
        answer = await client.request(
            "POST", REQUESTS, headers={**headers, "Content-Encoding": "gzip"}, data=bomb
        )
        assert (answer.status, answer.json()["code"]) == (415, "unsupported_media_type")
