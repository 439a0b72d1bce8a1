"""Code lists as data: labels in English and French, French wire codes, and the agreed country table.

One CSV per StrEnum of ``contracts.codes`` (snake_case of its name): ``code,label_en,label_fr,fr_code``.
``countries.csv``: ISO 3166-1 alpha-3 (and RKS) to INSEE COG code and French label.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from types import MappingProxyType
from typing import Literal

from contracts import codes

COUNTRIES_VERSION = "insee-cog-2020"
"""Version of ``countries.csv``: a new table gets a new version, and what it lacks fails closed."""

CODE_LISTS: tuple[type[StrEnum], ...] = tuple(
    value
    for value in vars(codes).values()
    if isinstance(value, type) and issubclass(value, StrEnum) and value is not StrEnum
)
"""Every StrEnum of ``contracts.codes``, in its order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One row of a code list; ``french_code`` is what travels in the French XML."""

    code: str
    label_en: str
    label_fr: str
    french_code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Country:
    """One row of the country table; ``cog`` is the INSEE code (99nnn, France 99100)."""

    iso3: str
    iso2: str
    cog: str
    name_fr: str


def file_name(enum: type[StrEnum]) -> str:
    """File of a code list: ``AckCode`` → ``ack_code.csv``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", enum.__name__).lower() + ".csv"


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("contracts.codelists").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@functools.cache
def entries(enum: type[StrEnum]) -> Mapping[str, Entry]:
    """All rows of one list by canonical code. Raises FileNotFoundError for an enum without a list."""
    rows = (
        Entry(code=r["code"], label_en=r["label_en"], label_fr=r["label_fr"], french_code=r["fr_code"])
        for r in _rows(file_name(enum))
    )
    return MappingProxyType({entry.code: entry for entry in rows})


def label(member: StrEnum, lang: Literal["en", "fr"]) -> str:
    """What an operator reads for a code. Raises KeyError for a code without label."""
    entry = entries(type(member))[member.value]
    return entry.label_fr if lang == "fr" else entry.label_en


@functools.cache
def to_french(enum: type[StrEnum]) -> Mapping[StrEnum, str]:
    """Canonical member → French wire code."""
    return MappingProxyType({enum(code): entry.french_code for code, entry in entries(enum).items()})


@functools.cache
def from_french(enum: type[StrEnum]) -> Mapping[str, StrEnum]:
    """French wire code → canonical member. Raises ValueError when the list is ambiguous (``Sex`` is)."""
    table = to_french(enum)
    if len(set(table.values())) != len(table):
        raise ValueError(f"the French codes of {enum.__name__} are not unique")
    return MappingProxyType({french: member for member, french in table.items()})


@functools.cache
def countries() -> Mapping[str, Country]:
    """The country table by ISO alpha-3 code. ICAO XXA, XXB, XXC and XXX are deliberately not in it."""
    return MappingProxyType(
        {
            r["iso3"]: Country(iso3=r["iso3"], iso2=r["iso2"], cog=r["insee_cog"], name_fr=r["name_fr"])
            for r in _rows("countries.csv")
        }
    )


@functools.cache
def iso_by_cog() -> Mapping[str, str]:
    """INSEE COG code → ISO alpha-3, only where that is unambiguous: the rest fails closed."""
    table: dict[str, list[str]] = {}
    for country in countries().values():
        table.setdefault(country.cog, []).append(country.iso3)
    return MappingProxyType({cog: isos[0] for cog, isos in table.items() if len(isos) == 1})
