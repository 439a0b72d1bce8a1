"""``python -m bench.search_writes``: what the indexes and counts of the search cost each written message.

The life of a message (accepted, sending, attempt, delivered, acknowledged) is written alternately into a
database with the schema before them and into one with them, so that neighbours disturb both alike.
PostgreSQL runs without fsync, as in the tests: what is compared is the work, not the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import statistics
import tempfile
import time
from pathlib import Path

from gateway.core.records import MessageStatus
from gateway.store import SqlStore, migrate, open_store
from tests.fixtures.databases import PlainKeys, PostgresServer
from tests.fixtures.store_records import CLOCK, accept, attempted, new_case

BEFORE, AFTER = "0006", "head"
WARM_UP = 20


async def live(store: SqlStore) -> float:
    """Seconds that the database work of one message took."""
    now = CLOCK.now()
    started = time.perf_counter()
    async with store.begin() as tx:
        message = (await accept(tx, new_case(at=now), at=now)).message_id
    async with store.begin() as tx:
        await tx.update_message(message, at=now, status=MessageStatus.SENDING)
    async with store.begin() as tx:
        await tx.add_attempt(attempted(message, at=now))
        await tx.update_message(
            message,
            at=now,
            status=MessageStatus.DELIVERED,
            receipt_verified=True,
            delivered_at=now + dt.timedelta(seconds=1),
        )
    async with store.begin() as tx:
        await tx.update_message(message, at=now, status=MessageStatus.ACKNOWLEDGED)
    return time.perf_counter() - started


async def compare(urls: dict[str, str], messages: int) -> dict[str, list[float]]:
    stores = {name: open_store(url, keyring=PlainKeys()) for name, url in urls.items()}
    taken: dict[str, list[float]] = {name: [] for name in stores}
    for number in range(messages + WARM_UP):
        for name, store in stores.items():
            seconds = await live(store)
            if number >= WARM_UP:
                taken[name].append(seconds * 1000)
    for store in stores.values():
        await store.close()
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.search_writes", description=__doc__)
    parser.add_argument("--messages", type=int, default=500)
    arguments = parser.parse_args()
    server = PostgresServer()
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        try:
            for kind in ("postgresql", "sqlite"):
                urls = {}
                for to in (BEFORE, AFTER):
                    file = f"sqlite:///{Path(folder) / to}.db"
                    urls[to] = server.empty_database() if kind == "postgresql" else file
                    migrate(urls[to], to=to)
                taken = asyncio.run(compare(urls, arguments.messages))
                for to, values in taken.items():
                    median, mean = statistics.median(values), statistics.mean(values)
                    print(f"{kind:10} {to:>4}: median {median:6.2f} ms, mean {mean:6.2f} ms")
                ratio = statistics.median(taken[AFTER]) / statistics.median(taken[BEFORE])
                print(f"{kind:10} {ratio:.2f} times")
        finally:
            server.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
