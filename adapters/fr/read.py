"""French elements → canonical, following ``mapping``. Reads only trees that the contract accepted.

Every entry of a record is exactly one child element, so children are read by position. The original
Unicode of a name is what counts; the transliterated form is never read back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from lxml import etree

from adapters.fr import mapping
from adapters.fr.locate import locate
from adapters.fr.mapping import NAMESPACE, NIL
from adapters.fr.shapes import Choice, Code, Count, Detail, Field, Items, Kind, Record, Simple, Special, Str
from contracts import codes, model
from contracts.codelists import from_french
from contracts.codes import MessageType
from contracts.ports import Problem, Unmappable

_XML_SPACE = " \t\r\n"
_PREFIX = f"{{{NAMESPACE}}}"


def local_name(element: etree._Element) -> str:
    """Name without namespace of an element that the contract accepted."""
    return str(element.tag).removeprefix(_PREFIX)


def message_type(root: etree._Element) -> MessageType:
    """Raises KeyError for a root that is none of the contract's."""
    kind = from_french(MessageType)[local_name(root)]
    assert isinstance(kind, MessageType)  # noqa: S101 — narrows the type: the table is that of MessageType
    return kind


def message(root: etree._Element) -> model.Message:
    """The canonical message. Raises Unmappable for a country code that the table does not know."""
    children = iter(root)
    header = _fields(next(children), mapping.HEADER)
    body = _record(mapping.BODIES[message_type(root)], children)
    return model.Message(**header, body=body)


def _text(element: etree._Element) -> str:
    return element.text or ""


def is_nil(element: etree._Element) -> bool:
    """Expressly "not applicable"."""
    return element.get(NIL) == "true"


def _fields(element: etree._Element, entries: tuple[Field, ...]) -> dict[str, Any]:
    return {entry.name: _value(child, entry) for entry, child in zip(entries, element, strict=True)}


def _value(element: etree._Element, entry: Field) -> Any:
    return None if is_nil(element) else _parse(element, entry.kind)


def _record(record: Record, children: Iterator[etree._Element]) -> Any:
    values: dict[str, Any] = {}
    for entry, child in zip(record.entries, children, strict=True):
        if isinstance(entry, Choice):
            values |= _choice(child, entry)
        else:
            values[entry.name] = _value(child, entry)
    return record.cls(**values)


def _parse(element: etree._Element, kind: Kind) -> Any:
    if isinstance(kind, Record):
        return _record(kind, iter(element))
    if isinstance(kind, Items):
        return tuple(_parse(child, kind.of) for child in element)
    if isinstance(kind, Special):
        return _SPECIAL[kind](element)
    return _simple(_text(element), kind)


def _simple(text: str, kind: Str | Code | Simple | Count) -> Any:
    if isinstance(kind, Str):
        return text
    if isinstance(kind, Code):
        return from_french(kind.enum)[text]
    text = text.strip(_XML_SPACE)
    if isinstance(kind, Count):
        return int(text)
    if kind is Simple.INSTANT:
        return dt.datetime.fromisoformat(text)
    if kind is Simple.DAY:
        return dt.date.fromisoformat(text)
    return text == "true"


def _choice(element: etree._Element, choice: Choice) -> dict[str, Any]:
    code = from_french(choice.enum)[local_name(element)]
    detail = choice.details.get(code)
    values: dict[str, Any] = {d.name: () if d.items else None for d in choice.details.values()}
    if detail is not None:
        values[detail.name] = _detail(element, detail)
    return {choice.name: code, **values}


def _detail(element: etree._Element, detail: Detail) -> Any:
    if detail.items:
        return tuple(_simple(_text(child), detail.kind) for child in element)
    text = element.get(detail.tag)
    return None if text is None else _simple(text, detail.kind)


def _country(element: etree._Element) -> str:
    child = element[0]
    if local_name(child) == "codeOACI":
        return _text(child)
    iso3 = mapping.ISO_BY_COG.get(_text(child))
    if iso3 is None:
        raise Unmappable(
            (
                Problem(
                    path=locate(child),
                    code="country_unmapped",
                    message_en="the agreed country table does not know this code, or it is ambiguous",
                    message_fr="la table des pays convenue ne connaît pas ce code, ou il est ambigu",
                ),
            )
        )
    return iso3


def _birth_date(element: etree._Element) -> model.BirthDate:
    parts: list[int | None] = [int(p) for p in _text(element).strip(_XML_SPACE).split("-") if p]
    year, month, day = (*parts, None, None, None)[:3]
    return model.BirthDate(year=year, month=month, day=day)


def _sex(element: etree._Element) -> codes.Sex:
    return codes.Sex(element.get("origine") or _text(element))


def _name(element: etree._Element) -> model.PersonName:
    _, family, _, given = element
    return model.PersonName(
        family_name=None if is_nil(family) else _text(family),
        given_names=None if is_nil(given) else _text(given),
    )


_SPECIAL = {
    Special.COUNTRY: _country,
    Special.BIRTH_DATE: _birth_date,
    Special.SEX: _sex,
    Special.NAME: _name,
}
