"""What only ``open.open_message`` makes: AS4 messages whose signature, signer and P-Mode were checked."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from cryptography import x509

from gateway.core.as4.message import ErrorEntry, Payload, UserMessage
from gateway.core.as4.pmode import PMode
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.wss.reference import SignedReference


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedUserMessage:
    """A user message from ``party_id``, complete and as signed."""

    message: UserMessage
    """The header read from the signed bytes; ``parts`` without AS4's own properties (as4.md 16)."""
    payloads: tuple[Payload, ...]
    """Decrypted and decompressed, in the order of PartInfo."""
    pmode: PMode
    party_id: str
    certificate: x509.Certificate
    references: tuple[SignedReference, ...]
    """What the signature covers: the receipt repeats them (as4.md 28)."""
    envelope: bytes = field(repr=False)
    """The SOAP envelope as it arrived, kept as evidence."""
    encrypted: bool
    """Every payload part arrived encrypted (False when there are none)."""

    @property
    def is_ping(self) -> bool:
        """A connectivity test: answer with the receipt, deliver nothing (as4.md 33)."""
        return self.pmode.is_ping


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedReceipt:
    """A signed receipt; ``receipts.match_receipt`` says whether it proves what was sent."""

    message_id: str
    timestamp: dt.datetime
    ref_to_message_id: str
    acknowledged: tuple[SignedReference, ...]
    """The ds:References inside ``ebbp:NonRepudiationInformation``."""
    party_id: str
    certificate: x509.Certificate
    profile: SecurityProfile = SecurityProfile.EDELIVERY_1_15
    """By which it is signed: to be compared with that of the message it belongs to (as4.md 37, 38)."""
    envelope: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedError:
    """A signed error signal. Match on ``errors[…].code`` alone (as4.md 30)."""

    message_id: str
    timestamp: dt.datetime
    ref_to_message_id: str | None
    errors: tuple[ErrorEntry, ...]
    """Never empty."""
    party_id: str
    certificate: x509.Certificate
    profile: SecurityProfile = SecurityProfile.EDELIVERY_1_15
    """By which it is signed: to be compared with that of the message it belongs to (as4.md 37, 38)."""
    envelope: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedPullRequest:
    """A signed PullRequest (core 5.2.3.1); ``pull.authorise`` says whether its signer may have messages."""

    message_id: str
    timestamp: dt.datetime
    mpc: str
    """The default MPC when the request names none (core 3.4.1)."""
    party_id: str
    """Whose certificate signed."""
    certificate: x509.Certificate
    profile: SecurityProfile = SecurityProfile.EDELIVERY_1_15
    """By which it is signed: to be compared with that of the message it belongs to (as4.md 37, 38)."""
    envelope: bytes = field(repr=False)


Verified = VerifiedUserMessage | VerifiedReceipt | VerifiedError | VerifiedPullRequest
"""Whatever ``open.open_message`` can make of one HTTP body."""
