"""Acting on many messages at once: the set that was looked at, and what a batch of it goes through. Pure.

The verdict on each message is that of ``gateway.core.resend``.
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

from contracts.codes import MessageType
from gateway.core.errors import Conflict, InvalidParameter
from gateway.core.reasons import require_reason
from gateway.core.records import MessageStatus
from gateway.core.resend import Action, Verdict, Why

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
        require_reason(self.text)


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
