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
from typing import Annotated, NewType

import msgspec
from msgspec import Meta

from contracts import codes

MessageId = NewType("MessageId", str)
"""Lower-case UUID, unique for ever; the AS4 MessageId is ``<uuid>@<domain of the sender>``."""
Reference = NewType("Reference", str)
"""Case reference ``GB01-…``: no personal datum, no national case number (see REFERENCE_PATTERN)."""
ConversationId = NewType("ConversationId", str)
"""Lower-case UUID naming a case on the wire (AS4 ConversationId)."""

REFERENCE_PATTERN = r"^(GB|FR)(01|02)P?-[0-9A-HJKMNP-TV-Z]{12}$"
"""After Reg. (EU) 2025/2055 Art 5: direction country, two-digit type (01 readmission, 02 nomination),
optional P for priority, then an opaque case number in Crockford base 32 issued by the gateway."""
UUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

Text = Annotated[str, Meta(min_length=1, max_length=512)]
ShortText = Annotated[str, Meta(min_length=1, max_length=128)]
CountryCode = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
"""ISO 3166-1 alpha-3, or RKS, or ICAO XXA, XXB, XXC, XXX."""
LanguageCode = Annotated[str, Meta(pattern=r"^[a-z]{3}$")]
"""ISO 639-3."""
Sha256Hex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Instant = Annotated[dt.datetime, Meta(tz=True)]
Uuid = Annotated[str, Meta(pattern=UUID_PATTERN)]
CaseRef = Annotated[str, Meta(pattern=REFERENCE_PATTERN)]
ContentId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
PlaceCode = Annotated[str, Meta(pattern=r"^[A-Z]{2}[A-Z2-9]{3}$")]
"""UN/LOCODE, for example FRCDG or GBLHR."""
FlightNumber = Annotated[str, Meta(pattern=r"^[A-Z0-9]{2,3}[0-9]{1,4}[A-Z]?$")]


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every canonical value: immutable, keyword-only, closed."""


class BirthDate(_Value, frozen=True, kw_only=True):
    """A birth date as far as it is known: nothing, year, year-month or full date."""

    year: Annotated[int, Meta(ge=1850, le=2200)] | None
    month: Annotated[int, Meta(ge=1, le=12)] | None
    day: Annotated[int, Meta(ge=1, le=31)] | None

    def __post_init__(self) -> None:
        if (self.year is None and self.month is not None) or (self.month is None and self.day is not None):
            raise ValueError("a birth date cannot have a month without year or a day without month")
        if self.year is not None and self.month is not None and self.day is not None:
            dt.date(self.year, self.month, self.day)

    @property
    def precision(self) -> str:
        """``day``, ``month``, ``year`` or ``unknown``."""
        if self.day is not None:
            return "day"
        if self.month is not None:
            return "month"
        return "year" if self.year is not None else "unknown"

    def __str__(self) -> str:
        parts = (self.year, self.month, self.day)
        return "-".join(f"{p:0{4 if i == 0 else 2}d}" for i, p in enumerate(parts) if p is not None)


class PersonName(_Value, frozen=True, kw_only=True):
    """Family and given names in original Unicode; a mononym has only one of them."""

    family_name: Text | None
    given_names: Text | None

    def __post_init__(self) -> None:
        if self.family_name is None and self.given_names is None:
            raise ValueError("a name needs a family name or given names")


class OtherName(_Value, frozen=True, kw_only=True):
    kind: codes.NameKind
    name: PersonName


class IdentityDocument(_Value, frozen=True, kw_only=True):
    type: codes.DocumentType
    number: ShortText
    issuing_country: CountryCode | None
    issuing_authority: ShortText | None
    issued_on: dt.date | None
    expires_on: dt.date | None


class Person(_Value, frozen=True, kw_only=True):
    """One person; the principal comes first in every list of persons."""

    role: codes.PersonRole
    name: PersonName
    other_names: tuple[OtherName, ...]
    birth_date: BirthDate
    birth_place: ShortText | None
    birth_country: CountryCode | None
    sex: codes.Sex
    nationalities: Annotated[tuple[CountryCode, ...], Meta(min_length=1, max_length=8)]
    former_nationalities: tuple[CountryCode, ...]
    languages: tuple[LanguageCode, ...]
    civil_status: codes.CivilStatus | None
    documents: tuple[IdentityDocument, ...]


class Service(_Value, frozen=True, kw_only=True):
    """A requesting, receiving or handling service; never the name of an official."""

    code: Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{1,31}$")]
    name: ShortText


class Arrival(_Value, frozen=True, kw_only=True):
    """Arrival in the UK (Art 3); the day counts in Europe/London."""

    at: Instant
    criterion: codes.Art3Criterion
    small_boat_event: Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{2,31}$")] | None
    place: ShortText | None


class Evidence(_Value, frozen=True, kw_only=True):
    """One item of evidence (Art 7 [U]: Dublin lists A and B)."""

    list: codes.EvidenceList
    kind: codes.EvidenceKind
    attachment: ContentId | None


class Attachment(_Value, frozen=True, kw_only=True):
    """What the message says of an attachment; the bytes travel beside it."""

    content_id: ContentId
    purpose: codes.AttachmentPurpose
    file_name: ShortText
    media_type: Annotated[str, Meta(pattern=r"^[a-z]+/[a-z0-9.+-]+$")]
    size: Annotated[int, Meta(ge=0)]
    """Bytes."""
    sha256: Sha256Hex


class ClaimStatement(_Value, frozen=True, kw_only=True):
    """Announcement row 6: the inadmissibility decision, or the statement that there is no claim."""

    protection_claim: codes.ProtectionClaim
    decided_at: Instant | None


class Art4Confirmations(_Value, frozen=True, kw_only=True):
    """What the UK confirms under Art 4; given with the request, renewed with the transfer notice."""

    adult_or_accompanied_minor: bool
    entered_directly_from_france: bool
    no_outstanding_protection_claim: bool
    no_outstanding_human_rights_claim: bool
    no_suspensive_appeal: bool
    no_injunction: bool


class FamilyLink(_Value, frozen=True, kw_only=True):
    """A family travels under one reference number; one main applicant."""

    family_reference: Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{3,31}$")]
    main_applicant: bool


# ---- bodies -------------------------------------------------------------------------------------


class _Body(_Value, frozen=True, kw_only=True, tag_field="type", tag=True):
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


class TravelDocument(_Value, frozen=True, kw_only=True):
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


class Message(_Value, frozen=True, kw_only=True):
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


def to_utc_ms(value: dt.datetime) -> dt.datetime:
    """The instant in UTC, truncated to whole milliseconds. Raises ValueError when naive."""
    if value.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    value = value.astimezone(dt.UTC)
    return value.replace(microsecond=value.microsecond // 1000 * 1000)
