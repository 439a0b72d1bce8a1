"""The SOAP 1.2 envelope around ``eb:Messaging``: one Header, one Messaging in it, one Body (as4.md 9, 10)."""

from __future__ import annotations

import hashlib
from collections import Counter

from lxml import etree

from contracts.xml import XmlRefused, parse_xml
from gateway.core.as4 import strict
from gateway.core.as4.namespaces import EB, S12, WSSE, WSU, q
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.errors import As4FeatureNotSupported, InvalidHeader

MESSAGING = q(EB, "Messaging")
_MAX_NAMESPACES = 1000
_TRUE = frozenset({"true", "1"})
_MUST_UNDERSTAND = q(S12, "mustUnderstand")
_ROLE = q(S12, "role")
_RELAY = q(S12, "relay")
_WSU_ID = q(WSU, "Id")
_ONCE = (q(S12, "Header"), q(S12, "Body"), MESSAGING, q(WSSE, "Security"))


def parse_envelope(content: bytes, policy: SecurityPolicy) -> tuple[etree._Element, etree._Element]:
    """``(envelope, eb:Messaging)`` of a SOAP 1.2 message, both unverified.

    Header, Body, Messaging and Security exist at most once in the whole document, each in its own place:
    that alone defeats most signature wrapping. Raises InvalidHeader, and As4FeatureNotSupported for
    another header block that must be understood.
    """
    # Parsing and canonicalising take time that grows with the square of the namespace declarations.
    if content.count(b"xmlns") > _MAX_NAMESPACES:
        raise InvalidHeader("the SOAP envelope declares too many namespaces")
    try:
        envelope = parse_xml(content, max_bytes=policy.max_header_bytes)
    except XmlRefused as exc:
        raise InvalidHeader("the SOAP envelope is not acceptable XML") from exc
    # In another encoding the count above would have missed them.
    if (envelope.getroottree().docinfo.encoding or "UTF-8").upper() not in {"UTF-8", "US-ASCII", "ASCII"}:
        raise InvalidHeader("the SOAP envelope is not UTF-8")
    if envelope.tag != q(S12, "Envelope"):
        raise InvalidHeader("the document is not a SOAP 1.2 envelope")
    counts = Counter(node.tag for node in envelope.iter() if isinstance(node.tag, str))
    if any(counts[tag] > 1 for tag in _ONCE):
        raise InvalidHeader("a Header, Body, Messaging or Security occurs twice")
    shape = [child for child in envelope if isinstance(child.tag, str)]
    if [child.tag for child in shape] != [q(S12, "Header"), q(S12, "Body")]:
        raise InvalidHeader("the envelope is not one Header and one Body")
    blocks = [child for child in shape[0] if isinstance(child.tag, str)]
    messaging = next((b for b in blocks if b.tag == MESSAGING), None)
    if messaging is None:
        raise InvalidHeader("there is no eb:Messaging header")
    if counts[q(WSSE, "Security")] and not any(b.tag == q(WSSE, "Security") for b in blocks):
        raise InvalidHeader("wsse:Security is not a header block")
    for block in blocks:
        known = block.tag in {MESSAGING, q(WSSE, "Security")}
        if not known and block.get(_MUST_UNDERSTAND, "false").strip() in _TRUE:
            raise As4FeatureNotSupported("a SOAP header block that must be understood is not known")
    return envelope, messaging


def unit(messaging: etree._Element) -> etree._Element:
    """The one UserMessage or SignalMessage of a Messaging header; its comments and attributes are checked.

    Raises InvalidHeader for none, several, or anything besides.
    """
    strict.refuse_markup_noise(messaging)
    strict.check_attributes(messaging, (_MUST_UNDERSTAND, _ROLE, _RELAY, _WSU_ID, "id"))
    units = strict.children(messaging)
    if len(units) != 1 or units[0].tag not in {q(EB, "UserMessage"), q(EB, "SignalMessage")}:
        raise InvalidHeader("eb:Messaging does not hold exactly one UserMessage or SignalMessage")
    flag = messaging.get(_MUST_UNDERSTAND)
    if flag is not None and flag not in _TRUE:
        raise InvalidHeader("eb:Messaging is not marked mustUnderstand")
    if flag is None and units[0].tag == q(EB, "UserMessage"):
        raise InvalidHeader("eb:Messaging is not marked mustUnderstand")
    return units[0]


def build_envelope(message_id: str) -> tuple[etree._Element, etree._Element]:
    """``(envelope, empty eb:Messaging)``; the ``wsu:Id`` of Messaging and Body follow from the MessageId."""
    inner = hashlib.sha256(message_id.encode()).hexdigest()[:32]
    envelope = etree.Element(q(S12, "Envelope"), nsmap={"S12": S12, "eb": EB, "wsu": WSU})
    header = etree.SubElement(envelope, q(S12, "Header"))
    messaging = etree.SubElement(
        header, MESSAGING, {_MUST_UNDERSTAND: "true", _WSU_ID: f"_messaging-{inner}"}
    )
    etree.SubElement(envelope, q(S12, "Body"), {_WSU_ID: f"_body-{inner}"})
    return envelope, messaging


def serialise(envelope: etree._Element) -> bytes:
    """UTF-8 with an XML declaration."""
    return etree.tostring(envelope, encoding="UTF-8", xml_declaration=True)
