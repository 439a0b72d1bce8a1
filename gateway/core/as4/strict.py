"""Strict reading of ebMS header elements: exactly the schema's children and attributes, nothing else.

Used on trees that ``contracts.xml.parse_xml`` bounded. Every function raises InvalidHeader (EBMS:0009)
with the local name of the place, never with a value.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from typing import Final

from lxml import etree

from gateway.core.as4.message import MESSAGE_ID_PATTERN
from gateway.core.as4.namespaces import EB, XML, XSI, q
from gateway.core.errors import InvalidHeader

MAX_TEXT: Final = 1024
"""Longest text or attribute value of a header, in characters."""
_TIMESTAMP: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?\Z", re.ASCII
)


def local(element: etree._Element) -> str:
    """The local name, for error texts."""
    return etree.QName(element).localname


def refuse_markup_noise(element: etree._Element) -> None:
    """Comments and processing instructions inside a header can make two readers see two texts: refused."""
    for node in element.iter():
        if not isinstance(node.tag, str):
            raise InvalidHeader("a comment or processing instruction inside eb:Messaging")


def children(element: etree._Element) -> list[etree._Element]:
    """The child elements of an element-only element."""
    texts = [element.text, *(child.tail for child in element)]
    if any(text is not None and text.strip() for text in texts):
        raise InvalidHeader(f"text between the children of {local(element)}")
    return list(element)


class Sequence:
    """Takes the children of an element in the order of the schema; what is left over is refused."""

    def __init__(self, element: etree._Element, attributes: Iterable[str] = ()) -> None:
        check_attributes(element, attributes)
        self._element = element
        self._rest: Iterator[etree._Element] = iter(children(element))
        self._next: etree._Element | None = next(self._rest, None)

    def optional(self, tag: str) -> etree._Element | None:
        """The next child when it has this tag."""
        found = self._next
        if found is None or found.tag != tag:
            return None
        self._next = next(self._rest, None)
        return found

    def required(self, tag: str) -> etree._Element:
        found = self.optional(tag)
        if found is None:
            raise InvalidHeader(f"{local(self._element)} lacks {etree.QName(tag).localname}")
        return found

    def all(self, tag: str, *, most: int) -> list[etree._Element]:
        """All next children of this tag, at most ``most``."""
        found: list[etree._Element] = []
        while (child := self.optional(tag)) is not None:
            found.append(child)
            if len(found) > most:
                raise InvalidHeader(f"too many {etree.QName(tag).localname} in {local(self._element)}")
        return found

    def end(self) -> None:
        if self._next is not None:
            raise InvalidHeader(f"{local(self._element)} has an unexpected or misplaced child")


def check_attributes(element: etree._Element, allowed: Iterable[str]) -> None:
    """Only these attributes (besides ``xml:…`` and ``xsi:…``), and none of absurd length."""
    known = set(allowed)
    for name, value in element.attrib.items():
        namespace = etree.QName(name).namespace
        if name not in known and namespace not in {XML, XSI}:
            raise InvalidHeader(f"{local(element)} has an unexpected attribute")
        if len(value) > MAX_TEXT:
            raise InvalidHeader(f"an attribute of {local(element)} is too long")


def text(element: etree._Element, attributes: Iterable[str] = (), *, most: int = MAX_TEXT) -> str:
    """The text of a text-only element: not empty, without white space around it."""
    check_attributes(element, attributes)
    if len(element):
        raise InvalidHeader(f"{local(element)} has child elements")
    value = element.text or ""
    if not value or value != value.strip() or len(value) > most:
        raise InvalidHeader(f"{local(element)} is empty, padded or too long")
    return value


def attribute(element: etree._Element, name: str) -> str:
    """A mandatory attribute, not empty."""
    value = element.get(name)
    if not value:
        raise InvalidHeader(f"{local(element)} lacks its {name} attribute")
    return value


def message_id(element: etree._Element) -> str:
    """A MessageId or RefToMessageId."""
    value = text(element)
    if not MESSAGE_ID_PATTERN.match(value):
        raise InvalidHeader(f"{local(element)} is not a message id")
    return value


def timestamp(element: etree._Element) -> dt.datetime:
    """``eb:Timestamp`` as aware UTC; without a zone it is UTC (ebMS core 5.2.2.1); cut to milliseconds."""
    match = _TIMESTAMP.match(text(element))
    if match is None:
        raise InvalidHeader("eb:Timestamp is not a dateTime")
    *numbers, fraction, zone = match.groups()
    millis = int((fraction or "0").ljust(3, "0")[:3])
    try:
        value = dt.datetime(*(int(n) for n in numbers), millis * 1000, tzinfo=dt.UTC)  # type: ignore[arg-type,misc]  # the pattern gives six numbers
        if zone not in {None, "Z"}:
            offset = dt.timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
            value = value - offset if zone[0] == "+" else value + offset
    except (ValueError, OverflowError) as exc:
        raise InvalidHeader("eb:Timestamp is not a dateTime") from exc
    return value


def format_timestamp(value: dt.datetime) -> str:
    """UTC with ``Z`` and no fraction or exactly three digits: Domibus refuses one or two (Traps)."""
    value = value.astimezone(dt.UTC)
    spec = "milliseconds" if value.microsecond else "seconds"
    return value.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def message_info(element: etree._Element) -> tuple[dt.datetime, str, str | None]:
    """``eb:MessageInfo``: (timestamp, MessageId, RefToMessageId)."""
    seq = Sequence(element)
    at = timestamp(seq.required(q(EB, "Timestamp")))
    own_id = message_id(seq.required(q(EB, "MessageId")))
    ref = seq.optional(q(EB, "RefToMessageId"))
    seq.end()
    return at, own_id, None if ref is None else message_id(ref)
