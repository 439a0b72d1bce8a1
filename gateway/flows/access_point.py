"""Our AS4 access point as one value: who we are, who the partner is, with which keys and rules.

The gateway and the sandbox use the same class from either side. No I/O and no clock: ``now`` comes in, bytes
come out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography import x509

from contracts.codes import Direction, MessageType
from contracts.model import Message
from contracts.ports import ValidDocument
from contracts.xml import parse_xml
from gateway.core.as4.content import Content, Octets
from gateway.core.as4.keys import DecryptionKey, SigningKey
from gateway.core.as4.message import (
    FINAL_RECIPIENT,
    ORIGINAL_SENDER,
    Party,
    Payload,
    Property,
    Sealed,
    SealedMessage,
)
from gateway.core.as4.namespaces import DS, S12, WSSE, q
from gateway.core.as4.open import open_message
from gateway.core.as4.pmode import PMode, PModes, ReceiptReply
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile, claimed_profile
from gateway.core.as4.pull import authorise, build_pull_request, check_pulled, check_pushed
from gateway.core.as4.receipts import build_receipt, match_receipt
from gateway.core.as4.seal import seal_user_message
from gateway.core.as4.signals import build_error
from gateway.core.as4.trust import TrustStore
from gateway.core.as4.verified import (
    Verified,
    VerifiedError,
    VerifiedPullRequest,
    VerifiedReceipt,
    VerifiedUserMessage,
)
from gateway.core.as4.wss.reference import SignedReference, read_reference
from gateway.core.errors import As4Error, As4FeatureNotSupported, InvalidReceipt, PolicyNoncompliance
from gateway.core.records import Blob, StoredAttachment
from gateway.core.treaty.agreement import Agreement, PModeRow
from gateway.flows.profile_keys import ProfileKeys

LEADING_PART = "document"
"""Content-ID of the business document; it is always the first part (as4.md 6)."""


def pmode_of(row: PModeRow) -> PMode:
    """The P-Mode of one row of the agreement: signed, encrypted, four corners (as4.md 35)."""
    return PMode(
        id=row.id,
        initiator=Party(id=row.initiator.id, type=row.initiator.id_type or None, role=row.initiator_role),
        responder=Party(id=row.responder.id, type=row.responder.id_type or None, role=row.responder_role),
        service=row.service,
        service_type=row.service_type or None,
        action=row.action,
        agreement_ref=row.agreement_ref,
        mep_binding=row.mep_binding,
        mpc=row.mpc,
        security=row.security,
        receipt=ReceiptReply(row.receipt),
        four_corner=True,
        properties=(
            Property(name=ORIGINAL_SENDER, value=row.original_sender, type=row.corner_type or None),
            Property(name=FINAL_RECIPIENT, value=row.final_recipient, type=row.corner_type or None),
        ),
        endpoint=row.endpoint,
    )


@dataclass(frozen=True, kw_only=True)
class AccessPoint:
    """One end of the exchange. Built once at start by ``make_access_point``."""

    party: str
    """Our party id."""
    partner: str
    """The other side's party id; also the endpoint name of AS4 outbox rows."""
    domain: str
    """Ends the MessageIds that we make: ``<uuid>@<domain>``."""
    signer: SigningKey = field(repr=False)
    decryption_keys: tuple[DecryptionKey, ...] = field(repr=False)
    recipient: x509.Certificate | None = field(repr=False)
    """Encryption certificate of the partner; like ``signer``, of profile 1.15. None: only 2.0 is used."""
    trust: TrustStore = field(repr=False)
    policy: SecurityPolicy = field(repr=False)
    sending: dict[MessageType, PMode] = field(repr=False)
    """The P-Mode by which we send each message type."""
    receiving: PModes = field(repr=False)
    """The P-Modes that we accept user messages by."""
    everything: PModes = field(repr=False)
    """All P-Modes: an answer to our own message belongs to one that we send by."""
    keys: ProfileKeys = field(repr=False, default_factory=ProfileKeys)
    """What ``signer`` and ``recipient`` are for profile 1.15, for the others (as4.md 38)."""

    def signer_of(self, profile: SecurityProfile) -> SigningKey:
        """Our signing key of one security profile. Raises ConfigError when there is none."""
        return self.signer if profile is SecurityProfile.EDELIVERY_1_15 else self.keys.signer(profile)

    def recipient_of(self, profile: SecurityProfile) -> x509.Certificate | None:
        """The partner's encryption certificate of one security profile."""
        return (
            self.recipient if profile is SecurityProfile.EDELIVERY_1_15 else self.keys.recipients.get(profile)
        )

    def as4_message_id(self, message_id: str) -> str:
        return f"{message_id}@{self.domain}"

    def seal(
        self,
        message: Message,
        document: ValidDocument,
        attachments: Sequence[StoredAttachment],
        *,
        now: dt.datetime,
        ref_to: str | None,
        open_blob: Callable[[Blob], Content] | None = None,
    ) -> SealedMessage:
        """Sign and encrypt one message: the document first, then its attachments in the order given.

        ``ref_to`` is the AS4 MessageId of the message that this one answers (as4.md 2). With blobs among the
        attachments, ``open_blob`` reads them, and this must run in a thread: it takes long.
        """
        return self.unsafe_seal_bytes(
            message.type,
            message.message_id,
            message.conversation_id,
            document.content,
            attachments,
            now=now,
            ref_to=ref_to,
            open_blob=open_blob,
        )

    def unsafe_seal_bytes(
        self,
        type_: MessageType,
        message_id: str,
        conversation_id: str,
        content: bytes,
        attachments: Sequence[StoredAttachment] = (),
        *,
        now: dt.datetime,
        ref_to: str | None,
        open_blob: Callable[[Blob], Content] | None = None,
    ) -> SealedMessage:
        """``seal`` for bytes that no contract has judged: only for the sandbox's hostile scenarios."""
        pmode = self.sending[type_]
        header = pmode.new_message(
            message_id=self.as4_message_id(message_id),
            timestamp=now,
            conversation_id=conversation_id,
            ref_to_message_id=ref_to,
        )
        payloads = [
            Payload(content_id=LEADING_PART, mime_type="application/xml", content=content, charset="UTF-8")
        ]
        payloads += [
            Payload(
                content_id=_opaque_id(n, a), mime_type=a.media_type, content=_octets(a.content, open_blob)
            )
            for n, a in enumerate(attachments, start=1)
        ]
        return seal_user_message(
            header,
            payloads,
            pmode=pmode,
            signer=self.signer_of(pmode.security),
            recipient=self.recipient_of(pmode.security),
            policy=self.policy,
            now=now,
        )

    def open_request(self, content_type: str, body: Octets, *, now: dt.datetime) -> VerifiedUserMessage:
        """A user message POSTed to us. Raises As4Error, also for a signal."""
        opened = self.open_posted(content_type, body, now=now)
        if not isinstance(opened, VerifiedUserMessage):
            raise As4FeatureNotSupported("only user messages are taken here")
        return opened

    def open_posted(self, content_type: str, body: Octets, *, now: dt.datetime) -> Verified:
        """Whatever was POSTed to us: a pushed message, a PullRequest, a receipt or error by callback.
        Raises As4Error."""
        opened = self._open(content_type, body, self.receiving, now)
        if isinstance(opened, VerifiedUserMessage):
            check_pushed(opened)
        return opened

    def open_pulled(
        self, content_type: str, body: Octets, *, mpc: str, now: dt.datetime
    ) -> VerifiedUserMessage | VerifiedError:
        """The answer to our PullRequest for ``mpc``: a user message, or an error such as EBMS:0006 (empty).
        Raises As4Error."""
        opened = self._open(content_type, body, self.receiving, now)
        if isinstance(opened, VerifiedUserMessage):
            check_pulled(opened, mpc=mpc)
        elif not isinstance(opened, VerifiedError):
            exc = As4FeatureNotSupported("a receipt or PullRequest is not an answer to a PullRequest")
            exc.of_signal = True
            raise exc
        elif opened.profile is not self.incoming.security:
            other = PolicyNoncompliance("the answer is signed by another security profile than the request")
            other.of_signal = True
            raise other
        return opened

    def open_answer(
        self, content_type: str, body: bytes, *, now: dt.datetime
    ) -> VerifiedReceipt | VerifiedError:
        """The signal in the answer to our POST. Raises As4Error."""
        opened = self._open(content_type, body, self.everything, now)
        if isinstance(opened, VerifiedUserMessage | VerifiedPullRequest):
            raise As4FeatureNotSupported("a user message is not an answer to a push")
        return opened

    @property
    def outgoing(self) -> PMode:
        """Any P-Mode that we send by: those of one direction travel alike (agreement)."""
        return next(iter(self.sending.values()))

    @property
    def incoming(self) -> PMode:
        """Any P-Mode that we receive by."""
        return next(iter(self.receiving))

    def may_pull(self, request: VerifiedPullRequest) -> None:
        """Raises ProcessingModeMismatch, FailedAuthentication or PolicyNoncompliance (as4.md 36 to 38)."""
        authorise(request, self.sending.values())

    def pull_request(self, mpc: str, *, signal_id: str, now: dt.datetime) -> Sealed:
        """A signed PullRequest for the partner's ``mpc``."""
        profile = self.incoming.security
        return build_pull_request(
            mpc,
            signer=self.signer_of(profile),
            message_id=self.as4_message_id(signal_id),
            now=now,
            policy=profile.policy(self.policy),
        )

    def ping(self, *, message_id: str, conversation_id: str, now: dt.datetime) -> SealedMessage:
        """A connectivity test for the partner: it answers with a receipt and delivers nothing (as4.md 33).

        ``message_id``: as for a message, without our domain. ``check_receipt`` judges the answer.
        """
        pmode = self.outgoing.for_ping()
        header = pmode.new_message(
            message_id=self.as4_message_id(message_id), timestamp=now, conversation_id=conversation_id
        )
        return seal_user_message(
            header,
            (),
            pmode=pmode,
            signer=self.signer_of(pmode.security),
            recipient=self.recipient_of(pmode.security),
            policy=self.policy,
            now=now,
        )

    def _open(self, content_type: str, body: Octets, pmodes: PModes, now: dt.datetime) -> Verified:
        return open_message(
            content_type,
            body,
            pmodes=pmodes,
            trust=self.trust,
            decryption_keys=self.decryption_keys,
            policy=self.policy,
            now=now,
            profiles=self.everything.profiles,
        )

    def receipt(self, verified: VerifiedUserMessage, *, signal_id: str, now: dt.datetime) -> Sealed:
        """Our signed receipt; it may leave only after the message is stored (as4.md 28)."""
        return build_receipt(
            verified,
            signer=self.signer_of(verified.pmode.security),
            message_id=self.as4_message_id(signal_id),
            now=now,
            policy=self.policy,
        )

    def check_receipt(self, envelope: bytes, receipt: VerifiedReceipt, *, message_id: str) -> None:
        """Raises InvalidReceipt unless it proves exactly what we sent (as4.md 29), by the security profile
        in which we sent it (as4.md 38).

        ``envelope`` is our own, as stored when it was sealed: its references are what we signed.
        """
        try:
            self.check_profile(envelope, receipt)
        except PolicyNoncompliance as exc:
            raise InvalidReceipt(exc.detail) from exc
        match_receipt(
            signed_references(envelope),
            receipt,
            message_id=self.as4_message_id(message_id),
            expected_party=self.partner,
        )

    @staticmethod
    def check_profile(envelope: bytes, answer: VerifiedReceipt | VerifiedError) -> None:
        """What answers our message is signed as the message is: nothing falls back (as4.md 38).

        ``envelope`` is our own, as stored. Raises PolicyNoncompliance.
        """
        if answer.profile is not claimed_profile(parse_xml(envelope)):
            raise PolicyNoncompliance("the answer is signed by another security profile than the message")

    def error(self, err: As4Error, *, signal_id: str, now: dt.datetime, ref_to: str | None = None) -> Sealed:
        """A signed error signal (as4.md 30), by the profile of the message that it answers (as4.md 38)."""
        profile = self._profile_of(err)
        return build_error(
            err,
            signer=self.signer_of(profile),
            message_id=self.as4_message_id(signal_id),
            ref_to_message_id=ref_to or err.ref_to_message_id,
            now=now,
            policy=profile.policy(self.policy),
        )

    def _profile_of(self, err: As4Error) -> SecurityProfile:
        """That of the refused message's P-Mode; where none was found, one that the partner uses."""
        if err.security_profile is not None:
            return SecurityProfile(err.security_profile)
        return min(self.everything.profiles)


