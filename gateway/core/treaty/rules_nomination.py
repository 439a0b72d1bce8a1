"""Rules of the legal route: Art 12 and announcement rows 4, 5, 7, 8, 9."""

from __future__ import annotations

from collections.abc import Iterator

from contracts import codes, model
from contracts.codes import MessageType
from gateway.core.treaty.age import add_months
from gateway.core.treaty.rules_general import local_day
from gateway.core.treaty.verdict import Facts, Registry, Severity

RULES = Registry()

_NOMINATION = (MessageType.NOMINATION,)
_OUTCOME = (MessageType.NOMINATION_OUTCOME,)
_CHECKED = (MessageType.NOMINATION, MessageType.CORRECTION)
"""Whose persons are judged as nominees (a correction of a nomination only)."""


def _nomination(facts: Facts) -> model.Nomination | None:
    body = facts.message.body
    return body if isinstance(body, model.Nomination) else None


def _nominees(facts: Facts) -> tuple[model.Person, ...]:
    """Persons that the message nominates, also by correcting those of a nomination."""
    body = facts.message.body
    if isinstance(body, model.Nomination):
        return body.persons
    nomination = facts.case is not None and facts.case.kind is codes.CaseKind.NOMINATION
    return (body.persons or ()) if nomination and isinstance(body, model.Correction) else ()


@RULES.rule(
    "row4.identity_document",
    "row 4",
    en="A nomination needs an identity document of the main applicant.",
    fr="Une désignation exige un document d'identité du demandeur principal.",
    types=_CHECKED,
    settings=("nomination.identity_document_types", "nomination.identity_document_roles"),
)
def _identity(facts: Facts) -> Iterator[str]:
    terms = facts.agreement.nomination
    for index, person in enumerate(_nominees(facts)):
        accepted = any(d.type in terms.identity_document_types for d in person.documents)
        if person.role in terms.identity_document_roles and not accepted:
            yield f"/body/persons/{index}/documents"


@RULES.rule(
    "row4.weak_identity_document",
    "row 4",
    en="The only identity document is one that proves identity weakly (unverified list).",
    fr="Le seul document d'identité est faiblement probant (liste non confirmée).",
    types=_CHECKED,
    severity=Severity.WARN,
    settings=(
        "nomination.weak_identity_document_types",
        "nomination.identity_document_types",
        "nomination.identity_document_roles",
    ),
)
def _weak(facts: Facts) -> Iterator[str]:
    terms = facts.agreement.nomination
    for index, person in enumerate(_nominees(facts)):
        accepted = [d.type for d in person.documents if d.type in terms.identity_document_types]
        if (
            person.role in terms.identity_document_roles
            and accepted
            and all(t in terms.weak_identity_document_types for t in accepted)
        ):
            yield f"/body/persons/{index}/documents"


@RULES.rule(
    "row4.document_expired",
    "row 4",
    en="Every identity document has expired.",
    fr="Tous les documents d'identité sont périmés.",
    types=_CHECKED,
    severity=Severity.WARN,
    settings=("clocks.arrival_zone",),
)
def _expired(facts: Facts) -> Iterator[str]:
    on = local_day(facts.message.issued_at, facts)
    for index, person in enumerate(_nominees(facts)):
        ends = [d.expires_on for d in person.documents]
        if ends and all(end is not None and end < on for end in ends):
            yield f"/body/persons/{index}/documents"


@RULES.rule(
    "row4.photo",
    "row 4",
    en="A nomination needs the reference of a photograph, and the picture itself where agreed.",
    fr="Une désignation exige la référence d'une photographie, et l'image elle-même si c'est convenu.",
    types=_NOMINATION,
    settings=("nomination.photo_travels",),
)
def _photo(facts: Facts) -> Iterator[str]:
    body = _nomination(facts)
    if body is None:
        return
    pictures = {a.content_id for a in body.attachments if a.purpose is codes.AttachmentPurpose.PHOTO}
    if body.photo is None or (facts.agreement.nomination.photo_travels and body.photo not in pictures):
        yield "/body/photo"


@RULES.rule(
    "row5.security_checks",
    "row 5",
    en="The security checks have not passed.",
    fr="Les contrôles de sécurité n'ont pas abouti favorablement.",
    types=_NOMINATION,
)
def _security(facts: Facts) -> Iterator[str]:
    body = _nomination(facts)
    if body is not None and body.security_checks is not codes.SecurityChecks.PASSED:
        yield "/body/security_checks"


@RULES.rule(
    "row7.expression_of_interest",
    "row 7",
    en="A nomination needs the reference of the expression of interest.",
    fr="Une désignation exige la référence de la manifestation d'intérêt.",
    types=_NOMINATION,
)
def _interest(facts: Facts) -> Iterator[str]:
    body = _nomination(facts)
    if body is not None and body.expression_of_interest is None:
        yield "/body/expression_of_interest"


@RULES.rule(
    "row7.located_in_france",
    "Art 12; row 7",
    en="The location in France must be confirmed before the nomination.",
    fr="La présence en France doit être confirmée avant la désignation.",
    types=_NOMINATION,
)
def _located(facts: Facts) -> Iterator[str]:
    body = _nomination(facts)
    if body is not None:
        at = body.located_in_france_at
        if at is None or at > facts.message.issued_at:
            yield "/body/located_in_france_at"


@RULES.rule(
    "row8.biometrics",
    "row 8",
    en="Biometrics must be enrolled before the nomination: time and reference.",
    fr="La biométrie doit être enregistrée avant la désignation : date et référence.",
    types=_NOMINATION,
)
def _biometrics(facts: Facts) -> Iterator[str]:
    body = _nomination(facts)
    if body is None:
        return
    at = body.biometrics_enrolled_at
    if at is None or at > facts.message.issued_at:
        yield "/body/biometrics_enrolled_at"
    if body.biometrics_reference is None:
        yield "/body/biometrics_reference"


