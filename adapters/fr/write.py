"""Canonical → French elements, following ``mapping``.

A value that the contract cannot carry raises Unmappable with its canonical place (a JSON pointer, as
in the UK document) and never with the value.
"""

from __future__ import annotations

import datetime as dt
import re
from enum import StrEnum
from functools import cache
from typing import Any, Literal

from lxml import etree

from adapters.fr import mapping
from adapters.fr.mapping import NAMESPACE, NIL, XSI
from adapters.fr.names import transliterate
from adapters.fr.shapes import Choice, Code, Count, Detail, Field, Items, Kind, Record, Simple, Special, Str
from contracts import codes, model
from contracts.codelists import countries, to_french
from contracts.ports import Problem, Unmappable

SexNotSpecified = Literal["carry", "hold"]
"""Sex X or not known: carried as "non précisé" with its origin, or held for an operator."""

_NSMAP: dict[Any, str] = {None: NAMESPACE, "xsi": XSI}  # the stubs do not know the default namespace
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEXTS = {
    "country_unmapped": (
        "the agreed country table has no unambiguous French code for this country",
        "la table des pays convenue n'a pas de code français univoque pour ce pays",
    ),
    "text_not_xml": (
        "the text has characters that XML cannot carry",
        "le texte contient des caractères que XML ne peut pas transporter",
    ),
    "sex_not_specified": (
        "sex X or unknown has no counterpart and is held for an operator",
        "le sexe X ou inconnu n'a pas d'équivalent : en attente d'un opérateur",
    ),
    "instant_precision": (
        "an instant needs a time zone and at most milliseconds",
        "un instant exige un fuseau et au plus des millisecondes",
    ),
    "inconsistent": (
        "this field contradicts the code it belongs to",
        "ce champ contredit le code auquel il appartient",
    ),
    "value_missing": (
        "the French contract requires a value here",
        "le contrat français exige une valeur ici",
    ),
    "list_too_long": (
        "the list is longer than the French contract carries",
        "la liste est plus longue que ne le permet le contrat français",
    ),
    "list_too_short": (
        "the list is shorter than the French contract requires",
        "la liste est plus courte que ne l'exige le contrat français",
    ),
}


def unmappable(code: str, path: str) -> Unmappable:
    """The refusal for one canonical place."""
    english, french = _TEXTS[code]
    return Unmappable((Problem(path=path, code=code, message_en=english, message_fr=french),))


@cache
def _tag(local: str) -> str:
    return f"{{{NAMESPACE}}}{local}"


def instant(value: dt.datetime, path: str) -> str:
    """UTC with Z; milliseconds only where there are some."""
    if value.tzinfo is None or value.microsecond % 1000:
        raise unmappable("instant_precision", path)
    try:
        value = value.astimezone(dt.UTC)
    except OverflowError as exc:
        raise unmappable("instant_precision", path) from exc
    spec = "milliseconds" if value.microsecond else "seconds"
    return value.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


