"""Non-repudiation receipts (core 5.2.3.3, AS4 profile 5.1.8; as4.md 28, 29).

A receipt repeats, signed by the receiver, every ``ds:Reference`` of the received signature. Only a receipt
that repeats all of them, unchanged and once each, from the expected party, proves delivery.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4 import soap, strict
from gateway.core.as4.keys import SigningKey
from gateway.core.as4.message import Sealed
from gateway.core.as4.namespaces import DS, EB, EBBP, q
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.signals import begin_signal, seal_signal
from gateway.core.as4.verified import VerifiedReceipt, VerifiedUserMessage
from gateway.core.as4.wss.reference import SignedReference, read_reference
from gateway.core.as4.wss.tree import Malformed
from gateway.core.errors import InvalidReceipt

_INFORMATION: Final = q(EBBP, "NonRepudiationInformation")
_PART: Final = q(EBBP, "MessagePartNRInformation")


def build_receipt(
    verified: VerifiedUserMessage,
    *,
    signer: SigningKey,
    message_id: str,
    now: dt.datetime,
    policy: SecurityPolicy,
) -> Sealed:
    """The signed receipt for a verified message. Send it only after the message is durably stored.

    It is signed by the profile of the message, so ``signer`` must be of its kind (as4.md 38).
    ``eb:Receipt`` has exactly one child (Domibus), with one ds:Reference for each received one.
    """
    envelope, messaging = soap.build_envelope(message_id)
    unit = begin_signal(
        messaging, message_id=message_id, ref_to_message_id=verified.message.message_id, now=now
    )
    receipt = etree.SubElement(unit, q(EB, "Receipt"))
    information = etree.SubElement(receipt, _INFORMATION, nsmap={"ebbp": EBBP, "ds": DS})
    for reference in verified.references:
        # The very form that was received: phase4 compares the transforms too.
        etree.SubElement(information, _PART).append(parse_xml(reference.xml))
    return seal_signal(envelope, signer=signer, policy=verified.pmode.security.policy(policy))


def parse_acknowledged(receipt: etree._Element, policy: SecurityPolicy) -> tuple[SignedReference, ...]:
    """The references that ``eb:Receipt`` (from the signed bytes) acknowledges.

    Other children beside the one NonRepudiationInformation are ignored: phase4 sends one.
    Raises InvalidReceipt (EBMS:0302) when there is none, several, or a malformed one.
    """
    found = [child for child in receipt if child.tag == _INFORMATION]
    if len(found) != 1:
        raise InvalidReceipt("a receipt holds no, or more than one, NonRepudiationInformation")
    parts = strict.children(found[0])
    if not parts or len(parts) > policy.max_references:
        raise InvalidReceipt("a receipt acknowledges nothing, or too much")
    references: list[SignedReference] = []
    for part in parts:
        inner = strict.children(part)
        if part.tag != _PART or len(inner) != 1 or inner[0].tag != q(DS, "Reference"):
            raise InvalidReceipt("a receipt is not in the form of ebBP signals")
        try:
            references.append(read_reference(inner[0]))
        except Malformed as exc:
            raise InvalidReceipt("a receipt holds a malformed reference") from exc
    return tuple(references)


def match_receipt(
    sent: Sequence[SignedReference],
    receipt: VerifiedReceipt,
    *,
    message_id: str,
    expected_party: str,
) -> None:
    """Decide whether the receipt proves that ``expected_party`` got what was ``sent`` as ``message_id``.

    Compares URI, digest method and digest value of every reference; transforms, which peers write
    differently, follow from the URI. Raises InvalidReceipt (EBMS:0302); returning means proven.
    """
    # (1) it speaks of this message
    if receipt.ref_to_message_id != message_id:
        raise InvalidReceipt("the receipt is for another message")
    # (2) the receiver itself signed it
    if receipt.party_id != expected_party:
        raise InvalidReceipt("the receipt is signed by another party than the receiver")
    # (3) to (5)
    match_references(sent, receipt.acknowledged)


def match_references(sent: Sequence[SignedReference], acknowledged: Sequence[SignedReference]) -> None:
    """Steps (3) to (5) of ``match_receipt``: exactly what was sent is acknowledged. Raises InvalidReceipt."""
    # (3) nothing sent means nothing can be proven
    if not sent:
        raise InvalidReceipt("nothing was signed, so nothing can be proven")
    # (4) every reference once, none besides
    wanted = {r.uri: r.key for r in sent}
    got = {r.uri: r.key for r in acknowledged}
    if len(got) != len(acknowledged):
        raise InvalidReceipt("the receipt acknowledges a reference twice")
    if len(wanted) != len(sent):
        raise InvalidReceipt("the references sent are ambiguous")
    if wanted.keys() - got.keys():
        raise InvalidReceipt("the receipt leaves out what was sent")
    if got.keys() - wanted.keys():
        raise InvalidReceipt("the receipt acknowledges what was not sent")
    # (5) with the digests that we computed
    if wanted != got:
        raise InvalidReceipt("the receipt acknowledges other content than was sent")
