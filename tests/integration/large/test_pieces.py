"""The pieces that large octets pass through: blobs in threads, streams, spooled bodies, streamed POSTs."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway.clock import SystemClock
from gateway.core.as4.content import CHUNK, IN_MEMORY, Content, whole
from gateway.core.errors import ConnectionFailed, PeerTimedOut, Unavailable
from gateway.core.records import Blob
from gateway.flows.contents import (
    WINDOW,
    BlobContent,
    ContentDestroyed,
    in_memory,
    in_thread,
    stream,
    streamed_body,
)
from gateway.flows.ports import StreamedBody
from gateway.store import SqlStore, open_store
from gateway.transport.http import HttpTransport
from gateway.transport.spool import FileContent, Patience, TooMuch, spool
from gateway.uk_client import FilePart
from tests.fixtures.blobs import pieces
from tests.fixtures.databases import PlainKeys
from tests.fixtures.large import noise

SIZE = 3_000_001


@pytest.fixture
async def store(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[SqlStore]:
    database = tmp_path / "store.db"
    shutil.copyfile(sqlite_template, database)
    made = open_store(f"sqlite:///{database}", keyring=PlainKeys())
    yield made
    await made.close()


async def blob_of(store: SqlStore, size: int = SIZE) -> Blob:
    return await store.write_blob(pieces(noise(size)))


# ---- a blob in a thread, a thread's octets on the loop ------------------------------------------


@pytest.mark.parametrize(
    ("begin", "end"),
    [(0, None), (0, 0), (1, 2), (WINDOW - 1, WINDOW + 1), (WINDOW, 2 * WINDOW), (5, SIZE + 9), (SIZE, None)],
)
async def test_a_blob_is_read_in_a_thread(store: SqlStore, begin: int, end: int | None) -> None:
    """Any range gives what a slice would, in pieces of at most CHUNK."""
    content = BlobContent(store, await blob_of(store))
    assert isinstance(content, Content)
    assert content.size == SIZE
    found = await in_thread(lambda: list(content.chunks(begin, end)))
    assert b"".join(found) == noise(SIZE)[begin:end]
    assert all(0 < len(chunk) <= CHUNK for chunk in found)


async def test_a_blob_is_never_read_on_the_loop(store: SqlStore) -> None:
    """There it would wait for itself for ever: an error at once."""
    content = BlobContent(store, await blob_of(store))
    with pytest.raises(RuntimeError, match="in a thread"):
        whole(content)


async def test_closing_ends_a_reading(store: SqlStore) -> None:
    """What is being read in a thread stops with Unavailable at its next window."""
    content = BlobContent(store, await blob_of(store))
    reading = content.chunks()
    assert await in_thread(lambda: next(reading)) == noise(SIZE)[:CHUNK]
    content.close()
    with pytest.raises(Unavailable):
        await in_thread(lambda: list(reading))


async def test_a_blob_that_is_gone(store: SqlStore) -> None:
    """Dropped or destroyed meanwhile: ContentDestroyed, which is a LookupError."""
    blob = await blob_of(store)
    await store.drop_blob(blob)
    content = BlobContent(store, blob)
    with pytest.raises(ContentDestroyed):
        await in_memory(content)


async def test_a_stream_has_all_in_order_and_makes_little_ahead(store: SqlStore) -> None:
    """The octets of a Content, made in threads for large messages, one piece ahead of what is used."""
    made: list[int] = []
    threads: set[str] = set()

    class Made:
        size = 20

        def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
            for n in range(20):
                made.append(n)
                threads.add(threading.current_thread().name)
                yield bytes([n])

    found = b""
    async with aclosing(stream(Made())) as chunks:
        async for chunk in chunks:
            found += chunk
            await asyncio.sleep(0.002)
            assert len(made) <= len(found) + 1
    assert found == bytes(range(20))
    assert all(name.startswith("large_") for name in threads)


async def test_a_stream_that_is_left_closes_its_source() -> None:
    """Leaving early ends the iterator in its thread, even while it makes the next piece."""
    closed = threading.Event()

    class Slow:
        size = 1

        def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
            try:
                while True:
                    time.sleep(0.02)
                    yield b"x"
            finally:
                closed.set()

    async with aclosing(stream(Slow())) as chunks:
        assert await anext(chunks) == b"x"
    assert closed.is_set()


async def test_work_in_a_thread_is_waited_for_when_cancelled() -> None:
    """``stop`` is called, and the cancelled caller goes on only when the thread has ended."""
    stop, ended = threading.Event(), threading.Event()

    def work() -> None:
        stop.wait(5)
        time.sleep(0.05)
        ended.set()

    task = asyncio.create_task(in_thread(work, stop=stop.set))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_small_octets_stay_where_they_are() -> None:
    """Bytes pass through without a thread."""
    assert await in_memory(b"small") == b"small"
    assert [chunk async for chunk in stream(b"small")] == [b"small"]


# ---- bodies that come in ------------------------------------------------------------------------


def reader(*chunks: bytes, ends: bool = True) -> asyncio.StreamReader:
    made = asyncio.StreamReader()
    for chunk in chunks:
        made.feed_data(chunk)
    if ends:
        made.feed_eof()
    return made


@pytest.mark.parametrize(
    ("size", "kind"),
    [(0, bytes), (10, bytes), (IN_MEMORY, bytes), (IN_MEMORY + 1, FileContent), (SIZE, FileContent)],
)
async def test_a_body_is_kept_where_its_size_belongs(size: int, kind: type) -> None:
    """Up to IN_MEMORY octets as bytes, more in a file; the limit itself is allowed."""
    body = await spool(reader(noise(size)), limit=size, patience=Patience(1, 1))
    assert isinstance(body, kind)
    if isinstance(body, FileContent):
        assert isinstance(body, Content)
        assert body.size == size
        assert b"".join(body.chunks(7, size - 7)) == noise(size)[7:-7]
        body.close()
    else:
        assert body == noise(size)


async def test_a_body_over_the_limit_ends_there() -> None:
    """One octet more: TooMuch, although the sender has not ended."""
    with pytest.raises(TooMuch):
        await spool(reader(noise(SIZE), ends=False), limit=SIZE - 1, patience=Patience(1, 1))


def make_folders(root: Path, *names: str) -> None:
    for name in names:
        (root / name).mkdir()


def place_of(body: FileContent) -> str:
    return str(Path(f"/proc/self/fd/{body._file.fileno()}").readlink())


@pytest.mark.parametrize("writable", [True, False])
async def test_a_spooled_body_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    """It lies in the folder given, or where the system keeps such files if that cannot be written; nothing
    of it is found by a name, so nothing stays after ``kill -9``."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "system"))
    monkeypatch.setattr("os.access", lambda *_: writable)  # root may write everywhere
    make_folders(tmp_path, "system", "given")
    patience = Patience(1, 1)
    body = await spool(reader(noise(SIZE)), limit=SIZE, patience=patience, folder=tmp_path / "given")
    assert isinstance(body, FileContent)
    assert place_of(body).startswith(str(tmp_path / ("given" if writable else "system")))
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []
    body.close()


