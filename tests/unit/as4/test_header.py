"""eb:Messaging against the ebMS schema: each departure is refused, however well signed (as4.md 3–11)."""

from __future__ import annotations

import datetime as dt

import pytest
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4 import strict
from gateway.core.as4.message import UserMessage
from gateway.core.errors import (
    As4Error,
    As4FeatureNotSupported,
    ExternalPayload,
    InvalidHeader,
    MimeInconsistency,
    PolicyNoncompliance,
    ValueInconsistent,
)
from tests.fixtures import pki
from tests.fixtures.as4 import PLAIN, Forgery, find, header, one, open_any, seal, tree_of


def _remove(path):
    def change(envelope):
        for element in find(envelope, path):
            element.getparent().remove(element)

    return change


def _text(path, value):
    def change(envelope):
        find(envelope, path)[0].text = value

    return change


def _set(path, name, value):
    def change(envelope):
        find(envelope, path)[0].set(name, value)

    return change


def _add(path, tag, *, text=None, first=False, attributes=None):
    def change(envelope):
        parent = find(envelope, path)[0]
        child = parent.makeelement(tag, attributes or {})
        child.text = text
        parent.insert(0 if first else len(parent), child)

    return change


def _twice(path):
    def change(envelope):
        element = find(envelope, path)[0]
        element.addnext(etree.fromstring(etree.tostring(element)))  # noqa: TID251 — our own bytes

    return change


def _swap(path):
    def change(envelope):
        element = find(envelope, path)[0]
        element.addprevious(element.getnext())

    return change


def _node(path, node):
    def change(envelope):
        element = find(envelope, path)[0]
        element.text, value = element.text[:1], element.text[1:]
        node.tail = value
        element.append(node)

    return change


def _thousand(path, tag, count):
    def change(envelope):
        parent = find(envelope, path)[0]
        for number in range(count):
            child = etree.SubElement(parent, tag, name=f"n{number}")
            child.text = "v"

    return change


