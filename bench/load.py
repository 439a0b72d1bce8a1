"""The load: readmission requests signed beforehand and posted from here, counted in the gateway's database.

Receipts of the gateway are verified after the clock has stopped; deliveries are counted where the gateway
stores the verified receipt of the partner, so that counting costs the gateway nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import aiohttp

from bench.stage import CLIENT, Stage
from gateway.clock import SystemClock
from gateway.core.jws import sign_detached, verify_compact
from gateway.flows.uk_receipts import RECEIPT_TYPE
from gateway.uk_client import UkClient

PATH = "/v1/readmission-requests"
EXAMPLE = "uk/v1/examples/valid/ReadmissionRequest.json"
CONNECTIONS = 8
DELIVERY_SECONDS = 60.0
_DELIVERED = "SELECT count(*) FROM messages WHERE receipt_verified = 1"

Progress = Callable[[int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """One request, ready to go."""

    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """Latency in seconds, from the moment it was due (open loop) or sent (closed loop) to the last byte."""

    request: Signed
    seconds: float
    status: int
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Flood:
    """A closed loop of ``CONNECTIONS`` clients. CPU in seconds, memory in bytes."""

    messages: int
    accepted_s: float
    delivered_s: float
    gateway_cpu: float
    ministry_cpu: float
    gateway_rss: int


def example(now: dt.datetime, number: int) -> dict[str, Any]:
    """The contract's published example as a new request of today, without its attachments."""
    text = resources.files("contracts").joinpath(EXAMPLE).read_text("utf-8")
    body: dict[str, Any] = json.loads(text)["body"]
    days = [(now - dt.timedelta(days=n)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in (5, 1)]
    body["arrival"]["at"], body["claim"]["decided_at"] = days
    body["home_office_reference"] = f"K{number:07d}"
    body["evidence"][0]["attachment"] = None
    body["attachments"] = []
    return body


async def sign(count: int, client: UkClient, stage: Stage) -> list[Signed]:
    """``count`` different requests, each with its own Idempotency-Key."""
    clock = SystemClock()
    token = await client.token()
    found = []
    for number in range(count):
        body = json.dumps(example(clock.now(), number), ensure_ascii=False).encode()
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f'"{clock.new_id()}"',
            "x-jws-signature": sign_detached(body, stage.signer),
        }
        found.append(Signed(body=body, headers=headers))
    return found


def _cpu(process: Any) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class Load:
    """Posts to one stage; use as an async context manager."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._stack = contextlib.AsyncExitStack()
        self._database = self._stack.enter_context(
            contextlib.closing(sqlite3.connect(f"file:{stage.database}?mode=ro", uri=True))
        )

    async def __aenter__(self) -> Load:
        connector = aiohttp.TCPConnector(ssl=self._stage.tls, limit=64)
        self.client = await self._stack.enter_async_context(
            UkClient(
                self._stage.url,
                client_id=CLIENT,
                signer=self._stage.signer,
                clock=SystemClock(),
                connector=connector,
            )
        )
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._stage.tls, limit=64))
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def delivered(self) -> int:
        """Messages whose receipt the gateway has verified and stored."""
        return int(self._database.execute(_DELIVERED).fetchone()[0])

    async def post(self, request: Signed, due: float | None = None) -> Answered:
        start = time.perf_counter() if due is None else due
        async with self._session.post(
            self._stage.url + PATH, data=request.body, headers=request.headers
        ) as answer:
            body = await answer.read()
        return Answered(request=request, seconds=time.perf_counter() - start, status=answer.status, body=body)

    async def wait_delivered(self, count: int, progress: Progress) -> None:
        """Raises TimeoutError when they do not all get through."""
        async with asyncio.timeout(DELIVERY_SECONDS):
            while (found := self.delivered()) < count:
                progress(found)
                await asyncio.sleep(0.02)

    async def check(self, answers: Sequence[Answered]) -> None:
        """Every answer is a 202 whose signed receipt is for the body sent. Raises RuntimeError."""
        keys = await self.client.keys()
        for answer in answers:
            if answer.status != 202:
                raise RuntimeError(f"HTTP {answer.status} under load: {answer.body[:500]!r}")
            claims = verify_compact(json.loads(answer.body)["receipt"], keys=keys, typ=RECEIPT_TYPE)
            if claims["body_sha256"] != hashlib.sha256(answer.request.body).hexdigest():
                raise RuntimeError("a receipt is not for the body that was sent")

    async def flood(self, requests: Sequence[Signed], progress: Progress) -> Flood:
        """Closed loop: each of ``CONNECTIONS`` clients posts its next request when it has its answer."""
        stage, before = self._stage, self.delivered()
        waiting, answers = iter(requests), list[Answered]()

        async def one_client() -> None:
            for request in waiting:
                answers.append(await self.post(request))
                progress(self.delivered() - before if len(answers) % 10 == 0 else 0)

        cpu, ministry_cpu, start = _cpu(stage.gateway), _cpu(stage.ministry), time.perf_counter()
        await asyncio.gather(*(one_client() for _ in range(CONNECTIONS)))
        accepted_s = time.perf_counter() - start
        await self.wait_delivered(before + len(requests), lambda found: progress(found - before))
        delivered_s = time.perf_counter() - start
        found = Flood(
            messages=len(requests),
            accepted_s=accepted_s,
            delivered_s=delivered_s,
            gateway_cpu=_cpu(stage.gateway) - cpu,
            ministry_cpu=_cpu(stage.ministry) - ministry_cpu,
            gateway_rss=stage.gateway.memory_info().rss,
        )
        await self.check(answers)
        return found

    async def steady(self, requests: Sequence[Signed], rate: float, progress: Progress) -> list[float]:
        """Open loop at ``rate`` per second, whatever comes back; latencies in seconds, sorted."""
        start = time.perf_counter() + 0.05
        tasks = []
        for number, request in enumerate(requests):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(self.post(request, due)))
            progress(number)
        answers = await asyncio.gather(*tasks)
        await self.check(answers)
        return sorted(answer.seconds for answer in answers)
