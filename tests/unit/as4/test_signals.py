"""Error signals: signed, complete, without personal data; unsigned ones are refused (as4.md 30)."""

from __future__ import annotations

import pytest
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4 import soap
from gateway.core.as4.signals import begin_signal, build_error, seal_signal
from gateway.core.as4.verified import VerifiedError
from gateway.core.errors import (
    EBMS,
    As4Error,
    As4FeatureNotSupported,
    FailedAuthentication,
    InvalidHeader,
    MalformedBody,
    PayloadRefused,
    PolicyNoncompliance,
)
from tests.fixtures import pki
from tests.fixtures.as4 import POLICY, one, open_any, tree_of


def error_signal(err, ref="m-1@uk.test", signer=pki.FR):
    """Our error signal for ``err``."""
    return build_error(
        err,
        signer=pki.party(signer).signing,
        message_id="e-1@fr.test",
        ref_to_message_id=ref,
        now=pki.NOW,
        policy=POLICY,
    )


def opened(sealed) -> VerifiedError:
    verified = open_any(sealed.content_type, sealed.body)
    assert isinstance(verified, VerifiedError)
    return verified


def _all_errors(base=As4Error):
    for cls in base.__subclasses__():
        yield cls
        yield from _all_errors(cls)


@pytest.mark.as4(30)
@pytest.mark.parametrize("cls", list(_all_errors()), ids=lambda c: c.__name__)
def test_every_refusal_becomes_a_signed_signal_with_its_code(cls):
    """Code, short description, category, severity and origin are those of the error tree."""
    sealed = error_signal(cls("a fixed text"))
    error = one(tree_of(sealed), "//eb:SignalMessage/eb:Error")
    assert dict(error.attrib) == {
        "errorCode": cls.ebms.code,
        "shortDescription": cls.ebms.short,
        "category": cls.ebms.category,
        "severity": cls.ebms.severity,
        "origin": "ebMS",
        "refToMessageInError": "m-1@uk.test",
    }
    description = one(tree_of(sealed), "//eb:Error/eb:Description")
    assert description.get(ns.q(ns.XML, "lang")) == "en"
    verified = opened(sealed)
    (entry,) = verified.errors
    assert (entry.code, entry.severity) == (cls.ebms.code, cls.ebms.severity)
    assert entry.detail == "a fixed text"
    assert (verified.ref_to_message_id, verified.party_id) == ("m-1@uk.test", pki.FR)


@pytest.mark.as4(30)
def test_error_signals_must_be_understood():
    """Error signals need mustUnderstand (Traps)."""
    messaging = one(tree_of(error_signal(None)), "//eb:Messaging")
    assert messaging.get(ns.q(ns.S12, "mustUnderstand")) == "true"


@pytest.mark.as4(30)
@pytest.mark.parametrize("err", [None, MalformedBody("told to the UK side only")])
def test_what_has_no_ebms_code_is_other_and_says_nothing(err):
    """A bug or an error of the other side is EBMS:0004, without detail."""
    (entry,) = opened(error_signal(err, ref=None)).errors
    assert (entry.code, entry.short_description) == ("EBMS:0004", "Other")
    assert entry.detail == "Other"
    assert entry.ref_to_message_id is None


@pytest.mark.as4(30)
def test_problems_with_values_do_not_travel():
    """ErrorDetail holds the fixed text alone, and never more than 512 characters."""
    assert len(opened(error_signal(PayloadRefused("x" * 5000))).errors[0].detail) == 512


@pytest.mark.as4(30)
def test_an_unsigned_error_signal_is_refused():
    """Anyone could send it: PolicyNoncompliance, not a VerifiedError."""
    envelope = tree_of(error_signal(None))
    security = one(envelope, "//wsse:Security")
    security.getparent().remove(security)
    with pytest.raises(PolicyNoncompliance):
        open_any("application/soap+xml", etree.tostring(envelope))


