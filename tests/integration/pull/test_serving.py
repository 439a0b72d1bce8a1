"""France pulls from us: what is handed out to whom, again and again, until a receipt proves it (36)."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import AsyncIterator

import pytest

from adapters.fr import FrAdapter
from contracts import model
from contracts.ports import Problem, Unmappable, ValidDocument
from gateway.core.as4.message import Sealed
from gateway.core.breaker import pause, resume
from gateway.core.errors import InvalidHeader, InvalidReceipt, PayloadRefused, ValueInconsistent
from gateway.core.records import EvidenceKind, MessageRecord, MessageStatus
from gateway.flows.accept_fr import accept
from tests.fixtures.agreements import PULLED_UK, UK_CHANNEL, agreement
from tests.fixtures.ends import Ends, make_ends
from tests.fixtures.pulls import opened, post, pull, pulled, receipt_of, request

pytestmark = pytest.mark.as4(36)
EMPTY = "EBMS:0006"


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    async with make_ends(agreement=agreement(uk_to_fr=PULLED_UK)) as made:
        yield made


async def status_of(ends: Ends, message: MessageRecord) -> MessageStatus:
    return (await ends.record(message.message_id)).status


async def test_a_pulled_message_and_its_receipt(ends: Ends) -> None:
    """Handed out, then proven reference by reference by the receipt that is POSTed back: delivered."""
    message = await ends.open_case()
    verified = await pulled(ends)
    assert verified.message.message_id == f"{message.message_id}@passerelle.uk"
    assert verified.message.mpc == UK_CHANNEL
    assert await status_of(ends, message) is MessageStatus.SENDING
    answer = await post(ends, receipt_of(ends, verified))
    assert (answer.status, answer.body, answer.code) == (202, b"", None)
    record = await ends.record(message.message_id)
    assert record.status is MessageStatus.DELIVERED
    assert record.receipt_verified
    assert record.delivered_at is not None
    assert await ends.evidence_kinds(message.message_id) == [
        EvidenceKind.AS4_USER_MESSAGE,
        EvidenceKind.NRR_RECEIPT,
    ]
    assert await ends.backlog() == 0
    audit = await ends.audit(message.message_id)
    assert [a for a in audit if a in {"message.sealed", "message.handed_out", "message.delivered"}] == [
        "message.sealed",
        "message.handed_out",
        "message.delivered",
    ]
    assert await pull(ends) == EMPTY


async def test_the_empty_channel(ends: Ends) -> None:
    """EBMS:0006 about the request, signed by us; polling leaves no trace in the audit chain."""
    sealed = request(ends)
    answer = await post(ends, sealed)
    assert answer.code is None
    assert opened(ends, answer) == EMPTY
    assert await ends.audit("as4") == []


@pytest.mark.as4(31)
async def test_without_a_receipt_the_same_bytes_come_again(ends: Ends) -> None:
    """When the lease ends: same MessageId, same digests, same octets; the attempt before is on record."""
    message = await ends.open_case()
    first = await post(ends, request(ends))
    assert await pull(ends) == EMPTY  # leased
    ends.clock.skip(ends.inbox.pull_lease.total_seconds() + 1)
    second = await post(ends, request(ends))
    assert second.body == first.body
    (attempt,) = await ends.attempts(message.message_id)
    assert (attempt.number, attempt.outcome) == (1, "delivery.receipt_missing")
    assert attempt.finished_at - attempt.started_at == ends.inbox.pull_lease
    verified = opened(ends, first)
    assert not isinstance(verified, str)
    await post(ends, receipt_of(ends, verified))  # of the first handing out: it proves the same octets
    assert await status_of(ends, message) is MessageStatus.DELIVERED
    assert [a.outcome for a in await ends.attempts(message.message_id)][-1] == "delivered"
    assert (await ends.record(message.message_id)).attempts == 2


async def test_a_late_receipt_still_counts(ends: Ends) -> None:
    """A receipt that comes after the lease ended, before the next request, still delivers."""
    message = await ends.open_case()
    verified = await pulled(ends)
    ends.clock.skip(ends.inbox.pull_lease.total_seconds() + 1)
    await post(ends, receipt_of(ends, verified))
    assert await status_of(ends, message) is MessageStatus.DELIVERED
    assert await pull(ends) == EMPTY


@pytest.mark.as4(31)
async def test_a_message_that_nobody_acknowledges_fails(ends: Ends) -> None:
    """After the retry horizon the producer is told (EBMS:0301): the bytes would soon be too old."""
    message = await ends.open_case()
    await pulled(ends)
    ends.clock.skip(ends.delivery.schedule.max_age.total_seconds() + 1)
    assert await pull(ends) == EMPTY
    record = await ends.record(message.message_id)
    assert (record.status, record.code) == (MessageStatus.FAILED, "delivery.receipt_missing")


async def test_a_message_that_nobody_pulled_waits(ends: Ends) -> None:
    """Not fetched is not failed: it waits, however long, and is sealed only when it is asked for."""
    await ends.open_case()
    ends.clock.skip(dt.timedelta(days=20).total_seconds())
    assert (await pulled(ends)).message.mpc == UK_CHANNEL


async def test_the_oldest_first_one_at_a_time(ends: Ends) -> None:
    """Two cases come in order of acceptance, one message per request."""
    messages = [await ends.open_case(attachments=()) for _ in range(3)]
    got = [(await pulled(ends)).message.message_id.partition("@")[0] for _ in messages]
    assert got == [m.message_id for m in messages]
    assert await pull(ends) == EMPTY


async def test_concurrent_requests_get_different_messages(ends: Ends) -> None:
    """Two of the ministry's nodes ask at the same time: no message is handed out twice."""
    await asyncio.gather(*(ends.open_case(attachments=()) for _ in range(4)))
    found = await asyncio.gather(*(pull(ends) for _ in range(8)))
    messages = [f.message.message_id for f in found if not isinstance(f, str)]
    assert len(messages) == len(set(messages)) == 4
    assert [f for f in found if isinstance(f, str)] == [EMPTY] * 4


