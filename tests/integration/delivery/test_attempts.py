"""One attempt after another against a partner that answers by script: real keys, real store."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import AsyncIterator, Callable

import pytest

from adapters.fr import FrAdapter
from contracts import codes
from gateway.core.as4.verified import VerifiedUserMessage
from gateway.core.breaker import BreakerPolicy, pause
from gateway.core.errors import (
    EBMS,
    As4Error,
    As4FeatureNotSupported,
    ConnectionFailed,
    DecompressionFailure,
    ExternalPayload,
    FailedAuthentication,
    FailedDecryption,
    InvalidHeader,
    InvalidReceipt,
    MimeInconsistency,
    PayloadRefused,
    PeerTimedOut,
    PolicyNoncompliance,
    ProcessingModeMismatch,
    ValueInconsistent,
    ValueNotRecognized,
)
from gateway.core.records import EvidenceKind, MessageStatus
from gateway.core.retry import RetrySchedule
from gateway.flows.deliver import PASSING, deliver
from gateway.flows.delivery_record import Outcome
from gateway.flows.ports import HttpAnswer
from tests.fixtures.ends import Ends, make_ends, receipt

Answer = Callable[[Ends, VerifiedUserMessage], HttpAnswer]


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    async with make_ends() as made:
        yield made


def plain(status: int, *, retry_after: float | None = None, body: bytes = b"") -> Answer:
    return lambda _, __: HttpAnswer(
        status=status, content_type="text/html", body=body, retry_after=retry_after
    )


def error(err: As4Error, *, about: str | None = None) -> Answer:
    """A genuine signed error signal, by default about the message that came."""

    def answer(ends: Ends, verified: VerifiedUserMessage) -> HttpAnswer:
        sealed = ends.french.error(
            err,
            signal_id=ends.clock.new_id(),
            now=ends.clock.now(),
            ref_to=about or verified.message.message_id,
        )
        return HttpAnswer(status=200, content_type=sealed.content_type, body=sealed.body, retry_after=None)

    return answer


@pytest.mark.as4(1)
@pytest.mark.as4(29)
async def test_a_matching_receipt_delivers(ends: Ends) -> None:
    """Receipt verified, message delivered, row gone, envelope and receipt kept as evidence."""
    message = await ends.open_case()
    assert await ends.deliver() is Outcome.DELIVERED
    record = await ends.record(message.message_id)
    assert record.status is MessageStatus.DELIVERED
    assert record.receipt_verified
    assert record.delivered_at is not None
    assert record.attempts == 1
    assert record.as4_message_id == f"{message.message_id}@passerelle.uk"
    kinds = await ends.evidence_kinds(message.message_id)
    assert kinds == [EvidenceKind.AS4_USER_MESSAGE, EvidenceKind.NRR_RECEIPT]
    assert await ends.backlog() == 0
    assert "message.delivered" in await ends.audit(message.message_id)


@pytest.mark.as4(3)
@pytest.mark.as4(6)
@pytest.mark.as4(35)
async def test_the_header_on_the_wire(ends: Ends) -> None:
    """Conversation, four corners, and parts in order: the document first, then the attachments."""
    seen: list[VerifiedUserMessage] = []

    def look(ends: Ends, verified: VerifiedUserMessage) -> HttpAnswer:
        seen.append(verified)
        return receipt(ends, verified)

    ends.partner.answer = look
    message = await ends.open_case()
    await ends.deliver()
    (verified,) = seen
    assert verified.message.conversation_id == message.conversation_id
    assert verified.message.value("originalSender") == ends.instance.agreement.exchange.corner_uk
    assert verified.message.value("finalRecipient") == ends.instance.agreement.exchange.corner_fr
    async with ends.store.begin(read_only=True) as tx:
        attachments = (await tx.content(message.message_id)).attachments
    document, *parts = verified.payloads
    assert document.content_id == "document"
    announced = [(a.media_type, a.sha256) for a in attachments]
    assert [(p.mime_type, hashlib.sha256(p.content).hexdigest()) for p in parts] == announced
    # opaque: a UK system may have named a part after a person
    numbered = enumerate(attachments, start=1)
    assert [p.content_id for p in parts] == [f"attachment-{n}.{a.sha256}" for n, a in numbered]
    assert verified.encrypted


def foreign_receipt(ends: Ends, verified: VerifiedUserMessage) -> HttpAnswer:
    """A receipt signed with our own key, which is not the partner's."""
    sealed = ends.british.receipt(verified, signal_id=ends.clock.new_id(), now=ends.clock.now())
    return HttpAnswer(status=200, content_type=sealed.content_type, body=sealed.body, retry_after=None)


def shortened_receipt(ends: Ends, verified: VerifiedUserMessage) -> HttpAnswer:
    """A genuine receipt that leaves out the last reference."""
    return receipt(ends, dataclasses.replace(verified, references=verified.references[:-1]))