INFO, PARTY, COLLABORATION = "//eb:MessageInfo", "//eb:PartyInfo", "//eb:CollaborationInfo"
DEFECTS = {
    "no-timestamp": (_remove("//eb:Timestamp"), InvalidHeader),
    "no-message-id": (_remove("//eb:MessageId"), InvalidHeader),
    "message-id-twice": (_twice("//eb:MessageId"), InvalidHeader),
    "message-id-with-space": (_text("//eb:MessageId", "m 1"), InvalidHeader),
    "message-id-not-ascii": (_text("//eb:MessageId", "é@x"), InvalidHeader),
    "message-id-empty": (_text("//eb:MessageId", ""), InvalidHeader),
    "message-id-too-long": (_text("//eb:MessageId", "m" * 256), InvalidHeader),
    "ref-before-id": (_add(INFO, ns.q(ns.EB, "RefToMessageId"), text="a", first=True), InvalidHeader),
    "info-out-of-order": (_swap("//eb:Timestamp"), InvalidHeader),
    "no-party-info": (_remove(PARTY), InvalidHeader),
    "no-from": (_remove("//eb:From"), InvalidHeader),
    "no-to": (_remove("//eb:To"), InvalidHeader),
    "no-party-id": (_remove("//eb:From/eb:PartyId"), InvalidHeader),
    "no-role": (_remove("//eb:To/eb:Role"), InvalidHeader),
    "no-service": (_remove("//eb:Service"), InvalidHeader),
    "no-action": (_remove("//eb:Action"), InvalidHeader),
    "empty-action": (_text("//eb:Action", ""), InvalidHeader),
    "padded-action": (_text("//eb:Action", " Plain "), InvalidHeader),
    "child-in-action": (_add("//eb:Action", ns.q(ns.EB, "Service")), InvalidHeader),
    "long-action": (_text("//eb:Action", "a" * 2000), InvalidHeader),
    "unknown-child": (_add(COLLABORATION, ns.q(ns.EB, "Other")), InvalidHeader),
    "foreign-child": (_add("//eb:UserMessage", "{urn:x}Other"), InvalidHeader),
    "text-between": (_text(PARTY, "text"), InvalidHeader),
    "unknown-attribute": (_set("//eb:Service", "lang", "fr"), InvalidHeader),
    "foreign-attribute": (_set("//eb:Service", "{urn:x}lang", "fr"), InvalidHeader),
    "long-attribute": (_set("//eb:Service", "type", "t" * 2000), InvalidHeader),
    "comment-in-value": (_node("//eb:Action", etree.Comment("x")), InvalidHeader),
    "instruction-in-value": (_node("//eb:Action", etree.ProcessingInstruction("x")), InvalidHeader),
    "property-without-name": (
        _add("//eb:PartProperties", ns.q(ns.EB, "Property"), text="v"),
        InvalidHeader,
    ),
    "empty-part-properties": (_remove("//eb:PartProperties/eb:Property"), InvalidHeader),
    "thousands-of-properties": (
        _thousand("//eb:PartProperties", ns.q(ns.EB, "Property"), 5000),
        InvalidHeader,
    ),
    "empty-payload-info": (_remove("//eb:PartInfo"), InvalidHeader),
    "two-payload-infos": (_twice("//eb:PayloadInfo"), InvalidHeader),
    "part-twice": (_twice("//eb:PartInfo"), ValueInconsistent),
    "extra-part-info": (
        _add("//eb:PayloadInfo", ns.q(ns.EB, "PartInfo"), attributes={"href": "cid:none@x"}),
        ExternalPayload,
    ),
    "missing-part-info": (_remove("//eb:PartInfo[2]"), MimeInconsistency),
    "href-with-space": (_set("//eb:PartInfo", "href", "cid:a b"), InvalidHeader),
    "href-with-escaped-space": (_set("//eb:PartInfo", "href", "cid:a%20b"), InvalidHeader),
    "not-must-understand": (_set("//eb:Messaging", ns.q(ns.S12, "mustUnderstand"), "false"), InvalidHeader),
    "two-user-messages": (_twice("//eb:UserMessage"), InvalidHeader),
    "user-and-signal": (_add("//eb:Messaging", ns.q(ns.EB, "SignalMessage")), InvalidHeader),
    "no-unit": (_remove("//eb:UserMessage"), InvalidHeader),
    "other-unit": (_add("//eb:Messaging", "{urn:x}UserMessage", first=True), InvalidHeader),
    "second-messaging": (_twice("//eb:Messaging"), InvalidHeader),
    "nested-messaging": (_add("//eb:UserMessage", ns.q(ns.EB, "Messaging")), InvalidHeader),
    "messaging-in-body": (_add("/S12:Envelope/S12:Body", ns.q(ns.EB, "Messaging")), InvalidHeader),
    "second-body": (_twice("/S12:Envelope/S12:Body"), InvalidHeader),
    "unknown-header-to-understand": (
        _add(
            "/S12:Envelope/S12:Header",
            "{urn:x}Block",
            attributes={ns.q(ns.S12, "mustUnderstand"): "1"},
        ),
        As4FeatureNotSupported,
    ),
    "extra-envelope-child": (_add("/S12:Envelope", "{urn:x}Block"), InvalidHeader),
    "too-old": (_text("//eb:Timestamp", "2026-10-01T12:00:00Z"), ValueInconsistent),
    "from-the-future": (_text("//eb:Timestamp", "2026-11-23T13:00:00Z"), ValueInconsistent),
    "no-date": (_text("//eb:Timestamp", "2026-13-23T13:00:00Z"), InvalidHeader),
    "only-a-date": (_text("//eb:Timestamp", "2026-11-23"), InvalidHeader),
    "first-day-of-all": (_text("//eb:Timestamp", "0001-01-01T00:00:00+14:00"), InvalidHeader),
    "other-channel": (_set("//eb:UserMessage", "mpc", "urn:x"), ValueInconsistent),
}


def _bend_before(name):
    """Duplicating what is signed confuses our own signer, so those defects come after signing."""
    return name not in {"second-messaging", "second-body", "nested-messaging", "messaging-in-body"}


@pytest.mark.parametrize("name", DEFECTS)
def test_each_departure_from_the_schema_is_refused(name):
    """The whole message is well signed by its sender; the defect alone refuses it."""
    change, error = DEFECTS[name]
    forged = Forgery(before_signing=change) if _bend_before(name) else Forgery(after_signing=change)
    with pytest.raises(As4Error) as caught:
        forged.open()
    assert type(caught.value) is error


def test_the_unbent_forgery_is_accepted():
    """The table above proves something: without a defect the same message opens."""
    assert Forgery().open().message.message_id == "m-1@uk.test"


LEGAL = {
    "empty-agreement-type": _set("//eb:AgreementRef", "type", ""),
    "schema-and-description": lambda e: (
        _add("//eb:PartInfo", ns.q(ns.EB, "Description"), text="d", first=True)(e),
        _add("//eb:PartInfo", ns.q(ns.EB, "Schema"), first=True, attributes={"location": "urn:x"})(e),
    ),
    "default-channel": _set("//eb:UserMessage", "mpc", ns.DEFAULT_MPC),
    "indented": lambda e: etree.indent(one(e, "//eb:Messaging")),
    "unknown-header-to-ignore": _add("/S12:Envelope/S12:Header", "{urn:x}Block"),
    "must-understand-1": _set("//eb:Messaging", ns.q(ns.S12, "mustUnderstand"), "1"),
}


