"""Agreed codes, one StrEnum per list. The value is the canonical code on both sides' wires.

Labels in English and French live beside them as data in ``contracts/codelists/*.csv``; a test proves
that every member has both labels and that no label lacks its member.
"""

from __future__ import annotations

from enum import StrEnum


class MessageType(StrEnum):
    """Message types, named as in the Agreement's procedure; the same words everywhere."""

    READMISSION_REQUEST = "ReadmissionRequest"
    ACKNOWLEDGEMENT = "Acknowledgement"
    READMISSION_DECISION = "ReadmissionDecision"
    SUPPLEMENTARY_DOCUMENT = "SupplementaryDocument"
    TRANSFER_NOTICE = "TransferNotice"
    TRANSFER_CONFIRMATION = "TransferConfirmation"
    TRANSFER_OUTCOME = "TransferOutcome"
    TRANSFER_RECEIPT = "TransferReceipt"
    WITHDRAWAL = "Withdrawal"
    CORRECTION = "Correction"
    STATUS_UPDATE = "StatusUpdate"
    NOMINATION = "Nomination"
    NOMINATION_RESPONSE = "NominationResponse"
    NOMINATION_OUTCOME = "NominationOutcome"
    ADMISSION_OUTCOME = "AdmissionOutcome"


class Direction(StrEnum):
    UK_TO_FR = "UK_TO_FR"
    FR_TO_UK = "FR_TO_UK"


class CaseKind(StrEnum):
    READMISSION = "readmission"
    NOMINATION = "nomination"


class Sex(StrEnum):
    """ICAO 9303 letters; X is a recorded value, U means not known."""

    FEMALE = "F"
    MALE = "M"
    X = "X"
    UNKNOWN = "U"


class PersonRole(StrEnum):
    PRINCIPAL = "principal"
    SPOUSE = "spouse"
    MINOR = "minor"
    OTHER_FAMILY = "other_family"


class CivilStatus(StrEnum):
    SINGLE = "single"
    MARRIED = "married"
    CIVIL_PARTNERSHIP = "civil_partnership"
    SEPARATED = "separated"
    DIVORCED = "divorced"
    WIDOWED = "widowed"
    UNKNOWN = "unknown"


class NameKind(StrEnum):
    ALIAS = "alias"
    MAIDEN = "maiden"
    EARLIER = "earlier"


class DocumentType(StrEnum):
    PASSPORT = "passport"
    IDENTITY_CARD = "identity_card"
    RESIDENCE_PERMIT = "residence_permit"
    ASYLUM_RECEIPT = "asylum_receipt"
    TRAVEL_DOCUMENT = "travel_document"
    LAISSEZ_PASSER = "laissez_passer"
    BIRTH_CERTIFICATE = "birth_certificate"
    OTHER = "other"


class Art3Criterion(StrEnum):
    """Agreement Art 3(a)-(c); the fourth basis announced in June 2026 is [U] and configurable."""

    PROTECTION_CLAIM = "protection_claim"
    APPREHENDED = "apprehended"
    SEARCH_AND_RESCUE = "search_and_rescue"
    REENTRY_AFTER_RETURN = "reentry_after_return"


class ProtectionClaim(StrEnum):
    """State of any protection claim (Art 4; announcement row 6)."""

    NONE_MADE = "none_made"
    WITHDRAWN = "withdrawn"
    DECLARED_INADMISSIBLE = "declared_inadmissible"
    PENDING = "pending"


class EvidenceList(StrEnum):
    """Dublin taxonomy [U for Art 7]: A probative, B circumstantial."""

    A = "A"
    B = "B"


