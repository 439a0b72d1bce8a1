"""The first page: what needs action, both routes, how many messages of each kind stand where.

Every part is a seek in an index or a sum that is kept, so that it costs the same with ten million messages.
Each figure carries the query of the list behind it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from contracts.codes import Direction, MessageType
from gateway.core.batches import BatchState
from gateway.core.records import Breaker, MessageRecord, MessageStatus
from gateway.core.treaty.clocks import Deadline
from gateway.flows.alert_conditions import Certificate
from gateway.flows.exchange import Exchange
from gateway.flows.message_search import MessageQuery, canonical, narrow
from gateway.flows.ports import Transaction
from gateway.flows.ports_actions import BatchRecord
from gateway.flows.ports_search import Bounded, MessageFilter, Place, RouteMarks
from gateway.flows.uk_receipts import instant

Json = dict[str, Any]
FIRST: Final = 5
"""Rows shown of each group."""
MOST: Final = 1000
"""Beyond it a group says "more than"."""
REFUSED_FOR: Final = "7 d"
"""So long a refusal by the other side stands among what needs action."""
_UNDELIVERED: Final = (MessageStatus.ACCEPTED, MessageStatus.SENDING)
_BACKLOG: Final = {
    Direction.UK_TO_FR: _UNDELIVERED,
    Direction.FR_TO_UK: (*_UNDELIVERED, MessageStatus.DELIVERED, MessageStatus.FAILED),
}
_ONLY_HERE: Final = {
    "as4-sign": Direction.UK_TO_FR,
    "as4-decrypt": Direction.FR_TO_UK,
    "encryption": Direction.UK_TO_FR,
    "signature": Direction.FR_TO_UK,
    "tls": Direction.FR_TO_UK,
}
"""Words in the name of a certificate (``gateway.certificates``) that only one direction depends on; ours for
signing and the partner's for decryption when we send, the others, and our TLS server, when France does."""


