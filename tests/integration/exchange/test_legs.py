"""Two-way exchanges, pings and corners between real processes: what is on the wire of each leg."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import pytest

from contracts import codes, model
from contracts.xml import parse_xml
from gateway.bootstrap import Instance
from gateway.clock import SystemClock
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.message import FINAL_RECIPIENT, ORIGINAL_SENDER, Payload, Property, SealedMessage
from gateway.core.as4.pmode import PMode
from gateway.core.as4.seal import seal_user_message
from gateway.core.as4.verified import VerifiedError, VerifiedReceipt
from gateway.core.records import EvidenceKind, MessageRecord
from gateway.flows.accept_fr import accept
from gateway.flows.access_point import signed_references
from gateway.flows.ports import MessageFilter
from gateway.sandbox.setup import make_ministry
from gateway.transport.http import HttpTransport
from gateway.transport.tls import client_context
from tests.fixtures.ends import Ends, make_ends
from tests.fixtures.world import (
    World,
    case_status,
    make_world,
    post,
    readmission_request,
    transfer_notice,
    until,
)


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    async with make_ends() as made:
        yield made


def header(envelope: bytes, name: str) -> str | None:
    """The text of one element of the ebMS header."""
    found = parse_xml(envelope).find(f".//{ns.q(ns.EB, name)}")
    return None if found is None else found.text


async def _evidence(world: World, reference: str) -> dict[str, tuple[MessageRecord, bytes, bytes]]:
    """Message id → record, envelope on the wire, receipt: as the gateway's store keeps them."""
    store = await Instance.load(world.uk).open_store()
    try:
        async with store.begin(read_only=True) as tx:
            page = await tx.list_messages(MessageFilter(reference=reference), newest_first=False)
            kept = {}
            for record in page.items:
                proofs = {e.kind: e.content for e in await tx.evidence(record.message_id)}
                kept[record.message_id] = (
                    record,
                    proofs[EvidenceKind.AS4_USER_MESSAGE],
                    proofs[EvidenceKind.NRR_RECEIPT],
                )
            return kept
    finally:
        await store.close()


@pytest.mark.as4(2)
@pytest.mark.as4(3)
async def test_two_way_push_and_push_between_processes() -> None:
    """The reply's RefToMessageId is the request's AS4 MessageId, its ConversationId the same (TA02, TA19);
    each leg has a synchronous receipt of its own (TA14). The producer gave no ConversationId: it was made up
    (TA18)."""
    assert not [key for key in readmission_request() if "conversation" in key]
    with make_world() as world:
        async with world.client() as client:
            sent = await post(client, "/v1/readmission-requests", readmission_request())

            async def accepted() -> bool:
                return await case_status(client, sent.reference) == "accepted"

            await until(accepted, what="the decision has come")
            notice = await post(
                client, f"/v1/readmission-requests/{sent.reference}/transfer-notices", transfer_notice()
            )

            async def confirmed() -> bool:
                return await case_status(client, sent.reference) == "transfer_confirmed"

            await until(confirmed, what="the confirmation has come")
        theirs = await until(
            lambda: (
                (found := world.sent_by_ministry(sent.reference))
                and all(m["receipt_verified"] for m in found)
                and found
            ),
            what="our receipts are verified",
        )
        kept = await _evidence(world, sent.reference)
    (conversation,) = {header(envelope, "ConversationId") for _, envelope, _ in kept.values()}
    assert conversation
    assert conversation == kept[sent.message_id][0].conversation_id
    replies = [record for record, _, _ in kept.values() if record.direction is codes.Direction.FR_TO_UK]
    assert len(replies) == len(theirs) == 4
    for reply in replies:
        assert reply.in_reply_to in {sent.message_id, notice.message_id}
        asked = kept[reply.in_reply_to or ""][0]
        envelope = kept[reply.message_id][1]
        assert header(envelope, "RefToMessageId") == asked.as4_message_id
    for record, envelope, proof in kept.values():
        receipt = proof[proof.index(b"<") :]
        assert record.as4_message_id is not None
        assert f"RefToMessageId>{record.as4_message_id}<".encode() in receipt
        assert b"NonRepudiationInformation" in receipt
        assert header(envelope, "MessageId") == record.as4_message_id
    ours = [record for record, _, _ in kept.values() if record.direction is codes.Direction.UK_TO_FR]
    assert all(r.receipt_verified and r.attempts == 1 for r in ours)


@pytest.mark.as4(33)
async def test_pings_both_ways_between_processes() -> None:
    """Each side's ping is answered with a receipt that proves it, and nothing is delivered (TA16, TA17)."""
    clock = SystemClock()
    with make_world() as world:
        uk = Instance.load(world.uk).make_access_point()
        async with (
            HttpTransport(clock=clock, tls=Instance.load(world.uk).french_tls()) as to_france,
            HttpTransport(
                clock=clock, tls=client_context(anchors=world.fr / "trust" / "uk" / "anchors")
            ) as to_uk,
        ):
            ministry = make_ministry(world.fr, to_uk)
            ministry.memory.close()
            for access_point, transport, port in (
                (uk, to_france, world.french_port),
                (ministry.access_point, to_uk, world.as4_port),
            ):
                message_id = clock.new_id()
                ping = access_point.ping(
                    message_id=message_id, conversation_id=clock.new_id(), now=clock.now()
                )
                assert isinstance(ping.body, bytes)
                assert header(ping.envelope, "Service") == ns.PING_SERVICE
                assert header(ping.envelope, "Action") == ns.PING_ACTION
                for _ in range(2):
                    answer = await transport.post(
                        f"https://127.0.0.1:{port}/as4", content_type=ping.content_type, body=ping.body
                    )
                    signal = access_point.open_answer(answer.content_type, answer.body, now=clock.now())
                    assert isinstance(signal, VerifiedReceipt)
                    access_point.check_receipt(ping.envelope, signal, message_id=message_id)
                    assert {r.uri for r in signal.acknowledged} == {
                        r.uri for r in signed_references(ping.envelope)
                    }
        assert world.ministry_status()["received"] == []
        store = await Instance.load(world.uk).open_store()
        async with store.begin(read_only=True) as tx:
            assert (await tx.list_messages(MessageFilter())).items == ()
            assert await tx.backlog() == {}
        await store.close()


