"""What judging means: the facts a rule sees, its findings, the verdict, and the registry of rules.

A rule is a generator of JSON pointers (the places it complains of); id, article, severity and both texts
stand beside it as constants, so no value of a message can reach a text.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contracts import model
from contracts.codes import CaseKind, Direction, MessageType
from contracts.ports import Problem
from gateway.core.treaty import states
from gateway.core.treaty.agreement import Agreement


class Severity(StrEnum):
    """refuse: never leaves; hold: waits for an operator; warn: goes, with a label."""

    REFUSE = "refuse"
    HOLD = "hold"
    WARN = "warn"


class Outcome(StrEnum):
    """What becomes of the message."""

    ALLOWED = "allowed"
    HELD = "held"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseView:
    """A case as the rules see it; ``messages`` in order of acceptance, from both sides."""

    kind: CaseKind
    status: str
    created_at: dt.datetime
    messages: tuple[model.Message, ...]
    opening_received_at: dt.datetime | None = None
    """When France proved receipt of the opening message (UTC); None while there is no proof (Art 8)."""

    @property
    def opening(self) -> model.Message | None:
        """The message that opened the case."""
        return next((m for m in self.messages if m.type in states.OPENING), None)

    @property
    def opening_id(self) -> str | None:
        return self.opening.message_id if self.opening is not None else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything a rule may look at. ``now`` is aware, UTC."""

    message: model.Message
    direction: Direction | None
    case: CaseView | None
    agreement: Agreement
    now: dt.datetime
    returned: bool | None
    """Row 9: the blind index found the nominee among the returned; None when nobody looked."""
    in_readmission: bool
    """Row 9: the index found the nominee in a readmission that has not (yet) ended in a return."""
    near: tuple[int, ...] = ()
    """Row 9: places of the nominees whose name and birth date are like those of a returned person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    rule: str
    article: str
    severity: Severity
    path: str
    """JSON pointer into the whole message document: ``/issued_at``, ``/body/claim``."""
    text_en: str
    text_fr: str

    @property
    def problem(self) -> Problem:
        """The finding as both sides' error documents carry it; the code is the rule id."""
        return Problem(path=self.path, code=self.rule, message_en=self.text_en, message_fr=self.text_fr)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """All findings, in order of the rules."""

    findings: tuple[Finding, ...]

    def _of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity is severity)

    @property
    def refuse(self) -> tuple[Finding, ...]:
        return self._of(Severity.REFUSE)

    @property
    def hold(self) -> tuple[Finding, ...]:
        return self._of(Severity.HOLD)

    @property
    def warn(self) -> tuple[Finding, ...]:
        return self._of(Severity.WARN)

    @property
    def outcome(self) -> Outcome:
        if self.refuse:
            return Outcome.REFUSED
        return Outcome.HELD if self.hold else Outcome.ALLOWED

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Of the refusals when there are any, else of the holds."""
        return tuple(f.problem for f in self.refuse or self.hold)


Check = Callable[[Facts], Iterator[str]]
RULES_PART: Final = "rules"
_PLACE: Final = re.compile(r"(Art|row) ([0-9][0-9, ()a-d]*)")
_NUMBER: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    id: str
    article: str
    severity: Severity
    types: frozenset[MessageType] | None
    """Message types that the rule looks at; None for all."""
    text_en: str
    text_fr: str
    check: Check
    settings: tuple[str, ...] = ()
    """Settings of the agreement file that the rule reads: ``clocks.request_days``."""
    part: str = RULES_PART
    """Which part of the gateway enforces it; the registries here, unless it says another one."""

    @property
    def places(self) -> tuple[str, ...]:
        """Articles of the Agreement and rows of the announcement: ``Art 4``, ``row 6``; others are none."""
        found: list[str] = []
        for name, numbers in _PLACE.findall(self.article):
            found.extend(f"{name} {number}" for number in _NUMBER.findall(numbers))
        return tuple(found)

    def findings(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each place the check names."""
        if self.types is not None and facts.message.type not in self.types:
            return
        for path in self.check(facts):
            yield Finding(
                rule=self.id,
                article=self.article,
                severity=self.severity,
                path=path,
                text_en=self.text_en,
                text_fr=self.text_fr,
            )


class Registry:
    """Rules in order of registration, each id once."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}

    def rule(
        self,
        rule_id: str,
        article: str,
        *,
        en: str,
        fr: str,
        types: tuple[MessageType, ...] | None = None,
        severity: Severity = Severity.REFUSE,
        settings: tuple[str, ...] = (),
    ) -> Callable[[Check], Check]:
        """Decorator that registers a check. Raises ValueError when the id is taken."""

        def register(check: Check) -> Check:
            if rule_id in self._rules:
                raise ValueError(f"rule {rule_id} exists")
            self._rules[rule_id] = Rule(
                id=rule_id,
                article=article,
                severity=severity,
                types=frozenset(types) if types is not None else None,
                text_en=en,
                text_fr=fr,
                check=check,
                settings=settings,
            )
            return check

        return register

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules.values())
