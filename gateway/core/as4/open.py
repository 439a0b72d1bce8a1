"""Wire → verified message. Nothing unsigned, unmatched or half understood comes out.

The numbered steps are those of the code:

1. take the MIME apart, within limits;
2. parse the SOAP envelope: each header and body once, in its place;
3. read the header as a *claim*, in the exact structure of the ebMS schema;
4. choose the P-Mode from the claim (user messages), with it the one security profile that is accepted, and
   check that all parts are announced;
5. decrypt what is encrypted, all parts when the P-Mode says so;
6. verify the signature over Messaging, Body and every part, and its certificate;
7. read the header again, from the signed bytes only;
8. compare it with the claim, the P-Mode and the signing party (as4.md 37), its age with the policy;
9. match PartInfo and signed parts one to one, and decompress.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lxml import etree

from gateway.core.as4 import soap
from gateway.core.as4.compression import unpack
from gateway.core.as4.content import Octets, size_of, whole
from gateway.core.as4.ebms import parse_user_message
from gateway.core.as4.keys import DecryptionKey
from gateway.core.as4.message import (
    AS4_PART_PROPERTIES,
    COMPRESSION_TYPE,
    MESSAGE_ID_PATTERN,
    PartInfo,
    Payload,
    UserMessage,
)
from gateway.core.as4.mime import OCTETS, MimePart, parse_media_type, parse_multipart
from gateway.core.as4.namespaces import EB, q
from gateway.core.as4.open_signal import never_answered, open_signal
from gateway.core.as4.opening import Opening, check_age, refuse_body, same
from gateway.core.as4.pmode import PMode, PModes
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile, claimed_profile, refuse_other_profile
from gateway.core.as4.trust import TrustStore
from gateway.core.as4.verified import Verified, VerifiedUserMessage
from gateway.core.as4.wss.decrypt import DecryptedParts, decrypt_attachments
from gateway.core.as4.wss.verify import VerifiedEnvelope, verify_envelope
from gateway.core.errors import (
    As4Error,
    As4FeatureNotSupported,
    ExternalPayload,
    MimeInconsistency,
    PolicyNoncompliance,
)


def open_message(
    content_type: str,
    body: Octets,
    *,
    pmodes: PModes,
    trust: TrustStore,
    decryption_keys: Sequence[DecryptionKey],
    policy: SecurityPolicy,
    now: dt.datetime,
    profiles: frozenset[SecurityProfile] | None = None,
) -> Verified:
    """Open one HTTP body. ``now`` is aware; ``content_type`` the HTTP header's value.

    A user message is secured by the profile of its P-Mode. ``profiles`` are those that a signal may be signed
    by, by default those of ``pmodes``: whose message it answers, and by which of them, the caller compares.

    A Content is read piece by piece, several times (delimiters; decryption with its tag; digest; gzip), and
    payloads that are not small come back as Contents, which read it again: keep it as long as they live.

    Raises a subclass of As4Error whose ``ref_to_message_id`` is the MessageId of the refused message
    where that could be read (unverified: only good for the error signal). Nothing else is raised, but
    for what the reading of a Content raises, ContentChanged among it.
    """
    # (1) and (2)
    package = parse_multipart(content_type, body, policy)
    content = whole(package.root.content)
    envelope, messaging = soap.parse_envelope(content, policy)
    opening = Opening(
        content=content,
        envelope=envelope,
        messaging=messaging,
        parts=package.parts,
        keys=decryption_keys,
        trust=trust,
        policy=policy,
        profiles=pmodes.profiles if profiles is None else profiles,
        now=now,
    )
    try:
        # (3)
        unit = soap.unit(messaging)
        if unit.tag == q(EB, "UserMessage"):
            return _open_user_message(opening, unit, pmodes)
        return open_signal(opening, unit)
    except As4Error as exc:
        exc.ref_to_message_id = _claimed_message_id(messaging)
        exc.of_signal = never_answered(messaging)
        claimed = claimed_profile(envelope)
        if exc.security_profile is None and claimed in opening.profiles:
            exc.security_profile = claimed
        raise


def _open_user_message(opening: Opening, unit: etree._Element, pmodes: PModes) -> VerifiedUserMessage:
    claim = parse_user_message(unit, opening.policy)
    # (4) a claim, used only to choose the policy; compared again in (8)
    pmode = pmodes.find(claim)
    try:
        return _open_claimed(opening, claim, pmode)
    except As4Error as exc:
        exc.security_profile = pmode.security
        raise


def _open_claimed(opening: Opening, claim: UserMessage, pmode: PMode) -> VerifiedUserMessage:
    policy = pmode.security.policy(opening.policy)
    refuse_other_profile(opening.envelope, pmode.security)
    refuse_body(opening.envelope)
    arrived = _match_parts(claim.parts, opening.parts)
    # (5)
    decrypted = decrypt_attachments(
        opening.envelope,
        {cid: part.content for cid, part in arrived.items()},
        keys=opening.keys,
        policy=policy,
    )
    if pmode.encrypt and set(decrypted.encrypted) != set(arrived):
        raise PolicyNoncompliance("the P-Mode demands that every payload is encrypted")
    # (6)
    verified = verify_envelope(
        opening.envelope,
        decrypted.contents,
        trust=opening.trust,
        policy=policy,
        now=opening.now,
        media_types=_media_types(claim.parts, arrived, decrypted),
    )
    # (7)
    message = parse_user_message(soap.unit(verified.messaging), policy)
    # (8)
    same(claim, message)
    if not verified.body_is_empty:
        raise As4FeatureNotSupported("payloads in the SOAP Body are not accepted")
    pmode.check_verified(message, signing_party=verified.party_id)
    check_age(message.timestamp, opening)
    # (9)
    payloads = _payloads(message.parts, verified, arrived, policy)
    shown = tuple(
        replace(p, properties=tuple(x for x in p.properties if x.name not in AS4_PART_PROPERTIES))
        for p in message.parts
    )
    return VerifiedUserMessage(
        message=replace(message, parts=shown),
        payloads=payloads,
        pmode=pmode,
        party_id=verified.party_id,
        certificate=verified.certificate,
        references=tuple(verified.references),
        envelope=opening.content,
        encrypted=bool(arrived) and set(decrypted.encrypted) == set(arrived),
    )


def _covered(announced: Sequence[PartInfo], signed: Mapping[str, Octets]) -> None:
    """PartInfo and signed parts name each other exactly, whatever else was checked before."""
    if {part.content_id for part in announced} != set(signed):
        raise PolicyNoncompliance("the signature does not cover exactly the announced parts")


def _match_parts(announced: Sequence[PartInfo], arrived: Sequence[MimePart]) -> dict[str, MimePart]:
    """PartInfo and MIME parts name each other exactly, in any order (as4.md 7); in PartInfo's order."""
    by_id = {part.content_id: part for part in arrived}
    if set(by_id) - {part.content_id for part in announced}:
        raise MimeInconsistency("a MIME part is not announced by any PartInfo")
    if len(by_id) != len(announced):
        raise ExternalPayload("a PartInfo names no MIME part of this message")
    return {part.content_id: by_id[part.content_id] for part in announced}