async def test_patience_counts_only_waiting() -> None:
    """What we do between two readings is not the sender's time; what it sends earns more."""
    patience = Patience(0.1, rate=1000)
    source = reader(b"x", ends=False)
    assert await patience.wait(source.read(10)) == b"x"
    await asyncio.sleep(0.2)  # ours
    patience.came(100)  # 0.1 s more
    begin = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await patience.wait(source.read(10))
    assert 0.12 < asyncio.get_running_loop().time() - begin < 1


def test_a_file_that_shrinks_is_an_error(tmp_path: Path) -> None:
    """A file of the user that has become shorter is not read as if it ended there."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    content = FileContent.of(path)
    path.write_bytes(b"012")
    with pytest.raises(OSError, match="shorter"):
        list(content.chunks())
    content.close()


def test_a_part_of_a_file_knows_its_size_and_digest(tmp_path: Path) -> None:
    """Without being read into memory."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    part = FilePart(content_id="a", media_type="text/plain", path=path)
    assert part.size == 3
    assert part.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# ---- bodies that go out -------------------------------------------------------------------------


@asynccontextmanager
async def server(handle: object) -> AsyncIterator[str]:
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/", handle)  # type: ignore[arg-type]
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def transport(**settings: float) -> HttpTransport:
    return HttpTransport(clock=SystemClock(), tls=ssl.create_default_context(), **settings)  # type: ignore[arg-type]


async def test_a_streamed_body_goes_with_its_length(store: SqlStore) -> None:
    """Content-Length, not chunked; the octets are those of the blob."""
    seen: dict[str, str | None] = {}

    async def take(request: web.Request) -> web.Response:
        seen.update({name: request.headers.get(name) for name in ("Content-Length", "Transfer-Encoding")})
        return web.Response(body=str(len(await request.read()) == SIZE).encode())

    blob = await blob_of(store)
    async with server(take) as url, transport() as sender:
        for _ in range(2):  # a body can be opened again
            body = streamed_body(store, blob)
            answer = await sender.post(url, content_type="application/octet-stream", body=body)
            assert answer.body == b"True"
    assert seen == {"Content-Length": str(SIZE), "Transfer-Encoding": None}


async def test_large_bytes_are_sent_too() -> None:
    """Bytes above IN_MEMORY, as many small attachments make them."""

    async def take(request: web.Request) -> web.Response:
        return web.Response(body=(await request.read())[-10:])

    async with server(take) as url, transport() as sender:
        answer = await sender.post(url, content_type="text/plain", body=noise(SIZE))
    assert answer.body == noise(SIZE)[-10:]


async def test_a_body_that_cannot_be_read_breaks_the_connection() -> None:
    """The store fails in the middle: the partner sees a broken request, we a failed connection to retry."""

    async def take(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def broken() -> AsyncIterator[bytes]:
        yield noise(500_000)
        raise Unavailable("the database cannot be reached")

    async with server(take) as url, transport() as sender:
        body = StreamedBody(size=SIZE, open=broken)
        with pytest.raises(ConnectionFailed):
            await sender.post(url, content_type="text/plain", body=body)


@pytest.mark.parametrize(("rate", "fits"), [(1_000_000.0, True), (100_000_000.0, False)])
async def test_a_large_body_may_take_longer(rate: float, fits: bool) -> None:
    """``total_timeout_s`` and, on top of it, the time that its size needs at ``least_rate``."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(0.6)
        return web.Response()

    async def octets() -> AsyncIterator[bytes]:
        yield noise(1_500_000)

    async with server(take) as url, transport(total_timeout_s=0.3, least_rate=rate) as sender:
        posting = sender.post(url, content_type="text/plain", body=StreamedBody(size=1_500_000, open=octets))
        if fits:
            assert (await posting).status == 200
        else:
            with pytest.raises(PeerTimedOut):
                await posting
