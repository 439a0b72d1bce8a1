"""The case as the treaty rules see it, read from the store inside the caller's transaction."""

from __future__ import annotations

from contracts.codes import CaseKind
from contracts.model import Message, Nomination
from gateway.core.errors import Conflict
from gateway.core.identifiers import strong_identifiers
from gateway.core.records import CaseRecord
from gateway.core.treaty.rules import CaseView
from gateway.core.treaty.states import Readmission
from gateway.flows.ports import Transaction

RETURNED = frozenset({Readmission.TRANSFERRED, Readmission.RECEIVED})
"""Statuses of a readmission whose persons count as returned (announcement row 9)."""


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


async def was_returned(tx: Transaction, message: Message) -> bool | None:
    """Row 9: whether a strong identifier of a nominee is that of a returned person; None for other types."""
    if not isinstance(message.body, Nomination):
        return None
    looked_at: set[str] = set()
    for kind, value in strong_identifiers(message):
        for reference in await tx.find_by_identifier(kind, value):
            if reference in looked_at:
                continue
            looked_at.add(reference)
            case = await tx.get_case(reference)
            if case is not None and case.kind is CaseKind.READMISSION and case.status in RETURNED:
                return True
    return False
