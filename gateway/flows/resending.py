"""May a message be sent again, or be stopped? One set of facts and one judgement for every page, command, dry
run and batch, so that no two of them can answer differently (``gateway.core.resend``).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from gateway.core import holder, resend
from gateway.core.errors import NotFound
from gateway.core.holder import RESEND_WORDS, Resend
from gateway.core.resend import Action, Facts, Verdict, Why
from gateway.core.words import Words
from gateway.flows.exchange import Exchange
from gateway.flows.ports import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What people read about sending it again."""

    resend: Resend
    name: Words
    reason: Words
    replay: bool
    """Somebody may send this one message again."""
    cancel: bool
    """Somebody may stop this one message."""


async def facts_of(
    tx: Transaction, message_id: str, now: dt.datetime, *, apart_from: str | None = None
) -> Facts:
    """What a verdict on one message comes from. ``apart_from``: the batch that asks. Raises NotFound."""
    found = (await tx.resend_facts([message_id], now=now, apart_from=apart_from)).get(message_id)
    if found is None:
        raise NotFound("no such message")
    return found


def verdict_on(exchange: Exchange, action: Action, facts: Facts) -> tuple[Verdict, Why]:
    """As one of many."""
    return resend.judge(action, facts, persons=_persons(exchange, facts))


def verdict_alone(exchange: Exchange, action: Action, facts: Facts) -> tuple[Verdict, Why, bool]:
    """As the one message that somebody names, and whether it is possible then."""
    return resend.alone(action, facts, persons=_persons(exchange, facts))


def _persons(exchange: Exchange, facts: Facts) -> int:
    return exchange.holds.of(facts.record.code or "").persons


def answer(exchange: Exchange, facts: Facts) -> Answer:
    """The judgement in words, and which of both actions one person may try alone."""
    verdict, why, replay = verdict_alone(exchange, Action.REPLAY, facts)
    found, reason = holder.resend_of(verdict, why)
    _, _, cancel = verdict_alone(exchange, Action.CANCEL, facts)
    one = not exchange.batches.needs_second_person(1)
    return Answer(
        resend=found,
        name=RESEND_WORDS[found],
        reason=reason,
        replay=replay and one,
        cancel=cancel and one,
    )