def receipt_for_another(ends: Ends, verified: VerifiedUserMessage) -> HttpAnswer:
    """A genuine receipt with the right references that names another message."""
    other = dataclasses.replace(verified.message, message_id="another@passerelle.uk")
    return receipt(ends, dataclasses.replace(verified, message=other))


def broken_receipt(ends: Ends, verified: VerifiedUserMessage) -> HttpAnswer:
    """A receipt whose signed bytes were changed on the way."""
    good = receipt(ends, verified)
    changed = good.body.replace(b"NonRepudiationInformation", b"NonRepudiationInformatioN")
    return HttpAnswer(status=200, content_type=good.content_type, body=changed, retry_after=None)


NOT_PROVEN: dict[str, tuple[Answer, str]] = {
    "no body": (plain(200), "delivery.receipt_missing"),
    "a page": (plain(200, body=b"<html>ok</html>"), "delivery.receipt_missing"),
    "accepted": (plain(202), "delivery.receipt_missing"),
    "503": (plain(503), "delivery.unavailable"),
    "404": (plain(404), "delivery.unavailable"),
    "foreign signer": (foreign_receipt, "as4.failed_authentication"),
    "a reference is missing": (shortened_receipt, "as4.invalid_receipt"),
    "for another message": (receipt_for_another, "as4.invalid_receipt"),
    "error about another message": (
        error(PayloadRefused("no"), about="other@passerelle.uk"),
        "delivery.receipt_missing",
    ),
    "their receipt trouble": (error(InvalidReceipt("no")), "EBMS:0302"),
}


@pytest.mark.as4(29)
@pytest.mark.as4(31)
@pytest.mark.parametrize("defect", NOT_PROVEN)
async def test_what_proves_nothing_is_tried_again(ends: Ends, defect: str) -> None:
    """Without a genuine matching receipt nothing is delivered; the next attempt has the same bytes."""
    ends.partner.answer, code = NOT_PROVEN[defect]
    message = await ends.open_case()
    assert await ends.deliver() is Outcome.RETRY
    record = await ends.record(message.message_id)
    assert (record.status, record.receipt_verified) == (MessageStatus.SENDING, False)
    assert [a.outcome for a in await ends.attempts(message.message_id)] == [code]
    ends.partner.answer = None
    ends.clock.skip(6)
    assert await ends.deliver() is Outcome.DELIVERED
    first, second = ends.partner.posted
    assert first == second
    assert [a.outcome for a in await ends.attempts(message.message_id)] == [code, "delivered"]


@pytest.mark.as4(29)
async def test_a_changed_receipt_proves_nothing(ends: Ends) -> None:
    """Bytes changed after signing are refused whatever they say."""
    ends.partner.answer = broken_receipt
    message = await ends.open_case()
    assert await ends.deliver() is Outcome.RETRY
    assert not (await ends.record(message.message_id)).receipt_verified


@pytest.mark.as4(31)
@pytest.mark.parametrize("failure", [ConnectionFailed("no"), PeerTimedOut("no")])
async def test_transport_failures_are_retried(ends: Ends, failure: Exception) -> None:
    """A connection that fails leaves an attempt with its code, and the row due again."""
    ends.partner.error = failure
    message = await ends.open_case()
    assert await ends.deliver() is Outcome.RETRY
    (attempt,) = await ends.attempts(message.message_id)
    assert attempt.outcome == failure.code  # type: ignore[attr-defined]
    assert attempt.http_status is None
    assert await ends.backlog() == 1


PERMANENT = [
    ValueNotRecognized("x"),
    ValueInconsistent("x"),
    MimeInconsistency("x"),
    As4FeatureNotSupported("x"),
    InvalidHeader("x"),
    ProcessingModeMismatch("x"),
    ExternalPayload("x"),
    FailedAuthentication("x"),
    FailedDecryption("x"),
    PolicyNoncompliance("x"),
    DecompressionFailure("x"),
]


@pytest.mark.as4(30)
@pytest.mark.parametrize("err", PERMANENT, ids=lambda e: e.code)
async def test_permanent_errors_become_dead_letters(ends: Ends, err: As4Error) -> None:
    """A genuine error that a retry cannot cure waits for an operator, with its proof."""
    ends.partner.answer = error(err)
    message = await ends.open_case()
    assert await ends.deliver() is Outcome.FAILED
    record = await ends.record(message.message_id)
    assert err.ebms is not None
    assert (record.status, record.code) == (MessageStatus.FAILED, err.ebms.code)
    assert (await ends.evidence_kinds(message.message_id))[-1] is EvidenceKind.AS4_ERROR
    assert await ends.backlog() == 0
    assert "message.failed" in await ends.audit(message.message_id)


