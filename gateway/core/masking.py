"""Content for people, masked or revealed: one row per field of a canonical value, with words of both sides.

How a field is shown while it is masked stands in one closed table; a field that is in no table is hidden.
Masked rows hold nothing from which the value could be told: no initials, no length.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from enum import Enum, StrEnum
from typing import Any, Final

import msgspec
from babel import Locale

from contracts import codelists, model
from contracts.codes import MessageType
from gateway.core.days import day_words
from gateway.core.field_words import FIELDS, Mask
from gateway.core.words import Words

HIDDEN: Final = "•••"
_LAST: Final = 2
_LEAST_FOR_LAST: Final = 6
"""Of a shorter number the last two would be too much of it."""
_YES, _NO = Words("yes", "oui"), Words("no", "non")
_NONE: Final = Words("not applicable", "sans objet")
_SPECIAL: Final = {
    (model.Service, "name"): Mask.SHOW,  # of an office, never of an official
    (model.Withdrawal, "reason"): Mask.HIDE,  # these may tell of a person's health
    (model.TransferOutcome, "reason"): Mask.HIDE,
    (model.StatusUpdate, "code"): Mask.HIDE,
}
"""Fields that share their name with others and are shown otherwise."""
_COUNTRIES: Final = frozenset({"nationalities", "former_nationalities", "birth_country", "issuing_country"})
Json = dict[str, Any]


def content_rows(message: model.Message, *, revealed: bool) -> list[Json]:
    """Rows of the body: ``{"path", "name", "value", "masked", "depth"}``, groups before what is in them
    (their value is None). ``name`` and ``value`` are ``{"en", "fr"}``. What France sends is never masked: by
    Article 16 it holds nothing personal."""
    return list(_struct(message.body, "", 0, revealed=revealed or _open(message)))


def _open(message: model.Message) -> bool:
    return message.type in FROM_FRANCE_ONLY


FROM_FRANCE_ONLY: Final = frozenset(
    {
        MessageType.READMISSION_DECISION,
        MessageType.TRANSFER_CONFIRMATION,
        MessageType.TRANSFER_RECEIPT,
        MessageType.NOMINATION_RESPONSE,
    }
)
"""Types that only France sends (``contracts.codes.SENDERS``)."""


def _row(path: str, name: Words, value: Words | None, depth: int, *, masked: bool = False) -> Json:
    return {
        "path": path,
        "name": name.as_json(),
        "value": None if value is None else value.as_json(),
        "masked": masked,
        "depth": depth,
    }


def _struct(value: msgspec.Struct, path: str, depth: int, *, revealed: bool) -> Iterator[Json]:
    for field in value.__struct_fields__:
        words, mask = FIELDS.get(field, (Words(field, field), Mask.HIDE))
        mask = _SPECIAL.get((type(value), field), mask)
        yield from _field(getattr(value, field), words, mask, f"{path}/{field}", depth, revealed=revealed)


def _field(
    value: object, words: Words, mask: Mask, path: str, depth: int, *, revealed: bool
) -> Iterator[Json]:
    if value is None or value == ():
        # that a heading is empty can itself say something (no document, no family): hidden like a value
        shown = _NONE if revealed or mask is Mask.SHOW else Words(HIDDEN, HIDDEN)
        yield _row(path, words, shown, depth, masked=not revealed and mask is not Mask.SHOW)
    elif isinstance(value, model.BirthDate | model.PersonName):
        yield _whole(value, words, mask, path, depth, revealed=revealed)
    elif isinstance(value, msgspec.Struct):
        yield _row(path, words, None, depth)
        yield from _struct(value, path, depth + 1, revealed=revealed)
    elif isinstance(value, tuple):
        yield from _many(value, words, mask, path, depth, revealed=revealed)
    else:
        yield _whole(value, words, mask, path, depth, revealed=revealed)


def _many(
    values: tuple[object, ...], words: Words, mask: Mask, path: str, depth: int, *, revealed: bool
) -> Iterator[Json]:
    if all(isinstance(v, msgspec.Struct) for v in values):
        for n, value in enumerate(values, start=1):
            yield _row(f"{path}/{n - 1}", Words(f"{words.en} {n}", f"{words.fr} {n}"), None, depth)
            if isinstance(value, msgspec.Struct):
                yield from _struct(value, f"{path}/{n - 1}", depth + 1, revealed=revealed)
        return
    if not revealed and mask is not Mask.SHOW:
        yield _row(path, words, Words(HIDDEN, HIDDEN), depth, masked=True)
        return
    shown = [_text(v, path) for v in values]
    yield _row(path, words, Words(", ".join(w.en for w in shown), ", ".join(w.fr for w in shown)), depth)


def _whole(value: object, words: Words, mask: Mask, path: str, depth: int, *, revealed: bool) -> Json:
    if revealed or mask is Mask.SHOW:
        return _row(path, words, _text(value, path), depth)
    hidden = masked(value, mask)
    return _row(path, words, Words(hidden, hidden), depth, masked=True)


def masked(value: object, mask: Mask) -> str:
    """What may be shown of a value under a mask other than SHOW."""
    if mask is Mask.YEAR:
        year = value.year if isinstance(value, model.BirthDate | dt.date) else None
        return f"{year} {HIDDEN}" if year is not None else HIDDEN
    if mask is Mask.LAST and isinstance(value, str):
        return HIDDEN + value[-_LAST:] if len(value) >= _LEAST_FOR_LAST else HIDDEN
    return HIDDEN


def _text(value: object, path: str) -> Words:
    """A value in words of both sides; ``path`` tells countries from other texts."""
    match value:
        case str() if path.rpartition("/")[2] in _COUNTRIES and not isinstance(value, StrEnum):
            return _country(value)
        case bool():
            return _YES if value else _NO
        case StrEnum():
            return _label(value)
        case dt.datetime():
            utc = value.astimezone(dt.UTC)
            day, time = day_words(utc), f", {utc:%H:%M}\N{NO-BREAK SPACE}UTC"
            return Words(day.en + time, day.fr + time)
        case dt.date():
            return day_words(value)
        case model.PersonName():
            text = " ".join(part for part in (value.given_names, value.family_name) if part)
        case model.BirthDate():
            text = str(value) or "?"
        case _:
            text = str(value)
    return Words(text, text)


def _country(code: str) -> Words:
    """With its alpha-3 code, which is what travels; codes of no country (ICAO XXA) stay as they are."""
    known = codelists.countries().get(code)
    if known is None:
        return Words(code, code)
    english, french = (Locale(lang).territories.get(known.iso2, known.name_fr) for lang in ("en", "fr"))
    return Words(f"{english} ({code})", f"{french} ({code})")


def _label(member: Enum) -> Words:
    if not isinstance(member, StrEnum):
        raise TypeError("codes are StrEnums")
    return Words(codelists.label(member, "en"), codelists.label(member, "fr"))