def test_an_error_signal_changed_after_signing_is_refused():
    """A changed code breaks the signature."""
    envelope = tree_of(error_signal(None))
    one(envelope, "//eb:Error").set("errorCode", "EBMS:0001")
    with pytest.raises(FailedAuthentication):
        open_any("application/soap+xml", etree.tostring(envelope))


def peer_signal(*children, body=None):
    """A signal as another product writes it, well signed."""
    envelope, messaging = soap.build_envelope("e-1@fr.test")
    unit = begin_signal(messaging, message_id="e-1@fr.test", ref_to_message_id="m-1@uk.test", now=pki.NOW)
    unit.extend(children)
    if body is not None:
        one(envelope, "/S12:Envelope/S12:Body").append(body)
    return seal_signal(envelope, signer=pki.party(pki.FR).signing, policy=POLICY)


def peer_error(code="EBMS:0303", severity="FAILURE", description=None, detail=None, **attributes):
    """One eb:Error."""
    error = etree.Element(ns.q(ns.EB, "Error"), {"errorCode": code, "severity": severity, **attributes})
    for name, text in (("Description", description), ("ErrorDetail", detail)):
        if text is not None:
            etree.SubElement(error, ns.q(ns.EB, name)).text = text
    return error


@pytest.mark.as4(30)
def test_the_fault_of_domibus_beside_the_signal_is_tolerated():
    """Domibus sends a SOAP Fault in the Body with the signal."""
    fault = etree.Element(ns.q(ns.S12, "Fault"))
    etree.SubElement(fault, ns.q(ns.S12, "Reason")).text = "x"
    verified = opened(peer_signal(peer_error(detail="d"), body=fault))
    assert verified.errors[0].code == "EBMS:0303"


@pytest.mark.as4(30)
def test_several_errors_and_long_texts_are_read():
    """More than one error, a stack trace for a detail, codes outside the standard (phase4's EBMS:4001)."""
    verified = opened(
        peer_signal(
            peer_error(detail="at com.example\n" * 500),
            peer_error("EBMS:4001", "failure", description=" duplicate "),
            peer_error("EBMS:0002", "warning"),
        )
    )
    assert [(e.code, e.severity, len(e.detail or "")) for e in verified.errors] == [
        ("EBMS:0303", "FAILURE", 512),
        ("EBMS:4001", "failure", 9),
        ("EBMS:0002", "warning", 0),
    ]


REFUSED = {
    "pull-with-more": ((etree.Element(ns.q(ns.EB, "PullRequest"), other="x"),), None, InvalidHeader),
    "no-code": ((etree.Element(ns.q(ns.EB, "Error"), severity="failure"),), None, InvalidHeader),
    "no-severity": ((etree.Element(ns.q(ns.EB, "Error"), errorCode="EBMS:0004"),), None, InvalidHeader),
    "too-many": (tuple(peer_error() for _ in range(17)), None, InvalidHeader),
    "endless-text": ((peer_error(detail="x" * 30_000),), None, InvalidHeader),
    "unknown-attribute": ((peer_error(other="x"),), None, InvalidHeader),
    "body": ((peer_error(),), etree.Element("x"), As4FeatureNotSupported),
    "foreign": ((etree.Element("{urn:x}Signal"),), None, InvalidHeader),
}


@pytest.mark.parametrize("name", REFUSED)
def test_signals_out_of_shape_are_refused(name):
    """Strict after the schema here too."""
    children, body, error = REFUSED[name]
    sealed = peer_signal(*children, body=body)
    with pytest.raises(As4Error) as caught:
        open_any(sealed.content_type, sealed.body)
    assert type(caught.value) is error


@pytest.mark.as4(30)
def test_the_table_of_codes_is_that_of_the_standards():
    """Nineteen codes; only 0002 and 0006 are warnings."""
    assert len(EBMS) == 19
    assert {code for code, e in EBMS.items() if e.severity == "warning"} == {"EBMS:0002", "EBMS:0006"}