@pytest.mark.as4(30)
def test_every_code_has_a_treatment() -> None:
    """Each ebMS code is refused by the partner, passing, or permanent: none is forgotten."""
    permanent = {e.ebms.code for e in PERMANENT if e.ebms is not None}
    assert {*permanent, *PASSING, "EBMS:0004"} == set(EBMS)


async def test_a_refused_payload_is_rejected(ends: Ends) -> None:
    """EBMS:0004 from the partner itself: the other side refused the message."""
    ends.partner.answer = error(PayloadRefused("no"))
    message = await ends.open_case()
    assert await ends.deliver() is Outcome.REJECTED
    record = await ends.record(message.message_id)
    assert (record.status, record.code) == (MessageStatus.REJECTED, "EBMS:0004")


@pytest.mark.as4(32)
async def test_a_refusal_after_a_lost_answer_is_for_an_operator(ends: Ends) -> None:
    """phase4 answers a duplicate with EBMS:0004: after an attempt whose answer was lost, the partner may have
    the message, so it is ``failed``, not ``rejected``; nobody can tell."""
    ends.partner.answer = plain(200)
    message = await ends.open_case()
    assert await ends.deliver() is Outcome.RETRY
    ends.clock.skip(3600)
    ends.partner.answer = error(PayloadRefused("no"))
    assert await ends.deliver() is Outcome.FAILED
    record = await ends.record(message.message_id)
    assert (record.status, record.code) == (MessageStatus.FAILED, "EBMS:0004")
    assert not record.receipt_verified


async def test_retry_after_is_honoured(ends: Ends) -> None:
    """A longer Retry-After moves the next attempt."""
    ends.partner.answer = plain(503, retry_after=100)
    await ends.open_case()
    before = ends.clock.now()
    await ends.deliver()
    async with ends.store.begin(read_only=True) as tx:
        due = await tx.next_due()
    assert due is not None
    assert dt.timedelta(seconds=100) <= due - before < dt.timedelta(seconds=110)


@pytest.mark.as4(31)
async def test_exhausted_schedule_is_a_dead_letter() -> None:
    """After the last attempt of the schedule the message fails; every attempt stays in its history."""
    async with make_ends(schedule=RetrySchedule(delays=(0, 1, 1), jitter=0)) as ends:
        ends.partner.answer = plain(503)
        message = await ends.open_case()
        outcomes = []
        for _ in range(3):
            outcomes.append(await ends.deliver())
            ends.clock.skip(2)
        assert outcomes == [Outcome.RETRY, Outcome.RETRY, Outcome.FAILED]
        record = await ends.record(message.message_id)
        assert (record.status, record.code) == (MessageStatus.FAILED, "delivery.unavailable")
        assert [a.number for a in await ends.attempts(message.message_id)] == [1, 2, 3]


async def test_breaker_opens_probes_and_closes() -> None:
    """After the threshold nothing is sent until the probe; one incident entry opens it, success closes it."""
    policy = BreakerPolicy(threshold=2, first_wait=dt.timedelta(seconds=30))
    async with make_ends(breaker=policy, schedule=RetrySchedule(delays=(0,) + (1,) * 9, jitter=0)) as ends:
        ends.partner.answer = plain(503)
        await ends.open_case()
        for _ in range(2):
            assert await ends.deliver() is Outcome.RETRY
            ends.clock.skip(2)
        assert await ends.deliver() is Outcome.WAITING
        assert len(ends.partner.posted) == 2
        ends.clock.skip(31)
        ends.partner.answer = None
        assert await ends.deliver() is Outcome.DELIVERED
        async with ends.store.begin(read_only=True) as tx:
            entries = await tx.audit_entries(limit=500)
        incident = [e.action for e in entries if e.action.startswith("endpoint.")]
        assert incident == ["endpoint.incident_opened", "endpoint.incident_closed"]


async def test_a_paused_endpoint_gets_nothing(ends: Ends) -> None:
    """An operator's pause holds every row without counting attempts."""
    message = await ends.open_case()
    entry = await ends.claim()
    async with ends.store.begin() as tx:
        await tx.save_breaker(pause(await tx.breaker(entry.endpoint)))
    assert await deliver(entry, ends.delivery) is Outcome.WAITING
    assert ends.partner.posted == []
    assert (await ends.record(message.message_id)).attempts == 0


async def test_a_lost_lease_changes_nothing(ends: Ends) -> None:
    """When another node took the row over during the attempt, this one records nothing."""
    message = await ends.open_case()
    entry = await ends.claim(dt.timedelta(seconds=1))

    async def take_over() -> None:
        ends.partner.before = None
        ends.clock.skip(2)
        await ends.claim()

    ends.partner.before = take_over
    assert await deliver(entry, ends.delivery) is Outcome.LEASE_LOST
    assert await ends.attempts(message.message_id) == ()
    assert (await ends.record(message.message_id)).status is MessageStatus.SENDING


