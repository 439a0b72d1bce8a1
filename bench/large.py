"""``python -m bench.large [--megabytes N] [--kind text]``: one large attachment end to end, from UK system to
ministry, while small messages keep coming: time, resident memory of both processes, and what the small ones
notice of it. Megabytes are 10^6 octets, of the attachment. Writes ``bench/results/large.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench.load import PATH, Load, example, sign
from bench.stage import Stage, cores, running, stay_on
from gateway.clock import SystemClock
from gateway.uk_client import FilePart
from tests.fixtures.large import MEDIA_TYPE, MEGABYTE, Peak, agreement_allowing, announced, noise

RESULTS = Path(__file__).parent / "results" / "large.json"
LIMIT = 600 * MEGABYTE
SMALL_RATE = 4.0
"""Small messages per second."""
BEFORE = 60
"""Small messages before the large one, after as many that warm up."""
_TIMES = "SELECT message_id, received_at, delivered_at FROM messages WHERE receipt_verified = 1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Small:
    """What small messages took, milliseconds: until their 202, and from there until France's receipt."""

    count: int
    accept_p50: float
    accept_p95: float
    delivery_p50: float
    delivery_p95: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """Seconds, megabytes."""

    megabytes: int
    kind: str
    accepted_s: float
    """From the first octet of the POST to the 202."""
    delivered_s: float
    """From the 202 to the stored receipt of the ministry."""
    gateway_idle: float
    gateway_peak: float
    ministry_idle: float
    ministry_peak: float
    before: Small
    during: Small
    load_average: float

    @property
    def rate(self) -> float:
        """Megabytes per second, end to end."""
        return self.megabytes / (self.accepted_s + self.delivered_s)