class EvidenceKind(StrEnum):
    FRENCH_REGISTRATION_DOCUMENT = "french_registration_document"
    OWN_STATEMENT = "own_statement"
    WITNESS_STATEMENT = "witness_statement"
    RECEIPT_OR_INVOICE = "receipt_or_invoice"
    UK_MARITIME_INTERCEPTION_REPORT = "uk_maritime_interception_report"
    BIOMETRIC_MATCH_EURODAC_STYLE_HIT = "biometric_match_eurodac_style_hit"
    MOBILE_PHONE_LOCATION = "mobile_phone_location"
    TRANSPORT_TICKET = "transport_ticket"
    VISA_OR_ENTRY_STAMP = "visa_or_entry_stamp"
    OTHER = "other"


class AttachmentPurpose(StrEnum):
    """What an attachment is; health data only ever as a separate medical certificate."""

    PHOTO = "photo"
    IDENTITY_DOCUMENT = "identity_document"
    INADMISSIBILITY_DECISION = "inadmissibility_decision"
    EVIDENCE = "evidence"
    MEDICAL_CERTIFICATE = "medical_certificate"
    COURT_ORDER = "court_order"
    OTHER = "other"


class AckStatus(StrEnum):
    TAKEN_INTO_ACCOUNT = "taken_into_account"
    REJECTED = "rejected"


class AckCode(StrEnum):
    """Why a business system rejected a message (second acknowledgement level)."""

    UNKNOWN_CASE = "unknown_case"
    DUPLICATE_CASE = "duplicate_case"
    NOT_READABLE = "not_readable"
    OUT_OF_SEQUENCE = "out_of_sequence"
    CONTENT_INCONSISTENT = "content_inconsistent"
    OUT_OF_SCOPE = "out_of_scope"


