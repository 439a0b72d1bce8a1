"""PullRequests: signed, for one channel of one receiver, fresh (core 2.2.4, 3.4, 5.2.3.1; as4.md 36, 37)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4 import soap
from gateway.core.as4.keys import SigningKey
from gateway.core.as4.message import Sealed
from gateway.core.as4.mime import MimePart, build_multipart
from gateway.core.as4.open import open_message
from gateway.core.as4.pmode import PMode, PModes, ReceiptReply
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.pull import authorise, build_pull_request, check_pulled, check_pushed
from gateway.core.as4.signals import begin_signal, build_error, seal_signal
from gateway.core.as4.verified import Verified, VerifiedError, VerifiedPullRequest, VerifiedUserMessage
from gateway.core.errors import (
    As4Error,
    EmptyChannel,
    FailedAuthentication,
    InvalidHeader,
    MimeInconsistency,
    PolicyNoncompliance,
    ProcessingModeMismatch,
    ValueInconsistent,
)
from tests.fixtures import pki
from tests.fixtures.as4 import DOCUMENT, PLAIN, POLICY, REQUEST, find, one, seal, tree_of

MPC = "urn:test:mpc:for-france"
PULLED = replace(
    REQUEST,
    id="uk-fr.pulled",
    mep=ns.ONE_WAY,
    mep_binding=ns.PULL,
    mpc=MPC,
    receipt=ReceiptReply.CALLBACK,
)
"""France pulls these from us."""
PMODES = PModes((PULLED, PLAIN))


def request(mpc: str = MPC, *, by: str = pki.FR, now: dt.datetime = pki.NOW) -> Sealed:
    return build_pull_request(
        mpc, signer=pki.party(by).signing, message_id="p-1@fr.test", now=now, policy=POLICY
    )


def opened(sealed: Sealed, *, now: dt.datetime = pki.NOW, policy: SecurityPolicy = POLICY) -> Verified:
    return open_message(
        sealed.content_type,
        sealed.body,
        pmodes=PMODES,
        trust=pki.trust_store(),
        decryption_keys=(pki.party(pki.FR).decryption,),
        policy=policy,
        now=now,
    )


def verified(sealed: Sealed, **options: Any) -> VerifiedPullRequest:
    found = opened(sealed, **options)
    assert isinstance(found, VerifiedPullRequest)
    return found


def bent(
    *,
    mpc: str | None = MPC,
    before: Callable[[etree._Element], None] = lambda _: None,
    after: Callable[[etree._Element], None] = lambda _: None,
    signer: SigningKey | None = None,
    sign: bool = True,
) -> Sealed:
    """A PullRequest as another product could write it, or an attacker."""
    envelope, messaging = soap.build_envelope("p-1@fr.test")
    unit = begin_signal(messaging, message_id="p-1@fr.test", ref_to_message_id=None, now=pki.NOW)
    etree.SubElement(unit, ns.q(ns.EB, "PullRequest"), {} if mpc is None else {"mpc": mpc})
    before(envelope)
    references: Any = ()
    if sign:
        sealed = seal_signal(envelope, signer=signer or pki.party(pki.FR).signing, policy=POLICY)
        references = sealed.references
    after(envelope)
    content = soap.serialise(envelope)
    content_type, body = build_multipart(content, ())
    assert isinstance(body, bytes)
    return Sealed(content_type=content_type, body=body, envelope=content, references=references)


@pytest.mark.as4(36)
def test_what_is_asked_for_arrives() -> None:
    """MPC, MessageId, time and signer of a PullRequest are those that were signed."""
    found = verified(request())
    assert (found.mpc, found.message_id, found.timestamp) == (MPC, "p-1@fr.test", pki.NOW)
    assert found.party_id == pki.FR
    assert found.certificate == pki.party(pki.FR).signing.certificate


@pytest.mark.as4(36)
@pytest.mark.as4(18)
def test_messaging_and_body_are_signed() -> None:
    """The signature of a PullRequest covers the whole Messaging header and the empty Body, and no more."""
    sealed = request()
    tree = tree_of(sealed)
    ids = {one(tree, f"//{name}/@wsu:Id") for name in ("eb:Messaging", "S12:Body")}
    assert {r.uri.removeprefix("#") for r in sealed.references} == ids
    assert one(tree, "//eb:PullRequest/@mpc") == MPC
    assert find(tree, "//eb:RefToMessageId") == []


@pytest.mark.as4(36)
@pytest.mark.parametrize("mpc", ["", ns.DEFAULT_MPC])
def test_we_never_pull_the_default_channel(mpc: str) -> None:
    """A request for the default MPC cannot even be built."""
    with pytest.raises(ValueError, match="default MPC"):
        request(mpc)


@pytest.mark.as4(36)
@pytest.mark.parametrize("mpc", [None, ns.DEFAULT_MPC])
def test_the_default_channel_is_never_served(mpc: str | None) -> None:
    """No mpc attribute means the default MPC (core 3.4.1), which nobody may pull: EBMS:0010."""
    found = verified(bent(mpc=mpc))
    assert found.mpc == ns.DEFAULT_MPC
    with pytest.raises(ProcessingModeMismatch):
        authorise(found, PMODES)


@pytest.mark.as4(36)
def test_an_unknown_channel_is_refused() -> None:
    """A channel without a pulled P-Mode is EBMS:0010, also when a P-Mode that is pushed has that MPC."""
    pushed = replace(PULLED, mep_binding=ns.PUSH)
    for pmodes in ((), (PLAIN,), (pushed,)):
        with pytest.raises(ProcessingModeMismatch):
            authorise(verified(request()), pmodes)
    with pytest.raises(ProcessingModeMismatch):
        authorise(verified(request("urn:test:mpc:other")), PMODES)


@pytest.mark.as4(36)
@pytest.mark.as4(37)
@pytest.mark.parametrize("party", [pki.UK, pki.OTHER])
def test_only_the_receiver_of_the_channel_may_pull(party: str) -> None:
    """The party that the trust store binds to the signing certificate is compared with the P-Mode."""
    assert authorise(verified(request()), PMODES) == (PULLED,)
    with pytest.raises(FailedAuthentication):
        authorise(verified(request(by=party)), PMODES)


@pytest.mark.as4(36)
def test_every_pmode_of_the_channel_must_be_the_callers() -> None:
    """A channel that also holds messages for another party is given to neither of them."""
    other = replace(PULLED, id="other", responder=replace(PULLED.responder, id=pki.OTHER))
    with pytest.raises(FailedAuthentication):
        authorise(verified(request()), (PULLED, other))


@pytest.mark.as4(36)
@pytest.mark.as4(38)
def test_the_channel_is_pulled_by_its_own_profile() -> None:
    """A request signed by another security profile than the channel's messages is refused."""
    newer = replace(PULLED, security=SecurityProfile.EDELIVERY_2_0)
    with pytest.raises(PolicyNoncompliance):
        authorise(verified(request()), (newer,))