async def test_a_paused_endpoint_hands_nothing_out(ends: Ends) -> None:
    """What an operator has paused is not pulled either; it goes on where it stopped."""
    await ends.open_case()
    party = ends.british.partner
    async with ends.store.begin() as tx:
        await tx.save_breaker(pause(await tx.breaker(party)))
    assert await pull(ends) == EMPTY
    async with ends.store.begin() as tx:
        await tx.save_breaker(resume(await tx.breaker(party), ends.clock.now()))
    await pulled(ends)


# ---- who may not --------------------------------------------------------------------------------


async def refused(ends: Ends, answer_code: str, sealed: Sealed, code: str) -> None:
    """The request is refused with a signed error and an audit entry; the message stays where it is."""
    answer = await post(ends, sealed)
    assert answer.code == code
    assert opened(ends, answer) == answer_code
    async with ends.store.begin(read_only=True) as tx:
        last = [e for e in await tx.audit_entries() if e.action == "message.refused"][-1]
    assert last.data["code"] == code
    assert await ends.backlog() == 1


@pytest.mark.as4(37)
async def test_another_party_gets_nothing(ends: Ends) -> None:
    """A known party that is not the channel's receiver (here: we ourselves) is refused: EBMS:0101."""
    message = await ends.open_case()
    own = ends.british.pull_request(UK_CHANNEL, signal_id=ends.clock.new_id(), now=ends.clock.now())
    trusting = dataclasses.replace(
        ends.british,
        trust=type(ends.british.trust)(
            ends.british.trust.anchors + ends.french.trust.anchors,
            {**ends.british.trust.party_certificates, **ends.french.trust.party_certificates},
        ),
    )
    inbox = dataclasses.replace(ends.inbox, access_point=trusting)
    answer = await accept(inbox, own.content_type, own.body, remote="192.0.2.1")
    assert answer.code == "as4.failed_authentication"
    assert opened(ends, answer) == "EBMS:0101"
    assert await status_of(ends, message) is MessageStatus.ACCEPTED


async def test_an_unknown_channel(ends: Ends) -> None:
    """EBMS:0010; nothing is given out."""
    await ends.open_case()
    await refused(ends, "EBMS:0010", request(ends, "urn:test:mpc:other"), "as4.processing_mode_mismatch")


async def test_an_unsigned_request(ends: Ends) -> None:
    """EBMS:0103; nothing is given out."""
    await ends.open_case()
    sealed = request(ends)
    start = sealed.body.index(b"<wsse:Security")
    end = sealed.body.index(b"</wsse:Security>") + len(b"</wsse:Security>")
    bare = dataclasses.replace(sealed, body=sealed.body[:start] + sealed.body[end:])
    await refused(ends, "EBMS:0103", bare, "as4.policy_noncompliance")


async def test_a_captured_request_is_worth_nothing(ends: Ends) -> None:
    """The same request a second time is refused: EBMS:0003; so is one that is too old."""
    await ends.open_case()
    sealed = request(ends)
    first = await post(ends, sealed)
    assert first.code is None
    await refused(ends, "EBMS:0003", sealed, "as4.value_inconsistent")
    old = request(ends, at=ends.clock.now() - dt.timedelta(minutes=6))
    await refused(ends, "EBMS:0003", old, "as4.value_inconsistent")


