"""Types of the table of alerts (``gateway.core.alert_kinds``): kinds, severities, words, what ends one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.core.errors import Side
from gateway.core.words import Words as Words


class AlertKind(StrEnum):
    DEAD_LETTER = "dead_letter"
    BREAKER_OPEN = "breaker_open"
    BACKLOG_AGE = "backlog_age"
    CLOCK_WARNING = "clock_warning"
    CLOCK_BREACH = "clock_breach"
    CERTIFICATE = "certificate"
    NEGATIVE_ACKNOWLEDGEMENT = "negative_acknowledgement"
    REFUSED_HERE = "refused_here"
    PRIVACY_BREACH = "privacy_breach"
    BALANCE_THRESHOLD = "balance_threshold"
    QUOTA_WAIT = "quota_wait"
    AUDIT_CHAIN = "audit_chain"
    DISK_SPACE = "disk_space"
    DATABASE = "database"
    WORKER_STOPPED = "worker_stopped"


class Severity(StrEnum):
    """How loudly. Critical alerts are told at any hour; the others wait for the end of the quiet hours."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """1 to 3; higher is louder."""
        return _RANKS[self]


_RANKS: Final = {Severity.MINOR: 1, Severity.MAJOR: 2, Severity.CRITICAL: 3}


class Ends(StrEnum):
    """What clears an alert."""

    CONDITION = "condition"
    """The gateway sees that it is over."""
    ACKNOWLEDGEMENT = "acknowledgement"
    """It has happened and cannot end by itself: an operator has dealt with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KindSpec:
    """One row of the table. ``severity`` and ``side`` may be changed by a finding that knows better."""

    kind: AlertKind
    severity: Severity
    side: Side
    """At fault, as far as the kind alone tells."""
    ends: Ends
    piled: bool
    """Its members each want attention: new ones after an acknowledgement are told again."""
    name: Words
    title: Words
    cause: Words
    cure: Words
    incident: Words
    """What is grouped into one alert."""
    cleared: Words
    """What clears it."""
