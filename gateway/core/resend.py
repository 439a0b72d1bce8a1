"""May a message be sent again, or be stopped, and if not, why? Pure: facts in, verdicts out.

What has a receipt is never sent again. A dead letter whose outcome nobody knows (an answer that did not come)
is ``UNCERTAIN``: it may go again, since it keeps its MessageId and the other side can tell a copy; stopping
it is another matter, as France may have it. What was refused for certain, or never left, is ``SAFE``.

``arrival`` is the one judgement of what an attempt proves; who holds a message (``gateway.core.holder``)
comes from it too. ``judge`` is the one of what may be done, for every page, command and batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contracts.codes import CaseKind, Direction, MessageType
from gateway.core.errors import ConnectionFailed, ReceiptAwaited
from gateway.core.records import MessageRecord, MessageStatus


class Action(StrEnum):
    """What is done to each message of a batch."""

    REPLAY = "replay"
    """Send a dead letter again as the same message."""
    CANCEL = "cancel"
    """Stop what has not arrived."""


class Verdict(StrEnum):
    SAFE = "safe"
    UNCERTAIN = "uncertain"
    """France may have it: sent again it keeps its MessageId; stopped here it may live on there."""
    UNSAFE = "unsafe"
    """Is left alone."""


class Why(StrEnum):
    """The reason for a verdict."""

    NOT_SENT = "not_sent"
    """No attempt was made yet."""
    REFUSED_BEFORE = "refused_before"
    """No attempt reached France, or its access point refused each one: it does not have the message."""
    OUTCOME_UNKNOWN = "outcome_unknown"
    """An attempt may have arrived although no receipt came back."""
    FROM_FRANCE = "from_france"
    RECEIPTED = "receipted"
    """A receipt is stored: it is never sent again, and cannot be stopped any more."""
    UNDER_WAY = "under_way"
    """It waits to be sent, or is being sent (cancelling: is being sent at this moment)."""
    HELD = "held"
    """The holding area decides, one by one."""
    REJECTED = "rejected"
    """Its content was refused: a corrected message must be sent."""
    CANCELLED = "cancelled"
    PERHAPS_TAKEN = "perhaps_taken"
    """Refused after an attempt whose answer was lost: partners refuse a duplicate with the same code."""
    WITHDRAWN = "withdrawn"
    """The case was withdrawn: nothing of it may follow."""
    WITHDRAWS = "withdraws"
    """It withdraws its case: stopped, France never learns that. Never in a batch; one person may, for
    it alone."""
    DELETED = "deleted"
    """Retention has deleted the content."""
    IN_BATCH = "in_batch"
    """Another batch that has not ended holds it."""
    CHANGED = "changed"
    """It was safe when it was decided about, and is uncertain now: nobody agreed to that."""


class Queued(StrEnum):
    """Whether a row of the outbox holds the message."""

    NO = "no"
    WAITING = "waiting"
    LEASED = "leased"
    """Somebody sends it at this moment."""


class Arrival(StrEnum):
    """What one attempt proves about where the message is."""

    NOT_SENT = "not_sent"
    """Nothing left this machine: it could not be sealed, or no connection came to be."""
    REFUSED = "refused"
    """A genuine error signal after which the partner does not have it."""
    LOST = "lost"
    """It may have arrived: no answer came, or one that proves nothing. Neither do HTTP 429 and 503: a proxy
    says them for what stands behind it, and an access point after it has read the message."""
    AWAITED = "awaited"
    """Taken; the receipt comes by callback."""
    DELIVERED = "delivered"


class Tried(StrEnum):
    """What all attempts so far say together."""

    NEVER = "never"
    REFUSED = "refused"
    """Each ended without the partner having the message."""
    UNKNOWN = "unknown"
    """One of them may have arrived."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TriedOnce:
    """What is left of one attempt (``gateway.core.records.Attempt``)."""

    outcome: str
    detail: str
    http_status: int | None


NEVER_CONNECTED: Final = frozenset(
    {"no connection to the partner", "the partner's TLS certificate is not trusted"}
)
"""Details of ``delivery.connection_failed`` that only a connection that never came to be has
(gateway/transport/http.py)."""
_REFUSALS: Final = frozenset(
    f"EBMS:{n}"
    for n in ("0001", "0003", "0007", "0008", "0009", "0010", "0011", "0101", "0102", "0103", "0303")
)
"""Genuine error signals after which the partner does not have the message."""
_DUPLICATE_OR_REFUSED: Final = "EBMS:0004"
_WITHDRAWN: Final = "withdrawn"
"""The status of both kinds of case."""
_AFTER_WITHDRAWAL: Final = frozenset({MessageType.WITHDRAWAL, MessageType.ACKNOWLEDGEMENT})
"""What a withdrawal does not stop (gateway.flows.outgoing.NEVER_STOPPED)."""


def arrival(attempt: TriedOnce) -> Arrival:
    """What this attempt proves; whatever is in no table may have arrived."""
    if attempt.outcome == "delivered":
        return Arrival.DELIVERED
    if attempt.outcome == ReceiptAwaited.code:
        return Arrival.AWAITED
    if attempt.outcome in _REFUSALS:
        return Arrival.REFUSED
    return Arrival.NOT_SENT if _never_left(attempt) else Arrival.LOST


