"""Store port: figures for metrics and live views; a part of ``gateway.flows.ports.Transaction``.

Each is bounded: it costs the same in a store of ten messages and of ten million.
"""

from __future__ import annotations

from typing import Protocol


class FigureRows(Protocol):
    async def count_inbox(self, *, most: int) -> int:
        """Messages from France that the UK has not acknowledged, counted up to ``most``."""
        ...

    async def newest_audit(self) -> int:
        """Sequence of the newest entry of the audit chain, 0 when there is none. It rises with every commit
        that changes something: the cheapest way to ask whether anything happened."""
        ...
