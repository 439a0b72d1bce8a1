"""Judging a message as if it were sent, and leaving nothing behind.

``rehearse`` takes a signed POST through the very steps of ``accept_uk`` (attachments, allow list, rules,
state table, French mapping, quotas, comparison with the returned) inside one transaction that is always
undone: no copy of the steps could drift from them. No Idempotency-Key is consumed, nothing is stored, audited
or sent.
``judge_body`` judges a body without a signature or a store, for the command line.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import msgspec

from contracts.codes import Direction, MessageType
from contracts.ports import Adapter, ContractError, Problem, Unmappable
from gateway.core.errors import AttachmentMismatch, OutOfSequence, RuleViolation, SchemaViolation
from gateway.core.records import CaseRecord
from gateway.core.treaty import privacy, states
from gateway.core.treaty.agreement import Agreement
from gateway.core.treaty.rules import CaseView, judge
from gateway.core.treaty.rules_catalogue import catalogue
from gateway.core.treaty.verdict import Outcome, Severity, Verdict
from gateway.flows import trial
from gateway.flows.accept_uk import Accepted, Submission, accept_in
from gateway.flows.exchange import Exchange, UkContract
from gateway.flows.outgoing import posted
from gateway.flows.ports import Clock

JUDGED: Final = (SchemaViolation, RuleViolation, OutOfSequence, AttachmentMismatch)
"""Errors that say something about the message itself; all others are errors of a dry run too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """One finding: what would become of the message, where, and which rule or part of the contract it is."""

    severity: Severity
    problem: Problem
    """Its path is a JSON pointer into the posted body."""

    @property
    def article(self) -> str | None:
        """Article or row of a rule; None for what the contract itself says."""
        return _articles().get(self.problem.code)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """What would become of a message. Remarks without values: codes, pointers, both texts."""

    type: MessageType
    outcome: Outcome
    remarks: tuple[Remark, ...]

    def document(self) -> dict[str, Any]:
        """Plain JSON values, as ``?dry_run=true`` answers and ``passerelle rules try --json`` prints."""
        return {
            "dry_run": True,
            "type": self.type.value,
            "verdict": self.outcome.value,
            "findings": [
                {
                    "severity": r.severity.value,
                    "pointer": r.problem.path,
                    "code": r.problem.code,
                    "article": r.article,
                    "message": {"en": r.problem.message_en, "fr": r.problem.message_fr},
                }
                for r in self.remarks
            ],
        }


@cache
def _articles() -> dict[str, str]:
    return {rule.id: rule.article for rule in catalogue()}


def _remarks(severity: Severity, problems: Iterable[Problem]) -> tuple[Remark, ...]:
    return tuple(Remark(severity=severity, problem=p) for p in problems)


def refused(
    kind: MessageType, problems: Iterable[Problem], *, besides: Iterable[tuple[str, Problem]] = ()
) -> Rehearsal:
    """The verdict on a message that would be refused for these reasons; ``besides``: (severity, problem) of
    what would hold or label it if nothing refused it."""
    more = tuple(Remark(severity=Severity(severity), problem=problem) for severity, problem in besides)
    return Rehearsal(type=kind, outcome=Outcome.REFUSED, remarks=_remarks(Severity.REFUSE, problems) + more)


async def rehearse(exchange: Exchange, submission: Submission) -> Rehearsal:
    """What ``accept`` would do with the message. ``submission.idempotency_key`` must be a fresh one.

    Raises what ``accept`` raises that is not about the message (NotFound, Conflict, TooLarge, Unavailable).
    A refusal by rules lists with what refuses what would hold or label the message too; the quota and what
    comes after the rules is judged once nothing refuses it.
    """
    try:
        async with trial.begin(exchange.store, dry_run=True) as tx:
            accepted = await accept_in(tx, exchange, submission)
    except JUDGED as exc:
        return refused(submission.expected, exc.problems or (_general(exc),), besides=exc.remarks)
    return _accepted(submission.expected, accepted)


