"""``POST /as4`` against a real store: what is taken in, answered again or refused, and what stays behind."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from lxml import etree

from adapters.fr import FrAdapter
from contracts import codes, model
from contracts.codes import MessageType
from contracts.xml import parse_xml
from gateway.core.as4.message import Sealed
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt
from gateway.core.errors import Unavailable
from gateway.core.records import EvidenceKind, MessageRecord, MessageStatus, StoredAttachment
from gateway.flows.accept_fr import As4Answer, accept
from gateway.web.as4 import make_as4_app
from tests.fixtures.ends import Ends, make_ends

ACK, DECISION = MessageType.ACKNOWLEDGEMENT, MessageType.READMISSION_DECISION


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    async with make_ends() as made:
        yield made


def decision(ends: Ends, **changes: Any) -> model.ReadmissionDecision:
    values: dict[str, Any] = {
        "decision": codes.ReadmissionDecisionCode.ACCEPTED,
        "ground": None,
        "information_needed": (),
        "extended_until": None,
        "decided_at": ends.clock.now(),
    }
    return model.ReadmissionDecision(**{**values, **changes})


def acknowledgement(ends: Ends, of: str, code: codes.AckCode | None = None) -> model.Acknowledgement:
    status = codes.AckStatus.REJECTED if code else codes.AckStatus.TAKEN_INTO_ACCOUNT
    return model.Acknowledgement(of_message=of, status=status, code=code, at=ends.clock.now())


def answer_to(ends: Ends, opened: MessageRecord, body: model.Body, **changes: Any) -> model.Message:
    """A French message of the case that ``opened`` opened; ``changes`` replace header values."""
    values: dict[str, Any] = {
        "message_id": ends.clock.new_id(),
        "reference": opened.reference,
        "conversation_id": opened.conversation_id,
        "issued_at": ends.clock.now(),
        "in_reply_to": opened.message_id,
        "body": body,
    }
    return model.Message(**{**values, **changes})


def seal(ends: Ends, message: model.Message, content: bytes | None = None, **header: Any) -> Sealed:
    """What the ministry would post; ``content`` and ``header`` replace what belongs to the message."""
    values = {
        "type_": message.type,
        "message_id": message.message_id,
        "conversation_id": message.conversation_id,
        **header,
    }
    document = FrAdapter().from_canonical(message).content if content is None else content
    return ends.french.unsafe_seal_bytes(content=document, now=ends.clock.now(), ref_to=None, **values)


async def post(ends: Ends, sealed: Sealed) -> As4Answer:
    return await accept(ends.inbox, sealed.content_type, sealed.body)


def opened_answer(ends: Ends, answer: As4Answer) -> VerifiedReceipt | VerifiedError:
    return ends.french.open_answer(answer.content_type, answer.body, now=ends.clock.now())


async def refused(ends: Ends, sealed: Sealed, ebms: str, code: str) -> None:
    """It is refused with that code, names the message, and is not stored."""
    count = await _messages(ends)
    answer = await post(ends, sealed)
    signal = opened_answer(ends, answer)
    assert isinstance(signal, VerifiedError)
    assert [e.code for e in signal.errors] == [ebms]
    assert answer.code == code
    assert await _messages(ends) == count


async def _messages(ends: Ends) -> int:
    from gateway.flows.ports import MessageFilter

    async with ends.store.begin(read_only=True) as tx:
        return len((await tx.list_messages(MessageFilter(), limit=100)).items)


async def sent_case(ends: Ends) -> MessageRecord:
    """A case whose opening message was delivered."""
    opened = await ends.open_case()
    await ends.deliver()
    return opened


@pytest.mark.as4(1)
@pytest.mark.as4(28)
async def test_a_decision_is_taken_in_with_receipt_and_evidence(ends: Ends) -> None:
    """Message, envelope and our receipt are stored, the case moves, the receipt proves what was sent."""
    opened = await sent_case(ends)
    message = answer_to(ends, opened, decision(ends))
    sealed = seal(ends, message)
    answer = await post(ends, sealed)
    signal = opened_answer(ends, answer)
    assert isinstance(signal, VerifiedReceipt)
    ends.french.check_receipt(sealed.envelope, signal, message_id=message.message_id)
    record = await ends.record(message.message_id)
    assert record.status is MessageStatus.ACCEPTED
    assert record.direction is codes.Direction.FR_TO_UK
    kinds = await ends.evidence_kinds(message.message_id)
    assert kinds == [EvidenceKind.AS4_USER_MESSAGE, EvidenceKind.NRR_RECEIPT]
    async with ends.store.begin(read_only=True) as tx:
        case = await tx.get_case(opened.reference)
        assert case is not None
        assert case.status == "accepted"
        assert [r.message_id for r in await tx.inbox(after=0, limit=10)] == [message.message_id]
        assert await tx.content(message.message_id) == message


@pytest.mark.as4(32)
async def test_a_duplicate_gets_the_stored_receipt(ends: Ends) -> None:
    """The same bytes again, also after hours: the very same receipt, and one message only (as4.md 32)."""
    opened = await sent_case(ends)
    sealed = seal(ends, answer_to(ends, opened, decision(ends)))
    first = await post(ends, sealed)
    ends.clock.skip(3600)
    count = await _messages(ends)
    again = await post(ends, sealed)
    assert (again.content_type, again.body) == (first.content_type, first.body)
    assert await _messages(ends) == count


@pytest.mark.as4(32)
async def test_duplicates_at_the_same_time(ends: Ends) -> None:
    """Of five posts of one message at once one is stored; all get the same receipt."""
    opened = await sent_case(ends)
    sealed = seal(ends, answer_to(ends, opened, decision(ends)))
    count = await _messages(ends)
    answers = await asyncio.gather(*(post(ends, sealed) for _ in range(5)))
    assert len({a.body for a in answers}) == 1
    assert await _messages(ends) == count + 1


@pytest.mark.as4(32)
async def test_a_duplicate_of_a_refused_message_gets_no_receipt(ends: Ends) -> None:
    """What was refused is judged again, not remembered (as4.md 32)."""
    opened = await sent_case(ends)
    sealed = seal(ends, answer_to(ends, opened, decision(ends), reference="GB01-000000000000"))
    for _ in range(2):
        await refused(ends, sealed, "EBMS:0004", "as4.payload_refused")


async def test_acknowledgements_settle_our_message(ends: Ends) -> None:
    """Taken into account: acknowledged. Rejected: rejected with the code; a second one changes nothing."""
    opened = await sent_case(ends)
    await post(ends, seal(ends, answer_to(ends, opened, acknowledgement(ends, opened.message_id))))
    assert (await ends.record(opened.message_id)).status is MessageStatus.ACKNOWLEDGED
    late = acknowledgement(ends, opened.message_id, codes.AckCode.NOT_READABLE)
    await post(ends, seal(ends, answer_to(ends, opened, late)))
    assert (await ends.record(opened.message_id)).status is MessageStatus.ACKNOWLEDGED


def _with_element(content: bytes, name: str, text: str) -> bytes:
    root = parse_xml(content)
    extra = etree.SubElement(root, etree.QName(root, name))
    extra.text = text
    return etree.tostring(root)


PERSONAL: dict[str, Callable[[bytes], bytes]] = {
    "a name of the case": lambda c: _with_element(c, "Nom", "ABDULRAHIMZAI"),
    "an AGDREF number": lambda c: _with_element(c, "NumeroAgdref", "7501234567"),
    "a number in a comment": lambda c: c.replace(b"?>", b"?><!-- 7501234567 -->", 1),
}


async def _named(ends: Ends, opened: MessageRecord) -> str:
    async with ends.store.begin(read_only=True) as tx:
        body = (await tx.content(opened.message_id)).body
    assert isinstance(body, model.ReadmissionRequest)
    return str(body.persons[0].name.family_name)


@pytest.mark.parametrize("how", PERSONAL)
async def test_personal_data_is_an_incident(ends: Ends, how: str) -> None:
    """Art 16: refused before storing, recorded as an incident without anything of the content."""
    opened = await sent_case(ends)
    message = answer_to(ends, opened, decision(ends))
    content = FrAdapter().from_canonical(message).content
    name = await _named(ends, opened)
    spoiled = PERSONAL[how](content).replace(b"ABDULRAHIMZAI", name.encode())
    await refused(ends, seal(ends, message, spoiled), "EBMS:0004", "privacy.personal_data")
    subject = f"{message.message_id}@passerelle.fr"
    assert await ends.audit(subject) == ["privacy.incident"]
    async with ends.store.begin(read_only=True) as tx:
        (entry,) = await tx.audit_entries(subject=subject)
    assert "7501234567" not in str(entry.data)
    assert name not in str(entry.data)


async def test_attachments_from_france_are_an_incident(ends: Ends) -> None:
    """France sends no attachments (Art 16)."""
    opened = await sent_case(ends)
    extra = StoredAttachment(content_id="photo", media_type="image/jpeg", file_name="p.jpg", content=b"x")
    sealed = seal(ends, answer_to(ends, opened, decision(ends)), attachments=(extra,))
    await refused(ends, sealed, "EBMS:0004", "privacy.personal_data")


async def test_documents_against_the_contract(ends: Ends) -> None:
    """Garbage and a document with a foreign element are refused, and are no privacy incident."""
    opened = await sent_case(ends)
    message = answer_to(ends, opened, decision(ends))
    good = FrAdapter().from_canonical(message).content
    for content in (b"not xml", b"<a/>", _with_element(good, "Remarque", "ok")):
        await refused(ends, seal(ends, message, content), "EBMS:0004", "as4.payload_refused")


async def test_messages_that_belong_nowhere(ends: Ends) -> None:
    """Unknown case, another case's conversation, an unknown message answered or acknowledged: refused."""
    opened, other = await sent_case(ends), await sent_case(ends)
    strange = ends.clock.new_id()
    wrong = (
        answer_to(ends, opened, decision(ends), reference="GB01-ZZZZZZZZZZZZ"),
        answer_to(ends, opened, decision(ends), conversation_id=other.conversation_id),
        answer_to(ends, opened, decision(ends), in_reply_to=strange),
        answer_to(ends, opened, decision(ends), in_reply_to=other.message_id),
        answer_to(ends, opened, acknowledgement(ends, strange)),
        answer_to(ends, opened, acknowledgement(ends, other.message_id)),
    )
    for message in wrong:
        await refused(ends, seal(ends, message), "EBMS:0004", "as4.payload_refused")


