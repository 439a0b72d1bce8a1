"""Rules that look across the messages of a case: a corrected claim, an extension, a transfer, a visa.

Art 3, 4 and 8 for readmissions, Art 12 for the legal route.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from contracts import codes, model
from contracts.codes import MessageType
from gateway.core.treaty.rules_general import local_day, persons_of
from gateway.core.treaty.verdict import Facts, Registry, Severity

RULES = Registry()

_CORRECTION = (MessageType.CORRECTION,)
_ADMISSION = (MessageType.ADMISSION_OUTCOME,)


def _answer_day(instant: dt.datetime, facts: Facts) -> dt.date:
    """Calendar day where France's days to answer are counted (Art 8: Europe/Paris)."""
    return instant.astimezone(facts.agreement.answer_zone).date()


def _opening_claim(facts: Facts) -> model.ClaimStatement | None:
    opening = facts.case.opening if facts.case is not None else None
    body = opening.body if opening is not None else None
    return body.claim if isinstance(body, model.ReadmissionRequest) else None


@RULES.rule(
    "art3.reentry_return_unknown",
    "Art 3",
    en="The request rests on a re-entry, and no earlier return of the person was found.",
    fr="La demande se fonde sur un retour au Royaume-Uni, sans renvoi antérieur connu de la personne.",
    types=(MessageType.READMISSION_REQUEST, MessageType.CORRECTION),
    severity=Severity.HOLD,
    settings=("criteria",),
)
def _reentry(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    arrival = body.arrival if isinstance(body, model.ReadmissionRequest | model.Correction) else None
    if arrival is None or arrival.criterion is not codes.Art3Criterion.REENTRY_AFTER_RETURN:
        return
    if arrival.criterion in facts.agreement.enabled_criteria and not facts.returned:
        yield "/body/arrival/criterion"


@RULES.rule(
    "row6.corrected_claim",
    "Art 3(a), 4; row 6",
    en="The corrected arrival does not fit the claim that the request states.",
    fr="L'arrivée corrigée ne correspond pas à la demande de protection déclarée.",
    types=_CORRECTION,
)
def _corrected_claim(facts: Facts) -> Iterator[str]:
    body, claim = facts.message.body, _opening_claim(facts)
    arrival = body.arrival if isinstance(body, model.Correction) else None
    if arrival is None or claim is None:
        return
    none_made = claim.protection_claim is codes.ProtectionClaim.NONE_MADE
    if none_made and arrival.criterion is codes.Art3Criterion.PROTECTION_CLAIM:
        yield "/body/arrival/criterion"
    if claim.decided_at is not None and claim.decided_at < arrival.at:
        yield "/body/arrival/at"


@RULES.rule(
    "art8.extension",
    "Art 8",
    en="There is one extension; it ends within the agreed days after receipt, and not before its decision.",
    fr="Prolongation unique, au plus tard au terme convenu après réception, et non avant la décision.",
    types=(MessageType.READMISSION_DECISION,),
    settings=("clocks.answer_extended_days", "clocks.answer_zone"),
)
def _extension(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if not isinstance(body, model.ReadmissionDecision) or body.extended_until is None:
        return
    decided = _answer_day(body.decided_at, facts)
    # France had the request when it decided: without a proven receipt that is all we know
    proven = facts.case.opening_received_at if facts.case is not None else None
    received = _answer_day(proven, facts) if proven is not None else decided
    last = received + dt.timedelta(days=facts.agreement.clocks.answer_extended_days)
    earlier = [
        m
        for m in (facts.case.messages if facts.case is not None else ())
        if isinstance(m.body, model.ReadmissionDecision) and m.body.extended_until is not None
    ]
    if earlier or not decided <= body.extended_until <= last:
        yield "/body/extended_until"


@RULES.rule(
    "transfer.absconded",
    "Art 4",
    en="By the last status of the case the person has absconded.",
    fr="D'après le dernier état du dossier, la personne est en fuite.",
    types=(MessageType.TRANSFER_NOTICE,),
    severity=Severity.WARN,
)
def _absconded(facts: Facts) -> Iterator[str]:
    code = codes.StatusUpdateCode
    updates = [
        m.body.code
        for m in (facts.case.messages if facts.case is not None else ())
        if isinstance(m.body, model.StatusUpdate) and m.body.code in {code.ABSCONDED, code.FOUND_AGAIN}
    ]
    if updates and updates[-1] is code.ABSCONDED:
        yield "/body/departure_at"


@RULES.rule(
    "art12.priority",
    "Art 12",
    en="Marked as priority without being on the agreed list, or on the list and not marked.",
    fr="Priorité déclarée sans figurer sur la liste convenue, ou figurant sur la liste et non déclarée.",
    types=(MessageType.NOMINATION,),
    severity=Severity.WARN,
    settings=("priorities.priority_nationalities",),
)
def _priority(facts: Facts) -> Iterator[str]:
    body, listed = facts.message.body, set(facts.agreement.priorities.priority_nationalities)
    if isinstance(body, model.Nomination) and listed:
        on_list = any(listed.intersection(person.nationalities) for person in persons_of(facts))
        if on_list is not body.priority:
            yield "/body/priority"


@RULES.rule(
    "art12.arrival_and_visa",
    "Art 12",
    en="The arrival lies after the end of the visa, or the visa is said to have lapsed before its end.",
    fr="L'arrivée est postérieure à la fin du visa, ou le visa est déclaré caduc avant son terme.",
    types=_ADMISSION,
    severity=Severity.WARN,
    settings=("clocks.arrival_zone",),
)
def _arrival_and_visa(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    ends = [
        m.body.visa_valid_until
        for m in (facts.case.messages if facts.case is not None else ())
        if isinstance(m.body, model.NominationOutcome) and m.body.visa_valid_until is not None
    ]
    if not isinstance(body, model.AdmissionOutcome) or not ends:
        return
    arrived = body.outcome is codes.AdmissionOutcomeCode.ARRIVED
    after = local_day(body.at, facts) > ends[-1]
    if arrived is after:
        yield "/body/at"