async def test_where_nothing_is_pulled() -> None:
    """With an agreement of push there is no channel: EBMS:0010."""
    async with make_ends() as ends:
        await ends.open_case()
        await refused(ends, "EBMS:0010", request(ends), "as4.processing_mode_mismatch")


# ---- signals that are not what they should be ---------------------------------------------------


@pytest.mark.as4(29)
async def test_a_receipt_with_fewer_references_proves_nothing(ends: Ends) -> None:
    """HTTP 400, no signal, an audit entry; the message is not delivered and comes again."""
    message = await ends.open_case()
    verified = await pulled(ends)
    fewer = dataclasses.replace(verified, references=verified.references[:-1])
    answer = await post(ends, receipt_of(ends, fewer))
    assert (answer.status, answer.body, answer.code) == (400, b"", "as4.invalid_receipt")
    assert await status_of(ends, message) is MessageStatus.SENDING
    ends.clock.skip(ends.inbox.pull_lease.total_seconds() + 1)
    await post(ends, receipt_of(ends, await pulled(ends)))
    assert await status_of(ends, message) is MessageStatus.DELIVERED


@pytest.mark.as4(29)
async def test_a_repeated_receipt_changes_nothing(ends: Ends) -> None:
    """The second one is taken (202) and ignored."""
    message = await ends.open_case()
    sealed = receipt_of(ends, await pulled(ends))
    await post(ends, sealed)
    before = await ends.record(message.message_id)
    again = await post(ends, sealed)
    assert (again.status, again.code) == (202, None)
    assert await ends.record(message.message_id) == before
    assert await ends.evidence_kinds(message.message_id) == [
        EvidenceKind.AS4_USER_MESSAGE,
        EvidenceKind.NRR_RECEIPT,
    ]
    assert await ends.audit("as4") == ["signal.ignored"]


async def test_two_receipts_at_once_deliver_once(ends: Ends) -> None:
    """Both are answered 202; one delivery, one receipt as evidence."""
    message = await ends.open_case()
    verified = await pulled(ends)
    answers = await asyncio.gather(*(post(ends, receipt_of(ends, verified)) for _ in range(4)))
    assert {a.status for a in answers} == {202}
    assert (await ends.evidence_kinds(message.message_id)).count(EvidenceKind.NRR_RECEIPT) == 1
    assert (await ends.record(message.message_id)).attempts == 1


async def test_a_receipt_for_nothing_of_ours(ends: Ends) -> None:
    """Unknown MessageIds, foreign domains: ignored; one that was never handed out: ignored too."""
    message = await ends.open_case()
    verified = await pulled(ends)
    for other in ("nobody@passerelle.uk", f"{message.message_id}@other.test"):
        changed = dataclasses.replace(
            verified, message=dataclasses.replace(verified.message, message_id=other)
        )
        sealed = ends.french.receipt(changed, signal_id=ends.clock.new_id(), now=ends.clock.now())
        assert (await post(ends, sealed)).status == 202
    assert await status_of(ends, message) is MessageStatus.SENDING


async def test_a_receipt_before_the_message_left(ends: Ends) -> None:
    """For a message that was never sealed a receipt cannot be genuine: ignored."""
    await ends.open_case()
    verified = await pulled(ends)
    waiting = await ends.open_case(attachments=())
    forged = dataclasses.replace(
        verified,
        message=dataclasses.replace(verified.message, message_id=f"{waiting.message_id}@passerelle.uk"),
    )
    assert (await post(ends, receipt_of(ends, forged))).status == 202
    assert await status_of(ends, waiting) is MessageStatus.ACCEPTED


@pytest.mark.as4(30)
async def test_an_unsigned_or_foreign_signal_is_refused_without_a_signal(ends: Ends) -> None:
    """HTTP 400 with an empty body: never a signal for a signal; nothing changes."""
    message = await ends.open_case()
    sealed = receipt_of(ends, await pulled(ends))
    start = sealed.body.index(b"<wsse:Security")
    end = sealed.body.index(b"</wsse:Security>") + len(b"</wsse:Security>")
    unsigned = dataclasses.replace(sealed, body=sealed.body[:start] + sealed.body[end:])
    changed = dataclasses.replace(sealed, body=sealed.body.replace(message.message_id.encode(), b"x" * 36))
    for forged in (unsigned, changed):
        answer = await post(ends, forged)
        assert (answer.status, answer.body) == (400, b"")
        assert answer.code in {"as4.policy_noncompliance", "as4.failed_authentication"}
    assert await status_of(ends, message) is MessageStatus.SENDING


