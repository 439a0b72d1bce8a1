"""What the UK API refuses of large requests: when, with which code and where; and that nothing is left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.core.jws import sign_detached
from gateway.core.records import Blob, StoredAttachment
from gateway.flows.exchange import Limits
from gateway.uk_client import Answer, FilePart, UkClient
from tests.fixtures.large import announced, noise, noise_file, part_of
from tests.fixtures.uk_gateway import Gateway, running_gateway, simple_request
from tests.fixtures.world import until

REQUESTS = "/v1/readmission-requests"
LIMITS = Limits(
    attachment_bytes=2_000_000,
    attachments_bytes=3_000_000,
    attachments=3,
    read_seconds=0.5,
    least_rate=5_000_000,
)
LARGE = 1_500_000
HEAD = b'--x\r\nContent-Disposition: form-data; name="message"\r\nContent-Type: application/json\r\n\r\n'


@pytest.fixture
async def gateway(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path, sqlite_template, limits=LIMITS) as running:
        yield running


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[UkClient]:
    async with gateway.client() as made:
        yield made


def body_with(attachments: list[dict[str, Any]]) -> dict[str, Any]:
    return {**simple_request(), "attachments": attachments}


def sized(*sizes: int) -> list[dict[str, Any]]:
    """Announcements of so many octets each; nothing of them is ever sent."""
    entry = announced([part_of(b"")])[0]
    return [{**entry, "content_id": f"file-{n}", "size": size} for n, size in enumerate(sizes, start=1)]


async def nothing_left(gateway: Gateway) -> None:
    """No row of a message, and no blob: also not a moment later."""
    assert set((await gateway.stored()).values()) == {0}

    async def gone() -> bool:
        return [await gateway.count("blobs"), await gateway.count("blob_chunks")] == [0, 0]

    await until(gone, seconds=5, what="no blobs")


def places(answer: Answer) -> list[tuple[str, str]]:
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


async def headers_for(client: UkClient, gateway: Gateway, body: bytes) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {await client.token()}",
        "Idempotency-Key": client.clock.new_id(),
        "Content-Type": "multipart/form-data; boundary=x",
        "x-jws-signature": sign_detached(body, gateway.signer),
    }


def part_head(name: str = "file-1") -> bytes:
    return (
        f'\r\n--x\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: application/pdf\r\n\r\n'
    ).encode()


TOO_LARGE: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str]], str]] = {
    "one": (
        sized(10, 2_000_001),
        [("/attachments/1/size", "attachment_too_large")],
        "an attachment has at most 2000000 bytes",
    ),
    "all together": (
        sized(1_500_001, 1_500_000),
        [("/attachments", "attachments_too_large")],
        "all attachments together have at most 3000000 bytes",
    ),
    "count": (
        sized(1, 1, 1, 1),
        [("/attachments", "too_many_attachments")],
        "a message has at most 3 attachments",
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_what_is_announced_is_refused_before_it_comes(
    gateway: Gateway, client: UkClient, name: str
) -> None:
    """A message that announces too much is answered while its first attachment has hardly begun to arrive."""
    attachments, expected, reason = TOO_LARGE[name]
    body = json.dumps(body_with(attachments)).encode()
    sent = 0

    async def stream() -> AsyncIterator[bytes]:
        nonlocal sent
        yield HEAD + body + part_head()
        while True:  # aiohttp's reader finds the end of the message in what follows it
            await asyncio.sleep(0.02)
            sent += 1000
            yield noise(1000)

    headers = await headers_for(client, gateway, body)
    async with asyncio.timeout(5):
        answer = await client.request("POST", REQUESTS, headers=headers, data=stream())
    assert sent < 50_000
    assert (answer.status, answer.json()["code"]) == (413, "too_large")
    assert places(answer) == expected
    assert answer.json()["detail"] == reason
    await nothing_left(gateway)


@pytest.mark.parametrize("sent", [10, LARGE], ids=["a small one", "a large one"])
async def test_more_than_announced_is_refused_at_once(gateway: Gateway, client: UkClient, sent: int) -> None:
    """A part that goes on after its announced size is refused there, not at its end."""
    body = json.dumps(body_with(sized(sent))).encode()

    async def stream() -> AsyncIterator[bytes]:
        yield HEAD + body + part_head() + noise(sent)
        while True:  # without end
            yield noise(65_536)

    headers = await headers_for(client, gateway, body)
    async with asyncio.timeout(5):
        answer = await client.request("POST", REQUESTS, headers=headers, data=stream())
    assert (answer.status, answer.json()["code"]) == (422, "attachment_mismatch")
    assert places(answer) == [("/attachments/0/size", "attachment_size")]
    await nothing_left(gateway)


async def test_a_large_part_that_was_not_announced_is_refused_at_once(
    gateway: Gateway, client: UkClient
) -> None:
    """Nobody said that it would come: it may not be larger than what is kept in memory."""
    body = json.dumps(body_with([])).encode()

    async def stream() -> AsyncIterator[bytes]:
        yield HEAD + body + part_head("other")
        while True:
            yield noise(65_536)

    headers = await headers_for(client, gateway, body)
    async with asyncio.timeout(5):
        answer = await client.request("POST", REQUESTS, headers=headers, data=stream())
    assert (answer.status, answer.json()["code"]) == (422, "attachment_mismatch")
    assert places(answer) == [("/attachments", "attachment_not_announced")]
    await nothing_left(gateway)


Change = Callable[[StoredAttachment], StoredAttachment]
WRONG: dict[str, tuple[Change, str, str]] = {
    "other octets": (
        lambda p: part_of(noise(LARGE, 7)),
        "/attachments/0/sha256",
        "attachment_sha256",
    ),
    "too short": (
        lambda p: part_of(noise(LARGE - 1)),
        "/attachments/0/size",
        "attachment_size",
    ),
    "other name": (
        lambda p: part_of(noise(1000), "file-9"),
        "/attachments/0/content_id",
        "attachment_missing",
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_large_parts_must_be_those_announced(gateway: Gateway, client: UkClient, name: str) -> None:
    """Digest and size of a large part are those computed while it was stored; then it is dropped."""
    change, pointer, code = WRONG[name]
    right = part_of(noise(LARGE))
    body = json.dumps(body_with(announced([right]))).encode()
    answer = await client.post_raw(REQUESTS, body, attachments=[change(right)])
    assert (answer.status, answer.json()["code"]) == (422, "attachment_mismatch")
    assert (pointer, code) in places(answer)
    await nothing_left(gateway)


async def test_a_rule_that_refuses_drops_what_was_uploaded(gateway: Gateway, client: UkClient) -> None:
    """Everything came and is right, but the agreement refuses the message: its blob goes too."""
    part = part_of(noise(LARGE))
    body = body_with(announced([part]))
    body["attachments"][0]["purpose"] = "medical_certificate"
    answer = await client.post_raw(REQUESTS, json.dumps(body).encode(), attachments=[part])
    assert (answer.status, answer.json()["code"]) == (422, "rule_violation")
    await nothing_left(gateway)


async def test_too_slow_is_refused(gateway: Gateway, client: UkClient) -> None:
    """An attachment that arrives slower than the least rate is given up; the reason names both limits."""
    body = json.dumps(body_with(sized(LARGE))).encode()

    async def stream() -> AsyncIterator[bytes]:
        yield HEAD + body + part_head()
        for _ in range(60):
            yield noise(10_000)
            await asyncio.sleep(0.1)

    headers = await headers_for(client, gateway, body)
    started = asyncio.get_running_loop().time()
    answer = await client.request("POST", REQUESTS, headers=headers, data=stream())
    assert asyncio.get_running_loop().time() - started < 3
    assert (answer.status, answer.json()["code"]) == (400, "malformed_body")
    expected = "the body did not arrive within 0.5 s and then at 5e+06 bytes per second"
    assert answer.json()["detail"] == expected
    await nothing_left(gateway)


async def test_patience_grows_with_what_came(gateway: Gateway, client: UkClient) -> None:
    """A sender above the least rate may take longer than ``read_seconds`` alone: nothing is cut off."""
    part = part_of(noise(LARGE))
    body = json.dumps(body_with(announced([part]))).encode()
    assert isinstance(part.content, bytes)
    content = part.content

    async def stream() -> AsyncIterator[bytes]:
        yield HEAD + body + part_head()
        for begin in range(0, LARGE, 250_000):  # 6 waits of 0.1 s: 0.5 s + 1.5 MB / 5 MB/s are allowed
            yield content[begin : begin + 250_000]
            await asyncio.sleep(0.1)
        yield b"\r\n--x--\r\n"

    headers = await headers_for(client, gateway, body)
    answer = await client.request("POST", REQUESTS, headers=headers, data=stream())
    assert answer.status == 202, answer.body


async def raw(gateway: Gateway, head: dict[str, str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which the head of a POST was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.base.rsplit(":", 1)[1]))
    lines = [f"POST {REQUESTS} HTTP/1.1", "Host: 127.0.0.1", *(f"{k}: {v}" for k, v in head.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await writer.drain()
    return reader, writer


async def test_content_length_is_judged_before_the_body_is_asked_for(
    gateway: Gateway, client: UkClient
) -> None:
    """With ``Expect: 100-continue`` a request over the limit gets 413 and never ``100 Continue``."""
    headers = await headers_for(client, gateway, b"{}")
    head = {**headers, "Content-Length": "600000000", "Expect": "100-continue"}
    reader, writer = await raw(gateway, head)
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"correlation_id")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"detail":"the request is larger than 3327680 bytes"' in answer
    await nothing_left(gateway)


async def test_a_client_that_sends_a_file_reads_the_refusal(
    gateway: Gateway, client: UkClient, tmp_path: Path
) -> None:
    """Refused by its length while 30 MB are on their way: the client gets the problem, not a broken line."""
    part = noise_file(tmp_path / "file", 30_000_000)
    body = json.dumps(body_with(announced([part]))).encode()
    async with asyncio.timeout(10):
        answer = await client.post_raw(REQUESTS, body, attachments=[part])
    assert (answer.status, answer.json()["code"]) == (413, "too_large")
    assert answer.json()["detail"] == "the request is larger than 3327680 bytes"
    await nothing_left(gateway)


@pytest.mark.parametrize("wrong", ["token", "key"])
async def test_what_needs_no_body_is_judged_before_it(gateway: Gateway, client: UkClient, wrong: str) -> None:
    """A missing token or Idempotency-Key is refused without ``100 Continue`` too."""
    head = await headers_for(client, gateway, b"{}")
    del head["Authorization" if wrong == "token" else "Idempotency-Key"]
    reader, writer = await raw(gateway, {**head, "Content-Length": "1000", "Expect": "100-continue"})
    async with asyncio.timeout(5):
        line = await reader.readline()
    writer.close()
    assert line.split()[1] == (b"401" if wrong == "token" else b"400")


async def test_a_body_within_the_limits_is_asked_for(gateway: Gateway, client: UkClient) -> None:
    """``100 Continue`` comes once nothing speaks against reading, and the message is accepted."""
    part = part_of(noise(LARGE))
    assert isinstance(part.content, bytes)
    body = json.dumps(body_with(announced([part]))).encode()
    whole = HEAD + body + part_head() + part.content + b"\r\n--x--\r\n"
    head = await headers_for(client, gateway, body)
    reader, writer = await raw(gateway, {**head, "Content-Length": str(len(whole)), "Expect": "100-continue"})
    async with asyncio.timeout(10):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(whole)
        assert (await reader.readline()).startswith(b"HTTP/1.1 202 ")
    writer.close()


async def test_an_upload_that_breaks_off_leaves_nothing(gateway: Gateway, client: UkClient) -> None:
    """The connection breaks in the middle of a large part: what was stored of it is removed."""
    body = json.dumps(body_with(sized(2_000_000))).encode()
    head = await headers_for(client, gateway, body)
    _, writer = await raw(gateway, {**head, "Content-Length": "2500000"})
    writer.write(HEAD + body + part_head() + noise(1_990_000))
    await writer.drain()

    async def begun() -> bool:
        return await gateway.count("blobs") > 0

    await until(begun, seconds=5, what="a blob that is being written")
    writer.close()
    await nothing_left(gateway)


async def test_large_attachments_are_kept_as_they_came(
    gateway: Gateway, client: UkClient, tmp_path: Path
) -> None:
    """Sent from a file, stored as a blob with its own digest, read back the same; small ones stay bytes.
    The same request again gets the first answer, and what it uploaded is dropped."""
    large = noise_file(tmp_path / "large", LARGE)
    parts: list[FilePart | StoredAttachment] = [part_of(b"small", "file-2"), large]
    body = json.dumps(body_with(announced([large, parts[0]]))).encode()
    first = await client.post_raw(REQUESTS, body, attachments=parts, key="k")
    assert first.status == 202, first.body
    store = gateway.exchange.store
    async with store.begin(read_only=True) as tx:
        one, two = await tx.attachments(first.json()["message_id"])
    assert isinstance(one.content, Blob)
    assert (one.size, one.sha256) == (LARGE, large.sha256)
    assert b"".join([c async for c in store.read_blob(one.content)]) == large.path.read_bytes()
    assert two.content == b"small"
    again = await client.post_raw(REQUESTS, body, attachments=parts, key="k")
    assert (again.status, again.body) == (202, first.body)
    assert await gateway.count("blobs") == 1
    other = await client.post_raw(REQUESTS, body, attachments=[parts[0], part_of(noise(LARGE, 1))], key="k")
    assert (other.status, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await gateway.count("blobs") == 1
