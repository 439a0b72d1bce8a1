"""Receipts: what ours say, and which ones prove delivery (as4.md 28, 29)."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4 import soap
from gateway.core.as4.message import Sealed
from gateway.core.as4.mime import MimePart, build_multipart
from gateway.core.as4.receipts import build_receipt, match_receipt
from gateway.core.as4.signals import seal_signal
from gateway.core.as4.verified import VerifiedReceipt
from gateway.core.errors import (
    As4Error,
    FailedAuthentication,
    InvalidHeader,
    InvalidReceipt,
    MimeInconsistency,
    PolicyNoncompliance,
    ValueInconsistent,
)
from tests.fixtures import pki
from tests.fixtures.as4 import POLICY, find, one, open_any, open_user, seal, tree_of

REFERENCES = "//ebbp:MessagePartNRInformation"


def receipt_for(sealed, signer=pki.FR):
    """The honest receipt for a sealed message."""
    return build_receipt(
        open_user(sealed),
        signer=pki.party(signer).signing,
        message_id="r-1@fr.test",
        now=pki.NOW,
        policy=POLICY,
    )


def bent(sealed, change, signer=pki.FR) -> Sealed:
    """The receipt for ``sealed`` changed and then signed: a receiver that does not play by the rules."""
    signal = copy.deepcopy(one(tree_of(receipt_for(sealed)), "//eb:SignalMessage"))
    envelope, messaging = soap.build_envelope("r-1@fr.test")
    messaging.append(signal)
    change(envelope)
    return seal_signal(envelope, signer=pki.party(signer).signing, policy=POLICY)


def opened(receipt: Sealed) -> VerifiedReceipt:
    verified = open_any(receipt.content_type, receipt.body)
    assert isinstance(verified, VerifiedReceipt)
    return verified


def match(sealed, receipt, **changes):
    arguments = {"message_id": "m-1@uk.test", "expected_party": pki.FR} | changes
    match_receipt(sealed.references, opened(receipt), **arguments)


@pytest.mark.as4(28)
def test_the_receipt_repeats_every_reference_in_the_agreed_form():
    """One ds:Reference per received Reference, with its transforms; RefToMessageId; signed."""
    sealed = seal()
    envelope = tree_of(receipt_for(sealed))
    assert one(envelope, "//eb:RefToMessageId").text == "m-1@uk.test"
    assert one(envelope, "//eb:Timestamp").text == "2026-11-23T12:00:00Z"
    path = "//eb:Receipt/ebbp:NonRepudiationInformation/ebbp:MessagePartNRInformation/ds:Reference"
    repeated = [etree.tostring(r, method="c14n", exclusive=True) for r in find(envelope, path)]
    received = find(tree_of(sealed), "//ds:SignedInfo/ds:Reference")
    assert repeated == [etree.tostring(r, method="c14n", exclusive=True) for r in received]
    assert len(repeated) == 4, "Messaging, Body and two parts"
    assert one(envelope, "//eb:Messaging").get(ns.q(ns.S12, "mustUnderstand")) == "true"


@pytest.mark.as4(29)
def test_the_receipt_has_exactly_one_child():
    """Domibus insists on exactly one child in eb:Receipt."""
    assert len(one(tree_of(receipt_for(seal())), "//eb:Receipt")) == 1


@pytest.mark.as4(29)
def test_an_honest_receipt_matches():
    """URI and digest of every reference agree: proven."""
    sealed = seal()
    match(sealed, receipt_for(sealed))


def _remove_last(envelope):
    last = find(envelope, REFERENCES)[-1]
    last.getparent().remove(last)


def _repeat_last(envelope):
    last = find(envelope, REFERENCES)[-1]
    last.addnext(copy.deepcopy(last))


def _replace_last(envelope):
    first, *_, last = find(envelope, REFERENCES)
    last.getparent().replace(last, copy.deepcopy(first))


def _other_digest(envelope):
    find(envelope, "//ebbp:NonRepudiationInformation//ds:DigestValue")[-1].text = "AAAA"


def _other_method(envelope):
    find(envelope, "//ebbp:NonRepudiationInformation//ds:DigestMethod")[-1].set(
        "Algorithm", "http://www.w3.org/2001/04/xmlenc#sha512"
    )


def _other_uri(envelope):
    find(envelope, "//ebbp:NonRepudiationInformation//ds:Reference")[-1].set("URI", "cid:other@x")


def _one_more(envelope):
    last = find(envelope, REFERENCES)[-1]
    extra = copy.deepcopy(last)
    extra[0].set("URI", "cid:more@x")
    last.addnext(extra)


def _nothing(envelope):
    for reference in find(envelope, REFERENCES):
        reference.getparent().remove(reference)


def _no_information(envelope):
    information = one(envelope, "//ebbp:NonRepudiationInformation")
    information.getparent().remove(information)


def _two_informations(envelope):
    information = one(envelope, "//ebbp:NonRepudiationInformation")
    information.addnext(copy.deepcopy(information))


def _copy_of_the_message(envelope):
    receipt = one(envelope, "//eb:Receipt")
    receipt.clear()
    etree.SubElement(receipt, ns.q(ns.EB, "UserMessage"))


def _no_digest(envelope):
    digest = find(envelope, "//ebbp:NonRepudiationInformation//ds:DigestValue")[0]
    digest.getparent().remove(digest)


def _no_base64(envelope):
    find(envelope, "//ebbp:NonRepudiationInformation//ds:DigestValue")[0].text = "%%%"


def _two_in_one(envelope):
    first, second, *_ = find(envelope, REFERENCES)
    first.append(copy.deepcopy(second[0]))


def _a_thousand(envelope):
    last = find(envelope, REFERENCES)[-1]
    for _ in range(1000):
        last.addnext(copy.deepcopy(last))


@pytest.mark.as4(29)
@pytest.mark.parametrize(
    "change",
    [
        _remove_last,
        _repeat_last,
        _replace_last,
        _other_digest,
        _other_method,
        _other_uri,
        _one_more,
        _nothing,
        _no_information,
        _two_informations,
        _copy_of_the_message,
        _no_digest,
        _no_base64,
        _two_in_one,
        _a_thousand,
    ],
    ids=lambda f: f.__name__.strip("_"),
)
def test_a_signed_receipt_that_proves_something_else_is_ebms_0302(change):
    """Fewer, more, doubled, different or malformed references: EBMS:0302, although well signed."""
    sealed = seal()
    with pytest.raises(InvalidReceipt) as caught:
        match(sealed, bent(sealed, change))
    assert caught.value.ebms.code == "EBMS:0302"


@pytest.mark.as4(29)
def test_a_receipt_for_another_message_is_refused():
    """RefToMessageId and digests both bind it to one message."""
    sealed = seal()
    with pytest.raises(InvalidReceipt, match="another message"):
        match(sealed, receipt_for(sealed), message_id="m-2@uk.test")
    claimed = bent(sealed, lambda e: setattr(one(e, "//eb:RefToMessageId"), "text", "m-2@uk.test"))
    other = seal(replace(open_user(sealed).message, message_id="m-2@uk.test", parts=()))
    with pytest.raises(InvalidReceipt):
        match(other, claimed, message_id="m-2@uk.test")


@pytest.mark.as4(29)
def test_a_receipt_of_a_foreign_signer_is_refused():
    """Another known party's signature proves nothing; an unknown one does not even open."""
    sealed = seal()
    with pytest.raises(InvalidReceipt, match="another party"):
        match(sealed, receipt_for(sealed, signer=pki.OTHER))
    with pytest.raises(InvalidReceipt, match="another party"):
        match(sealed, receipt_for(sealed, signer=pki.UK))
    stranger = build_receipt(
        open_user(sealed), signer=pki.untrusted(), message_id="r@x", now=pki.NOW, policy=POLICY
    )
    with pytest.raises(FailedAuthentication):
        opened(stranger)


