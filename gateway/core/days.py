"""Days as both sides read them (``23 Nov 2026``, ``23 nov. 2026``), and the capital whose clock counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from babel.dates import format_date

from gateway.core.words import Words

_NBSP: Final = "\N{NO-BREAK SPACE}"
_LOCALES: Final = {"en": "en_GB", "fr": "fr_FR"}
_PLACES: Final[Mapping[str, Words]] = MappingProxyType(
    {"Europe/London": Words("London", "Londres"), "Europe/Paris": Words("Paris", "Paris")}
)


def day_of(value: dt.date, language: str) -> str:
    """The parts are never on two lines."""
    return str(format_date(value, "d MMM y", locale=_LOCALES[language])).replace(" ", _NBSP)


def day_words(value: dt.date) -> Words:
    """In both languages."""
    return Words(day_of(value, "en"), day_of(value, "fr"))


def place_words(zone: str) -> Words:
    """Of a time zone; one that is not of the two sides stays as it is."""
    return _PLACES.get(zone, Words(zone, zone))
