"""Blobs: contents too large for memory, kept in sealed chunks (``gateway.store.sealing.ChunkSeal``).

A blob is written before the transaction that needs it, a few chunks at a time in transactions of their own:
SQLite has one writer, which must be free again within milliseconds. Until a transaction links it to a
message, its key is in nobody's hands but the writer's; linking seals the key with the data key of the case.
A dropped blob loses its key at once and its chunks in ``purge``, a bounded number per call.

``expires_at`` says which of the three it is: a time while it belongs to nothing (then it is removed), None
while it belongs to a message, DROPPED afterwards.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol

from sqlalchemy import Connection, and_, bindparam, delete, insert, or_, select, update

from gateway.core.as4.content import CHUNK
from gateway.core.errors import PasserelleError
from gateway.core.records import Blob
from gateway.flows.ports import Clock
from gateway.store import sealing
from gateway.store import tables as t
from gateway.store.base import TransactionBase

KEEP_UNLINKED = dt.timedelta(hours=24)
"""After its last chunk was written."""
DROPPED = t.from_ms(0)
BATCH = 4
"""Chunks per transaction, written or read: bounds what is in memory and how long others wait."""
SWEEP = 64
"""Rows (chunks and blobs) that one call of ``sweep`` removes at most."""

ATTACHMENT, WIRE = "attachment", "wire"

_B, _C = t.blobs.c, t.blob_chunks.c
_ONE = _B.blob_id == bindparam("id")
_UNLINKED = and_(_ONE, _B.message_id.is_(None), _B.expires_at > DROPPED)
_ALIVE = or_(_B.expires_at.is_(None), _B.expires_at > DROPPED)

_INSERT = insert(t.blobs)
_INSERT_CHUNK = insert(t.blob_chunks)
_GROW = update(t.blobs).where(_UNLINKED).values(size=bindparam("octets"), expires_at=bindparam("until"))
_LINK = (
    update(t.blobs)
    .where(_UNLINKED, _B.size == bindparam("octets"))
    .values(message_id=bindparam("owner"), sealed_key=bindparam("key"), expires_at=None)
)
_KEY = select(_B.sealed_key).where(_ONE, _B.message_id == bindparam("owner"), _B.expires_at.is_(None))
_DROP = update(t.blobs).where(_ONE).values(sealed_key=None, expires_at=DROPPED)
_DROP_UNLINKED = update(t.blobs).where(_UNLINKED).values(expires_at=DROPPED)
_DROP_CASE = (
    update(t.blobs)
    .where(
        _B.expires_at.is_(None),
        _B.message_id.in_(select(t.messages.c.message_id).where(t.messages.c.reference == bindparam("ref"))),
    )
    .values(sealed_key=None, expires_at=DROPPED)
)
_CHUNK_SIZE = select(_B.chunk_size).where(_ONE, _ALIVE)
# one statement, one snapshot: a blob that is dropped meanwhile is gone, not broken
_CHUNKS = (
    select(_C.number, _C.sealed)
    .select_from(
        t.blobs.outerjoin(
            t.blob_chunks,
            and_(_C.blob_id == _B.blob_id, _C.number.between(bindparam("first"), bindparam("last"))),
        )
    )
    .where(_ONE, _ALIVE)
    .order_by(_C.number)
)
_EXPIRED = (
    select(_B.blob_id)
    .where(_B.expires_at <= bindparam("now"))
    .order_by(_B.expires_at)
    .limit(SWEEP)
    .with_for_update(skip_locked=True)
)
_EXPIRED_ONE = select(_B.blob_id).where(_ONE, _B.expires_at <= bindparam("now")).with_for_update()
_DELETE_CHUNKS = delete(t.blob_chunks).where(
    _C.blob_id == bindparam("id"),
    _C.number.in_(
        select(_C.number)
        .where(_C.blob_id == bindparam("id"))
        .order_by(_C.number)
        .limit(bindparam("most"))
        .scalar_subquery()
    ),
)
_DELETE = delete(t.blobs).where(_ONE)


# within a transaction of messages, outbox or cases


def link(connection: Connection, case_key: bytes, blob: Blob, purpose: str, message_id: str) -> None:
    """From now on it belongs to that message. Raises LookupError when it is gone or belongs to another."""
    values = {
        "id": blob.blob_id,
        "octets": blob.size,
        "owner": message_id,
        "key": sealing.seal_blob(case_key, blob, owner=f"{purpose}|{message_id}"),
    }
    if not connection.execute(_LINK, values).rowcount:
        raise LookupError("this blob is gone or belongs to another message")


def linked(connection: Connection, case_key: bytes, blob_id: str, purpose: str, message_id: str) -> Blob:
    """Raises SealBroken when it was changed, moved or removed."""
    sealed = connection.execute(_KEY, {"id": blob_id, "owner": message_id}).scalar_one_or_none()
    if sealed is None:
        raise sealing.SealBroken(f"blobs|{blob_id}")
    return sealing.unseal_blob(case_key, blob_id, bytes(sealed), owner=f"{purpose}|{message_id}")


def drop(connection: Connection, blob_ids: Sequence[str]) -> None:
    """Takes their keys; ``sweep`` removes the rest."""
    if blob_ids:
        connection.execute(_DROP, [{"id": blob_id} for blob_id in blob_ids])


def drop_of_case(connection: Connection, reference: str) -> None:
    """``drop`` for every blob of a case."""
    connection.execute(_DROP_CASE, {"ref": reference})


def sweep(connection: Connection, now: dt.datetime, blob_id: str | None = None) -> int:
    """Removes what is dropped or has expired (of one blob if named); returns how many rows, SWEEP at most,
    0 when there is nothing left. On PostgreSQL blobs that another node sweeps are left to it."""
    if blob_id is None:
        expired = connection.execute(_EXPIRED, {"now": now}).scalars().all()
    else:
        expired = connection.execute(_EXPIRED_ONE, {"id": blob_id, "now": now}).scalars().all()
    removed = 0
    for one in expired:
        left = SWEEP - removed
        if left <= 0:
            break
        connection.execute(_DROP, {"id": one})  # before its chunks go, nobody may link or read it
        chunks = connection.execute(_DELETE_CHUNKS, {"id": one, "most": left}).rowcount
        removed += chunks
        if chunks < left:
            removed += connection.execute(_DELETE, {"id": one}).rowcount
    return removed


class BlobTransaction(TransactionBase):
    """What ``write``, ``read`` and ``remove`` do in transactions of their own."""

    async def put_chunks(
        self, blob_id: str, first: int, sealed: Sequence[bytes], *, size: int | None, until: dt.datetime
    ) -> None:
        """``size`` in octets with the last ones, else None. Raises LookupError when the blob is gone."""
        rows = [{"blob_id": blob_id, "number": first + i, "sealed": one} for i, one in enumerate(sealed)]

        def work(connection: Connection) -> None:
            if first == 0:
                row = {"blob_id": blob_id, "chunk_size": CHUNK, "size": size, "expires_at": until}
                connection.execute(_INSERT, row)
            elif not connection.execute(_GROW, {"id": blob_id, "octets": size, "until": until}).rowcount:
                raise LookupError("this blob was given up while it was written")
            connection.execute(_INSERT_CHUNK, rows)

        await self._run(work, heavy=True)

    async def chunk_size(self, blob_id: str) -> int:
        """Raises LookupError."""
        size = await self._run(lambda c: c.execute(_CHUNK_SIZE, {"id": blob_id}).scalar_one_or_none())
        if size is None:
            raise LookupError("this blob is gone")
        return int(size)

    async def get_chunks(self, blob_id: str, first: int, last: int) -> list[tuple[int, bytes]]:
        """(number, sealed) of those that are there. Raises LookupError when the blob is gone."""
        values = {"id": blob_id, "first": first, "last": last}
        rows = await self._run(lambda c: c.execute(_CHUNKS, values).all(), heavy=True)
        if not rows:
            raise LookupError("this blob is gone")
        return [(row.number, bytes(row.sealed)) for row in rows if row.number is not None]

    async def drop_unlinked(self, blob_id: str) -> None:
        await self._run(lambda c: c.execute(_DROP_UNLINKED, {"id": blob_id}))

    async def sweep_blob(self, blob_id: str) -> int:
        """``sweep`` of one that was dropped."""
        return await self._run(lambda c: sweep(c, DROPPED, blob_id), heavy=True)


class Begin(Protocol):
    """``SqlStore.begin``."""

    def __call__(self, *, read_only: bool = False) -> AbstractAsyncContextManager[BlobTransaction]: ...


class _Writer:
    """Cuts what comes into chunks. It always holds back an octet more than it has written: the last chunk is
    sealed as the last, so it must be known when sealing."""

    def __init__(self, begin: Begin, clock: Clock) -> None:
        self._begin, self._clock = begin, clock
        self.blob_id = clock.new_id()
        self._key = sealing.new_data_key()
        self._seal = sealing.ChunkSeal(self._key, self.blob_id, CHUNK)
        self._digest = hashlib.sha256()
        self._held = bytearray()
        self._size = self._number = 0

    async def add(self, piece: bytes) -> None:
        view, batch = memoryview(piece), BATCH * CHUNK
        while view:
            room = batch + 1 - len(self._held)
            self._held += view[:room]
            view = view[room:]
            if len(self._held) > batch:
                plain = bytes(memoryview(self._held)[:batch])
                del self._held[:batch]
                await self._store(plain, last=False)

    async def end(self) -> Blob:
        await self._store(bytes(self._held), last=True)
        return Blob(blob_id=self.blob_id, size=self._size, sha256=self._digest.hexdigest(), key=self._key)

    async def _store(self, plain: bytes, *, last: bool) -> None:
        self._size += len(plain)
        sealed = await asyncio.to_thread(self._sealed, plain, last=last)
        async with self._begin() as tx:
            await tx.put_chunks(
                self.blob_id,
                self._number,
                sealed,
                size=self._size if last else None,
                until=self._clock.now() + KEEP_UNLINKED,
            )
        self._number += len(sealed)

    def _sealed(self, plain: bytes, *, last: bool) -> list[bytes]:
        """At least one, so that an empty blob has a seal too."""
        self._digest.update(plain)
        view = memoryview(plain)
        begins = range(0, len(plain), CHUNK) or range(1)
        return [
            self._seal.seal(self._number + i, view[at : at + CHUNK], last=last and at == begins[-1])
            for i, at in enumerate(begins)
        ]


async def write(begin: Begin, clock: Clock, chunks: AsyncIterator[bytes]) -> Blob:
    """``Store.write_blob``."""
    writer = _Writer(begin, clock)
    try:
        async for piece in chunks:
            await writer.add(piece)
        return await writer.end()
    except BaseException:
        await _to_end(remove(begin, writer.blob_id))
        raise


async def _to_end(work: Coroutine[None, None, None]) -> None:
    """Even when cancelled (again). What cannot be removed now, for want of a database, expires."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError, PasserelleError):
            await asyncio.shield(task)


