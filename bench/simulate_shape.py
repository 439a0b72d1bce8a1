"""What happens outside the gateway in a simulation: who is requested, flown, nominated, and when. Pure.

The pilot follows the published figures: persons returned and admitted by date, flights of about nine, four
weeks without arrivals. What was not published (how many requests fail, how long anybody takes) is drawn with
the seed from the ranges below and is ours.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import Final

UTC = dt.UTC
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
FLIGHT: Final = 9
"""Persons on one flight, about."""

# Known totals by date (returned, admitted); between two of them the totals are interpolated.
RETURNED: Final = (
    (dt.date(2025, 9, 17), 0),
    (dt.date(2025, 9, 18), 1),
    (dt.date(2025, 10, 27), 42),
    (dt.date(2025, 11, 5), 94),
    (dt.date(2025, 11, 14), 113),
    (dt.date(2026, 2, 1), 281),
    (dt.date(2026, 3, 15), 377),
    (dt.date(2026, 6, 10), 905),
)
ADMITTED: Final = (
    (dt.date(2025, 9, 22), 0),
    (dt.date(2025, 11, 5), 57),
    (dt.date(2025, 11, 14), 84),
    (dt.date(2026, 2, 1), 350),
    (dt.date(2026, 3, 15), 380),
    (dt.date(2026, 6, 10), 905),
)
NO_ARRIVALS: Final = (dt.datetime(2025, 11, 14, tzinfo=UTC), dt.datetime(2025, 12, 12, tzinfo=UTC))
_IN_FORCE = dt.datetime(2025, 8, 7, tzinfo=UTC)


class Answer(StrEnum):
    """What France does with a request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXTENSION = "extension"
    """Then accepted, within the 28 days."""
    INFORMATION = "information"
    """Asks for a document, then accepts."""
    SILENT = "silent"


class End(StrEnum):
    """What becomes of an accepted case."""

    TRANSFERRED = "transferred"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"
    """The transfer was not carried out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Return:
    """One person of a readmission; instants UTC."""

    number: int
    arrival: dt.datetime
    request: dt.datetime
    answer: Answer
    answer_after: dt.timedelta
    """From France's receipt of the request."""
    end: End
    flight: dt.datetime
    """The earliest one; a later working day where the decision comes too late for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Admission:
    """One person of the legal route; instants UTC."""

    number: int
    nominated: dt.datetime
    response_after: dt.timedelta
    arrival: dt.datetime
    returned_before: bool = False
    """The same person as somebody who was returned: must be refused (row 9)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Raise:
    """Operators set both quotas, or one of them."""

    at: dt.datetime
    readmissions: int | None
    nominations: int | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    name: str
    start: dt.datetime
    end: dt.datetime
    readmissions: int
    """Quota a week at the beginning."""
    nominations: int
    returns: Sequence[Return]
    admissions: Sequence[Admission]
    raises: Sequence[Raise] = ()
    outages: Sequence[tuple[dt.datetime, dt.datetime]] = ()
    """France's access point cannot be reached."""
    quiet: tuple[dt.datetime, dt.datetime] | None = None
    """Nobody arrives."""
    known: dict[str, tuple[tuple[dt.date, int], ...]] = field(default_factory=dict)
    """Published totals, for the plot."""


def at(day: dt.date, hours: float = 0) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), UTC) + hours * HOUR