@pytest.mark.as4(6)
async def test_header_and_document_must_agree(ends: Ends) -> None:
    """MessageId, ConversationId and Action are those of the document (as4.md 37)."""
    opened = await sent_case(ends)
    message = answer_to(ends, opened, decision(ends))
    for header in (
        {"message_id": ends.clock.new_id()},
        {"conversation_id": ends.clock.new_id()},
        {"type_": ACK},
    ):
        await refused(ends, seal(ends, message, **header), "EBMS:0003", "as4.value_inconsistent")


async def test_what_the_state_does_not_allow(ends: Ends) -> None:
    """A second decision after an acceptance is out of sequence."""
    opened = await sent_case(ends)
    await post(ends, seal(ends, answer_to(ends, opened, decision(ends))))
    await refused(
        ends, seal(ends, answer_to(ends, opened, decision(ends))), "EBMS:0004", "as4.payload_refused"
    )


async def test_a_message_id_of_ours_cannot_be_taken(ends: Ends) -> None:
    """A French message that carries the id of a stored one replaces nothing."""
    opened = await sent_case(ends)
    message = answer_to(ends, opened, decision(ends), message_id=opened.message_id)
    await refused(ends, seal(ends, message), "EBMS:0003", "as4.value_inconsistent")
    assert (await ends.record(opened.message_id)).type is MessageType.READMISSION_REQUEST


