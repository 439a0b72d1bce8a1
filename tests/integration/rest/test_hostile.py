"""Hostile requests cost bounded time and memory and are answered (promise 7)."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.core.jws import sign_detached
from gateway.flows.exchange import Limits
from gateway.uk_client import UkClient
from tests.fixtures.uk_gateway import Gateway, example_body, running_gateway

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
    async with small.client() as client:
        headers = await headers_for(client, small, "application/json")
        bomb = gzip.compress(b" " * 50_000_000)
        answer = await client.request(
            "POST", REQUESTS, headers={**headers, "Content-Encoding": "gzip"}, data=bomb
        )
        assert (answer.status, answer.json()["code"]) == (415, "unsupported_media_type")


VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e308, 10**30),
    *("", "x" * 600, "\ud800", "\x00", "2026-02-30"),
    *([], {}, [[]]),
)
EXAMPLES = (
    (REQUESTS, "ReadmissionRequest-mononym"),
    ("/v1/nominations", "Nomination-mononym"),
    (f"{REQUESTS}/GB01-0123456789AB/transfer-notices", "TransferNotice"),
    (f"{REQUESTS}/GB01-0123456789AB/corrections", "Correction"),
    ("/v1/nominations/GB02-0123456789AB/outcomes", "NominationOutcome"),
)


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [place for key in keys for place in [(node, key), *places(node[key])]]


def mutated(body: dict[str, Any], chance: random.Random) -> bytes:
    """The body with one to three values replaced, removed or bytes flipped."""
    body = json.loads(json.dumps(body))
    for _ in range(chance.randint(1, 3)):
        container, key = chance.choice(places(body))
        if chance.random() < 0.3:
            del container[key]
        else:
            container[key] = chance.choice(VALUES)
    raw = bytearray(json.dumps(body).encode())
    if chance.random() < 0.2:
        raw[chance.randrange(len(raw))] ^= chance.randint(1, 255)
    return bytes(raw)


@pytest.mark.parametrize(("path", "name"), EXAMPLES)
async def test_mutated_bodies_never_cause_an_internal_error(
    tmp_path: Path, sqlite_template: Path, path: str, name: str
) -> None:
    """Whatever a signed body says, it is accepted or refused with a code: never 500 (style.md 9)."""
    chance = random.Random(name)
    async with running_gateway(tmp_path, sqlite_template) as gateway, gateway.client() as client:
        body = example_body(name)
        for number in range(120):
            answer = await client.post_raw(path, mutated(body, chance))
            assert answer.status in {202, 400, 404, 409, 422}, (number, answer.body)
