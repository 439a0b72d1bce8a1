"""Store port: looking into the audit log, newest first; a part of ``gateway.flows.ports.Transaction``."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

from gateway.core.records import AuditEntry, Page


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """What is not given does not narrow. All compare exactly."""

    subject: str | None = None
    """Message id, case reference, endpoint, name of a user: whatever the entry is about."""
    actor: str | None = None
    action: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    """Before that instant."""


class AuditRows(Protocol):
    async def find_audit(
        self, where: AuditFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[AuditEntry]:
        """Committed links, the newest first. Raises BadCursor.

        ``since`` and ``until`` are found by halving, as entries stand in the order of their time: one whose
        clock was wrong by more than an hour against its neighbours may be left out.
        """
        ...
