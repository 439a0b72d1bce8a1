"""Messages of ours that are wrong in one way, and otherwise what the product would send.

Each layer is made by the product's own functions; ``Bent`` only lets a test reach in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4 import soap
from gateway.core.as4.compression import pack
from gateway.core.as4.content import Octets, whole
from gateway.core.as4.ebms import build_user_message
from gateway.core.as4.keys import SigningKey
from gateway.core.as4.message import PartInfo, SealedMessage, UserMessage
from gateway.core.as4.mime import OCTETS, MimePart, build_multipart
from gateway.core.as4.pmode import PMode
from gateway.core.as4.wss.encrypt import encrypt_attachments
from gateway.core.as4.wss.sign import sign_envelope
from tests.interop.ours import OurEnd, Sent
from tests.interop.scenario import Doc

Tree = etree._Element


def _nothing(_: Any) -> None:
    return None


def _same(parts: dict[str, Octets]) -> dict[str, Octets]:
    return parts


@dataclass(kw_only=True)
class Bent:
    """One message. ``contents`` is applied before signing, ``travelling`` to what is put into MIME."""

    pmode: PMode
    docs: Sequence[Doc]
    header: dict[str, Any] = field(default_factory=dict)
    infos: Callable[[list[PartInfo]], list[PartInfo]] = list
    contents: Callable[[dict[str, Octets]], dict[str, Octets]] = _same
    before_signing: Callable[[Tree], None] = _nothing
    after_signing: Callable[[Tree], None] = _nothing
    travelling: Callable[[dict[str, Octets]], dict[str, Octets]] = _same
    sign: bool = True
    encrypt: bool = True
    signer: SigningKey | None = None
    recipient: x509.Certificate | None = None

    def seal(self, ours: OurEnd) -> tuple[UserMessage, SealedMessage]:
        message = ours.new_message(self.pmode, **self.header)
        packed = [pack(doc.payload(), compress=True) for doc in self.docs]
        contents = self.contents({info.content_id: whole(content) for info, content, _ in packed})
        types = {info.content_id: kind for info, _, kind in packed}
        envelope, messaging = soap.build_envelope(message.message_id)
        build_user_message(messaging, message, self.infos([info for info, _, _ in packed]))
        self.before_signing(envelope)
        references = ()
        if self.sign:
            references = sign_envelope(
                envelope, contents, signer=self.signer or ours.signer, policy=ours.policy, media_types=types
            )
        parts = contents
        if self.encrypt and self.sign:
            recipient = self.recipient or ours.recipient
            parts = encrypt_attachments(
                envelope, contents, recipient=recipient, policy=ours.policy, media_types=types
            )
        self.after_signing(envelope)
        travelling = self.travelling({cid: whole(content) for cid, content in parts.items()})
        kind = OCTETS if self.encrypt else "application/gzip"
        wire = [MimePart(content_id=cid, content_type=kind, content=c) for cid, c in travelling.items()]
        written = soap.serialise(envelope)
        content_type, body = build_multipart(written, wire)
        sealed = SealedMessage(content_type=content_type, body=body, envelope=written, references=references)
        return message, sealed

    def send(self, ours: OurEnd, url: str) -> Sent:
        return ours.post(url, *self.seal(ours))


def find(envelope: Tree, path: str) -> Tree:
    """The first element at this XPath (prefixes of the product)."""
    found = envelope.xpath(path, namespaces=dict(ns.PREFIXES))
    assert isinstance(found, list)
    first = found[0]
    assert isinstance(first, etree._Element)
    return first


def swap_first(element: Tree) -> None:
    """Changes the first character of base64 text."""
    text = (element.text or "").strip()
    element.text = ("B" if text[0] == "A" else "A") + text[1:]
