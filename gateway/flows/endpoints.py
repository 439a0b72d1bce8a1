"""The endpoints that we deliver to, as an operator sees them: the French access point and each webhook."""

from __future__ import annotations

from typing import Any, Final

from contracts.codes import Direction
from gateway.core import breaker as circuit
from gateway.core.errors import NotFound
from gateway.core.reasons import require_reason
from gateway.core.records import Breaker
from gateway.flows.exchange import Exchange
from gateway.flows.once import use_up
from gateway.flows.ports_endpoints import EndpointFigures

Json = dict[str, Any]
ATTEMPTS_READ: Final = 1000
"""Newest attempts of all endpoints that the last success is looked for in."""


def names(exchange: Exchange) -> tuple[str, ...]:
    """Every endpoint that has a circuit of its own, the French one first."""
    return (exchange.french_party, *sorted(hook.webhook_id for hook in exchange.webhooks))


def pulls(exchange: Exchange) -> tuple[str, ...]:
    """Where we fetch from, when the agreement says that we do: can be paused by itself."""
    rows = (row for row in exchange.agreement.pmode_rows if row.direction is Direction.FR_TO_UK)
    return (
        (circuit.pull_of(exchange.french_party),) if any(r.mep_binding.endswith("pull") for r in rows) else ()
    )


async def circuits(exchange: Exchange) -> tuple[Breaker, ...]:
    """The circuit of each endpoint, in the order of ``names``."""
    async with exchange.store.begin(read_only=True) as tx:
        return tuple([await tx.breaker(name) for name in names(exchange)])


async def endpoint_list(exchange: Exchange) -> list[Json]:
    """Each endpoint with its circuit, what waits for it and how its newest attempts ended; instants are
    aware datetimes, UTC. ``circuit``: ``closed`` (works), ``open`` (fails, is probed) or ``paused``."""
    async with exchange.store.begin(read_only=True) as tx:
        figures = await tx.endpoint_figures(attempts=ATTEMPTS_READ)
        breakers = [await tx.breaker(name) for name in names(exchange)]
    rows = []
    for breaker in breakers:
        known = figures.get(breaker.endpoint, EndpointFigures())
        rows.append(
            {
                "endpoint": breaker.endpoint,
                "kind": "as4" if breaker.endpoint == exchange.french_party else "webhook",
                "circuit": state_of(breaker),
                "failures_in_a_row": breaker.consecutive_failures,
                "open_since": breaker.opened_at,
                "next_probe": breaker.probe_at,
                "waiting": known.waiting,
                "oldest_at": known.oldest_at,
                "next_attempt": known.next_at,
                "last_success": known.succeeded_at,
                "last_attempt": known.tried_at,
                "last_outcome": known.outcome,
            }
        )
    return rows


def state_of(breaker: Breaker) -> str:
    """``closed``, ``open`` or ``paused``."""
    if breaker.paused:
        return "paused"
    return "open" if circuit.is_open(breaker) else "closed"


async def set_paused(
    exchange: Exchange, name: str, *, paused: bool, actor: str, reason: str, once: str | None = None
) -> Breaker:
    """Stop sending to an endpoint (or fetching: ``pulls``), or go on: an open circuit then probes at once.
    Audited with the reason. ``once``: the token of a form (``flows.once``).

    A paused French endpoint keeps its queue; a paused webhook drops events, since polling is authoritative.
    Raises NotFound, InvalidParameter, AlreadyDone.
    """
    require_reason(reason)
    if name not in (*names(exchange), *pulls(exchange)):
        raise NotFound("no such endpoint")
    now = exchange.clock.now()
    async with exchange.store.begin() as tx:
        word = "pause" if paused else "resume"
        await use_up(tx, actor=actor, about=f"{word}:{name}", token=once, now=now)
        before = await tx.breaker(name)
        after = circuit.pause(before) if paused else circuit.resume(before, now)
        await tx.save_breaker(after)
        await tx.append_audit(
            at=now,
            actor=actor,
            action="endpoint.paused" if paused else "endpoint.resumed",
            subject=name,
            data={"reason": reason},
        )
    await exchange.store.notify("outbox")
    return after
