"""A transaction that only tries: everything runs as it would, checks and locks too, and nothing stays."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.flows.ports import Store, Transaction


class _Undo(Exception):
    """Rolls back what was only tried."""


@asynccontextmanager
async def begin(store: Store, *, dry_run: bool) -> AsyncIterator[Transaction]:
    """``store.begin()``; a dry run is rolled back where the block ends. What the block raises is raised."""
    with contextlib.suppress(_Undo):
        async with store.begin() as tx:
            yield tx
            if dry_run:
                raise _Undo