def test_a_receipt_for_nothing_proves_nothing():
    """Zero references fail, and so do ambiguous ones: verification never succeeds vacuously."""
    sealed = seal()
    receipt = opened(receipt_for(sealed))
    for sent in ((), (*sealed.references, replace(sealed.references[0], digest_value=b""))):
        with pytest.raises(InvalidReceipt):
            match_receipt(sent, receipt, message_id="m-1@uk.test", expected_party=pki.FR)


@pytest.mark.as4(29)
def test_the_extra_child_of_phase4_is_tolerated():
    """phase4 puts another element beside NonRepudiationInformation."""
    sealed = seal()

    def add(envelope):
        extra = etree.SubElement(one(envelope, "//eb:Receipt"), "{urn:phase4}Extra")
        extra.text = "x"

    match(sealed, bent(sealed, add))


@pytest.mark.as4(29)
def test_references_may_come_in_any_order_and_dress():
    """Order, prefixes and white space of the peer do not count, URI and digest do."""
    sealed = seal()

    def turn(envelope):
        information = one(envelope, "//ebbp:NonRepudiationInformation")
        information[:] = reversed(information[:])
        etree.indent(information)

    match(sealed, bent(sealed, turn))


def _unsign(envelope):
    security = one(envelope, "//wsse:Security")
    security.getparent().remove(security)


@pytest.mark.as4(28)
def test_an_unsigned_receipt_is_refused():
    """A receipt without a signature is no receipt."""
    envelope = tree_of(receipt_for(seal()))
    _unsign(envelope)
    with pytest.raises(PolicyNoncompliance):
        open_any("application/soap+xml", etree.tostring(envelope))


def test_a_receipt_changed_after_signing_is_refused():
    """One changed digest breaks the receipt's own signature."""
    envelope = tree_of(receipt_for(seal()))
    _other_digest(envelope)
    with pytest.raises(FailedAuthentication):
        open_any("application/soap+xml", etree.tostring(envelope))


SHAPES = {
    "no-ref": (lambda e: _drop(one(e, "//eb:RefToMessageId")), InvalidHeader),
    "receipt-and-error": (
        lambda e: etree.SubElement(
            one(e, "//eb:SignalMessage"),
            ns.q(ns.EB, "Error"),
            {"errorCode": "EBMS:0004", "severity": "failure"},
        ),
        InvalidHeader,
    ),
    "neither": (lambda e: _drop(one(e, "//eb:Receipt")), InvalidHeader),
    "too-old": (
        lambda e: setattr(one(e, "//eb:Timestamp"), "text", "2020-01-01T00:00:00Z"),
        ValueInconsistent,
    ),
    "body": (lambda e: etree.SubElement(one(e, "/S12:Envelope/S12:Body"), "x"), InvalidHeader),
}


def _drop(element):
    element.getparent().remove(element)


@pytest.mark.parametrize("name", SHAPES)
def test_receipts_out_of_shape_are_refused(name):
    """A receipt says what it is for, is nothing else besides, and is not stale."""
    change, error = SHAPES[name]
    with pytest.raises(As4Error) as caught:
        opened(bent(seal(), change))
    assert type(caught.value) is error


def test_a_signal_with_attachments_is_refused():
    """Signals travel alone."""
    receipt = receipt_for(seal())
    part = MimePart(content_id="a@x", content_type="text/plain", content=b"x")
    with pytest.raises(MimeInconsistency):
        open_any(*build_multipart(receipt.envelope, [part]))
