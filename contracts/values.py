"""What bodies are made of: bounded texts, identifiers, instants, persons, documents, services, attachments.

``contracts.model`` hands all of it on and says the rules that hold for every value.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from contracts import codes

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


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every canonical value: immutable, keyword-only, closed."""


class BirthDate(Value, frozen=True, kw_only=True):
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


class PersonName(Value, frozen=True, kw_only=True):
    """Family and given names in original Unicode; a mononym has only one of them."""

    family_name: Text | None
    given_names: Text | None

    def __post_init__(self) -> None:
        if self.family_name is None and self.given_names is None:
            raise ValueError("a name needs a family name or given names")


class OtherName(Value, frozen=True, kw_only=True):
    kind: codes.NameKind
    name: PersonName


class IdentityDocument(Value, frozen=True, kw_only=True):
    type: codes.DocumentType
    number: ShortText
    issuing_country: CountryCode | None
    issuing_authority: ShortText | None
    issued_on: dt.date | None
    expires_on: dt.date | None


class Person(Value, frozen=True, kw_only=True):
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


class Service(Value, frozen=True, kw_only=True):
    """A requesting, receiving or handling service; never the name of an official."""

    code: Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{1,31}$")]
    name: ShortText


class Arrival(Value, frozen=True, kw_only=True):
    """Arrival in the UK (Art 3); the day counts in Europe/London."""

    at: Instant
    criterion: codes.Art3Criterion
    small_boat_event: Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{2,31}$")] | None
    place: ShortText | None


class Evidence(Value, frozen=True, kw_only=True):
    """One item of evidence (Art 7 [U]: Dublin lists A and B)."""

    list: codes.EvidenceList
    kind: codes.EvidenceKind
    attachment: ContentId | None


class Attachment(Value, frozen=True, kw_only=True):
    """What the message says of an attachment; the bytes travel beside it."""

    content_id: ContentId
    purpose: codes.AttachmentPurpose
    file_name: ShortText
    media_type: Annotated[str, Meta(pattern=r"^[a-z]+/[a-z0-9.+-]+$")]
    size: Annotated[int, Meta(ge=0)]
    """Bytes."""
    sha256: Sha256Hex


class ClaimStatement(Value, frozen=True, kw_only=True):
    """Announcement row 6: the inadmissibility decision, or the statement that there is no claim."""

    protection_claim: codes.ProtectionClaim
    decided_at: Instant | None


class Art4Confirmations(Value, frozen=True, kw_only=True):
    """What the UK confirms under Art 4; given with the request, renewed with the transfer notice."""

    adult_or_accompanied_minor: bool
    entered_directly_from_france: bool
    no_outstanding_protection_claim: bool
    no_outstanding_human_rights_claim: bool
    no_suspensive_appeal: bool
    no_injunction: bool


class FamilyLink(Value, frozen=True, kw_only=True):
    """A family travels under one reference number; one main applicant."""

    family_reference: Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{3,31}$")]
    main_applicant: bool


def to_utc_ms(value: dt.datetime) -> dt.datetime:
    """The instant in UTC, truncated to whole milliseconds. Raises ValueError when naive."""
    if value.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    value = value.astimezone(dt.UTC)
    return value.replace(microsecond=value.microsecond // 1000 * 1000)