async def test_crossing_a_withdrawal(ends: Ends) -> None:
    """A decision that crossed our withdrawal is taken in and leaves the case withdrawn."""
    opened = await sent_case(ends)
    async with ends.store.begin() as tx:
        await tx.set_case_status(opened.reference, "withdrawn", ends.clock.now())
    answer = await post(ends, seal(ends, answer_to(ends, opened, decision(ends))))
    assert answer.code is None
    async with ends.store.begin(read_only=True) as tx:
        case = await tx.get_case(opened.reference)
    assert case is not None
    assert case.status == "withdrawn"


@pytest.mark.as4(30)
async def test_what_nobody_signed_is_refused_and_audited(ends: Ends) -> None:
    """Noise gets a signed error that refers to nothing, and an audit entry."""
    answer = await accept(ends.inbox, "application/soap+xml", b"<x/>")
    assert isinstance(opened_answer(ends, answer), VerifiedError)
    assert await ends.audit("as4") == ["message.refused"]


async def test_our_own_message_is_not_taken_back(ends: Ends) -> None:
    """A message from the UK posted back at us matches no P-Mode that we receive by."""
    await ends.open_case()
    await ends.deliver()
    (wire,) = ends.partner.posted
    boundary = wire.split(b"\r\n", 1)[0][2:].decode()
    content_type = f'multipart/related; type="application/soap+xml"; boundary="{boundary}"'
    answer = await accept(ends.inbox, content_type, wire)
    assert answer.code == "as4.processing_mode_mismatch"


