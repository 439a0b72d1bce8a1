"""The audit log as alerts read it: what is new is verified and looked through once, the whole chain in turns.

The watch remembers the last entry read with its hash. A next look begins at that very entry: were it changed,
or the log cut off behind it, that shows too (``gateway.core.audit`` alone cannot see a cut). The full
verification goes a bounded number of entries further with each look, so that it never costs much at once.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Final

from gateway.core.alert_records import Watch
from gateway.core.audit import GENESIS, verify_chain
from gateway.core.errors import AuditChainBroken
from gateway.core.records import AuditEntry
from gateway.flows.ports import Transaction

PAGE: Final = 500
MOST_NEW: Final = 5000
"""New entries per look; the next look goes on."""
LEAST_FULL: Final = 2000
_FULL_WITHIN: Final = dt.timedelta(hours=12)
_AGAIN_WHILE_BROKEN: Final = dt.timedelta(hours=1)
CUT: Final = "cut"
"""Reason: the entry read last is gone or is another one."""


async def follow(tx: Transaction, watch: Watch) -> tuple[Watch, tuple[AuditEntry, ...]]:
    """The watch after the new entries, and these; a break is noted and reading goes on behind it."""
    new: list[AuditEntry] = []
    after, known = watch.audit_sequence, watch.audit_hash
    if after:
        last = await tx.audit_entries(after=after - 1, limit=1)
        if not last or last[0].sequence != after or last[0].hash != known:
            watch = _broken(watch, after, CUT)
            head = await tx.audit_head()
            if head < after:  # cut off: go on from the new end
                rest = await tx.audit_entries(after=head - 1, limit=1) if head else ()
                known = rest[0].hash if rest else GENESIS
                return dataclasses.replace(watch, audit_sequence=head, audit_hash=known), ()
            known = last[0].hash if last and last[0].sequence == after else known
    while len(new) < MOST_NEW:
        page = await tx.audit_entries(after=after, limit=PAGE)
        if not page:
            break
        try:
            verify_chain(page, start_hash=known, start_sequence=after + 1)
        except AuditChainBroken as exc:
            watch = _broken(watch, exc.sequence, exc.reason)
        new += page
        after, known = page[-1].sequence, page[-1].hash
    return dataclasses.replace(watch, audit_sequence=after, audit_hash=known), tuple(new)


def _broken(watch: Watch, sequence: int, reason: str) -> Watch:
    """The first place that was found stays named."""
    if watch.broken_sequence is not None:
        return watch
    return dataclasses.replace(watch, broken_sequence=sequence, broken_reason=reason)


def share(head: int, interval: dt.timedelta) -> int:
    """Entries of the full verification per look, so that it ends within half a day."""
    looks = max(int(_FULL_WITHIN / interval), 1)
    return max(-(-head // looks), LEAST_FULL)


def full_due(watch: Watch, now: dt.datetime, every: dt.timedelta) -> bool:
    """Whether a full verification runs or should begin."""
    if watch.full_started_at is not None or watch.full_done_at is None:
        return True
    wait = min(every, _AGAIN_WHILE_BROKEN) if watch.broken_sequence is not None else every
    return now - watch.full_done_at >= wait


async def go_on(tx: Transaction, watch: Watch, *, now: dt.datetime, most: int) -> Watch:
    """The full verification, ``most`` entries further. Its end without a find mends what was noted before:
    somebody has put the log right (from a backup)."""
    if watch.full_started_at is None:
        watch = dataclasses.replace(watch, full_started_at=now, full_sequence=0, full_hash=GENESIS)
    after, known, read = watch.full_sequence, watch.full_hash, 0
    while read < most and after < watch.audit_sequence:
        page = await tx.audit_entries(after=after, limit=min(PAGE, watch.audit_sequence - after))
        if not page:
            break
        try:
            verify_chain(page, start_hash=known, start_sequence=after + 1)
        except AuditChainBroken as exc:
            found = _broken(dataclasses.replace(watch, broken_sequence=None), exc.sequence, exc.reason)
            return dataclasses.replace(found, full_started_at=None, full_done_at=now)
        after, known, read = page[-1].sequence, page[-1].hash, read + len(page)
    watch = dataclasses.replace(watch, full_sequence=after, full_hash=known)
    if after < watch.audit_sequence:
        return watch
    done = dataclasses.replace(watch, full_started_at=None, full_done_at=now)
    return done if watch.broken_reason == CUT else mended(done)


def mended(watch: Watch) -> Watch:
    """Nothing is broken any more. What was cut off cannot be seen in what is left: an operator says so."""
    return dataclasses.replace(watch, broken_sequence=None, broken_reason=None)
