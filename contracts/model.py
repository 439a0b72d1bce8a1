"""The canonical model: frozen messages in neither side's format.

Shapes, units, zones:
- every instant is timezone-aware, UTC, whole milliseconds;
- a birth date has a precision and never an invented day or month;
- ``None`` in a form heading means *expressly not applicable* (the forms require every heading to be
  filled or so marked), an empty tuple means *none*;
- bodies that France sends (Art 16) have only coded fields, dates, place and flight: no free text.

Text limits are generous (they protect memory); each national contract sets its own and says so.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from msgspec import Meta

from contracts import codes
from contracts.values import (
    REFERENCE_PATTERN,
    UUID_PATTERN,
    Arrival,
    Art4Confirmations,
    Attachment,
    BirthDate,
    CaseRef,
    ClaimStatement,
    ContentId,
    Evidence,
    FamilyLink,
    FlightNumber,
    IdentityDocument,
    Instant,
    OtherName,
    Person,
    PersonName,
    PlaceCode,
    Service,
    ShortText,
    Uuid,
    Value,
    to_utc_ms,
)

__all__ = [
    "REFERENCE_PATTERN",
    "UUID_PATTERN",
    "Arrival",
    "Art4Confirmations",
    "Attachment",
    "BirthDate",
    "ClaimStatement",
    "Evidence",
    "FamilyLink",
    "IdentityDocument",
    "OtherName",
    "Person",
    "PersonName",
    "Service",
    "to_utc_ms",
    "TravelDocument",
    "ReadmissionRequest",
    "Acknowledgement",
    "ReadmissionDecision",
    "SupplementaryDocument",
    "TransferNotice",
    "TransferConfirmation",
    "TransferOutcome",
    "TransferReceipt",
    "Withdrawal",
    "Correction",
    "StatusUpdate",
    "Nomination",
    "NominationResponse",
    "NominationOutcome",
    "AdmissionOutcome",
    "Body",
    "BODIES",
    "Message",
]

# ---- bodies -------------------------------------------------------------------------------------


class _Body(Value, frozen=True, kw_only=True, tag_field="type", tag=True):
    """Base of every message body; the tag is the message type of ``codes.MessageType``."""


class ReadmissionRequest(_Body, frozen=True, kw_only=True):
    """UK→FR, opens a readmission (Art 3, 4, 7, 8)."""

    priority: bool
    requesting_service: Service
    receiving_service: Service
    handling_service: Service
    home_office_reference: Annotated[str, Meta(pattern=r"^[A-Z]\d{7}(/\d{3})?$")] | None
    unique_application_number: Annotated[str, Meta(pattern=r"^\d{4}-\d{4}-\d{4}-\d{4}$")] | None
    persons: Annotated[tuple[Person, ...], Meta(min_length=1, max_length=20)]
    family: FamilyLink | None
    arrival: Arrival
    claim: ClaimStatement
    confirmations: Art4Confirmations
    evidence: tuple[Evidence, ...]
    proposed_place: PlaceCode | None
    attachments: tuple[Attachment, ...]


class Acknowledgement(_Body, frozen=True, kw_only=True):
    """Either way: the other side's business system took a message into account, or rejected it."""

    of_message: Uuid
    status: codes.AckStatus
    code: codes.AckCode | None
    """Set exactly when rejected."""
    at: Instant


class ReadmissionDecision(_Body, frozen=True, kw_only=True):
    """FR→UK (Art 8)."""

    decision: codes.ReadmissionDecisionCode
    ground: codes.RefusalGround | None
    """Set exactly when refused."""
    information_needed: tuple[codes.InformationNeeded, ...]
    extended_until: dt.date | None
    """Set exactly for an extension; Europe/Paris calendar day."""
    decided_at: Instant


class SupplementaryDocument(_Body, frozen=True, kw_only=True):
    """UK→FR, for example a medical certificate; always separate from the request."""

    answers: codes.InformationNeeded | None
    attachments: Annotated[tuple[Attachment, ...], Meta(min_length=1)]


class TravelDocument(Value, frozen=True, kw_only=True):
    type: codes.DocumentType
    number: ShortText
    expires_on: dt.date | None


class TransferNotice(_Body, frozen=True, kw_only=True):
    """UK→FR; renews the Art 4 confirmations, which speak of the time of transfer."""

    mode: codes.TransferMode
    carrier: ShortText | None
    flight: FlightNumber | None
    departure_place: PlaceCode
    departure_at: Instant
    arrival_place: PlaceCode
    arrival_at: Instant
    escort: codes.EscortType
    escort_count: Annotated[int, Meta(ge=0, le=50)]
    needs: tuple[codes.TransferNeed, ...]
    security_measures: bool
    earlier_boarding_refusals: Annotated[int, Meta(ge=0, le=99)]
    travel_document: TravelDocument | None
    confirmations: Art4Confirmations


