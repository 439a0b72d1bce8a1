"""Large contents: written and read in chunks, in small transactions, and sealed against any change."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.core.as4.content import CHUNK
from gateway.core.records import Blob
from gateway.store import SealBroken, SqlStore
from gateway.store.blobs import BATCH, KEEP_UNLINKED, SWEEP
from tests.fixtures.blobs import attachment, purge, read, rows, write
from tests.fixtures.databases import PostgresServer
from tests.fixtures.raw_sql import raw
from tests.fixtures.store_records import CLOCK, accept, new_case

SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, BATCH * CHUNK, BATCH * CHUNK + 1, (2 * BATCH + 1) * CHUNK)


# ---- writing and reading ------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_written_is_read(store: SqlStore, store_url: str, size: int) -> None:
    """Also nothing at all, and at the borders of chunks and transactions; with size and digest."""
    content = os.urandom(size)
    blob = await write(store, content)
    assert (blob.size, blob.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert await read(store, blob) == content
    assert (await rows(store_url))[1] == max(1, -(-size // CHUNK))


async def test_the_pieces_given_do_not_matter(store: SqlStore) -> None:
    """Empty ones, single octets, one that is larger than a transaction; read in pieces of a chunk at most."""
    content = os.urandom((BATCH + 3) * CHUNK + 7)

    async def uneven() -> AsyncIterator[bytes]:
        for begin, end in ((0, 1), (1, 1), (1, 2), (2, 5000), (5000, 5000)):
            yield content[begin:end]
        yield content[5000:]

    blob = await store.write_blob(uneven())
    got = [piece async for piece in store.read_blob(blob)]
    assert b"".join(got) == content
    assert max(map(len, got)) <= CHUNK
    assert all(got)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (0, 0),
        (0, 1),
        (CHUNK - 1, CHUNK + 1),
        (CHUNK, 2 * CHUNK),
        (5, 4 * CHUNK + 5),
        (BATCH * CHUNK, None),
        (BATCH * CHUNK + 99, None),
    ],
)
async def test_a_range_is_read(store: SqlStore, begin: int, end: int | None) -> None:
    """Exactly those octets, wherever they begin and end."""
    content = os.urandom(BATCH * CHUNK + 100)
    blob = await write(store, content)
    assert await read(store, blob, begin, end) == content[begin:end]


@pytest.mark.parametrize(("begin", "end"), [(-1, 5), (6, 5), (0, 11), (11, None)])
async def test_a_range_outside_is_an_error(store: SqlStore, begin: int, end: int | None) -> None:
    """Never less than was asked for."""
    blob = await write(store, b"0123456789")
    with pytest.raises(ValueError, match="range"):
        await read(store, blob, begin, end)


async def test_memory_is_bounded(store: SqlStore) -> None:
    """30 MB go in and out with a few chunks in memory."""
    total = 30 * 2**20 // CHUNK
    digest = hashlib.sha256()

    async def source() -> AsyncIterator[bytes]:
        for _ in range(total):
            piece = os.urandom(CHUNK)
            digest.update(piece)
            yield piece

    tracemalloc.start()
    try:
        blob = await store.write_blob(source())
        back = hashlib.sha256()
        async for piece in store.read_blob(blob):
            back.update(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert blob.size == total * CHUNK
    assert blob.sha256 == digest.hexdigest() == back.hexdigest()
    assert peak < 8 * BATCH * CHUNK


async def test_the_source_is_not_run_ahead_of(store: SqlStore, store_url: str) -> None:
    """Backpressure: when a piece is asked for, all before it but one transaction's worth are committed."""
    total = 3 * BATCH + 2

    async def source() -> AsyncIterator[bytes]:
        for number in range(total):
            assert (await rows(store_url))[1] >= number - BATCH - 1
            yield os.urandom(CHUNK)

    assert (await store.write_blob(source())).size == total * CHUNK


async def test_others_write_while_it_is_written(store: SqlStore, store_url: str) -> None:
    """Between any two pieces the database is free for a small accept, and accepts that compete with the
    writer have their turn after every transaction of it."""
    transactions, inside, beside = 6, 0, 0

    async def source() -> AsyncIterator[bytes]:
        nonlocal inside
        for _ in range(transactions * BATCH):
            async with store.begin() as tx:
                await accept(tx, new_case())
            inside += 1
            yield bytes(CHUNK)

    async def compete(task: asyncio.Task[Blob]) -> None:
        nonlocal beside
        while not task.done():
            async with store.begin() as tx:
                await accept(tx, new_case())
            beside += 1

    writing = asyncio.create_task(store.write_blob(source()))
    await compete(writing)
    assert await read(store, await writing) == bytes(transactions * BATCH * CHUNK)
    assert inside == transactions * BATCH
    assert beside >= transactions