def _media_types(
    announced: Sequence[PartInfo], arrived: Mapping[str, MimePart], decrypted: DecryptedParts
) -> dict[str, str]:
    """Content-ID → media type of the parts that are not compressed: how SwA digests them (5.4.2)."""
    return {
        part.content_id: decrypted.media_types.get(part.content_id, OCTETS)
        if part.content_id in decrypted.encrypted
        else arrived[part.content_id].content_type
        for part in announced
        if part.value(COMPRESSION_TYPE) is None
    }


def _payloads(
    announced: Sequence[PartInfo],
    verified: VerifiedEnvelope,
    arrived: dict[str, MimePart],
    policy: SecurityPolicy,
) -> tuple[Payload, ...]:
    _covered(announced, verified.attachments)
    payloads: list[Payload] = []
    budget = policy.max_decompressed_bytes
    for part in announced:
        payload = unpack(
            part,
            verified.attachments[part.content_id],
            fallback=_media_type(arrived[part.content_id]),
            max_bytes=budget,
            max_ratio=policy.max_compression_ratio,
        )
        budget -= size_of(payload.content)
        payloads.append(payload)
    return tuple(payloads)


def _media_type(part: MimePart) -> str:
    """Of an uncompressed part without MimeType property. Not signed: shown, and nothing depends on it."""
    return parse_media_type(part.content_type)[0]


def _claimed_message_id(messaging: etree._Element) -> str | None:
    """The MessageId as far as it can be read, for the error signal alone."""
    found = messaging.find(f"*/{q(EB, 'MessageInfo')}/{q(EB, 'MessageId')}")
    text = None if found is None else found.text
    return text if text is not None and MESSAGE_ID_PATTERN.match(text) else None
