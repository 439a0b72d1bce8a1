"""The audit log for those who look into it: entries from the end, the state of the chain, export.

A verification goes on where the last one ended: it leaves an entry with the place and the hash that it
reached, and the next one begins by comparing that hash. So a press of the button costs a bounded time, and a
chain of any length is verified in steps.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.core import audit
from gateway.core.errors import AuditChainBroken
from gateway.core.records import AuditEntry, Page
from gateway.flows.exchange import Exchange
from gateway.flows.ports import Store
from gateway.flows.ports_audit import AuditFilter
from gateway.flows.uk_receipts import instant

Json = dict[str, Any]
VERIFIED: Final = "audit.verified"
BROKEN: Final = "audit.broken"
SUBJECT: Final = "audit"
MOST_VERIFIED: Final = 50_000
"""Entries of one verification."""
MOST_EXPORTED: Final = 100_000
"""Entries of one export, the newest of what matches."""
_BATCH: Final = 500


def entry_view(entry: AuditEntry) -> Json:
    """One link, JSON-ready; the time is UTC."""
    return {
        "sequence": entry.sequence,
        "at": instant(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "data": dict(entry.data),
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


async def audit_list(
    store: Store, where: AuditFilter, *, cursor: str | None = None, limit: int = 50
) -> Page[AuditEntry]:
    """The newest first. Raises BadCursor."""
    async with store.begin(read_only=True) as tx:
        return await tx.find_audit(where, cursor=cursor, limit=limit)


async def export_lines(store: Store, where: AuditFilter) -> AsyncIterator[str]:
    """What matches as JSON lines, the newest first, ``MOST_EXPORTED`` at the most; in short transactions."""
    cursor: str | None = None
    for _ in range(MOST_EXPORTED // _BATCH):
        page = await audit_list(store, where, cursor=cursor, limit=_BATCH)
        for entry in page.items:
            yield json.dumps(entry_view(entry), ensure_ascii=False, separators=(",", ":")) + "\n"
        cursor = page.next_cursor
        if cursor is None:
            return


# ---- the chain ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class ChainState:
    """What the last verification found; ``checked_to`` 0: there was none."""

    newest: int
    """Sequence of the newest entry."""
    checked_to: int
    checked: AuditEntry | None
    """The entry that the last verification left."""
    broken_at: int | None
    reason: str | None

    @property
    def waiting(self) -> int:
        """Entries that no verification has reached yet."""
        return max(0, self.newest - self.checked_to)


async def chain_state(store: Store) -> ChainState:
    """How far the chain has been verified, and with what result. Costs three seeks."""
    async with store.begin(read_only=True) as tx:
        newest = (await tx.find_audit(AuditFilter(), limit=1)).items
        last = (await tx.find_audit(AuditFilter(action=VERIFIED, subject=SUBJECT), limit=1)).items
        broken = (await tx.find_audit(AuditFilter(action=BROKEN, subject=SUBJECT), limit=1)).items
    good, bad = (rows[0] if rows else None for rows in (last, broken))
    ruling = bad if bad is not None and (good is None or bad.sequence > good.sequence) else None
    return ChainState(
        newest=newest[0].sequence if newest else 0,
        checked_to=_number(good, "to"),
        checked=ruling or good,
        broken_at=None if ruling is None else _number(ruling, "sequence"),
        reason=None if ruling is None else str(ruling.data.get("reason")),
    )


def _number(entry: AuditEntry | None, name: str) -> int:
    value = None if entry is None else entry.data.get(name)
    return value if isinstance(value, int) else 0


async def verify_more(exchange: Exchange, *, actor: str, from_start: bool = False) -> ChainState:
    """Verify on from where the last verification ended (or the first entry), ``MOST_VERIFIED`` entries at the
    most, and leave an entry that says so. A broken chain is told, not raised."""
    store = exchange.store
    before = await chain_state(store)
    start, head = (0, audit.GENESIS) if from_start else await _begin(store)
    data: dict[str, str | int | bool | None]
    try:
        reached, head = await _verify(store, start, head)
        action, data = VERIFIED, {"from": start + 1, "to": reached, "head": head}
        if reached < before.checked_to:  # a restart that has not come as far again keeps the older place
            data |= {
                "to": before.checked_to,
                "head": await _hash_at(store, before.checked_to),
                "part": reached,
            }
    except AuditChainBroken as exc:
        action, data = BROKEN, {"sequence": exc.sequence, "reason": exc.reason}
    async with store.begin() as tx:
        await tx.append_audit(at=exchange.clock.now(), actor=actor, action=action, subject=SUBJECT, data=data)
    return await chain_state(store)


async def _begin(store: Store) -> tuple[int, str]:
    """(last verified sequence, the hash that it had then)."""
    async with store.begin(read_only=True) as tx:
        found = (await tx.find_audit(AuditFilter(action=VERIFIED, subject=SUBJECT), limit=1)).items
    place, head = (_number(found[0], "to"), found[0].data.get("head")) if found else (0, None)
    return (place, head) if place and isinstance(head, str) else (0, audit.GENESIS)


async def _hash_at(store: Store, sequence: int) -> str:
    async with store.begin(read_only=True) as tx:
        rows = await tx.audit_entries(after=sequence - 1, limit=1)
    if not rows or rows[0].sequence != sequence:
        raise AuditChainBroken(sequence, "gap")
    return rows[0].hash


async def _verify(store: Store, start: int, head: str) -> tuple[int, str]:
    """(sequence reached, its hash). Raises AuditChainBroken."""
    if start and await _hash_at(store, start) != head:
        raise AuditChainBroken(start, "hash")
    sequence = start + 1
    while sequence <= start + MOST_VERIFIED:
        async with store.begin(read_only=True) as tx:
            batch = await tx.audit_entries(after=sequence - 1, limit=_BATCH)
        if not batch:
            break
        sequence, head = await asyncio.to_thread(
            audit.verify_chain, batch, start_hash=head, start_sequence=sequence
        )
    return sequence - 1, head
