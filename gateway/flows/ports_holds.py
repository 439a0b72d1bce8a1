"""Store port of the exclusion check and the holding area; a part of ``gateway.flows.ports.Transaction``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

Pair = tuple[str, str]
"""(kind, normalised value) of an identifier: personal data, hashed by the store and kept nowhere."""


class HoldDecision(StrEnum):
    """What an operator decided; the last two end a round."""

    APPROVED = "approved"
    """Release, but a second person is needed."""
    RELEASED = "released"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionRecord:
    """One decision about a held message, kept for ever."""

    message_id: str
    round: int
    """A message may be held again after it was released: decisions count in their own round only."""
    decision: HoldDecision
    code: str
    """Of the hold, when it was decided."""
    seen: str
    """SHA-256 over the reasons that the operator was shown: an approval of other reasons does not count."""
    reason: str
    actor: str
    at: dt.datetime


class HoldRows(Protocol):
    """Exclusion check (row 9) and holding area."""

    async def find_by_identifiers(self, pairs: Sequence[Pair]) -> Mapping[Pair, tuple[str, ...]]:
        """References of the cases that hold each pair; pairs that nobody holds are left out."""
        ...

    async def find_returned(self, pairs: Sequence[Pair]) -> Mapping[Pair, tuple[str, ...]]:
        """The same among the imported returned: opaque ids of persons."""
        ...

    async def add_returned(self, pairs: Sequence[Pair], at: dt.datetime) -> tuple[str, bool]:
        """Import one person as keyed hashes of all their pairs; their opaque id, and whether they are new."""
        ...

    async def lock_returned(self, *, change: bool) -> None:
        """Until commit: who compares with the returned (``change`` False) waits for whoever adds to them, and
        the other way round; those who compare do not wait for each other. Taken before what ``add_message``
        locks. SQLite has one writer."""
        ...

    async def count_returned(self) -> int:
        """How many persons were imported."""
        ...

    async def add_decision(self, decision: DecisionRecord) -> bool:
        """False when that actor has decided about these reasons in this round before."""
        ...

    async def decisions(self, message_id: str) -> tuple[DecisionRecord, ...]:
        """All decisions about a message, oldest first."""
        ...