class TransferConfirmation(_Body, frozen=True, kw_only=True):
    """FR→UK: confirmed, another place or time proposed, or declined with a coded reason."""

    result: codes.TransferConfirmationCode
    reason: codes.TransferReason | None
    place: PlaceCode | None
    at: Instant | None
    flight: FlightNumber | None


class TransferOutcome(_Body, frozen=True, kw_only=True):
    """UK→FR."""

    outcome: codes.TransferOutcomeCode
    reason: codes.TransferReason | None
    """Set exactly when failed."""
    at: Instant
    persons_transferred: Annotated[int, Meta(ge=0, le=20)]


class TransferReceipt(_Body, frozen=True, kw_only=True):
    """FR→UK: the person was taken in charge."""

    taken_charge_at: Instant
    place: PlaceCode
    flight: FlightNumber | None
    persons_received: Annotated[int, Meta(ge=0, le=20)]


class Withdrawal(_Body, frozen=True, kw_only=True):
    """UK→FR: overtakes everything queued for its case and stops it."""

    reason: codes.WithdrawalReason
    at: Instant


class Correction(_Body, frozen=True, kw_only=True):
    """UK→FR: replaces the persons and arrival of an earlier message (GESTEL nature modification)."""

    corrects: Uuid
    persons: tuple[Person, ...] | None
    arrival: Arrival | None


class StatusUpdate(_Body, frozen=True, kw_only=True):
    """Either way: something changed that both sides must know."""

    code: codes.StatusUpdateCode
    since: Instant


class Nomination(_Body, frozen=True, kw_only=True):
    """UK→FR: the person the UK proposes to admit (Art 12; announcement rows 3-9)."""

    priority: bool
    nominating_service: Service
    receiving_service: Service
    expression_of_interest: Annotated[str, Meta(pattern=r"^EOI-\d{8}$")] | None
    gwf: Annotated[str, Meta(pattern=r"^GWF\d{9}$")] | None
    persons: Annotated[tuple[Person, ...], Meta(min_length=1, max_length=20)]
    family: FamilyLink | None
    located_in_france_at: Instant | None
    biometrics_enrolled_at: Instant | None
    biometrics_reference: Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{3,31}$")] | None
    security_checks: codes.SecurityChecks
    photo: ContentId | None
    """Reference of the photograph; whether the picture itself travels is configuration."""
    attachments: tuple[Attachment, ...]


class NominationResponse(_Body, frozen=True, kw_only=True):
    """FR→UK."""

    response: codes.NominationResponseCode
    ground: codes.ObjectionGround | None
    """Set exactly for an objection."""
    decided_at: Instant


class NominationOutcome(_Body, frozen=True, kw_only=True):
    """UK→FR; a visa is valid three months (Art 12)."""

    outcome: codes.NominationOutcomeCode
    visa_valid_until: dt.date | None
    """Set exactly when granted."""
    decided_at: Instant


class AdmissionOutcome(_Body, frozen=True, kw_only=True):
    """UK→FR: arrived in the UK, or the visa lapsed."""

    outcome: codes.AdmissionOutcomeCode
    at: Instant
    persons_admitted: Annotated[int, Meta(ge=0, le=20)]


Body = (
    ReadmissionRequest
    | Acknowledgement
    | ReadmissionDecision
    | SupplementaryDocument
    | TransferNotice
    | TransferConfirmation
    | TransferOutcome
    | TransferReceipt
    | Withdrawal
    | Correction
    | StatusUpdate
    | Nomination
    | NominationResponse
    | NominationOutcome
    | AdmissionOutcome
)

BODIES: dict[codes.MessageType, type[Body]] = {codes.MessageType(cls.__name__): cls for cls in Body.__args__}


class Message(Value, frozen=True, kw_only=True):
    """One message of the exchange: header and body."""

    message_id: Uuid
    reference: CaseRef
    conversation_id: Uuid
    issued_at: Instant
    in_reply_to: Uuid | None
    body: Body

    @property
    def type(self) -> codes.MessageType:
        return codes.MessageType(type(self.body).__name__)

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """Attachments that the body announces; bodies without that heading have none."""
        return getattr(self.body, "attachments", ())