# ---- four corners -------------------------------------------------------------------------------


@pytest.mark.as4(35)
async def test_the_corners_are_not_the_access_points(ends: Ends) -> None:
    """From and To name the access points; originalSender and finalRecipient the systems behind them, in the
    direction of the message (4CT_TA01 to 03)."""
    exchange = ends.instance.agreement.exchange
    for access_point, sender, recipient in (
        (ends.british, exchange.corner_uk, exchange.corner_fr),
        (ends.french, exchange.corner_fr, exchange.corner_uk),
    ):
        for pmode in access_point.sending.values():
            assert pmode.four_corner
            assert (pmode.initiator.id, pmode.responder.id) == (access_point.party, access_point.partner)
            corners = {p.name: p.value for p in pmode.properties}
            assert corners == {ORIGINAL_SENDER: sender, FINAL_RECIPIENT: recipient}
            assert not {sender, recipient} & {access_point.party, access_point.partner}


CORNERS = {
    "no-original-sender": lambda sender, recipient: (recipient,),
    "no-final-recipient": lambda sender, recipient: (sender,),
    "neither": lambda sender, recipient: (),
    "second-original-sender": lambda sender, recipient: (
        sender,
        recipient,
        dataclasses.replace(sender, value="urn:test:other"),
    ),
    "original-sender-twice": lambda sender, recipient: (sender, sender, recipient),
    "second-final-recipient": lambda sender, recipient: (sender, recipient, recipient),
    "another-sender": lambda sender, recipient: (
        dataclasses.replace(sender, value="urn:test:other"),
        recipient,
    ),
    "swapped": lambda sender, recipient: (
        dataclasses.replace(sender, value=recipient.value),
        dataclasses.replace(recipient, value=sender.value),
    ),
}


def _decision(ends: Ends, opened: MessageRecord) -> model.Message:
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


def _sealed(
    ends: Ends, message: model.Message, pmode: PMode, properties: tuple[Property, ...]
) -> SealedMessage:
    """The ministry's message under ``pmode``, with these properties after the P-Mode's own."""
    document = ends.inbox.french.from_canonical(message)
    header_ = pmode.new_message(
        message_id=f"{message.message_id}@passerelle.fr",
        timestamp=ends.clock.now(),
        conversation_id=message.conversation_id,
        properties=properties,
    )
    payload = Payload(
        content_id="document", mime_type="application/xml", content=document.content, charset="UTF-8"
    )
    return seal_user_message(
        header_,
        [payload],
        pmode=pmode,
        signer=ends.french.signer,
        recipient=ends.french.recipient,
        policy=ends.french.policy,
        now=ends.clock.now(),
    )


@pytest.mark.as4(35)
@pytest.mark.parametrize("name", CORNERS)
async def test_wrong_corners_are_refused_before_anything_is_stored(ends: Ends, name: str) -> None:
    """Missing, doubled or other corners: EBMS:0003, nothing stored, well signed though it is."""
    opened = await ends.open_case()
    await ends.deliver()
    message = _decision(ends, opened)
    honest = ends.french.sending[message.type]
    properties: tuple[Property, ...] = CORNERS[name](*honest.properties)  # type: ignore[no-untyped-call]
    lenient = dataclasses.replace(honest, four_corner=False, properties=())
    sealed = _sealed(ends, message, lenient, properties)
    answer = await accept(ends.inbox, sealed.content_type, sealed.body)
    assert answer.code == "as4.value_inconsistent"
    assert isinstance(answer.body, bytes)
    signal = ends.french.open_answer(answer.content_type, answer.body, now=ends.clock.now())
    assert isinstance(signal, VerifiedError)
    assert signal.errors[0].code == "EBMS:0003"
    async with ends.store.begin(read_only=True) as tx:
        assert await tx.get_message(message.message_id) is None


@pytest.mark.as4(35)
async def test_tracking_is_optional_and_harmless(ends: Ends) -> None:
    """A trackingIdentifier beside both corners is taken in."""
    opened = await ends.open_case()
    await ends.deliver()
    message = _decision(ends, opened)
    honest = ends.french.sending[message.type]
    sealed = _sealed(ends, message, honest, (Property(name="trackingIdentifier", value="t-1"),))
    answer = await accept(ends.inbox, sealed.content_type, sealed.body)
    assert answer.code is None
    async with ends.store.begin(read_only=True) as tx:
        assert await tx.get_message(message.message_id) is not None