def whole(instant: dt.datetime) -> dt.datetime:
    """In whole milliseconds, as every instant of the gateway."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def scaled(number: float, scale: float) -> int:
    return max(1, round(number * scale))


def known_at(points: Sequence[tuple[dt.date, int]], day: dt.date) -> float:
    """The total on that day, interpolated."""
    if day <= points[0][0]:
        return points[0][1]
    for (first, low), (last, high) in pairwise(points):
        if day <= last:
            return low + (high - low) * (day - first).days / (last - first).days
    return points[-1][1]


def _groups(
    points: Sequence[tuple[dt.date, int]], until: dt.date, scale: float, size: float, *, weekdays: bool
) -> Iterator[tuple[dt.date, int]]:
    """(day, persons): one group whenever so many are due; the first and the last may be smaller."""
    done, day = 0, points[0][0]
    while day <= until:
        due = round(known_at(points, day) * scale) - done
        first_or_last = due > 0 and (not done or day == until)
        if (due >= size or first_or_last) and (not weekdays or day.weekday() < 5):
            yield day, due
            done += due
        day += DAY


def _answer(rng: random.Random) -> tuple[Answer, dt.timedelta]:
    draw, normal = rng.random(), rng.uniform(3, 12) * DAY
    if draw < 0.06:
        return Answer.EXTENSION, rng.uniform(9, 13) * DAY
    if draw < 0.10:
        return Answer.INFORMATION, rng.uniform(2, 6) * DAY
    if draw < 0.13:
        return Answer.ACCEPTED, rng.uniform(15.5, 20) * DAY  # too late: a breach
    return Answer.ACCEPTED, normal


def _moved(
    rng: random.Random, arrival: dt.datetime, quiet: tuple[dt.datetime, dt.datetime] | None
) -> dt.datetime:
    """Nobody arrives in the quiet weeks: they came in the days before."""
    if quiet is not None and quiet[0] <= arrival < quiet[1]:
        return quiet[0] - rng.uniform(0.2, 6) * DAY
    return arrival


def _return(rng: random.Random, number: int, flight: dt.datetime) -> Return:
    """One whose flight is known: the rest lies before it."""
    answer, after = _answer(rng)
    wanted = flight - rng.uniform(18, 45) * DAY
    arrival = max(_moved(rng, wanted - rng.uniform(1, 9) * DAY, NO_ARRIVALS), _IN_FORCE)
    request = max(arrival + rng.uniform(0.5, 9) * DAY, min(wanted, arrival + 12 * DAY))
    return Return(
        number=number,
        arrival=whole(arrival),
        request=whole(request),
        answer=answer,
        answer_after=after,
        end=End.TRANSFERRED,
        flight=flight,
    )


def _unsuccessful(rng: random.Random, like: Return, number: int) -> Return:
    """A case beside ``like`` that ends without a return."""
    draw = rng.random()
    answer = Answer.REFUSED if draw < 0.35 else Answer.SILENT if draw < 0.42 else Answer.ACCEPTED
    end = End.FAILED if draw > 0.9 else End.WITHDRAWN
    request = whole(like.request + rng.uniform(0, 10) * HOUR)
    return Return(
        number=number,
        arrival=like.arrival,
        request=request,
        answer=answer,
        answer_after=rng.uniform(3, 12) * DAY,
        end=end,
        flight=like.flight,
    )


def pilot(seed: int, scale: float) -> Plan:
    """August 2025 to 10 June 2026."""
    rng = random.Random(seed)
    until = RETURNED[-1][0]
    returns: list[Return] = []
    for day, persons in _groups(RETURNED, until, scale, FLIGHT * scale, weekdays=True):
        for _ in range(persons):
            returns.append(_return(rng, len(returns), at(day, 7)))
            if rng.random() < 0.25:
                returns.append(_unsuccessful(rng, returns[-1], len(returns)))
    admissions: list[Admission] = []
    for day, persons in _groups(ADMITTED, until, scale, 1, weekdays=False):
        for _ in range(persons):
            admissions.append(_admission(rng, len(admissions), at(day, rng.uniform(8, 18))))
    for day in (dt.date(2026, 1, 20), dt.date(2026, 3, 10)):
        one = _admission(rng, len(admissions), at(day, 12))
        admissions.append(replace(one, nominated=at(day, 12), returned_before=True))
    return Plan(
        name="pilot",
        start=dt.datetime(2025, 8, 6, tzinfo=UTC),
        end=at(until, 24),
        readmissions=scaled(50, scale),
        nominations=scaled(50, scale),
        returns=returns,
        admissions=admissions,
        raises=(
            Raise(
                at=dt.datetime(2026, 4, 13, 9, tzinfo=UTC),
                readmissions=scaled(70, scale),
                nominations=scaled(70, scale),
                reason="ramping up, as both sides agreed",
            ),
        ),
        outages=((dt.datetime(2026, 2, 14, 8, tzinfo=UTC), dt.datetime(2026, 2, 16, 14, tzinfo=UTC)),),
        quiet=NO_ARRIVALS,
        known={"returned": RETURNED, "admitted": ADMITTED},
    )


def _admission(rng: random.Random, number: int, arrival: dt.datetime) -> Admission:
    return Admission(
        number=number,
        nominated=whole(arrival - rng.uniform(20, 45) * DAY),
        response_after=rng.uniform(2, 11) * DAY,
        arrival=whole(arrival),
    )


PEAK_DAY: Final = dt.date(2026, 8, 20)
PEAK: Final = 1300


def peak(seed: int, scale: float) -> Plan:
    """Two weeks as in spring 2026, then 1,300 requests in one day, and eight weeks after it."""
    rng = random.Random(seed)
    start, weeks = dt.date(2026, 8, 3), 11
    returns: list[Return] = []
    for number in range(weeks * 7):
        day = start + number * DAY
        daily = 45 / 7 * scale
        for _ in range(int(daily * (number + 1)) - int(daily * number)):
            returns.append(_ordinary(rng, len(returns), at(day, rng.uniform(7, 19))))
    for number in range(scaled(PEAK, scale)):
        returns.append(_crowd(rng, len(returns), number / scaled(PEAK, scale)))
    admissions = [
        _admission(rng, number, at(start + rng.uniform(20, weeks * 7) * DAY, 10))
        for number in range(scaled(45 * (weeks - 3), scale))
    ]
    monday = dt.datetime(2026, 8, 24, 9, tzinfo=UTC)
    return Plan(
        name="peak",
        start=at(start) - 30 * DAY,
        end=at(start + weeks * 7 * DAY),
        readmissions=scaled(50, scale),
        nominations=scaled(50, scale),
        returns=returns,
        admissions=admissions,
        raises=(
            Raise(
                at=at(PEAK_DAY + DAY, 10),
                readmissions=scaled(300, scale),
                nominations=None,
                reason="the record day; both sides agreed",
            ),
            Raise(at=monday, readmissions=scaled(400, scale), nominations=None, reason="second week"),
            Raise(at=monday + 21 * DAY, readmissions=scaled(60, scale), nominations=None, reason="over"),
        ),
    )


def _ordinary(rng: random.Random, number: int, request: dt.datetime) -> Return:
    answer, after = _answer(rng)
    flight = at((request + rng.uniform(18, 40) * DAY).date(), 7)
    end = End.TRANSFERRED if rng.random() < 0.8 else End.WITHDRAWN
    return Return(
        number=number,
        arrival=whole(request - rng.uniform(0.5, 6) * DAY),
        request=whole(request),
        answer=answer,
        answer_after=after,
        end=end,
        flight=flight,
    )


def _crowd(rng: random.Random, number: int, share: float) -> Return:
    """One of the record day; ``share`` 0 to 1: how late in that day. France is slower than usual."""
    request = at(PEAK_DAY, 8 + 12 * share)
    draw = rng.random()
    answer = Answer.EXTENSION if draw < 0.3 else Answer.REFUSED if draw < 0.4 else Answer.ACCEPTED
    return Return(
        number=number,
        arrival=whole(request - rng.uniform(0.3, 1) * DAY),
        request=whole(request),
        answer=answer,
        answer_after=rng.uniform(4, 15) * DAY if answer is not Answer.EXTENSION else rng.uniform(8, 13) * DAY,
        end=End.TRANSFERRED if rng.random() < 0.8 else End.WITHDRAWN,
        flight=at(PEAK_DAY + (25 + int(45 * rng.random())) * DAY, 7),
    )


SHAPES = {"pilot": pilot, "peak": peak}
