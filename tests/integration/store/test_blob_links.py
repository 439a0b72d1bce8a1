"""Blobs that belong to something: attachments and wires, what becomes of them, and their removal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from contracts.codes import MessageType
from gateway.core.as4.content import CHUNK
from gateway.core.records import Blob, OutboxEntry
from gateway.flows.ports import DuplicateMessage, Transaction
from gateway.store import SealBroken, SqlStore
from gateway.store.blobs import BATCH, SWEEP
from tests.fixtures.blobs import attachment, purge, read, rows, write
from tests.fixtures.raw_sql import raw
from tests.fixtures.store_records import CLOCK, LEASE, T0, accept, later, new_case, new_message, record_for

MEDIA = "multipart/related"


async def queued(store: SqlStore, wire: bytes | Blob | None = None) -> OutboxEntry:
    """The claimed row of a new case, with that wire saved."""
    async with store.begin() as tx:
        record = await accept(tx, new_case())
        (entry,) = await claim(tx)
        assert entry.message_id == record.message_id
        if wire is not None:
            await tx.save_wire(entry, wire, MEDIA)
    return entry


async def claim(tx: Transaction, at: float = 0) -> tuple[OutboxEntry, ...]:
    return await tx.claim_due(now=later(at), limit=9, lease=LEASE)


# ---- attachments --------------------------------------------------------------------------------


async def test_attachments_large_and_small_keep_their_order(store: SqlStore) -> None:
    """Blobs and bytes, each where it was, and both readable."""
    large, larger = os.urandom(CHUNK + 1), os.urandom(3 * CHUNK)
    given = (
        attachment(await write(store, large), "a"),
        attachment(b"small", "b"),
        attachment(await write(store, larger), "c"),
        attachment(b"", "d"),
        attachment(await write(store, b""), "e"),
    )
    async with store.begin() as tx:
        record = await accept(tx, new_case(), attachments=given)
    async with store.begin(read_only=True) as tx:
        back = await tx.attachments(record.message_id)
    assert back == given
    contents = [
        await read(store, one.content) if isinstance(one.content, Blob) else one.content for one in back
    ]
    assert contents == [large, b"small", larger, b"", b""]


async def test_a_linked_blob_stays(store: SqlStore) -> None:
    """Neither purge after years nor ``drop_blob`` touches what belongs to a message."""
    blob = await write(store, b"kept")
    async with store.begin() as tx:
        await accept(tx, new_case(), attachments=(attachment(blob),))
    assert await purge(store, days=1000) == [0]
    await store.drop_blob(blob)
    assert await read(store, blob) == b"kept"


async def test_a_link_goes_with_its_transaction(store: SqlStore, store_url: str) -> None:
    """Rolled back, the blob belongs to nothing again: another message may have it, or it expires."""
    blob = await write(store, b"content")

    async def fail() -> None:
        async with store.begin() as tx:
            await accept(tx, new_case(), attachments=(attachment(blob),))
            raise OSError

    with pytest.raises(OSError):
        await fail()
    assert await raw(store_url, "SELECT message_id, sealed_key FROM blobs") == [(None, None)]
    async with store.begin() as tx:
        record = await accept(tx, new_case(), attachments=(attachment(blob),))
        (back,) = await tx.attachments(record.message_id)
    assert back.content == blob


async def test_a_duplicate_links_nothing(store: SqlStore) -> None:
    """The same message again: its blob can be dropped, the first one's stays."""
    first, second = await write(store, b"first"), await write(store, b"second")
    case = new_case()
    message = new_message(case)
    async with store.begin() as tx:
        await accept(tx, case, message, attachments=(attachment(first),))
        with pytest.raises(DuplicateMessage):
            await tx.add_message(record_for(message), message, (attachment(second),))
    await store.drop_blob(second)
    assert await read(store, first) == b"first"
    with pytest.raises(LookupError):
        await read(store, second)