def write(path: Path, size: int, kind: str) -> FilePart:
    """Photographs, which gzip cannot shrink, or text, which it makes about four times smaller."""
    with path.open("wb") as file:
        for seed, begin in enumerate(range(0, size, MEGABYTE)):
            octets = noise(MEGABYTE // 8, seed).hex() * 4 if kind == "text" else noise(MEGABYTE, seed)
            chunk = octets.encode() if isinstance(octets, str) else octets
            file.write(chunk[: min(MEGABYTE, size - begin)])
    return FilePart(content_id="large", media_type=MEDIA_TYPE, path=path)


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def summary(accept: dict[str, float], stage: Stage) -> Small:
    """``accept``: message id → milliseconds; deliveries are read in the gateway's database."""
    with contextlib.closing(sqlite3.connect(f"file:{stage.database}?mode=ro", uri=True)) as database:
        rows = {row[0]: float(row[2] - row[1]) for row in database.execute(_TIMES)}
    delivery = [rows[message_id] for message_id in accept if message_id in rows]
    return Small(
        count=len(accept),
        accept_p50=statistics.median(accept.values()),
        accept_p95=quantile(list(accept.values()), 0.95),
        delivery_p50=statistics.median(delivery),
        delivery_p95=quantile(delivery, 0.95),
    )


async def trickle(load: Load, stage: Stage, *, count: int, until: asyncio.Event) -> dict[str, float]:
    """Small messages at ``SMALL_RATE`` (open loop), ``count`` or until the event; id → ms to the 202."""
    found: dict[str, float] = {}
    tasks: set[asyncio.Task[None]] = set()

    async def one() -> None:
        (request,) = await sign(1, load.client, stage)
        answered = await load.post(request, time.perf_counter())
        if answered.status != 202:
            raise RuntimeError(f"HTTP {answered.status}: {answered.body[:300]!r}")
        found[json.loads(answered.body)["message_id"]] = answered.seconds * 1000

    for _ in range(count):
        if until.is_set():
            break
        tasks.add(asyncio.create_task(one()))
        await asyncio.sleep(1 / SMALL_RATE)
    await asyncio.gather(*tasks)
    return found


async def delivered(load: Load, message_id: str) -> None:
    while not (await load.client.message(message_id))["receipt_verified"]:  # noqa: ASYNC110 — elsewhere
        await asyncio.sleep(0.2)


async def measure(folder: Path, megabytes: int, kind: str, console: Console) -> Result:
    """(1) warm up, (2) small ones alone, (3) the large one with small ones beside it."""
    part = await asyncio.to_thread(write, folder / "attachment", megabytes * MEGABYTE, kind)
    body: dict[str, Any] = example(SystemClock().now(), 9_000_000)
    body["attachments"] = await asyncio.to_thread(announced, [part])
    agreement = folder / "agreement.toml"
    agreement.write_text(agreement_allowing(LIMIT), "utf-8")
    changes = {
        "limits": {"attachment_bytes": LIMIT, "attachments_bytes": LIMIT},
        "as4": {"agreement": str(agreement)},
    }
    never, over = asyncio.Event(), asyncio.Event()
    async with running(folder, changes=changes) as stage, Load(stage) as load:
        console.print("small messages alone …")
        await trickle(load, stage, count=20, until=never)  # (1)
        alone = await trickle(load, stage, count=BEFORE, until=never)  # (2)
        await load.wait_delivered(20 + BEFORE, lambda _: None)
        before = summary(alone, stage)
        console.print(f"{megabytes} MB and small messages …")
        with Peak(gateway=stage.gateway.pid, ministry=stage.ministry.pid) as peak:  # (3)
            beside = asyncio.create_task(trickle(load, stage, count=100_000, until=over))
            start = time.perf_counter()
            receipt = await load.client.send(PATH, body, attachments=[part])
            accepted = time.perf_counter()
            console.print(f"accepted after {accepted - start:.1f} s …")
            await delivered(load, receipt.message_id)
            end = time.perf_counter()
            over.set()
            together = await beside
        await load.wait_delivered(21 + BEFORE + len(together), lambda _: None)
        return Result(
            megabytes=megabytes,
            kind=kind,
            accepted_s=accepted - start,
            delivered_s=end - accepted,
            gateway_idle=peak.begin["gateway"] / MEGABYTE,
            gateway_peak=peak.most["gateway"] / MEGABYTE,
            ministry_idle=peak.begin["ministry"] / MEGABYTE,
            ministry_peak=peak.most["ministry"] / MEGABYTE,
            before=before,
            during=summary(together, stage),
            load_average=os.getloadavg()[0],
        )


def show(result: Result, console: Console) -> None:
    table = Table(title=f"{result.megabytes} MB of {result.kind}, UK system → gateway → ministry")
    table.add_column("what")
    table.add_column("seen", justify="right")
    for name, value in (
        ("POST until 202", f"{result.accepted_s:.1f} s"),
        ("202 until the verified receipt", f"{result.delivered_s:.1f} s"),
        ("end to end", f"{result.rate:.1f} MB/s"),
        ("gateway resident, before → peak", f"{result.gateway_idle:.0f} → {result.gateway_peak:.0f} MB"),
        ("ministry resident, before → peak", f"{result.ministry_idle:.0f} → {result.ministry_peak:.0f} MB"),
    ):
        table.add_row(name, value)
    for name, small in (("alone", result.before), ("beside it", result.during)):
        table.add_row(
            f"{small.count} small ones {name}: accept p50 / p95",
            f"{small.accept_p50:.0f} / {small.accept_p95:.0f} ms",
        )
        table.add_row("    delivery p50 / p95", f"{small.delivery_p50:.0f} / {small.delivery_p95:.0f} ms")
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.large", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500, help="size of the attachment (default 500)")
    parser.add_argument("--kind", choices=["photographs", "text"], default="photographs")
    arguments = parser.parse_args()
    if not 2 <= arguments.megabytes <= 590:
        parser.error("--megabytes must be from 2 to 590")
    stay_on(cores()[1])
    console = Console()
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        found = uvloop.run(measure(Path(folder), arguments.megabytes, arguments.kind, console))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(asdict(found), indent=2) + "\n", "utf-8")
    show(found, console)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
