"""Listings of messages whose cost is bounded by the page, not by the table.

(1) Ids, references and the like with few matches are looked up and sorted. (2) Otherwise a time becomes a
range of sequences. (3) ``paths`` says which stretches of which index are walked. (4) Each stretch is read
until the page is full or ``WALK`` rows were looked at in all. (5) What was found is merged down to the place
that every stretch has reached.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    bindparam,
    func,
    literal_column,
    select,
    text,
    union_all,
)

from gateway.core.records import MessageRecord, Page
from gateway.flows.ports_search import Bounded, MessageFilter
from gateway.store import cursors
from gateway.store import tables as t
from gateway.store.base import TransactionBase
from gateway.store.paths import (
    BRANCHES,
    LAST,
    MANY,
    WALK,
    WHOLE_ID,
    Branch,
    Rest,
    Walk,
    limited,
    rests_of,
    walk_of,
)
from gateway.store.rows import record_of

_M, _O = t.messages.c, t.outbox.c
_OUT_OF_ORDER = dt.timedelta(minutes=5)
"""How far ``received_at`` may be off the order of acceptance: clocks of nodes, waiting for the lock."""
LARGEST_PAGE = 200
"""Messages; a count asks for more, and is content with what ``WALK`` rows tell."""
_PROBES = 16
_AT_ONCE = 500
_END = "zzzzzzzz"
"""Behind every identifier and code that begins alike, in any collation."""
_CAREFUL = text(  # until the transaction ends: a bound in time, and no plan that sorts all that it finds
    "SELECT set_config('statement_timeout', '5000', true), set_config('jit', 'off', true),"
    " set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true)"
)

_PROBE = text(  # as text: SQLAlchemy would take longer to recognise the statement than the database to run it
    " UNION ALL ".join(
        f"SELECT {n} AS probe, sequence, received_at FROM (SELECT sequence, received_at FROM messages"  # noqa: S608 — a number
        f" WHERE sequence >= :from_{n} ORDER BY sequence LIMIT 1) AS p{n}"
        for n in range(_PROBES)
    )
)
_EDGES = select(  # each by itself is one look-up; together SQLite would read the table
    select(func.min(_M.sequence)).scalar_subquery().label("least"),
    select(func.max(_M.sequence)).scalar_subquery().label("most"),
)
_NEXT_CODE = select(func.min(_M.code)).where(
    _M.code.is_not(None), _M.code > bindparam("after"), _M.code < bindparam("end")
)
_NEXT_TRIES = select(func.min(_M.attempts)).where(text("attempts >= 2"), _M.attempts > bindparam("after"))
_SENDERS = select(func.min(_M.client_id)).where(_M.client_id > bindparam("after"))
_AS4 = select(_M.sequence).where(
    _M.client_id == bindparam("sender"), _M.as4_message_id == bindparam("as4_id")
)
_ID = select(_M.sequence).where(_M.message_id == bindparam("id"))
_CONVERSATION = (
    select(_M.sequence)
    .join_from(t.cases, t.messages, _M.reference == t.cases.c.reference)
    .where(t.cases.c.conversation_id == bindparam("conversation"))
    .limit(bindparam("most"))
)


def _position(connection: Connection, at: dt.datetime) -> int:
    """The first sequence whose message was received at that instant or later, or one more than the last: a
    search in a list that is sorted but for ``_OUT_OF_ORDER``, by look-ups of the primary key."""
    edges = connection.execute(_EDGES).one()
    if edges.least is None:
        return 0
    low, high = int(edges.least), int(edges.most) + 1
    best, since = high, t.to_ms(at)
    while low < high:  # everything below ``low`` is earlier; the answer is in between, or ``best``
        step = max(1, -(-(high - low) // _PROBES))
        starts = [low + n * step for n in range(_PROBES)]
        values = {f"from_{n}": start if start < high else LAST for n, start in enumerate(starts)}
        rows = {int(row.probe): row for row in connection.execute(_PROBE, values).all()}
        for n, start in enumerate(starts):
            row = rows.get(n)
            if row is None or row.sequence >= high:
                high = min(high, start)  # nothing stands between
                break
            if row.received_at >= since:
                best, high = int(row.sequence), min(high, start)
                break
            low = max(low, int(row.sequence) + 1)
    return best


def _distinct(connection: Connection, statement: Any, after: str | int, **bounds: str) -> list[Any] | None:
    """The values that stand in an index, each found by one look-up; None when they are many."""
    found: list[Any] = []
    while True:
        value = connection.execute(statement, {"after": after, **bounds}).scalar_one_or_none()
        if value is None:
            return found
        if len(found) == BRANCHES:
            return None
        found.append(value)
        after = value


def _codes(connection: Connection, prefix: str) -> list[str] | None:
    """A prefix sorts before all that begins with it; what else lies between is left out."""
    exact = connection.execute(
        select(_M.code).where(_M.code.is_not(None), _M.code == prefix).limit(1)
    ).first()
    found = _distinct(connection, _NEXT_CODE, prefix, end=prefix + _END)
    if found is None:
        return None
    return [*([prefix] if exact else ()), *(code for code in found if code.startswith(prefix))]


def _with_prefix(connection: Connection, column: Any, prefix: str) -> list[int] | None:
    """Sequences of the few messages whose column begins so; None when there are many."""
    statement = select(_M.sequence, column).where(column >= prefix, column < prefix + _END)
    rows = connection.execute(limited(statement, MANY + 1)).all()
    return None if len(rows) > MANY else [int(row[0]) for row in rows if str(row[1]).startswith(prefix)]


def _of_conversation(connection: Connection, conversation: str) -> list[int]:
    """That of one case has few messages."""
    values = {"conversation": conversation, "most": WALK}
    return [int(n) for n in connection.execute(_CONVERSATION, values).scalars().all()]


def _with_id(connection: Connection, prefix: str) -> list[int] | None:
    if len(prefix) < WHOLE_ID:
        return _with_prefix(connection, _M.message_id, prefix)
    found = [int(n) for n in connection.execute(_ID, {"id": prefix}).scalars().all()]
    return found or _of_conversation(connection, prefix)


def _with_as4_id(connection: Connection, as4_id: str) -> list[int]:
    """Of the partner's messages, whoever sent them; of ours by the part before the @, our own id."""
    found = list(connection.execute(_ID, {"id": as4_id.partition("@")[0]}).scalars().all())
    for sender in _distinct(connection, _SENDERS, "") or ():
        found += connection.execute(_AS4, {"sender": sender, "as4_id": as4_id}).scalars().all()
    return [int(sequence) for sequence in found]


