"""Blobs that belong to something: attachments and wires, and what becomes of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Awaitable, Callable

import pytest

from contracts.codes import MessageType
from gateway.core.as4.content import CHUNK
from gateway.core.records import Blob, OutboxEntry
from gateway.flows.ports import DuplicateMessage, Transaction
from gateway.store import SealBroken, SqlStore
from tests.fixtures.blobs import MEDIA, attachment, claim, purge, queued, read, rows, write
from tests.fixtures.raw_sql import raw
from tests.fixtures.store_records import CLOCK, LEASE, T0, accept, later, new_case, new_message, record_for

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
    """Linking it again, or one that is dropped, or was not written, or not as it says, is an error."""
    used, dropped = await write(store, b"x"), await write(store, b"y")
    await store.drop_blob(dropped)
    unknown = Blob(blob_id=CLOCK.new_id(), size=1, sha256="", key=bytes(32))
    async with store.begin() as tx:
        await accept(tx, new_case(), attachments=(attachment(used),))

    async def link(blob: Blob) -> None:
        async with store.begin() as tx:
            await accept(tx, new_case(), attachments=(attachment(blob),))

    same = await write(store, b"z")
    other_size = dataclasses.replace(same, size=2)
    for blob in (used, dropped, unknown, other_size):
        with pytest.raises(LookupError):
            await link(blob)
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
