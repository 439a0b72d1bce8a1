"""What comes to the simulated ministry, large or small: read within a limit, its attachments kept as files.

Every attachment must be the one that the document announces, before the receipt leaves: the receipt says
that the ministry has it.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path
from typing import Final

from aiohttp import web

from contracts.model import Message
from contracts.xml import MAX_BYTES
from gateway.core.as4.content import Octets, chunks_of, size_of, whole
from gateway.core.as4.verified import VerifiedUserMessage
from gateway.core.errors import PayloadRefused
from gateway.flows.contents import in_thread
from gateway.transport.spool import FileContent, Patience, TooMuch, spool

_PATIENCE_S: Final = 60.0
_LEAST_RATE: Final = 100_000.0


async def read_body(request: web.Request, limit: int, folder: Path) -> bytes | FileContent:
    """A large one in a file without a name in ``folder``. Raises HTTP 413 or 408."""
    if (request.content_length or 0) > limit:
        raise web.HTTPRequestEntityTooLarge(limit, request.content_length or 0)
    try:
        patience = Patience(_PATIENCE_S, _LEAST_RATE)
        return await spool(request.content, limit=limit, patience=patience, folder=folder)
    except TooMuch:
        raise web.HTTPRequestEntityTooLarge(limit, limit + 1) from None
    except TimeoutError as exc:
        raise web.HTTPRequestTimeout from exc


def document_of(verified: VerifiedUserMessage) -> bytes:
    """The leading document. Raises PayloadRefused."""
    if not verified.payloads or size_of(verified.payloads[0].content) > MAX_BYTES:
        raise PayloadRefused("there is no document in the message, or one that is too large")
    return whole(verified.payloads[0].content)


async def keep_attachments(
    folder: Path, message: Message, verified: VerifiedUserMessage
) -> tuple[tuple[str, int], ...]:
    """(SHA-256, size) of each attachment, now in ``folder`` under its SHA-256.

    Raises PayloadRefused unless they are exactly those announced, in the same order.
    """
    came = [payload.content for payload in verified.payloads[1:]]
    if len(came) != len(message.attachments):
        raise PayloadRefused("the attachments are not those announced")
    if not came:
        return ()

    def work() -> tuple[tuple[str, int], ...]:
        folder.mkdir(exist_ok=True)
        pairs = zip(message.attachments, came, strict=True)
        return tuple(_keep(folder, octets, a.sha256, a.size) for a, octets in pairs)

    if all(isinstance(octets, bytes) for octets in came):
        return await asyncio.to_thread(work)
    return await in_thread(work)


def _keep(folder: Path, octets: Octets, sha256: str, size: int) -> tuple[str, int]:
    """Under its name only when it is whole and the right one."""
    if size_of(octets) != size:
        raise PayloadRefused("an attachment has another size than announced")
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        part = Path(file.name)
        try:
            for chunk in chunks_of(octets):
                digest.update(chunk)
                file.write(chunk)
        except BaseException:
            part.unlink()
            raise
    if digest.hexdigest() != sha256:
        part.unlink()
        raise PayloadRefused("an attachment has another SHA-256 than announced")
    part.rename(folder / sha256)
    return sha256, size
