"""What was refused leaves a trace: who, which type, codes and rule ids; never a value, never the content."""

from __future__ import annotations

from contracts.codes import MessageType
from gateway.core.errors import PasserelleError
from gateway.flows.exchange import Exchange

_MOST_CODES = 20


async def audit_refusal(
    exchange: Exchange,
    error: PasserelleError,
    *,
    client_id: str,
    message_type: MessageType,
    subject: str | None,
    correlation_id: str,
) -> None:
    """``subject`` is the case reference or message id of the path, None when a case was to be opened."""
    codes = sorted({p.code for p in error.problems})
    async with exchange.store.begin() as tx:
        await tx.append_audit(
            at=exchange.clock.now(),
            actor=f"client:{client_id}",
            action="message.refused",
            subject=subject or message_type.value,
            data={
                "code": error.code,
                "codes": " ".join(codes[:_MOST_CODES]),
                "type": message_type.value,
                "correlation_id": correlation_id,
            },
        )
