"""Personal identifiers of a message, normalised, for the keyed blind index (exact search without plain text).

Pairs (kind, value). Strong kinds point to one person; the others never decide anything alone.
Values are personal data: they go into the keyed hash and nowhere else.
"""

from __future__ import annotations

import re

from anyascii import anyascii

from contracts import model

DOCUMENT = "document"
"""The number alone: two countries may have given it out."""
DOCUMENT_ISSUED = "document_issued"
"""Number and issuing country."""
UAN = "uan"
GWF = "gwf"
EOI = "eoi"
HOME_OFFICE_REFERENCE = "home_office_reference"
BIOMETRICS = "biometrics"
NAME_BIRTH = "name_birth"
NAME_BIRTH_PARTIAL = "name_birth_partial"

STRONG: frozenset[str] = frozenset({DOCUMENT_ISSUED, UAN, HOME_OFFICE_REFERENCE, GWF, EOI, BIOMETRICS})
"""Kinds that point to one person (announcement row 9). A name with a birth date does not: two people may
share them, and an operator decides."""

_LEAST_NUMBER = 5
_LEAST_DIGITS = 3

_NOT_WORD = re.compile(r"[^0-9A-Z]+")


def normalise(value: str) -> str:
    """Transliterated to ASCII, upper case, letters and digits only: ``P 571-26116`` → ``P57126116``."""
    return _NOT_WORD.sub("", anyascii(value).upper())


def normalise_name(value: str) -> str:
    """Transliterated, upper case, words separated by one blank: ``al-Ḥamwī`` → ``AL HAMWI``.

    Apostrophes and letters that stand for one (ʿ, ʾ) disappear, as in machine-readable zones.
    """
    ascii_text = anyascii(value).upper().replace("'", "").replace("`", "")
    return _NOT_WORD.sub(" ", ascii_text).strip()


def document_number(value: str) -> str:
    """The normalised number, or nothing for what is no number at all (``UNKNOWN``, ``N/A``, ``00000``)."""
    number = normalise(value)
    digits = [c for c in number if c.isdigit()]
    credible = len(number) >= _LEAST_NUMBER and len(digits) >= _LEAST_DIGITS and len(set(digits)) > 1
    return number if credible else ""


def name_key(name: model.PersonName) -> str:
    """Sorted words of the whole name, so that family and given names may change places."""
    words = f"{name.family_name or ''} {name.given_names or ''}"
    return " ".join(sorted(normalise_name(words).split()))


def names_of(message: model.Message) -> tuple[str, ...]:
    """Every part of every name in the message, normalised and sorted: for the Art 16 gate."""
    found: set[str] = set()
    for person in persons_of(message):
        for name in (person.name, *(other.name for other in person.other_names)):
            found.update(normalise_name(part) for part in (name.family_name, name.given_names) if part)
    return tuple(sorted(found - {""}))


def persons_of(message: model.Message) -> tuple[model.Person, ...]:
    """The persons that a message tells of; none for coded messages."""
    body = message.body
    if isinstance(body, model.ReadmissionRequest | model.Nomination):
        return body.persons
    if isinstance(body, model.Correction):
        return body.persons or ()
    return ()


def of_person(person: model.Person) -> set[tuple[str, str]]:
    """The pairs of one person."""
    pairs = {(DOCUMENT, normalise(document.number)) for document in person.documents}
    for document in person.documents:
        if document.issuing_country is not None and (number := document_number(document.number)):
            pairs.add((DOCUMENT_ISSUED, f"{number}|{document.issuing_country}"))
    if person.birth_date.precision == "unknown":
        return pairs
    kind = NAME_BIRTH if person.birth_date.precision == "day" else NAME_BIRTH_PARTIAL
    for name in (person.name, *(other.name for other in person.other_names)):
        if key := name_key(name):
            pairs.add((kind, f"{key}|{person.birth_date}"))
    return pairs


def identifiers(message: model.Message) -> tuple[tuple[str, str], ...]:
    """All (kind, normalised value) pairs of the message, sorted, each once; empty for other bodies."""
    body = message.body
    pairs: set[tuple[str, str]] = set()
    for person in persons_of(message):
        pairs |= of_person(person)
    if isinstance(body, model.ReadmissionRequest):
        pairs.add((HOME_OFFICE_REFERENCE, normalise(body.home_office_reference or "")))
        pairs.add((UAN, normalise(body.unique_application_number or "")))
    elif isinstance(body, model.Nomination):
        pairs.add((EOI, normalise(body.expression_of_interest or "")))
        pairs.add((GWF, normalise(body.gwf or "")))
        pairs.add((BIOMETRICS, normalise(body.biometrics_reference or "")))
    elif isinstance(body, model.TransferNotice) and body.travel_document is not None:
        pairs.add((DOCUMENT, normalise(body.travel_document.number)))
    return tuple(sorted((kind, value) for kind, value in pairs if value))


def strong_identifiers(message: model.Message) -> tuple[tuple[str, str], ...]:
    """Those of ``identifiers`` that may match a nominee with a returned person (row 9, exact match)."""
    return tuple(pair for pair in identifiers(message) if pair[0] in STRONG)
