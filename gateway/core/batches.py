"""Acting on many messages at once: which of them may be sent again or stopped, and why not; what a batch of
them goes through. Pure: facts in, verdicts out.

What has a receipt is never sent again. A dead letter whose outcome nobody knows (an answer that did not come)
is ``UNCERTAIN``: it may go again, since it keeps its MessageId and the other side can tell a copy; stopping
it is another matter, as France may have it. What was refused for certain, or never left, is ``SAFE``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from contracts.codes import CaseKind, Direction, MessageType
from gateway.core.errors import Conflict, InvalidParameter
from gateway.core.records import MessageRecord, MessageStatus

MAX_REASON: Final = 500


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
    """No attempt has reached France."""
    REFUSED_BEFORE = "refused_before"
    """France's access point refused every attempt, so it does not have the message."""
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


class Tried(StrEnum):
    """What all attempts so far say together."""

    NEVER = "never"
    REFUSED = "refused"
    """Each ended without the partner having the message."""
    UNKNOWN = "unknown"


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


def tried(attempts: Iterable[TriedOnce]) -> Tried:
    """One attempt that may have arrived makes all of it unknown."""
    rows = tuple(attempts)
    if not rows:
        return Tried.NEVER
    return Tried.REFUSED if all(_did_not_arrive(row) for row in rows) else Tried.UNKNOWN


def _did_not_arrive(row: TriedOnce) -> bool:
    if row.outcome in _REFUSALS:
        return True
    if row.http_status is not None:
        return False
    # not sealed (our own keys or certificates), or no connection: nothing left this machine
    not_sealed = row.outcome.startswith("as4.")
    return not_sealed or (row.outcome == "delivery.connection_failed" and row.detail in NEVER_CONNECTED)


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
    return _judge_replay(facts) if action is Action.REPLAY else _judge_cancel(facts, persons)


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


def still(action: Action, before: Verdict, now: tuple[Verdict, Why]) -> tuple[Verdict, Why]:
    """The verdict at the moment of acting, given the one that was decided about."""
    verdict, why = now
    if action is Action.CANCEL and before is Verdict.SAFE and verdict is Verdict.UNCERTAIN:
        return Verdict.UNSAFE, Why.CHANGED
    return verdict, why


# ---- the set that was looked at -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """One message of a preview or batch, as it was judged."""

    message_id: str
    reference: str
    type: MessageType
    status: MessageStatus
    code: str | None
    verdict: Verdict
    why: Why
    updated_at: dt.datetime
    """Of the message."""

    @property
    def to_do(self) -> bool:
        return self.verdict is not Verdict.UNSAFE


