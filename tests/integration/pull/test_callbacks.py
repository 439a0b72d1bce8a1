"""We push, and the receipt comes by callback: HTTP 202 proves nothing yet (as4.md 28, 29, 31)."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from gateway.core.as4.message import Sealed
from gateway.core.errors import PayloadRefused
from gateway.core.records import EvidenceKind, MessageRecord, MessageStatus
from gateway.core.retry import RetrySchedule
from gateway.flows.deliver import deliver
from gateway.flows.delivery_record import Outcome
from gateway.flows.ports import HttpAnswer
from tests.fixtures.agreements import CALLBACK, agreement
from tests.fixtures.ends import Ends, make_ends
from tests.fixtures.ends import receipt as in_the_response
from tests.fixtures.pulls import NO_BODY, post


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    schedule = RetrySchedule(delays=(0, 5, 5), jitter=0)
    async with make_ends(agreement=agreement(uk_to_fr=CALLBACK), schedule=schedule) as made:
        yield made


class Partner:
    """Takes what is pushed with 202 and keeps the receipt to POST it back later."""

    def __init__(self, ends: Ends, answer: HttpAnswer = NO_BODY) -> None:
        self.receipts: list[Sealed] = []
        self.ends = ends
        self.taken = answer
        ends.partner.raw = self.answer

    def answer(self, content_type: str, body: bytes) -> HttpAnswer:
        ends, now = self.ends, self.ends.clock.now()
        verified = ends.french.open_request(content_type, body, now=now)
        self.receipts.append(ends.french.receipt(verified, signal_id=ends.clock.new_id(), now=now))
        return self.taken


async def status_of(ends: Ends, message: MessageRecord) -> MessageStatus:
    return (await ends.record(message.message_id)).status


@pytest.mark.as4(1)
@pytest.mark.as4(28)
@pytest.mark.parametrize("status", [200, 202, 204])
async def test_sent_and_then_proven(ends: Ends, status: int) -> None:
    """2xx without a body: sent, not delivered; the POSTed receipt delivers it, with the same evidence."""
    partner = Partner(ends, dataclasses.replace(NO_BODY, status=status))
    message = await ends.open_case()
    assert await ends.deliver() is Outcome.AWAITING
    record = await ends.record(message.message_id)
    assert (record.status, record.receipt_verified) == (MessageStatus.SENDING, False)
    answer = await post(ends, partner.receipts[0])
    assert (answer.status, answer.body) == (202, b"")
    record = await ends.record(message.message_id)
    assert (record.status, record.receipt_verified) == (MessageStatus.DELIVERED, True)
    assert await ends.evidence_kinds(message.message_id) == [
        EvidenceKind.AS4_USER_MESSAGE,
        EvidenceKind.NRR_RECEIPT,
    ]
    assert await ends.backlog() == 0
    outcomes = [a.outcome for a in await ends.attempts(message.message_id)]
    assert outcomes == ["delivery.receipt_awaited", "delivered"]


@pytest.mark.as4(31)
async def test_without_a_receipt_in_time_the_same_bytes_are_sent_again(ends: Ends) -> None:
    """Not before the timeout; and either receipt then proves the message."""
    partner = Partner(ends)
    message = await ends.open_case()
    before = ends.clock.now()
    await ends.deliver()
    async with ends.store.begin(read_only=True) as tx:
        due = await tx.next_due()
    assert due is not None
    assert due >= before + ends.delivery.receipt_timeout
    ends.clock.skip(ends.delivery.receipt_timeout.total_seconds() + 1)
    assert await ends.deliver() is Outcome.AWAITING
    first, second = ends.partner.posted
    assert first == second
    await post(ends, partner.receipts[0])
    assert await status_of(ends, message) is MessageStatus.DELIVERED


@pytest.mark.as4(31)
async def test_the_schedule_still_holds(ends: Ends) -> None:
    """A longer wait of the schedule counts: a partner without a way back is not pressed every few minutes."""
    Partner(ends)
    slow = dataclasses.replace(ends.delivery, schedule=RetrySchedule(delays=(0, 7200, 7200), jitter=0))
    await ends.open_case()
    before = ends.clock.now()
    assert await deliver(await ends.claim(), slow) is Outcome.AWAITING
    async with ends.store.begin(read_only=True) as tx:
        due = await tx.next_due()
    assert due is not None
    assert (due - before).total_seconds() >= 7200


@pytest.mark.as4(31)
async def test_when_the_schedule_is_used_up_the_message_fails(ends: Ends) -> None:
    """The last attempt gets its whole timeout too; then EBMS:0301, and nothing more is sent."""
    Partner(ends)
    message = await ends.open_case()
    wait = ends.delivery.receipt_timeout.total_seconds() + 1
    for _ in range(3):
        assert await ends.deliver() is Outcome.AWAITING
        ends.clock.skip(wait)
    assert await ends.deliver() is Outcome.FAILED
    assert len(ends.partner.posted) == 3
    record = await ends.record(message.message_id)
    assert (record.status, record.code) == (MessageStatus.FAILED, "delivery.receipt_missing")
    assert await ends.backlog() == 0


async def dead_letter(ends: Ends) -> MessageRecord:
    """A message whose receipts never came in time."""
    message = await ends.open_case()
    while await ends.deliver() is not Outcome.FAILED:
        ends.clock.skip(ends.delivery.receipt_timeout.total_seconds() + 1)
    return message


@pytest.mark.as4(29)
async def test_the_receipt_of_a_dead_letter_proves_it_after_all(ends: Ends) -> None:
    """It is delivered then, once; whoever would send it again is refused, and a second copy is ignored."""
    partner = Partner(ends)
    message = await dead_letter(ends)
    answer = await post(ends, partner.receipts[0])
    assert (answer.status, answer.body) == (202, b"")
    record = await ends.record(message.message_id)
    assert (record.status, record.receipt_verified, record.code) == (MessageStatus.DELIVERED, True, None)
    kinds = await ends.evidence_kinds(message.message_id)
    assert kinds.count(EvidenceKind.NRR_RECEIPT) == 1
    assert "message.delivered" in await ends.audit(message.message_id)
    await post(ends, partner.receipts[0])
    assert await ends.evidence_kinds(message.message_id) == kinds
    assert await ends.audit("as4") == ["signal.ignored"]


async def test_a_receipt_in_the_response_counts_as_well(ends: Ends) -> None:
    """A partner that answers at once has proven it at once."""
    ends.partner.answer = in_the_response
    message = await ends.open_case()
    assert await ends.deliver() is Outcome.DELIVERED
    assert await status_of(ends, message) is MessageStatus.DELIVERED


async def test_a_receipt_faster_than_our_bookkeeping(ends: Ends) -> None:
    """The callback arrives while the answer to the push is still on its way: delivered once."""
    partner = Partner(ends)
    message = await ends.open_case()

    def answer(content_type: str, body: bytes) -> HttpAnswer:
        partner.answer(content_type, body)
        task = asyncio.get_running_loop().create_task(post(ends, partner.receipts[0]))
        answers.append(task)
        return NO_BODY

    answers: list[asyncio.Task[object]] = []
    ends.partner.raw = answer
    outcome = await ends.deliver()
    await asyncio.gather(*answers)
    assert outcome in {Outcome.LEASE_LOST, Outcome.AWAITING}
    assert await status_of(ends, message) is MessageStatus.DELIVERED
    assert await ends.backlog() == 0
    assert (await ends.evidence_kinds(message.message_id)).count(EvidenceKind.NRR_RECEIPT) == 1


@pytest.mark.as4(30)
async def test_an_error_by_callback_ends_the_message(ends: Ends) -> None:
    """EBMS:0004 POSTed back rejects it, as in the response."""
    Partner(ends)
    message = await ends.open_case()
    await ends.deliver()
    sealed = ends.french.error(
        PayloadRefused("no"),
        signal_id=ends.clock.new_id(),
        now=ends.clock.now(),
        ref_to=f"{message.message_id}@passerelle.uk",
    )
    assert (await post(ends, sealed)).status == 202
    record = await ends.record(message.message_id)
    assert (record.status, record.code) == (MessageStatus.REJECTED, "EBMS:0004")


@pytest.mark.as4(29)
async def test_with_receipts_in_the_response_a_callback_is_not_awaited() -> None:
    """Where the agreement says response, an empty 2xx has failed, and a POSTed receipt is ignored."""
    async with make_ends() as ends:
        partner = Partner(ends)
        message = await ends.open_case()
        assert await ends.deliver() is Outcome.RETRY
        answer = await post(ends, partner.receipts[0])
        assert (answer.status, answer.body) == (202, b"")
        assert await status_of(ends, message) is MessageStatus.SENDING
        assert await ends.audit("as4") == ["signal.ignored"]
