"""What judging a bundle gives: proofs with checks, each ✓ holds, ✗ fails or – open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from gateway.core.words import Words

Fact = str | int | None


class Mark(StrEnum):
    HOLDS = "holds"
    FAILS = "fails"
    OPEN = "open"
    """Could not be judged with what is here; says nothing for or against."""


SYMBOLS: Final[Mapping[Mark, str]] = {Mark.HOLDS: "✓", Mark.FAILS: "✗", Mark.OPEN: "–"}


class CheckCode(StrEnum):
    """What is checked; each has a text for every mark in ``TEXTS``."""

    DIGEST = "digest"
    COMPLETE = "complete"
    MANIFEST = "manifest"
    SIGNATURE = "signature"
    SIGNER = "signer"
    VALIDITY = "validity"
    CHAIN = "chain"
    MESSAGE = "message"
    PARTY = "party"
    MATCH = "match"
    BODY = "body"


_T = Words
TEXTS: Final[Mapping[tuple[CheckCode, Mark], Words]] = {
    (CheckCode.DIGEST, Mark.HOLDS): _T(
        "The file is the one that the manifest names.", "Le fichier est bien celui du manifeste."
    ),
    (CheckCode.DIGEST, Mark.FAILS): _T(
        "The file was changed or is missing.", "Le fichier a été modifié ou manque."
    ),
    (CheckCode.COMPLETE, Mark.HOLDS): _T("Nothing is missing or added.", "Rien ne manque ni n'est ajouté."),
    (CheckCode.COMPLETE, Mark.FAILS): _T(
        "Files are missing, or are in the bundle that the manifest does not name.",
        "Des fichiers manquent, ou le dossier en contient que le manifeste ne cite pas.",
    ),
    (CheckCode.MANIFEST, Mark.HOLDS): _T(
        "The gateway signed the manifest.", "La passerelle a signé le manifeste."
    ),
    (CheckCode.MANIFEST, Mark.FAILS): _T(
        "The gateway's signature of the manifest does not hold.",
        "La signature du manifeste par la passerelle est fausse.",
    ),
    (CheckCode.SIGNATURE, Mark.HOLDS): _T("The signature holds.", "La signature est valable."),
    (CheckCode.SIGNATURE, Mark.FAILS): _T(
        "The signature does not hold, or the proof is not readable.",
        "La signature est fausse, ou la preuve est illisible.",
    ),
    (CheckCode.SIGNATURE, Mark.OPEN): _T(
        "An EdDSA signature can only be verified with the body itself (--body).",
        "Une signature EdDSA ne se vérifie qu'avec le corps lui-même (--body).",
    ),
    (CheckCode.SIGNER, Mark.HOLDS): _T(
        "The signer is known to whoever verifies.", "Le signataire est connu du vérificateur."
    ),
    (CheckCode.SIGNER, Mark.FAILS): _T(
        "The signer is not among those that are trusted here.",
        "Le signataire ne fait pas partie de ceux reconnus ici.",
    ),
    (CheckCode.SIGNER, Mark.OPEN): _T(
        "The signer was not compared with a trusted source, or its key is no longer registered.",
        "Le signataire n'a pas été comparé à une source de confiance, ou sa clé n'est plus enregistrée.",
    ),
    (CheckCode.VALIDITY, Mark.HOLDS): _T(
        "The certificate was valid at the signed time.", "Le certificat était valable à l'heure signée."
    ),
    (CheckCode.VALIDITY, Mark.FAILS): _T(
        "The certificate was not valid at the signed time.",
        "Le certificat n'était pas valable à l'heure signée.",
    ),
    (CheckCode.CHAIN, Mark.HOLDS): _T(
        "The certificate chains to a trusted authority.",
        "Le certificat remonte à une autorité de confiance.",
    ),
    (CheckCode.CHAIN, Mark.FAILS): _T(
        "The certificate does not chain to a trusted authority.",
        "Le certificat ne remonte à aucune autorité de confiance.",
    ),
    (CheckCode.CHAIN, Mark.OPEN): _T(
        "No authority was given to compare with.", "Aucune autorité n'a été fournie pour comparer."
    ),
    (CheckCode.MESSAGE, Mark.HOLDS): _T("It speaks of this message.", "Elle concerne bien ce message."),
    (CheckCode.MESSAGE, Mark.FAILS): _T("It speaks of another message.", "Elle concerne un autre message."),
    (CheckCode.PARTY, Mark.HOLDS): _T(
        "The party that should have signed has signed.", "La partie attendue a bien signé."
    ),
    (CheckCode.PARTY, Mark.FAILS): _T("Another party has signed.", "Une autre partie a signé."),
    (CheckCode.MATCH, Mark.HOLDS): _T(
        "The receipt repeats exactly what was sent.", "L'accusé de réception reprend exactement l'envoi."
    ),
    (CheckCode.MATCH, Mark.FAILS): _T(
        "The receipt does not match what was sent.", "L'accusé de réception ne correspond pas à l'envoi."
    ),
    (CheckCode.BODY, Mark.HOLDS): _T(
        "Request and receipt name the same body.", "Requête et accusé citent le même corps."
    ),
    (CheckCode.BODY, Mark.FAILS): _T(
        "Request, receipt and body do not belong together.",
        "Requête, accusé et corps ne vont pas ensemble.",
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was looked at. ``facts``: fingerprints, counts, instants; nothing of the content."""

    code: CheckCode
    mark: Mark
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "check": self.code.value,
            "mark": self.mark.value,
            "symbol": SYMBOLS[self.mark],
            "text": TEXTS[self.code, self.mark].as_json(),
            "facts": dict(self.facts),
        }


def check(code: CheckCode, holds: bool, **facts: Fact) -> Check:
    """✓ or ✗."""
    return Check(code=code, mark=Mark.HOLDS if holds else Mark.FAILS, facts=facts)


def unknown(code: CheckCode, **facts: Fact) -> Check:
    """–."""
    return Check(code=code, mark=Mark.OPEN, facts=facts)


def mark_of(checks: Sequence[Check]) -> Mark:
    """✗ when anything fails; – when nothing was proven, or the signature itself is open; else ✓."""
    marks = [c.mark for c in checks]
    if not marks or Mark.FAILS in marks:
        return Mark.FAILS
    signature = [c.mark for c in checks if c.code is CheckCode.SIGNATURE]
    if Mark.HOLDS not in marks or Mark.OPEN in signature:
        return Mark.OPEN
    return Mark.HOLDS


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """One file of the bundle, judged."""

    name: str
    kind: str
    checks: tuple[Check, ...]

    @property
    def mark(self) -> Mark:
        return mark_of(self.checks)

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.name,
            "kind": self.kind,
            "mark": self.mark.value,
            "symbol": SYMBOLS[self.mark],
            "checks": [c.as_json() for c in self.checks],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A bundle, judged. ``ok``: nothing fails, and at least one signature was verified."""

    message: Mapping[str, Any]
    """The manifest's summary; no content."""
    proofs: tuple[Proof, ...]

    @property
    def ok(self) -> bool:
        checks = [c for proof in self.proofs for c in proof.checks]
        signed = any(c.code is CheckCode.SIGNATURE and c.mark is Mark.HOLDS for c in checks)
        return signed and all(proof.mark is not Mark.FAILS for proof in self.proofs)

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "message": dict(self.message),
            "proofs": [proof.as_json() for proof in self.proofs],
        }
