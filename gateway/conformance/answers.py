"""Reading an answer twice: strictly, as the gateway would, and loosely, to say what is wrong with it.

Only the strict reading makes ``verified`` and ``proves`` true. The loose one looks at unverified XML (through
the bounded parser) for kinds, codes and counts that go into the report; no text of the peer does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

from lxml import etree

from contracts.xml import XmlRefused, parse_xml
from gateway.conformance.model import Kind, Reason, Seen, Target, Wire, reason
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.message import MESSAGE_ID_PATTERN
from gateway.core.as4.open import open_message
from gateway.core.as4.pmode import PModes
from gateway.core.as4.receipts import match_receipt
from gateway.core.as4.verified import Verified, VerifiedReceipt
from gateway.core.errors import (
    As4Error,
    ConnectionFailed,
    DeliveryError,
    InvalidReceipt,
    PeerTimedOut,
)
from gateway.flows.ports import HttpAnswer

SOAP11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_ENVELOPE: Final = re.compile(rb"<(?:\?xml\s|(?:[A-Za-z_][\w.-]*:)?Envelope[\s>])")
_ENVELOPE_END: Final = b"Envelope>"
_CODE: Final = re.compile(r"EBMS:\d{4}\Z")
_URI: Final = re.compile(r"https?://[A-Za-z0-9./#:_-]{1,120}\Z")
_FRACTION: Final = re.compile(r"\d\d:\d\d:\d\d(?:\.(\d{1,12}))?")
_PRINTABLE: Final = re.compile(r"[^\x20-\x7e]")
_UNKNOWN_CODE: Final = "?"
_MAX_LISTED: Final = 16


def read_answer(wire: Wire, answer: HttpAnswer, target: Target, *, elapsed_ms: int) -> Seen:
    """What an HTTP answer to ``wire`` is and proves. Never raises for what a peer sends."""
    values: dict[str, Any] = {
        "status": answer.status,
        "content_type": _PRINTABLE.sub("?", answer.content_type.split(";")[0])[:80],
        "size": len(answer.body),
        "sha256": hashlib.sha256(answer.body).hexdigest() if answer.body else None,
        "elapsed_ms": elapsed_ms,
    }
    values |= _look(answer)
    values |= _verify(wire, answer, target)
    return Seen(**values)


def no_answer(error: DeliveryError, *, elapsed_ms: int) -> Seen:
    """What is seen when there is no HTTP answer to read."""
    return Seen(kind=Kind.NO_ANSWER, trouble=trouble_of(error), elapsed_ms=elapsed_ms)


def trouble_of(error: DeliveryError) -> Reason:
    """Why there was no answer."""
    if isinstance(error, PeerTimedOut):
        return reason("no-answer-in-time")
    if isinstance(error, ConnectionFailed):
        return reason("connection-broke", why=error.detail)
    return reason("answer-unreadable", why=error.detail)


# ---- loosely ------------------------------------------------------------------------------------


def _look(answer: HttpAnswer) -> dict[str, Any]:
    if not answer.body:
        return {"kind": Kind.EMPTY}
    root = _root(answer)
    if root is None:
        return {"kind": Kind.OTHER}
    receipts = _all(root, ns.q(ns.EB, "Receipt"))
    errors = _all(root, ns.q(ns.EB, "Error"))
    values: dict[str, Any] = {
        "kind": _kind(root, receipts, errors),
        "codes": tuple(_code(e) for e in errors[:_MAX_LISTED]),
        "has_signature": bool(_all(root, ns.q(ns.DS, "Signature"))),
        "signal_id": _id(root, "MessageId"),
        "ref_to": _id(root, "RefToMessageId") or _id_in_error(errors),
        "algorithms": _algorithms(root),
        "fraction_digits": _fraction(root),
    }
    if receipts:
        values["receipt_children"] = sum(isinstance(c.tag, str) for c in receipts[0])
        values["acknowledged"] = len(_all(receipts[0], ns.q(ns.DS, "Reference")))
    return values


def _root(answer: HttpAnswer) -> etree._Element | None:
    """The SOAP envelope, also out of MIME that a strict reader would refuse; or whatever XML there is."""
    content = answer.body
    begin = _ENVELOPE.search(content)
    end = content.rfind(_ENVELOPE_END)
    if begin is not None and end > begin.start():
        content = content[begin.start() : end + len(_ENVELOPE_END)]
    try:
        return parse_xml(content)
    except XmlRefused:
        return None


def _all(root: etree._Element, tag: str) -> list[etree._Element]:
    return list(root.iter(tag))


def _kind(root: etree._Element, receipts: Sequence[etree._Element], errors: Sequence[etree._Element]) -> Kind:
    if receipts:  # with eb:UserMessage inside where the message was not signed (ebMS core 5.2.3.3)
        return Kind.RECEIPT
    if _all(root, ns.q(ns.EB, "UserMessage")):
        return Kind.USER_MESSAGE
    if errors:
        return Kind.ERROR
    if _all(root, ns.q(ns.S12, "Fault")) or _all(root, ns.q(SOAP11, "Fault")):
        return Kind.FAULT
    return Kind.OTHER


def _code(error: etree._Element) -> str:
    code = error.get("errorCode", "")
    return code if _CODE.match(code) else _UNKNOWN_CODE


def _id(root: etree._Element, name: str) -> str | None:
    found = next(root.iter(ns.q(ns.EB, name)), None)
    text = None if found is None else (found.text or "").strip()
    return text if text and MESSAGE_ID_PATTERN.match(text) else None


def _id_in_error(errors: Sequence[etree._Element]) -> str | None:
    text = errors[0].get("refToMessageInError", "") if errors else ""
    return text if MESSAGE_ID_PATTERN.match(text) else None


def _algorithms(root: etree._Element) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for info in _all(root, ns.q(ns.DS, "SignedInfo")):
        for name in ("SignatureMethod", "DigestMethod"):
            for element in info.iter(ns.q(ns.DS, name)):
                uri = element.get("Algorithm", "")
                found[uri if _URI.match(uri) else _UNKNOWN_CODE] = None
    return tuple(found)[:_MAX_LISTED]


def _fraction(root: etree._Element) -> int | None:
    found = next(root.iter(ns.q(ns.EB, "Timestamp")), None)
    match = None if found is None else _FRACTION.search(found.text or "")
    return None if match is None else len(match.group(1) or "")


# ---- strictly -----------------------------------------------------------------------------------


def _verify(wire: Wire, answer: HttpAnswer, target: Target) -> dict[str, Any]:
    if not answer.body:
        return {}
    try:
        opened = _open(answer, target)
    except InvalidReceipt as exc:  # raised only after the signature was verified
        return {"verified": True, "mismatch": exc.detail}
    except As4Error as exc:
        return {"defect": exc.detail}
    if opened.party_id != target.partner:
        return {"defect": "signed by another party than the partner"}
    if not isinstance(opened, VerifiedReceipt):
        return {"verified": True}
    try:
        match_receipt(wire.references, opened, message_id=wire.message_id, expected_party=target.partner)
    except InvalidReceipt as exc:
        return {"verified": True, "mismatch": exc.detail}
    return {"verified": True, "proves": True}


def _open(answer: HttpAnswer, target: Target) -> Verified:
    return open_message(
        answer.content_type,
        answer.body,
        pmodes=PModes((target.pmode,)),
        trust=target.trust,
        decryption_keys=(),
        policy=target.policy,
        now=target.clock.now(),
    )
