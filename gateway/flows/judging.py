"""A message of the UK before the rules, with what the store knows about its persons (row 9)."""

from __future__ import annotations

import datetime as dt

import msgspec

from contracts.codes import CaseKind, Direction
from contracts.model import Message
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.rules import CaseView, Verdict, judge
from gateway.flows import exclusion
from gateway.flows.exclusion import Exclusion
from gateway.flows.ports import Transaction


async def judge_as_if_posted(
    tx: Transaction,
    agreement: Agreement,
    message: Message,
    *,
    kind: CaseKind,
    case: CaseView | None,
    now: dt.datetime,
    issued_now: bool = False,
) -> tuple[Verdict, Exclusion]:
    """The verdict, and the facts of row 9 that it rests on. ``case`` None: the message opens it.

    ``issued_now``: the time limits count to ``issued_at``; a message that has waited is judged by a copy that
    is issued now, and keeps the header that was signed for.
    """
    facts = await exclusion.check(tx, message, kind=kind)
    verdict = judge(
        msgspec.structs.replace(message, issued_at=now) if issued_now else message,
        case=case,
        agreement=agreement,
        now=now,
        direction=Direction.UK_TO_FR,
        returned=facts.returned,
        in_readmission=facts.in_readmission,
        near=facts.near,
    )
    return verdict, facts
