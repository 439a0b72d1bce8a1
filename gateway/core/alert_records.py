"""What the store keeps about alerts beside the alerts themselves, and what it finds for them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from contracts.codes import Direction
from gateway.core.alerts import AlertEvent
from gateway.core.treaty.clocks import DeadlineState


class NoticeState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    """No further attempt; the alert itself stays open and is on the console."""
    DROPPED = "dropped"
    """Its recipient is no longer in the settings, or wants no more (HTTP 410)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewNotice:
    """One telling to one recipient, as it is put into the queue."""

    alert_id: str | None
    test_id: str | None
    """Of a test, in place of an alert."""
    event: AlertEvent
    target_id: str
    content: str
    """The alert as it was then, JSON (``gateway.core.alert_words.snapshot``)."""
    due_at: dt.datetime
    state: NoticeState = NoticeState.WAITING


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """One telling as the store keeps it; ``lease`` proves a claim."""

    notice_id: int
    alert_id: str | None
    test_id: str | None
    event: AlertEvent
    target_id: str
    content: str
    state: NoticeState
    attempts: int
    created_at: dt.datetime
    due_at: dt.datetime
    first_due_at: dt.datetime
    ended_at: dt.datetime | None
    lease: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeAttempt:
    """One try to tell, kept for ever."""

    notice_id: int
    number: int
    started_at: dt.datetime
    finished_at: dt.datetime
    outcome: str
    """``sent`` or an error code."""
    detail: str
    """For operators; never an address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """How far the audit log was read and verified. ``generation`` rises with every change of alerts."""

    generation: int
    audit_sequence: int
    """Last entry read; 0: none."""
    audit_hash: str
    full_sequence: int
    """Last entry that the running full verification has read."""
    full_hash: str
    full_started_at: dt.datetime | None
    """None while none is running."""
    full_done_at: dt.datetime | None
    broken_sequence: int | None
    broken_reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A process of the gateway that watches."""

    node: str
    seen_at: dt.datetime
    works: bool
    """Whether it delivers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedGroup:
    """Messages with status ``failed`` of one direction and code."""

    direction: Direction
    code: str | None
    count: int
    newest_at: dt.datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """Rows of the outbox for one endpoint."""

    endpoint: str
    count: int
    since: dt.datetime
    """When the oldest first fell due."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ToldLimits:
    """Unclosed time limits of one clock and state that were warned of or have passed."""

    clock: str
    state: DeadlineState
    count: int
    first_due: dt.datetime
    last_due: dt.datetime
