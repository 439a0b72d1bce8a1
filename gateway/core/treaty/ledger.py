"""The ledger of persons readmitted and admitted, derived from outcome messages (Arts 1, 17).

An entry is never changed: what turns out to be otherwise gets a counter-entry (the negative, in the same
week) and a new entry. ``step`` says what one message adds to the entries of its case; ``derive`` folds it
over a case, and ``check_case`` proves that stored entries are what the stored messages derive. A row that is
missing without contradicting them (a receipt says the same as one before it, and a correction stands between)
is found by ``check_told``: the hash-chained audit log tells of every entry.

One transfer counts once, whichever of the two reports comes first:

(1) the UK's ``TransferOutcome: carried_out`` books its number while France has not spoken;
(2) France's ``TransferReceipt`` rules, as the receiving side's own count: where it gives another number, or
    another week, what stood is countered and the receipt is booked;
(3) an outcome after the receipt books nothing; another number is noted with an entry of zero persons.

Either way a difference stays visible (``is_difference``). ``AdmissionOutcome: arrived`` books once. What
failed or lapsed counts nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from contracts.codes import AdmissionOutcomeCode, TransferOutcomeCode
from contracts.model import AdmissionOutcome, Message, TransferOutcome, TransferReceipt
from gateway.core.treaty.weeks import span, week_of

GATEWAY = "gateway"
"""Actor of entries that a message booked."""


class Side(StrEnum):
    """Accounts of the ledger; ``requested`` and ``nominated`` are places taken in a week's quota."""

    READMITTED = "readmitted"
    ADMITTED = "admitted"
    REQUESTED = "requested"
    NOMINATED = "nominated"


OUTCOMES = (Side.READMITTED, Side.ADMITTED)
"""The two sides of the balance."""


class Reason(StrEnum):
    """Why there is an entry that is not the plain booking of a message."""

    RECEIPT_DIFFERS = "receipt_differs"
    """Counter-entry: France received another number than the UK reported."""
    RECEIPT_OTHER_WEEK = "receipt_other_week"
    """Counter-entry: the same number, taken in charge in another week."""
    OUTCOME_DIFFERS = "outcome_differs"
    """A note of zero persons: the UK reported another number than France had received."""
    CORRECTED = "corrected_by_operator"
    """Counter-entry, or what replaces the countered one."""
    FREED = "quota_freed"
    """Counter-entry: a place in a quota that was not used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """``persons`` is signed. ``entry_id`` is 0 until the store has given one; ``corrects`` is the id of the
    entry that this one counters; ``week`` is that of the event in the zone of the account."""

    side: Side
    persons: int
    event_at: dt.datetime
    week: str
    reference: str
    message_id: str
    entry_id: int = 0
    corrects: int | None = None
    reason: Reason | None = None
    actor: str = GATEWAY
    booked_at: dt.datetime | None = None

    @property
    def is_difference(self) -> bool:
        """Whether the two sides reported different numbers."""
        return self.reason in {Reason.RECEIPT_DIFFERS, Reason.OUTCOME_DIFFERS}


def facts(entry: Entry) -> dict[str, int | str | None]:
    """What the audit log tells of an entry when it is booked."""
    return {
        "entry": entry.entry_id,
        "side": entry.side.value,
        "persons": entry.persons,
        "week": entry.week,
        "code": None if entry.reason is None else entry.reason.value,
        "corrects": entry.corrects,
        "reference": entry.reference,
    }


class LedgerBroken(Exception):
    """Stored entries are not what the messages and the operators' corrections derive."""


def standing(entries: Iterable[Entry], side: Side) -> Entry | None:
    """The entry of that side that counts now: booked, not countered; notes do not count."""
    rows = [e for e in entries if e.side is side]
    countered = {e.corrects for e in rows if e.corrects is not None}
    found = [
        e
        for e in rows
        if e.corrects is None and e.entry_id not in countered and e.reason is not Reason.OUTCOME_DIFFERS
    ]
    return found[-1] if found else None


def counter(entry: Entry, reason: Reason, *, message_id: str | None = None, actor: str = GATEWAY) -> Entry:
    """The counter-entry: the negative, of the same event and week."""
    return dataclasses.replace(
        entry,
        persons=-entry.persons,
        entry_id=0,
        corrects=entry.entry_id,
        reason=reason,
        actor=actor,
        booked_at=None,
        message_id=message_id or entry.message_id,
    )


