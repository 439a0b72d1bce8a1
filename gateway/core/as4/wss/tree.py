"""Small, strict readings of an XML tree; canonicalisation of the nodes as they arrived."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Final

from lxml import etree

from contracts.xml import XmlRefused, parse_xml
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.errors import FailedAuthentication, InvalidHeader

WSU_ID: Final = ns.q(ns.WSU, "Id")

DEFAULT_PREFIX: Final = "#default"
"""How a PrefixList names the default namespace (Exclusive C14N, 3)."""


class Malformed(FailedAuthentication):
    """A security header that we cannot read in exactly one way; decryption translates it."""


def parse_envelope(content: bytes, policy: SecurityPolicy) -> etree._Element:
    """The SOAP part as a tree within the policy's limits. Raises InvalidHeader (EBMS:0009)."""
    try:
        return parse_xml(content, max_bytes=policy.max_header_bytes)
    except XmlRefused as exc:
        raise InvalidHeader(f"the SOAP envelope is refused: {exc}") from exc


def elements(parent: etree._Element) -> list[etree._Element]:
    """Child elements; comments are not signed and not read."""
    return [child for child in parent if isinstance(child.tag, str)]


def children(parent: etree._Element, tag: str) -> list[etree._Element]:
    return [child for child in elements(parent) if child.tag == tag]


def only(parent: etree._Element, tag: str) -> etree._Element:
    """The one direct child of that name. Raises Malformed."""
    found = children(parent, tag)
    if len(found) != 1:
        raise Malformed(f"expected one {etree.QName(tag).localname}")
    return found[0]


def optional(parent: etree._Element, tag: str) -> etree._Element | None:
    """The direct child of that name, or None. Raises Malformed for more than one."""
    return only(parent, tag) if children(parent, tag) else None


def leaf_text(element: etree._Element) -> str:
    """Text of an element without children; a comment inside would let two readers see two texts."""
    if len(element):
        raise Malformed(f"{etree.QName(element).localname} is not plain text")
    return (element.text or "").strip()


def attribute(element: etree._Element, name: str) -> str:
    """A required attribute. Raises Malformed."""
    value = element.get(name)
    if value is None:
        raise Malformed(f"{etree.QName(element).localname} lacks {etree.QName(name).localname}")
    return value


def binary(element: etree._Element) -> bytes:
    """Base64 text; white space (also CR) is ignored. Raises Malformed."""
    try:
        return base64.b64decode("".join(leaf_text(element).split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Malformed(f"{etree.QName(element).localname} is not base64") from exc


def base64_text(content: bytes) -> str:
    """Base64 in one line: CR inside it breaks peers (as4.md, Traps)."""
    return base64.b64encode(content).decode("ascii")


def canonical(element: etree._Element, prefixes: Sequence[str] = ()) -> bytes:
    """Exclusive C14N 1.0 without comments of the subtree as it arrived; ``prefixes``: PrefixList."""
    if DEFAULT_PREFIX in prefixes:
        # lxml hands libxml2 only prefixes that are in its table of names, where "#default" gets no other
        # way than as a namespace name. Should that ever stop working, digests differ and we refuse.
        parse_xml(b'<a xmlns:b="#default"/>')
    return _c14n(element, list(prefixes) or None)


def canonical_document(root: etree._Element) -> bytes:
    """Exclusive C14N without comments of a whole document, with what stands beside its root element."""
    return _c14n(root.getroottree(), None)


def _c14n(node: etree._Element | etree._ElementTree, prefixes: list[str] | None) -> bytes:
    try:
        return etree.tostring(
            node, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes
        )
    except etree.C14NError as exc:  # relative namespace names have no canonical form (C14N 1.0, 1.3)
        raise Malformed("the message has no canonical form") from exc


def ids(root: etree._Element) -> Iterator[str]:
    """Every value of an attribute that some processor might take for an id, in any namespace."""
    for element in root.iter(etree.Element):
        for name, value in element.attrib.items():
            if str(name).rpartition("}")[2].lower() == "id":
                yield str(value)


def fresh_id(root: etree._Element, stem: str) -> str:
    """``stem``, or ``stem-2`` and so on when it is taken in this document."""
    taken = set(ids(root))
    number = 1
    candidate = stem
    while candidate in taken:
        number += 1
        candidate = f"{stem}-{number}"
    return candidate