@RULES.rule(
    "eats.gwf",
    "life of a nomination",
    en="A nomination needs the GWF reference of the entry-clearance application.",
    fr="Une désignation exige la référence GWF de la demande de visa.",
    types=_NOMINATION,
)
def _gwf(facts: Facts) -> Iterator[str]:
    body = _nomination(facts)
    if body is not None and body.gwf is None:
        yield "/body/gwf"


@RULES.rule(
    "row9.returned",
    "row 9",
    en="A person who arrived by small boat and was returned is not eligible.",
    fr="Une personne arrivée par embarcation et renvoyée n'est pas éligible.",
    types=_CHECKED,
)
def _returned(facts: Facts) -> Iterator[str]:
    if facts.returned:
        yield "/body/persons"


@RULES.rule(
    "row9.not_checked",
    "row 9",
    en="The nomination was not checked against the returned.",
    fr="La désignation n'a pas été comparée aux personnes renvoyées.",
    types=_NOMINATION,
    severity=Severity.HOLD,
)
def _not_checked(facts: Facts) -> Iterator[str]:
    if facts.returned is None:
        yield "/body/persons"


@RULES.rule(
    "row9.in_readmission",
    "row 9",
    en="The person is in a readmission case that has not ended in a return.",
    fr="La personne figure dans un dossier de réadmission qui n'a pas abouti à un renvoi.",
    types=_CHECKED,
    severity=Severity.HOLD,
)
def _in_readmission(facts: Facts) -> Iterator[str]:
    if facts.in_readmission and not facts.returned:
        yield "/body/persons"


@RULES.rule(
    "row9.near_match",
    "row 9",
    en="Name and birth date are like those of a returned person: operators compare the two.",
    fr="Nom et date de naissance ressemblent à ceux d'une personne renvoyée : des opérateurs comparent.",
    types=_CHECKED,
    severity=Severity.HOLD,
)
def _near_match(facts: Facts) -> Iterator[str]:
    for place in facts.near:
        yield f"/body/persons/{place}"


@RULES.rule(
    "art12.third_country",
    "Art 12; row 3",
    en="The legal route is for third-country nationals only.",
    fr="La voie légale est réservée aux ressortissants de pays tiers.",
    types=_CHECKED,
    settings=("nomination.excluded_nationalities",),
)
def _third_country(facts: Facts) -> Iterator[str]:
    for index, person in enumerate(_nominees(facts)):
        if any(n in facts.agreement.nomination.excluded_nationalities for n in person.nationalities):
            yield f"/body/persons/{index}/nationalities"


@RULES.rule(
    "art12.restriction",
    "Art 12",
    en="A nationality stands on an agreed restriction list.",
    fr="Une nationalité figure sur une liste de restriction convenue.",
    types=_CHECKED,
    severity=Severity.HOLD,
    settings=("priorities.restricted_nationalities",),
)
def _restriction(facts: Facts) -> Iterator[str]:
    listed = facts.agreement.priorities.restricted_nationalities
    for index, person in enumerate(_nominees(facts)):
        if any(n in listed for n in person.nationalities):
            yield f"/body/persons/{index}/nationalities"


@RULES.rule(
    "art12.objection_ground",
    "Art 12",
    en="The ground of objection is not one of the agreement.",
    fr="Le motif d'objection n'est pas prévu par l'accord.",
    types=(MessageType.NOMINATION_RESPONSE,),
    settings=("grounds.objection",),
)
def _objection(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if (
        isinstance(body, model.NominationResponse)
        and body.ground is not None
        and body.ground not in facts.agreement.grounds.objection
    ):
        yield "/body/ground"


@RULES.rule(
    "art12.visa_ended",
    "Art 12",
    en="The visa ends before it was granted.",
    fr="Le visa expire avant d'avoir été délivré.",
    types=_OUTCOME,
    settings=("clocks.arrival_zone",),
)
def _visa_ended(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if not isinstance(body, model.NominationOutcome):
        return
    until = body.visa_valid_until
    if until is not None and until < local_day(body.decided_at, facts):
        yield "/body/visa_valid_until"


@RULES.rule(
    "art12.visa_three_months",
    "Art 12",
    en="The visa ends later than the agreed validity counted from the decision.",
    fr="Le visa expire après la durée de validité convenue, comptée depuis la décision.",
    types=_OUTCOME,
    severity=Severity.WARN,
    settings=("clocks.visa_months", "clocks.arrival_zone"),
)
def _visa_months(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if isinstance(body, model.NominationOutcome) and body.visa_valid_until is not None:
        last = add_months(local_day(body.decided_at, facts), facts.agreement.clocks.visa_months)
        if body.visa_valid_until > last:
            yield "/body/visa_valid_until"


@RULES.rule(
    "admission.persons",
    "Art 17; row 2",
    en="The number of persons admitted does not fit the outcome or the nomination.",
    fr="Le nombre de personnes admises ne correspond pas au résultat ou à la désignation.",
    types=(MessageType.ADMISSION_OUTCOME,),
)
def _admitted(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if not isinstance(body, model.AdmissionOutcome):
        return
    arrived = body.outcome is codes.AdmissionOutcomeCode.ARRIVED
    opening = facts.case.opening.body if facts.case is not None and facts.case.opening is not None else None
    too_many = isinstance(opening, model.Nomination) and body.persons_admitted > len(opening.persons)
    if arrived != (body.persons_admitted > 0) or too_many:
        yield "/body/persons_admitted"