def _plain(message: Message, side: Side, persons: int, at: dt.datetime, zone: zoneinfo.ZoneInfo) -> Entry:
    return Entry(
        side=side,
        persons=persons,
        event_at=at,
        week=week_of(at, zone),
        reference=message.reference,
        message_id=message.message_id,
    )


def step(message: Message, entries: Sequence[Entry], zone: zoneinfo.ZoneInfo) -> tuple[Entry, ...]:
    """What the message adds to the ``entries`` that its case has; in order, ids still 0."""
    body = message.body
    if isinstance(body, TransferOutcome) and body.outcome is TransferOutcomeCode.CARRIED_OUT:
        new = _plain(message, Side.READMITTED, body.persons_transferred, body.at, zone)
        return _outcome(new, entries)
    if isinstance(body, TransferReceipt):
        new = _plain(message, Side.READMITTED, body.persons_received, body.taken_charge_at, zone)
        return _receipt(new, entries)
    if isinstance(body, AdmissionOutcome) and body.outcome is AdmissionOutcomeCode.ARRIVED:
        if any(e.side is Side.ADMITTED for e in entries):
            return ()
        return (_plain(message, Side.ADMITTED, body.persons_admitted, body.at, zone),)
    return ()


def _outcome(new: Entry, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """(1) and (3)."""
    if not any(e.side is Side.READMITTED for e in entries):
        return (new,)
    stands = standing(entries, Side.READMITTED)
    if (0 if stands is None else stands.persons) == new.persons:
        return ()
    return (dataclasses.replace(new, persons=0, reason=Reason.OUTCOME_DIFFERS),)


def _receipt(new: Entry, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """(1) and (2)."""
    stands = standing(entries, Side.READMITTED)
    if stands is None:
        return (new,)
    if stands.persons != new.persons:
        return (counter(stands, Reason.RECEIPT_DIFFERS, message_id=new.message_id), new)
    if stands.week != new.week:
        return (counter(stands, Reason.RECEIPT_OTHER_WEEK, message_id=new.message_id), new)
    return ()


def correct(
    entry: Entry, *, persons: int | None, event_at: dt.datetime | None, actor: str, zone: zoneinfo.ZoneInfo
) -> tuple[Entry, ...]:
    """An operator's correction: the counter-entry and, unless ``persons`` is None, what stands instead."""
    back = counter(entry, Reason.CORRECTED, actor=actor)
    if persons is None:
        return (back,)
    at = event_at or entry.event_at
    new = dataclasses.replace(
        entry,
        persons=persons,
        event_at=at,
        week=week_of(at, zone),
        entry_id=0,
        corrects=None,
        reason=Reason.CORRECTED,
        actor=actor,
        booked_at=None,
    )
    return (back, new)


def derive(messages: Iterable[Message], zone: zoneinfo.ZoneInfo) -> tuple[Entry, ...]:
    """All entries of a case from its messages in order of acceptance, numbered from 1."""
    entries: list[Entry] = []
    for message in messages:
        for entry in step(message, entries, zone):
            entries.append(dataclasses.replace(entry, entry_id=len(entries) + 1))
    return tuple(entries)


# ---- proof --------------------------------------------------------------------------------------


def _same(expected: Entry, stored: Entry) -> bool:
    """Ids and booking times apart, which only the store knows."""
    return dataclasses.replace(
        stored, entry_id=expected.entry_id, booked_at=expected.booked_at
    ) == expected and (stored.entry_id > 0)


def check_told(stored: Iterable[Entry], told: Iterable[Mapping[str, object]]) -> None:
    """The stored entries of a case are those of the audit log (``facts`` of each, perhaps with more beside
    them), all of them and no other. Raises LedgerBroken."""
    of_audit = {item["entry"]: item for item in told}
    rows = {entry.entry_id: facts(entry) for entry in stored}
    same = all(
        of_audit.get(number, {}).get(key) == value
        for number, row in rows.items()
        for key, value in row.items()
    )
    if of_audit.keys() != rows.keys() or not same:
        raise LedgerBroken("the entries of the case are not those that the audit log tells of")


def check_case(messages: Sequence[Message], stored: Sequence[Entry], zone: zoneinfo.ZoneInfo) -> None:
    """The stored entries of a case are what its messages derive, with operators' corrections in between.

    ``messages`` in order of acceptance, those that count only; ``stored`` in order of booking. Where a
    correction stands among messages that booked nothing cannot be seen, so any place will do. Raises
    LedgerBroken.
    """
    reached, seen = [(0, 0)], {(0, 0)}
    while reached:
        at, row = reached.pop()
        if at == len(messages) and row == len(stored):
            return
        for nxt in _ways(messages, stored, at, row, zone):
            if nxt not in seen:
                seen.add(nxt)
                reached.append(nxt)
    raise LedgerBroken("the entries of the case are not what its messages derive")


def _ways(
    messages: Sequence[Message], stored: Sequence[Entry], at: int, row: int, zone: zoneinfo.ZoneInfo
) -> list[tuple[int, int]]:
    before, ways = stored[:row], []
    if at < len(messages):
        expected = step(messages[at], before, zone)
        given = stored[row : row + len(expected)]
        if len(given) == len(expected) and all(map(_same, expected, given)):
            ways.append((at + 1, row + len(expected)))
    if row < len(stored):
        length = _correction(before, stored[row:], zone)
        if length:
            ways.append((at, row + length))
    return ways


def _correction(before: Sequence[Entry], rest: Sequence[Entry], zone: zoneinfo.ZoneInfo) -> int:
    """How many of the next entries are one correction by an operator: 0, 1 or 2."""
    first = rest[0]
    if first.reason is not Reason.CORRECTED or first.corrects is None or first.actor == GATEWAY:
        return 0
    stands = standing(before, first.side)
    if stands is None or not _same(counter(stands, Reason.CORRECTED, actor=first.actor), first):
        return 0
    if len(rest) > 1 and rest[1].reason is Reason.CORRECTED and rest[1].corrects is None:
        new = rest[1]
        made = correct(stands, persons=new.persons, event_at=new.event_at, actor=first.actor, zone=zone)
        return 2 if _same(made[1], new) else 0
    return 1


# ---- figures ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class WeekFigures:
    """Persons of one ISO week and up to its end; ``difference`` is readmitted minus admitted, signed."""

    week: str
    readmitted: int
    admitted: int
    total_readmitted: int
    total_admitted: int

    @property
    def difference(self) -> int:
        return self.readmitted - self.admitted

    @property
    def total_difference(self) -> int:
        return self.total_readmitted - self.total_admitted


def weekly(sums: Mapping[tuple[str, str], int], *, until: str) -> tuple[WeekFigures, ...]:
    """Every week from the first with an entry to ``until`` (that alone when there is none), gaps included.

    ``sums``: (week, side) → persons. Weeks after ``until`` are left out.
    """
    known = [week for week, side in sums if side in OUTCOMES and week <= until]
    figures: list[WeekFigures] = []
    gone = came = 0
    for week in span(min([*known, until]), until):
        readmitted, admitted = (sums.get((week, side), 0) for side in OUTCOMES)
        gone, came = gone + readmitted, came + admitted
        figures.append(
            WeekFigures(
                week=week,
                readmitted=readmitted,
                admitted=admitted,
                total_readmitted=gone,
                total_admitted=came,
            )
        )
    return tuple(figures)


def last_week_of(sums: Mapping[tuple[str, str], int], now_week: str) -> str:
    """The week up to which figures are shown: the present one, or a later one that has entries already."""
    return max([now_week, *(week for week, side in sums if side in OUTCOMES)])


def difference(sums: Mapping[tuple[str, str], int]) -> int:
    """Readmitted minus admitted over all weeks."""
    total = dict.fromkeys(OUTCOMES, 0)
    for (_, side), persons in sums.items():
        if side in OUTCOMES:
            total[Side(side)] += persons
    return total[Side.READMITTED] - total[Side.ADMITTED]


class BalanceState(StrEnum):
    """What the signed difference asks for, against the thresholds of the agreement."""

    LEVEL = "level"
    WARN = "warn"
    HOLD_READMISSIONS = "hold_readmissions"
    HOLD_NOMINATIONS = "hold_nominations"


def judge_balance(signed: int, *, warn: int, hold: int) -> BalanceState:
    """``hold`` 0 never holds. Too many readmitted holds readmissions, too many admitted nominations."""
    if hold and signed >= hold:
        return BalanceState.HOLD_READMISSIONS
    if hold and signed <= -hold:
        return BalanceState.HOLD_NOMINATIONS
    return BalanceState.WARN if abs(signed) >= warn else BalanceState.LEVEL