def _general(exc: SchemaViolation | RuleViolation | OutOfSequence | AttachmentMismatch) -> Problem:
    """An error that names no place speaks of the whole message."""
    french = "Le message n'est pas possible."
    return Problem(path="", code=exc.code, message_en=exc.detail, message_fr=french)


def _accepted(kind: MessageType, accepted: Accepted) -> Rehearsal:
    answer = json.loads(accepted.answer.body)
    holds = _remarks(Severity.HOLD, map(_noted, answer["holds"]))
    warnings = _remarks(Severity.WARN, map(_noted, answer["warnings"]))
    outcome = Outcome.HELD if answer["status"] == "held" else Outcome.ALLOWED
    return Rehearsal(type=kind, outcome=outcome, remarks=holds + warnings)


def _noted(note: dict[str, Any]) -> Problem:
    texts = note["message"]
    return Problem(path=note["pointer"], code=note["code"], message_en=texts["en"], message_fr=texts["fr"])


# ---- without a gateway --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Court:
    """What a body is judged with."""

    uk: UkContract
    fr: Adapter
    agreement: Agreement
    clock: Clock


def judge_body(
    court: Court,
    content: bytes,
    *,
    case: CaseRecord | None = None,
    view: CaseView | None = None,
    returned: bool | None = None,
) -> Rehearsal:
    """Contract, allow list, rules, state table and French mapping for a UK JSON body (bytes of the file).

    ``case`` and ``view``: the case that the message belongs to, None when it opens one. ``returned``: as for
    ``rules.judge``; None holds a nomination. Signature, attachments' bytes, quotas and the comparison with
    the returned need a gateway. Raises InvalidDocument when the body names no message type.
    """
    kind = _type_of(court, content)
    try:
        document = court.uk.validate_body(content, kind)
        message = _message(court, document, kind, case)
    except ContractError as exc:
        return refused(kind, exc.problems)
    superfluous = privacy.check_to_france(message)
    if superfluous:
        return refused(kind, map(posted, superfluous))
    verdict = judge(
        message,
        case=view,
        agreement=court.agreement,
        now=message.issued_at,
        direction=Direction.UK_TO_FR,
        returned=returned,
    )
    return _judged(court, kind, message, verdict)


def _judged(court: Court, kind: MessageType, message: Any, verdict: Verdict) -> Rehearsal:
    remarks = tuple(
        Remark(severity=f.severity, problem=posted(f.problem))
        for f in (*verdict.refuse, *verdict.hold, *verdict.warn)
    )
    outcome = verdict.outcome
    try:
        court.fr.from_canonical(message)
    except Unmappable as exc:
        unsaid = tuple(dataclasses.replace(posted(p), code=f"unmappable.{p.code}") for p in exc.problems)
        remarks += _remarks(Severity.HOLD, unsaid)
        outcome = Outcome.HELD if outcome is Outcome.ALLOWED else outcome
    return Rehearsal(type=kind, outcome=outcome, remarks=remarks)


def _type_of(court: Court, content: bytes) -> MessageType:
    """The type that the body names; what names none is refused as a request for readmission would be."""
    try:
        named = msgspec.json.decode(content, type=_Tagged).type
    except (msgspec.DecodeError, UnicodeDecodeError):
        # the contract says what is wrong with it, place by place
        court.uk.validate_body(content, MessageType.READMISSION_REQUEST)
        raise
    return named


class _Tagged(msgspec.Struct):
    type: MessageType


def _message(court: Court, document: Any, kind: MessageType, case: CaseRecord | None) -> Any:
    now = court.clock.now()
    if case is None:
        opening = states.KIND.get(kind)
        reference = court.clock.new_reference(
            opening or next(iter(states.KIND.values())), priority=document.parsed.get("priority") is True
        )
        conversation = court.clock.new_id()
    else:
        reference, conversation = case.reference, case.conversation_id
    found = document.parsed.get("of_message") or document.parsed.get("corrects")
    return court.uk.body_to_canonical(
        document,
        message_id=court.clock.new_id(),
        reference=reference,
        conversation_id=conversation,
        issued_at=now,
        in_reply_to=found if isinstance(found, str) else None,
    )
