"""Art 16: France never sends personal data to the UK; the UK sends only what the agreement needs.

``check_from_france`` looks at the canonical message, at every text of the raw document *and* at what came
around it (ids, properties, MIME headers), because what a mapping drops would otherwise slip through. Findings
name a place by number and a code, never a value. How a text is searched: ``privacy_detectors``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from lxml import etree

from contracts import model
from contracts.codes import Direction, MessageType
from contracts.ports import Problem
from gateway.core.treaty.privacy_detectors import Found, findings, with_words

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
    NAMESPACE = "privacy.namespace"
    SCHEMA_HINT = "privacy.schema_hint"
    AGDREF_NUMBER = "privacy.agdref_number"
    NAME = "privacy.name"
    DOCUMENT_NUMBER = "privacy.document_number"
    ENCODED = "privacy.encoded"


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
    Breach.NAMESPACE: (
        "The document declares a namespace that the contract does not use.",
        "Le document déclare un espace de noms étranger au contrat.",
    ),
    Breach.SCHEMA_HINT: (
        "The document has a schema hint, which the contract does not use.",
        "Le document porte une indication de schéma étrangère au contrat.",
    ),
    Breach.DOCUMENT_NUMBER: (
        "The number of a document of the case may not travel to the UK (Art 16).",
        "Le numéro d'un document du dossier ne peut être transmis au Royaume-Uni (art. 16).",
    ),
    Breach.ENCODED: (
        "An encoded value stands for personal data (Art 16).",
        "Une valeur encodée recouvre des données à caractère personnel (art. 16).",
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


_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_XML: Final = "http://www.w3.org/XML/1998/namespace"
_CODES: Final[Mapping[Found, Breach]] = {
    Found.NUMBER: Breach.AGDREF_NUMBER,
    Found.NAME: Breach.NAME,
    Found.DOCUMENT: Breach.DOCUMENT_NUMBER,
    Found.ENCODED: Breach.ENCODED,
}


def _problem(code: Breach, path: str) -> Problem:
    en, fr = _TEXTS[code]
    return Problem(path=path, code=str(code), message_en=en, message_fr=fr)


def attachment_problem() -> Problem:
    """The finding on a message with more parts than its document."""
    return _problem(Breach.ATTACHMENT, "/body/attachments")


def raw_texts(root: etree._Element, *, names_of_parts: bool = False) -> tuple[str, ...]:
    """Every text and attribute value of a document, comments, processing instructions, namespace prefixes and
    foreign namespaces included. ``names_of_parts``: also names of elements, attributes and the document's own
    namespace, for one that the contract refused; those of a valid one are the contract's own."""
    found: list[str] = []
    spaces: set[str] = set()
    own = {_XSI, _XML, None if names_of_parts else etree.QName(root).namespace}
    nodes: Iterator[Any] = root.getroottree().iter()
    for element in nodes:
        found.extend(text for text in (element.text, element.tail) if text and text.strip())
        if not isinstance(element.tag, str):
            target = getattr(element, "target", None)  # of a processing instruction
            found.extend([target] if target else [])
            continue
        found.extend(str(value) for value in element.attrib.values() if value)
        spaces.update(part for pair in element.nsmap.items() for part in pair if part and part not in own)
        if names_of_parts:
            found.extend(etree.QName(name).localname for name in (element.tag, *element.attrib))
    outside = [*root.itersiblings(preceding=True), *root.itersiblings()]
    found.extend(text for node in outside if (text := node.text) and text.strip())
    return (*found, *sorted(spaces))


def _comments(root: etree._Element) -> bool:
    nodes = [*root.iter(), *root.itersiblings(preceding=True), *root.itersiblings()]
    return any(not isinstance(node.tag, str) for node in nodes)


def _foreign(root: etree._Element) -> Iterator[Problem]:
    """Namespaces and schema hints: XSD allows both anywhere, the contract uses neither."""
    own = {etree.QName(root).namespace, _XSI, _XML}
    elements = [element for element in root.iter() if isinstance(element.tag, str)]
    if any(space not in own for element in elements for space in element.nsmap.values()):
        yield _problem(Breach.NAMESPACE, "/")
    names = [etree.QName(name) for element in elements for name in element.attrib]
    if any(name.namespace == _XSI and name.localname != "nil" for name in names):
        yield _problem(Breach.SCHEMA_HINT, "/")


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


def _value_breaches(
    place: str, texts: Iterable[str], names: Collection[str], documents: Collection[str], own: Collection[str]
) -> Iterator[Problem]:
    for number, raw in enumerate(texts):
        text = raw.strip()
        for known in own:
            text = text.replace(known, "\n")
        for found in sorted(findings(text, names, documents)):
            yield _problem(_CODES[found], f"{place} {number}")


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
    documents: Collection[str] = (),
    wire: Iterable[str] = (),
    attachments: int = 0,
    properties: Iterable[str] = (),
    part_properties: Iterable[str] = (),
    document: etree._Element | None = None,
) -> tuple[Problem, ...]:
    """Everything in a French message that Art 16 forbids; empty when it may be stored.

    ``raw_texts``: texts of the raw document (``raw_texts(root)``). ``names``: names of the case as
    ``identifiers.names_of`` gives them; ``documents``: its normalised document numbers. ``wire``: values that
    came around the document (ids, property values, MIME headers). ``attachments``: payload parts beside the
    document. ``properties``, ``part_properties``: names of AS4 properties. ``document``: its root, to find
    comments, namespaces and schema hints. Paths are JSON pointers, or ``text n`` and ``wire n``.
    """
    # the case's own identifiers are ours, and their letters and digits are random
    own = {message.message_id, message.reference, message.conversation_id, message.in_reply_to or ""}
    if isinstance(message.body, model.Acknowledgement):
        own.add(message.body.of_message)
    own.discard("")
    found = list(_field_breaches(message, FROM_FRANCE))
    if attachments or message.attachments:
        found.append(attachment_problem())
    for given, allowed in ((properties, AS4_PROPERTIES), (part_properties, PART_PROPERTIES)):
        if set(given) - allowed:
            found.append(_problem(Breach.UNKNOWN_PROPERTY, "/"))
    if document is not None:
        found.extend([_problem(Breach.COMMENT, "/")] if _comments(document) else ())
        found.extend(_foreign(document))
    words = with_words(names)
    texts = (*raw_texts, *_message_texts(message))
    found.extend(_value_breaches("text", texts, words, documents, own))
    found.extend(_value_breaches("wire", wire, words, documents, own))
    return tuple(found)


def check_to_france(message: model.Message) -> tuple[Problem, ...]:
    """Fields that the UK may not send: what is not on the allow list of the type does not leave."""
    return tuple(_field_breaches(message, TO_FRANCE))


ALLOWED: Mapping[Direction, Mapping[MessageType, frozenset[str]]] = {
    Direction.FR_TO_UK: FROM_FRANCE,
    Direction.UK_TO_FR: TO_FRANCE,
}
