"""The exclusion check (row 9) over the store: which returned persons a nominee meets, on keyed hashes.

Returned is whoever is in a readmission that ended in a proven return (TransferOutcome carried out, or
TransferReceipt), or was imported as returned before the gateway ran. A readmission that is under way holds
the nomination of its persons; one that was refused, withdrawn or rejected does not count.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from contracts import model
from contracts.codes import CaseKind, Direction, TransferOutcomeCode
from gateway.core import identifiers as ids
from gateway.core.records import CaseRecord, MessageRecord, MessageStatus
from gateway.core.treaty import exclusion, states
from gateway.core.treaty.states import Readmission
from gateway.flows.events import EventType, Fact, Listeners, case_path, tell
from gateway.flows.ports import MessageFilter, Transaction
from gateway.flows.ports_holds import Pair
from gateway.flows.webhooks import WebhookEvent, enqueue_webhooks

RETURNED = frozenset({Readmission.TRANSFERRED, Readmission.RECEIVED})
"""Statuses of a readmission whose persons count as returned (announcement row 9)."""
ENDED = frozenset({Readmission.REFUSED, Readmission.WITHDRAWN, Readmission.REJECTED})
"""Statuses that end a readmission without a return."""
FLAGGED = "exclusion.flagged"
"""Audit action: a return was booked that concerns an open nomination."""
_NOT_SAID = frozenset({MessageStatus.HELD, MessageStatus.CANCELLED, MessageStatus.REJECTED})


class Match(StrEnum):
    """How a nominee meets one returned person or one readmission."""

    RETURNED = "returned"
    """A strong identifier of a returned person: refused."""
    NEAR = "near"
    """Like a returned person, or one of a family of which not all were returned: operators compare."""
    UNDER_WAY = "under_way"
    """In, or like a person in, a readmission that has not ended: operators look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """``owner``: case reference, or the opaque id of an imported person. ``place``: which nominee."""

    owner: str
    place: int
    match: Match
    exact: bool
    """By a strong identifier."""
    kinds: tuple[str, ...] = ()
    """What is equal, never its value: kinds of identifiers, ``near`` for a name with a birth date."""

    @property
    def label(self) -> str:
        """What operators told apart when they told this apart: two persons who are alike, or one person
        from those who were returned, in that state of their readmission only."""
        return self.match.value if self.exact else "near"


@dataclass(frozen=True, kw_only=True, slots=True)
class Exclusion:
    """The facts of row 9 for the rules (``judge``), and what they come from."""

    returned: bool | None
    """None: not a nomination."""
    found: tuple[Found, ...] = ()

    @property
    def in_readmission(self) -> bool:
        return any(f.match is Match.UNDER_WAY for f in self.found)

    @property
    def near(self) -> tuple[int, ...]:
        """Places of the persons with a near match."""
        return tuple(sorted({f.place for f in self.found if f.match is Match.NEAR}))

    def seen(self, rules: Iterable[str]) -> str:
        """SHA-256 over these rule ids and all matches: whoever decides on it saw the same reasons."""
        lines = [*rules, *(f"{f.match}|{f.place}|{f.owner}" for f in self.found)]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


async def check(tx: Transaction, message: model.Message, *, kind: CaseKind) -> Exclusion:
    """Compare every person of a nomination (or of its correction) with the returned.

    (1) strong and near pairs of each person, (2) who holds them: two lookups, (3) what became of each
    readmission, (4) pairs that two operators have told apart count no more.
    """
    persons = ids.persons_of(message)
    if kind is not CaseKind.NOMINATION or not persons:
        return Exclusion(returned=None)
    await tx.lock_returned(change=False)
    wanted: dict[Pair, set[int]] = defaultdict(set)  # (1)
    for place, person in enumerate(persons):
        for pair in (*exclusion.near_query(person), *exclusion.strong(ids.of_person(person))):
            wanted[pair].add(place)
    for pair in ids.strong_identifiers(message):
        if pair not in wanted:
            wanted[pair].add(0)  # a reference of the whole nomination is that of its main applicant
    found = await _found(tx, wanted)  # (2) (3)
    kept = [f for f in found if not await _told_apart(tx, message, persons[f.place], f)]  # (4)
    return Exclusion(
        returned=any(f.match is Match.RETURNED for f in kept),
        found=tuple(sorted(kept, key=lambda f: (f.place, f.owner))),
    )


async def index(tx: Transaction, message: model.Message) -> None:
    """Make the persons of a stored message found by their identifiers and near keys (keyed hashes)."""
    pairs = exclusion.to_index(message)
    if pairs:
        await tx.index_identifiers(message.reference, pairs)


