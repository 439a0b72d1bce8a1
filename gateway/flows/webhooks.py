"""Thin webhooks (Standard Webhooks 1.0, CloudEvents 1.0 inside): type, id, link, never content.

Polling stays authoritative (conventions.md): a webhook only says that there is something to fetch. Rows wait
in the outbox on ``Channel.WEBHOOK`` with the webhook's id as endpoint; the worker calls ``deliver_webhook``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.codes import Direction
from gateway.core.errors import DeliveryError, PasserelleError
from gateway.core.records import Attempt, Channel, MessageRecord, OutboxEntry
from gateway.core.retry import DEFAULT_SCHEDULE, RetryAt, RetrySchedule, decide
from gateway.flows.ports import Clock, HttpAnswer, Store, Transaction, Transport
from gateway.flows.watch import UNWATCHED, Tried, Watch
from gateway.flows.webhook_post import EVENT_MEDIA_TYPE, WebhookDecision, post_event


class WebhookEvent(StrEnum):
    """Names as a client registers them."""

    INBOX_MESSAGE = "inbox.message"
    """A message from France waits in the inbox."""
    MESSAGE_STATUS = "message.status"
    """The status of a message that the client sent has changed."""
    DEADLINE_WARNING = "deadline.warning"
    """A time limit of a case comes near."""
    DEADLINE_BREACHED = "deadline.breached"
    """A time limit of a case has passed."""
    PRIVACY_INCIDENT = "privacy.incident"
    """France sent personal data (Art 16); it was refused."""
    BALANCE_THRESHOLD = "balance.threshold"
    """The difference between readmitted and admitted has crossed an agreed threshold."""


_LEASE_LOST: Final = "webhook.lease_lost"
CLOUD_TYPES: Final = {
    WebhookEvent.INBOX_MESSAGE: "passerelle.inbox.message.v1",
    WebhookEvent.MESSAGE_STATUS: "passerelle.message.status.v1",
    WebhookEvent.DEADLINE_WARNING: "passerelle.deadline.warning.v1",
    WebhookEvent.DEADLINE_BREACHED: "passerelle.deadline.breached.v1",
    WebhookEvent.PRIVACY_INCIDENT: "passerelle.privacy.incident.v1",
    WebhookEvent.BALANCE_THRESHOLD: "passerelle.balance.threshold.v1",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookTarget:
    """One registered target. ``webhook_id`` is unique over all clients."""

    webhook_id: str
    client_id: str
    url: str
    events: frozenset[WebhookEvent]

    def wants(self, event: WebhookEvent, client_id: str | None) -> bool:
        """Status events go to the sender of the message, the others to everyone who registered."""
        return event in self.events and (
            event is not WebhookEvent.MESSAGE_STATUS or client_id == self.client_id
        )


async def enqueue_webhooks(
    tx: Transaction,
    targets: Iterable[WebhookTarget],
    event: WebhookEvent,
    record: MessageRecord,
    *,
    now: dt.datetime,
) -> int:
    """Enqueue the event for every target that wants it, in the caller's transaction; returns how many."""
    wanted = [target for target in targets if target.wants(event, record.client_id)]
    return await _enqueue(tx, wanted, record.message_id, record.reference, now, body=None)


async def enqueue_event(
    tx: Transaction,
    targets: Iterable[WebhookTarget],
    event: WebhookEvent,
    body: bytes,
    *,
    message_id: str,
    reference: str,
    now: dt.datetime,
) -> int:
    """The same for a fact that is no message: ``body`` is its CloudEvent, made now, as the row in the outbox
    knows only the message that the fact is about."""
    wanted = [target for target in targets if target.wants(event, None)]
    return await _enqueue(tx, wanted, message_id, reference, now, body=body)


async def _enqueue(
    tx: Transaction,
    targets: Iterable[WebhookTarget],
    message_id: str,
    reference: str,
    now: dt.datetime,
    *,
    body: bytes | None,
) -> int:
    count = 0
    for target in targets:
        await tx.enqueue(
            channel=Channel.WEBHOOK,
            endpoint=target.webhook_id,
            message_id=message_id,
            reference=reference,
            due_at=now,
            wire=body,
            wire_content_type=None if body is None else EVENT_MEDIA_TYPE,
        )
        count += 1
    return count