async def test_reading_blocks_nobody(store: SqlStore) -> None:
    """In the middle of a read, small transactions go on, and so does the removal of another blob."""
    content = os.urandom(2 * BATCH * CHUNK)
    blob, other = await write(store, content), await write(store, content)
    got = bytearray()
    async with asyncio.timeout(20):
        async for piece in store.read_blob(blob):
            async with store.begin() as tx:
                await accept(tx, new_case())
            await store.drop_blob(other)
            got += piece
    assert got == content


async def test_many_at_once(store: SqlStore) -> None:
    """Blobs written and read beside each other do not mix."""
    contents = [os.urandom((BATCH + i) * CHUNK + i) for i in range(5)]
    blobs = await asyncio.gather(*(write(store, content) for content in contents))
    assert await asyncio.gather(*(read(store, blob) for blob in blobs)) == contents
    assert len({blob.key for blob in blobs}) == 5


# ---- failures while writing ---------------------------------------------------------------------


async def test_a_source_that_fails_leaves_nothing(store: SqlStore, store_url: str) -> None:
    """Its own error comes out; rows and chunks are gone at once, although many were committed."""

    async def source() -> AsyncIterator[bytes]:
        for _ in range(SWEEP + 2 * BATCH):
            yield bytes(CHUNK)
        assert (await rows(store_url))[1] > SWEEP
        raise OSError("the peer went away")

    with pytest.raises(OSError, match="went away"):
        await store.write_blob(source())
    assert await rows(store_url) == (0, 0)


async def test_a_cancelled_write_leaves_nothing(store: SqlStore, store_url: str) -> None:
    """Cancelled while it waits for its source, or anywhere in a transaction, and even twice."""
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02, 0.04):

        async def source() -> AsyncIterator[bytes]:
            while True:
                yield bytes(CHUNK)
                await asyncio.sleep(0.0005)

        task = asyncio.create_task(store.write_blob(source()))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await rows(store_url) == (0, 0)


async def test_a_killed_write_is_purged(store: SqlStore, store_url: str) -> None:
    """Of a process that died in the middle, chunks remain; they go a day after the last was written."""
    async with store.begin() as tx:
        await tx.put_chunks("dead", 0, [b"x"] * BATCH, size=None, until=CLOCK.now() + KEEP_UNLINKED)
    await purge(store, days=0.99)
    assert (await rows(store_url))[1] == BATCH
    await purge(store, days=1.01)
    assert await rows(store_url) == (0, 0)


async def test_what_belongs_to_nothing_goes_after_a_day(store: SqlStore) -> None:
    """Not before: whoever wrote it has that long to link it."""
    blob = await write(store, b"fresh")
    assert await purge(store, days=0.99) == [0]
    assert await read(store, blob) == b"fresh"
    assert await purge(store, days=1.01) == [2, 0]
    with pytest.raises(LookupError):
        await read(store, blob)


async def test_a_write_that_was_given_up_goes_no_further(store: SqlStore, store_url: str) -> None:
    """A writer so slow that its blob was purged meanwhile fails; what is left of it goes too."""

    async def source() -> AsyncIterator[bytes]:
        for _ in range(2 * BATCH):
            yield bytes(CHUNK)
        await purge(store, days=2)
        for _ in range(2 * BATCH):
            yield bytes(CHUNK)

    with pytest.raises(LookupError):
        await store.write_blob(source())
    assert await rows(store_url) == (0, 0)


# ---- the seal -----------------------------------------------------------------------------------