async def _found(tx: Transaction, wanted: Mapping[Pair, set[int]]) -> list[Found]:
    pairs = tuple(wanted)
    meets: dict[tuple[str, int], set[Pair]] = defaultdict(set)
    for pair, references in (await tx.find_by_identifiers(pairs)).items():
        for reference in references:
            for place in wanted[pair]:
                meets[reference, place].add(pair)
    found = []
    for (reference, place), met in meets.items():
        case = await tx.get_case(reference)
        match = None if case is None else await _match(tx, case, met)
        if match is not None:
            exact, kinds = bool(exclusion.strong(met)), _kinds(met)
            found.append(Found(owner=reference, place=place, match=match, exact=exact, kinds=kinds))
    imported: dict[tuple[str, int], set[Pair]] = defaultdict(set)
    for pair, people in (await tx.find_returned(pairs)).items():
        for owner in people:
            for place in wanted[pair]:
                imported[owner, place].add(pair)
    for (owner, place), met in imported.items():
        exact = bool(exclusion.strong(met))
        match = Match.RETURNED if exact else Match.NEAR
        found.append(Found(owner=owner, place=place, match=match, exact=exact, kinds=_kinds(met)))
    return found


def _kinds(met: Iterable[Pair]) -> tuple[str, ...]:
    return tuple(sorted({pair[0] for pair in met}))


async def _match(tx: Transaction, case: CaseRecord, met: set[Pair]) -> Match | None:
    """None for a nomination, and for a readmission that ended without a return."""
    if case.kind is not CaseKind.READMISSION or case.status in ENDED:
        return None
    if case.status not in RETURNED:
        return Match.UNDER_WAY
    exact = set(exclusion.strong(met))
    return Match.RETURNED if exact and await _certain(tx, case, exact) else Match.NEAR


async def _certain(tx: Transaction, case: CaseRecord, exact: set[Pair]) -> bool:
    """Whether the identifier is still that of a person of the case (it may have been corrected), and all of
    its persons were returned. Once retention has deleted the content, the hash alone counts."""
    try:
        messages = await said(tx, case.reference)
    except LookupError:
        return True
    persons, ever = _persons(messages), set()
    for message in messages:
        if isinstance(message.body, model.ReadmissionRequest):
            ever = {pair for pair in ids.identifiers(message) if pair[0] != ids.DOCUMENT_ISSUED}
    now = {pair for person in persons for pair in ids.of_person(person)}
    return bool(exact & (now | ever)) and _went(messages) in {None, len(persons)}


async def said(tx: Transaction, reference: str) -> tuple[model.Message, ...]:
    """The messages of a case that count. Raises LookupError once retention destroyed the key."""
    history = await tx.history(reference)
    return tuple(message for record, message in history if record.status not in _NOT_SAID)


def _persons(messages: Iterable[model.Message]) -> tuple[model.Person, ...]:
    """As last corrected."""
    latest: tuple[model.Person, ...] = ()
    for message in messages:
        latest = ids.persons_of(message) or latest
    return latest


def _went(messages: Iterable[model.Message]) -> int | None:
    """How many were returned: as France says, else as the UK says; None when nobody said."""
    reported: int | None = None
    for message in messages:
        body = message.body
        if isinstance(body, model.TransferReceipt):
            return body.persons_received
        if isinstance(body, model.TransferOutcome) and body.outcome is TransferOutcomeCode.CARRIED_OUT:
            reported = body.persons_transferred
    return reported


# ---- told apart ---------------------------------------------------------------------------------


async def _told_apart(tx: Transaction, message: model.Message, person: model.Person, found: Found) -> bool:
    """Whether operators decided before that this nominee is not that person. Never for a returned person
    who was recognised by a strong identifier."""
    if found.match is Match.RETURNED:
        return False
    pairs = exclusion.cleared(found.label, found.owner, found.place, person)
    known = await tx.find_by_identifiers(pairs)
    return message.reference in known.get(pairs[0], ()) or any(pair in known for pair in pairs[1:])


async def remember(tx: Transaction, message: model.Message, facts: Exclusion) -> int:
    """A release in spite of these matches: none of them holds this nomination again, nor a later one with
    the same document. Kept as keyed hashes. Returns how many pairs of persons were told apart."""
    persons = ids.persons_of(message)
    apart = [f for f in facts.found if f.match is not Match.RETURNED]
    pairs = [pair for f in apart for pair in exclusion.cleared(f.label, f.owner, f.place, persons[f.place])]
    if pairs:
        await tx.index_identifiers(message.reference, pairs)
    return len(apart)


