"""Incidents of Art 16: recorded without their content, and told to the operators of both sides.

France learns it from the signed error that answers its message; ours from the audit entry
``privacy.incident``, from the log, from the inbox, and, where a client registered for it, from the webhook of
that name.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from gateway.core.as4.message import UserMessage
from gateway.core.errors import As4Error, PrivacyBreach
from gateway.core.records import MessageRecord
from gateway.flows import events
from gateway.flows.events import EventType, Fact, Listeners
from gateway.flows.ports import MessageFilter, Transaction

ACTION: Final = "privacy.incident"
_MOST_CODES = 20


def action_of(exc: As4Error) -> str:
    """What the audit entry of a refusal is called."""
    return ACTION if isinstance(exc, PrivacyBreach) else "message.refused"


def codes_of(exc: As4Error) -> str:
    """Codes of the findings, each once, sorted, blank between; never a value."""
    return " ".join(sorted({p.code for p in exc.problems})[:_MOST_CODES])


def shown_id(exc: As4Error, message_id: str) -> str:
    """The AS4 MessageId as the audit log may show it: without its domain when that may hide a value."""
    around = any(problem.path.startswith("wire") for problem in exc.problems)
    return message_id.partition("@")[0] if isinstance(exc, PrivacyBreach) and around else message_id


async def tell(
    tx: Transaction, listeners: Listeners, exc: As4Error, message: UserMessage | None, *, now: dt.datetime
) -> None:
    """Inbox and webhooks hear of a breach, in the transaction of its audit entry.

    The event names the case by the link to it; the party is in the audit entry. A breach that belongs to no
    case of ours has nothing to link to, and no webhook. Of what nobody signed only audit and log know.
    """
    if not isinstance(exc, PrivacyBreach) or message is None:
        return
    case = await tx.case_by_conversation(message.conversation_id)
    opening = None if case is None else await _opening(tx, case.reference)
    about = listeners.new_id() if opening is None else opening.message_id
    await events.tell(
        tx,
        listeners,
        Fact(
            type=EventType.PRIVACY_INCIDENT,
            name=f"incident_{about}_{events.moment_of(now)}",
            at=now,
            reference=None if opening is None else opening.reference,
            message_id=None if opening is None else opening.message_id,
            path=None if opening is None else events.case_path(opening.reference),
            data={"codes": codes_of(exc).split()},
        ),
    )


async def _opening(tx: Transaction, reference: str) -> MessageRecord | None:
    page = await tx.list_messages(MessageFilter(reference=reference), limit=1, newest_first=False)
    return next(iter(page.items), None)