_FLIP = {  # one bit of the last octet, on either database
    "sqlite": "CAST(substr(sealed, 1, length(sealed) - 1) || CASE substr(sealed, -1) WHEN X'00' THEN X'01' "
    "ELSE X'00' END AS BLOB)",
    "postgresql": "set_byte(sealed, length(sealed) - 1, get_byte(sealed, length(sealed) - 1) # 1)",
}
_SHORTER = {
    "sqlite": "CAST(substr(sealed, 1, length(sealed) - 1) AS BLOB)",
    "postgresql": "substring(sealed FROM 1 FOR length(sealed) - 1)",
}
_EMPTY = {"sqlite": "X''", "postgresql": "''::bytea"}
TAMPERING = {
    "a chunk changed": "UPDATE blob_chunks SET sealed = {flip} WHERE blob_id = :one AND number = 1",
    "the last chunk changed": "UPDATE blob_chunks SET sealed = {flip} WHERE blob_id = :one "
    "AND number = {last}",
    "a chunk shorter": "UPDATE blob_chunks SET sealed = {shorter} WHERE blob_id = :one AND number = 1",
    "a chunk empty": "UPDATE blob_chunks SET sealed = {empty} WHERE blob_id = :one AND number = 1",
    "a chunk missing": "DELETE FROM blob_chunks WHERE blob_id = :one AND number = 1",
    "the first chunk missing": "DELETE FROM blob_chunks WHERE blob_id = :one AND number = 0",
    "the end cut off": "DELETE FROM blob_chunks WHERE blob_id = :one AND number = {last}",
    "all chunks missing": "DELETE FROM blob_chunks WHERE blob_id = :one",
    "a chunk twice": "UPDATE blob_chunks SET sealed = (SELECT sealed FROM blob_chunks "
    "WHERE blob_id = :one AND number = 0) WHERE blob_id = :one AND number = 1",
    "two chunks swapped": "UPDATE blob_chunks SET sealed = (SELECT other.sealed FROM blob_chunks AS other "
    "WHERE other.blob_id = :one AND other.number = 3 - blob_chunks.number) "
    "WHERE blob_id = :one AND number IN (1, 2)",
    "a chunk of another blob": "UPDATE blob_chunks SET sealed = (SELECT other.sealed FROM blob_chunks "
    "AS other WHERE other.blob_id = :two AND other.number = 1) WHERE blob_id = :one AND number = 1",
    "all chunks of another blob": "UPDATE blob_chunks SET sealed = (SELECT other.sealed FROM blob_chunks "
    "AS other WHERE other.blob_id = :two AND other.number = blob_chunks.number) WHERE blob_id = :one",
    "another size of chunks": "UPDATE blobs SET chunk_size = chunk_size / 2 WHERE blob_id = :one",
    "a size of chunks of zero": "UPDATE blobs SET chunk_size = 0 WHERE blob_id = :one",
    "a huge size of chunks": "UPDATE blobs SET chunk_size = 2000000000 WHERE blob_id = :one",
}


@pytest.mark.parametrize("what", TAMPERING)
async def test_tampering_is_found(store: SqlStore, store_url: str, backend: str, what: str) -> None:
    """Nothing of a chunk that is not whole and in its place is handed on; what came before was genuine."""
    last = BATCH + 1
    content = os.urandom(last * CHUNK + 5)
    one, two = await write(store, content), await write(store, os.urandom(len(content)))
    values = {"one": one.blob_id, **({"two": two.blob_id} if ":two" in TAMPERING[what] else {})}
    statement = TAMPERING[what].format(
        last=last, flip=_FLIP[backend], shorter=_SHORTER[backend], empty=_EMPTY[backend]
    )
    await raw(store_url, statement, **values)
    got = bytearray()

    async def collect() -> None:
        async for piece in store.read_blob(one):
            got.extend(piece)

    with pytest.raises(SealBroken):
        await collect()
    assert content.startswith(bytes(got))
    assert await read(store, two) != content


async def test_an_empty_blob_has_a_seal_too(store: SqlStore, store_url: str) -> None:
    """Nothing is only nothing while its seal says so."""
    blob = await write(store, b"")
    await raw(store_url, "DELETE FROM blob_chunks")
    with pytest.raises(SealBroken):
        await read(store, blob)


@pytest.mark.parametrize("size", [1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK + 1, 3 * CHUNK])
async def test_another_size_is_found(store: SqlStore, size: int) -> None:
    """Whoever asks with a wrong size gets an error, never more, less, or another end."""
    content = os.urandom(2 * CHUNK)
    blob = await write(store, content)
    wrong = Blob(blob_id=blob.blob_id, size=size, sha256=blob.sha256, key=blob.key)
    with pytest.raises(SealBroken):
        await read(store, wrong)


async def test_without_its_key_it_does_not_open(store: SqlStore) -> None:
    """The key of another blob is no use."""
    one, two = await write(store, b"one"), await write(store, b"two")
    mixed = Blob(blob_id=one.blob_id, size=3, sha256=one.sha256, key=two.key)
    with pytest.raises(SealBroken):
        await read(store, mixed)


async def test_its_files_hold_no_clear_text(
    store: SqlStore, store_url: str, backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Content, key, digest and file name, before and after linking, searched in every file and log."""
    marker = b"FAMILY NAME of nobody "
    content = marker * (2 * CHUNK // len(marker))
    blob = await write(store, content)
    async with store.begin() as tx:
        await accept(tx, new_case(), attachments=(attachment(blob, "passport of nobody.jpg"),))
    folder = tmp_path
    if backend == "postgresql":
        await raw(store_url, "CHECKPOINT")
        server: PostgresServer = request.getfixturevalue("postgres_server")
        folder = server.data
    files = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    assert any(blob.blob_id.encode() in file for file in files)
    for secret in (marker, blob.key, blob.sha256.encode(), bytes.fromhex(blob.sha256), b"passport of nobody"):
        assert not any(secret in file for file in files)


def test_a_key_is_not_shown() -> None:
    """Neither in logs nor in a failed test."""
    assert "secret" not in repr(Blob(blob_id="x", size=0, sha256="", key=b"secret"))
