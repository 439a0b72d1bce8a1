"""We pull from France: what comes is taken in as a push is, and its receipt cannot be lost (36, 28)."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from adapters.fr import FrAdapter
from contracts import codes, model
from gateway.core.as4.message import Sealed
from gateway.core.as4.verified import VerifiedError, VerifiedPullRequest, VerifiedReceipt
from gateway.core.breaker import BreakerPolicy
from gateway.core.errors import As4Error, ConnectionFailed, EmptyChannel, FailedAuthentication, PeerTimedOut
from gateway.core.records import Channel, EvidenceKind, MessageRecord
from gateway.flows.accept_fr import accept
from gateway.flows.callback import deliver_receipt
from gateway.flows.delivery_record import Outcome
from gateway.flows.ports import HttpAnswer
from gateway.flows.pull_fetch import Fetched, Result, fetch
from gateway.puller import Puller, PullPlan
from tests.fixtures.agreements import CALLBACK, FR_CHANNEL, PULLED_FR, agreement
from tests.fixtures.ends import LEASE, Ends, make_ends
from tests.fixtures.pulls import NO_BODY, http
from tests.fixtures.world import until

pytestmark = pytest.mark.as4(36)


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    async with make_ends(agreement=agreement(fr_to_uk=PULLED_FR), breaker=BreakerPolicy(threshold=2)) as made:
        yield made


class Ministry:
    """The French end of the scripted transport: a queue that is pulled, and signals that come back."""

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self.queue: list[Sealed] = []
        self.requests: list[VerifiedPullRequest] = []
        self.signals: list[VerifiedReceipt | VerifiedError] = []
        self.bodies: list[bytes] = []
        self.refuses = 0
        """How many signals are answered 503 before one is taken."""
        ends.partner.raw = self.answer

    def answer(self, content_type: str, body: bytes) -> HttpAnswer:
        opened = self.ends.french.open_posted(content_type, body, now=self.ends.clock.now())
        if isinstance(opened, VerifiedPullRequest):
            self.ends.french.may_pull(opened)
            self.requests.append(opened)
            if self.queue:
                return http(self.queue[0])
            return http(self.error(EmptyChannel("nothing"), opened.message_id))
        assert isinstance(opened, VerifiedReceipt | VerifiedError)
        if self.refuses:
            self.refuses -= 1
            return dataclasses.replace(NO_BODY, status=503)
        self.signals.append(opened)
        self.bodies.append(body)
        return NO_BODY

    def error(self, err: As4Error, ref_to: str | None) -> Sealed:
        ends = self.ends
        return ends.french.error(err, signal_id=ends.clock.new_id(), now=ends.clock.now(), ref_to=ref_to)

    def send(self, message: model.Message, content: bytes | None = None) -> Sealed:
        """Queues a message of the ministry."""
        sealed = self.ends.french.unsafe_seal_bytes(
            message.type,
            message.message_id,
            message.conversation_id,
            FrAdapter().from_canonical(message).content if content is None else content,
            now=self.ends.clock.now(),
            ref_to=None,
        )
        assert isinstance(sealed.body, bytes)
        signal = Sealed(
            content_type=sealed.content_type,
            body=sealed.body,
            envelope=sealed.envelope,
            references=sealed.references,
        )
        self.queue.append(signal)
        return signal


def acknowledgement(ends: Ends, opened: MessageRecord) -> model.Message:
    return model.Message(
        message_id=ends.clock.new_id(),
        reference=opened.reference,
        conversation_id=opened.conversation_id,
        issued_at=ends.clock.now(),
        in_reply_to=opened.message_id,
        body=model.Acknowledgement(
            of_message=opened.message_id,
            status=codes.AckStatus.TAKEN_INTO_ACCOUNT,
            code=None,
            at=ends.clock.now(),
        ),
    )


async def delivered_case(ends: Ends) -> MessageRecord:
    """A request of ours that France has."""
    message = await ends.open_case()
    await ends.deliver()
    return message


async def pull(ends: Ends) -> Result:
    return await fetch(ends.inbox, ends.delivery, transport=ends.partner, mpc=FR_CHANNEL)


async def owed(ends: Ends) -> Outcome:
    """One attempt of the worker for the receipt that is due."""
    async with ends.store.begin() as tx:
        (entry,) = await tx.claim_due(now=ends.clock.now(), limit=1, lease=LEASE)
    assert entry.channel is Channel.AS4_SIGNAL
    return await deliver_receipt(entry, ends.delivery)


@pytest.mark.as4(28)
async def test_a_message_is_fetched_and_its_receipt_posted_back(ends: Ends) -> None:
    """Stored with its receipt and the row that will POST it; the partner verifies exactly what it sent."""
    opened = await delivered_case(ends)
    ministry = Ministry(ends)
    reply = acknowledgement(ends, opened)
    sealed = ministry.send(reply)
    assert (await pull(ends)).fetched is Fetched.TAKEN
    (request,) = ministry.requests
    assert (request.mpc, request.party_id) == (FR_CHANNEL, ends.british.party)
    assert ministry.signals == []
    stored = await ends.record(reply.message_id)
    assert stored.direction is codes.Direction.FR_TO_UK
    assert await ends.evidence_kinds(reply.message_id) == [
        EvidenceKind.AS4_USER_MESSAGE,
        EvidenceKind.NRR_RECEIPT,
    ]
    assert await owed(ends) is Outcome.DELIVERED
    (signal,) = ministry.signals
    assert isinstance(signal, VerifiedReceipt)
    ends.french.check_receipt(sealed.envelope, signal, message_id=reply.message_id)
    assert await ends.backlog() == 0
    assert "receipt.delivered" in await ends.audit(reply.message_id)


async def test_an_empty_channel(ends: Ends) -> None:
    """EBMS:0006: nothing is stored, nothing is owed, nothing is audited; each request is a new one."""
    ministry = Ministry(ends)
    for _ in range(2):
        assert (await pull(ends)).fetched is Fetched.EMPTY
    first, second = ministry.requests
    assert first.message_id != second.message_id
    assert await ends.backlog() == 0
    assert await ends.audit("as4") == []


@pytest.mark.as4(28)
async def test_the_receipt_is_posted_until_it_is_taken(ends: Ends) -> None:
    """HTTP 503, a dead connection: the same bytes again, by the schedule; every attempt is on record."""
    opened = await delivered_case(ends)
    ministry = Ministry(ends)
    reply = acknowledgement(ends, opened)
    ministry.send(reply)
    await pull(ends)
    ministry.refuses = 1
    assert await owed(ends) is Outcome.RETRY
    ends.clock.skip(6)
    ends.partner.error = ConnectionFailed("no")
    assert await owed(ends) is Outcome.RETRY
    ends.partner.error = None
    ends.clock.skip(60)
    assert await owed(ends) is Outcome.DELIVERED
    outcomes = [(a.channel, a.outcome) for a in await ends.attempts(reply.message_id)]
    assert outcomes == [
        (Channel.AS4_SIGNAL, "delivery.unavailable"),
        (Channel.AS4_SIGNAL, "delivery.connection_failed"),
        (Channel.AS4_SIGNAL, "delivered"),
    ]
    assert (await ends.record(reply.message_id)).attempts == 0  # those are not attempts of the message


@pytest.mark.as4(32)
async def test_a_duplicate_gets_the_stored_receipt_again(ends: Ends) -> None:
    """The same message pulled again: stored once, and the very same receipt is POSTed once more."""
    opened = await delivered_case(ends)
    ministry = Ministry(ends)
    reply = acknowledgement(ends, opened)
    ministry.send(reply)
    await pull(ends)
    await pull(ends)  # before the first receipt left: one receipt is owed
    assert await ends.backlog() == 1
    await owed(ends)
    assert (await pull(ends)).fetched is Fetched.REPEATED
    assert await owed(ends) is Outcome.DELIVERED
    first, second = ministry.bodies
    assert first == second
    assert (await ends.evidence_kinds(reply.message_id)).count(EvidenceKind.NRR_RECEIPT) == 1


@pytest.mark.as4(30)
async def test_a_refused_message_is_answered_with_an_error_by_callback(ends: Ends) -> None:
    """A document against the contract: nothing stored, the signed error is POSTed back at once."""
    opened = await delivered_case(ends)
    ministry = Ministry(ends)
    reply = acknowledgement(ends, opened)
    ministry.send(reply, content=b"<garbage/>")
    result = await pull(ends)
    assert (result.fetched, result.code) == (Fetched.REFUSED, "as4.payload_refused")
    (signal,) = ministry.signals
    assert isinstance(signal, VerifiedError)
    assert signal.errors[0].code == "EBMS:0004"
    assert signal.ref_to_message_id == f"{reply.message_id}@passerelle.fr"
    assert await ends.backlog() == 0
    async with ends.store.begin(read_only=True) as tx:
        assert await tx.get_message(reply.message_id) is None


async def test_a_lost_error_is_told_again(ends: Ends) -> None:
    """When the error could not be POSTed, the message comes again and is refused again."""
    opened = await delivered_case(ends)
    ministry = Ministry(ends)
    ministry.send(acknowledgement(ends, opened), content=b"<garbage/>")
    ministry.refuses = 1
    assert (await pull(ends)).fetched is Fetched.REFUSED
    assert ministry.signals == []
    assert (await pull(ends)).fetched is Fetched.REFUSED
    assert len(ministry.signals) == 1


async def test_answers_that_are_none(ends: Ends) -> None:
    """No connection, no signal, a forged or foreign message: failures, which open the circuit at last."""
    Ministry(ends)
    ends.partner.error = PeerTimedOut("no")
    assert await pull(ends) == Result(fetched=Fetched.FAILED, code="delivery.timed_out")
    ends.partner.error = None
    ends.partner.raw = lambda _, __: dataclasses.replace(NO_BODY, status=200)
    assert await pull(ends) == Result(fetched=Fetched.FAILED, code="delivery.unavailable")
    assert (await pull(ends)).fetched is Fetched.WAITING  # two failures opened it
    ends.clock.skip(60)
    Ministry(ends)
    assert (await pull(ends)).fetched is Fetched.EMPTY
    assert (await pull(ends)).fetched is Fetched.EMPTY


async def test_a_receipt_in_answer_to_a_pull_is_refused(ends: Ends) -> None:
    """Only a user message or an error is an answer to a PullRequest; nothing is POSTed back for the rest."""
    opened = await delivered_case(ends)
    posted = len(ends.partner.posted)
    async with ends.store.begin(read_only=True) as tx:
        (proof,) = [e for e in await tx.evidence(opened.message_id) if e.kind is EvidenceKind.NRR_RECEIPT]
    ends.partner.raw = lambda _, __: dataclasses.replace(
        NO_BODY, status=200, content_type=proof.media_type, body=proof.content
    )
    result = await pull(ends)
    assert result.fetched is Fetched.REFUSED
    assert len(ends.partner.posted) == posted + 1  # the request alone


async def test_a_partner_that_denies(ends: Ends) -> None:
    """An error other than 0006 is a configuration fault: shown with its code, the circuit stays closed."""
    ministry = Ministry(ends)
    denied = ministry.error(FailedAuthentication("no"), None)
    ends.partner.raw = lambda _, __: http(denied)
    for _ in range(4):
        assert await pull(ends) == Result(fetched=Fetched.DENIED, code="EBMS:0101")


async def test_a_pulled_message_that_is_pushed_is_refused(ends: Ends) -> None:
    """The binding is part of the agreement: EBMS:0010, in the response."""
    opened = await delivered_case(ends)
    ministry = Ministry(ends)
    sealed = ministry.send(acknowledgement(ends, opened))
    answer = await accept(ends.inbox, sealed.content_type, sealed.body)
    assert answer.code == "as4.processing_mode_mismatch"
    assert isinstance(answer.body, bytes)
    signal = ends.french.open_answer(answer.content_type, answer.body, now=ends.clock.now())
    assert isinstance(signal, VerifiedError)
    assert signal.errors[0].code == "EBMS:0010"
    assert signal.ref_to_message_id is not None


async def test_a_pushed_message_that_is_pulled_is_refused() -> None:
    """The other way round: a message of push in the answer to a PullRequest."""
    async with make_ends(agreement=agreement()) as ends:
        opened = await delivered_case(ends)
        ministry = Ministry(ends)
        sealed = ministry.send(acknowledgement(ends, opened))
        ends.partner.raw = lambda _, __: http(sealed)
        result = await pull(ends)
        assert result == Result(fetched=Fetched.REFUSED, code="as4.processing_mode_mismatch")


# ---- receipts by callback for what is pushed ----------------------------------------------------


@pytest.mark.as4(28)
@pytest.mark.as4(1)
async def test_a_push_is_answered_202_and_its_receipt_follows() -> None:
    """P-Mode with ReplyPattern callback: nothing in the response, the signed receipt by a POST of ours."""
    async with make_ends(agreement=agreement(fr_to_uk=CALLBACK)) as ends:
        opened = await delivered_case(ends)
        ministry = Ministry(ends)
        reply = acknowledgement(ends, opened)
        sealed = ministry.send(reply)
        for _ in range(2):  # the second is a duplicate
            answer = await accept(ends.inbox, sealed.content_type, sealed.body)
            assert (answer.status, answer.body, answer.code) == (202, b"", None)
            assert await ends.backlog() == 1
        assert await owed(ends) is Outcome.DELIVERED
        (signal,) = ministry.signals
        assert isinstance(signal, VerifiedReceipt)
        ends.french.check_receipt(sealed.envelope, signal, message_id=reply.message_id)
        again = await accept(ends.inbox, sealed.content_type, sealed.body)
        assert again.status == 202
        await owed(ends)
        assert ministry.bodies[0] == ministry.bodies[1]


@pytest.mark.as4(30)
async def test_a_refused_push_is_answered_in_the_response() -> None:
    """Errors stay synchronous, also where receipts come by callback."""
    async with make_ends(agreement=agreement(fr_to_uk=CALLBACK)) as ends:
        opened = await delivered_case(ends)
        sealed = Ministry(ends).send(acknowledgement(ends, opened), content=b"<garbage/>")
        answer = await accept(ends.inbox, sealed.content_type, sealed.body)
        assert (answer.status, answer.code) == (200, "as4.payload_refused")
        assert answer.body
        assert await ends.backlog() == 0


async def test_a_receipt_that_the_partner_refuses_is_not_sent_for_ever() -> None:
    """A genuine error signal in answer to our receipt ends it, on the audit; no signal answers a signal."""
    async with make_ends(agreement=agreement(fr_to_uk=CALLBACK)) as ends:
        opened = await delivered_case(ends)
        ministry = Ministry(ends)
        reply = acknowledgement(ends, opened)
        sealed = ministry.send(reply)
        await accept(ends.inbox, sealed.content_type, sealed.body)
        refusal = http(ministry.error(FailedAuthentication("no"), "x@y"))
        ends.partner.raw = lambda _, __: refusal
        posted = len(ends.partner.posted)
        assert await owed(ends) is Outcome.REJECTED
        assert len(ends.partner.posted) == posted + 1
        assert await ends.backlog() == 0
        assert "receipt.rejected" in await ends.audit(reply.message_id)


async def test_a_paused_partner_gets_no_receipts() -> None:
    """The circuit and the operator's pause hold for receipts as for messages."""
    async with make_ends(agreement=agreement(fr_to_uk=CALLBACK)) as ends:
        opened = await delivered_case(ends)
        ministry = Ministry(ends)
        sealed = ministry.send(acknowledgement(ends, opened))
        await accept(ends.inbox, sealed.content_type, sealed.body)
        async with ends.store.begin() as tx:
            breaker = await tx.breaker(ends.british.partner)
            await tx.save_breaker(dataclasses.replace(breaker, paused=True))
        assert await owed(ends) is Outcome.WAITING
        assert ministry.signals == []
        assert await ends.backlog() == 1