# ---- a return that concerns an open nomination ---------------------------------------------------


def books_return(message: model.Message) -> bool:
    """Whether the message says that a return was carried out."""
    body = message.body
    if isinstance(body, model.TransferOutcome):
        return body.outcome is TransferOutcomeCode.CARRIED_OUT
    return isinstance(body, model.TransferReceipt)


async def before_return(tx: Transaction, message: model.Message) -> None:
    """Called before a message is stored that books a return: from now until the commit no nomination is
    compared with the returned, so that each one either meets this return or is met by it. (Afterwards is too
    late: the store's own locks come after this one.)"""
    if books_return(message):
        await tx.lock_returned(change=True)


async def return_booked(
    tx: Transaction, listeners: Listeners, message: model.Message, *, now: dt.datetime
) -> tuple[str, ...]:
    """After a message that books a return was stored: flag the open nominations of its persons, once each.

    Does nothing for other messages. Returns the references of the nominations flagged now.
    """
    if not books_return(message):
        return ()
    try:
        messages = await said(tx, message.reference)
    except LookupError:
        return ()
    wanted: set[Pair] = set()
    for one in messages:
        wanted.update(ids.strong_identifiers(one))
        for person in ids.persons_of(one):
            wanted |= exclusion.near_query(person)
    return await flag(tx, listeners, wanted, owner=message.reference, by=message.message_id, now=now)


async def flag(
    tx: Transaction,
    listeners: Listeners,
    pairs: Iterable[Pair],
    *,
    owner: str,
    by: str | None,
    now: dt.datetime,
) -> tuple[str, ...]:
    """Flag the open nominations that meet these identifiers of a returned person, once for each ``owner`` (a
    case, or the opaque id of an imported person). ``by``: the message that books the return.

    Flagging is an audit entry (``exclusion.flagged``, seen in the events of the nomination), an event of the
    inbox and a status event to its sender; what follows is for people to decide. Returns the references that
    were flagged now. The caller holds ``lock_returned(change=True)``.
    """
    known: dict[str, bool] = defaultdict(bool)
    for pair, references in (await tx.find_by_identifiers(tuple(pairs))).items():
        for reference in references:
            known[reference] |= pair[0] in ids.STRONG
    return tuple(
        [
            reference
            for reference, exact in sorted(known.items())
            if await _flag(tx, listeners, reference, owner, by, exact=exact, now=now)
        ]
    )


async def _flag(
    tx: Transaction,
    listeners: Listeners,
    reference: str,
    owner: str,
    by: str | None,
    *,
    exact: bool,
    now: dt.datetime,
) -> bool:
    case = await tx.get_case(reference)
    if case is None or case.kind is not CaseKind.NOMINATION or states.is_final(case.kind, case.status):
        return False
    opening = await _opening(tx, reference)
    if opening is None or await _was_flagged(tx, opening, owner):
        return False
    if not exact and await _cleared_for(tx, reference, owner):
        return False
    code = "row9.returned" if exact else "row9.near_match"
    await tx.append_audit(
        at=now,
        actor="gateway",
        action=FLAGGED,
        subject=opening.message_id,
        data={"code": code, "reference": reference, "returned": owner, "by": by},
    )
    await tell(
        tx,
        listeners,
        Fact(
            type=EventType.NOMINATION_FLAGGED,
            name=f"flagged_{opening.message_id}_{hashlib.sha256(owner.encode()).hexdigest()[:32]}",
            at=now,
            reference=reference,
            message_id=opening.message_id,
            path=case_path(reference),
            data={"code": code},
        ),
    )
    await enqueue_webhooks(tx, listeners.webhooks, WebhookEvent.MESSAGE_STATUS, opening, now=now)
    return True


async def _opening(tx: Transaction, reference: str) -> MessageRecord | None:
    where = MessageFilter(reference=reference, direction=Direction.UK_TO_FR)
    page = await tx.list_messages(where, limit=1, newest_first=False)
    return page.items[0] if page.items else None


async def _was_flagged(tx: Transaction, opening: MessageRecord, returned: str) -> bool:
    entries = await tx.audit_entries(subject=opening.message_id)
    return any(e.action == FLAGGED and e.data.get("returned") == returned for e in entries)


async def _cleared_for(tx: Transaction, reference: str, owner: str) -> bool:
    """Whether operators told the persons of the nomination apart from those of this case."""
    pairs = [(exclusion.CLEARED, f"near|{owner}|#{place}") for place in range(20)]
    return any(reference in references for references in (await tx.find_by_identifiers(pairs)).values())
