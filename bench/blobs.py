"""``python -m bench.blobs [--megabytes N] [--url postgresql://…]``: what a large content costs, and how long
small transactions wait while one is written. Without ``--url``: SQLite in a temporary folder.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from gateway.clock import SystemClock
from gateway.core.records import Channel
from gateway.store import SqlStore, open_store
from tests.fixtures.databases import PlainKeys
from tests.fixtures.store_records import FRANCE, new_case, new_message, record_for

PIECE = 64 * 1024
PAUSE_S = 0.01


async def octets(total: int) -> AsyncIterator[bytes]:
    """As a socket gives them."""
    piece = os.urandom(PIECE)
    for _ in range(total // PIECE):
        yield piece


async def accept_one(store: SqlStore) -> float:
    """Milliseconds for a case, a message and an outbox row, committed."""
    case = new_case()
    message = new_message(case)
    started = time.perf_counter()
    async with store.begin() as tx:
        await tx.add_case(case)
        await tx.add_message(record_for(message), message, ())
        await tx.enqueue(
            channel=Channel.AS4,
            endpoint=FRANCE,
            message_id=message.message_id,
            reference=case.reference,
            due_at=case.created_at,
        )
    return (time.perf_counter() - started) * 1000


def shown(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return (
        f"n={len(ordered)} median {statistics.median(ordered):.1f} ms, "
        f"p99 {ordered[int(len(ordered) * 0.99)]:.1f} ms, most {ordered[-1]:.1f} ms"
    )


async def measure(store: SqlStore, megabytes: int) -> None:
    """(1) small ones alone, (2) small ones during a large write, (3) read, (4) removal."""
    total = megabytes * 1024 * 1024
    alone = []
    for _ in range(200):  # (1)
        alone.append(await accept_one(store))
        await asyncio.sleep(PAUSE_S)
    print("small accept, alone:           ", shown(alone))
    started = time.perf_counter()  # (2)
    await store.drop_blob(await store.write_blob(octets(total)))
    started = time.perf_counter()
    blob = await store.write_blob(octets(total))
    print(f"write, alone:                   {megabytes / (time.perf_counter() - started):.0f} MB/s")
    writing = asyncio.create_task(store.write_blob(octets(total)))
    started = time.perf_counter()
    during = []
    while not writing.done():
        during.append(await accept_one(store))
        await asyncio.sleep(PAUSE_S)
    second = await writing
    print(f"write, beside small accepts:    {megabytes / (time.perf_counter() - started):.0f} MB/s")
    print("small accept, beside the write:", shown(during))
    started = time.perf_counter()  # (3)
    read = 0
    async for piece in store.read_blob(blob):
        read += len(piece)
    if read != total:
        raise AssertionError("what was read is not what was written")
    print(f"read:                           {megabytes / (time.perf_counter() - started):.0f} MB/s")
    started = time.perf_counter()  # (4)
    for one in (blob, second):
        await store.drop_blob(one)
    print(f"remove:                         {2 * megabytes / (time.perf_counter() - started):.0f} MB/s")
    print(f"peak memory of the process:     {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


async def run(url: str, megabytes: int) -> None:
    store = open_store(url, keyring=PlainKeys(), create=True, clock=SystemClock())
    try:
        await measure(store, megabytes)
    finally:
        await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.blobs", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--url", help="an empty database of its own")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(args.url or f"sqlite:///{Path(folder) / 'bench.db'}", args.megabytes))


if __name__ == "__main__":
    main()