# ---- the task -----------------------------------------------------------------------------------


def scripted(results: list[Result | Exception]) -> tuple[Callable[[], Awaitable[Result]], list[float]]:
    """A fetch that gives these results, and the loop times at which it was called."""
    called: list[float] = []

    async def once() -> Result:
        called.append(asyncio.get_running_loop().time())
        result = results.pop(0) if results else Result(fetched=Fetched.EMPTY)
        if isinstance(result, Exception):
            raise result
        return result

    return once, called


async def test_the_puller_asks_again_at_once_after_a_message_and_backs_off_when_empty() -> None:
    """No wait after a message; then the interval, doubled up to its cap."""
    results: list[Result | Exception] = [Result(fetched=Fetched.TAKEN)] * 3
    once, called = scripted(results)
    puller = Puller(fetch=once, plan=PullPlan(interval_s=0.5, longest_wait_s=1))
    task = asyncio.create_task(puller.run())
    await until(lambda: len(called) > 5)
    puller.stop()
    await task
    waits = [b - a for a, b in itertools.pairwise(called)]
    assert max(waits[:3]) < 0.4  # no interval between messages
    assert waits[3] > 0.4
    assert waits[4] > 0.9


async def test_the_puller_survives_whatever_happens() -> None:
    """An unreachable store, a bug: logged, and asked again."""
    once, called = scripted([ConnectionFailed("no"), RuntimeError("bug"), Result(fetched=Fetched.DENIED)])
    puller = Puller(fetch=once, plan=PullPlan(interval_s=0.01, longest_wait_s=0.01))
    with capture_logs() as logs:
        task = asyncio.create_task(puller.run())
        await until(lambda: len(called) > 4)
        puller.stop()
        await task
    assert "pull.bug" in [entry["event"] for entry in logs]
