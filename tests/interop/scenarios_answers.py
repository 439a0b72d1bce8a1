"""Duplicates, wrong receipts and two-way exchanges, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4.message import Sealed
from gateway.core.as4.receipts import match_receipt
from gateway.core.as4.verified import VerifiedUserMessage
from gateway.core.errors import ConnectionFailed, InvalidReceipt
from gateway.transport.tls import client_context, server_context
from tests.fixtures import pki
from tests.interop import agreement as a
from tests.interop.bent import find, swap_first
from tests.interop.certificates import FR
from tests.interop.ours import OurEnd, Sent, wait_for
from tests.interop.plays import send_in, send_out
from tests.interop.scenario import IN, OUT, Ends, binary, scenario, xml


@scenario(
    "out.duplicate",
    OUT,
    31,
    32,
    what="the same bytes again: phase4 answers EBMS:0004 and no receipt, and delivers once",
)
def _(ends: Ends) -> None:
    first = send_out(ends, a.REQUEST, [xml()])
    second = ends.ours.post(ends.peer.url(), first.message, first.sealed)
    assert second.codes == ["EBMS:0004"]
    assert not second.proven
    assert second.error_ref == first.message.message_id
    assert len(ends.peer.received()) == 1


@scenario(
    "out.receipt.other-message",
    OUT,
    29,
    what="phase4's receipt for another message does not prove this one: EBMS:0302",
)
def _(ends: Ends) -> None:
    first = send_out(ends, a.REQUEST, [xml()])
    ends.peer.reset()
    second = send_out(ends, a.REQUEST, [xml()])
    assert first.receipt is not None
    for message_id in (second.message.message_id, first.message.message_id):
        try:
            match_receipt(second.sealed.references, first.receipt, message_id=message_id, expected_party=FR)
        except InvalidReceipt:
            continue
        raise AssertionError("the receipt of another message was taken")


@scenario("in.order-of-part-info", IN, 7, what="PartInfo in another order than the MIME parts is accepted")
def _(ends: Ends) -> None:
    docs = [xml(), binary(10)]
    payloads = [d.json(ends.folder) for d in docs]
    answer = ends.peer.send(a.NOTICE, ends.ours.url, payloads=payloads, mutate="reverse-part-info")
    assert answer["kind"] == "receipt", answer
    assert answer["nrr"] == "matched"
    (verified,) = ends.ours.received
    assert [p.content_id for p in verified.payloads] == [d.content_id for d in reversed(docs)]


@scenario(
    "in.duplicate",
    IN,
    31,
    32,
    what="the same bytes three times: our stored receipt each time, which phase4 matches; delivered once",
)
def _(ends: Ends) -> None:
    answer = send_in(ends, a.NOTICE, [xml()], repeat=3)
    assert len(answer["bodies"]) == 3
    assert len(set(answer["bodies"])) == 1


# ---- wrong receipts of ours: phase4 notices ---------------------------------------------------------


def _answer_with(ends: Ends, wrong: Callable[[OurEnd, VerifiedUserMessage], Sealed]) -> dict[str, Any]:
    ends.ours.answer = wrong
    return ends.peer.send(a.NOTICE, ends.ours.url, payloads=[xml().json(ends.folder)])


@scenario(
    "in.receipt.other-digest", IN, 29, what="a receipt of ours with another digest: phase4 reports a mismatch"
)
def _(ends: Ends) -> None:
    def wrong(end: OurEnd, verified: VerifiedUserMessage) -> Sealed:
        first, *rest = verified.references
        changed = parse_xml(first.xml)
        swap_first(find(changed, "//ds:DigestValue"))
        bent = replace(first, xml=etree.tostring(changed))
        return end.receipt(replace(verified, references=(bent, *rest)))

    answer = _answer_with(ends, wrong)
    assert answer["kind"] == "receipt"
    assert answer["nrr"] == "mismatch"


@scenario(
    "in.receipt.fewer-references",
    IN,
    29,
    what="a receipt of ours that leaves a part out: phase4 reports a mismatch",
)
def _(ends: Ends) -> None:
    answer = _answer_with(
        ends, lambda end, verified: end.receipt(replace(verified, references=verified.references[:2]))
    )
    assert answer["nrr"] == "mismatch"


@scenario(
    "in.receipt.untrusted",
    IN,
    28,
    what="a receipt signed with a certificate that phase4 does not trust: refused by it",
)
def _(ends: Ends) -> None:
    foreign = ends.ours.certificates.stranger.signing
    answer = _answer_with(ends, lambda end, verified: end.receipt(verified, signer=foreign))
    assert "WSSecurityException" in answer["exception"]
    assert answer["kind"] == "none"


@scenario("in.receipt.altered", IN, 28, what="a receipt changed after signing: refused by phase4")
def _(ends: Ends) -> None:
    def wrong(end: OurEnd, verified: VerifiedUserMessage) -> Sealed:
        sealed = end.receipt(verified)
        return replace(sealed, body=sealed.body.replace(verified.message.message_id.encode(), b"another@id"))

    answer = _answer_with(ends, wrong)
    assert "WSSecurityException" in answer["exception"]


# ---- two-way, push and push --------------------------------------------------------------------------


@scenario(
    "out.two-way",
    OUT,
    2,
    14,
    what="push and push: we ask, phase4 replies with RefToMessageId, same conversation, a receipt each way",
)
def _(ends: Ends) -> None:
    ends.peer.configure(
        reply={
            **a.header_json(a.TWO_WAY_BACK),
            "url": ends.ours.url,
            "to_action": a.TWO_WAY_OUT.action,
            "payloads": [xml(3_000).json(ends.folder)],
        }
    )
    sent = send_out(ends, a.TWO_WAY_OUT, [xml()])
    (reply,) = wait_for(lambda: ends.peer.replies())
    assert reply.get("exception") is None
    assert (reply["kind"], reply["nrr"], reply["signed"]) == ("receipt", "matched", True)
    (verified,) = ends.ours.received
    assert verified.message.ref_to_message_id == sent.message.message_id
    assert verified.message.conversation_id == sent.message.conversation_id
    assert verified.pmode.id == a.TWO_WAY_BACK.id


@scenario(
    "in.two-way",
    IN,
    2,
    14,
    what="push and push: phase4 asks, we reply with RefToMessageId, same conversation, a receipt each way",
)
def _(ends: Ends) -> None:
    replies: list[Sent] = []

    async def answer(verified: VerifiedUserMessage) -> None:
        message, sealed = ends.ours.seal(
            a.TWO_WAY_REPLY,
            [xml(3_000).payload()],
            ref_to_message_id=verified.message.message_id,
            conversation_id=verified.message.conversation_id,
        )
        replies.append(await ends.ours.post_async(ends.peer.url(), message, sealed))

    ends.ours.on_message = answer
    asked = send_in(ends, a.TWO_WAY_IN, [xml()], conversation_id="two-way-1")
    (reply,) = wait_for(lambda: replies)
    assert reply.proven
    (record,) = ends.peer.received()
    assert record["ref_to_message_id"] == asked["message_id"]
    assert record["conversation_id"] == "two-way-1"


# ---- TLS ---------------------------------------------------------------------------------------------


@scenario(
    "out.tls-untrusted",
    OUT,
    34,
    what="phase4's TLS certificate is from an unknown CA: we send nothing",
)
def _(ends: Ends) -> None:
    anchors = ends.folder / "foreign"
    anchors.mkdir()
    foreign = pki.authority("Foreign CA").certificate
    (anchors / "ca.pem").write_bytes(foreign.public_bytes(Encoding.PEM))
    with pytest.raises(ConnectionFailed):
        ends.ours.send(ends.peer.url(), a.REQUEST, [xml().payload()], tls=client_context(anchors=anchors))
    assert ends.peer.received() == []


@scenario(
    "in.tls-untrusted",
    IN,
    34,
    what="our TLS certificate is from an unknown CA: phase4 sends nothing",
)
def _(ends: Ends) -> None:
    context = server_context(
        certificate=ends.ours.certificates.stranger.write(ends.folder, "stranger")[1],
        key=ends.folder / "stranger.key.pem",
    )
    with ends.ours.listening(context) as url:
        answer = ends.peer.send(a.NOTICE, url, payloads=[xml().json(ends.folder)])
    assert "SSLHandshakeException" in answer["exception"]
    assert ends.ours.received == []
    assert ends.ours.tls_versions == []


def _plaintext_tls(ends: Ends) -> None:
    answer = ends.peer.send(
        a.NOTICE, ends.ours.url.replace("https", "http"), payloads=[xml().json(ends.folder)]
    )
    assert answer["kind"] == "none"
    assert ends.ours.received == []


scenario.add("in.plain-http", IN, (34,), "HTTP without TLS: not answered", _plaintext_tls)
