"""What an action on many messages would do to each of them, before anybody confirms it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.batches import Planned, Seen, counted, digest_of
from gateway.core.errors import InvalidParameter, NotFound
from gateway.core.resend import Action, Facts
from gateway.flows.exchange import Exchange
from gateway.flows.message_search import MessageQuery, canonical, narrow
from gateway.flows.ports import Transaction
from gateway.flows.resending import verdict_on

SELECTED: Final = "selected"
"""How a set is described whose messages were named one by one."""
ALL: Final = "all"
"""… that is not narrowed at all."""
_PAGE: Final = 500
_PAGES: Final = 200
"""A search that finds little in much stops after so many pages, each of bounded work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which messages: named by id, or all that a query finds. Raises InvalidParameter for both or none."""

    ids: tuple[str, ...] = ()
    query: MessageQuery | None = None

    def __post_init__(self) -> None:
        if bool(self.ids) == (self.query is not None):
            raise InvalidParameter("name messages, or give a filter: one of the two")

    @property
    def text(self) -> str:
        """For people and for the audit log; a query holds nothing personal."""
        return SELECTED if self.query is None else canonical(self.query) or ALL


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """The dry run of a batch; nothing was changed."""

    action: Action
    items: tuple[Planned, ...]
    """In the order of acceptance."""
    seen: Seen
    """To be handed back when the batch is made."""
    second_person: bool

    @property
    def to_do(self) -> int:
        return sum(item.to_do for item in self.items)

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """By status, verdict and reason."""
        return counted(self.items)


async def preview(exchange: Exchange, selection: Selection, action: Action) -> Preview:
    """Judge every message of the selection. Raises InvalidParameter (more than ``batches.most``), NotFound
    (a named message)."""
    now = exchange.clock.now()
    async with exchange.store.begin(read_only=True) as tx:
        items = await look_at(tx, exchange, selection, action, now)
    return preview_of(exchange, action, items, now)


def preview_of(exchange: Exchange, action: Action, items: tuple[Planned, ...], now: dt.datetime) -> Preview:
    to_do = sum(item.to_do for item in items)
    return Preview(
        action=action,
        items=items,
        seen=Seen(digest=digest_of(action, items), count=len(items), at=now),
        second_person=exchange.batches.needs_second_person(to_do),
    )


async def look_at(
    tx: Transaction,
    exchange: Exchange,
    selection: Selection,
    action: Action,
    now: dt.datetime,
    *,
    apart_from: str | None = None,
) -> tuple[Planned, ...]:
    """The messages as they are judged now, in the order of acceptance. Raises as ``preview``."""
    ids = await _ids(tx, exchange, selection, now)
    facts = await tx.resend_facts(ids, now=now, apart_from=apart_from)
    missing = [message_id for message_id in ids if message_id not in facts]
    if missing:
        raise NotFound(f"no such message: {missing[0][:36]}")
    rows = sorted(facts.values(), key=lambda f: f.record.sequence)
    return tuple(planned(exchange, action, f) for f in rows)


def planned(exchange: Exchange, action: Action, facts: Facts) -> Planned:
    record = facts.record
    verdict, why = verdict_on(exchange, action, facts)
    return Planned(
        message_id=record.message_id,
        reference=record.reference,
        type=record.type,
        status=record.status,
        code=record.code,
        verdict=verdict,
        why=why,
        updated_at=record.updated_at,
    )


async def _ids(tx: Transaction, exchange: Exchange, selection: Selection, now: dt.datetime) -> Sequence[str]:
    most = exchange.batches.most
    if selection.query is None:
        ids = tuple(dict.fromkeys(selection.ids))
        if len(ids) > most:
            raise InvalidParameter(f"more than {most} messages in one batch; take fewer")
        return ids
    where = narrow(selection.query, now)
    found: list[str] = []
    cursor: str | None = None
    for _ in range(_PAGES):
        page = await tx.list_messages(where, cursor=cursor, limit=_PAGE, newest_first=False)
        found += [record.message_id for record in page.items]
        if len(found) > most:
            raise InvalidParameter(f"more than {most} messages match; narrow the filter")
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise InvalidParameter(
        "the filter would have to search too much; narrow it, for example by time or status"
    )
