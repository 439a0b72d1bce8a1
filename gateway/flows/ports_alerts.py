"""Store port: alerts: one row per incident, and what was sent about it.

A part of ``gateway.flows.ports.Transaction``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.codes import Direction
from gateway.core.alert_kinds import AlertKind, Severity
from gateway.core.alert_records import (
    FailedGroup,
    NewNotice,
    Node,
    Notice,
    NoticeAttempt,
    NoticeState,
    ToldLimits,
    Waiting,
    Watch,
)
from gateway.core.alerts import Alert
from gateway.core.records import Page
from gateway.core.treaty.clocks import DeadlineState


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertFilter:
    kind: AlertKind | None = None
    is_open: bool | None = None


class AlertRows(Protocol):
    """Alerts: one row per incident, and what was sent about it."""

    async def watch(self, *, lock: bool = False) -> Watch:
        """How far the audit log was read; ``lock`` holds it against other transactions until commit."""
        ...

    async def save_watch(self, watch: Watch) -> None:
        """Keeps it as given, ``generation`` too. Only under ``lock``."""
        ...

    async def open_alerts(self) -> tuple[Alert, ...]:
        """Newest first: there are never many, one for each incident."""
        ...

    async def get_alert(self, alert_id: str) -> Alert | None: ...
    async def list_alerts(
        self, where: AlertFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Alert]:
        """Newest first. Raises BadCursor."""
        ...

    async def count_alerts(self) -> Mapping[tuple[AlertKind, Severity], int]:
        """Open ones."""
        ...

    async def add_alert(self, alert: Alert) -> bool:
        """False when that incident has an open alert already."""
        ...

    async def save_alert(self, alert: Alert) -> None:
        """In place of the one with its id."""
        ...

    # what is told
    async def add_notice(self, new: NewNotice, *, at: dt.datetime) -> int:
        """Its id."""
        ...

    async def claim_notices(self, now: dt.datetime, *, limit: int, lease: dt.timedelta) -> tuple[Notice, ...]:
        """The oldest that are due; a lease that ran out is due again. Two callers never get the same."""
        ...

    async def end_notice(self, notice: Notice, state: NoticeState, *, at: dt.datetime) -> bool:
        """Counts the attempt; False when the lease was lost (nothing changes then)."""
        ...

    async def put_off_notice(self, notice: Notice, due_at: dt.datetime) -> bool:
        """Counts the attempt and gives the notice back; False when the lease was lost."""
        ...

    async def add_notice_attempt(self, attempt: NoticeAttempt) -> None: ...
    async def alert_notices(self, alert_id: str) -> tuple[Notice, ...]:
        """In their order."""
        ...

    async def test_notices(self, test_id: str) -> tuple[Notice, ...]: ...
    async def notice_attempts(self, notice_ids: Sequence[int]) -> tuple[NoticeAttempt, ...]:
        """In their order."""
        ...

    async def next_notice(self) -> dt.datetime | None:
        """When the earliest waiting one is due (or its lease runs out)."""
        ...

    # nodes
    async def node_seen(self, node: Node) -> None:
        """Keeps its sign of life; forgets nodes without one for a week."""
        ...

    async def forget_node(self, node: str) -> None: ...
    async def nodes(self) -> tuple[Node, ...]: ...

    # conditions
    async def failed_groups(self) -> tuple[FailedGroup, ...]: ...
    async def failed_messages(self, direction: Direction, *, limit: int) -> tuple[str, ...]:
        """Ids, newest first."""
        ...

    async def waiting_by_endpoint(self) -> tuple[Waiting, ...]: ...
    async def told_limits(self) -> tuple[ToldLimits, ...]: ...
    async def told_messages(self, clock: str, state: DeadlineState, *, limit: int) -> tuple[str, ...]:
        """Ids of the messages that started them, the earliest due first."""
        ...

    async def audit_head(self) -> int:
        """Sequence of the newest audit entry; 0: none."""
        ...
