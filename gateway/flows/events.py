"""Facts that the UK systems hear of beside the messages of France: in the inbox, and by webhook.

Told in the transaction of the fact, beside its audit entry, so that each is told once, whatever node or
restart comes between. The inbox is authoritative; a webhook only says that there is something to fetch.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from contracts.codes import CaseKind
from gateway.core.records import MessageRecord
from gateway.flows.ports import Transaction
from gateway.flows.ports_inbox import EventData, InboxEvent
from gateway.flows.webhooks import CLOUD_TYPES, WebhookEvent, WebhookTarget, cloud_event, enqueue_event


class EventType(StrEnum):
    """CloudEvents types of what stands in the inbox."""

    DEADLINE_WARNING = CLOUD_TYPES[WebhookEvent.DEADLINE_WARNING]
    DEADLINE_BREACHED = CLOUD_TYPES[WebhookEvent.DEADLINE_BREACHED]
    PRIVACY_INCIDENT = CLOUD_TYPES[WebhookEvent.PRIVACY_INCIDENT]
    BALANCE_THRESHOLD = CLOUD_TYPES[WebhookEvent.BALANCE_THRESHOLD]
    MESSAGE_REFUSED = "passerelle.message.refused.v1"
    """A message of the UK that waited (quota, operator) will not leave; its webhook is ``message.status``."""
    NOMINATION_FLAGGED = "passerelle.nomination.flagged.v1"
    """A return concerns an open nomination (row 9); its webhook is ``message.status``."""


_HOOKS = {
    EventType.DEADLINE_WARNING: WebhookEvent.DEADLINE_WARNING,
    EventType.DEADLINE_BREACHED: WebhookEvent.DEADLINE_BREACHED,
    EventType.PRIVACY_INCIDENT: WebhookEvent.PRIVACY_INCIDENT,
    EventType.BALANCE_THRESHOLD: WebhookEvent.BALANCE_THRESHOLD,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Listeners:
    """Who is told, and in whose name."""

    webhooks: tuple[WebhookTarget, ...]
    issuer: str
    """Public base URL of the gateway: ``source`` and links."""
    new_id: Callable[[], str] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """What happened. ``name`` is unique for it, at most 128 characters, and is the id of its webhook."""

    type: EventType
    name: str
    at: dt.datetime
    reference: str | None
    message_id: str | None
    path: str | None
    data: EventData = field(default_factory=dict)
    """Goes into inbox and webhook: codes and numbers."""
    more: EventData = field(default_factory=dict)
    """Goes into the inbox only."""


async def tell(tx: Transaction, listeners: Listeners, fact: Fact) -> None:
    """An event of the inbox, and its webhooks. A fact without a message has no webhook: a row of the outbox
    belongs to a message."""
    event = InboxEvent(
        event_id=listeners.new_id(),
        type=fact.type.value,
        fact=fact.name,
        at=fact.at,
        reference=fact.reference,
        message_id=fact.message_id,
        path=fact.path,
        data={**fact.data, **fact.more},
    )
    await tx.add_inbox_event(event)
    hook = _HOOKS.get(fact.type)
    if hook is None or fact.message_id is None or fact.reference is None:
        return
    body = cloud_event(
        hook,
        id_=fact.name,
        source=listeners.issuer,
        at=fact.at,
        subject=fact.message_id,
        data={"message_id": fact.message_id, **fact.data, "link": f"{listeners.issuer}{fact.path or ''}"},
    )
    await enqueue_event(
        tx,
        listeners.webhooks,
        hook,
        body,
        message_id=fact.message_id,
        reference=fact.reference,
        now=fact.at,
    )


async def tell_refused(
    tx: Transaction, listeners: Listeners, record: MessageRecord, *, code: str | None, at: dt.datetime
) -> None:
    """A message that waited will not leave. ``record`` as it was while it waited."""
    await tell(
        tx,
        listeners,
        Fact(
            type=EventType.MESSAGE_REFUSED,
            name=f"refused_{record.message_id}_{_ms(at)}",
            at=at,
            reference=record.reference,
            message_id=record.message_id,
            path=f"/v1/messages/{record.message_id}",
            data={"code": code, "waited_for": record.code, "message_type": record.type.value},
        ),
    )


def _ms(at: dt.datetime) -> int:
    return int(at.timestamp() * 1000)


def case_kind_of(reference: str) -> CaseKind:
    """``GB01…`` is a readmission, ``GB02…`` a nomination (contracts.model.REFERENCE_PATTERN)."""
    return CaseKind.READMISSION if reference[2:4] == "01" else CaseKind.NOMINATION


def case_path(reference: str) -> str:
    """Where the API shows a case."""
    kind = case_kind_of(reference)
    return f"/v1/{'nominations' if kind is CaseKind.NOMINATION else 'readmission-requests'}/{reference}"


def moment_of(at: dt.datetime) -> str:
    """Milliseconds since 1970, for names of facts that may happen again."""
    return str(_ms(at))
