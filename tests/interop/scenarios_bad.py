"""What must not pass: bent messages, refusals, wrong receipts; and two-way exchanges. In both directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4.message import PartInfo, Sealed
from gateway.core.as4.pmode import PMode
from gateway.core.as4.receipts import match_receipt
from gateway.core.as4.verified import VerifiedUserMessage
from gateway.core.errors import InvalidReceipt, PolicyNoncompliance
from tests.interop import agreement as a
from tests.interop.bent import Bent, find, swap_first
from tests.interop.certificates import FR
from tests.interop.ours import OurEnd, Sent, wait_for
from tests.interop.plays import send_in, send_out
from tests.interop.scenario import IN, OUT, Ends, binary, scenario, xml

# ---- Passerelle → phase4: phase4 refuses, and we take its error for what it is ---------------------


def refused_out(ends: Ends, sent: Sent, code: str, *, signed: bool = True) -> None:
    """phase4 answered with this error; nothing reached its application; we believe it only when signed."""
    assert not sent.proven
    assert sent.status == 200
    assert ends.peer.received() == []
    if signed:
        assert sent.refused is None, sent.refused
        assert sent.codes == [code], sent.errors
        assert sent.error_ref == sent.message.message_id
    else:
        assert code.encode() in sent.answer
        assert isinstance(sent.refused, PolicyNoncompliance)
        assert sent.codes == []


def bent_out(
    id: str,  # noqa: A002
    what: str,
    *numbers: int,
    code: str,
    signed: bool = True,
    **bend: Any,
) -> None:
    def play(ends: Ends) -> None:
        values = {"pmode": a.REQUEST, "docs": [xml()], **bend}
        for name in ("signer", "recipient"):
            if callable(values.get(name)):
                values[name] = values[name](ends)
        sent = Bent(**values).send(ends.ours, ends.peer.url())
        refused_out(ends, sent, code, signed=signed)

    scenario.add(f"out.refused.{id}", OUT, numbers, f"{what}: phase4 answers {code}", play)


_UNSIGNED = "which phase4 cannot sign, so that it is not believed"
bent_out(
    "unknown-action",
    f"an action that was not agreed ({_UNSIGNED})",
    5, 30,
    code="EBMS:0010",
    signed=False,
    pmode=replace(a.REQUEST, action="NotAgreed"),
)  # fmt: skip
bent_out(
    "unknown-agreement",
    f"another AgreementRef ({_UNSIGNED})",
    5, 30,
    code="EBMS:0010",
    signed=False,
    header={"agreement_ref": "urn:test:interop:another"},
)  # fmt: skip
bent_out(
    "untrusted-signer",
    "signed with a certificate from a CA that phase4 does not know",
    30,
    code="EBMS:0102",
    signer=lambda ends: ends.ours.certificates.stranger.signing,
)
bent_out(
    "wrong-recipient",
    "encrypted to another certificate than phase4's",
    23, 30,
    code="EBMS:0102",
    recipient=lambda ends: ends.ours.certificates.other_recipient.certificate,
)  # fmt: skip
bent_out(
    "digest",
    "a digest changed after signing",
    18, 30,
    code="EBMS:0102",
    after_signing=lambda tree: swap_first(find(tree, "//ds:DigestValue")),
)  # fmt: skip
bent_out(
    "signature",
    "a signature value changed",
    17, 30,
    code="EBMS:0102",
    after_signing=lambda tree: swap_first(find(tree, "//ds:SignatureValue")),
)  # fmt: skip


def _rewrite_conversation(tree: etree._Element) -> None:
    find(tree, "//eb:ConversationId").text = "another"


bent_out(
    "header-after-signing",
    "the header changed after signing",
    18, 30,
    code="EBMS:0102",
    after_signing=_rewrite_conversation,
)  # fmt: skip


def _spoil(parts: dict[str, Any]) -> dict[str, Any]:
    return {
        cid: bytes([content[0] ^ 1]) + content[1:-1] + bytes([content[-1] ^ 1])
        for cid, content in parts.items()
    }


bent_out("ciphertext", "an encrypted part changed on its way", 24, 30, code="EBMS:0102", travelling=_spoil)
bent_out(
    "not-gzip",
    "a part that says gzip and is none",
    14,
    code="EBMS:0303",
    contents=lambda parts: dict.fromkeys(parts, b"never compressed"),
)
bent_out("unsigned", "no signature at all", 17, 30, code="EBMS:0103", sign=False, encrypt=False)
bent_out("unencrypted", "signed, but not encrypted where it must be", 23, 30, code="EBMS:0103", encrypt=False)
bent_out(
    "part-missing",
    "a PartInfo without its MIME part",
    11,
    code="EBMS:0011",
    infos=lambda infos: [*infos, PartInfo(content_id="not-there@interop.test")],
)
bent_out(
    "part-unannounced",
    "a MIME part without PartInfo",
    10,
    code="EBMS:0011",
    docs=[xml(), binary(10)],
    infos=lambda infos: infos[:1],
)
bent_out(
    "part-order",
    "PartInfo in another order than the parts: phase4 insists on the same",
    7,
    code="EBMS:0003",
    docs=[xml(), binary(10)],
    infos=lambda infos: infos[::-1],
)


def _payload_in_body(tree: etree._Element) -> None:
    etree.SubElement(find(tree, "//S12:Body"), "{urn:test:payload}document").text = "x"


bent_out(
    "body-payload",
    "a payload in the SOAP Body beside PartInfo for a part",
    10,
    code="EBMS:0004",
    before_signing=_payload_in_body,
)


def _refusal(ends: Ends, *, code: str) -> None:
    ends.peer.configure(refuse=code)
    sent = ends.ours.send(ends.peer.url(), a.REQUEST, [xml().payload()])
    refused_out(ends, sent, code)


for _code, _why in (
    ("EBMS:0004", "Other"),
    ("EBMS:0202", "DeliveryFailure"),
    ("EBMS:0001", "ValueNotRecognized"),
):
    scenario.add(
        f"out.refused.application-{_code[-4:]}",
        OUT,
        (30,),
        f"phase4's application refuses with {_code} {_why}: its signed error is verified and refers to ours",
        partial(_refusal, code=_code),
    )


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


# ---- phase4 → Passerelle: we refuse, and phase4 verifies our signed error --------------------------


def refused_in(ends: Ends, answer: dict[str, Any], code: str, *, refers: bool = True) -> None:
    """We answered with this signed error, phase4 verified it; nothing reached our consumer."""
    assert answer.get("exception") is None, answer["exception"]
    assert answer["status"] == 200
    assert answer["kind"] == "error"
    assert [e["code"] for e in answer["errors"]] == [code], answer["errors"]
    assert answer["signed"] is True
    assert answer.get("ref_to_message_id") == (answer["message_id"] if refers else None)
    assert ends.ours.received == []
    (refusal,) = ends.ours.refused
    assert refusal.ebms is not None
    assert refusal.ebms.code == code


def bent_in(
    id: str,  # noqa: A002
    what: str,
    *numbers: int,
    code: str,
    pmode: PMode = a.NOTICE,
    refers: bool = True,
    options: Callable[[Ends], dict[str, Any]] = lambda _: {},
    **fixed: Any,
) -> None:
    def play(ends: Ends) -> None:
        given = {"payloads": [xml().json(ends.folder)], **fixed, **options(ends)}
        refused_in(ends, ends.peer.send(pmode, ends.ours.url, **given), code, refers=refers)

    scenario.add(f"in.refused.{id}", IN, numbers, f"{what}: we answer {code}", play)


bent_in("unknown-action", "an action that was not agreed", 5, 30, code="EBMS:0010", action="NotAgreed")
bent_in("unknown-agreement", "another AgreementRef", 5, 30, code="EBMS:0010", agreement="urn:test:another")
bent_in(
    "unknown-party",
    "a sender that we do not know",
    5, 30,
    code="EBMS:0010",
    **{"from": {**a.party_json(a.FR_PARTY), "id": "urn:test:party:nobody"}},
)  # fmt: skip
bent_in(
    "untrusted-signer",
    "signed with a certificate from a CA that we do not know",
    30,
    37,
    code="EBMS:0101",
    sign_key="untrusted",
)
bent_in("other-party", "signed with another known party's key", 37, code="EBMS:0003", sign_key="third")
bent_in(
    "wrong-recipient",
    "encrypted to another certificate than ours",
    23,
    30,
    code="EBMS:0102",
    recipient="wrong",
)
bent_in("digest", "a digest changed after signing", 18, 30, code="EBMS:0101", mutate="digest")
bent_in("signature", "a signature value changed", 17, 30, code="EBMS:0101", mutate="signature")
bent_in(
    "header-after-signing",
    "the header changed after signing",
    18,
    37,
    code="EBMS:0101",
    mutate="header-after-signing",
)
bent_in(
    "second-messaging",
    "a second eb:Messaging beside the signed one",
    18,
    37,
    code="EBMS:0009",
    mutate="second-messaging",
    refers=False,
)
bent_in("unsigned", "encrypted, but not signed", 17, 30, code="EBMS:0103", sign=False)
bent_in("bare", "neither signed nor encrypted", 17, 23, code="EBMS:0103", sign=False, encrypt=False)
bent_in("unencrypted", "signed, but not encrypted where it must be", 23, 30, code="EBMS:0103", encrypt=False)
bent_in(
    "older-oaep",
    "RSA-OAEP with SHA-1 inside, without an agreement about it",
    25,
    code="EBMS:0102",
    oaep_sha1=True,
)
bent_in("not-gzip", "a part that says gzip and is none", 14, code="EBMS:0303", mutate="bad-gzip")
bent_in(
    "gzip-bomb",
    "a part of 20 MB that was compressed to a thousandth",
    14,
    code="EBMS:0303",
    options=lambda ends: {
        "payloads": [binary(0).json(ends.folder) | {"text": "0" * 20_000_000, "file": None}]
    },
)
bent_in("no-mime-type", "a compressed part without MimeType", 12, code="EBMS:0303", mutate="no-mime-type")
bent_in("bad-charset", "a CharacterSet that does not exist", 12, code="EBMS:0001", mutate="bad-charset")
bent_in("part-missing", "a PartInfo without its MIME part", 11, code="EBMS:0011", mutate="missing-part")
bent_in(
    "external-href", "a PartInfo that points out of the message", 11, code="EBMS:0011", mutate="external-href"
)
bent_in("body-payload", "a payload in the SOAP Body", 10, code="EBMS:0008", mutate="body-payload")
bent_in("two-senders", "two PartyIds in From", 4, code="EBMS:0009", mutate="two-from")
bent_in("old", "a timestamp of a month ago", 31, code="EBMS:0003", timestamp="2020-01-01T00:00:00Z")
bent_in(
    "other-mpc",
    "a message partition channel that was not agreed",
    36,
    code="EBMS:0003",
    mpc="urn:test:other-mpc",
)
bent_in(
    "corners-missing",
    "no finalRecipient where four corners are agreed",
    35,
    code="EBMS:0003",
    pmode=a.CORNERS_IN,
    properties=[{"name": "originalSender", "value": "x"}],
)
bent_in(
    "corners-twice",
    "a second originalSender",
    35,
    code="EBMS:0003",
    pmode=a.CORNERS_IN,
    properties=[{"name": n, "value": "x"} for n in ("originalSender", "finalRecipient", "originalSender")],
)
bent_in(
    "reply-without-reference", "a reply without RefToMessageId", 2, code="EBMS:0003", pmode=a.TWO_WAY_BACK
)


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
