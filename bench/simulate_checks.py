"""What must hold at the end of a simulation, each against a count that the gateway did not make itself."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bench.simulate_run import Simulation
from gateway.core.records import Channel, MessageStatus
from gateway.core.treaty.clocks import Deadline, DeadlineState
from gateway.core.treaty.deadlines import Told
from gateway.core.treaty.ledger import OUTCOMES, Side
from gateway.core.treaty.quotas import QuotaKind, limit_of
from gateway.flows.ledger import verify_ledger
from gateway.flows.ports import DeadlineFilter
from gateway.flows.ports_inbox import InboxEvent

_WAITS = frozenset({MessageStatus.ACCEPTED, MessageStatus.SENDING})
_WENT = frozenset({MessageStatus.DELIVERED, MessageStatus.ACKNOWLEDGED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    name: str
    ok: bool
    found: str


async def checks(simulation: Simulation) -> list[Check]:
    """All of them, whatever fails."""
    return [
        await _ledger(simulation),
        *await _nothing_lost(simulation),
        *await _breaches(simulation),
        *await _quotas(simulation),
    ]


async def _ledger(s: Simulation) -> Check:
    """The ledger proves itself, and has the persons whom the simulation moved."""
    exchange = s.life.exchange
    proof = await verify_ledger(exchange)
    async with exchange.store.begin(read_only=True) as tx:
        sums = await tx.outcome_sums()
    booked = [sum(n for (_, side), n in sums.items() if side == which.value) for which in OUTCOMES]
    moved = [s.tally.readmitted, s.tally.admitted]
    return Check(
        name="ledger is what the messages derive, and the persons who travelled",
        ok=proof.ok and not proof.unreadable and booked == moved,
        found=f"{booked[0]} readmitted, {booked[1]} admitted; travelled {moved[0]} and {moved[1]};"
        f" {proof.cases} cases derived again, {len(proof.broken)} broken, {len(proof.miscounted)} miscounted",
    )


async def _nothing_lost(s: Simulation) -> list[Check]:
    """Every message with a signed receipt has an end or stands in a queue; France has what we say it has."""
    lost: list[str] = []
    states: Counter[str] = Counter()
    wrong = 0
    async with s.life.exchange.store.begin(read_only=True) as tx:
        for message_id in s.tally.accepted:
            record = await tx.get_message(message_id)
            if record is None:
                lost.append(message_id)
                continue
            states[record.status.value] += 1
            if record.status in _WAITS and await tx.waiting(message_id, Channel.AS4) is None:
                lost.append(message_id)
            wrong += (record.status in _WENT) != (s.world.france.opened[message_id] > 0)
        lost += [i for i in s.tally.from_france if await tx.get_message(i) is None]
    total = len(s.tally.accepted) + len(s.tally.from_france)
    ends = ", ".join(f"{n} {name}" for name, n in sorted(states.items()))
    twice = sum(n > 1 for n in s.world.france.opened.values())
    return [
        Check(
            name="nothing lost",
            ok=not lost and bool(total),
            found=f"{total} messages, {len(lost)} lost ({ends})",
        ),
        Check(
            name="France took in exactly what is called delivered, each once",
            ok=not wrong and not twice,
            found=f"{wrong} differ, {twice} came twice",
        ),
    ]


async def _breaches(s: Simulation) -> list[Check]:
    """Breaches by the rows' own times; audit log, webhooks and inbox must have told exactly those, once."""
    rows = [row async for row in _deadlines(s)]
    late = {row.deadline_id for row in rows if _passed(row, s.now)}
    audited: Counter[int] = Counter()
    after = 0
    while True:
        async with s.life.exchange.store.begin(read_only=True) as tx:
            entries = await tx.audit_entries(after=after)
        if not entries:
            break
        after = entries[-1].sequence
        for entry in entries:
            if entry.action == Told.BREACHED.value:
                audited[int(entry.data["deadline_id"] or 0)] += 1
    hooks = Counter(
        int(name.split("_")[1]) for name in s.tally.webhooks.elements() if name.split("_")[2] == "breached"
    )
    inbox = Counter(
        int(str(event.data["deadline_id"]))
        for event in await _events(s)
        if event.type.endswith("breached.v1")
    )
    marked = {row.deadline_id for row in rows if row.state is DeadlineState.BREACHED}
    repeated = [name for name, count in s.tally.webhooks.items() if count > 1]
    return [
        Check(
            name="every breach told once, by audit, webhook and inbox",
            ok=late == marked and audited == hooks == inbox == Counter(late),
            found=f"{len(late)} of {len(rows)} deadlines passed; {sum(audited.values())} audited,"
            f" {sum(hooks.values())} webhook events, {sum(inbox.values())} inbox events",
        ),
        Check(
            name="every warning told once",
            ok=not repeated,
            found=f"{sum(row.warnings for row in rows)} warnings, {len(repeated)} told again",
        ),
    ]


def _passed(row: Deadline, now: dt.datetime) -> bool:
    """Whether its last instant went by before anything ended it."""
    return row.due_at < min(row.closed_at or now, now)


async def _events(s: Simulation) -> list[InboxEvent]:
    """All events of the inbox: the UK of the simulation acknowledges messages only."""
    found: list[InboxEvent] = []
    while True:
        after = found[-1].sequence if found else 0
        async with s.life.exchange.store.begin(read_only=True) as tx:
            page = await tx.inbox_events(after=after, limit=500)
        if not page:
            return found
        found += page


async def _deadlines(s: Simulation) -> AsyncIterator[Deadline]:
    cursor: str | None = None
    while True:
        async with s.life.exchange.store.begin(read_only=True) as tx:
            page = await tx.deadlines(DeadlineFilter(), cursor=cursor, limit=200)
        for row in page.items:
            yield row
        cursor = page.next_cursor
        if cursor is None:
            return


async def _quotas(s: Simulation) -> list[Check]:
    """Places are added up entry by entry, not read from the sums."""
    exchange = s.life.exchange
    places: Counter[tuple[str, Side]] = Counter()
    after = 0
    while True:
        async with exchange.store.begin(read_only=True) as tx:
            rows = await tx.list_entries(after=after)
            changes = await tx.quota_changes()
        if not rows:
            break
        after = rows[-1].entry_id
        for row in rows:
            places[row.week, row.side] += row.persons
    found: list[Check] = []
    for kind in QuotaKind:
        weeks = {week: n for (week, side), n in places.items() if side is kind.side}
        over = [w for w, n in weeks.items() if n > limit_of(kind, w, changes, exchange.agreement)[0]]
        fullest = max(weeks.values(), default=0)
        found.append(
            Check(
                name=f"quota of {kind.value} never exceeded",
                ok=not over and bool(weeks),
                found=f"{len(weeks)} weeks, {fullest} places in the fullest, {len(over)} weeks over",
            )
        )
    return found