def _octets(content: bytes | Blob, open_blob: Callable[[Blob], Content] | None) -> Octets:
    if isinstance(content, bytes):
        return content
    if open_blob is None:
        raise TypeError("an attachment is a blob, and nothing was given to read it with")
    return open_blob(content)


def _opaque_id(number: int, attachment: StoredAttachment) -> str:
    """Content-ID of an attachment: the header travels and is kept in clear, and a UK system may have named
    the part after a person. Position and SHA-256 lead to its entry in the (encrypted) document."""
    return f"attachment-{number}.{attachment.sha256}"


def signed_references(envelope: bytes) -> tuple[SignedReference, ...]:
    """The ds:References of our own stored envelope (never of a received one: those are verified first)."""
    root = parse_xml(envelope)
    tags = ((S12, "Header"), (WSSE, "Security"), (DS, "Signature"), (DS, "SignedInfo"), (DS, "Reference"))
    return tuple(read_reference(element) for element in root.iterfind("/".join(q(*tag) for tag in tags)))


def make_access_point(
    agreement: Agreement,
    direction: Direction,
    *,
    domain: str,
    signer: SigningKey,
    decryption_keys: tuple[DecryptionKey, ...],
    recipient: x509.Certificate | None,
    trust: TrustStore,
    policy: SecurityPolicy,
    keys: ProfileKeys | None = None,
) -> AccessPoint:
    """The access point that sends in ``direction``: UK_TO_FR is the gateway, FR_TO_UK the sandbox.

    ``signer`` and ``recipient`` are those of profile 1.15, ``keys`` those of the others. Raises ConfigError
    when the agreement uses a security profile for which a key is missing.
    """
    own, other = agreement.parties.uk.id, agreement.parties.fr.id
    if direction is Direction.FR_TO_UK:
        own, other = other, own
    rows = agreement.pmode_rows
    pmodes = {row.id: pmode_of(row) for row in rows}
    everything = PModes(pmodes.values())
    first = SecurityProfile.EDELIVERY_1_15
    given = keys or ProfileKeys()
    ProfileKeys(
        signers={**given.signers, first: signer},
        recipients={**given.recipients, **({} if recipient is None else {first: recipient})},
    ).check(everything.profiles, decryption_keys)
    return AccessPoint(
        party=own,
        partner=other,
        domain=domain,
        signer=signer,
        decryption_keys=decryption_keys,
        recipient=recipient,
        trust=trust,
        policy=policy,
        sending={row.message_type: pmodes[row.id] for row in rows if row.direction is direction},
        receiving=PModes(pmodes[row.id] for row in rows if row.direction is not direction),
        everything=everything,
        keys=given,
    )
