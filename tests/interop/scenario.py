"""What an interop scenario is, and the list that tests, table and documentation are made of."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4.content import Octets, chunks_of, digest_of, size_of, whole
from gateway.core.as4.message import AS4_PART_PROPERTIES, Payload, Property
from gateway.transport.spool import FileContent
from tests.interop.ours import OurEnd
from tests.interop.phase4 import Phase4

OUT = "out"
"""Passerelle sends, phase4 answers."""
IN = "in"
"""phase4 sends, Passerelle answers."""


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Both ends of one exchange and a folder for payload files."""

    peer: Phase4
    ours: OurEnd
    folder: Path
    suites: dict[str, OurEnd] = field(default_factory=dict)
    """Our end by suite of profile 2.0; ``ours`` is that of 1.15."""
    files: list[FileContent] = field(default_factory=list)

    def large(self, size: int, *, content_id: str = "large@interop.test") -> Doc:
        """Bytes that do not compress, in a file that is read piece by piece on every way."""
        path = self.folder / f"large-{size}"
        block = random.Random(size).randbytes(1 << 20)
        with path.open("wb") as file:
            for n in range(0, size, len(block)):
                file.write(n.to_bytes(8, "big") + block[8 : size - n])
        content = FileContent.of(path)
        self.files.append(content)
        return Doc(content_id=content_id, content=content, compress=False)


Play = Callable[[Any], Any]
"""Takes the ends that it plays with; a play of the gateway process is asynchronous."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One row of ``docs/interop.md``: its play asserts everything that ``what`` says."""

    id: str
    direction: str
    requirements: tuple[int, ...]
    what: str
    play: Play
    gateway: str | None = None
    """Which world of the gateway process it needs (``gateway_plays``); None: our end within the test."""


class Scenarios:
    """The list; ids are unique."""

    def __init__(self) -> None:
        self.found: dict[str, Scenario] = {}

    def add(
        self,
        id: str,  # noqa: A002 — what the field is called
        direction: str,
        requirements: Iterable[int],
        what: str,
        play: Play,
        *,
        gateway: str | None = None,
    ) -> None:
        assert id not in self.found, id
        self.found[id] = Scenario(
            id=id,
            direction=direction,
            requirements=tuple(requirements),
            what=what,
            play=play,
            gateway=gateway,
        )

    def __call__(
        self,
        id: str,  # noqa: A002 — as above
        direction: str,
        *requirements: int,
        what: str,
        gateway: str | None = None,
    ) -> Callable[[Play], Play]:
        def register(play: Play) -> Play:
            self.add(id, direction, requirements, what, play, gateway=gateway)
            return play

        return register


scenario = Scenarios()
SMALL = 16 << 20
"""Octets: what is larger is a binary, and never held in memory."""


@dataclass(frozen=True, kw_only=True)
class Doc:
    """A payload as either end sends it."""

    content_id: str
    content: Octets
    mime_type: str = "application/octet-stream"
    compress: bool = True
    charset: str | None = None
    properties: tuple[Property, ...] = ()

    def payload(self) -> Payload:
        return Payload(
            content_id=self.content_id,
            mime_type=self.mime_type,
            content=self.content,
            properties=self.properties,
            compress=self.compress,
            charset=self.charset,
        )

    def json(self, folder: Path) -> dict[str, Any]:
        """For phase4's ``/send``: the content as a file."""
        path = folder / hashlib.sha256(self.content_id.encode()).hexdigest()[:20]
        with path.open("wb") as file:
            file.writelines(chunks_of(self.content))
        return {
            "content_id": self.content_id,
            "mime_type": self.mime_type,
            "file": str(path),
            "compress": self.compress,
            "charset": self.charset,
            "properties": [{"name": p.name, "value": p.value, "type": p.type} for p in self.properties],
        }


def xml(size: int = 2000, *, content_id: str = "document@interop.test", **more: Any) -> Doc:
    """An XML document with non-ASCII text, of about ``size`` bytes, that does not compress absurdly well."""
    words = random.Random(size)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<demande xmlns="urn:test:interop:doc"  b="2" a="1">'
    rows = "".join(
        f"<ligne n='{n}'>é€ {words.getrandbits(128):x} &amp; <![CDATA[<]]></ligne>\r\n"
        for n in range(max(1, size // 80))
    )
    content = f"{head}{rows}<vide></vide></demande>".encode()
    return Doc(
        content_id=content_id,
        content=content,
        mime_type="application/xml",
        charset="UTF-8",
        **more,
    )


def binary(size: int, *, content_id: str = "binary@interop.test", **more: Any) -> Doc:
    """Bytes that do not compress."""
    more.setdefault("mime_type", "application/pdf")
    return Doc(content_id=content_id, content=random.Random(size).randbytes(size), **more)


def text(content: bytes = "Accusé\r\nde réception\n".encode(), **more: Any) -> Doc:
    more.setdefault("charset", "UTF-8")
    return Doc(content_id="text@interop.test", content=content, mime_type="text/plain", **more)


def signed_form(doc: Doc) -> Payload:
    """``doc`` as our consumer gets it: of uncompressed XML and text the octets that the signature covers.

    SwA profile 1.1, 5.4.2: XML in its canonical form, text with CRLF. Compressed parts and binaries are
    covered as they are.
    """
    payload = doc.payload()
    content = whole(doc.content) if size_of(doc.content) < SMALL else doc.content
    if not isinstance(content, bytes):
        return payload
    if not doc.compress and doc.mime_type == "application/xml":
        content = etree.tostring(parse_xml(content), method="c14n", exclusive=True, with_comments=False)
    elif not doc.compress and doc.mime_type.startswith("text/"):
        content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return replace(payload, content=content)


def seen_by_us(payload: Payload) -> tuple[Any, ...]:
    """What must survive the journey, as our consumer sees it."""
    return (
        payload.content_id,
        payload.mime_type,
        digest_of(payload.content, "sha256").hex(),
        payload.compress,
        payload.properties,
    )


def seen_by_phase4(part: dict[str, Any]) -> tuple[Any, ...]:
    """The same, as the peer's application sees it."""
    own = tuple(
        Property(name=p["name"], value=p.get("value", ""), type=p.get("type"))
        for p in part.get("properties", [])
        if p["name"] not in AS4_PART_PROPERTIES
    )
    return part["content_id"], part["mime_type"], part["sha256"], part["compressed"], own
