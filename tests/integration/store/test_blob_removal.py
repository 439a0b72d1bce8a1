"""Removal of blobs: retention, purges that are bounded and compete, reads that are overtaken."""

from __future__ import annotations

import asyncio
import os

import pytest

from gateway.core.as4.content import CHUNK
from gateway.store import SqlStore
from gateway.store.blobs import BATCH, SWEEP
from tests.fixtures.blobs import MEDIA, attachment, claim, purge, queued, read, rows, write
from tests.fixtures.raw_sql import raw
from tests.fixtures.store_records import LEASE, T0, accept, later, new_case


async def test_a_destroyed_key_takes_the_blobs(store: SqlStore, store_url: str) -> None:
    """Attachment and wire of the case are unreadable at once, even for who held them, and go with the purge;
    those of other cases stay, and so do evidence and audit."""
    photo, wire, other = [await write(store, os.urandom(2 * CHUNK)) for _ in range(3)]
    case = new_case()
    async with store.begin() as tx:
        record = await accept(tx, case, attachments=(attachment(photo),))
        (entry,) = await claim(tx)
        await tx.save_wire(entry, wire, MEDIA)
        kept = await accept(tx, new_case(), attachments=(attachment(other),))
    async with store.begin() as tx:
        assert await tx.destroy_case_key(case.reference, at=later(1))
    for blob in (photo, wire):
        with pytest.raises(LookupError):
            await read(store, blob)
    late = await write(store, b"late")
    async with store.begin() as tx:
        with pytest.raises(LookupError):
            await tx.attachments(record.message_id)
        with pytest.raises(LookupError):
            await tx.save_wire(entry, late, MEDIA)
        (again, _) = await claim(tx, at=LEASE.total_seconds())
        assert again.wire is None
        assert await tx.complete(again)
        assert len(await tx.evidence(record.message_id)) == 2
        assert len(await tx.audit_entries()) == 2
        assert (await tx.attachments(kept.message_id))[0].content == other
    await store.drop_blob(late)
    assert sum(await purge(store)) == 6
    assert await raw(store_url, "SELECT DISTINCT blob_id FROM blob_chunks") == [(other.blob_id,)]
    assert len(await read(store, other)) == other.size


async def test_purge_is_bounded_and_comes_to_an_end(store: SqlStore, store_url: str) -> None:
    """No call removes more than its share, none is needed twice, and what is used stays."""
    used = await write(store, b"used")
    await queued(store, used)
    big = await write(store, bytes(CHUNK * (SWEEP + 5)))
    small = [await write(store, b"") for _ in range(SWEEP)]
    fresh = await write(store, b"fresh")
    second = await queued(store, big)
    async with store.begin() as tx:
        assert await tx.complete(second)
    await raw(store_url, "UPDATE blobs SET expires_at = 1 WHERE size = 0")
    removed = await purge(store)
    assert max(removed) <= SWEEP
    assert removed[-1] == 0
    assert sum(removed) == SWEEP + 5 + 1 + 2 * len(small)
    assert await purge(store) == [0]
    assert await read(store, used) == b"used"
    assert await read(store, fresh) == b"fresh"


async def test_what_is_half_removed_is_gone(store: SqlStore, store_url: str) -> None:
    """An expired blob of which one purge removed a part can neither be read nor linked nor written on."""
    blob = await write(store, bytes(CHUNK * (SWEEP + 5)))
    await raw(store_url, "UPDATE blobs SET expires_at = 1")
    async with store.begin() as tx:
        assert await tx.purge(T0) == SWEEP
    assert await rows(store_url) == (1, 5)
    with pytest.raises(LookupError):
        await read(store, blob, CHUNK * SWEEP + 1)
    with pytest.raises(LookupError):
        async with store.begin() as tx:
            await accept(tx, new_case(), attachments=(attachment(blob),))
    async with store.begin() as tx:
        with pytest.raises(LookupError):
            await tx.put_chunks(blob.blob_id, SWEEP + 5, [b"x"], size=None, until=later(0))
    assert sum(await purge(store)) == 6


async def test_two_nodes_purge_at_once(store: SqlStore, store_url: str) -> None:
    """They do not wait for each other for ever, and together remove everything once."""
    for _ in range(6):
        await write(store, bytes(CHUNK * 30))
    removed = await asyncio.gather(*(purge(store, days=2) for _ in range(4)))
    assert sum(map(sum, removed)) == 6 * 31
    assert await rows(store_url) == (0, 0)


async def test_a_read_that_is_overtaken_says_gone(store: SqlStore) -> None:
    """A blob dropped in the middle of a read is gone, not broken."""
    blob = await write(store, bytes(CHUNK * 3 * BATCH))
    reading = store.read_blob(blob)
    await anext(reading)
    await store.drop_blob(blob)

    async def rest() -> None:
        async for _ in reading:
            pass

    with pytest.raises(LookupError):
        await rest()
