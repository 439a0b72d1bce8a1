"""Quotas per ISO week for both directions (announcement row 10): limits with history, places, and the order
in which what exceeds them waits.

A place is taken by each person of a request or nomination in the week in which it leaves for France, not in
that of its arrival here. What finds no room waits in the order of acceptance, priority cases first where that
is agreed; nobody overtakes. A case that is larger than the whole quota could never go: it waits for the quota
to be raised, and does not block those behind it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contracts.codes import CaseKind, MessageType
from contracts.model import Message, Nomination, ReadmissionRequest
from contracts.ports import Problem
from gateway.core.records import MessageStatus
from gateway.core.treaty import states
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.ledger import BalanceState, Side, judge_balance


class QuotaKind(StrEnum):
    """Which direction of travel of persons a quota limits."""

    READMISSIONS = "readmissions"
    NOMINATIONS = "nominations"

    @property
    def side(self) -> Side:
        """Account of the places that were taken."""
        return Side.REQUESTED if self is QuotaKind.READMISSIONS else Side.NOMINATED

    @property
    def opening(self) -> MessageType:
        """The message that takes a place."""
        readmission = self is QuotaKind.READMISSIONS
        return MessageType.READMISSION_REQUEST if readmission else MessageType.NOMINATION

    @property
    def quota_code(self) -> str:
        return f"quota.{self}"

    @property
    def parity_code(self) -> str:
        return f"balance.{self}"


KINDS: Final[Mapping[MessageType, QuotaKind]] = {kind.opening: kind for kind in QuotaKind}
CODES: Final = frozenset(code for kind in QuotaKind for code in (kind.quota_code, kind.parity_code))
"""Codes of messages that wait for room: released by the gateway itself, never by an operator."""
FOLLOWS: Final = "quota.follows"
"""Code of a message whose case waits: it goes right after the request or nomination."""
WAITING: Final = CODES | {FOLLOWS}
"""Codes of held messages that nobody decides about: they leave by themselves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaChange:
    """An operator's decision: from that week on, so many persons a week."""

    change_id: int
    kind: QuotaKind
    persons: int
    from_week: str
    reason: str
    actor: str
    at: dt.datetime


def limit_of(
    kind: QuotaKind, week: str, changes: Iterable[QuotaChange], agreement: Agreement
) -> tuple[int, QuotaChange | None]:
    """Persons allowed in that week, and the change that says so (None: the agreement itself).

    Of the changes that have begun, the one that begins last rules; of two that begin in the same week, the
    later decision.
    """
    begun = [c for c in changes if c.kind is kind and c.from_week <= week]
    if not begun:
        terms = agreement.quotas
        return (terms.readmissions if kind is QuotaKind.READMISSIONS else terms.nominations), None
    ruling = max(begun, key=lambda c: (c.from_week, c.change_id))
    return ruling.persons, ruling


def persons_of(message: Message) -> int:
    """Places that an opening message takes; 0 for any other message."""
    body = message.body
    return len(body.persons) if isinstance(body, ReadmissionRequest | Nomination) else 0


def held_by_parity(kind: QuotaKind, signed: int, agreement: Agreement) -> bool:
    """Whether the difference (readmitted minus admitted) stops this direction."""
    terms = agreement.balance
    state = judge_balance(signed, warn=terms.warn_difference, hold=terms.hold_difference)
    stops = {
        QuotaKind.READMISSIONS: BalanceState.HOLD_READMISSIONS,
        QuotaKind.NOMINATIONS: BalanceState.HOLD_NOMINATIONS,
    }
    return state is stops[kind]


_TEXTS: Final = {
    QuotaKind.READMISSIONS.quota_code: (
        "This week's readmissions are used up; the request waits in order until there is room.",
        "Le quota de réadmissions de la semaine est épuisé ; la demande attend son tour.",
    ),
    QuotaKind.NOMINATIONS.quota_code: (
        "This week's nominations are used up; the nomination waits in order until there is room.",
        "Le quota de propositions de la semaine est épuisé ; la proposition attend son tour.",
    ),
    QuotaKind.READMISSIONS.parity_code: (
        "More persons have been readmitted than admitted; requests wait until the numbers are closer.",
        "Les réadmissions dépassent les admissions ; les demandes attendent un rapprochement.",
    ),
    QuotaKind.NOMINATIONS.parity_code: (
        "More persons have been admitted than readmitted; nominations wait until the numbers are closer.",
        "Les admissions dépassent les réadmissions ; les propositions attendent un rapprochement.",
    ),
    FOLLOWS: (
        "The case waits for its quota; this message leaves right after the one that opened it.",
        "Le dossier attend son quota ; ce message partira juste après celui qui l'a ouvert.",
    ),
}


def problem_of(code: str) -> Problem:
    """Why a message waits, as the receipt to the UK system says it. Raises KeyError for another code."""
    english, french = _TEXTS[code]
    return Problem(
        path="" if code == FOLLOWS else "/persons", code=code, message_en=english, message_fr=french
    )


def frees(rule: str, *, kind: CaseKind, message: MessageStatus, case_status: str) -> bool:
    """Whether a place that was taken is given back, by ``quotas.frees`` of the agreement [U].

    ``never``; ``unsent``: the message was stopped before it left; ``ended``: also when the case ended without
    a transfer or an arrival (refused, withdrawn, rejected, objected, lapsed).
    """
    if rule == "never":
        return False
    if message is MessageStatus.CANCELLED:
        return True
    return rule == "ended" and case_status in states.FINAL[kind] - {
        states.Readmission.RECEIVED,
        states.NominationStatus.ARRIVED,
    }
