"""Store port: reasoned, time-limited reveals of the personal data of one case.

A part of ``gateway.flows.ports.Transaction``. The rows hold who, why and until when; never what was seen.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Reveal:
    """One person's look at one case. It ends by itself at ``ends_at``; nothing needs to run for that."""

    reveal_id: str
    """Time-ordered UUID."""
    reference: str
    actor: str
    code: str
    """A ``gateway.core.reveal.RevealReason``."""
    reason: str
    """For the audit; whoever writes it is told to leave personal data out."""
    started_at: dt.datetime
    ends_at: dt.datetime
    ended_at: dt.datetime | None
    """When it was ended before its time; None when it ran (or runs) to its end."""

    def runs(self, now: dt.datetime) -> bool:
        """Whether personal data may be shown at ``now`` (aware)."""
        return self.ended_at is None and self.started_at <= now < self.ends_at


class RevealRows(Protocol):
    """Reasoned reveals of personal data."""

    async def add_reveal(self, reveal: Reveal) -> None: ...
    async def running_reveal(self, reference: str, actor: str, now: dt.datetime) -> Reveal | None:
        """The one of that person for that case that ends last, if one runs at ``now``."""
        ...

    async def end_reveals(self, reference: str, actor: str, now: dt.datetime) -> int:
        """Ends whatever of that person runs for that case; returns how many ended."""
        ...

    async def reveals(self, reference: str) -> tuple[Reveal, ...]:
        """All of a case, the newest first (at most 100)."""
        ...
