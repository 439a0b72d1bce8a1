"""Large octets between the event loop, where the store lives, and the threads, where the core works on them.

The core reads a ``Content`` with plain iterators, so it works in a thread; the store is asynchronous and
belongs to the loop. ``BlobContent`` brings the store's octets to a thread, ``stream`` a thread's octets to
the loop. Either holds about a mebibyte, whatever the size, and a window of the store at a time: no
transaction stays open while a peer is slow.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from gateway.core.as4.content import CHUNK, Octets, whole
from gateway.core.errors import Unavailable
from gateway.core.records import Blob
from gateway.flows.ports import Store, StreamedBody

T = TypeVar("T")

WINDOW: Final = 4 * CHUNK
"""Octets that are taken from the store at a time."""
_LOOK_S: Final = 1.0
LARGE_THREADS: Final = ThreadPoolExecutor(4, thread_name_prefix="large")
"""For large messages alone: the default threads stay free for everything else."""


class ContentDestroyed(LookupError):
    """Retention has destroyed the content."""


async def in_thread(work: Callable[[], T], *, stop: Callable[[], None] | None = None) -> T:
    """Runs what may take long in a thread for large messages.

    When cancelled it calls ``stop`` and still waits for the end of the work, so that nothing goes on reading
    what the caller is about to close.
    """
    future = asyncio.get_running_loop().run_in_executor(LARGE_THREADS, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if stop is not None:
            stop()
        await _ended(future)
        raise


async def _ended(future: asyncio.Future[T]) -> None:
    while not future.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future])
    if not future.cancelled():
        future.exception()  # seen: nobody else will look


async def in_memory(octets: Octets) -> bytes:
    """All of it; only for what is known to be small enough."""
    return octets if isinstance(octets, bytes) else await in_thread(lambda: whole(octets))


class BlobContent:
    """Implements ``gateway.core.as4.content.Content`` over a blob of the store, for use in other threads.

    Made on the loop; reading on the loop's own thread would wait for itself, and raises RuntimeError.
    ``close`` ends a reading that is under way in a thread (Unavailable there).
    """

    def __init__(self, store: Store, blob: Blob) -> None:
        self._store, self._blob = store, blob
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._closed = threading.Event()

    @property
    def size(self) -> int:
        return self._blob.size

    def close(self) -> None:
        self._closed.set()

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Raises ContentDestroyed when the blob is gone, Unavailable."""
        if threading.get_ident() == self._loop_thread:
            raise RuntimeError("the content of a blob is read in a thread, never on the event loop's own")
        last = self.size if end is None else min(end, self.size)
        while begin < last:
            stop = min((begin // WINDOW + 1) * WINDOW, last)
            yield from self._window(begin, stop)
            begin = stop

    def _window(self, begin: int, end: int) -> list[bytes]:
        if self._closed.is_set():
            raise Unavailable("reading was ended")
        future = asyncio.run_coroutine_threadsafe(_collect(self._store, self._blob, begin, end), self._loop)
        while True:
            try:
                return future.result(_LOOK_S)
            except LookupError as exc:
                raise ContentDestroyed from exc
            except TimeoutError:
                if future.done():
                    raise
                if self._closed.is_set():
                    future.cancel()
                    raise Unavailable("reading was ended") from None


async def _collect(store: Store, blob: Blob, begin: int, end: int) -> list[bytes]:
    return [chunk async for chunk in store.read_blob(blob, begin, end)]


async def stream(octets: Octets) -> AsyncGenerator[bytes, None]:
    """The pieces of a Content, made in a thread while the one before is used."""
    if isinstance(octets, bytes):
        yield octets
        return
    loop = asyncio.get_running_loop()
    pieces = octets.chunks()
    ahead = loop.run_in_executor(LARGE_THREADS, next, pieces, None)
    try:
        while (chunk := await asyncio.shield(ahead)) is not None:
            ahead = loop.run_in_executor(LARGE_THREADS, next, pieces, None)
            yield chunk
    finally:
        await _ended(ahead)
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


def streamed_body(store: Store, blob: Blob) -> StreamedBody:
    """A blob as the body of a POST."""
    return StreamedBody(size=blob.size, open=lambda: store.read_blob(blob))