async def test_a_blob_belongs_to_one_message_once(store: SqlStore) -> None:
    """Linking it again, or one that is dropped, or one that was not written, is an error."""
    used, dropped = await write(store, b"x"), await write(store, b"y")
    await store.drop_blob(dropped)
    unknown = Blob(blob_id=CLOCK.new_id(), size=1, sha256="", key=bytes(32))
    async with store.begin() as tx:
        await accept(tx, new_case(), attachments=(attachment(used),))

    async def link(blob: Blob) -> None:
        async with store.begin() as tx:
            await accept(tx, new_case(), attachments=(attachment(blob),))

    for blob in (used, dropped, unknown):
        with pytest.raises(LookupError):
            await link(blob)
    same = await write(store, b"z")
    with pytest.raises(LookupError):
        async with store.begin() as tx:
            await accept(tx, new_case(), attachments=(attachment(same, "a"), attachment(same, "b")))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE blobs SET sealed_key = (SELECT b.sealed_key FROM blobs b WHERE b.blob_id <> blobs.blob_id)",
        "UPDATE blobs SET sealed_key = NULL",
        "UPDATE blobs SET message_id = NULL",
        "UPDATE blobs SET expires_at = 0",
        "UPDATE attachments SET position = 1 - position + 2",
        """UPDATE attachments SET sealed = (SELECT a.sealed FROM attachments a
        WHERE a.position <> attachments.position)""",
    ],
)
async def test_a_link_that_was_changed_is_found(store: SqlStore, store_url: str, change: str) -> None:
    """Keys exchanged or taken away, the blob cut off its message, the attachments' places exchanged."""
    given = (attachment(await write(store, b"one"), "1"), attachment(await write(store, b"two"), "2"))
    async with store.begin() as tx:
        record = await accept(tx, new_case(), attachments=given)
    await raw(store_url, change)
    async with store.begin() as tx:
        with pytest.raises(SealBroken):
            await tx.attachments(record.message_id)


# ---- outbox -------------------------------------------------------------------------------------


async def test_a_wire_comes_back_with_each_claim(store: SqlStore) -> None:
    """The same octets for every retry; released or rescheduled, it stays."""
    content = os.urandom(2 * CHUNK + 1)
    blob = await write(store, content)
    entry = await queued(store, blob)
    async with store.begin() as tx:
        assert await tx.reschedule(entry, later(10))
        (again,) = await claim(tx, at=10)
        assert await tx.release(again, later(20))
    assert await purge(store, days=1000) == [0]
    async with store.begin() as tx:
        (third,) = await claim(tx, at=20)
    assert (third.wire, third.wire_content_type) == (blob, MEDIA)
    assert isinstance(third.wire, Blob)
    assert await read(store, third.wire) == content


async def test_several_rows_are_claimed_with_their_own(store: SqlStore) -> None:
    """Bytes, blob and nothing in one claim."""
    blob = await write(store, b"large")
    wires = {(await queued(store, wire)).message_id: wire for wire in (b"small", blob, None)}
    async with store.begin() as tx:
        entries = await claim(tx, at=LEASE.total_seconds())
    assert {entry.message_id: entry.wire for entry in entries} == wires


async def _complete(tx: Transaction, entry: OutboxEntry) -> None:
    """Delivered, or given up for good: the row goes."""
    assert await tx.complete(entry)


async def _cancel_case(tx: Transaction, entry: OutboxEntry) -> None:
    await tx.release(entry, T0)
    assert await tx.cancel_queued(entry.reference, at=T0, code="withdrawn") == (entry.message_id,)


async def _cancel_message(tx: Transaction, entry: OutboxEntry) -> None:
    await tx.release(entry, T0)
    assert await tx.cancel_message(entry.message_id, at=T0, code="operator")


async def _replace_by_bytes(tx: Transaction, entry: OutboxEntry) -> None:
    await tx.save_wire(entry, b"new", MEDIA)


@pytest.mark.parametrize("end", [_complete, _cancel_case, _cancel_message, _replace_by_bytes])
async def test_a_wire_goes_with_its_row(
    store: SqlStore, store_url: str, end: Callable[[Transaction, OutboxEntry], Awaitable[None]]
) -> None:
    """Its key at once, so that nobody reads it any more, its chunks with the next purge."""
    blob = await write(store, os.urandom(3 * CHUNK))
    entry = await queued(store, blob)
    async with store.begin() as tx:
        await end(tx, entry)
    assert await raw(store_url, "SELECT sealed_key FROM blobs") == [(None,)]
    with pytest.raises(LookupError):
        await read(store, blob)
    assert sum(await purge(store)) == 4
    assert await rows(store_url) == (0, 0)