@pytest.mark.as4(36)
@pytest.mark.parametrize(
    ("age", "fits"),
    [
        (POLICY.pull_window, True),
        (POLICY.pull_window + dt.timedelta(seconds=1), False),
        (-POLICY.clock_skew, True),
        (-POLICY.clock_skew - dt.timedelta(seconds=1), False),
    ],
)
def test_only_a_fresh_request_counts(age: dt.timedelta, fits: bool) -> None:
    """A captured request soon opens no more; user messages keep their longer window."""
    sealed = request()
    if fits:
        assert verified(sealed, now=pki.NOW + age).mpc == MPC
        return
    with pytest.raises(ValueInconsistent):
        opened(sealed, now=pki.NOW + age)


def test_the_window_of_a_request_is_a_policy() -> None:
    """It is positive, and never longer than that of messages."""
    wide = replace(POLICY, pull_window=dt.timedelta(hours=1))
    assert verified(request(), now=pki.NOW + dt.timedelta(minutes=30), policy=wide).mpc == MPC
    for window in (dt.timedelta(), POLICY.timestamp_window * 2):
        with pytest.raises(ValueError, match="pull_window"):
            replace(POLICY, pull_window=window)


def _drop(path: str) -> Callable[[etree._Element], None]:
    def work(envelope: etree._Element) -> None:
        element = one(envelope, path)
        element.getparent().remove(element)

    return work


def _other_channel(envelope: etree._Element) -> None:
    one(envelope, "//eb:PullRequest").set("mpc", "urn:test:mpc:other")


def _second_request(envelope: etree._Element) -> None:
    unit = one(envelope, "//eb:SignalMessage")
    etree.SubElement(unit, ns.q(ns.EB, "PullRequest"), mpc=MPC)