async def test_an_early_acknowledgement_is_not_undone(ends: Ends) -> None:
    """When the partner's acknowledgement is processed before its receipt, the message stays acknowledged."""
    message = await ends.open_case()

    async def acknowledge() -> None:
        async with ends.store.begin() as tx:
            await tx.update_message(
                message.message_id, at=ends.clock.now(), status=MessageStatus.ACKNOWLEDGED
            )

    ends.partner.before = acknowledge
    assert await ends.deliver() is Outcome.DELIVERED
    record = await ends.record(message.message_id)
    assert (record.status, record.receipt_verified) == (MessageStatus.ACKNOWLEDGED, True)
    assert record.delivered_at is not None


async def test_a_withdrawn_case_sends_nothing_more(ends: Ends) -> None:
    """A row that was under lease when the withdrawal came is cancelled at its next attempt."""
    ends.partner.answer = plain(503)
    message = await ends.open_case()
    await ends.deliver()
    async with ends.store.begin() as tx:
        await tx.set_case_status(message.reference, "withdrawn", ends.clock.now())
    ends.clock.skip(6)
    assert await ends.deliver() is Outcome.CANCELLED
    record = await ends.record(message.message_id)
    assert (record.status, record.code) == (MessageStatus.CANCELLED, "withdrawn")
    assert len(ends.partner.posted) == 1


async def test_what_french_cannot_say_is_held() -> None:
    """A value without counterpart holds the message for an operator; nothing is sent, nothing is lost."""
    async with make_ends(french_adapter=FrAdapter(sex_not_specified="hold")) as ends:
        template = await ends.open_case()
        async with ends.store.begin(read_only=True) as tx:
            body = (await tx.content(template.message_id)).body
        await ends.deliver()
        values = {name: getattr(body, name) for name in body.__struct_fields__}
        person = {n: getattr(body.persons[0], n) for n in body.persons[0].__struct_fields__}  # type: ignore[union-attr]
        changed = type(body.persons[0])(**{**person, "sex": codes.Sex.X})  # type: ignore[union-attr]
        parts = ()
        values.update(persons=(changed,), attachments=(), evidence=())
        held = await ends.open_case(type(body)(**values), attachments=parts)
        assert await ends.deliver() is Outcome.HELD
        record = await ends.record(held.message_id)
        assert record.status is MessageStatus.HELD
        assert record.code is not None
        assert await ends.backlog() == 0
        assert len(ends.partner.posted) == 1


async def test_destroyed_content_fails(ends: Ends) -> None:
    """When retention destroyed the key before the first attempt, the row ends as a dead letter."""
    message = await ends.open_case()
    async with ends.store.begin() as tx:
        await tx.destroy_case_key(message.reference, at=ends.clock.now())
    assert await ends.deliver() is Outcome.FAILED
    assert (await ends.record(message.message_id)).code == "content_destroyed"


async def test_a_replay_is_proven_by_the_receipt_of_the_first_sealing(ends: Ends) -> None:
    """The partner had the first sealing and lost only its receipt: the replay gets that receipt and ends."""
    first: list[HttpAnswer] = []

    def lost(ends: Ends, verified: VerifiedUserMessage) -> HttpAnswer:
        first.append(receipt(ends, verified))
        return plain(503)(ends, verified)

    ends.partner.answer = lost
    message = await ends.open_case()
    entry = await ends.claim()
    await deliver(entry, ends.delivery)
    ends.clock.skip(6)
    async with ends.store.begin() as tx:
        (again,) = await tx.claim_due(now=ends.clock.now(), limit=1, lease=dt.timedelta(seconds=9))
        await tx.complete(again)
        await tx.enqueue(
            channel=entry.channel,
            endpoint=entry.endpoint,
            message_id=entry.message_id,
            reference=entry.reference,
            due_at=ends.clock.now(),
        )
    ends.partner.answer = lambda _, __: first[0]
    assert await ends.deliver() is Outcome.DELIVERED
    assert ends.partner.posted[0] != ends.partner.posted[1]
    assert (await ends.record(message.message_id)).receipt_verified


async def test_an_expired_partner_certificate_is_an_attempt_that_failed(ends: Ends) -> None:
    """Nothing can be sealed for a certificate that has run out: the operator sees why, and it is retried."""
    ends.clock.skip(10 * 365 * 86_400)
    message = await ends.open_case()
    assert await ends.deliver() is Outcome.RETRY
    record = await ends.record(message.message_id)
    assert (record.status, record.attempts) == (MessageStatus.ACCEPTED, 1)
    assert ends.partner.posted == []
