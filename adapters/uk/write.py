"""Canonical → UK document in normal form: sorted names, UTF-8, instants in UTC with ``Z``."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from adapters.uk import mapping
from adapters.uk.read import apply
from contracts.model import BirthDate, Message
from contracts.ports import Problem, Unmappable

Json = dict[str, Any]


def to_document(message: Message) -> Json:
    """The full document, not judged yet. Raises Unmappable for instants that are naive or too fine."""
    whole: Json = msgspec.to_builtins(message, builtin_types=(dt.datetime,))
    body = whole["body"]
    for path in mapping.INSTANTS[message.type]:
        apply(body, path, write_instant)
    for path in mapping.BIRTH_DATES.get(message.type, ()):
        apply(body, path, write_birth_date)
    for name in mapping.HEADER_INSTANTS:
        whole[name] = write_instant(whole[name])
    return whole


def to_bytes(document: Json) -> bytes:
    """Canonical JSON: UTF-8, names sorted, no white space. The same message gives the same bytes."""
    return msgspec.json.encode(document, order="sorted")


def write_instant(value: dt.datetime) -> str:
    """UTC with ``Z``; milliseconds only when there are any."""
    if value.tzinfo is None or value.microsecond % 1000:
        raise Unmappable((_IMPRECISE,))
    utc = value.astimezone(dt.UTC)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds").replace("+00:00", "Z")


def write_birth_date(value: dict[str, int | None]) -> dict[str, str | None]:
    """``{"precision", "value"}``; the value is null when nothing is known."""
    date = BirthDate(year=value["year"], month=value["month"], day=value["day"])
    return {"precision": date.precision, "value": str(date) or None}


_IMPRECISE = Problem(
    path="",
    code="instant_precision",
    message_en="an instant has no zone, or is finer than a millisecond",
    message_fr="un instant est sans fuseau, ou plus fin que la milliseconde",
)
