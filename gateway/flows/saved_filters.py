"""Filters of messages that people keep under a name, for themselves or for all of their side."""

from __future__ import annotations

from typing import Final

from gateway.core.errors import InvalidParameter, NotFound
from gateway.core.roles import Side
from gateway.flows.exchange import Exchange
from gateway.flows.message_search import canonical, parse_text
from gateway.flows.ports_search import SavedFilter

MOST: Final = 50
"""Filters of one person."""
_LONGEST_NAME: Final = 80


async def save(
    exchange: Exchange, *, name: str, query: str, owner: str, side: Side, shared: bool = False
) -> SavedFilter:
    """Kept in its canonical form; one of the same name is replaced. Raises InvalidParameter for a name that
    is missing or too long, a query that cannot be read or asks nothing, and beyond ``MOST`` filters."""
    name = " ".join(name.split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidParameter(f"a filter needs a name of 1 to {_LONGEST_NAME} characters")
    text = canonical(parse_text(query))
    if not text:
        raise InvalidParameter("a filter that asks for nothing is not worth keeping")
    async with exchange.store.begin() as tx:
        own = [f for f in await tx.saved_filters(side, owner) if f.owner == owner]
        before = next((f for f in own if f.name == name), None)
        if before is None and len(own) >= MOST:
            raise InvalidParameter(f"you have {MOST} filters already: remove one first")
        saved = SavedFilter(
            filter_id=exchange.clock.new_id() if before is None else before.filter_id,
            owner=owner,
            side=side,
            shared=shared,
            name=name,
            query=text,
            saved_at=exchange.clock.now(),
        )
        await tx.save_filter(saved)
    return saved


async def listed(exchange: Exchange, *, owner: str, side: Side) -> tuple[SavedFilter, ...]:
    """One's own and those that others of the side share, by name."""
    async with exchange.store.begin(read_only=True) as tx:
        return await tx.saved_filters(side, owner)


async def remove(exchange: Exchange, filter_id: str, *, owner: str, side: Side) -> None:
    """Raises NotFound for one that is not there or belongs to somebody else."""
    async with exchange.store.begin() as tx:
        if not await tx.remove_filter(filter_id, side=side, owner=owner):
            raise NotFound("you have no such filter")
