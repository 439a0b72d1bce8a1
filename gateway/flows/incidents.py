"""Incidents of Art 16: recorded without their content, and told to the operators of both sides.

France learns it from the signed error that answers its message; ours from the audit entry
``privacy.incident``, from the log, and, where a client registered for it, from the webhook of that name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from gateway.core.as4.message import UserMessage
from gateway.core.errors import As4Error, PrivacyBreach
from gateway.core.records import MessageRecord
from gateway.flows.ports import MessageFilter, Transaction
from gateway.flows.webhooks import WebhookEvent, WebhookTarget, cloud_event, enqueue_event

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
    tx: Transaction,
    targets: Iterable[WebhookTarget],
    exc: As4Error,
    message: UserMessage | None,
    *,
    issuer: str,
    now: dt.datetime,
) -> int:
    """Webhooks about a breach, in the transaction of its audit entry; returns how many.

    The event names the case by the link to it, the party and the codes are in the audit entry. A breach that
    belongs to no case of ours has nothing to link to, and is told by audit and log alone.
    """
    if not isinstance(exc, PrivacyBreach) or message is None:
        return 0
    case = await tx.case_by_conversation(message.conversation_id)
    if case is None:
        return 0
    opening = await _opening(tx, case.reference)
    if opening is None:
        return 0
    path = "nominations" if opening.reference[2:4] == "02" else "readmission-requests"
    body = cloud_event(
        WebhookEvent.PRIVACY_INCIDENT,
        id_=f"incident_{opening.message_id}_{int(now.timestamp() * 1000)}",
        source=issuer,
        at=now,
        subject=opening.message_id,
        data={
            "message_id": opening.message_id,
            "codes": codes_of(exc).split(),
            "link": f"{issuer}/v1/{path}/{opening.reference}",
        },
    )
    return await enqueue_event(
        tx,
        targets,
        WebhookEvent.PRIVACY_INCIDENT,
        body,
        message_id=opening.message_id,
        reference=opening.reference,
        now=now,
    )


async def _opening(tx: Transaction, reference: str) -> MessageRecord | None:
    page = await tx.list_messages(MessageFilter(reference=reference), limit=1, newest_first=False)
    return next(iter(page.items), None)
