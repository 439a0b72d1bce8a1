"""Races, strangers and dead ends of pull and callbacks: nothing is lost, nothing changes hands wrongly."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from contracts.codes import MessageType
from contracts.model import Message
from gateway.core.as4.content import Content
from gateway.core.as4.message import Sealed
from gateway.core.as4.trust import TrustStore
from gateway.core.breaker import BreakerPolicy
from gateway.core.errors import ConnectionFailed
from gateway.core.records import Channel, EvidenceKind, MessageStatus
from gateway.core.retry import RetrySchedule
from gateway.flows.accept_fr import FrenchInbox, accept
from gateway.flows.callback import deliver_receipt
from gateway.flows.delivery_record import Outcome
from gateway.flows.ports import Transaction
from gateway.flows.pull_fetch import Fetched, fetch
from tests.fixtures.agreements import CALLBACK, FR_CHANNEL, PULLED_FR, PULLED_UK, agreement
from tests.fixtures.ends import LEASE, Ends, make_ends
from tests.fixtures.pulls import NO_BODY, http, opened, post, pull, pulled, receipt_of, request

BOTH = agreement(uk_to_fr=PULLED_UK, fr_to_uk=PULLED_FR)


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    schedule = RetrySchedule(delays=(0, 5), jitter=0)
    async with make_ends(agreement=BOTH, schedule=schedule, breaker=BreakerPolicy(threshold=1)) as made:
        yield made


def trusting_us_too(ends: Ends) -> FrenchInbox:
    """An inbox that also knows a second party: here, ourselves."""
    ours, theirs = ends.french.trust, ends.british.trust
    both = TrustStore(ours.anchors + theirs.anchors, {**theirs.party_certificates, **ours.party_certificates})
    return dataclasses.replace(ends.inbox, access_point=dataclasses.replace(ends.british, trust=both))


@pytest.mark.as4(29)
@pytest.mark.as4(37)
async def test_a_receipt_signed_by_another_known_party_changes_nothing(ends: Ends) -> None:
    """Known, but not the one that we sent to: HTTP 400 without a signal."""
    message = await ends.open_case()
    verified = await pulled(ends)
    sealed = ends.british.receipt(verified, signal_id=ends.clock.new_id(), now=ends.clock.now())
    answer = await accept(trusting_us_too(ends), sealed.content_type, sealed.body)
    assert (answer.status, answer.body, answer.code) == (400, b"", "as4.failed_authentication")
    assert (await ends.record(message.message_id)).status is MessageStatus.SENDING


@pytest.mark.as4(29)
@pytest.mark.as4(37)
async def test_a_dead_letter_is_proven_by_its_receiver_alone(ends: Ends) -> None:
    """Another known party's receipt for a message that was given up is refused, and changes nothing."""
    message = await ends.open_case()
    verified = await pulled(ends)
    now = ends.clock.now()
    async with ends.store.begin() as tx:
        entry = await tx.seize(message.message_id, Channel.AS4, until=now + dt.timedelta(minutes=1))
        assert entry is not None
        await tx.complete(entry)
        await tx.update_message(
            message.message_id, at=now, status=MessageStatus.FAILED, code="delivery.receipt_missing"
        )
    sealed = ends.british.receipt(verified, signal_id=ends.clock.new_id(), now=now)
    answer = await accept(trusting_us_too(ends), sealed.content_type, sealed.body)
    assert (answer.status, answer.code) == (400, "as4.failed_authentication")
    assert (await ends.record(message.message_id)).status is MessageStatus.FAILED
    sealed = ends.french.receipt(verified, signal_id=ends.clock.new_id(), now=now)
    assert (await accept(trusting_us_too(ends), sealed.content_type, sealed.body)).status == 202
    assert (await ends.record(message.message_id)).status is MessageStatus.DELIVERED