@pytest.mark.as4(33)
async def test_ping_is_answered_and_delivers_nothing(ends: Ends) -> None:
    """Service and action "test": a receipt, and nothing stored (as4.md 33)."""
    from gateway.core.as4.seal import seal_user_message

    pmode = ends.french.sending[ACK].for_ping()
    header = pmode.new_message(
        message_id=f"{ends.clock.new_id()}@passerelle.fr",
        timestamp=ends.clock.now(),
        conversation_id=ends.clock.new_id(),
    )
    sealed = seal_user_message(
        header,
        [],
        pmode=pmode,
        signer=ends.french.signer,
        recipient=ends.french.recipient,
        policy=ends.french.policy,
        now=ends.clock.now(),
    )
    answer = await post(ends, sealed)
    assert isinstance(opened_answer(ends, answer), VerifiedReceipt)
    assert await _messages(ends) == 0


class _ClosedStore:
    """A store whose database cannot be reached."""

    def begin(self, *, read_only: bool = False) -> Any:
        raise Unavailable("the database cannot be reached")


async def _client(ends: Ends, **inbox: Any) -> TestClient[web.Request, web.Application]:
    app = make_as4_app(dataclasses.replace(ends.inbox, **inbox), max_bytes=100_000, read_timeout_s=0.3)
    return TestClient(TestServer(app))


@pytest.mark.as4(1)
async def test_over_http(ends: Ends) -> None:
    """The endpoint answers 200 with the signed signal and its content type, for receipts and errors alike."""
    opened = await sent_case(ends)
    sealed = seal(ends, answer_to(ends, opened, decision(ends)))
    async with await _client(ends) as client:
        for body in (sealed.body, b"noise"):
            answer = await client.post("/as4", data=body, headers={"Content-Type": sealed.content_type})
            assert answer.status == 200
            ends.french.open_answer(answer.headers["Content-Type"], await answer.read(), now=ends.clock.now())


@pytest.mark.as4(28)
async def test_without_database_there_is_no_receipt(ends: Ends) -> None:
    """503 and no body, so that the partner tries again; nothing is promised."""
    opened = await sent_case(ends)
    sealed = seal(ends, answer_to(ends, opened, decision(ends)))
    async with await _client(ends, store=_ClosedStore()) as client:
        answer = await client.post("/as4", data=sealed.body, headers={"Content-Type": sealed.content_type})
        assert answer.status == 503
        assert await answer.read() == b""
        assert answer.headers["Retry-After"] == "5"


async def test_large_and_slow_bodies(ends: Ends) -> None:
    """More than the limit is 413, announced or not; a body that does not end is 408 in bounded time."""

    async def chunks(count: int, pause: float) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 1000
            await asyncio.sleep(pause)

    async with await _client(ends) as client:
        assert (await client.post("/as4", data=b"x" * 100_001)).status == 413
        assert (await client.post("/as4", data=chunks(200, 0))).status == 413
        before = ends.clock.now()
        assert (await client.post("/as4", data=chunks(20, 0.1))).status == 408
        assert ends.clock.now() - before < dt.timedelta(seconds=3)
        assert (await client.get("/as4")).status == 405