class Need(StrEnum):
    """What needs action, the most pressing first."""

    BREACHED = "breached"
    DUE_SOON = "due_soon"
    """Time limits that were warned of."""
    DEAD_LETTERS = "dead_letters"
    NEGATIVE = "negative_acknowledgements"
    HELD = "held"
    """For a decision; not what waits for room in a quota."""
    SECOND_PERSON = "second_person"
    """Held messages and batches that one operator has approved."""
    QUOTA = "waiting_for_quota"
    """Messages that wait for room in a quota, and those that follow them: nobody decides, they leave by
    themselves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """One kind of need: how many there are, and the first of them."""

    need: Need
    count: Bounded
    query: str | None
    """Of the list of messages behind the count; None: the list is another one."""
    messages: tuple[MessageRecord, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    batches: tuple[BatchRecord, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteCard:
    """One direction."""

    direction: Direction
    last_success_at: dt.datetime | None
    oldest_waiting: MessageRecord | None
    oldest_unacknowledged: MessageRecord | None
    backlog: int
    """To France: accepted and not delivered; from France: what is in the inbox."""
    backlog_query: str
    circuits: tuple[Breaker, ...]
    """To France that of its access point, from France those of the webhooks."""
    certificates: tuple[Certificate, ...]
    """That this direction depends on, the first to expire first."""

    @property
    def paused(self) -> bool:
        return any(circuit.paused for circuit in self.circuits)

    @property
    def open(self) -> bool:
        """Whether a circuit breaker is open."""
        return any(circuit.opened_at is not None for circuit in self.circuits)

    def days_left(self, now: dt.datetime) -> int | None:
        """Whole days until the first certificate expires; negative: since."""
        return (self.certificates[0].not_after - now).days if self.certificates else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    at: dt.datetime
    groups: tuple[Group, ...]
    """All kinds, also those with nothing in them, in the order of ``Need``."""
    routes: tuple[RouteCard, ...]
    counts: Mapping[Place, int]

    @property
    def calm(self) -> bool:
        """Nothing needs action (what waits for room does not), and both routes carry messages."""
        needed = any(group.count.value for group in self.groups if group.need is not Need.QUOTA)
        return not needed and not any(route.open or route.paused for route in self.routes)


async def overview(exchange: Exchange, *, certificates: Sequence[Certificate] = ()) -> Overview:
    """All of it as of one reading. ``certificates``: those in use, as the node that asks knows them."""
    now = exchange.clock.now()
    async with exchange.store.begin(read_only=True) as tx:
        counts = await tx.message_counts()
        groups = (
            await _pressing(tx, breached=True),
            await _pressing(tx, breached=False),
            await _messages(tx, Need.DEAD_LETTERS, MessageQuery(statuses=(MessageStatus.FAILED,)), now),
            await _messages(tx, Need.NEGATIVE, _refused(), now),
            await _held(tx, for_room=False),
            await _half_approved(tx),
            await _held(tx, for_room=True),
        )
        routes = tuple(
            [
                _card(
                    direction,
                    await tx.route_marks(direction),
                    counts,
                    await _circuits(tx, exchange, direction),
                    certificates,
                )
                for direction in Direction
            ]
        )
    return Overview(at=now, groups=groups, routes=routes, counts=counts)


def _refused() -> MessageQuery:
    statuses, direction = (MessageStatus.REJECTED,), Direction.UK_TO_FR
    return MessageQuery(statuses=statuses, direction=direction, newer=REFUSED_FOR)


async def _messages(tx: Transaction, need: Need, query: MessageQuery, now: dt.datetime) -> Group:
    """The oldest first: they have waited longest."""
    where = narrow(query, now)
    page = await tx.list_messages(where, limit=FIRST, newest_first=need is Need.NEGATIVE)
    count = await tx.count_messages(where, most=MOST)
    return Group(need=need, count=count, query=canonical(query), messages=page.items)


async def _held(tx: Transaction, *, for_room: bool) -> Group:
    """What waits for room is counted only: no row of it presses anybody."""
    where = MessageFilter(status=MessageStatus.HELD, direction=Direction.UK_TO_FR, for_room=for_room)
    count = await tx.count_messages(where, most=MOST)
    if for_room:
        return Group(need=Need.QUOTA, count=count, query=None)
    page = await tx.list_messages(where, limit=FIRST, newest_first=False)
    return Group(need=Need.HELD, count=count, query=None, messages=page.items)


async def _pressing(tx: Transaction, *, breached: bool) -> Group:
    return Group(
        need=Need.BREACHED if breached else Need.DUE_SOON,
        count=await tx.count_pressing(breached=breached, most=MOST),
        query=None,
        deadlines=await tx.pressing_deadlines(breached=breached, limit=FIRST),
    )


async def _half_approved(tx: Transaction) -> Group:
    waiting = await tx.list_batches(state=BatchState.WAITING, limit=MOST)
    number = await tx.count_half_approved() + len(waiting.items)
    return Group(
        need=Need.SECOND_PERSON,
        count=Bounded(value=min(number, MOST), more=number > MOST or waiting.next_cursor is not None),
        query=None,
        messages=await tx.half_approved(limit=FIRST),
        batches=waiting.items[:FIRST],
    )


async def _circuits(tx: Transaction, exchange: Exchange, direction: Direction) -> tuple[Breaker, ...]:
    hooks = sorted(hook.webhook_id for hook in exchange.webhooks)
    names = [exchange.french_party] if direction is Direction.UK_TO_FR else hooks
    return tuple([await tx.breaker(name) for name in names])


def _needed_by(certificate: Certificate) -> tuple[Direction, ...]:
    only = {_ONLY_HERE[word] for word in certificate.name.split() if word in _ONLY_HERE}
    return tuple(only) or tuple(Direction)


def _card(
    direction: Direction,
    marks: RouteMarks,
    counts: Mapping[Place, int],
    circuits: tuple[Breaker, ...],
    certificates: Sequence[Certificate],
) -> RouteCard:
    needed = [c for c in certificates if direction in _needed_by(c)]
    waiting = _BACKLOG[direction]
    return RouteCard(
        direction=direction,
        last_success_at=marks.last_success_at,
        oldest_waiting=marks.oldest_waiting,
        oldest_unacknowledged=marks.oldest_unacknowledged,
        backlog=sum(
            number
            for place, number in counts.items()
            if place.direction is direction and place.status in waiting
        ),
        backlog_query=canonical(MessageQuery(statuses=waiting, direction=direction)),
        circuits=circuits,
        certificates=tuple(sorted(needed, key=lambda c: c.not_after)),
    )


# ---- the counts as a table ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    count: int
    query: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """The messages of one type in one direction."""

    type: MessageType
    direction: Direction
    cells: Mapping[MessageStatus, Cell]
    """Every status is there."""
    total: Cell


def matrix(counts: Mapping[Place, int]) -> tuple[Line, ...]:
    """One line for each type and direction that has messages, in the order of the procedure."""
    lines = []
    for direction in Direction:
        for kind in MessageType:
            numbers = {s: counts.get(Place(kind, direction, s), 0) for s in MessageStatus}
            if any(numbers.values()):
                lines.append(_line(kind, direction, numbers))
    return tuple(lines)


def _line(kind: MessageType, direction: Direction, numbers: Mapping[MessageStatus, int]) -> Line:
    def query(*statuses: MessageStatus) -> str:
        return canonical(MessageQuery(types=(kind,), direction=direction, statuses=statuses))

    return Line(
        type=kind,
        direction=direction,
        cells={status: Cell(count=n, query=query(status)) for status, n in numbers.items()},
        total=Cell(count=sum(numbers.values()), query=query()),
    )


# ---- as JSON ------------------------------------------------------------------------------------


def counts_view(counts: Mapping[Place, int]) -> list[Json]:
    """One object for each cell that is not empty."""
    return [
        {"type": kind.value, "direction": way.value, "status": status.value, "messages": number}
        for (kind, way, status), number in sorted(counts.items())
    ]


def overview_view(seen: Overview) -> Json:
    """For the command line: instants ISO 8601 UTC, no content."""
    return {
        "at": instant(seen.at),
        "calm": seen.calm,
        "needs": [_group_view(group) for group in seen.groups],
        "routes": [_card_view(card, seen.at) for card in seen.routes],
        "counts": counts_view(seen.counts),
    }


def _group_view(group: Group) -> Json:
    return {
        "need": group.need.value,
        "count": group.count.value,
        "more": group.count.more,
        "query": group.query,
        "messages": [_short(record) for record in group.messages],
        "deadlines": [
            {
                "reference": row.reference,
                "message_id": row.message_id,
                "clock": row.clock,
                "state": row.state.value,
                "due_at": instant(row.due_at),
            }
            for row in group.deadlines
        ],
        "batches": [
            {"batch_id": batch.batch_id, "action": batch.action.value, "count": batch.count}
            for batch in group.batches
        ],
    }


def _card_view(card: RouteCard, now: dt.datetime) -> Json:
    return {
        "direction": card.direction.value,
        "last_success_at": None if card.last_success_at is None else instant(card.last_success_at),
        "oldest_waiting": _maybe(card.oldest_waiting),
        "oldest_unacknowledged": _maybe(card.oldest_unacknowledged),
        "backlog": card.backlog,
        "backlog_query": card.backlog_query,
        "paused": card.paused,
        "breaker_open": card.open,
        "certificate_days_left": card.days_left(now),
    }


def _short(record: MessageRecord) -> Json:
    return {
        "message_id": record.message_id,
        "reference": record.reference,
        "type": record.type.value,
        "status": record.status.value,
        "code": record.code,
        "received_at": instant(record.received_at),
    }


def _maybe(record: MessageRecord | None) -> Json | None:
    return None if record is None else _short(record)