class Whole:
    """A Content that is as large as a message."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    @property
    def size(self) -> int:
        return len(self._octets)

    def chunks(self, begin: int = 0, end: int | None = None):  # type: ignore[no-untyped-def] # Content
        yield self._octets[begin:end]


async def test_a_signal_as_large_as_a_message_is_refused(ends: Ends) -> None:
    """What had to be spooled to a file is no receipt: HTTP 400."""
    message = await ends.open_case()
    sealed = receipt_of(ends, await pulled(ends))
    body: Content = Whole(sealed.body)
    answer = await accept(ends.inbox, sealed.content_type, body)
    assert (answer.status, answer.code) == (400, "as4.invalid_header")
    assert (await ends.record(message.message_id)).status is MessageStatus.SENDING


@pytest.mark.as4(36)
async def test_an_access_point_without_delivery(ends: Ends) -> None:
    """Where nothing is handed out, a PullRequest is refused (EBMS:0008) and a signal ignored."""
    await ends.open_case()
    verified = await pulled(ends)
    inbox = dataclasses.replace(ends.inbox, delivery=None)
    sealed = request(ends)
    answer = await accept(inbox, sealed.content_type, sealed.body)
    assert opened(ends, answer) == "EBMS:0008"
    receipt = receipt_of(ends, verified)
    assert (await accept(inbox, receipt.content_type, receipt.body)).status == 202
    assert await ends.backlog() == 1


@pytest.mark.as4(36)
async def test_a_message_that_cannot_be_sealed_makes_room(ends: Ends) -> None:
    """The partner's encryption certificate has expired: a failed attempt with its reason, no endless loop."""
    message = await ends.open_case()
    far = dt.timedelta(days=5000)
    recipient = ends.british.recipient
    assert recipient is not None
    assert recipient.not_valid_after_utc < ends.clock.now() + far
    delivery = dataclasses.replace(ends.delivery, clock=_Later(ends, far))
    inbox = dataclasses.replace(ends.inbox, delivery=delivery)
    sealed = request(ends)
    answer = await accept(inbox, sealed.content_type, sealed.body)
    assert opened(ends, answer) == "EBMS:0006"
    (attempt,) = await ends.attempts(message.message_id)
    assert attempt.outcome == "as4.policy_noncompliance"


class _Later:
    """A clock far ahead."""

    def __init__(self, ends: Ends, by: dt.timedelta) -> None:
        self._ends, self._by = ends, by
        self.new_id = ends.clock.new_id
        self.new_reference = ends.clock.new_reference

    def now(self) -> dt.datetime:
        return self._ends.clock.now() + self._by


# ---- receipts that we owe -----------------------------------------------------------------------


@pytest.fixture
async def owing() -> AsyncIterator[tuple[Ends, str]]:
    """France's acknowledgement was pushed and taken in; its receipt waits to be POSTed back."""
    schedule = RetrySchedule(delays=(0, 5), jitter=0)
    async with make_ends(
        agreement=agreement(fr_to_uk=CALLBACK), schedule=schedule, breaker=BreakerPolicy(threshold=1)
    ) as ends:
        message = await ends.open_case()
        await ends.deliver()
        (reply,) = ends.brain.answers(
            await _content(ends, message.message_id), None, as4_message_id="x@y", now=ends.clock.now()
        )[:1]
        sealed = ends.french.unsafe_seal_bytes(
            MessageType(reply.type),
            reply.message_id,
            reply.conversation_id,
            reply.content,
            now=ends.clock.now(),
            ref_to=None,
        )
        assert (await accept(ends.inbox, sealed.content_type, sealed.body)).status == 202
        yield ends, reply.message_id


async def _content(ends: Ends, message_id: str) -> Message:
    async with ends.store.begin(read_only=True) as tx:
        return await tx.content(message_id)


async def attempt(ends: Ends) -> Outcome:
    async with ends.store.begin() as tx:
        (entry,) = await tx.claim_due(now=ends.clock.now(), limit=1, lease=LEASE)
    assert entry.channel is Channel.AS4_SIGNAL
    return await deliver_receipt(entry, ends.delivery)


@pytest.mark.as4(28)
async def test_a_receipt_is_given_up_with_the_schedule(owing: tuple[Ends, str]) -> None:
    """After the last attempt it is given up, on the audit: the partner sends its message again."""
    ends, message_id = owing
    ends.partner.error = ConnectionFailed("no")
    assert await attempt(ends) is Outcome.RETRY
    assert await attempt_while_open(ends) is Outcome.WAITING
    ends.clock.skip(60)
    assert await attempt(ends) is Outcome.FAILED  # the probe, and the last attempt
    assert "receipt.failed" in await ends.audit(message_id)
    assert await ends.backlog() == 0


async def attempt_while_open(ends: Ends) -> Outcome:
    ends.clock.skip(6)
    return await attempt(ends)


@pytest.mark.as4(28)
async def test_an_answer_that_says_nothing_is_judged_by_its_status(owing: tuple[Ends, str]) -> None:
    """A body that cannot be verified with HTTP 200: taken; with 500: not."""
    ends, _ = owing
    forged = dataclasses.replace(NO_BODY, status=500, content_type="application/soap+xml", body=b"<x/>")
    ends.partner.raw = lambda _, __: forged
    assert await attempt(ends) is Outcome.RETRY
    ends.clock.skip(60)
    ends.partner.raw = lambda _, __: dataclasses.replace(forged, status=200)
    assert await attempt(ends) is Outcome.DELIVERED