def _never_left(attempt: TriedOnce) -> bool:
    if attempt.http_status is not None:
        return False
    # not sealed (our own keys or certificates), or no connection
    no_connection = attempt.outcome == ConnectionFailed.code and attempt.detail in NEVER_CONNECTED
    return no_connection or attempt.outcome.startswith("as4.")


_NOT_THERE: Final = frozenset({Arrival.NOT_SENT, Arrival.REFUSED})


def tried(attempts: Iterable[TriedOnce]) -> Tried:
    """One attempt that may have arrived makes all of it unknown."""
    rows = tuple(attempts)
    if not rows:
        return Tried.NEVER
    return Tried.REFUSED if all(arrival(row) in _NOT_THERE for row in rows) else Tried.UNKNOWN


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything that a verdict comes from, read in one transaction."""

    record: MessageRecord
    case_kind: CaseKind
    case_status: str
    readable: bool
    """The key of its case was not destroyed."""
    receipt: bool
    """A receipt is among its evidence."""
    queued: Queued
    tried: Tried
    elsewhere: bool
    """In another batch that has not ended."""


_ALONE_ONLY: Final = frozenset({Why.PERHAPS_TAKEN, Why.WITHDRAWS})
"""Left alone in a batch; a person may do it to one message, knowing what it says."""


def judge(action: Action, facts: Facts, *, persons: int = 1) -> tuple[Verdict, Why]:
    """May this be done to the message now? ``persons``: how many the release of what is held needs."""
    record = facts.record
    if record.direction is not Direction.UK_TO_FR:
        return Verdict.UNSAFE, Why.FROM_FRANCE
    arrived = record.status in {MessageStatus.DELIVERED, MessageStatus.ACKNOWLEDGED}
    if facts.receipt or record.receipt_verified or arrived:
        return Verdict.UNSAFE, Why.RECEIPTED
    if record.status is MessageStatus.REJECTED:
        return Verdict.UNSAFE, Why.REJECTED
    if record.status is MessageStatus.CANCELLED:
        return Verdict.UNSAFE, Why.CANCELLED
    if facts.elsewhere:
        return Verdict.UNSAFE, Why.IN_BATCH
    if action is Action.REPLAY:
        return _judge_replay(facts)
    verdict, why = _judge_cancel(facts, persons)
    if verdict is not Verdict.UNSAFE and record.type is MessageType.WITHDRAWAL:
        return Verdict.UNSAFE, Why.WITHDRAWS
    return verdict, why


def _judge_replay(facts: Facts) -> tuple[Verdict, Why]:
    record = facts.record
    if record.status is MessageStatus.HELD:
        return Verdict.UNSAFE, Why.HELD
    if record.status is not MessageStatus.FAILED or facts.queued is not Queued.NO:
        return Verdict.UNSAFE, Why.UNDER_WAY
    if not facts.readable:
        return Verdict.UNSAFE, Why.DELETED
    if facts.case_status == _WITHDRAWN and record.type not in _AFTER_WITHDRAWAL:
        return Verdict.UNSAFE, Why.WITHDRAWN
    if record.code == _DUPLICATE_OR_REFUSED:
        return Verdict.UNSAFE, Why.PERHAPS_TAKEN
    return _by_attempts(facts.tried)


def _judge_cancel(facts: Facts, persons: int) -> tuple[Verdict, Why]:
    record = facts.record
    if record.status is MessageStatus.HELD:
        return (Verdict.UNSAFE, Why.HELD) if persons > 1 else _by_attempts(facts.tried)
    if facts.queued is Queued.LEASED or (
        record.status is not MessageStatus.FAILED and facts.queued is Queued.NO
    ):
        return Verdict.UNSAFE, Why.UNDER_WAY
    return _by_attempts(facts.tried)


def _by_attempts(so_far: Tried) -> tuple[Verdict, Why]:
    if so_far is Tried.UNKNOWN:
        return Verdict.UNCERTAIN, Why.OUTCOME_UNKNOWN
    return Verdict.SAFE, Why.REFUSED_BEFORE if so_far is Tried.REFUSED else Why.NOT_SENT


def alone(action: Action, facts: Facts, *, persons: int = 1) -> tuple[Verdict, Why, bool]:
    """``judge`` for the one message that a person names, and whether it is possible then.

    What a lost answer and a refusal leave open may go alone, once somebody has asked France; a withdrawal may
    be stopped alone, once France knows. A message that waits in a batch may be stopped: the batch passes it
    over.
    """
    if action is Action.CANCEL:
        facts = replace(facts, elsewhere=False)
    verdict, why = judge(action, facts, persons=persons)
    return verdict, why, verdict is not Verdict.UNSAFE or why in _ALONE_ONLY


def still(action: Action, before: Verdict, now: tuple[Verdict, Why]) -> tuple[Verdict, Why]:
    """The verdict at the moment of acting, given the one that was decided about."""
    verdict, why = now
    if action is Action.CANCEL and before is Verdict.SAFE and verdict is Verdict.UNCERTAIN:
        return Verdict.UNSAFE, Why.CHANGED
    return verdict, why
