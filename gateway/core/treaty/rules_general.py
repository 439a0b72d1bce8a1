"""Rules for every message: who may send it, when, in which state, what it may carry, who is in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from contracts import codes, model
from contracts.codes import AttachmentPurpose, MessageType, PersonRole
from gateway.core.errors import OutOfSequence
from gateway.core.treaty import states
from gateway.core.treaty.age import Age, age
from gateway.core.treaty.verdict import Facts, Registry, Severity

RULES = Registry()

_OPENINGS = (MessageType.READMISSION_REQUEST, MessageType.NOMINATION)
_WITH_PERSONS = (*_OPENINGS, MessageType.CORRECTION)


def local_day(instant: dt.datetime, facts: Facts) -> dt.date:
    """Calendar day of an instant where arrival days are counted (Art 8: Europe/London)."""
    return instant.astimezone(facts.agreement.arrival_zone).date()


def persons_of(facts: Facts) -> tuple[model.Person, ...]:
    """Persons that the message itself names."""
    return getattr(facts.message.body, "persons", None) or ()


@RULES.rule(
    "general.sender",
    "Art 16; procedure",
    en="This message type is not sent in this direction.",
    fr="Ce type de message n'est pas émis dans ce sens.",
)
def _sender(facts: Facts) -> Iterator[str]:
    if facts.direction is not None and facts.direction not in codes.SENDERS[facts.message.type]:
        yield "/body/type"


@RULES.rule(
    "general.issued_in_future",
    "Art 8",
    en="The message is dated in the future.",
    fr="Le message est daté dans le futur.",
    settings=("limits.future_tolerance_seconds",),
)
def _future(facts: Facts) -> Iterator[str]:
    tolerance = dt.timedelta(seconds=facts.agreement.limits.future_tolerance_seconds)
    if facts.message.issued_at > facts.now + tolerance:
        yield "/issued_at"


@RULES.rule(
    "general.reference_kind",
    "references",
    en="The reference does not fit the kind or the priority of the case.",
    fr="La référence ne correspond pas à la nature ou à la priorité du dossier.",
    types=_OPENINGS,
)
def _reference(facts: Facts) -> Iterator[str]:
    body = facts.message.body
    if isinstance(body, model.ReadmissionRequest | model.Nomination):
        digits = "01" if isinstance(body, model.ReadmissionRequest) else "02"
        if facts.message.reference.split("-")[0] != f"GB{digits}{'P' if body.priority else ''}":
            yield "/reference"


@RULES.rule(
    "general.unknown_case",
    "procedure",
    en="No case is known for this message.",
    fr="Aucun dossier connu pour ce message.",
)
def _unknown_case(facts: Facts) -> Iterator[str]:
    if facts.case is None and facts.message.type not in states.OPENING:
        yield "/reference"


@RULES.rule(
    "general.out_of_sequence",
    "procedure",
    en="The state of the case does not allow this message.",
    fr="L'état du dossier ne permet pas ce message.",
)
def _sequence(facts: Facts) -> Iterator[str]:
    case = facts.case
    if case is None:
        return
    try:
        states.next_status(case.kind, case.status, facts.message, opening_id=case.opening_id)
    except OutOfSequence:
        yield "/body/type"


@RULES.rule(
    "general.unknown_message",
    "procedure",
    en="The message speaks of a message that the case does not have.",
    fr="Le message vise un message que le dossier ne contient pas.",
    types=(MessageType.ACKNOWLEDGEMENT, MessageType.CORRECTION),
)
def _unknown_message(facts: Facts) -> Iterator[str]:
    case, body = facts.case, facts.message.body
    if case is None or not case.messages:
        return
    known = {m.message_id for m in case.messages}
    if isinstance(body, model.Acknowledgement) and body.of_message not in known:
        yield "/body/of_message"
    if isinstance(body, model.Correction) and body.corrects not in known:
        yield "/body/corrects"


def _pairs(body: model.Body) -> Iterator[tuple[str, bool, bool]]:
    """(path, value is there, value must be there)"""
    match body:
        case model.Acknowledgement():
            yield "/body/code", body.code is not None, body.status is codes.AckStatus.REJECTED
        case model.ReadmissionDecision():
            decision = codes.ReadmissionDecisionCode
            yield "/body/ground", body.ground is not None, body.decision is decision.REFUSED
            yield "/body/extended_until", body.extended_until is not None, body.decision is decision.EXTENSION
            needed = body.decision is decision.INFORMATION_NEEDED
            yield "/body/information_needed", bool(body.information_needed), needed
        case model.TransferConfirmation():
            # an alternative may give its reason or not
            if body.result is not codes.TransferConfirmationCode.ALTERNATIVE_PROPOSED:
                declined = body.result is codes.TransferConfirmationCode.DECLINED
                yield "/body/reason", body.reason is not None, declined
        case model.TransferOutcome():
            failed = body.outcome is codes.TransferOutcomeCode.FAILED
            yield "/body/reason", body.reason is not None, failed
        case model.NominationResponse():
            objection = body.response is codes.NominationResponseCode.OBJECTION
            yield "/body/ground", body.ground is not None, objection
        case model.NominationOutcome():
            granted = body.outcome is codes.NominationOutcomeCode.VISA_GRANTED
            yield "/body/visa_valid_until", body.visa_valid_until is not None, granted
        case _:
            return


@RULES.rule(
    "general.conditional_field",
    "forms",
    en="This field is given exactly when the code calls for it.",
    fr="Ce champ est rempli si, et seulement si, le code l'exige.",
)
def _conditional(facts: Facts) -> Iterator[str]:
    for path, given, needed in _pairs(facts.message.body):
        if given != needed:
            yield path


@RULES.rule(
    "general.attachments_size",
    "fields",
    en="The attachments together are larger than the agreement allows.",
    fr="Les pièces jointes dépassent ensemble la taille convenue.",
    settings=("limits.attachments_total_bytes",),
)
def _attachments_size(facts: Facts) -> Iterator[str]:
    attachments, limits = facts.message.attachments, facts.agreement.limits
    if sum(a.size for a in attachments) > limits.attachments_total_bytes:
        yield "/body/attachments"


@RULES.rule(
    "general.attachments_list",
    "fields",
    en="There are too many attachments, two with the same name, or evidence without its attachment.",
    fr="Trop de pièces jointes, deux de même identifiant, ou une preuve sans sa pièce jointe.",
    settings=("limits.attachments_count",),
)
def _attachments_list(facts: Facts) -> Iterator[str]:
    attachments = facts.message.attachments
    ids = [a.content_id for a in attachments]
    if len(ids) > facts.agreement.limits.attachments_count or len(set(ids)) != len(ids):
        yield "/body/attachments"
    if isinstance(facts.message.body, model.ReadmissionRequest):
        for index, item in enumerate(facts.message.body.evidence):
            if item.attachment is not None and item.attachment not in ids:
                yield f"/body/evidence/{index}/attachment"


@RULES.rule(
    "general.health_data",
    "domain: health data only in the separate certificate",
    en="A medical certificate travels only in a separate SupplementaryDocument.",
    fr="Un certificat médical n'est transmis que par un SupplementaryDocument distinct.",
    types=_OPENINGS,
)
def _health(facts: Facts) -> Iterator[str]:
    for index, attachment in enumerate(facts.message.attachments):
        if attachment.purpose is AttachmentPurpose.MEDICAL_CERTIFICATE:
            yield f"/body/attachments/{index}"


@RULES.rule(
    "general.principal",
    "forms",
    en="There is exactly one principal, and it is the first person.",
    fr="Il y a une seule personne principale, placée en premier.",
    types=_WITH_PERSONS,
    settings=("limits.persons",),
)
def _principal(facts: Facts) -> Iterator[str]:
    persons = persons_of(facts)
    places = [i for i, p in enumerate(persons) if p.role is PersonRole.PRINCIPAL]
    if persons and (places != [0] or len(persons) > facts.agreement.limits.persons):
        yield "/body/persons"


def _is_minor(person: model.Person, on: dt.date) -> bool:
    return person.role is PersonRole.MINOR or age(person.birth_date, on) is Age.MINOR


@RULES.rule(
    "art4.accompanied_minor",
    "Art 4; Art 12",
    en="A minor must be accompanied by an adult of the family.",
    fr="Un mineur doit être accompagné d'un adulte de sa famille.",
    types=_WITH_PERSONS,
    settings=("clocks.arrival_zone",),
)
def _accompanied(facts: Facts) -> Iterator[str]:
    on = local_day(facts.message.issued_at, facts)
    minors = [i for i, p in enumerate(persons_of(facts)) if _is_minor(p, on)]
    if len(minors) == len(persons_of(facts)):
        for index in minors:
            yield f"/body/persons/{index}"


@RULES.rule(
    "art4.age_not_proven",
    "Art 4",
    en="No birth date proves an adult: the officer's finding alone stands for it.",
    fr="Aucune date de naissance ne prouve la majorité : seul le constat de l'agent en atteste.",
    types=_WITH_PERSONS,
    severity=Severity.WARN,
    settings=("clocks.arrival_zone",),
)
def _age_not_proven(facts: Facts) -> Iterator[str]:
    on = local_day(facts.message.issued_at, facts)
    adults = [(i, p) for i, p in enumerate(persons_of(facts)) if not _is_minor(p, on)]
    if adults and all(age(p.birth_date, on) is Age.UNCERTAIN for _, p in adults):
        yield f"/body/persons/{adults[0][0]}/birth_date"


@RULES.rule(
    "art4.minor_is_adult",
    "Art 4",
    en="A person given as a minor is an adult by the birth date.",
    fr="Une personne déclarée mineure est majeure d'après sa date de naissance.",
    types=_WITH_PERSONS,
    severity=Severity.HOLD,
    settings=("clocks.arrival_zone",),
)
def _minor_is_adult(facts: Facts) -> Iterator[str]:
    on = local_day(facts.message.issued_at, facts)
    for index, person in enumerate(persons_of(facts)):
        if person.role is PersonRole.MINOR and age(person.birth_date, on) is Age.ADULT:
            yield f"/body/persons/{index}/role"


@RULES.rule(
    "general.family_reference",
    "life of a nomination: families",
    en="Several persons travel without a family reference.",
    fr="Plusieurs personnes voyagent sans référence familiale.",
    types=_OPENINGS,
    severity=Severity.WARN,
)
def _family(facts: Facts) -> Iterator[str]:
    if len(persons_of(facts)) > 1 and getattr(facts.message.body, "family", None) is None:
        yield "/body/family"
