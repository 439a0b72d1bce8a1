"""``eb:UserMessage`` in and out, strict after the ebMS 3.0 header schema (core 5.2.2; as4.md 1 to 13, 35)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import unquote

from lxml import etree

from gateway.core.as4 import strict
from gateway.core.as4.message import (
    CONTENT_ID_PATTERN,
    FINAL_RECIPIENT,
    ORIGINAL_SENDER,
    TRACKING_IDENTIFIER,
    PartInfo,
    Party,
    Property,
    UserMessage,
)
from gateway.core.as4.namespaces import EB, XML, q
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.errors import ExternalPayload, InvalidHeader, ValueInconsistent

_CID: Final = "cid:"
_MAX_PROPERTIES: Final = 64
_UNIQUE_PROPERTIES: Final = (ORIGINAL_SENDER, FINAL_RECIPIENT, TRACKING_IDENTIFIER)
_LANG: Final = q(XML, "lang")


def parse_user_message(element: etree._Element, policy: SecurityPolicy) -> UserMessage:
    """Read one ``eb:UserMessage``; ``parts`` are as on the wire, AS4's own properties included.

    Raises InvalidHeader against the schema, ExternalPayload for an href that is not ``cid:`` (as4.md 11),
    ValueInconsistent for a part or a four-corner property given twice (as4.md 35).
    """
    seq = strict.Sequence(element, ("mpc",))
    at, message_id, ref = strict.message_info(seq.required(q(EB, "MessageInfo")))
    parties = strict.Sequence(seq.required(q(EB, "PartyInfo")))
    from_party = _party(parties.required(q(EB, "From")))
    to_party = _party(parties.required(q(EB, "To")))
    parties.end()
    info = strict.Sequence(seq.required(q(EB, "CollaborationInfo")))
    agreement = info.optional(q(EB, "AgreementRef"))
    service = info.required(q(EB, "Service"))
    action = strict.text(info.required(q(EB, "Action")))
    conversation = strict.text(info.required(q(EB, "ConversationId")))
    info.end()
    properties = _properties(seq.optional(q(EB, "MessageProperties")))
    parts = _payload_info(seq.optional(q(EB, "PayloadInfo")), policy)
    seq.end()
    for name in _UNIQUE_PROPERTIES:
        if sum(p.name == name for p in properties) > 1:
            raise ValueInconsistent("originalSender, finalRecipient or trackingIdentifier is given twice")
    return UserMessage(
        message_id=message_id,
        timestamp=at,
        ref_to_message_id=ref,
        conversation_id=conversation,
        from_party=from_party,
        to_party=to_party,
        service=strict.text(service, ("type",)),
        service_type=service.get("type") or None,
        action=action,
        agreement_ref=None if agreement is None else strict.text(agreement, ("type", "pmode")),
        agreement_type=None if agreement is None else agreement.get("type") or None,
        agreement_pmode=None if agreement is None else agreement.get("pmode"),
        mpc=element.get("mpc"),
        properties=properties,
        parts=parts,
    )


def _party(element: etree._Element) -> Party:
    seq = strict.Sequence(element)
    party_id = seq.all(q(EB, "PartyId"), most=1)  # at most one: as4.md 4, TA03
    role = seq.required(q(EB, "Role"))
    seq.end()
    if not party_id:
        raise InvalidHeader(f"{strict.local(element)} lacks PartyId")
    return Party(
        id=strict.text(party_id[0], ("type",)), type=party_id[0].get("type") or None, role=strict.text(role)
    )


def _properties(element: etree._Element | None) -> tuple[Property, ...]:
    if element is None:
        return ()
    seq = strict.Sequence(element)
    found = seq.all(q(EB, "Property"), most=_MAX_PROPERTIES)
    seq.end()
    if not found:
        raise InvalidHeader(f"{strict.local(element)} is empty")
    return tuple(
        Property(name=strict.attribute(p, "name"), value=strict.text(p, ("name", "type")), type=p.get("type"))
        for p in found
    )


def _payload_info(element: etree._Element | None, policy: SecurityPolicy) -> tuple[PartInfo, ...]:
    if element is None:
        return ()
    seq = strict.Sequence(element)
    found = seq.all(q(EB, "PartInfo"), most=policy.max_parts)
    seq.end()
    if not found:
        raise InvalidHeader("PayloadInfo is empty")
    parts = tuple(_part_info(p) for p in found)
    if len({part.content_id for part in parts}) != len(parts):
        raise ValueInconsistent("two PartInfo name the same part")
    return parts


def _part_info(element: etree._Element) -> PartInfo:
    seq = strict.Sequence(element, ("href", "id"))
    schema = seq.optional(q(EB, "Schema"))
    if schema is not None:  # a hint that we never follow
        strict.check_attributes(schema, ("location", "version", "namespace"))
    description = seq.optional(q(EB, "Description"))
    if description is not None:
        strict.text(description, (_LANG,))
    properties = _properties(seq.optional(q(EB, "PartProperties")))
    seq.end()
    href = element.get("href")
    if href is None or not href.startswith(_CID):
        # Without href the payload is the SOAP Body; with another scheme it is outside the message.
        raise ExternalPayload("a payload reference points outside the MIME parts")
    content_id = unquote(href.removeprefix(_CID))  # RFC 2392; no Content-ID holds a percent sign itself
    if not CONTENT_ID_PATTERN.match(content_id):
        raise InvalidHeader("a cid: reference is malformed")
    return PartInfo(content_id=content_id, properties=properties)


def build_user_message(messaging: etree._Element, message: UserMessage, parts: Sequence[PartInfo]) -> None:
    """Append ``eb:UserMessage`` to ``eb:Messaging``; PartInfo in the order given (as4.md 7)."""
    unit = _sub(messaging, "UserMessage", mpc=message.mpc)
    info = _sub(unit, "MessageInfo")
    _sub(info, "Timestamp", strict.format_timestamp(message.timestamp))
    _sub(info, "MessageId", message.message_id)
    if message.ref_to_message_id is not None:
        _sub(info, "RefToMessageId", message.ref_to_message_id)
    parties = _sub(unit, "PartyInfo")
    for name, party in (("From", message.from_party), ("To", message.to_party)):
        element = _sub(parties, name)
        _sub(element, "PartyId", party.id, type=party.type)
        _sub(element, "Role", party.role)
    collaboration = _sub(unit, "CollaborationInfo")
    if message.agreement_ref is not None:
        _sub(
            collaboration,
            "AgreementRef",
            message.agreement_ref,
            type=message.agreement_type,
            pmode=message.agreement_pmode,
        )
    _sub(collaboration, "Service", message.service, type=message.service_type)
    _sub(collaboration, "Action", message.action)
    _sub(collaboration, "ConversationId", message.conversation_id)
    if message.properties:
        _build_properties(_sub(unit, "MessageProperties"), message.properties)
    if parts:
        payload_info = _sub(unit, "PayloadInfo")
        for part in parts:
            element = _sub(payload_info, "PartInfo", href=_CID + part.content_id)
            if part.properties:
                _build_properties(_sub(element, "PartProperties"), part.properties)


def _build_properties(parent: etree._Element, properties: Iterable[Property]) -> None:
    for item in properties:
        _sub(parent, "Property", item.value, name=item.name, type=item.type)


def _sub(
    parent: etree._Element, tag: str, content: str | None = None, /, **attributes: str | None
) -> etree._Element:
    element = etree.SubElement(parent, q(EB, tag), {k: v for k, v in attributes.items() if v is not None})
    element.text = content
    return element
