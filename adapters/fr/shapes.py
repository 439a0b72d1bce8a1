"""Shapes that the mapping table is written in: kinds of values, fields, choices and records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any


class Special(Enum):
    """Values with a shape of their own."""

    COUNTRY = "Pays"
    BIRTH_DATE = "DateNaissance"
    SEX = "Sexe"
    NAME = "Identite"


@dataclass(frozen=True, slots=True)
class Str:
    """Text or an identifier; ``xsd`` is its simple type."""

    xsd: str


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value of one list."""

    enum: type[StrEnum]


class Simple(Enum):
    """Other simple values, by XSD type."""

    INSTANT = "Instant"
    DAY = "Jour"
    FLAG = "Booleen"


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number; ``xsd`` is its simple type."""

    xsd: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list: a wrapper element with ``tag`` children, ``minimum`` to ``maximum`` of them."""

    tag: str
    of: Kind
    maximum: int
    minimum: int = 0


@dataclass(frozen=True, slots=True)
class Field:
    """A canonical field and its element."""

    name: str
    tag: str
    kind: Kind
    nillable: bool = False


@dataclass(frozen=True, slots=True)
class Detail:
    """What an option of a choice carries: one attribute, or child elements when ``items``."""

    name: str
    tag: str
    kind: Code | Simple
    items: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """A coded field whose French form is the name of the element; ``details`` by code."""

    name: str
    enum: type[StrEnum]
    details: Mapping[StrEnum, Detail] = field(default_factory=dict)

    def detail_fields(self) -> tuple[str, ...]:
        """Canonical fields that belong to one of the options."""
        return tuple(dict.fromkeys(d.name for d in self.details.values()))


@dataclass(frozen=True, slots=True)
class Record:
    """A canonical structure and its complex type."""

    cls: type[Any]
    xsd: str
    entries: tuple[Field | Choice, ...]


Kind = Str | Code | Simple | Count | Items | Special | Record
