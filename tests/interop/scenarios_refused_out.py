"""What phase4 must not take from us: bent messages, and what its application refuses."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from lxml import etree

from gateway.core.as4.message import PartInfo
from gateway.core.errors import PolicyNoncompliance
from tests.interop import agreement as a
from tests.interop.bent import Bent, find, swap_first
from tests.interop.ours import Sent
from tests.interop.scenario import OUT, Ends, binary, scenario, xml

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