class ReadmissionDecisionCode(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXTENSION = "extension"
    INFORMATION_NEEDED = "information_needed"


class RefusalGround(StrEnum):
    """Art 3, 4 and 8: coded grounds of a refusal."""

    NO_ART3_CRITERION = "no_art3_criterion"
    NO_STAY_OR_TRANSIT_IN_FRANCE = "no_stay_or_transit_in_france"
    AIRSIDE_TRANSIT_ONLY = "airside_transit_only"
    TIME_LIMIT_PASSED = "time_limit_passed"
    UNACCOMPANIED_MINOR = "unaccompanied_minor"
    THREAT_PUBLIC_POLICY = "threat_public_policy"
    THREAT_INTERNAL_SECURITY = "threat_internal_security"
    THREAT_PUBLIC_HEALTH = "threat_public_health"
    THREAT_INTERNATIONAL_RELATIONS = "threat_international_relations"
    NUMBERS_OUT_OF_BALANCE = "numbers_out_of_balance"
    EVIDENCE_INSUFFICIENT = "evidence_insufficient"


class InformationNeeded(StrEnum):
    IDENTITY = "identity"
    EVIDENCE_OF_STAY = "evidence_of_stay"
    MEDICAL_CERTIFICATE = "medical_certificate"
    FAMILY_LINKS = "family_links"
    TRAVEL_DOCUMENT = "travel_document"


class TransferMode(StrEnum):
    AIR_CHARTER = "air_charter"
    AIR_SCHEDULED = "air_scheduled"
    SEA = "sea"
    LAND = "land"


class EscortType(StrEnum):
    NONE = "none"
    POLICE = "police"
    MEDICAL = "medical"
    POLICE_AND_MEDICAL = "police_and_medical"


class TransferNeed(StrEnum):
    """Transfer needs; WCHR/WCHS/WCHC are the IATA wheelchair codes."""

    WCHR = "wheelchair_WCHR"
    WCHS = "wheelchair_WCHS"
    WCHC = "wheelchair_WCHC"
    OXYGEN = "oxygen"
    MEDICAL_ESCORT = "medical_escort"
    INSULIN_REFRIGERATION = "insulin_refrigeration"
    INTERPRETER_TIR = "interpreter_TIR"
    INTERPRETER = "interpreter"


class TransferConfirmationCode(StrEnum):
    CONFIRMED = "confirmed"
    ALTERNATIVE_PROPOSED = "alternative_proposed"
    DECLINED = "declined"


class TransferReason(StrEnum):
    """Coded reasons for declining, proposing otherwise, or a transfer that failed."""

    CAPACITY = "capacity"
    PLACE_CLOSED = "place_closed"
    TIME_NOT_POSSIBLE = "time_not_possible"
    FLIGHT_CANCELLED = "flight_cancelled"
    PERSON_ABSCONDED = "person_absconded"
    PERSON_UNFIT_TO_TRAVEL = "person_unfit_to_travel"
    COURT_ORDER = "court_order"
    REFUSED_BOARDING = "refused_boarding"
    REFUSED_ON_ARRIVAL = "refused_on_arrival"
    OTHER = "other"


class TransferOutcomeCode(StrEnum):
    CARRIED_OUT = "carried_out"
    FAILED = "failed"


class WithdrawalReason(StrEnum):
    LITIGATION = "litigation"
    PROTECTION_CLAIM_REOPENED = "protection_claim_reopened"
    PERSON_ABSCONDED = "person_absconded"
    PERSON_DECEASED = "person_deceased"
    MEDICAL = "medical"
    VOLUNTARY_DEPARTURE = "voluntary_departure"
    SENT_IN_ERROR = "sent_in_error"
    APPLICANT_WITHDREW = "applicant_withdrew"
    OTHER = "other"


class StatusUpdateCode(StrEnum):
    SUSPENSIVE_APPEAL = "suspensive_appeal"
    SUSPENSIVE_APPEAL_ENDED = "suspensive_appeal_ended"
    ABSCONDED = "absconded"
    FOUND_AGAIN = "found_again"
    MEDICAL = "medical"
    MEDICAL_ENDED = "medical_ended"


class SecurityChecks(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    PENDING = "pending"


class NominationResponseCode(StrEnum):
    NO_OBJECTION = "no_objection"
    OBJECTION = "objection"


class ObjectionGround(StrEnum):
    RESTRICTION_LIST = "restriction_list"
    ALREADY_RETURNED = "already_returned"
    NOT_IN_FRANCE = "not_in_france"
    THREAT = "threat"


class NominationOutcomeCode(StrEnum):
    VISA_GRANTED = "visa_granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class AdmissionOutcomeCode(StrEnum):
    ARRIVED = "arrived"
    LAPSED = "lapsed"


SENDERS: dict[MessageType, frozenset[Direction]] = {
    MessageType.READMISSION_REQUEST: frozenset({Direction.UK_TO_FR}),
    MessageType.ACKNOWLEDGEMENT: frozenset(Direction),
    MessageType.READMISSION_DECISION: frozenset({Direction.FR_TO_UK}),
    MessageType.SUPPLEMENTARY_DOCUMENT: frozenset({Direction.UK_TO_FR}),
    MessageType.TRANSFER_NOTICE: frozenset({Direction.UK_TO_FR}),
    MessageType.TRANSFER_CONFIRMATION: frozenset({Direction.FR_TO_UK}),
    MessageType.TRANSFER_OUTCOME: frozenset({Direction.UK_TO_FR}),
    MessageType.TRANSFER_RECEIPT: frozenset({Direction.FR_TO_UK}),
    MessageType.WITHDRAWAL: frozenset({Direction.UK_TO_FR}),
    MessageType.CORRECTION: frozenset({Direction.UK_TO_FR}),
    MessageType.STATUS_UPDATE: frozenset(Direction),
    MessageType.NOMINATION: frozenset({Direction.UK_TO_FR}),
    MessageType.NOMINATION_RESPONSE: frozenset({Direction.FR_TO_UK}),
    MessageType.NOMINATION_OUTCOME: frozenset({Direction.UK_TO_FR}),
    MessageType.ADMISSION_OUTCOME: frozenset({Direction.UK_TO_FR}),
}
"""Who may send what (domain: the two lives). Anything else is refused before storing."""
