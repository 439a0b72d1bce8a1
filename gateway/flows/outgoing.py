"""A stored message on its way to France: why it is held, and how it gets into the outbox."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Final

from contracts import model
from contracts.codes import MessageType
from contracts.ports import Problem, Unmappable
from gateway.core.records import Channel
from gateway.flows.exchange import Exchange
from gateway.flows.ports import Transaction

NEVER_STOPPED: Final = frozenset({MessageType.WITHDRAWAL, MessageType.ACKNOWLEDGEMENT})
"""What a withdrawal does not stop: itself, and what we owe France for its own messages."""


def posted(problem: Problem) -> Problem:
    """The problem with its pointer into the body, which is all that a UK system posts."""
    path = problem.path.removeprefix("/body")
    return dataclasses.replace(problem, path=path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """Why a message waits for an operator: machine code, and where in the message."""

    code: str
    path: str
    problems: tuple[Problem, ...]


def untranslatable(exchange: Exchange, message: model.Message) -> Hold | None:
    """None when the message can be said in the French contract; else where and why not."""
    try:
        exchange.fr.from_canonical(message)
    except Unmappable as exc:
        first = exc.problems[0]
        return Hold(code=f"unmappable.{first.code}", path=first.path, problems=exc.problems)
    return None


async def enqueue(tx: Transaction, exchange: Exchange, message: model.Message, now: dt.datetime) -> None:
    """Put the message into the outbox for France; a withdrawal overtakes the rest of its case."""
    await tx.enqueue(
        channel=Channel.AS4,
        endpoint=exchange.french_party,
        message_id=message.message_id,
        reference=message.reference,
        due_at=now,
        urgent=isinstance(message.body, model.Withdrawal),
    )
