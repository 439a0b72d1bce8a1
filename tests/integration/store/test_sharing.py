"""Several stores and processes on one database: claims, order, wake-ups, failures."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from contracts.codes import Direction
from gateway.core.errors import ConfigError, Unavailable
from gateway.flows.ports import MessageFilter
from gateway.store import SqlStore, open_store
from tests.fixtures.databases import PlainKeys
from tests.fixtures.raw_sql import raw
from tests.fixtures.store_records import LEASE, T0, accept, later, new_case, new_message, record_for

ROOT = Path(__file__).parents[3]
CLAIM_ALL = """
import asyncio, sys
from gateway.store import open_store
from tests.fixtures.databases import PlainKeys
from tests.fixtures.store_records import LEASE, later

async def main():
    store = open_store(sys.argv[1], keyring=PlainKeys())
    idle = 0
    while idle < 3:
        async with store.begin() as tx:
            entries = await tx.claim_due(now=later(10), limit=3, lease=LEASE)
        for entry in entries:
            print(entry.message_id, flush=True)
            async with store.begin() as tx:
                assert await tx.complete(entry)
        idle = 0 if entries else idle + 1
    await store.close()

asyncio.run(main())
"""


async def test_two_stores_never_claim_a_row_twice(store: SqlStore, store_url: str) -> None:
    """Two stores with four workers each take all rows of many cases, each once and each case in order."""
    other = open_store(store_url, keyring=PlainKeys())
    expected: dict[str, list[str]] = {}
    async with store.begin() as tx:
        for _ in range(20):
            case = new_case()
            await tx.add_case(case)
            expected[case.reference] = [(await accept(tx, case, new=False)).message_id for _ in range(3)]
    taken: dict[str, list[str]] = {}

    async def work(mine: SqlStore) -> None:
        for _ in range(200):
            async with mine.begin() as tx:
                entries = await tx.claim_due(now=later(1), limit=2, lease=LEASE)
            for entry in entries:
                taken.setdefault(entry.reference, []).append(entry.message_id)
                await asyncio.sleep(0)
                async with mine.begin() as tx:
                    assert await tx.complete(entry)
            if sum(map(len, taken.values())) == 60:
                return

    try:
        await asyncio.gather(*(work(s) for s in (store, other) for _ in range(4)))
    finally:
        await other.close()
    assert taken == expected


def test_two_processes_never_claim_a_row_twice(store_url: str) -> None:
    """Two processes empty one outbox together: every row once, none left."""

    async def fill() -> set[str]:
        store = open_store(store_url, keyring=PlainKeys())
        async with store.begin() as tx:
            ids = {(await accept(tx, new_case())).message_id for _ in range(40)}
        await store.close()
        return ids

    ids = asyncio.run(fill())
    command = [sys.executable, "-W", "error", "-c", CLAIM_ALL, store_url]
    children = [
        subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    lines = []
    for child in children:
        output, _ = child.communicate(timeout=60)
        assert child.returncode == 0
        lines += output.split()
    assert len(lines) == 40
    assert set(lines) == ids


async def test_writers_of_two_stores_wait_for_each_other(store: SqlStore, store_url: str) -> None:
    """A hundred accepts over two stores at once all succeed; nothing is reported busy."""
    other = open_store(store_url, keyring=PlainKeys())

    async def one(mine: SqlStore) -> int:
        async with mine.begin() as tx:
            return (await accept(tx, new_case())).sequence

    try:
        sequences = await asyncio.gather(*(one(s) for s in (store, other) for _ in range(50)))
    finally:
        await other.close()
    assert len(set(sequences)) == 100


async def test_who_follows_the_inbox_misses_nothing(store: SqlStore) -> None:
    """A reader that asks for what comes after the last sequence it saw gets every message, although the
    transactions of the writers overlap: sequences rise in commit order."""
    case = new_case()
    async with store.begin() as tx:
        await tx.add_case(case)
    written: set[str] = set()

    async def write(i: int) -> None:
        message = new_message(case)
        async with store.begin() as tx:
            await asyncio.sleep(0.001 * (i % 5))
            await tx.add_message(record_for(message, direction=Direction.FR_TO_UK), message, ())
            await asyncio.sleep(0.001 * (i % 3))
        written.add(message.message_id)

    writers = asyncio.gather(*(write(i) for i in range(40)))
    seen: list[str] = []
    last = 0
    while len(seen) < 40:
        finished = writers.done()
        async with store.begin(read_only=True) as tx:
            for record in await tx.inbox(after=last, limit=7):
                seen.append(record.message_id)
                last = record.sequence
            left = await tx.inbox(after=last, limit=1)
        assert left or len(seen) == 40 or not finished, "a message was skipped"
    await writers
    assert set(seen) == written


async def test_a_locked_case_makes_others_wait(store: SqlStore) -> None:
    """Two transactions that lock the same case run one after the other."""
    case = new_case()
    async with store.begin() as tx:
        await tx.add_case(case)

    async def count_up() -> None:
        async with store.begin() as tx:
            found = await tx.get_case(case.reference, lock=True)
            assert found is not None
            number = int(found.status.removeprefix("new") or 0)
            await asyncio.sleep(0.002)
            await tx.set_case_status(case.reference, f"new{number + 1}", T0)

    await asyncio.gather(*(count_up() for _ in range(10)))
    async with store.begin(read_only=True) as tx:
        final = await tx.get_case(case.reference)
    assert final is not None
    assert final.status == "new10"


async def test_readers_do_not_wait_for_a_writer(store: SqlStore) -> None:
    """While a write transaction is open, a read-only one sees what was committed before."""
    first, second = new_case(), new_case()
    async with store.begin() as tx:
        await accept(tx, first)
    async with store.begin() as tx:
        await accept(tx, second)
        async with asyncio.timeout(2), store.begin(read_only=True) as reader:
            assert len((await reader.list_messages(MessageFilter())).items) == 1


async def test_a_reader_cannot_write(store: SqlStore) -> None:
    """A write in a read-only transaction fails and leaves nothing."""
    case = new_case()

    async def write() -> None:
        async with store.begin(read_only=True) as tx:
            await tx.add_case(case)

    with pytest.raises((Unavailable, DBAPIError)):  # the databases class it differently: it is a bug of ours
        await write()
    async with store.begin() as tx:
        assert await tx.get_case(case.reference) is None


@pytest.mark.parametrize("same_store", [True, False])
async def test_a_notification_wakes_the_waiter(store: SqlStore, store_url: str, same_store: bool) -> None:
    """In the same store at once, in another (another node) soon after the commit."""
    other = store if same_store else open_store(store_url, keyring=PlainKeys())
    try:
        for _ in range(10):  # the listener comes up, which may wake us once
            waiter = asyncio.create_task(other.wait("outbox", 20))
            await asyncio.sleep(0.7)
            if not waiter.done():
                break
        assert not waiter.done()
        started = time.monotonic()
        async with store.begin() as tx:
            await accept(tx, new_case())
        await store.notify("outbox")
        await waiter
        assert time.monotonic() - started < 2
    finally:
        if not same_store:
            await other.close()


async def test_a_notification_before_the_wait_is_not_lost(store: SqlStore) -> None:
    """What was notified after the last wait of a task ends its next wait at once."""
    await store.wait("outbox", 0.5)
    await store.notify("outbox")
    await asyncio.sleep(0.4)
    started = time.monotonic()
    await store.wait("outbox", 20)
    assert time.monotonic() - started < 2


async def test_wait_ends_by_itself(store: SqlStore) -> None:
    """Without a notification after the seconds given."""
    await store.wait("inbox", 0.3)
    started = time.monotonic()
    await store.wait("inbox", 0.3)
    assert 0.25 < time.monotonic() - started < 2


async def test_a_cancelled_transaction_leaves_nothing_and_blocks_nobody(store: SqlStore) -> None:
    """A task cancelled anywhere in its transaction rolls back; the next one goes on."""
    for delay in (0, 0.0005, 0.001, 0.002, 0.004, 0.008):
        case = new_case()

        async def write(case: object = case) -> None:
            async with store.begin() as tx:
                await accept(tx, case)  # type: ignore[arg-type]
                await asyncio.sleep(0.002)

        task = asyncio.create_task(write())
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(5), store.begin() as tx:
            found = await tx.get_case(case.reference)
            messages = await tx.list_messages(MessageFilter(reference=case.reference))
            assert len(messages.items) == (0 if found is None else 1)


async def test_ping_tells_an_old_schema(store: SqlStore, store_url: str) -> None:
    """Right after migration fine; with another revision Unavailable, naming both."""
    await store.ping()
    await raw(store_url, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(Unavailable, match="0000"):
        await store.ping()
    await raw(store_url, "DROP TABLE alembic_version")
    with pytest.raises(Unavailable):
        await store.ping()


async def test_a_database_out_of_reach_is_unavailable(backend: str, tmp_path: Path) -> None:
    """Unavailable, so that callers answer 503; nothing hangs."""
    if backend == "sqlite":
        path = tmp_path / "gone.db"
        path.touch()
        lost = open_store(f"sqlite:///{path}", keyring=PlainKeys())
        path.unlink()
    else:
        lost = open_store(f"postgresql://postgres@/x?host={tmp_path}", keyring=PlainKeys())
    with pytest.raises(Unavailable):
        await lost.ping()
    await lost.close()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url: str) -> None:
    """Also one in memory: nothing that was accepted may be lost."""
    with pytest.raises(ConfigError):
        open_store(url, keyring=PlainKeys())


def test_a_missing_file_is_not_made_by_accident(tmp_path: Path) -> None:
    """Only ``create`` makes a database."""
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with pytest.raises(ConfigError):
        open_store(url, keyring=PlainKeys())
    store = open_store(url, keyring=PlainKeys(), create=True)
    asyncio.run(store.ping())
    asyncio.run(store.close())