def digest_of(action: Action, items: Iterable[Planned]) -> str:
    """SHA-256 over what was shown of each message; whoever confirms it has seen the same set."""
    lines = sorted(f"{i.message_id}|{i.status}|{i.code}|{i.verdict}|{i.why}" for i in items)
    return hashlib.sha256("\n".join([action.value, *lines]).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a preview hands out and a confirmation hands back: digest, number of messages, and when."""

    digest: str
    count: int
    at: dt.datetime

    def __str__(self) -> str:
        return f"{self.digest}.{self.count}.{int(self.at.timestamp() * 1000)}"

    @classmethod
    def parse(cls, text: str) -> Seen:
        """Raises InvalidParameter."""
        digest, _, rest = text.strip().partition(".")
        count, _, at = rest.partition(".")
        digits = count.isascii() and count.isdecimal() and at.isascii() and at.isdecimal()
        if len(digest) != 64 or not digits or len(count) > 9 or len(at) > 14:
            raise InvalidParameter("this is no digest of a preview; make the preview again")
        return cls(digest=digest, count=int(count), at=dt.datetime.fromtimestamp(int(at) / 1000, tz=dt.UTC))


class SetChanged(Conflict):
    """Between the preview and its confirmation the set has changed: nothing was done."""

    code = "set_changed"

    def __init__(self, changed: Sequence[str], *, before: int, now: int) -> None:
        """``changed``: ids of messages that are new in the set or look different since."""
        shown = ", ".join(changed[:5]) + (" …" if len(changed) > 5 else "")
        which = f"; new or changed since: {shown}" if changed else ""
        super().__init__(
            f"the set has changed since it was looked at ({before} messages then, {now} now{which}): "
            "look at it again"
        )
        self.changed = tuple(changed)
        self.before, self.now = before, now


def confirm(seen: Seen, action: Action, now: Sequence[Planned]) -> None:
    """The set must be the one that was previewed. Raises SetChanged with the messages that are dated after
    the preview, and how many there were and are."""
    if seen.digest != digest_of(action, now):
        changed = [item.message_id for item in now if item.updated_at >= seen.at]
        raise SetChanged(changed, before=seen.count, now=len(now))


def unchanged(before: Sequence[Planned], now: Sequence[Planned]) -> None:
    """The same for the second person, who approves what the batch holds. Raises SetChanged."""
    known = {item.message_id: (item.verdict, item.why) for item in before}
    changed = [item.message_id for item in now if known.get(item.message_id) != (item.verdict, item.why)]
    if changed or len(now) != len(before):
        raise SetChanged(changed, before=len(before), now=len(now))


def counted(items: Iterable[Planned]) -> Mapping[str, Mapping[str, int]]:
    """How many by status, by verdict and by reason."""
    rows = tuple(items)
    return {
        "status": dict(Counter(item.status.value for item in rows)),
        "verdict": {v.value: sum(item.verdict is v for item in rows) for v in Verdict},
        "why": dict(Counter(item.why.value for item in rows)),
    }


# ---- the life of a batch ------------------------------------------------------------------------


class ReasonCode(StrEnum):
    """Why, for statistics; a text is given in addition."""

    PARTNER_OUTAGE = "partner_outage"
    """France could not be reached, and can be again."""
    PARTNER_CORRECTED = "partner_corrected"
    """France has corrected something on its side."""
    GATEWAY_CORRECTED = "gateway_corrected"
    """Something was corrected here: certificate, setting, network."""
    AGREED = "agreed"
    """Agreed with the other side's operators."""
    NOT_NEEDED = "not_needed"
    """What the message says is no longer needed, or was sent in another way."""
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Code and text; whoever writes the text leaves personal data out. Raises InvalidParameter."""

    code: ReasonCode
    text: str

    def __post_init__(self) -> None:
        if not self.text.strip() or len(self.text) > MAX_REASON:
            raise InvalidParameter(f"a reason of 1 to {MAX_REASON} characters is needed")


class BatchState(StrEnum):
    WAITING = "waiting"
    """For a second person."""
    PAUSED = "paused"
    """A new batch too: somebody starts it."""
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


class BatchEvent(StrEnum):
    APPROVE = "approve"
    START = "start"
    PAUSE = "pause"
    STOP = "stop"
    FINISH = "finish"


_S, _E = BatchState, BatchEvent
TRANSITIONS: Final[Mapping[tuple[BatchState, BatchEvent], BatchState]] = MappingProxyType(
    {
        (_S.WAITING, _E.APPROVE): _S.PAUSED,
        (_S.WAITING, _E.STOP): _S.STOPPED,
        (_S.PAUSED, _E.START): _S.RUNNING,
        (_S.PAUSED, _E.STOP): _S.STOPPED,
        (_S.RUNNING, _E.PAUSE): _S.PAUSED,
        (_S.RUNNING, _E.STOP): _S.STOPPED,
        (_S.RUNNING, _E.FINISH): _S.DONE,
    }
)
LIVE: Final = frozenset({_S.WAITING, _S.PAUSED, _S.RUNNING})
"""States in which a batch holds its messages against other batches."""


def next_state(state: BatchState, event: BatchEvent) -> BatchState:
    """Raises Conflict for what the table does not have."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise Conflict(f"the batch is {state.value}: {event.value} is not possible now") from None


class Result(StrEnum):
    """What became of one message of a batch."""

    PENDING = "pending"
    DONE = "done"
    SKIPPED = "skipped"
    """Left alone: it was unsafe, or had become so."""
    FAILED = "failed"
    """An error of ours; nothing was changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchPolicy:
    """How batches are bounded. Raises ValueError."""

    second_person_above: int = 1
    """More messages than this need a second person."""
    per_second: float = 5.0
    """Messages, over all nodes."""
    most: int = 5000
    """Messages in one batch."""

    def __post_init__(self) -> None:
        if self.second_person_above < 0 or self.per_second <= 0 or self.most < 1:
            raise ValueError("second_person_above is not negative, per_second and most are positive")

    @property
    def interval(self) -> dt.timedelta:
        return dt.timedelta(seconds=1 / self.per_second)

    def needs_second_person(self, count: int) -> bool:
        return count > self.second_person_above
