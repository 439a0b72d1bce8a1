"""The values of an AS4 message, in neither wire's form: what a producer gives and a consumer gets back.

All instants are aware UTC with whole milliseconds. Nothing here is verified by itself: only
``open.open_message`` makes the ``Verified…`` types.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

from gateway.core.as4.content import Octets
from gateway.core.as4.wss.reference import SignedReference

MESSAGE_ID_PATTERN: Final = re.compile(r"[\x21-\x3B\x3D\x3F-\x7E]{1,255}\Z")
"""Printable ASCII without spaces and angle brackets (RFC 2822 msg-id; Domibus: ``[\\x20-\\x7E]*``)."""
CONTENT_ID_PATTERN: Final = re.compile(r"[A-Za-z0-9!$'*+,./:;=?@^_`{|}~&#()-]{1,255}\Z")
"""What a Content-ID may hold: printable ASCII without space, quote, bracket, backslash or percent sign, so
that ``cid:`` URLs need no escapes and one Content-ID has one spelling."""
SENT_CONTENT_ID_PATTERN: Final = re.compile(r"[A-Za-z0-9!$'*,./:;=?@_~&()-]{1,255}\Z")
"""What a Content-ID that we send may hold: WSS4J reads ``+`` in a ``cid:`` URL as a space, and what else is
left out here is no character of a URI (RFC 3986 2)."""

COMPRESSION_TYPE: Final = "CompressionType"
MIME_TYPE: Final = "MimeType"
CHARACTER_SET: Final = "CharacterSet"
AS4_PART_PROPERTIES: Final = frozenset({COMPRESSION_TYPE, MIME_TYPE, CHARACTER_SET})
"""Part properties that AS4 itself sets (as4.md 12, 16): never the producer's to set."""

ORIGINAL_SENDER: Final = "originalSender"
FINAL_RECIPIENT: Final = "finalRecipient"
TRACKING_IDENTIFIER: Final = "trackingIdentifier"


@dataclass(frozen=True, kw_only=True, slots=True)
class Party:
    """An access point: one party id (as4.md 4), its type (None: untyped, then a URI) and its role."""

    id: str
    type: str | None
    role: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Property:
    """A message or part property, with or without ``@type`` (as4.md 8)."""

    name: str
    value: str
    type: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PartInfo:
    """One ``eb:PartInfo``: which MIME part, and its properties exactly as on the wire."""

    content_id: str
    properties: tuple[Property, ...] = ()

    def value(self, name: str) -> str | None:
        """The value of the property of that name, None when absent."""
        return next((p.value for p in self.properties if p.name == name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Payload:
    """One payload: the producer's content, uncompressed.

    ``properties`` are the producer's own; CompressionType, MimeType and CharacterSet are derived from
    the other fields and are not seen here (as4.md 16). ``compress`` asks for gzip, or says it was used.
    Raises ValueError for a Content-ID with forbidden characters or a reserved property.
    """

    content_id: str
    mime_type: str
    content: Octets
    properties: tuple[Property, ...] = ()
    compress: bool = True
    charset: str | None = None

    def __post_init__(self) -> None:
        if not CONTENT_ID_PATTERN.match(self.content_id):
            raise ValueError("a Content-ID is printable ASCII without spaces, quotes and brackets")
        if any(p.name in AS4_PART_PROPERTIES for p in self.properties):
            raise ValueError("CompressionType, MimeType and CharacterSet are set by AS4, not by the producer")


@dataclass(frozen=True, kw_only=True, slots=True)
class UserMessage:
    """The header of a user message. On sending ``parts`` stays empty: it follows from the payloads.

    Raises ValueError for a MessageId or RefToMessageId that peers would refuse.
    """

    message_id: str
    timestamp: dt.datetime
    """Aware, UTC, whole milliseconds."""
    conversation_id: str
    """Always on the wire (as4.md 3)."""
    from_party: Party
    to_party: Party
    service: str
    action: str
    service_type: str | None = None
    agreement_ref: str | None = None
    agreement_type: str | None = None
    agreement_pmode: str | None = None
    """``AgreementRef/@pmode``, a hint only (as4.md 5)."""
    ref_to_message_id: str | None = None
    mpc: str | None = None
    properties: tuple[Property, ...] = ()
    parts: tuple[PartInfo, ...] = ()

    def __post_init__(self) -> None:
        if self.timestamp.tzinfo is None:
            raise ValueError("eb:Timestamp needs a zone")
        for value in (self.message_id, self.ref_to_message_id):
            if value is not None and not MESSAGE_ID_PATTERN.match(value):
                raise ValueError("a MessageId is at most 255 printable ASCII characters without spaces")

    def value(self, name: str) -> str | None:
        """The value of the message property of that name, None when absent."""
        return next((p.value for p in self.properties if p.name == name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorEntry:
    """One ``eb:Error`` of a signal. Match on ``code`` alone: severity and text differ between peers."""

    code: str
    severity: str
    short_description: str | None = None
    detail: str | None = None
    """Text of the peer: shown to operators, never parsed."""
    ref_to_message_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sealed:
    """A finished signal (receipt, error, pull request), ready to be sent."""

    content_type: str
    body: bytes
    envelope: bytes
    """The SOAP envelope alone: kept as evidence."""
    references: tuple[SignedReference, ...]
    """What our signature covers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedMessage:
    """A finished user message, ready to POST; the same octets are sent on every retry (as4.md 31)."""

    content_type: str
    body: Octets
    """With a Content among its payloads the body is one too, made anew (the same) at every reading."""
    envelope: bytes
    """The SOAP envelope alone, without the parts: kept as evidence."""
    references: tuple[SignedReference, ...]
    """What our signature covers; the receipt must repeat it (as4.md 29)."""