def _queued(connection: Connection, endpoint: str) -> list[int] | None:
    """Sequences of what waits for that endpoint, when the outbox is short."""
    rows = connection.execute(limited(select(_O.message_id, _O.endpoint), WALK + 1)).all()
    ids = sorted({row.message_id for row in rows if row.endpoint == endpoint})
    if len(rows) > WALK or len(ids) > MANY:
        return None
    found: list[int] = []
    for start in range(0, len(ids), _AT_ONCE):
        some = select(_M.sequence).where(_M.message_id.in_(ids[start : start + _AT_ONCE]))
        found += connection.execute(some).scalars().all()
    return [int(sequence) for sequence in found]


def _few(connection: Connection, where: MessageFilter) -> set[int] | None:
    """(1) Sequences of all messages that a telling condition leaves, or None when none is so telling."""
    sets: list[list[int]] = []
    if where.as4_message_id is not None:
        sets.append(_with_as4_id(connection, where.as4_message_id))
    if where.conversation_id is not None:
        sets.append(_of_conversation(connection, where.conversation_id))
    if where.id_prefix is not None and (ids := _with_id(connection, where.id_prefix)) is not None:
        sets.append(ids)
    prefix = where.reference_prefix
    if prefix is not None and (cases := _with_prefix(connection, _M.reference, prefix)) is not None:
        sets.append(cases)
    if where.queued_for is not None and (queued := _queued(connection, where.queued_for)) is not None:
        sets.append(queued)
    return set.intersection(*map(set, sets)) if sets else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """``sequences`` in the order of the listing; ``edge``: how far was looked, None: to the end."""

    sequences: list[int]
    edge: int | None


