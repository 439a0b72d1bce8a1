"""Invented people and cases of the demo, as bodies of the UK contract. Nobody in them exists."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]

CONFIRMED = {
    "adult_or_accompanied_minor": True,
    "entered_directly_from_france": True,
    "no_outstanding_protection_claim": True,
    "no_outstanding_human_rights_claim": True,
    "no_suspensive_appeal": True,
    "no_injunction": True,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A body and the bytes of its attachments, by content id."""

    body: Body
    attachments: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """content id → (media type, bytes)."""


def _iso(value: dt.datetime) -> str:
    return value.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pdf(words: str) -> bytes:
    """A small, whole PDF page with one line of text."""
    stream = f"BT /F1 18 Tf 72 720 Td ({words}) Tj ET".encode("ascii")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
            b"/Resources<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>"
        ),
        b"<</Length %d>>stream\n%b\nendstream" % (len(stream), stream),
    ]
    parts = [b"%PDF-1.4\n"] + [b"%d 0 obj%bendobj\n" % (i, o) for i, o in enumerate(objects, 1)]
    return b"".join(parts) + b"trailer<</Root 1 0 R/Size 5>>\n%%EOF\n"


def _announce(content_id: str, purpose: str, file_name: str, content: bytes) -> Body:
    return {
        "content_id": content_id,
        "purpose": purpose,
        "file_name": file_name,
        "media_type": "application/pdf",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _person(family: str | None, given: str, sex: str, birth: str, nationality: str, **more: Any) -> Body:
    precision = {0: "unknown", 4: "year", 7: "month", 10: "day"}[len(birth)]
    return {
        "role": "principal",
        "name": {"family_name": family, "given_names": given},
        "other_names": [],
        "birth_date": {"precision": precision, "value": birth or None},
        "birth_place": None,
        "birth_country": nationality,
        "sex": sex,
        "nationalities": [nationality],
        "former_nationalities": [],
        "languages": [],
        "civil_status": None,
        "documents": [],
        **more,
    }


def _passport(number: str, country: str) -> Body:
    return {
        "type": "passport",
        "number": number,
        "issuing_country": country,
        "issuing_authority": None,
        "issued_on": None,
        "expires_on": "2031-05-31",
    }


def readmission(now: dt.datetime, person: Body, receiving: str) -> Upload:
    """A request made four days after arrival, with the inadmissibility decision attached."""
    decision = _pdf("Inadmissibility decision (invented, demo)")
    body = {
        "type": "ReadmissionRequest",
        "priority": False,
        "requesting_service": {"code": "HO-RRU-DOVER", "name": "Returns and Readmission Unit, Dover"},
        "receiving_service": {"code": receiving, "name": "Direction générale des étrangers en France"},
        "handling_service": {"code": "HO-TCU-3", "name": "Third Country Unit, team 3"},
        "home_office_reference": None,
        "unique_application_number": None,
        "persons": [person],
        "family": None,
        "arrival": {
            "at": _iso(now - dt.timedelta(days=4)),
            "criterion": "protection_claim",
            "small_boat_event": f"SBE-{now - dt.timedelta(days=4):%Y%m%d}-03",
            "place": "Western Jet Foil, Dover",
        },
        "claim": {
            "protection_claim": "declared_inadmissible",
            "decided_at": _iso(now - dt.timedelta(days=1)),
        },
        "confirmations": CONFIRMED,
        "evidence": [
            {"list": "A", "kind": "french_registration_document", "attachment": None},
            {"list": "B", "kind": "own_statement", "attachment": None},
        ],
        "proposed_place": "FRCDG",
        "attachments": [
            _announce("decision", "inadmissibility_decision", "inadmissibility-decision.pdf", decision)
        ],
    }
    return Upload(body=body, attachments={"decision": ("application/pdf", decision)})


def first_request(now: dt.datetime) -> Body:
    """A readmission request without attachments, made four days after arrival: for a first try by hand."""
    return {
        **readmission(now, YONAS, "MI-DGEF-READM").body,
        "claim": {"protection_claim": "withdrawn", "decided_at": None},
        "attachments": [],
    }


def nomination(now: dt.datetime, person: Body, receiving: str, number: int) -> Upload:
    """A nomination with passport and photo reference, checks passed."""
    photo = _pdf("Photograph (invented, demo)")
    passport = _pdf("Passport page (invented, demo)")
    body = {
        "type": "Nomination",
        "priority": False,
        "nominating_service": {"code": "HO-EATS", "name": "UK/European Applicant Transfer Scheme"},
        "receiving_service": {"code": receiving, "name": "Direction générale des étrangers en France"},
        "expression_of_interest": f"EOI-{20_260_000 + number:08d}",
        "gwf": f"GWF{70_000_000 + number:09d}",
        "persons": [person],
        "family": None,
        "located_in_france_at": _iso(now - dt.timedelta(days=30)),
        "biometrics_enrolled_at": _iso(now - dt.timedelta(days=6)),
        "biometrics_reference": f"VAC-PAR-2026-{number:06d}",
        "security_checks": "passed",
        "photo": "photo",
        "attachments": [
            _announce("photo", "photo", "photo.pdf", photo),
            _announce("passport", "identity_document", "passport.pdf", passport),
        ],
    }
    return Upload(
        body=body,
        attachments={"photo": ("application/pdf", photo), "passport": ("application/pdf", passport)},
    )


def supplementary_document() -> Upload:
    """A medical certificate, always separate from the request."""
    content = _pdf("Medical certificate (invented, demo)")
    body = {
        "type": "SupplementaryDocument",
        "answers": "medical_certificate",
        "attachments": [_announce("medical", "medical_certificate", "medical-certificate.pdf", content)],
    }
    return Upload(body=body, attachments={"medical": ("application/pdf", content)})


def transfer_notice(now: dt.datetime) -> Upload:
    """A charter flight in a week; the Art 4 confirmations are given again."""
    departure = (now + dt.timedelta(days=7)).replace(hour=7, minute=30, second=0, microsecond=0)
    return Upload(
        body={
            "type": "TransferNotice",
            "mode": "air_charter",
            "carrier": "Channel Air Charter",
            "flight": "QX4821",
            "departure_place": "GBLHR",
            "departure_at": _iso(departure),
            "arrival_place": "FRCDG",
            "arrival_at": _iso(departure + dt.timedelta(minutes=80)),
            "escort": "police",
            "escort_count": 2,
            "needs": ["interpreter_TIR"],
            "security_measures": False,
            "earlier_boarding_refusals": 0,
            "travel_document": {"type": "laissez_passer", "number": "LP-2026-00318", "expires_on": None},
            "confirmations": CONFIRMED,
        }
    )


def transfer_outcome(now: dt.datetime) -> Upload:
    return Upload(
        body={
            "type": "TransferOutcome",
            "outcome": "carried_out",
            "reason": None,
            "at": _iso(now),
            "persons_transferred": 1,
        }
    )


def withdrawal(now: dt.datetime) -> Upload:
    return Upload(body={"type": "Withdrawal", "reason": "litigation", "at": _iso(now)})


def visa_granted(now: dt.datetime) -> Upload:
    until = now.date() + dt.timedelta(days=85)
    return Upload(
        body={
            "type": "NominationOutcome",
            "outcome": "visa_granted",
            "visa_valid_until": until.isoformat(),
            "decided_at": _iso(now),
        }
    )


def arrived(now: dt.datetime) -> Upload:
    return Upload(
        body={"type": "AdmissionOutcome", "outcome": "arrived", "at": _iso(now), "persons_admitted": 1}
    )


YONAS = _person("Ghebremariam", "Yonas Tesfay", "M", "1994-03-17", "ERI", languages=["tir"])
HASINA = _person(None, "Hasina", "F", "1988", "AFG")
ARBER = _person("Gjëka", "Arbër", "M", "2001-07", "ALB")
MAHTAB = _person("Rezā’ī", "Mahtāb", "F", "1986-06", "IRN", documents=[_passport("N51884301", "IRN")])
LULEZIM_PASSPORT = _person(
    "Krasniqi", "Lulëzim", "M", "1975-08-16", "RKS", documents=[_passport("K14076910", "RKS")]
)
SELAM = _person("Woldegabriel", "Selam", "F", "1999-11-02", "ERI")
KHALED = _person("Haddad", "Khaled", "M", "1990-01-09", "SYR")
