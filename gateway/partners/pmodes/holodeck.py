"""P-Modes for Holodeck B2B: one file for each leg, from the ministry's side.

Structure after Holodeck's own ``pmode.xsd`` (version 8): the side that is the ministry names its private
keys, the other the certificate to encrypt to; what it signs is verified by the certificate manager.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from gateway.core.as4.policy import KeyTransport
from gateway.core.treaty.agreement import Party
from gateway.partners.line import PASSWORD, RETRY_ATTEMPTS, RETRY_MINUTES, Leg, Line, alias
from gateway.partners.metadata import KeyReference

NAMESPACE: Final = "http://holodeck-b2b.org/schemas/2014/10/pmode"
REFERENCES: Final = {
    KeyReference.BST: "BSTReference",
    KeyReference.SKI: "KeyIdentifier",
    KeyReference.ISSUER_SERIAL: "IssuerSerial",
}
DELIVERY: Final = "org.holodeckb2b.backend.file.NotifyAndDeliverOperation"
_SECONDS: Final = 60
_DEFAULT: dict[str, str] = {None: NAMESPACE}  # type: ignore[dict-item]  # lxml-stubs forget the default one


def files(line: Line) -> dict[str, bytes]:
    """``<P-Mode id>.xml`` → content, for ``repository/pmodes``."""
    return {
        f"{leg.id}.xml": etree.tostring(
            _pmode(line, leg), pretty_print=True, xml_declaration=True, encoding="UTF-8"
        )
        for leg in line.legs
    }


def signing_alias(party: Party) -> str:
    return f"{alias(party)}-sign"


def encryption_alias(party: Party) -> str:
    return f"{alias(party)}-encrypt"


def _pmode(line: Line, leg: Leg) -> etree._Element:
    root = etree.Element(_q("PMode"), nsmap=_DEFAULT)
    root.append(
        etree.Comment(
            f" Passerelle: Holodeck B2B 8, made from the agreement. Replace {PASSWORD} and the delivery. "
        )
    )
    _add(root, "id", leg.id)
    _add(root, "mep", leg.mep)
    _add(root, "mepBinding", leg.mep_binding)
    _partner(root, "Initiator", line, leg, leg.initiator, leg.initiator_role)
    _partner(root, "Responder", line, leg, leg.responder, leg.responder_role)
    _add(_add(root, "Agreement"), "name", leg.agreement_ref)
    element = _add(root, "Leg")
    if leg.we_send:
        _receiving(element)
    else:
        _sending(element, line, leg)
    _flow(element, leg)
    return root


def _partner(root: etree._Element, tag: str, line: Line, leg: Leg, party: Party, role: str) -> None:
    """The ministry's side has its keys, ours the certificate that the ministry encrypts to."""
    element = _add(root, tag)
    identifier = _add(element, "PartyId", party.id)
    if party.id_type:
        identifier.set("type", party.id_type)
    _add(element, "Role", role)
    ministry = party.id == line.they.id
    if ministry:
        security = _add(element, "SecurityConfiguration")
        _signing(security, line)
        if leg.we_send:  # it decrypts what we send
            encryption = _add(security, "Encryption")
            _add(encryption, "KeystoreAlias", encryption_alias(party)).set("password", PASSWORD)
    elif not leg.we_send:
        _encryption(_add(element, "SecurityConfiguration"), line)


def _signing(security: etree._Element, line: Line) -> None:
    signing = _add(security, "Signing")
    _add(signing, "KeystoreAlias", signing_alias(line.they)).set("password", PASSWORD)
    _add(signing, "KeyReferenceMethod", REFERENCES[line.key_reference])
    _add(signing, "Algorithm", line.policy.send_signature)
    _add(signing, "HashFunction", line.policy.send_digest)


def _encryption(security: etree._Element, line: Line) -> None:
    encryption = _add(security, "Encryption")
    _add(encryption, "KeystoreAlias", encryption_alias(line.we))
    _add(encryption, "Algorithm", line.policy.send_content_encryption)
    sent = line.policy.send_key_transport
    if isinstance(sent, KeyTransport):  # key agreement (profile 2.0) is left to Holodeck's defaults
        transport = _add(encryption, "KeyTransport")
        _add(transport, "Algorithm", sent.algorithm)
        _add(transport, "MGFAlgorithm", sent.mgf)
        _add(transport, "DigestAlgorithm", sent.digest)
        _add(transport, "KeyReferenceMethod", REFERENCES[line.key_reference])


def _receiving(element: etree._Element) -> None:
    _add(_add(element, "Receipt"), "ReplyPattern", "RESPONSE")
    _add(_add(element, "ReceptionAwareness"), "UseDuplicateElimination", "true")
    delivery = _add(element, "DefaultDelivery")
    _add(delivery, "DeliveryMethod", DELIVERY)
    for name, value in (("format", "ebms"), ("deliveryDirectory", "data/msg_in")):
        parameter = _add(delivery, "Parameter")
        _add(parameter, "name", name)
        _add(parameter, "value", value)


def _sending(element: etree._Element, line: Line, leg: Leg) -> None:
    _add(_add(element, "Protocol"), "Address", line.url_of(leg))
    _add(_add(element, "Receipt"), "NotifyReceiptToBusinessApplication", "false")
    awareness = _add(element, "ReceptionAwareness")
    _add(awareness, "MaxRetries", "0" if leg.ping else str(RETRY_ATTEMPTS))
    _add(awareness, "RetryInterval", str(RETRY_MINUTES * _SECONDS // RETRY_ATTEMPTS))


def _flow(element: etree._Element, leg: Leg) -> None:
    flow = _add(element, "UserMessageFlow")
    info = _add(flow, "BusinessInfo")
    _add(info, "Action", leg.action)
    _add(info, "Mpc", leg.mpc)
    service = _add(info, "Service")
    _add(service, "name", leg.service)
    if leg.service_type:
        _add(service, "type", leg.service_type)
    if not leg.ping:
        for name, value in (("originalSender", leg.original_sender), ("finalRecipient", leg.final_recipient)):
            item = _add(info, "Property")
            _add(item, "name", name)
            _add(item, "value", value)
            if leg.corner_type:
                _add(item, "type", leg.corner_type)
    errors = _add(flow, "ErrorHandling")
    _add(errors, "ReplyPattern", "RESPONSE")
    _add(errors, "NotifyErrorToBusinessApplication", "false")
    _add(_add(flow, "PayloadProfile"), "UseAS4Compression", "true")


def _q(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"


def _add(parent: etree._Element, tag: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, _q(tag))
    element.text = text
    return element
