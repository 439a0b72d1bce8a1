"""The endpoints that we deliver to, as an operator sees them: the French access point and each webhook."""

from __future__ import annotations

from gateway.core import breaker as circuit
from gateway.core.errors import InvalidParameter, NotFound
from gateway.core.records import Breaker
from gateway.flows.exchange import Exchange
from gateway.flows.operator import MAX_REASON


def names(exchange: Exchange) -> tuple[str, ...]:
    """Every endpoint that has a circuit of its own, the French one first."""
    return (exchange.french_party, *sorted(hook.webhook_id for hook in exchange.webhooks))


async def circuits(exchange: Exchange) -> tuple[Breaker, ...]:
    """The circuit of each endpoint, in the order of ``names``."""
    async with exchange.store.begin(read_only=True) as tx:
        return tuple([await tx.breaker(name) for name in names(exchange)])


async def set_paused(exchange: Exchange, name: str, *, paused: bool, actor: str, reason: str) -> Breaker:
    """Stop sending to an endpoint, or go on: an open circuit then probes at once. Audited with the reason.

    A paused French endpoint keeps its queue; a paused webhook drops events, since polling is authoritative.
    Raises NotFound, InvalidParameter.
    """
    if not reason.strip() or len(reason) > MAX_REASON:
        raise InvalidParameter(f"a reason of 1 to {MAX_REASON} characters is needed")
    if name not in names(exchange):
        raise NotFound("no such endpoint")
    now = exchange.clock.now()
    async with exchange.store.begin() as tx:
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
