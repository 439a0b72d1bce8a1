"""France pulls from us: a signed PullRequest → the oldest message that waits in its MPC (as4.md 36, 37).

(1) the request was signed by the channel's own receiver, for a channel that is pulled; (2) it was not used
before: a captured request gets nothing; (3) the oldest row is leased; what a withdrawal stopped, what is too
old or cannot be said in the French contract is recorded as for a push, and the next one is taken; (4) the
first handing out seals and stores the bytes before they leave, every later one gives the same bytes;
(5) audited, and only then given out.

The row stays until its receipt comes by callback (``signals_in``); when the lease ends first, that was a
failed attempt, and the next request gets the same message again.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from contracts.ports import Unmappable
from gateway.core.as4.verified import VerifiedPullRequest
from gateway.core.errors import (
    As4Error,
    As4FeatureNotSupported,
    EmptyChannel,
    ReceiptMissing,
    ValueInconsistent,
)
from gateway.core.records import Attempt, Blob, Channel, Claim, EvidenceKind, MessageStatus
from gateway.flows.contents import ContentDestroyed, streamed_body
from gateway.flows.deliver import not_sealed, overtaken
from gateway.flows.delivery_record import (
    Delivery,
    Job,
    record_cancelled,
    record_end,
    record_failure,
    record_hold,
)
from gateway.flows.french_inbox import ACTOR, As4Answer, FrenchInbox, refuse, signed
from gateway.flows.large import LeaseLost
from gateway.flows.wire import sealed_wire

_USED: Final = "pull"
"""Prefix under which used PullRequests are remembered beside used tokens."""


async def serve_pull(inbox: FrenchInbox, request: VerifiedPullRequest, *, remote: str) -> As4Answer:
    """The answer to a verified PullRequest: a message, the signed warning EBMS:0006, or a signed error.
    Raises Unavailable and bugs."""
    try:
        delivery = await _authorised(inbox, request)  # (1), (2)
        answer = await _next(inbox, request, delivery)  # (3)
    except As4Error as exc:
        exc.ref_to_message_id = request.message_id
        exc.security_profile = request.profile
        # Through the noise gate although it is signed: whoever captured a request can send it again.
        return await refuse(inbox, exc, party=request.party_id, remote=remote)
    if answer is not None:
        return answer
    empty = EmptyChannel("nothing waits in this MPC")
    empty.security_profile = request.profile
    nothing = inbox.access_point.error(
        empty,
        signal_id=inbox.clock.new_id(),
        now=inbox.clock.now(),
        ref_to=request.message_id,
    )
    return signed(nothing)


async def _authorised(inbox: FrenchInbox, request: VerifiedPullRequest) -> Delivery:
    """Raises ProcessingModeMismatch, FailedAuthentication, ValueInconsistent, As4FeatureNotSupported."""
    if inbox.delivery is None:
        raise As4FeatureNotSupported("nothing is handed out here")
    inbox.access_point.may_pull(request)
    policy = inbox.access_point.policy
    forgotten = request.timestamp + policy.pull_window + policy.clock_skew
    async with inbox.store.begin() as tx:
        if not await tx.use_jti(f"{_USED}:{request.party_id}", request.message_id, forgotten):
            raise ValueInconsistent("this PullRequest was used before")
    return inbox.delivery


async def _next(inbox: FrenchInbox, request: VerifiedPullRequest, d: Delivery) -> As4Answer | None:
    """(3): the first row that can be given out; None when there is none, or the endpoint is paused."""
    async with inbox.store.begin(read_only=True) as tx:
        if (await tx.breaker(request.party_id)).paused:
            return None
    while True:
        claim = await _claim(inbox, request.party_id)
        if claim is None:
            return None
        try:
            answer = await _given_out(inbox, claim, d)
        except LeaseLost:
            continue
        if answer is not None:
            return answer


async def _claim(inbox: FrenchInbox, endpoint: str) -> Claim | None:
    """The oldest row, leased; an earlier handing out that brought no receipt is recorded as an attempt."""
    now = inbox.clock.now()
    async with inbox.store.begin() as tx:
        claim = await tx.claim_oldest(Channel.AS4, endpoint, now=now, lease=inbox.pull_lease)
        if claim is None or claim.lapsed_at is None:
            return claim
        entry = claim.entry
        await tx.add_attempt(
            Attempt(
                message_id=entry.message_id,
                channel=entry.channel,
                endpoint=entry.endpoint,
                number=entry.attempts,
                started_at=claim.lapsed_at - inbox.pull_lease,
                finished_at=claim.lapsed_at,
                outcome=ReceiptMissing.code,
                http_status=None,
                detail="the receipt of a pulled message did not come",
            )
        )
    return claim


async def _given_out(inbox: FrenchInbox, claim: Claim, d: Delivery) -> As4Answer | None:
    """(4), (5): the message; None when this row is not to be given out. Raises LeaseLost."""
    entry = claim.entry
    async with d.store.begin(read_only=True) as tx:
        record = await tx.get_message(entry.message_id)
        case = await tx.get_case(entry.reference)
        sealings = [e for e in await tx.evidence(entry.message_id) if e.kind is EvidenceKind.AS4_USER_MESSAGE]
    if record is None:
        raise AssertionError("an outbox row without its message")
    job = Job(entry=entry, record=record, case=case)
    if overtaken(job):
        await record_cancelled(job, d)
        return None
    if entry.wire is not None and sealings and _too_old(sealings[-1].created_at, d):
        await record_end(job, None, ReceiptMissing.code, MessageStatus.FAILED, d)
        return None
    try:
        wire, content_type, _ = await sealed_wire(job, d)
    except Unmappable as exc:
        await record_hold(job, exc, d)
        return None
    except ContentDestroyed:
        await record_end(job, None, "content_destroyed", MessageStatus.FAILED, d)
        return None
    except As4Error as exc:  # for example the partner's encryption certificate has expired
        await record_failure(job, not_sealed(exc, d), exc, d)
        return None
    now = d.clock.now()
    async with d.store.begin() as tx:
        # sealing a large message took its time
        if not await tx.extend_lease(entry, now + inbox.pull_lease):
            raise LeaseLost
        await tx.append_audit(
            at=now,
            actor=ACTOR,
            action="message.handed_out",
            subject=entry.message_id,
            data={"reference": entry.reference, "attempt": entry.attempts + 1},
        )
    body = streamed_body(d.store, wire) if isinstance(wire, Blob) else wire
    return As4Answer(content_type=content_type, body=body)


def _too_old(sealed_at: dt.datetime, d: Delivery) -> bool:
    """A receiver with our window of eb:Timestamp would refuse these bytes for ever: an operator decides."""
    return d.clock.now() - sealed_at > d.schedule.max_age