async def remove(begin: Begin, blob_id: str) -> None:
    """Unless it belongs to a message: its chunks too, in small transactions."""
    async with begin() as tx:
        await tx.drop_unlinked(blob_id)
    removed = SWEEP
    while removed == SWEEP:
        async with begin() as tx:
            removed = await tx.sweep_blob(blob_id)


async def read(begin: Begin, blob: Blob, first: int, end: int | None) -> AsyncIterator[bytes]:
    """``Store.read_blob``."""
    end = blob.size if end is None else end
    if not 0 <= first <= end <= blob.size:
        raise ValueError("the range is not inside the blob")
    if first == end and blob.size:
        return
    reader: _Reader | None = None
    at = first
    while reader is None or at < end:
        async with begin(read_only=True) as tx:
            if reader is None:
                reader = _Reader(blob, await tx.chunk_size(blob.blob_id))
            numbers = reader.numbers(at, end)
            found = await tx.get_chunks(blob.blob_id, numbers[0], numbers[-1])
        for plain in await asyncio.to_thread(reader.opened, found, numbers):
            begins = at // reader.chunk_size * reader.chunk_size
            piece = plain[at - begins : end - begins]
            at = begins + reader.chunk_size
            if piece:
                yield piece


class _Reader:
    """Opens the chunks of one blob. Raises SealBroken."""

    def __init__(self, blob: Blob, chunk_size: int) -> None:
        if chunk_size <= 0:
            raise sealing.SealBroken(f"blobs|{blob.blob_id}")
        self._seal = sealing.ChunkSeal(blob.key, blob.blob_id, chunk_size)
        self._blob, self.chunk_size = blob, chunk_size
        self._last = max(blob.size - 1, 0) // chunk_size

    def numbers(self, begin: int, end: int) -> range:
        """The chunks to read together: the one that holds the octet ``begin`` and those after it."""
        first = begin // self.chunk_size
        return range(first, min(first + BATCH, max(end - 1, 0) // self.chunk_size + 1))

    def opened(self, found: Sequence[tuple[int, bytes]], numbers: range) -> list[bytes]:
        """All of them, whole."""
        if [number for number, _ in found] != list(numbers):
            raise sealing.SealBroken(f"blob_chunks|{self._blob.blob_id}|{numbers[0]}")
        return [self._open(number, sealed) for number, sealed in found]

    def _open(self, number: int, sealed: bytes) -> bytes:
        last = number == self._last
        plain = self._seal.open(number, sealed, last=last)
        expected = self._blob.size - number * self.chunk_size if last else self.chunk_size
        if len(plain) != expected:  # the chunk is genuine, so it is the size that was changed
            raise sealing.SealBroken(f"blobs|{self._blob.blob_id}")
        return plain
