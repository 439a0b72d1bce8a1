"""Art 16: France never sends personal data to the UK; the UK sends only what the agreement needs.

``check_from_france`` looks at the canonical message *and* at every text of the raw document, because what a
mapping drops would otherwise slip through. Findings name a place by number and a code, never a value.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum

from lxml import etree

from contracts import codelists, model
from contracts.codes import Direction, MessageType
from contracts.ports import Problem
from gateway.core.identifiers import normalise, normalise_name

FROM_FRANCE: Mapping[MessageType, frozenset[str]] = {
    MessageType.ACKNOWLEDGEMENT: frozenset({"of_message", "status", "code", "at"}),
    MessageType.READMISSION_DECISION: frozenset(
        {"decision", "ground", "information_needed", "extended_until", "decided_at"}
    ),
    MessageType.TRANSFER_CONFIRMATION: frozenset({"result", "reason", "place", "at", "flight"}),
    MessageType.TRANSFER_RECEIPT: frozenset({"taken_charge_at", "place", "flight", "persons_received"}),
    MessageType.STATUS_UPDATE: frozenset({"code", "since"}),
    MessageType.NOMINATION_RESPONSE: frozenset({"response", "ground", "decided_at"}),
}
"""Everything that a French message may say: coded decision and reason, dates, place, flight, a count."""

TO_FRANCE: Mapping[MessageType, frozenset[str]] = {
    MessageType.READMISSION_REQUEST: frozenset(
        {
            "priority",
            "requesting_service",
            "receiving_service",
            "handling_service",
            "home_office_reference",
            "unique_application_number",
            "persons",
            "family",
            "arrival",
            "claim",
            "confirmations",
            "evidence",
            "proposed_place",
            "attachments",
        }
    ),
    MessageType.ACKNOWLEDGEMENT: frozenset({"of_message", "status", "code", "at"}),
    MessageType.SUPPLEMENTARY_DOCUMENT: frozenset({"answers", "attachments"}),
    MessageType.TRANSFER_NOTICE: frozenset(
        {
            "mode",
            "carrier",
            "flight",
            "departure_place",
            "departure_at",
            "arrival_place",
            "arrival_at",
            "escort",
            "escort_count",
            "needs",
            "security_measures",
            "earlier_boarding_refusals",
            "travel_document",
            "confirmations",
        }
    ),
    MessageType.TRANSFER_OUTCOME: frozenset({"outcome", "reason", "at", "persons_transferred"}),
    MessageType.WITHDRAWAL: frozenset({"reason", "at"}),
    MessageType.CORRECTION: frozenset({"corrects", "persons", "arrival"}),
    MessageType.STATUS_UPDATE: frozenset({"code", "since"}),
    MessageType.NOMINATION: frozenset(
        {
            "priority",
            "nominating_service",
            "receiving_service",
            "expression_of_interest",
            "gwf",
            "persons",
            "family",
            "located_in_france_at",
            "biometrics_enrolled_at",
            "biometrics_reference",
            "security_checks",
            "photo",
            "attachments",
        }
    ),
    MessageType.NOMINATION_OUTCOME: frozenset({"outcome", "visa_valid_until", "decided_at"}),
    MessageType.ADMISSION_OUTCOME: frozenset({"outcome", "at", "persons_admitted"}),
}
"""Body fields that may leave for France, by type; a field added to the model stays here until allowed."""

AS4_PROPERTIES = frozenset({"originalSender", "finalRecipient", "trackingIdentifier"})
"""Message properties that the exchange uses; any other could carry data past the contract."""
PART_PROPERTIES = frozenset({"MimeType", "CompressionType", "CharacterSet"})


class Breach(StrEnum):
    """Codes of the findings."""

    MESSAGE_TYPE = "privacy.message_type"
    UNKNOWN_FIELD = "privacy.unknown_field"
    ATTACHMENT = "privacy.attachment"
    UNKNOWN_PROPERTY = "privacy.unknown_property"
    COMMENT = "privacy.comment"
    AGDREF_NUMBER = "privacy.agdref_number"
    NAME = "privacy.name"


_TEXTS: Mapping[Breach, tuple[str, str]] = {
    Breach.MESSAGE_TYPE: (
        "This message type does not travel this way.",
        "Ce type de message ne circule pas dans ce sens.",
    ),
    Breach.UNKNOWN_FIELD: ("The field is not on the allow list.", "Champ absent de la liste autorisée."),
    Breach.ATTACHMENT: (
        "France sends no attachments (Art 16).",
        "La France ne transmet aucune pièce jointe (art. 16).",
    ),
    Breach.UNKNOWN_PROPERTY: (
        "The message has a property that the exchange does not use.",
        "Le message porte une propriété inconnue de l'échange.",
    ),
    Breach.COMMENT: (
        "The document has a comment or processing instruction.",
        "Le document contient un commentaire ou une instruction de traitement.",
    ),
    Breach.AGDREF_NUMBER: (
        "A ten-digit number may not travel to the UK (AGDREF, Art 16).",
        "Un numéro à dix chiffres ne peut être transmis au Royaume-Uni (AGDREF, art. 16).",
    ),
    Breach.NAME: (
        "A name of the case may not travel to the UK (Art 16).",
        "Un nom du dossier ne peut être transmis au Royaume-Uni (art. 16).",
    ),
}


def text_of(breach: Breach) -> tuple[str, str]:
    """What the finding says, in English and French."""
    return _TEXTS[breach]


# ten digits and no more, also when written in groups; hyphens are left out, since dates have them
_TEN_DIGITS = re.compile(r"(?<!\d)\d(?:[ \u00a0\u202f.]?\d){9}(?!\d)")
_UUID = re.compile(model.UUID_PATTERN)
_SHORTEST_NAME = 2
_SHORTEST_WORD = 4
"""Words of this length in a longer name are looked for by themselves."""
_SHORTEST_RUN = 6
"""Names of this length are found even inside a longer run of letters."""


def _problem(code: Breach, path: str) -> Problem:
    en, fr = _TEXTS[code]
    return Problem(path=path, code=str(code), message_en=en, message_fr=fr)


def raw_texts(root: etree._Element) -> tuple[str, ...]:
    """Every text and attribute value of a document, comments and processing instructions included."""
    found: list[str] = []
    for element in root.getroottree().iter():
        found.extend(text for text in (element.text, element.tail) if text and text.strip())
        if isinstance(element.tag, str):
            found.extend(str(value) for value in element.attrib.values() if value)
    outside = [*root.itersiblings(preceding=True), *root.itersiblings()]
    found.extend(text for node in outside if (text := node.text) and text.strip())
    return tuple(found)


def _comments(root: etree._Element) -> bool:
    nodes = [*root.iter(), *root.itersiblings(preceding=True), *root.itersiblings()]
    return any(not isinstance(node.tag, str) for node in nodes)


def _message_texts(message: model.Message) -> tuple[str, ...]:
    """Free strings of the canonical body, as far down as they go (codes and times are none)."""

    def walk(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple):
            for item in value:
                yield from walk(item)
        elif hasattr(value, "__struct_fields__"):
            for name in value.__struct_fields__:
                yield from walk(getattr(value, name))

    return tuple(walk(message.body))


@functools.cache
def _wire_codes() -> frozenset[str]:
    """Every agreed code, canonical and French: a value that is one says nothing about a person."""
    return frozenset(
        code
        for enum in codelists.CODE_LISTS
        for member, french in codelists.to_french(enum).items()
        for code in (str(member.value), french)
    )


def _has_name(text: str, names: Collection[str]) -> bool:
    if text in _wire_codes():
        return False
    words = f" {normalise_name(text)} "
    run = normalise(text)
    for name in names:
        if len(name) >= _SHORTEST_NAME and f" {name} " in words:
            return True
        solid = name.replace(" ", "")
        if len(solid) >= _SHORTEST_RUN and solid in run:
            return True
    return False


def _with_words(names: Collection[str]) -> frozenset[str]:
    words = {word for name in names for word in name.split() if len(word) >= _SHORTEST_WORD}
    return frozenset({*names, *words})


def _value_breaches(texts: Iterable[str], names: Collection[str], own: Collection[str]) -> Iterator[Problem]:
    for number, raw in enumerate(texts):
        text = raw.strip()
        for known in own:
            text = text.replace(known, "\n")
        # no group of a UUID has ten characters, so digits inside one are never a number of their own
        if not _UUID.match(text) and _TEN_DIGITS.search(text):
            yield _problem(Breach.AGDREF_NUMBER, f"text {number}")
        if _has_name(text, names):
            yield _problem(Breach.NAME, f"text {number}")


def _field_breaches(
    message: model.Message, allowed: Mapping[MessageType, frozenset[str]]
) -> Iterator[Problem]:
    if message.type not in allowed:
        yield _problem(Breach.MESSAGE_TYPE, "/body/type")
        return
    for name in message.body.__struct_fields__:
        if name not in allowed[message.type] and getattr(message.body, name) not in (None, ()):
            yield _problem(Breach.UNKNOWN_FIELD, f"/body/{name}")


def check_from_france(
    message: model.Message,
    raw_texts: Iterable[str],
    *,
    names: Collection[str] = (),
    attachments: int = 0,
    properties: Iterable[str] = (),
    part_properties: Iterable[str] = (),
    document: etree._Element | None = None,
) -> tuple[Problem, ...]:
    """Everything in a French message that Art 16 forbids; empty when it may be stored.

    ``raw_texts``: texts of the raw document (``raw_texts(root)``). ``names``: names of the case as
    ``identifiers.names_of`` gives them. ``attachments``: payload parts beside the document. ``properties``,
    ``part_properties``: names of AS4 properties. ``document``: its root, to find comments. Paths are JSON
    pointers, or ``text n`` with the number of the raw text.
    """
    # the case's own identifiers are ours, and their letters and digits are random
    own = {message.message_id, message.reference, message.conversation_id, message.in_reply_to or ""}
    if isinstance(message.body, model.Acknowledgement):
        own.add(message.body.of_message)
    own.discard("")
    found = list(_field_breaches(message, FROM_FRANCE))
    if attachments or message.attachments:
        found.append(_problem(Breach.ATTACHMENT, "/body/attachments"))
    for given, allowed in ((properties, AS4_PROPERTIES), (part_properties, PART_PROPERTIES)):
        if set(given) - allowed:
            found.append(_problem(Breach.UNKNOWN_PROPERTY, "/"))
    if document is not None and _comments(document):
        found.append(_problem(Breach.COMMENT, "/"))
    found.extend(_value_breaches((*raw_texts, *_message_texts(message)), _with_words(names), own))
    return tuple(found)


def check_to_france(message: model.Message) -> tuple[Problem, ...]:
    """Fields that the UK may not send: what is not on the allow list of the type does not leave."""
    return tuple(_field_breaches(message, TO_FRANCE))


ALLOWED: Mapping[Direction, Mapping[MessageType, frozenset[str]]] = {
    Direction.FR_TO_UK: FROM_FRANCE,
    Direction.UK_TO_FR: TO_FRANCE,
}