class Writer:
    """Writes one message; ``places`` remembers the canonical place of every element."""

    def __init__(self, sex_not_specified: SexNotSpecified) -> None:
        self._sex_not_specified = sex_not_specified
        self.places: list[tuple[etree._Element, str]] = []

    def message(self, message: model.Message) -> etree._Element:
        """The whole document. Raises Unmappable."""
        root_tag = to_french(codes.MessageType)[message.type]
        root = etree.Element(_tag(root_tag), nsmap=_NSMAP)
        self.places.append((root, ""))
        header = self._child(root, mapping.HEADER_TAG, "")
        for entry in mapping.HEADER:
            self._field(header, entry, getattr(message, entry.name), f"/{entry.name}")
        self._entries(root, mapping.BODIES[message.type], message.body, "/body")
        return root

    def _child(self, parent: etree._Element, local: str, path: str) -> etree._Element:
        element = etree.SubElement(parent, _tag(local))
        self.places.append((element, path))
        return element

    def _entries(self, parent: etree._Element, record: Record, value: Any, path: str) -> None:
        for entry in record.entries:
            if isinstance(entry, Choice):
                self._choice(parent, entry, value, path)
            else:
                self._field(parent, entry, getattr(value, entry.name), f"{path}/{entry.name}")

    def _field(self, parent: etree._Element, entry: Field, value: Any, path: str) -> None:
        element = self._child(parent, entry.tag, path)
        if value is not None:
            self._fill(element, entry.kind, value, path)
        elif entry.nillable:
            element.set(NIL, "true")
        else:
            raise unmappable("value_missing", path)

    def _fill(self, element: etree._Element, kind: Kind, value: Any, path: str) -> None:
        if isinstance(kind, Record):
            self._entries(element, kind, value, path)
        elif isinstance(kind, Items):
            self._items(element, kind, value, path)
        elif isinstance(kind, Special):
            self._special(element, kind, value, path)
        else:
            element.text = self._text(kind, value, path)

    def _text(self, kind: Str | Code | Simple | Count, value: Any, path: str) -> str:
        if isinstance(kind, Code):
            return to_french(kind.enum)[value]
        if isinstance(kind, Str):
            if _NOT_XML.search(value):
                raise unmappable("text_not_xml", path)
            return str(value)
        if isinstance(kind, Count):
            return str(int(value))
        if kind is Simple.INSTANT:
            return instant(value, path)
        if kind is Simple.DAY:
            return str(value.isoformat())
        return "true" if value else "false"

    def _items(self, element: etree._Element, kind: Items, values: tuple[Any, ...], path: str) -> None:
        if len(values) > kind.maximum:
            raise unmappable("list_too_long", path)
        if len(values) < kind.minimum:
            raise unmappable("list_too_short", path)
        for index, value in enumerate(values):
            place = f"{path}/{index}"
            self._fill(self._child(element, kind.tag, place), kind.of, value, place)

    def _choice(self, parent: etree._Element, choice: Choice, value: Any, path: str) -> None:
        """The code is the element's name; a detail of another code would be lost, so it is refused."""
        code: StrEnum = getattr(value, choice.name)
        detail = choice.details.get(code)
        for name in choice.detail_fields():
            if (detail is None or name != detail.name) and getattr(value, name) not in (None, ()):
                raise unmappable("inconsistent", f"{path}/{name}")
        element = self._child(parent, to_french(choice.enum)[code], f"{path}/{choice.name}")
        if detail is not None:
            self._detail(element, detail, getattr(value, detail.name), f"{path}/{detail.name}")

    def _detail(self, element: etree._Element, detail: Detail, value: Any, path: str) -> None:
        if value in (None, ()):
            if detail.required:
                raise unmappable("inconsistent", path)
        elif detail.items:
            for index, item in enumerate(value):
                place = f"{path}/{index}"
                child = self._child(element, detail.tag, place)
                child.text = self._text(detail.kind, item, place)
        else:
            element.set(detail.tag, self._text(detail.kind, value, path))

    def _special(self, element: etree._Element, kind: Special, value: Any, path: str) -> None:
        if kind is Special.COUNTRY:
            self._country(element, value, path)
        elif kind is Special.BIRTH_DATE:
            element.set("precision", mapping.PRECISIONS[value.precision])
            element.text = str(value)
        elif kind is Special.SEX:
            self._sex(element, value, path)
        else:
            self._name(element, "nom", value.family_name, f"{path}/family_name")
            self._name(element, "prenoms", value.given_names, f"{path}/given_names")

    def _country(self, element: etree._Element, iso3: str, path: str) -> None:
        """INSEE code, or the ICAO code in its own element; anything else fails closed."""
        if iso3 in mapping.ICAO_CODES:
            self._child(element, "codeOACI", path).text = iso3
            return
        country = countries().get(iso3)
        if country is None or mapping.ISO_BY_COG.get(country.cog) != iso3:
            raise unmappable("country_unmapped", path)
        self._child(element, "codeCOG", path).text = country.cog

    def _sex(self, element: etree._Element, sex: codes.Sex, path: str) -> None:
        element.text = to_french(codes.Sex)[sex]
        if sex in (codes.Sex.X, codes.Sex.UNKNOWN):
            if self._sex_not_specified == "hold":
                raise unmappable("sex_not_specified", path)
            element.set("origine", sex.value)

    def _name(self, parent: etree._Element, tag: str, original: str | None, path: str) -> None:
        """Transliterated form with its flags, then the original Unicode; both nil for a mononym."""
        element = self._child(parent, tag, path)
        full = self._child(parent, f"{tag}Origine", path)
        if original is None:
            element.set(NIL, "true")
            full.set(NIL, "true")
            return
        if _NOT_XML.search(original):
            raise unmappable("text_not_xml", path)
        form = transliterate(original)
        element.text = form.value
        if form.truncated:
            element.set("tronque", "true")
        if form.replaced:
            element.set("remplace", "true")
        full.text = original