@pytest.mark.as4(30)
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (PayloadRefused("no"), MessageStatus.REJECTED, "EBMS:0004"),
        (InvalidHeader("no"), MessageStatus.FAILED, "EBMS:0009"),
    ],
)
async def test_an_error_for_a_pulled_message(
    ends: Ends, error: PayloadRefused | InvalidHeader, status: MessageStatus, code: str
) -> None:
    """POSTed back, it ends the message exactly as an error in the HTTP response would."""
    message = await ends.open_case()
    verified = await pulled(ends)
    sealed = ends.french.error(
        error,
        signal_id=ends.clock.new_id(),
        now=ends.clock.now(),
        ref_to=verified.message.message_id,
    )
    answer = await post(ends, sealed)
    assert (answer.status, answer.body) == (202, b"")
    record = await ends.record(message.message_id)
    assert (record.status, record.code) == (status, code)
    assert EvidenceKind.AS4_ERROR in await ends.evidence_kinds(message.message_id)
    assert await ends.backlog() == 0


async def test_a_warning_for_a_pulled_message_lets_it_come_again(ends: Ends) -> None:
    """A passing trouble (EBMS:0302 here) is a failed attempt: the schedule says when it is given again."""
    message = await ends.open_case()
    verified = await pulled(ends)
    sealed = ends.french.error(
        InvalidReceipt("no"),
        signal_id=ends.clock.new_id(),
        now=ends.clock.now(),
        ref_to=verified.message.message_id,
    )
    assert (await post(ends, sealed)).status == 202
    assert await pull(ends) == EMPTY
    ends.clock.skip(6)
    assert (await pulled(ends)).message.message_id == verified.message.message_id
    assert await status_of(ends, message) is MessageStatus.SENDING


async def test_an_error_about_something_else_is_ignored(ends: Ends) -> None:
    """An error about an unknown message, or about nothing, changes nothing."""
    message = await ends.open_case()
    await pulled(ends)
    for about in ("nobody@passerelle.uk", None):
        sealed = ends.french.error(
            ValueInconsistent("no"), signal_id=ends.clock.new_id(), now=ends.clock.now(), ref_to=about
        )
        assert (await post(ends, sealed)).status == 202
    assert await status_of(ends, message) is MessageStatus.SENDING


# ---- the case behind it -------------------------------------------------------------------------


async def test_a_withdrawn_request_is_not_handed_out_again(ends: Ends) -> None:
    """Once its case is withdrawn, a message whose lease ends is cancelled, and the next one comes."""
    message = await ends.open_case()
    await pulled(ends)
    async with ends.store.begin() as tx:
        await tx.set_case_status(message.reference, "withdrawn", ends.clock.now())
    ends.clock.skip(ends.inbox.pull_lease.total_seconds() + 1)
    assert await pull(ends) == EMPTY
    assert await status_of(ends, message) is MessageStatus.CANCELLED


async def test_a_destroyed_content_is_not_handed_out(ends: Ends) -> None:
    """Retention destroyed the key before anybody pulled: failed, and the next message comes."""
    message = await ends.open_case()
    other = await ends.open_case(attachments=())
    async with ends.store.begin() as tx:
        await tx.destroy_case_key(message.reference, at=ends.clock.now())
    assert (await pulled(ends)).message.message_id.startswith(other.message_id)
    record = await ends.record(message.message_id)
    assert (record.status, record.code) == (MessageStatus.FAILED, "content_destroyed")


async def test_what_the_french_contract_cannot_say_is_held(ends: Ends) -> None:
    """An unmappable message waits for an operator; the next one comes."""
    held = await ends.open_case()

    class Refusing(FrAdapter):
        def from_canonical(self, message: model.Message) -> ValidDocument:
            if message.message_id == held.message_id:
                raise Unmappable((Problem(path="/x", code="x", message_en="x", message_fr="x"),))
            return super().from_canonical(message)

    delivery = dataclasses.replace(ends.delivery, french=Refusing())
    inbox = dataclasses.replace(ends.inbox, delivery=delivery)
    other = await ends.open_case(attachments=())
    sealed = request(ends)
    answer = await accept(inbox, sealed.content_type, sealed.body, remote="")
    found = opened(ends, answer)
    assert not isinstance(found, str)
    assert found.message.message_id.startswith(other.message_id)
    assert await status_of(ends, held) is MessageStatus.HELD
