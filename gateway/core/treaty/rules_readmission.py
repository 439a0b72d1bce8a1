"""Rules of the readmission: Art 3, 4, 7, 8 and announcement row 6."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from contracts import codes, model
from contracts.codes import MessageType, ProtectionClaim
from gateway.core.treaty.age import add_months
from gateway.core.treaty.rules_general import local_day
from gateway.core.treaty.verdict import Facts, Registry, Severity

RULES = Registry()

_REQUEST = (MessageType.READMISSION_REQUEST,)
_NOTICE = (MessageType.TRANSFER_NOTICE,)


def _request(facts: Facts) -> model.ReadmissionRequest | None:
    """The request judged now, or the one that opened the case."""
    message = facts.message
    if facts.case is not None and facts.case.opening is not None:
        message = facts.case.opening
    return message.body if isinstance(message.body, model.ReadmissionRequest) else None


def _arrival(facts: Facts) -> model.Arrival | None:
    """The arrival as last corrected."""
    corrections = [
        m.body.arrival
        for m in (facts.case.messages if facts.case is not None else ())
        if isinstance(m.body, model.Correction) and m.body.arrival is not None
    ]
    if corrections:
        return corrections[-1]
    request = _request(facts)
    return request.arrival if request is not None else None


def _stated_arrival(facts: Facts) -> model.Arrival | None:
    """The arrival that the judged message itself states."""
    body = facts.message.body
    return body.arrival if isinstance(body, model.ReadmissionRequest | model.Correction) else None


def _requested_at(facts: Facts) -> dt.datetime:
    """When the request was issued; a correction does not make it later."""
    opening = facts.case.opening if facts.case is not None else None
    return (opening or facts.message).issued_at


@RULES.rule(
    "art3.criterion",
    "Art 3; row 1",
    en="The readmission criterion is not one that the agreement has in use.",
    fr="Le critère de réadmission n'est pas en vigueur dans l'accord.",
    types=(*_REQUEST, MessageType.CORRECTION),
    settings=("criteria",),
)
def _criterion(facts: Facts) -> Iterator[str]:
    arrival = _stated_arrival(facts)
    if arrival is not None and arrival.criterion not in facts.agreement.enabled_criteria:
        yield "/body/arrival/criterion"


@RULES.rule(
    "row6.claim",
    "Art 4; row 6",
    en="A pending protection claim bars the request: declared inadmissible, withdrawn or never made.",
    fr="Une demande de protection pendante fait obstacle : irrecevable, retirée ou inexistante.",
    types=_REQUEST,
)
def _claim(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if isinstance(body, model.ReadmissionRequest) and body.claim.protection_claim is ProtectionClaim.PENDING:
        yield "/body/claim/protection_claim"


@RULES.rule(
    "row6.decision_date",
    "Art 4; row 6",
    en="Exactly an inadmissibility decision has a date, between the arrival and the request.",
    fr="Seule une décision d'irrecevabilité porte une date, entre l'arrivée et la demande.",
    types=_REQUEST,
)
def _decision_date(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if not isinstance(body, model.ReadmissionRequest):
        return
    at = body.claim.decided_at
    declared = body.claim.protection_claim is ProtectionClaim.DECLARED_INADMISSIBLE
    out_of_order = at is not None and not body.arrival.at <= at <= facts.message.issued_at
    if declared != (at is not None) or out_of_order:
        yield "/body/claim/decided_at"


@RULES.rule(
    "row6.claim_contradicts_criterion",
    "Art 3(a); row 6",
    en="The request rests on a protection claim and says that none was made.",
    fr="La demande se fonde sur une demande de protection et déclare qu'il n'y en a pas.",
    types=_REQUEST,
)
def _claim_contradiction(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if (
        isinstance(body, model.ReadmissionRequest)
        and body.arrival.criterion is codes.Art3Criterion.PROTECTION_CLAIM
        and body.claim.protection_claim is ProtectionClaim.NONE_MADE
    ):
        yield "/body/claim/protection_claim"


@RULES.rule(
    "art4.confirmations",
    "Art 4",
    en="Every Art 4 confirmation must be given, with the request and again with the transfer notice.",
    fr="Toutes les confirmations de l'art. 4 sont requises, avec la demande puis avec l'avis de transfert.",
    types=(*_REQUEST, *_NOTICE),
)
def _confirmations(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if isinstance(body, model.ReadmissionRequest | model.TransferNotice):
        for name in body.confirmations.__struct_fields__:
            if not getattr(body.confirmations, name):
                yield f"/body/confirmations/{name}"


@RULES.rule(
    "art4.suspensive_appeal",
    "Art 4",
    en="The last status of the case is a suspensive appeal that has not ended.",
    fr="Le dernier état du dossier est un recours suspensif qui n'a pas pris fin.",
    types=_NOTICE,
)
def _appeal(facts: Facts) -> Iterator[str]:
    code = codes.StatusUpdateCode
    both = (code.SUSPENSIVE_APPEAL, code.SUSPENSIVE_APPEAL_ENDED)
    updates = [
        m.body.code
        for m in (facts.case.messages if facts.case is not None else ())
        if isinstance(m.body, model.StatusUpdate) and m.body.code in both
    ]
    if updates and updates[-1] is code.SUSPENSIVE_APPEAL:
        yield "/body/confirmations/no_suspensive_appeal"


@RULES.rule(
    "art8.request_in_time",
    "Art 4, 8",
    en="The request comes later than the agreed number of calendar days after the arrival.",
    fr="La demande est présentée après le délai convenu en jours calendaires depuis l'arrivée.",
    types=(*_REQUEST, MessageType.CORRECTION),
    settings=("clocks.request_days", "clocks.arrival_zone"),
)
def _in_time(facts: Facts) -> Iterator[str]:
    arrival = _stated_arrival(facts)
    if arrival is None:
        return
    # the day of arrival is day 0 and the last day is day 14, whatever the hour
    days = (local_day(_requested_at(facts), facts) - local_day(arrival.at, facts)).days
    if days > facts.agreement.clocks.request_days:
        yield "/body/arrival/at"


@RULES.rule(
    "art8.arrival_before_request",
    "Art 8",
    en="The arrival lies after the request.",
    fr="L'arrivée est postérieure à la demande.",
    types=(*_REQUEST, MessageType.CORRECTION),
)
def _arrival_first(facts: Facts) -> Iterator[str]:
    arrival = _stated_arrival(facts)
    if arrival is not None and arrival.at > _requested_at(facts):
        yield "/body/arrival/at"


@RULES.rule(
    "art7.evidence_needed",
    "Art 4, 7",
    en="The request needs at least one item of evidence.",
    fr="La demande doit comporter au moins un élément de preuve ou indice.",
    types=_REQUEST,
    settings=("evidence.minimum_items",),
)
def _evidence(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    minimum = facts.agreement.evidence.minimum_items
    if isinstance(body, model.ReadmissionRequest) and len(body.evidence) < minimum:
        yield "/body/evidence"


@RULES.rule(
    "art7.evidence_list",
    "Art 7",
    en="This kind of evidence stands on the other list.",
    fr="Ce type de preuve ou d'indice ne figure pas sur cette liste.",
    types=_REQUEST,
    settings=("evidence.list_a", "evidence.list_b"),
)
def _evidence_list(facts: Facts) -> Iterator[str]:
    body, lists = facts.message.body, facts.agreement.evidence
    if isinstance(body, model.ReadmissionRequest):
        for index, item in enumerate(body.evidence):
            if item.kind not in (lists.list_a if item.list is codes.EvidenceList.A else lists.list_b):
                yield f"/body/evidence/{index}"


@RULES.rule(
    "art8.ground",
    "Art 3, 4, 8",
    en="The ground of refusal is not one of the agreement.",
    fr="Le motif de refus n'est pas prévu par l'accord.",
    types=(MessageType.READMISSION_DECISION,),
    settings=("grounds.refusal",),
)
def _ground(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if (
        isinstance(body, model.ReadmissionDecision)
        and body.ground is not None
        and body.ground not in facts.agreement.grounds.refusal
    ):
        yield "/body/ground"


@RULES.rule(
    "transfer.times",
    "procedure",
    en="The departure lies after the notice, and the arrival after the departure.",
    fr="Le départ est postérieur à l'avis, et l'arrivée au départ.",
    types=_NOTICE,
)
def _times(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if isinstance(body, model.TransferNotice):
        if body.departure_at <= facts.message.issued_at:
            yield "/body/departure_at"
        if body.arrival_at <= body.departure_at:
            yield "/body/arrival_at"


@RULES.rule(
    "art1.three_months",
    "Art 1",
    en="The transfer lies more than the agreed months after the arrival.",
    fr="Le transfert intervient plus que le nombre de mois convenu après l'arrivée.",
    types=_NOTICE,
    severity=Severity.WARN,
    settings=("clocks.procedure_months", "clocks.arrival_zone"),
)
def _three_months(facts: Facts) -> Iterator[str]:
    body, arrival = facts.message.body, _arrival(facts)
    if isinstance(body, model.TransferNotice) and arrival is not None:
        last = add_months(local_day(arrival.at, facts), facts.agreement.clocks.procedure_months)
        if local_day(body.arrival_at, facts) > last:
            yield "/body/arrival_at"


def _persons_in_case(facts: Facts) -> int | None:
    """Number of persons as last corrected; None when the request is not at hand."""
    count: int | None = None
    for message in facts.case.messages if facts.case is not None else ():
        body = message.body
        if isinstance(body, model.ReadmissionRequest | model.Correction) and body.persons is not None:
            count = len(body.persons)
    return count


@RULES.rule(
    "transfer.persons",
    "Art 17; row 2",
    en="The number of persons transferred does not fit the outcome or the case.",
    fr="Le nombre de personnes transférées ne correspond pas au résultat ou au dossier.",
    types=(MessageType.TRANSFER_OUTCOME,),
)
def _transferred(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if isinstance(body, model.TransferOutcome):
        carried_out = body.outcome is codes.TransferOutcomeCode.CARRIED_OUT
        count = _persons_in_case(facts)
        too_many = count is not None and body.persons_transferred > count
        if carried_out != (body.persons_transferred > 0) or too_many:
            yield "/body/persons_transferred"


@RULES.rule(
    "transfer.persons_received",
    "Art 17; row 2",
    en="The number of persons received does not fit the case.",
    fr="Le nombre de personnes reçues ne correspond pas au dossier.",
    types=(MessageType.TRANSFER_RECEIPT,),
    severity=Severity.WARN,
)
def _received(facts: Facts) -> Iterator[str]:
    body, count = facts.message.body, _persons_in_case(facts)
    if not isinstance(body, model.TransferReceipt) or count is None:
        return
    if not 0 < body.persons_received <= count:
        yield "/body/persons_received"