@pytest.mark.parametrize("name", LEGAL)
def test_legal_variations_are_accepted(name):
    """What the schema allows and peers write is read."""
    assert Forgery(before_signing=LEGAL[name]).open().message.action == "Plain"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-23T12:00:00Z", dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)),
        ("2026-11-23T12:00:00.5Z", dt.datetime(2026, 11, 23, 12, 0, 0, 500_000, dt.UTC)),
        ("2026-11-23T12:00:00.123456789Z", dt.datetime(2026, 11, 23, 12, 0, 0, 123_000, dt.UTC)),
        ("2026-11-23T12:00:00", dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)),
        ("2026-11-23T13:00:00+01:00", dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)),
        ("2026-11-23T11:30:00-00:30", dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)),
    ],
)
def test_timestamps_of_peers_are_read(written, read):
    """Any legal dateTime is read as UTC milliseconds."""
    message = Forgery(before_signing=_text("//eb:Timestamp", written)).open().message
    assert isinstance(message, UserMessage)
    assert message.timestamp == read


@pytest.mark.parametrize("millis", [0, 5, 50, 500])
def test_our_timestamps_have_no_fraction_or_three_digits(millis):
    """Fractional seconds of 1–2 digits are refused by Domibus (Traps)."""
    at = pki.NOW + dt.timedelta(milliseconds=millis)
    text = strict.format_timestamp(at.astimezone(dt.timezone(dt.timedelta(hours=2))))
    assert text == ("2026-11-23T12:00:00Z" if millis == 0 else f"2026-11-23T12:00:00.{millis:03d}Z")


def test_the_header_on_the_wire_is_marked_must_understand():
    """eb:Messaging is to be understood, and Security comes before it (phase4)."""
    envelope = tree_of(seal())
    assert one(envelope, "//eb:Messaging").get(ns.q(ns.S12, "mustUnderstand")) == "true"
    assert [etree.QName(e).localname for e in one(envelope, "/S12:Envelope/S12:Header")] == [
        "Security",
        "Messaging",
    ]


@pytest.mark.parametrize("message_id", ["", "a b", "<a@b>", "é", "a" * 256])
def test_message_ids_that_peers_refuse_are_never_sent(message_id):
    """A UserMessage cannot even be made with such an id."""
    with pytest.raises(ValueError, match="MessageId"):
        header(message_id=message_id)
    with pytest.raises(ValueError, match="MessageId"):
        header(ref_to_message_id=message_id)
    with pytest.raises(ValueError, match="zone"):
        header(timestamp=dt.datetime(2026, 11, 23))  # noqa: DTZ001 — naive on purpose


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not xml",
        b"<e/>",
        b'<!DOCTYPE e [<!ENTITY a "b">]><e>&a;</e>',
        b"<a>" * 100 + b"</a>" * 100,
        b"<a " + b" ".join(b"a%d='b'" % n for n in range(5000)) + b"/>",
        b"\xff\xfe<\x00e\x00",
    ],
    ids=["empty", "text", "other-root", "doctype", "deep", "attributes", "utf-16"],
)
def test_what_is_no_soap_envelope_is_an_invalid_header(content):
    """Not well-formed, a DTD, another root, too deep, too wide: EBMS:0009."""
    with pytest.raises(InvalidHeader) as caught:
        open_any("application/soap+xml", content)
    assert caught.value.ref_to_message_id is None


def test_a_huge_header_is_refused_by_size():
    """The envelope may not be larger than the policy says."""
    sealed = seal(payloads=(), pmode=PLAIN)
    padded = sealed.body.replace(b"</S12:Envelope>", b" " * 1_000_001 + b"</S12:Envelope>")
    with pytest.raises(InvalidHeader):
        open_any(sealed.content_type, padded)


def test_an_error_names_the_refused_message():
    """Errors carry the claimed MessageId for the signal, when it can be read."""
    with pytest.raises(PolicyNoncompliance) as caught:
        Forgery(message=header(), after_signing=lambda _: None).open()
    assert caught.value.ref_to_message_id == "m-1@uk.test"
    with pytest.raises(InvalidHeader) as unreadable:
        Forgery(before_signing=_text("//eb:MessageId", "m 1")).open()
    assert unreadable.value.ref_to_message_id is None
