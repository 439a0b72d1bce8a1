"""Reading answers: strictly for what they prove, loosely for what they are, whatever wraps them."""

from __future__ import annotations

import pytest

from gateway.conformance.answers import no_answer, read_answer
from gateway.conformance.forge import Workshop
from gateway.conformance.model import Kind, Seen, Wire
from gateway.core.as4.content import whole
from gateway.core.as4.pmode import PModes
from gateway.core.as4.receipts import build_receipt
from gateway.core.as4.verified import VerifiedUserMessage
from gateway.core.errors import ConnectionFailed, PeerTimedOut, PeerUnavailable
from gateway.flows.ports import HttpAnswer
from tests.fixtures import pki
from tests.fixtures.as4 import POLICY, open_any
from tests.fixtures.conformance import PING_TARGET, PMODE, TARGET, signer

WIRE = Workshop(target=TARGET).honest(Workshop(target=TARGET).payload())


def genuine() -> bytes:
    """The receipt of a good endpoint."""
    opened = open_any(WIRE.content_type, WIRE.body, pmodes=PModes((PMODE,)))
    assert isinstance(opened, VerifiedUserMessage)
    sealed = build_receipt(opened, signer=signer(), message_id="r-1@uk.test", now=pki.NOW, policy=POLICY)
    return whole(sealed.body)


RECEIPT = genuine()


def read(body: bytes, content_type: str = "application/soap+xml", *, wire: Wire = WIRE) -> Seen:
    answer = HttpAnswer(status=200, content_type=content_type, body=body, retry_after=None)
    return read_answer(wire, answer, TARGET, elapsed_ms=1)


def packed(body: bytes, *, close: bool = True) -> bytes:
    """In a multipart whose root has a Content-ID in angle brackets."""
    head = b"--b\r\nContent-Type: application/soap+xml\r\nContent-ID: <root@uk.test>\r\n\r\n"
    return head + body + (b"\r\n--b--\r\n" if close else b"")


@pytest.mark.as4(29)
def test_a_genuine_receipt_proves() -> None:
    """Signed by the partner, every reference with its digest."""
    seen = read(RECEIPT)
    assert seen.proves
    assert (seen.kind, seen.verified, seen.acknowledged) == (Kind.RECEIPT, True, len(WIRE.references))
    assert (seen.signal_id, seen.ref_to) == ("r-1@uk.test", WIRE.message_id)
    assert (seen.receipt_children, seen.fraction_digits) == (1, 0)


@pytest.mark.as4(9)
def test_a_receipt_may_come_in_mime() -> None:
    """The envelope is found behind MIME headers; what MIME breaks is still seen as a receipt."""
    kind = 'multipart/related; boundary="b"; type="application/soap+xml"; start="<root@uk.test>"'
    assert read(packed(RECEIPT), kind).proves
    broken = read(packed(RECEIPT, close=False), kind)
    assert (broken.kind, broken.verified, broken.proves) == (Kind.RECEIPT, False, False)
    assert broken.defect is not None


@pytest.mark.as4(29)
def test_a_receipt_for_other_content_is_verified_but_proves_nothing() -> None:
    """The same receipt read as the answer to another message."""
    other = Workshop(target=TARGET).honest(Workshop(target=TARGET).payload(2))
    seen = read(RECEIPT, wire=other)
    assert (seen.verified, seen.proves) == (True, False)
    assert seen.mismatch == "the receipt is for another message"


def test_one_changed_octet_is_not_verified() -> None:
    """Loosely it is still a receipt, strictly it is nothing."""
    seen = read(RECEIPT.replace(b"<eb:MessageId>r-1", b"<eb:MessageId>r-2"))
    assert (seen.kind, seen.verified, seen.proves) == (Kind.RECEIPT, False, False)
    assert seen.defect == "a digest does not match what arrived"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", Kind.EMPTY),
        (b"<html>Envelope></html>", Kind.OTHER),
        (b"\x00\xff<?xml", Kind.OTHER),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><Envelope>&a;</Envelope>", Kind.OTHER),
        (b"<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Fault/></Envelope>", Kind.FAULT),
        (b"<" * 100_000, Kind.OTHER),
    ],
)
def test_noise_is_only_classified(body: bytes, kind: Kind) -> None:
    """Nothing a peer sends raises; nothing of it is taken into the report."""
    seen = read(body, "text/html; charset=\x07weird")
    assert (seen.kind, seen.verified) == (kind, False)
    assert seen.content_type == "text/html"


def test_codes_and_ids_of_a_peer_are_bounded() -> None:
    """An error code that is no code, an id with a script in it, a foreign algorithm: replaced or left out."""
    ns = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"
    ds = "http://www.w3.org/2000/09/xmldsig#"
    body = (
        f'<x xmlns:eb="{ns}" xmlns:ds="{ds}"><eb:MessageId>a b&lt;script></eb:MessageId>'
        '<eb:Error errorCode="&lt;b>EBMS:0004" refToMessageInError="&lt;i>"/>'
        '<eb:Error errorCode="EBMS:0004"/>'
        '<ds:SignedInfo><ds:SignatureMethod Algorithm="javascript:alert(1)"/></ds:SignedInfo></x>'
    )
    seen = read(body.encode(), "application/soap+xml")
    assert seen.codes == ("?", "EBMS:0004")
    assert (seen.signal_id, seen.ref_to, seen.algorithms) == (None, None, ("?",))


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (PeerTimedOut("late"), "no-answer-in-time"),
        (ConnectionFailed("the connection to the partner broke"), "connection-broke"),
        (PeerUnavailable("the partner's answer is larger than allowed"), "answer-unreadable"),
    ],
)
def test_no_answer_has_a_reason(error: PeerTimedOut | ConnectionFailed | PeerUnavailable, key: str) -> None:
    """Time, connection and size are told apart."""
    seen = no_answer(error, elapsed_ms=5)
    assert seen.kind is Kind.NO_ANSWER
    assert seen.trouble is not None
    assert seen.trouble.key == key


def test_the_ping_target_differs_by_its_p_mode_only() -> None:
    """What the other tests call a ping is one."""
    assert PING_TARGET.pmode.is_ping
    assert not TARGET.pmode.is_ping