@pytest.mark.parametrize("fails", [True, False])
async def test_a_lost_lease_leaves_the_receipt_to_its_holder(owing: tuple[Ends, str], fails: bool) -> None:
    """Another node took the row while we POSTed: nothing of this attempt is recorded."""
    ends, message_id = owing

    async def robbed() -> None:
        async with ends.store.begin() as tx:
            assert await tx.seize(message_id, Channel.AS4_SIGNAL, until=ends.clock.now() + LEASE)

    ends.partner.before = robbed
    ends.partner.raw = lambda _, __: dataclasses.replace(NO_BODY, status=503 if fails else 202)
    assert await attempt(ends) is Outcome.LEASE_LOST
    assert await ends.attempts(message_id) == ()
    assert await ends.backlog() == 1


# ---- races --------------------------------------------------------------------------------------


@pytest.mark.as4(36)
async def test_an_open_circuit_is_probed_once(ends: Ends) -> None:
    """One PullRequest probes after an outage; its answer closes the circuit."""
    ends.partner.error = ConnectionFailed("no")

    async def ask() -> Fetched:
        result = await fetch(ends.inbox, ends.delivery, transport=ends.partner, mpc=FR_CHANNEL)
        return result.fetched

    assert await ask() is Fetched.FAILED
    assert await ask() is Fetched.WAITING
    ends.clock.skip(60)
    assert await ask() is Fetched.FAILED
    assert await ask() is Fetched.WAITING


@pytest.mark.as4(33)
@pytest.mark.as4(36)
async def test_a_ping_in_a_channel_is_no_answer_to_a_pull(ends: Ends) -> None:
    """A ping is pushed; in the answer to a PullRequest it is refused and nothing is stored."""
    ping = ends.french.ping(message_id=ends.clock.new_id(), conversation_id="c", now=ends.clock.now())
    assert isinstance(ping.body, bytes)
    answer = dataclasses.replace(NO_BODY, status=200, content_type=ping.content_type, body=ping.body)
    ends.partner.raw = lambda _, __: answer
    result = await fetch(ends.inbox, ends.delivery, transport=ends.partner, mpc=FR_CHANNEL)
    assert (result.fetched, result.code) == (Fetched.REFUSED, "as4.processing_mode_mismatch")


@pytest.mark.as4(36)
async def test_a_row_taken_while_it_is_sealed_is_left(ends: Ends) -> None:
    """The receipt of an earlier sealing arrives between claim and answer: the next message is given."""
    first = await ends.open_case()
    verified = await pulled(ends)
    second = await ends.open_case(attachments=())
    ends.clock.skip(ends.inbox.pull_lease.total_seconds() + 1)
    store = _Robbing(ends, first.message_id, receipt_of(ends, verified))
    delivery = dataclasses.replace(ends.delivery, store=store)  # type: ignore[arg-type] # a thin wrapper
    sealed = request(ends)
    answer = await accept(
        dataclasses.replace(ends.inbox, delivery=delivery), sealed.content_type, sealed.body
    )
    found = opened(ends, answer)
    assert not isinstance(found, str)
    assert found.message.message_id.startswith(second.message_id)
    assert (await ends.record(first.message_id)).status is MessageStatus.DELIVERED
    kinds = await ends.evidence_kinds(first.message_id)
    assert kinds.count(EvidenceKind.NRR_RECEIPT) == 1


class _Robbing:
    """The store, with a receipt that comes at the first writing transaction of the delivery."""

    def __init__(self, ends: Ends, message_id: str, receipt: Sealed) -> None:
        self._ends, self._receipt = ends, receipt
        self.read_blob = ends.store.read_blob
        self._message_id = message_id

    @asynccontextmanager
    async def begin(self, *, read_only: bool = False) -> AsyncIterator[Transaction]:
        receipt, self._receipt = (self._receipt, None) if not read_only else (None, self._receipt)  # type: ignore[assignment]
        if receipt is not None:
            assert (await post(self._ends, receipt)).status == 202
        async with self._ends.store.begin(read_only=read_only) as tx:
            yield tx


@pytest.mark.as4(36)
async def test_polling_an_empty_channel_needs_no_more_than_a_request(ends: Ends) -> None:
    """Requests that bring nothing leave no message, no attempt, no audit entry behind."""
    for _ in range(5):
        assert await pull(ends) == "EBMS:0006"
    assert await ends.backlog() == 0
    assert http(request(ends)).body
