"""Telling: takes due notices from the queue, sends them by mail or webhook, keeps every attempt.

A claim is a lease, as in the outbox: a node that dies in the middle leaves its notices to others. A mail
that left twice that way carries the same Message-ID, a webhook the same ``webhook-id``. What cannot be sent
is tried again by the same schedule as messages; after the last attempt the notice has failed, while the alert
itself stays open on the console.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import roles
from gateway.core.alert_kinds import Severity
from gateway.core.alert_records import Notice, NoticeAttempt, NoticeState
from gateway.core.alert_words import Letter, Told, cloud_event, mail, read
from gateway.core.alerts import AlertEvent, Recipient, Via
from gateway.core.errors import ConfigError, PasserelleError, PeerUnavailable
from gateway.core.retry import DEFAULT_SCHEDULE, RetryAt, RetrySchedule, decide
from gateway.flows.ports import Clock, Store, Transaction, Transport
from gateway.flows.webhook_post import Posted, WebhookDecision, post_event

SENT: Final = "sent"
UNKNOWN: Final = "alert.recipient_unknown"
DISABLED: Final = "alert.recipient_disabled"
GONE: Final = "alert.recipient_gone"
_BATCH: Final = 20


class Mailer(Protocol):
    async def send(self, letter: Letter) -> None:
        """Hands the mail to the mail server. Raises MailUnavailable, MailRefused."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertSender:
    """What telling works with. ``random`` gives a number in [0, 1)."""

    store: Store
    clock: Clock
    transport: Transport
    mailer: Mailer | None
    """None: the settings name no mail server."""
    recipients: Mapping[str, Recipient]
    """By target id."""
    sender: str
    """Address that mails come from."""
    issuer: str
    """Base URL of the gateway; the console is below it."""
    key: Ed25519PrivateKey = field(repr=False)
    schedule: RetrySchedule = DEFAULT_SCHEDULE
    lease: dt.timedelta = dt.timedelta(minutes=2)
    random: Callable[[], float] = field(repr=False, default=secrets.SystemRandom().random)

    def link(self, told: Told) -> str:
        """The console page of the alert; of a test, the list."""
        pages = f"{self.issuer}/console/alerts"
        return pages if told.kind is None else f"{pages}/{told.alert_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """One notice after an attempt, already recorded; for the log. ``code`` is ``sent`` or an error code."""

    notice: Notice
    state: NoticeState
    code: str


async def send_due(sender: AlertSender, *, limit: int = _BATCH) -> tuple[Sent, ...]:
    """One attempt for each due notice, at most ``limit``; call again while it gives any. Never raises for
    what a recipient does; raises Unavailable."""
    async with sender.store.begin() as tx:
        claimed = await tx.claim_notices(sender.clock.now(), limit=limit, lease=sender.lease)
    return tuple([await _attempt(notice, sender) for notice in claimed])


async def _attempt(notice: Notice, sender: AlertSender) -> Sent:
    """(1) The recipient must be in the settings still, and want to be told; (2) send; (3) record."""
    started = sender.clock.now()
    recipient = sender.recipients.get(notice.target_id)
    if recipient is None:  # (1)
        return await _record(notice, sender, started, NoticeState.DROPPED, UNKNOWN)
    testing = notice.event is AlertEvent.TEST
    if recipient.via is Via.WEBHOOK and not testing:
        async with sender.store.begin(read_only=True) as tx:
            if (await tx.breaker(notice.target_id)).paused:
                return await _record(notice, sender, started, NoticeState.DROPPED, DISABLED)
    told = read(notice.content)
    try:  # (2)
        await deliver(told, str(notice.notice_id), recipient, sender, started)
    except WantsNoMore:
        return await _record(notice, sender, started, NoticeState.DROPPED, GONE)
    except PasserelleError as exc:
        asked = exc.retry_after if isinstance(exc, _Answered) else None
        return await _failed(notice, sender, started, exc, asked)
    return await _record(notice, sender, started, NoticeState.SENT, SENT)  # (3)


class WantsNoMore(Exception):
    """HTTP 410."""


class _Answered(PeerUnavailable):
    """A webhook answered, but not 2xx."""

    def __init__(self, posted: Posted) -> None:
        super().__init__(posted.error.detail)
        self.retry_after = posted.answer.retry_after


async def deliver(
    told: Told, number: str, recipient: Recipient, sender: AlertSender, now: dt.datetime
) -> None:
    """Send one notice once, without any store. ``number`` is the same on every attempt. Raises
    MailUnavailable, MailRefused, ConfigError (no mail server), DeliveryError, WantsNoMore."""
    link = sender.link(told)
    if recipient.via is Via.MAIL:
        if sender.mailer is None:
            raise ConfigError("smtp.host is not set: no mail can be sent")
        letter = mail(
            told,
            number=number,
            side=recipient.side or roles.Side.UK,
            sender=sender.sender,
            to=recipient.address,
            link=link,
            at=now,
        )
        await sender.mailer.send(letter)
        return
    body = cloud_event(told, number=number, issuer=sender.issuer, link=link)
    posted = await post_event(
        sender.transport, recipient.address, body, message_id=f"alert_{number}", key=sender.key, now=now
    )
    if posted.decision is WebhookDecision.DISABLE:
        raise WantsNoMore
    if posted.decision is not WebhookDecision.DONE:
        raise _Answered(posted)


async def _failed(
    notice: Notice, sender: AlertSender, started: dt.datetime, exc: PasserelleError, retry_after: float | None
) -> Sent:
    now = sender.clock.now()
    step = decide(
        notice.attempts + 1,
        exc,
        schedule=sender.schedule,
        first_due_at=notice.first_due_at,
        now=now,
        retry_after=retry_after,
        random=sender.random,
    )
    if not isinstance(step, RetryAt):
        return await _record(notice, sender, started, NoticeState.FAILED, exc.code, exc.detail)
    async with sender.store.begin() as tx:
        if await tx.put_off_notice(notice, step.when):
            await _note(tx, notice, started, now, exc.code, exc.detail)
    return Sent(notice=notice, state=NoticeState.WAITING, code=exc.code)


async def _record(
    notice: Notice,
    sender: AlertSender,
    started: dt.datetime,
    state: NoticeState,
    code: str,
    detail: str = "",
) -> Sent:
    """Attempt, end and (410, or a test that arrives again) the switch of the target change together. Nothing
    is written when the lease was lost: its new holder writes."""
    now = sender.clock.now()
    async with sender.store.begin() as tx:
        if await tx.end_notice(notice, state, at=now):
            await _note(tx, notice, started, now, code, detail)
            await _switch(tx, notice, code, now)
    return Sent(notice=notice, state=state, code=code)


async def _note(
    tx: Transaction, notice: Notice, started: dt.datetime, now: dt.datetime, outcome: str, detail: str
) -> None:
    attempt = NoticeAttempt(
        notice_id=notice.notice_id,
        number=notice.attempts + 1,
        started_at=started,
        finished_at=now,
        outcome=outcome,
        detail=detail,
    )
    await tx.add_notice_attempt(attempt)


async def _switch(tx: Transaction, notice: Notice, code: str, now: dt.datetime) -> None:
    """410 turns a webhook off; a test that arrives turns it on again."""
    on = code == SENT and notice.event is AlertEvent.TEST
    if not on and code != GONE:
        return
    breaker = await tx.breaker(notice.target_id)
    if breaker.paused is not on:
        return
    await tx.save_breaker(dataclasses.replace(breaker, paused=not on))
    await tx.append_audit(
        at=now,
        actor="alerts",
        action="alert.recipient_enabled" if on else "alert.recipient_disabled",
        subject=notice.target_id,
        data={},
    )


def heard_of_outages(recipients: Mapping[str, Recipient]) -> tuple[Recipient, ...]:
    """Who is told directly when there is no database: all but those for escalation (it is critical)."""
    rank = Severity.CRITICAL.rank
    return tuple(r for r in recipients.values() if not r.escalation and r.least.rank <= rank)
