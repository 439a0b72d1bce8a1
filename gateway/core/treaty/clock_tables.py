"""The tables of the agreement file that speak of time: ``[clocks]`` (lengths, zones, calendars) and
``[[deadlines]]`` (which event starts and ends each clock). ``gateway.core.treaty.deadlines`` makes them work.

Days are calendar days unless the name says working days; the day of the event is day 0, and the last day
counts to its end in the named zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contracts.codes import CaseKind, Direction, MessageType
from gateway.core.errors import ConfigError
from gateway.core.treaty import states
from gateway.core.treaty.days import calendar_of

Positive = Annotated[int, Meta(ge=1)]
Words = Annotated[str, Meta(min_length=1)]
Calendar = Annotated[str, Meta(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
SHIPPED_CALENDARS = frozenset({"GB-ENG", "FR"})
"""Known to exist (a test asks the library): the others are looked up when the file is read, which takes a
quarter of a second."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table. ``unverified`` marks what the text did not confirm; both notes then say why."""

    unverified: bool = False
    note_en: str = ""
    note_fr: str = ""

    def __post_init__(self) -> None:
        if self.unverified and not (self.note_en and self.note_fr):
            raise ValueError("an unverified table needs note_en and note_fr")


class Clocks(Table, frozen=True, kw_only=True):
    """Art 1, 8, 12. Days are calendar days; the day of the event is day 0."""

    arrival_zone: Words
    request_days: Positive
    answer_zone: Words
    answer_days: Positive
    answer_extended_days: Positive
    procedure_months: Positive
    visa_months: Positive
    information_days: Positive
    nomination_response_days: Positive
    transfer_acknowledgement_working_days: Positive
    acknowledgement_working_days: Positive
    holidays: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")], ...], Meta(min_length=1)
    ]
    """Public-holiday calendars (ISO 3166, with subdivision): a working day is one in all of them."""


class Moment(StrEnum):
    """When a message counts."""

    ACCEPTED = "accepted"
    """The gateway has taken it in and lets it go on (a held one counts when it is released, except that a
    held opening message starts its clocks at once: they run whatever we do)."""
    RECEIVED = "received"
    """Its receipt is proven: the other side's signed receipt is stored, or ours was given."""


class CountsFrom(StrEnum):
    """The instant from which a clock counts."""

    EVENT = "event"
    """The moment of the message that starts it."""
    ARRIVAL = "arrival"
    """The arrival that the message states."""
    DECISION = "decision"
    """The decision time that the message states."""
    ANSWER = "answer"
    """Where the case's clock ``answer`` counted from: an extension prolongs it."""


class Importance(StrEnum):
    """How loudly a breach is told."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"


class DeadlineTerms(Table, frozen=True, kw_only=True):
    """One clock. Events are named as in ``gateway.core.treaty.states``, with or without their variant; an
    acknowledgement closes only the clock of the message that it acknowledges."""

    id: Annotated[str, Meta(pattern=r"^[a-z][a-z_]{1,39}$")]
    article: Words
    name_en: Words
    name_fr: Words
    case: CaseKind | None = None
    """Kind of case; None for both."""
    per: Literal["case", "message"] = "case"
    """``case``: one runs at a time, a newer start replaces it. ``message``: one for each message."""
    sender: Literal["uk", "fr"]
    """Who sends the messages that start it."""
    starts: Annotated[tuple[str, ...], Meta(min_length=1)]
    starts_when: Moment
    counts_from: CountsFrom = CountsFrom.EVENT
    closes: Annotated[tuple[str, ...], Meta(min_length=1)]
    closes_when: Moment = Moment.RECEIVED
    cancels: tuple[str, ...] = ()
    """Events after which nothing is awaited any more; they count when accepted."""
    length: Literal[
        "request_days",
        "answer_days",
        "answer_extended_days",
        "procedure_months",
        "visa_months",
        "information_days",
        "nomination_response_days",
        "transfer_acknowledgement_working_days",
        "acknowledgement_working_days",
    ]
    """Key of ``[clocks]``; its ending is the unit."""
    zone: Literal["arrival", "answer"]
    """Which zone of ``[clocks]`` its days are counted in."""
    warn_days: tuple[Positive, ...]
    """Calendar days before the end at which to warn, the earliest first."""
    owed_by: Literal["uk", "fr", "both"]
    severity: Importance

    @property
    def direction(self) -> Direction:
        """Of the messages that start it."""
        return Direction.UK_TO_FR if self.sender == "uk" else Direction.FR_TO_UK


_EVENTS = frozenset(MessageType) | {event for table in states.TABLES.values() for _, event in table}


def check_clocks(clocks: Clocks, deadlines: Sequence[DeadlineTerms]) -> None:
    """What one row cannot see of another. Raises ConfigError."""
    ids = [row.id for row in deadlines]
    if len(set(ids)) != len(ids):
        raise ConfigError("agreement: deadlines has an id twice")
    for row in deadlines:
        unknown = {*row.starts, *row.closes, *row.cancels} - _EVENTS
        if unknown:
            raise ConfigError(
                f"agreement: deadlines[{row.id}] names unknown events: {', '.join(sorted(unknown))}"
            )
        if list(row.warn_days) != sorted(set(row.warn_days), reverse=True):
            raise ConfigError(f"agreement: deadlines[{row.id}].warn_days must fall, each once")
        if row.counts_from is CountsFrom.ANSWER and "answer" not in ids:
            raise ConfigError(
                f"agreement: deadlines[{row.id}] counts from a clock `answer`, which is not there"
            )
    lengths = {row.length for row in deadlines}
    idle = {name for name in Clocks.__struct_fields__ if name.endswith(("_days", "_months"))} - lengths
    if idle:
        raise ConfigError(f"agreement: no clock in deadlines uses {', '.join(sorted(idle))}")
    for name in sorted({*clocks.holidays} - SHIPPED_CALENDARS):
        try:
            calendar_of(name)
        except LookupError as exc:
            raise ConfigError("agreement: clocks.holidays names an unknown calendar") from exc
