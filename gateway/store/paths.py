"""How a listing of messages is found: which index is walked, from where, and what is looked at on the way.

A *branch* is a stretch of one index whose last column is the sequence, so that it is read in the order of the
listing. A filter takes the branches of its most telling condition (``branches_of``); the other conditions are
looked at row by row (``rests_of``), but never at more than ``WALK`` rows for one page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, literal, literal_column, or_, select, text, tuple_

from contracts.codes import Direction, MessageType
from gateway.core.records import MessageStatus
from gateway.core.treaty import quotas
from gateway.flows.ports_search import MessageFilter
from gateway.store import tables as t

WALK = 5_000
"""Rows that are looked at for one page at the most."""
MANY = 2_000
"""References or ids with a common beginning: so many are sorted, more are walked."""
BRANCHES = 40
"""Stretches that one page may be put together from."""
LAST = 2**62
WHOLE_ID = 36

_M, _O = t.messages.c, t.outbox.c


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """Rows with ``values`` in ``columns``, in order of their sequence."""

    columns: tuple[str, ...] = ()
    values: tuple[str | int, ...] = ()
    where: str = ""
    """Of a partial index, word for word."""

    def select(
        self, names: Sequence[str], *, after: int, until: int, newest_first: bool, dialect: str
    ) -> Select[Any]:
        """Its rows with a sequence between both, these left out. On PostgreSQL the last column is compared as
        a row with the sequence: as an equality it would let the planner walk the primary key instead, which
        passes over any number of other rows. Only the last: a scan ends by the first column of a row."""
        keys = [_M[name] for name in self.columns]
        inside: list[ColumnElement[bool]]
        same = [key == literal(v, key.type) for key, v in zip(keys, self.values, strict=True)]
        if dialect == "postgresql" and keys:
            row, value = tuple_(keys[-1], _M.sequence), literal(self.values[-1], keys[-1].type)
            inside = [
                *same[:-1],
                row > tuple_(value, literal(after, _M.sequence.type)),
                row < tuple_(value, literal(until, _M.sequence.type)),
            ]
            keys = keys[-1:]
        else:
            inside = [*same, _M.sequence > after, _M.sequence < until]
            keys = []
        if self.where:
            inside.append(text(self.where))  # type: ignore[arg-type]  # SQLAlchemy takes it as a condition
        ordered = [c.desc() if newest_first else c.asc() for c in (*keys, _M.sequence)]
        return select(*(_M[name] for name in names)).where(*inside).order_by(*ordered)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rest:
    """A condition that is looked at row by row: which columns it needs, and what it says of them."""

    columns: tuple[str, ...]
    holds: Callable[[Any], ColumnElement[bool]]


def all_types(where: MessageFilter) -> tuple[MessageType, ...]:
    return tuple(dict.fromkeys((*where.types, *([where.type] if where.type else ()))))


def all_statuses(where: MessageFilter) -> tuple[MessageStatus, ...]:
    return tuple(dict.fromkeys((*where.statuses, *([where.status] if where.status else ()))))


def _one_of(name: str, values: Sequence[str]) -> Rest:
    return Rest(columns=(name,), holds=lambda c: c[name].in_(list(values)))


def _same(name: str, value: str) -> Rest:
    return Rest(columns=(name,), holds=lambda c: c[name] == value)


def _begins(name: str, value: str) -> Rest:
    return Rest(columns=(name,), holds=lambda c: c[name].startswith(value, autoescape=True))


def _id(prefix: str) -> Rest:
    begins = _begins("message_id", prefix)
    if len(prefix) < WHOLE_ID:
        return begins
    return Rest(
        columns=("message_id", "conversation_id"),
        holds=lambda c: or_(c["message_id"] == prefix, c["conversation_id"] == prefix),
    )


def _queued(endpoint: str) -> Rest:
    def holds(c: Any) -> ColumnElement[bool]:
        return exists().where(_O.message_id == c["message_id"], _O.endpoint == endpoint)

    return Rest(columns=("message_id",), holds=holds)


def _unproven() -> Rest:
    return Rest(
        columns=("receipt_verified", "direction"),
        holds=lambda c: and_(c["receipt_verified"] == 0, c["direction"] == Direction.UK_TO_FR.value),
    )


def rests_of(where: MessageFilter) -> dict[str, Rest]:
    """Every condition of the filter, by its name."""
    found: dict[str, Rest] = {}
    if where.reference is not None:
        found["reference"] = _same("reference", where.reference)
    if where.reference_prefix is not None:
        found["reference_prefix"] = _begins("reference", where.reference_prefix)
    if where.id_prefix is not None:
        found["id_prefix"] = _id(where.id_prefix)
    if where.conversation_id is not None:
        found["conversation_id"] = _same("conversation_id", where.conversation_id)
    if types := all_types(where):
        found["types"] = _one_of("type", [v.value for v in types])
    if statuses := all_statuses(where):
        found["statuses"] = _one_of("status", [v.value for v in statuses])
    if where.direction is not None:
        found["direction"] = _same("direction", where.direction.value)
    if where.code is not None:
        found["code"] = _same("code", where.code)
    if where.code_prefix is not None:
        found["code_prefix"] = _begins("code", where.code_prefix)
    if where.attempts_from is not None:
        least = where.attempts_from
        found["attempts"] = Rest(columns=("attempts",), holds=lambda c: c["attempts"] >= least)
    if where.no_receipt:
        found["no_receipt"] = _unproven()
    if where.queued_for is not None:
        found["queued_for"] = _queued(where.queued_for)
    return found | _for_room(where) | _times(where)


def _for_room(where: MessageFilter) -> dict[str, Rest]:
    if where.for_room is None:
        return {}
    codes = sorted(quotas.WAITING)
    if where.for_room:
        return {"for_room": Rest(columns=("code",), holds=lambda c: c["code"].in_(codes))}
    others = Rest(columns=("code",), holds=lambda c: or_(c["code"].is_(None), c["code"].not_in(codes)))
    return {"for_room": others}


def _times(where: MessageFilter) -> dict[str, Rest]:
    found: dict[str, Rest] = {}
    if (start := where.received_from) is not None:
        found["received_from"] = Rest(columns=("received_at",), holds=lambda c: c["received_at"] >= start)
    if (end := where.received_before) is not None:
        found["received_before"] = Rest(columns=("received_at",), holds=lambda c: c["received_at"] < end)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Walk:
    """What is read for a listing: branches, and what is looked at in their rows."""

    branches: tuple[Branch, ...]
    rests: tuple[Rest, ...] = ()

    def without(self, *branches: Branch) -> Walk:
        return replace(self, branches=tuple(b for b in self.branches if b not in branches))


def walk_of(where: MessageFilter, codes: Sequence[str] | None, tries: Sequence[int] | None) -> Walk:
    """``codes`` and ``tries``: the values that stand in the table for ``code_prefix`` and ``attempts_from``,
    when they are few enough to be branches. The first condition that has an index leads."""
    rests = rests_of(where)
    branches, said = _branches(where, codes, tries)
    return Walk(branches=branches, rests=tuple(rest for name, rest in rests.items() if name not in said))


def _branches(
    where: MessageFilter, codes: Sequence[str] | None, tries: Sequence[int] | None
) -> tuple[tuple[Branch, ...], frozenset[str]]:
    """The branches, and the conditions that all their rows fulfil."""
    if where.reference is not None:
        return (Branch(columns=("reference",), values=(where.reference,)),), frozenset({"reference"})
    if where.code is not None:
        return _of_codes([where.code]), frozenset({"code"})
    if where.code_prefix is not None and codes is not None:
        return _of_codes(codes), frozenset({"code_prefix"})
    if where.for_room:
        return _of_codes(sorted(quotas.WAITING)), frozenset({"for_room"})
    if where.attempts_from is not None and tries is not None:
        branches = (Branch(columns=("attempts",), values=(n,), where="attempts >= 2") for n in tries)
        return tuple(branches), frozenset({"attempts"})
    if where.no_receipt:
        unproven = Branch(where="receipt_verified = 0 AND direction = 'UK_TO_FR'")
        return (unproven,), frozenset({"no_receipt"})
    return _of_columns(where)


def _of_codes(codes: Sequence[str]) -> tuple[Branch, ...]:
    return tuple(Branch(columns=("code",), values=(code,), where="code IS NOT NULL") for code in codes)


def _of_columns(where: MessageFilter) -> tuple[tuple[Branch, ...], frozenset[str]]:
    types, statuses = all_types(where), all_statuses(where)
    if types and statuses and len(types) * len(statuses) <= BRANCHES:
        pairs = tuple(
            Branch(columns=("type", "status"), values=(kind.value, status.value))
            for kind in types
            for status in statuses
        )
        return pairs, frozenset({"types", "statuses"})
    if types and len(types) < len(MessageType):
        return (
            tuple(Branch(columns=("type",), values=(kind.value,)) for kind in types),
            frozenset({"types"}),
        )
    if statuses or where.direction is not None:
        ways = (where.direction,) if where.direction is not None else tuple(Direction)
        lanes = tuple(
            Branch(columns=("status", "direction"), values=(status.value, way.value))
            for status in statuses or tuple(MessageStatus)
            for way in ways
        )
        return lanes, frozenset({"statuses", "direction"})
    return (Branch(),), frozenset()


def limited(statement: Any, most: int) -> Any:
    """The number as text: the planner then knows how few rows are wanted."""
    return statement.limit(literal_column(str(int(most))))
