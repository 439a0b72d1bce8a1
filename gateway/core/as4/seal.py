"""User message → wire: (1) compress, (2) sign, (3) encrypt, always in this order (as4.md 12, 17 to 27).

The order is code, not configuration; payloads travel only as MIME parts, the SOAP Body stays empty.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from cryptography import x509

from gateway.core.as4 import soap
from gateway.core.as4.compression import pack
from gateway.core.as4.content import Octets
from gateway.core.as4.ebms import build_user_message
from gateway.core.as4.keys import SigningKey
from gateway.core.as4.message import SENT_CONTENT_ID_PATTERN, Payload, SealedMessage, UserMessage
from gateway.core.as4.mime import OCTETS, MimePart, build_multipart
from gateway.core.as4.pmode import PMode
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.wss.encrypt import encrypt_attachments
from gateway.core.as4.wss.sign import sign_envelope
from gateway.core.as4.wss.tree import Malformed
from gateway.core.errors import PolicyNoncompliance, ValueInconsistent

OWN_CERTIFICATE: Final = "our signing certificate is outside its validity"
PARTNER_CERTIFICATE: Final = "the partner's encryption certificate is outside its validity"
"""Why nothing could be sealed: what an attempt keeps, and ``gateway.core.explanations`` reads."""


def seal_user_message(
    msg: UserMessage,
    payloads: Sequence[Payload],
    *,
    pmode: PMode,
    signer: SigningKey,
    recipient: x509.Certificate | None,
    policy: SecurityPolicy,
    now: dt.datetime,
) -> SealedMessage:
    """Seal one message of ``pmode``; parts in the order of ``payloads``, the leading document first.

    ``recipient`` is the responder's encryption certificate; None only when the P-Mode does not encrypt.
    ``now`` is aware. The same bytes are to be kept and sent on every retry (as4.md 31). A payload that is
    a Content is read here once, for its digest; the body then compresses and encrypts it at each reading.
    Raises ProcessingModeMismatch or ValueInconsistent for a header that is not of this P-Mode, and
    PolicyNoncompliance for a certificate outside its validity or a missing recipient.
    """
    # (1) the header is that of the P-Mode, and the certificates are usable now
    policy = pmode.security.policy(policy)
    pmode.check_header(msg)
    _check_payloads(msg, payloads, policy)
    _check_validity(signer.certificate, now, OWN_CERTIFICATE)
    if pmode.encrypt and recipient is None:
        raise PolicyNoncompliance("the P-Mode encrypts, but there is no recipient certificate")
    if recipient is not None:
        _check_validity(recipient, now, PARTNER_CERTIFICATE)
    # (2) compress
    packed = [pack(payload, compress=pmode.compress) for payload in payloads]
    contents: dict[str, Octets] = {info.content_id: content for info, content, _ in packed}
    # (3) header with PartInfo in the order of the parts
    envelope, messaging = soap.build_envelope(msg.message_id)
    build_user_message(messaging, msg, [info for info, _, _ in packed])
    # (4) sign Messaging, Body and every part
    media_types = {info.content_id: media_type for info, _, media_type in packed}
    try:
        references = sign_envelope(envelope, contents, signer=signer, policy=policy, media_types=media_types)
    except Malformed as exc:
        raise ValueInconsistent("an uncompressed payload that claims to be XML is not") from exc
    # (5) encrypt every part, and only parts
    encrypted = pmode.encrypt and bool(contents)
    if encrypted and recipient is not None:
        contents = encrypt_attachments(
            envelope, contents, recipient=recipient, policy=policy, media_types=media_types
        )
    # (6) MIME
    parts = [
        MimePart(
            content_id=info.content_id,
            content_type=OCTETS if encrypted else media_type,
            content=contents[info.content_id],
        )
        for info, _, media_type in packed
    ]
    serialised = soap.serialise(envelope)
    content_type, body = build_multipart(serialised, parts)
    return SealedMessage(content_type=content_type, body=body, envelope=serialised, references=references)


def _check_payloads(msg: UserMessage, payloads: Sequence[Payload], policy: SecurityPolicy) -> None:
    if msg.parts:
        raise ValueInconsistent("on sending, PartInfo follows from the payloads")
    ids = [payload.content_id for payload in payloads]
    if len(set(ids)) != len(ids):
        raise ValueInconsistent("two payloads have the same Content-ID")
    if len(ids) > policy.max_parts:
        raise ValueInconsistent("more payloads than a peer would take")
    if not all(SENT_CONTENT_ID_PATTERN.match(content_id) for content_id in ids):
        raise ValueInconsistent("a Content-ID holds a character that peers cannot resolve in a cid: URL")


def _check_validity(certificate: x509.Certificate, now: dt.datetime, otherwise: str) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise PolicyNoncompliance(otherwise)