def _with_error(envelope: etree._Element) -> None:
    unit = one(envelope, "//eb:SignalMessage")
    etree.SubElement(unit, ns.q(ns.EB, "Error"), errorCode="EBMS:0004", severity="failure")


def _narrowed(envelope: etree._Element) -> None:
    etree.SubElement(one(envelope, "//eb:PullRequest"), "{urn:x}Only").text = "one"


def _body(envelope: etree._Element) -> None:
    etree.SubElement(one(envelope, "/S12:Envelope/S12:Body"), "{urn:x}Payload")


def _wrapped(envelope: etree._Element) -> None:
    """The signed Messaging moves aside; another one with the caller's wish takes its place."""
    messaging = one(envelope, "//eb:Messaging")
    header = messaging.getparent()
    copy = etree.fromstring(etree.tostring(messaging))  # noqa: TID251 — our own bytes
    copy.find(f".//{ns.q(ns.EB, 'PullRequest')}").set("mpc", "urn:test:mpc:other")
    header.replace(messaging, copy)
    etree.SubElement(header, "{urn:x}Aside").append(messaging)


REFUSED: dict[str, tuple[dict[str, Any], type[As4Error]]] = {
    "unsigned": ({"sign": False}, PolicyNoncompliance),
    "signature-taken-away": ({"after": _drop("//wsse:Security")}, PolicyNoncompliance),
    "untrusted": ({"signer": pki.untrusted()}, FailedAuthentication),
    "expired": ({"signer": pki.expired()}, FailedAuthentication),
    "revoked": ({"signer": pki.revoked()}, FailedAuthentication),
    "channel-changed": ({"after": _other_channel}, FailedAuthentication),
    "body-added": ({"after": _body}, FailedAuthentication),
    "body-signed": ({"before": _body}, InvalidHeader),
    "two-requests": ({"before": _second_request}, InvalidHeader),
    "request-and-error": ({"before": _with_error}, InvalidHeader),
    "extension": ({"before": _narrowed}, InvalidHeader),
    "wrapped": ({"after": _wrapped}, InvalidHeader),
    "empty-mpc": ({"mpc": ""}, InvalidHeader),
}


@pytest.mark.as4(36)
@pytest.mark.parametrize("name", REFUSED)
def test_requests_that_are_refused(name: str) -> None:
    """Forged, unsigned or misshapen requests; the error is one that is answered (a request is no receipt)."""
    options, error = REFUSED[name]
    with pytest.raises(As4Error) as caught:
        opened(bent(**options))
    assert type(caught.value) is error
    assert not caught.value.of_signal
    assert caught.value.ref_to_message_id in {"p-1@fr.test", None}


@pytest.mark.as4(36)
def test_a_request_has_no_attachments() -> None:
    """A MIME part beside a PullRequest is refused."""
    sealed = request()
    part = MimePart(content_id="a@b", content_type="text/plain", content=b"x")
    content_type, body = build_multipart(sealed.envelope, (part,))
    with pytest.raises(MimeInconsistency):
        open_message(
            content_type,
            body,
            pmodes=PMODES,
            trust=pki.trust_store(),
            decryption_keys=(),
            policy=POLICY,
            now=pki.NOW,
        )


@pytest.mark.as4(36)
@pytest.mark.as4(30)
def test_the_empty_channel_is_a_signed_warning() -> None:
    """EBMS:0006 EmptyMessagePartitionChannel, severity warning, about the request."""
    sealed = build_error(
        EmptyChannel("nothing waits in this MPC"),
        signer=pki.party(pki.UK).signing,
        message_id="e-1@uk.test",
        ref_to_message_id="p-1@fr.test",
        now=pki.NOW,
        policy=POLICY,
    )
    signal = opened(sealed)
    assert isinstance(signal, VerifiedError)
    (entry,) = signal.errors
    assert (entry.code, entry.severity) == ("EBMS:0006", "warning")
    assert entry.short_description == "EmptyMessagePartitionChannel"
    assert signal.ref_to_message_id == entry.ref_to_message_id == "p-1@fr.test"


