"""The case as the treaty rules see it, read from the store inside the caller's transaction."""

from __future__ import annotations

from gateway.core.errors import Conflict
from gateway.core.records import CaseRecord
from gateway.core.treaty.rules import CaseView
from gateway.flows.ports import Transaction


async def case_view(tx: Transaction, case: CaseRecord | None) -> CaseView | None:
    """All messages of the case, decrypted. Raises Conflict once retention destroyed the key."""
    if case is None:
        return None
    try:
        history = await tx.history(case.reference)
    except LookupError as exc:
        raise Conflict("the content of this case was deleted when its retention ended") from exc
    return CaseView(
        kind=case.kind,
        status=case.status,
        created_at=case.created_at,
        messages=tuple(message for _, message in history),
    )
