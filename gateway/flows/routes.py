"""Pausing and resuming a route, as an operator previews it: what waits there, and what a pause does to it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from gateway.core import breaker as circuit
from gateway.core.errors import NotFound
from gateway.flows import endpoints
from gateway.flows.exchange import Exchange
from gateway.flows.ports import MessageFilter

Json = dict[str, Any]


class Effect(StrEnum):
    """What a pause means for what is on that route."""

    WAITS = "waits"
    """Messages to France are accepted and wait; no attempt is used up."""
    STAYS = "stays"
    """We do not fetch: France's messages stay with France."""
    DROPPED = "dropped"
    """Events of a webhook are dropped; the UK system still finds everything by polling."""


def names(exchange: Exchange) -> tuple[str, ...]:
    """Every route that can be paused: to France, from France where we fetch, each webhook."""
    first, *hooks = endpoints.names(exchange)
    return (first, *endpoints.pulls(exchange), *(h for h in hooks if h not in endpoints.pulls(exchange)))


async def look(exchange: Exchange, name: str) -> Json:
    """The route as it is: circuit, what waits, since when, what a pause does. Raises NotFound."""
    if name not in names(exchange):
        raise NotFound("no such endpoint")
    async with exchange.store.begin(read_only=True) as tx:
        breaker = await tx.breaker(name)
        waiting = (await tx.backlog()).get(name, 0)
        oldest = None
        if waiting:
            page = await tx.list_messages(MessageFilter(queued_for=name), limit=1, newest_first=False)
            oldest = page.items[0].received_at if page.items else None
    return {
        "endpoint": name,
        "effect": _effect(exchange, name).value,
        "paused": breaker.paused,
        "open": circuit.is_open(breaker),
        "failures": breaker.consecutive_failures,
        "open_since": breaker.opened_at,
        "next_probe": breaker.probe_at,
        "waiting": waiting,
        "oldest_at": oldest,
    }


def _effect(exchange: Exchange, name: str) -> Effect:
    if name == exchange.french_party:
        return Effect.WAITS
    return Effect.STAYS if name in endpoints.pulls(exchange) else Effect.DROPPED
