"""The table of cases: words and expectations from ``cases.toml``, each joined to what makes its messages."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any, Final

from gateway.conformance.bad_messages import BAD_MESSAGES
from gateway.conformance.bad_security import BAD_SECURITY
from gateway.conformance.good import GOOD, Builder
from gateway.conformance.model import Case, Expectation, Need, Text
from gateway.core.errors import ConfigError

BUILDERS: Final[dict[str, Builder]] = GOOD | BAD_MESSAGES | BAD_SECURITY
"""Case id → what makes its messages. Facets and probes have none."""
REACH: Final = "reach"
"""The first case: without it no other can run."""


def _case(row: dict[str, Any]) -> Case:
    texts = {name: Text(**row.pop(name)) for name in ("title", "why", "sent")}
    case = Case(
        id=row.pop("id"),
        group=row.pop("group"),
        requirements=tuple(row.pop("requirements", ())),
        assertions=tuple(row.pop("assertions", ())),
        expect=Expectation(row.pop("expect")),
        codes=tuple(row.pop("codes", ())),
        signal=row.pop("signal", True),
        unpacks=row.pop("unpacks", False),
        needs=frozenset(Need(n) for n in row.pop("needs", ())),
        of=row.pop("of", None),
        **texts,
    )
    if row:
        raise ValueError(f"{case.id}: unknown keys {sorted(row)}")
    return case


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case, in the order in which it is run. Raises ValueError when the table is wrong."""
    content = resources.files("gateway.conformance").joinpath("cases.toml").read_text("utf-8")
    return tuple(_case(row) for row in tomllib.loads(content)["case"])


def case_of(case_id: str) -> Case:
    """Raises LookupError."""
    return next(c for c in all_cases() if c.id == case_id)


def chosen(only: Iterable[str]) -> tuple[Case, ...]:
    """The cases with these ids, or all when there are none. Raises ConfigError for an unknown id."""
    wanted = set(only)
    unknown = wanted - {c.id for c in all_cases()}
    if unknown:
        raise ConfigError(f"no such case: {', '.join(sorted(unknown))}; see passerelle conformance --list")
    return tuple(c for c in all_cases() if not wanted or c.id in wanted)