class _Reader:
    """Reads one page of at most ``limit`` messages and one more."""

    def __init__(self, connection: Connection, *, limit: int, newest_first: bool) -> None:
        self._connection, self._limit, self._newest_first = connection, limit, newest_first
        self._dialect = connection.dialect.name

    def find(self, where: MessageFilter, position: int | None) -> _Found:
        """At most ``limit`` + 1 sequences behind ``position``."""
        ranged = self._ranged(where, position)
        return ranged if isinstance(ranged, _Found) else self._walked(*ranged)

    def count(self, where: MessageFilter) -> Bounded:
        """Of them all; any ``limit`` + 1 will do, in no order."""
        ranged = self._ranged(where, None)
        if isinstance(ranged, _Found):
            number, cut = len(ranged.sequences), False
        else:
            number, cut = self._counted(*ranged)
        return Bounded(value=min(number, self._limit), more=number > self._limit or cut)

    def _ranged(self, where: MessageFilter, position: int | None) -> _Found | tuple[Walk, int, int]:
        """(1) to (3): what was found, or what is walked between which sequences."""
        after, until = -1, LAST
        if position is not None:
            after, until = (after, position) if self._newest_first else (position, until)
        few = _few(self._connection, where)
        if few is not None:
            return self._of_few(where, [n for n in few if after < n < until])
        if where.received_from is not None:  # (2)
            after = max(after, _position(self._connection, where.received_from - _OUT_OF_ORDER) - 1)
        if where.received_before is not None:
            until = min(until, _position(self._connection, where.received_before + _OUT_OF_ORDER))
        codes = tries = None
        if where.code_prefix is not None:
            codes = _codes(self._connection, where.code_prefix)
        if where.attempts_from is not None and where.attempts_from > 1:
            tries = _distinct(self._connection, _NEXT_TRIES, where.attempts_from - 1)
        return walk_of(where, codes, tries), after, until  # (3)

    def _of_few(self, where: MessageFilter, few: list[int]) -> _Found:
        rests = [rest.holds(_M) for rest in rests_of(where).values()]
        found: list[int] = []
        few.sort(reverse=self._newest_first)
        for start in range(0, len(few), _AT_ONCE):
            some = few[start : start + _AT_ONCE]
            statement = select(_M.sequence).where(_M.sequence.in_(some), *rests)
            hits = {int(n) for n in self._connection.execute(statement).scalars().all()}
            found += [n for n in some if n in hits]
            if len(found) > self._limit:
                break
        return _Found(sequences=found[: self._limit + 1], edge=None)

    def _walked(self, walk: Walk, after: int, until: int) -> _Found:
        """(4) and (5)."""
        if not walk.branches:
            return _Found(sequences=[], edge=None)
        found: list[list[int]] = [[] for _ in walk.branches]
        for row in self._connection.execute(self._every(walk, after, until)).all():
            found[row.branch].append(int(row.sequence))
        short = [n for n, part in enumerate(found) if len(part) <= self._limit]
        full = [part for part in found if len(part) > self._limit]
        edges = [min(part) if self._newest_first else max(part) for part in full]
        return self._merged(found, [*edges, *self._edges(walk, short, after, until)])

    def _counted(self, walk: Walk, after: int, until: int) -> tuple[int, bool]:
        """How many there are, counted by the database, and whether (4) ended before the rows did."""
        if not walk.branches:
            return 0, False
        some = limited(self._every(walk, after, until), self._limit + 1).subquery()
        number = int(self._connection.execute(select(func.count()).select_from(some)).scalar_one())
        if number > self._limit:
            return number, True
        return number, bool(self._edges(walk, range(len(walk.branches)), after, until))

    def _every(self, walk: Walk, after: int, until: int) -> Any:
        """Rows of all branches: which branch, and the sequence."""
        if self._dialect == "postgresql":
            self._connection.execute(_CAREFUL)
        most = self._most(walk)
        parts = [
            self._part(n, branch, walk.rests, after, until, most) for n, branch in enumerate(walk.branches)
        ]
        return parts[0] if len(parts) == 1 else union_all(*(select(p.subquery()) for p in parts))

    def _most(self, walk: Walk) -> int:
        """Rows of one branch that are looked at: enough for a page, even from one branch alone."""
        return max(WALK // len(walk.branches), min(self._limit, LARGEST_PAGE) + 1)

    def _part(
        self, number: int, branch: Branch, rests: Sequence[Rest], after: int, until: int, most: int
    ) -> Select[Any]:
        label: Any = literal_column(str(number)).label("branch")
        wanted = self._limit + 1
        names = list(dict.fromkeys(("sequence", *(name for rest in rests for name in rest.columns))))
        walked = branch.select(
            names, after=after, until=until, newest_first=self._newest_first, dialect=self._dialect
        )
        rows = limited(walked, most if rests else wanted).subquery()
        kept = select(label, rows.c.sequence).where(*(rest.holds(rows.c) for rest in rests))
        return limited(kept, wanted) if rests else kept

    def _edges(self, walk: Walk, numbers: Sequence[int], after: int, until: int) -> list[int]:
        """Of those branches that hold more rows than were looked at, the last of these."""
        if not walk.rests or not numbers:
            return []
        last: Any = literal_column(str(self._most(walk) - 1))
        walked = [
            walk.branches[n].select(
                ["sequence"], after=after, until=until, newest_first=self._newest_first, dialect=self._dialect
            )
            for n in numbers
        ]
        parts = [select(limited(rows, 1).offset(last).subquery()) for rows in walked]
        statement = parts[0] if len(parts) == 1 else union_all(*parts)
        return [int(n) for n in self._connection.execute(statement).scalars().all()]

    def _merged(self, found: list[list[int]], edges: list[int]) -> _Found:
        edge = (max(edges) if self._newest_first else min(edges)) if edges else None
        every = sorted((n for part in found for n in part), reverse=self._newest_first)
        if edge is not None:
            every = [n for n in every if (n >= edge if self._newest_first else n <= edge)]
        return _Found(sequences=every[: self._limit + 1], edge=edge)


def list_page(
    connection: Connection, where: MessageFilter, *, cursor: str | None, limit: int, newest_first: bool
) -> Page[MessageRecord]:
    """Raises BadCursor."""
    listing, turned = ("messages-", "messages+") if newest_first else ("messages+", "messages-")
    position = None if cursor is None else int(cursors.decode(cursor, listing, (int,))[0])
    found = _Reader(connection, limit=limit, newest_first=newest_first).find(where, position)
    shown, full = found.sequences[:limit], len(found.sequences) > limit
    items = _records(connection, shown)
    reached = shown[-1] if full else found.edge
    return Page(
        items=items,
        next_cursor=None if reached is None else cursors.encode(listing, (reached,)),
        cut=not full and reached is not None,
        turned_cursor=_turned(turned, shown, position),
    )


def _turned(listing: str, shown: Sequence[int], position: int | None) -> str | None:
    """None on a first page: nothing came before it."""
    if position is None:
        return None
    return cursors.encode(listing, (shown[0] if shown else position,))


def _records(connection: Connection, sequences: Sequence[int]) -> tuple[MessageRecord, ...]:
    if not sequences:
        return ()
    rows = connection.execute(select(t.messages).where(_M.sequence.in_(sequences))).all()
    by_sequence = {int(row.sequence): row for row in rows}
    return tuple(record_of(by_sequence[n]) for n in sequences if n in by_sequence)


def count(connection: Connection, where: MessageFilter, *, most: int) -> Bounded:
    """``more``: the search stopped, so there may be more."""
    return _Reader(connection, limit=most, newest_first=True).count(where)


class ListingTransaction(TransactionBase):
    async def list_messages(
        self,
        where: MessageFilter,
        *,
        cursor: str | None = None,
        limit: int = 50,
        newest_first: bool = True,
    ) -> Page[MessageRecord]:
        return await self._run(
            lambda c: list_page(c, where, cursor=cursor, limit=limit, newest_first=newest_first),
            heavy=True,
        )