async def test_a_row_that_comes_back_keeps_its_wire(store: SqlStore) -> None:
    """When the transaction that ended the row is rolled back, its wire is as it was."""
    blob = await write(store, b"wire")
    entry = await queued(store, blob)

    async def fail() -> None:
        async with store.begin() as tx:
            assert await tx.complete(entry)
            raise OSError

    with pytest.raises(OSError):
        await fail()
    assert await purge(store) == [0]
    assert await read(store, blob) == b"wire"


async def test_a_wire_is_replaced(store: SqlStore, store_url: str) -> None:
    """Bytes by a blob, a blob by a blob, a blob by bytes; the last one counts and is all that is kept."""
    entry = await queued(store, b"first")
    for content in (b"second", b"third"):
        blob = await write(store, content)
        async with store.begin() as tx:
            await tx.save_wire(entry, blob, MEDIA)
    await purge(store)
    assert await raw(store_url, "SELECT blob_id FROM blobs") == [(blob.blob_id,)]
    assert await raw(store_url, "SELECT wire FROM outbox") == [(None,)]
    async with store.begin() as tx:
        await tx.save_wire(entry, b"fourth", "text/plain")
        (again,) = await claim(tx, at=LEASE.total_seconds())
    assert (again.wire, again.wire_content_type) == (b"fourth", "text/plain")
    await purge(store)
    assert (await rows(store_url))[0] == 0


async def test_a_lost_lease_links_nothing(store: SqlStore, store_url: str) -> None:
    """The new holder keeps its own wire; the blob of the old one belongs to nothing and can be dropped."""
    dead = await queued(store)
    mine, late = await write(store, b"mine"), await write(store, b"late")
    async with store.begin() as tx:
        (alive,) = await claim(tx, at=LEASE.total_seconds())
        await tx.save_wire(alive, mine, MEDIA)
        await tx.save_wire(dead, late, MEDIA)
        await tx.save_wire(dead, b"late", MEDIA)
    await store.drop_blob(late)
    await purge(store)
    assert await raw(store_url, "SELECT wire_blob, wire FROM outbox") == [(mine.blob_id, None)]
    assert await read(store, mine) == b"mine"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE blobs SET sealed_key = NULL",
        "UPDATE outbox SET wire_blob = 'unknown'",
        "UPDATE outbox SET wire_blob = (SELECT blob_id FROM blobs WHERE blob_id <> outbox.wire_blob)",
        "UPDATE case_keys SET wrapped = NULL",
    ],
)
async def test_a_wire_that_cannot_be_read_is_none(store: SqlStore, store_url: str, change: str) -> None:
    """One such row does not stop the claims: its holder makes the wire again. A row turned to the
    attachment of its own message does not send that one in the clear either."""
    case = new_case()
    photo = attachment(await write(store, b"photo"))
    async with store.begin() as tx:
        await accept(tx, case, attachments=(photo,))
        (entry,) = await claim(tx)
    blob = await write(store, b"wire")
    async with store.begin() as tx:
        await tx.save_wire(entry, blob, MEDIA)
    await raw(store_url, change)
    async with store.begin() as tx:
        (again,) = await claim(tx, at=LEASE.total_seconds())
    assert (again.message_id, again.wire, again.wire_content_type) == (entry.message_id, None, None)


async def test_a_lease_is_extended(store: SqlStore) -> None:
    """As long as nobody else has the row, also a little late; then it is due later."""
    entry = await queued(store)
    end = LEASE.total_seconds()
    async with store.begin() as tx:
        assert await tx.extend_lease(entry, later(3 * end))
        assert await claim(tx, at=2 * end) == ()
        assert await tx.next_due() == later(3 * end)
        assert await tx.cancel_queued(entry.reference, at=later(2 * end), code="withdrawn") == ()
        (other,) = await claim(tx, at=3 * end)
        assert not await tx.extend_lease(entry, later(9 * end))
        assert await tx.extend_lease(other, later(5 * end))
        assert await tx.complete(other)
        assert not await tx.extend_lease(other, later(9 * end))


async def test_the_types_kept_keep_their_wire(store: SqlStore) -> None:
    """``cancel_queued`` drops the wires of what it removes, of nothing else."""
    blob = await write(store, b"acknowledgement")
    entry = await queued(store, blob)
    async with store.begin() as tx:
        await tx.release(entry, T0)
        await tx.cancel_queued(entry.reference, at=T0, code="x", keep={MessageType.ACKNOWLEDGEMENT})
    assert await purge(store) == [0]
    assert await read(store, blob) == b"acknowledgement"


# ---- retention ----------------------------------------------------------------------------------


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
