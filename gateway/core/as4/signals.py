"""ebMS signals in and out: error signals here, the header of every signal too (core 5.2.3, 6.2; 28 to 30).

An error signal travels in the HTTP response, signed. What it says of the cause is our own fixed text:
no value of the refused message goes back.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

from gateway.core.as4 import soap, strict
from gateway.core.as4.content import whole
from gateway.core.as4.message import ErrorEntry, Sealed
from gateway.core.as4.mime import build_multipart
from gateway.core.as4.namespaces import DEFAULT_MPC, EB, XML, q
from gateway.core.as4.wss.sign import sign_envelope
from gateway.core.errors import EBMS, InvalidHeader, PasserelleError

if TYPE_CHECKING:
    from gateway.core.as4.keys import SigningKey
    from gateway.core.as4.policy import SecurityPolicy

_MAX_ERRORS: Final = 16
_MAX_DETAIL: Final = 512
_MAX_PEER_TEXT: Final = 20_000
"""Peers put stack traces into ErrorDetail: read, but cut to ``_MAX_DETAIL`` characters."""
_ORIGIN: Final = "ebMS"
_ERROR_ATTRIBUTES: Final = (
    "category",
    "refToMessageInError",
    "errorCode",
    "origin",
    "severity",
    "shortDescription",
)
_LANG: Final = q(XML, "lang")


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """The header of a signal: ``errors``, ``receipt`` (the ``eb:Receipt`` element) or ``pulls`` (an MPC)."""

    message_id: str
    timestamp: dt.datetime
    ref_to_message_id: str | None
    errors: tuple[ErrorEntry, ...]
    receipt: etree._Element | None
    pulls: str | None = None
    """The MPC of a PullRequest."""


def parse_signal(element: etree._Element) -> Signal:
    """Read one ``eb:SignalMessage``. Raises InvalidHeader."""
    seq = strict.Sequence(element)
    at, message_id, ref = strict.message_info(seq.required(q(EB, "MessageInfo")))
    request = seq.optional(q(EB, "PullRequest"))
    receipt = seq.optional(q(EB, "Receipt"))
    errors = tuple(_error(e) for e in seq.all(q(EB, "Error"), most=_MAX_ERRORS))
    seq.end()
    if (receipt is not None) + bool(errors) + (request is not None) != 1:
        raise InvalidHeader("a signal is one receipt, or errors, or one PullRequest")
    return Signal(
        message_id=message_id,
        timestamp=at,
        ref_to_message_id=ref,
        errors=errors,
        receipt=receipt,
        pulls=None if request is None else _pulled(request),
    )


def _pulled(request: etree._Element) -> str:
    """The MPC of ``eb:PullRequest``; extensions that would narrow the pull are not understood: refused."""
    strict.Sequence(request, ("mpc",)).end()
    return strict.attribute(request, "mpc") if "mpc" in request.attrib else DEFAULT_MPC


def _error(element: etree._Element) -> ErrorEntry:
    seq = strict.Sequence(element, _ERROR_ATTRIBUTES)
    description = seq.optional(q(EB, "Description"))
    detail = seq.optional(q(EB, "ErrorDetail"))
    seq.end()
    texts = [e.text for e in (detail, description) if e is not None and e.text and e.text.strip()]
    if any(len(text) > _MAX_PEER_TEXT for text in texts):
        raise InvalidHeader("the text of an error is too long")
    return ErrorEntry(
        code=strict.attribute(element, "errorCode"),
        severity=strict.attribute(element, "severity"),
        short_description=element.get("shortDescription"),
        detail=texts[0].strip()[:_MAX_DETAIL] if texts else None,
        ref_to_message_id=element.get("refToMessageInError"),
    )


def build_error(
    err: PasserelleError | None,
    *,
    signer: SigningKey,
    message_id: str,
    ref_to_message_id: str | None,
    now: dt.datetime,
    policy: SecurityPolicy,
) -> Sealed:
    """A signed error signal for ``err``; None, or an error without an ebMS code, is EBMS:0004 Other.

    ``ref_to_message_id`` may be None when the refused message could not be read at all.
    """
    known = EBMS["EBMS:0004"] if err is None or err.ebms is None else err.ebms
    envelope, messaging = soap.build_envelope(message_id)
    unit = begin_signal(messaging, message_id=message_id, ref_to_message_id=ref_to_message_id, now=now)
    error = etree.SubElement(
        unit,
        q(EB, "Error"),
        {
            "category": known.category,
            "errorCode": known.code,
            "origin": _ORIGIN,
            "severity": known.severity,
            "shortDescription": known.short,
        },
    )
    if ref_to_message_id is not None:
        error.set("refToMessageInError", ref_to_message_id)
    description = etree.SubElement(error, q(EB, "Description"), {_LANG: "en"})
    description.text = known.short
    if err is not None and err.ebms is not None:
        # Texts of the error tree never hold a value of the message (errors.py).
        etree.SubElement(error, q(EB, "ErrorDetail")).text = err.detail[:_MAX_DETAIL]
    return seal_signal(envelope, signer=signer, policy=policy)


def begin_signal(
    messaging: etree._Element, *, message_id: str, ref_to_message_id: str | None, now: dt.datetime
) -> etree._Element:
    """Append ``eb:SignalMessage`` with its MessageInfo."""
    unit = etree.SubElement(messaging, q(EB, "SignalMessage"))
    info = etree.SubElement(unit, q(EB, "MessageInfo"))
    etree.SubElement(info, q(EB, "Timestamp")).text = strict.format_timestamp(now)
    etree.SubElement(info, q(EB, "MessageId")).text = message_id
    if ref_to_message_id is not None:
        etree.SubElement(info, q(EB, "RefToMessageId")).text = ref_to_message_id
    return unit


def seal_signal(envelope: etree._Element, *, signer: SigningKey, policy: SecurityPolicy) -> Sealed:
    """Sign and serialise a signal."""
    references = sign_envelope(envelope, {}, signer=signer, policy=policy)
    content = soap.serialise(envelope)
    content_type, body = build_multipart(content, ())
    return Sealed(content_type=content_type, body=whole(body), envelope=content, references=references)