def cloud_event(
    event: WebhookEvent,
    *,
    id_: str,
    source: str,
    at: dt.datetime,
    subject: str,
    data: Mapping[str, object],
) -> bytes:
    """A CloudEvent 1.0 as JSON: what happened, and where to fetch the rest; never content."""
    value = {
        "specversion": "1.0",
        "id": id_,
        "source": source,
        "type": CLOUD_TYPES[event],
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "subject": subject,
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(value, separators=(",", ":")).encode()


def webhook_body(entry: OutboxEntry, record: MessageRecord, *, issuer: str, now: dt.datetime) -> bytes:
    """The CloudEvent of a message. Built once per row; retries send the same bytes."""
    inbound = record.direction is Direction.FR_TO_UK
    return cloud_event(
        WebhookEvent.INBOX_MESSAGE if inbound else WebhookEvent.MESSAGE_STATUS,
        id_=webhook_message_id(entry),
        source=issuer,
        at=now,
        subject=record.message_id,
        data={"message_id": record.message_id, "link": f"{issuer}/v1/messages/{record.message_id}"},
    )


def webhook_message_id(entry: OutboxEntry) -> str:
    """``webhook-id``: the same on every retry of one row."""
    return f"evt_{entry.entry_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookOutcome:
    """Result of one attempt, already recorded with the store."""

    decision: WebhookDecision
    http_status: int | None
    code: str
    next_due_at: dt.datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookSender:
    """What ``deliver_webhook`` works with."""

    store: Store
    transport: Transport
    clock: Clock
    targets: Mapping[str, WebhookTarget]
    """By webhook id."""
    key: Ed25519PrivateKey = field(repr=False)
    issuer: str
    schedule: RetrySchedule = DEFAULT_SCHEDULE
    random: Callable[[], float] = field(repr=False, default=secrets.SystemRandom().random)
    slow_down: dt.timedelta = dt.timedelta(minutes=1)
    """Least delay after 429, 502 or 504."""
    watch: Watch = field(repr=False, default=UNWATCHED)
    """Metrics and traces."""


async def deliver_webhook(entry: OutboxEntry, sender: WebhookSender) -> WebhookOutcome:
    """Make one attempt and record it.

    (1) the target must still be registered and not disabled, (2) the body is made once and kept for retries,
    (3) POST, (4) attempt, row and (after 410) the switch of the target change together. Never raises for what
    the target does; losing the lease leaves everything as it was.
    """
    started = sender.clock.now()
    target = sender.targets.get(entry.endpoint)
    async with sender.store.begin() as tx:
        record = await tx.get_message(entry.message_id)
        disabled = (await tx.breaker(entry.endpoint)).paused
        if target is None or record is None or disabled:  # (1)
            await tx.complete(entry)
            code = "webhook.disabled" if disabled else "webhook.unregistered"
            return WebhookOutcome(
                decision=WebhookDecision.DISABLE, http_status=None, code=code, next_due_at=None
            )
        body = entry.wire if isinstance(entry.wire, bytes) else None  # (2) never so large as to be a blob
        if body is None:
            body = webhook_body(entry, record, issuer=sender.issuer, now=started)
            await tx.save_wire(entry, body, EVENT_MEDIA_TYPE)
    answer: HttpAnswer | None = None
    error: PasserelleError
    try:  # (3)
        posted = await post_event(
            sender.transport,
            target.url,
            body,
            message_id=webhook_message_id(entry),
            key=sender.key,
            now=started,
            traceparent=sender.watch.traceparent(entry.message_id),
        )
        answer, decision, error = posted.answer, posted.decision, posted.error
    except DeliveryError as exc:
        decision, error = WebhookDecision.RETRY, exc
    outcome = await _record(entry, sender, started, answer, decision, error)  # (4)
    if outcome.code != _LEASE_LOST:
        _tell(entry, record, sender, started, outcome)
    return outcome


def _tell(
    entry: OutboxEntry,
    record: MessageRecord,
    sender: WebhookSender,
    started: dt.datetime,
    outcome: WebhookOutcome,
) -> None:
    """Whoever watches; after the commit."""
    done = outcome.decision is WebhookDecision.DONE
    ended = "delivered" if done else "failed" if outcome.next_due_at is None else "retry"
    sender.watch.tried(
        Tried(
            message_id=entry.message_id,
            type=record.type,
            direction=record.direction,
            channel=entry.channel,
            endpoint=entry.endpoint,
            number=entry.attempts + 1,
            outcome=ended,
            code=None if done else outcome.code,
            http_status=outcome.http_status,
            started_at=started,
            finished_at=sender.clock.now(),
        )
    )


async def _record(
    entry: OutboxEntry,
    sender: WebhookSender,
    started: dt.datetime,
    answer: HttpAnswer | None,
    decision: WebhookDecision,
    error: PasserelleError,
) -> WebhookOutcome:
    now = sender.clock.now()
    done = decision is WebhookDecision.DONE
    code = "delivered" if done else error.code
    due = None if done else _next_due(entry, sender, answer, decision, error, now)
    status = answer.status if answer is not None else None
    try:
        async with sender.store.begin() as tx:
            await tx.add_attempt(
                Attempt(
                    message_id=entry.message_id,
                    channel=Channel.WEBHOOK,
                    endpoint=entry.endpoint,
                    number=entry.attempts + 1,
                    started_at=started,
                    finished_at=now,
                    outcome=code,
                    http_status=status,
                    detail="" if done else error.detail,
                )
            )
            if decision is WebhookDecision.DISABLE:
                await _disable(tx, entry, now)
            kept = await (tx.complete(entry) if due is None else tx.reschedule(entry, due))
            if not kept:
                raise _LeaseLost  # noqa: TRY301 — leaving by an exception is what rolls back
    except _LeaseLost:
        code = _LEASE_LOST
    return WebhookOutcome(decision=decision, http_status=status, code=code, next_due_at=due)


class _LeaseLost(Exception):
    """Another worker has the row now: it records what becomes of it."""


def _next_due(
    entry: OutboxEntry,
    sender: WebhookSender,
    answer: HttpAnswer | None,
    decision: WebhookDecision,
    error: PasserelleError,
    now: dt.datetime,
) -> dt.datetime | None:
    """When to try again; None ends the row (polling stays authoritative: nothing is lost)."""
    if decision is WebhookDecision.DISABLE:
        return None
    retry_after = answer.retry_after if answer is not None else None
    if decision is WebhookDecision.SLOW_DOWN:
        retry_after = max(retry_after or 0.0, sender.slow_down.total_seconds())
    step = decide(
        entry.attempts + 1,
        error,
        schedule=sender.schedule,
        first_due_at=entry.first_due_at,
        now=now,
        retry_after=retry_after,
        random=sender.random,
    )
    return step.when if isinstance(step, RetryAt) else None


async def _disable(tx: Transaction, entry: OutboxEntry, now: dt.datetime) -> None:
    """410: the target wants no more. An operator resumes it like any paused endpoint."""
    breaker = await tx.breaker(entry.endpoint)
    await tx.save_breaker(dataclasses.replace(breaker, paused=True))
    await tx.append_audit(
        at=now, actor="worker", action="webhook.disabled", subject=entry.endpoint, data={"http_status": 410}
    )
