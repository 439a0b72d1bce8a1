"""Who may decide about a held message, by its code, and how many persons a release needs.

A code is matched by the longest row of the table that it begins with; the row ``""`` takes the rest.
Refusing always needs one person with the role: it lets nothing go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

OPERATOR: Final = "operator"
EXCLUSION: Final = "exclusion"
"""Compares nominees with returned persons."""
QUOTAS: Final = "quotas"
ROLES: Final = (OPERATOR, EXCLUSION, QUOTAS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """What a release needs."""

    role: str
    persons: int
    """Different operators, each with the role."""


DEFAULT: Final[Mapping[str, Requirement]] = MappingProxyType(
    {
        "": Requirement(role=OPERATOR, persons=1),
        "row9.": Requirement(role=EXCLUSION, persons=2),
        "quota.": Requirement(role=QUOTAS, persons=1),
        "balance.": Requirement(role=QUOTAS, persons=1),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldPolicy:
    """The table. Raises ValueError when a row is missing or cannot be met."""

    rows: Mapping[str, Requirement] = field(default_factory=lambda: DEFAULT)

    def __post_init__(self) -> None:
        if "" not in self.rows or any(r.persons not in {1, 2} or not r.role for r in self.rows.values()):
            raise ValueError("a policy has a row for the rest, and each row a role and one or two persons")

    def of(self, code: str) -> Requirement:
        """What the release of a message held with that code needs."""
        return self.rows[max((prefix for prefix in self.rows if code.startswith(prefix)), key=len)]

    def of_all(self, codes: Iterable[str]) -> tuple[frozenset[str], int]:
        """(every role that is needed, the most persons) for a message held for several reasons."""
        rows = [self.of(code) for code in codes]
        return frozenset(row.role for row in rows), max((row.persons for row in rows), default=1)

    def with_two_persons(self, prefixes: Iterable[str]) -> HoldPolicy:
        """The same, but two persons for codes with these beginnings (as configured); nothing gets weaker."""
        more = {p: Requirement(role=self.of(p).role, persons=2) for p in prefixes}
        return HoldPolicy(rows={**self.rows, **more})


@dataclass(frozen=True, kw_only=True, slots=True)
class Decider:
    """An operator who was recognised; who makes one must have checked the password."""

    name: str
    roles: frozenset[str]

    @property
    def actor(self) -> str:
        """As in the audit log."""
        return f"operator:{self.name}"