@pytest.mark.as4(30)
def test_receipts_and_errors_are_marked_as_never_answered() -> None:
    """A refused receipt or error must not be answered with a signal; user messages and requests are."""
    error = build_error(
        None,
        signer=pki.untrusted(),
        message_id="e-1@uk.test",
        ref_to_message_id="m-1@fr.test",
        now=pki.NOW,
        policy=POLICY,
    )
    for sealed, silent in ((error, True), (bent(signer=pki.untrusted()), False)):
        with pytest.raises(FailedAuthentication) as caught:
            opened(sealed)
        assert caught.value.of_signal is silent


def pulled_message(pmode: PMode = PULLED, **changes: Any) -> VerifiedUserMessage:
    header = pmode.new_message(message_id="m-1@uk.test", timestamp=pki.NOW, conversation_id="c-1")
    sealed = seal(replace(header, **changes), (DOCUMENT,), pmode=pmode)
    found = open_message(
        sealed.content_type,
        sealed.body,
        pmodes=PMODES,
        trust=pki.trust_store(),
        decryption_keys=(pki.party(pki.FR).decryption,),
        policy=POLICY,
        now=pki.NOW,
    )
    assert isinstance(found, VerifiedUserMessage)
    return found


@pytest.mark.as4(36)
def test_the_message_carries_its_channel() -> None:
    """``eb:UserMessage/@mpc`` of a pulled message is the channel's, on the wire and after opening."""
    header = PULLED.new_message(message_id="m-1@uk.test", timestamp=pki.NOW, conversation_id="c-1")
    sealed = seal(header, (DOCUMENT,), pmode=PULLED)
    assert one(tree_of(sealed), "//eb:UserMessage/@mpc") == MPC
    assert pulled_message().message.mpc == MPC


@pytest.mark.as4(36)
def test_what_comes_is_what_was_pulled() -> None:
    """The answer to a pull is a pulled message of the channel that was asked; a push is one of push."""
    check_pulled(pulled_message(), mpc=MPC)
    check_pushed(pulled_message(PLAIN))
    with pytest.raises(ValueInconsistent) as caught:
        check_pulled(pulled_message(), mpc="urn:test:mpc:other")
    assert caught.value.ref_to_message_id == "m-1@uk.test"
    with pytest.raises(ProcessingModeMismatch):
        check_pulled(pulled_message(PLAIN), mpc=MPC)
    with pytest.raises(ProcessingModeMismatch) as pushed:
        check_pushed(pulled_message())
    assert pushed.value.ref_to_message_id == "m-1@uk.test"


@pytest.mark.as4(36)
@pytest.mark.parametrize("mpc", [None, ns.DEFAULT_MPC, "urn:test:mpc:other"])
def test_a_message_of_another_channel_is_refused(mpc: str | None) -> None:
    """The MPC of the header must be the P-Mode's."""
    with pytest.raises((ValueInconsistent, ValueError)):
        pulled_message(mpc=mpc)


@pytest.mark.as4(36)
@pytest.mark.parametrize(
    "changes",
    [
        {"mpc": None},
        {"mpc": ns.DEFAULT_MPC},
        {"receipt": ReceiptReply.RESPONSE},
        {"mep_binding": "urn:test:binding"},
    ],
)
def test_pulled_pmodes_that_could_not_work(changes: dict[str, Any]) -> None:
    """No default MPC, no receipt in a response that there is not, no unknown binding."""
    with pytest.raises(ValueError, match=r"MPC|callback|binding"):
        replace(PULLED, **changes)


@pytest.mark.as4(33)
@pytest.mark.as4(36)
def test_a_ping_of_a_pulled_leg_is_pushed() -> None:
    """A connectivity test asks for the receipt in the response, whatever the P-Mode's own way."""
    ping = PULLED.for_ping()
    assert not ping.pulled
    assert ping.receipt is ReceiptReply.RESPONSE
    assert ping.mpc is None


@pytest.mark.as4(36)
@given(st.data())
def test_mutated_requests_are_refused_or_the_same(data: st.DataObject) -> None:
    """Whatever octets change: an AS4 error, or exactly the request that was signed; nothing else."""
    sealed = request()
    body = bytearray(sealed.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        end = data.draw(st.integers(at, min(at + 40, len(body))))
        body[at:end] = data.draw(st.binary(max_size=40))
        if not body:
            return
    try:
        found = opened(replace(sealed, body=bytes(body)))
    except As4Error:
        return
    assert isinstance(found, VerifiedPullRequest)
    assert (found.mpc, found.message_id, found.party_id) == (MPC, "p-1@fr.test", pki.FR)
