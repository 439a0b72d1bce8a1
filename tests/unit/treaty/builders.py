"""One valid message of every type, on the cases S7-002 (readmission) and S7-021 (nomination)."""

from __future__ import annotations

import datetime as dt

from contracts import codes, model
from contracts.codes import CaseKind
from gateway.core.treaty.agreement import uk_fr
from gateway.core.treaty.verdict import CaseView
from tests.fixtures.cases import case_uuid, confirmations, load_cases, to_message

AGREEMENT = uk_fr()
CASES = {record["case"]: record for record in load_cases()}
REQUEST, _ = to_message(CASES["S7-002"])
NOMINATION, _ = to_message(CASES["S7-021"])
LATER = REQUEST.issued_at + dt.timedelta(days=2)
SHA = "0" * 64

R, N = CaseKind.READMISSION, CaseKind.NOMINATION


def attachment(**changes: object) -> model.Attachment:
    """A small PDF attachment."""
    values: dict[str, object] = {
        "content_id": "file.pdf",
        "purpose": codes.AttachmentPurpose.OTHER,
        "file_name": "file.pdf",
        "media_type": "application/pdf",
        "size": 10,
        "sha256": SHA,
    }
    return model.Attachment(**{**values, **changes})  # type: ignore[arg-type]  # keyword values from a dict


def message(body: model.Body, *, of: model.Message = REQUEST, at: dt.datetime = LATER) -> model.Message:
    """``body`` as the next message of the case that ``of`` opened."""
    return model.Message(
        message_id=case_uuid(of.message_id, f"{type(body).__name__}/{at.isoformat()}"),
        reference=of.reference,
        conversation_id=of.conversation_id,
        issued_at=at,
        in_reply_to=of.message_id,
        body=body,
    )


def case(status: str, *more: model.Message, opening: model.Message = REQUEST) -> CaseView:
    """The case with that status and these messages after the opening one."""
    kind = R if opening.type is codes.MessageType.READMISSION_REQUEST else N
    return CaseView(kind=kind, status=status, created_at=opening.issued_at, messages=(opening, *more))


def ack(status: str = "taken_into_account", *, of: str = REQUEST.message_id) -> model.Acknowledgement:
    rejected = status == "rejected"
    return model.Acknowledgement(
        of_message=of,
        status=codes.AckStatus(status),
        code=codes.AckCode.NOT_READABLE if rejected else None,
        at=LATER,
    )


def decision(code: str) -> model.ReadmissionDecision:
    return model.ReadmissionDecision(
        decision=codes.ReadmissionDecisionCode(code),
        ground=codes.RefusalGround.EVIDENCE_INSUFFICIENT if code == "refused" else None,
        information_needed=(codes.InformationNeeded.IDENTITY,) if code == "information_needed" else (),
        extended_until=dt.date(2026, 12, 6) if code == "extension" else None,
        decided_at=LATER,
    )


def notice(**changes: object) -> model.TransferNotice:
    values: dict[str, object] = {
        "mode": codes.TransferMode.AIR_CHARTER,
        "carrier": None,
        "flight": "AF1234",
        "departure_place": "GBLHR",
        "departure_at": LATER + dt.timedelta(days=2),
        "arrival_place": "FRCDG",
        "arrival_at": LATER + dt.timedelta(days=2, hours=2),
        "escort": codes.EscortType.POLICE,
        "escort_count": 2,
        "needs": (),
        "security_measures": False,
        "earlier_boarding_refusals": 0,
        "travel_document": None,
        "confirmations": confirmations(),
    }
    return model.TransferNotice(**{**values, **changes})  # type: ignore[arg-type]  # keyword values from a dict


def confirmation(code: str) -> model.TransferConfirmation:
    return model.TransferConfirmation(
        result=codes.TransferConfirmationCode(code),
        reason=None if code == "confirmed" else codes.TransferReason.CAPACITY,
        place=None,
        at=None,
        flight=None,
    )


def outcome(code: str, persons: int | None = None) -> model.TransferOutcome:
    done = code == "carried_out"
    return model.TransferOutcome(
        outcome=codes.TransferOutcomeCode(code),
        reason=None if done else codes.TransferReason.COURT_ORDER,
        at=LATER,
        persons_transferred=(1 if done else 0) if persons is None else persons,
    )


def receipt(persons: int = 1) -> model.TransferReceipt:
    return model.TransferReceipt(taken_charge_at=LATER, place="FRCDG", flight=None, persons_received=persons)


def withdrawal() -> model.Withdrawal:
    return model.Withdrawal(reason=codes.WithdrawalReason.LITIGATION, at=LATER)


def correction(**changes: object) -> model.Correction:
    values: dict[str, object] = {"corrects": REQUEST.message_id, "persons": None, "arrival": None}
    return model.Correction(**{**values, **changes})  # type: ignore[arg-type]  # keyword values from a dict


def update(code: str = "absconded") -> model.StatusUpdate:
    return model.StatusUpdate(code=codes.StatusUpdateCode(code), since=LATER)


def supplement() -> model.SupplementaryDocument:
    return model.SupplementaryDocument(answers=None, attachments=(attachment(),))


def response(code: str) -> model.NominationResponse:
    return model.NominationResponse(
        response=codes.NominationResponseCode(code),
        ground=codes.ObjectionGround.THREAT if code == "objection" else None,
        decided_at=LATER,
    )


def visa(code: str = "visa_granted", until: dt.date | None = None) -> model.NominationOutcome:
    granted = code == "visa_granted"
    end = until or dt.date(2027, 2, 1)
    return model.NominationOutcome(
        outcome=codes.NominationOutcomeCode(code), visa_valid_until=end if granted else None, decided_at=LATER
    )


def admission(code: str = "arrived", persons: int | None = None) -> model.AdmissionOutcome:
    count = (1 if code == "arrived" else 0) if persons is None else persons
    return model.AdmissionOutcome(outcome=codes.AdmissionOutcomeCode(code), at=LATER, persons_admitted=count)
