"""Taking a request body in: small ones in memory, large ones in a temporary file that has no name.

Such a file is unlinked as soon as it is made: what is in it is gone with its last descriptor, also after
``kill -9``. What is written there is what arrived (AS4 ciphertext); nothing that we opened.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import IO, Protocol, TypeVar

from gateway.core.as4.content import CHUNK, IN_MEMORY

R = TypeVar("R")


class Readable(Protocol):
    """A stream as aiohttp and asyncio have it."""

    async def read(self, n: int = -1) -> bytes:
        """At most ``n`` octets, none at the end."""
        ...


class TooMuch(Exception):
    """More octets came than may come."""


class Patience:
    """How long a sender may let us wait: ``seconds``, and more as its octets come, ``rate`` of them a second.

    Only the time that we wait for the sender counts, not what we do with what came.
    """

    def __init__(self, seconds: float, rate: float) -> None:
        self.seconds, self.rate = seconds, rate
        self._left = seconds

    async def wait(self, reading: Awaitable[R]) -> R:
        """What ``reading`` gives. Raises TimeoutError when the sender's time is used up."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        async with asyncio.timeout(max(self._left, 0)):
            found = await reading
        self._left -= loop.time() - begin
        return found

    def came(self, octets: int) -> None:
        """The sender has earned more time."""
        self._left += octets / self.rate


class FileContent:
    """Implements ``gateway.core.as4.content.Content``: octets in an open file, read at any offset.

    Reading blocks. The file goes when this is closed or collected.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size

    @classmethod
    def of(cls, path: Path) -> FileContent:
        """A file of the user. Raises OSError."""
        file = path.open("rb")
        return cls(file, os.fstat(file.fileno()).st_size)

    @property
    def size(self) -> int:
        return self._size

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Raises OSError, also when the file has become shorter."""
        last = self._size if end is None else min(end, self._size)
        while begin < last:
            chunk = os.pread(self._file.fileno(), min(CHUNK, last - begin), begin)
            if not chunk:
                raise OSError("the file is shorter than it was")
            begin += len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()


async def spool(
    stream: Readable, *, limit: int, patience: Patience, folder: Path | None = None
) -> bytes | FileContent:
    """All of ``stream``: bytes up to IN_MEMORY octets, else a temporary file in ``folder``, which should lie
    on a disk (None, or not writable: where the system keeps such files, which may be memory).

    Raises TooMuch as soon as more than ``limit`` octets came, TimeoutError when the sender is too slow.
    """
    buffer = bytearray()
    size = 0
    file: IO[bytes] | None = None
    try:
        async for chunk in _read(stream, limit, patience):
            size += len(chunk)
            buffer += chunk
            if len(buffer) > IN_MEMORY:
                if file is None:
                    file = await asyncio.to_thread(_unnamed, folder)
                await asyncio.to_thread(file.write, buffer)
                buffer = bytearray()
        if file is None:
            return bytes(buffer)
        await asyncio.to_thread(_finish, file, buffer)
        return FileContent(file, size)
    except BaseException:
        if file is not None:
            file.close()
        raise


def _unnamed(folder: Path | None) -> IO[bytes]:
    usable = folder is not None and os.access(folder, os.W_OK)
    return tempfile.TemporaryFile(dir=folder if usable else None)


def _finish(file: IO[bytes], rest: bytearray) -> None:
    file.write(rest)
    file.flush()


async def _read(stream: Readable, limit: int, patience: Patience) -> AsyncIterator[bytes]:
    while chunk := await patience.wait(stream.read(CHUNK)):
        limit -= len(chunk)
        if limit < 0:
            raise TooMuch
        patience.came(len(chunk))
        yield chunk
