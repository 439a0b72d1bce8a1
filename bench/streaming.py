"""``python -m bench.streaming [--megabytes N]``: one large attachment through the AS4 core, file to file.

Each line is measured in a process of its own, whose peak memory is that line's: seal (read, compress,
digest, sign), send (the body as it would be posted, into a file), open (delimiters, tag, digest, gzip) and
read (what the receiver gets). Megabytes are of the attachment and 10^6 octets; seconds are of one core (CPU).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gateway.core.as4.content import CHUNK, chunks_of, digest_of
from gateway.core.as4.message import Payload
from gateway.core.as4.open import open_message
from gateway.core.as4.seal import seal_user_message
from gateway.core.as4.verified import VerifiedUserMessage
from tests.fixtures import as4, pki

KINDS = {"photographs": False, "text": True}
"""What the attachment is like → whether gzip makes it smaller."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file, opened anew for every reading."""

    path: Path
    size: int

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        left = (self.size if end is None else end) - begin
        with self.path.open("rb", buffering=0) as stream:
            stream.seek(begin)
            while left > 0 and (chunk := stream.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk


def write(path: Path, size: int, *, compressible: bool) -> FileContent:
    """Octets that gzip cannot make smaller, or makes about four times smaller."""
    left, number = size, 0
    with path.open("wb") as stream:
        while left:
            noise = hashlib.shake_256(number.to_bytes(8, "big")).digest(CHUNK // 8 if compressible else CHUNK)
            chunk = json.dumps(
                [noise[n : n + 4].hex() + "-reference" for n in range(0, len(noise), 4)]
            ).encode()
            left -= stream.write((chunk if compressible else noise)[:left])
            number += 1
    return FileContent(path, size)


def _timed(name: str, seconds: dict[str, float], action: Callable[[], Any]) -> Any:
    begun = time.process_time()
    result = action()
    seconds[name] = time.process_time() - begun
    return result


def measure(folder: Path, size: int, *, compressible: bool) -> dict[str, Any]:
    """CPU seconds of each step and peak memory in MB, in this process."""
    source = write(folder / "attachment", size, compressible=compressible)
    seconds: dict[str, float] = {}
    wire = folder / "wire"
    payload = Payload(content_id="large@uk.test", mime_type="application/octet-stream", content=source)
    signer, receiver, trust = pki.party(pki.UK).signing, pki.party(pki.FR).decryption, pki.trust_store()
    before = _peak_mb()
    sealed = _timed(
        "seal",
        seconds,
        lambda: seal_user_message(
            as4.header(as4.REQUEST),
            [as4.DOCUMENT, payload],
            pmode=as4.REQUEST,
            signer=signer,
            recipient=receiver.certificate,
            policy=as4.POLICY,
            now=pki.NOW,
        ),
    )
    with wire.open("wb", buffering=0) as stream:
        _timed("send", seconds, lambda: [stream.write(chunk) for chunk in chunks_of(sealed.body)] and None)
    opened = _timed(
        "open",
        seconds,
        lambda: open_message(
            sealed.content_type,
            FileContent(wire, wire.stat().st_size),
            pmodes=as4.PMODES,
            trust=trust,
            decryption_keys=[receiver],
            policy=as4.POLICY,
            now=pki.NOW,
        ),
    )
    if not isinstance(opened, VerifiedUserMessage):
        raise TypeError("a user message was sent")
    got = _timed("read", seconds, lambda: digest_of(opened.payloads[1].content, "sha512"))
    if got != digest_of(source, "sha512"):
        raise RuntimeError("what was read is not what was sent")
    return {"seconds": seconds, "before_mb": before, "peak_mb": _peak_mb(), "wire": wire.stat().st_size}


def _peak_mb() -> float:
    """Of this process so far; Linux counts in KiB, macOS in octets."""
    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    )


def _child(size: int, compressible: bool, queue: multiprocessing.Queue[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        queue.put(measure(Path(folder), size, compressible=compressible))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.streaming", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500, help="size of the attachment (default 500)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    if arguments.megabytes < 2:
        parser.error("--megabytes must be 2 or more: smaller parts do not stream")
    size = arguments.megabytes * 1_000_000
    context = multiprocessing.get_context("spawn")
    found: dict[str, Any] = {}
    for kind, compressible in KINDS.items():
        queue = context.Queue()
        child = context.Process(target=_child, args=(size, compressible, queue))
        child.start()
        found[kind] = queue.get()
        child.join()
    if arguments.json:
        sys.stdout.write(json.dumps({"megabytes": arguments.megabytes, **found}) + "\n")
    else:
        show(found, arguments.megabytes)
    return 0


def show(found: dict[str, Any], megabytes: int) -> None:
    """One line for each kind of attachment."""
    table = Table(title=f"{megabytes} MB in one attachment: MB/s of one core, memory")
    for column in ("attachment", "seal", "send", "open", "read", "wire MB", "peak MB", "before MB"):
        table.add_column(column, justify="left" if column == "attachment" else "right")
    for kind, one in found.items():
        rates = [f"{megabytes / one['seconds'][step]:.0f}" for step in ("seal", "send", "open", "read")]
        table.add_row(
            kind, *rates, f"{one['wire'] / 1e6:.0f}", f"{one['peak_mb']:.0f}", f"{one['before_mb']:.0f}"
        )
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(main())
