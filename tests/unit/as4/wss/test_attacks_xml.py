"""Hostile XML, SOAP headers and timestamps (as4.md, Attacks)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.wss import tree
from tests.fixtures import pki
from tests.fixtures.wss_attacks import (
    AUTHENTICATION,
    FEATURE,
    GOOD,
    HEADER,
    Root,
    body,
    code_of,
    header,
    security,
    wrapper,
)
from tests.fixtures.wss_messages import PARTS, POLICY, Signed, envelope_bytes, find, signed

# ---- XML ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE S12:Envelope [<!ENTITY a "x">]>',
        '<!DOCTYPE S12:Envelope [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>',
        '<!DOCTYPE S12:Envelope [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE S12:Envelope SYSTEM "http://127.0.0.1:1/evil.dtd">',
        '<!DOCTYPE S12:Envelope [<!ATTLIST S12:Envelope evil ID "x">]>',
    ],
    ids=["entity", "expansion", "external-entity", "external-dtd", "attlist"],
)
def test_dtd_and_entities(doctype: str) -> None:
    """Any DOCTYPE is refused, with entities or without."""
    content = doctype.encode() + GOOD.content
    assert code_of(lambda: tree.parse_envelope(content, POLICY)) == HEADER


def test_relative_namespace() -> None:
    """A relative namespace name has no canonical form (found by changing single octets)."""
    content = GOOD.content.replace(b"xmlns:eb=", b'xmlns:evil="relative" xmlns:eb=')
    assert code_of(Signed(content, PARTS, ()).verify) == AUTHENTICATION


def test_undeclared_entity() -> None:
    """An entity reference without DTD is not well-formed."""
    content = GOOD.content.replace(b"submit", b"&evil;")
    assert code_of(lambda: tree.parse_envelope(content, POLICY)) == HEADER


def test_deep_nesting() -> None:
    """Elements nested deeper than the policy allows are refused."""
    depth = POLICY.max_depth
    content = signed(content=envelope_bytes(body="<a>" * depth + "</a>" * depth)).content
    message = Signed(content, PARTS, ())
    assert code_of(message.verify) == HEADER


def test_huge_header() -> None:
    """An envelope larger than the policy allows is refused before parsing."""
    content = envelope_bytes(extra_headers=f"<x>{'y' * POLICY.max_header_bytes}</x>")
    assert code_of(lambda: tree.parse_envelope(content, POLICY)) == HEADER


def test_thousands_of_attributes() -> None:
    """An element with thousands of attributes is refused."""
    attributes = " ".join(f'a{n}="1"' for n in range(5000))
    content = envelope_bytes(extra_headers=f"<x {attributes}/>")
    assert code_of(lambda: tree.parse_envelope(content, POLICY)) == HEADER


def test_processing_instruction() -> None:
    """SOAP allows no processing instruction."""

    def attack(root: Root) -> None:
        body(root).append(etree.ProcessingInstruction("evil", "x"))

    assert code_of(lambda: GOOD.verify(attack)) == HEADER


@pytest.mark.parametrize("missing", ["Header", "Body", "Messaging"])
def test_no_soap_or_no_ebms(missing: str) -> None:
    """Without Header, Body or Messaging it is no ebMS message."""

    def attack(root: Root) -> None:
        element = find(root, ns.EB if missing == "Messaging" else ns.S12, missing)
        element.getparent().remove(element)

    assert code_of(lambda: GOOD.verify(attack)) == HEADER


def test_another_root() -> None:
    """A root that is no Envelope is refused."""
    content = GOOD.content.replace(b"S12:Envelope", b"S12:Enveloppe")
    assert code_of(lambda: Signed(content, PARTS, ()).verify()) == HEADER


@pytest.mark.parametrize(("value", "refused"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_unknown_header_that_must_be_understood(value: str, refused: bool) -> None:
    """An unknown header block is tolerated unless it must be understood."""

    def attack(root: Root) -> None:
        wrapper(header(root)).set(ns.q(ns.S12, "mustUnderstand"), value)

    if refused:
        assert code_of(lambda: GOOD.verify(attack)) == FEATURE
    else:
        assert GOOD.verify(attack).party_id == pki.FR


def test_unknown_header_for_nobody() -> None:
    """A block for the role ``none`` is no concern of ours."""

    def change(root: Root) -> None:
        block = wrapper(header(root))
        block.set(ns.q(ns.S12, "mustUnderstand"), "true")
        block.set(ns.q(ns.S12, "role"), "http://www.w3.org/2003/05/soap-envelope/role/none")

    assert GOOD.verify(change).party_id == pki.FR


# ---- time --------------------------------------------------------------------------------------


def _with_timestamp(created: dt.datetime | str, expires: dt.datetime | None = None) -> Callable[[Root], None]:
    def change(root: Root) -> None:
        stamp = etree.SubElement(security(root), ns.q(ns.WSU, "Timestamp"))
        text = created if isinstance(created, str) else created.isoformat()
        etree.SubElement(stamp, ns.q(ns.WSU, "Created")).text = text
        if expires is not None:
            etree.SubElement(stamp, ns.q(ns.WSU, "Expires")).text = expires.isoformat()

    return change


@pytest.mark.parametrize(
    ("created", "expires"),
    [
        (pki.NOW - POLICY.timestamp_window - dt.timedelta(seconds=1), None),
        (pki.NOW + POLICY.clock_skew + dt.timedelta(seconds=1), None),
        (pki.NOW - dt.timedelta(hours=1), pki.NOW - dt.timedelta(minutes=30)),
        ("yesterday", None),
        ("2026-13-45T99:00:00Z", None),
        ("2026-11-23T12:00:00+99:99", None),
    ],
    ids=["too-old", "in-the-future", "expired", "no-date", "impossible", "impossible-zone"],
)
def test_timestamp_far_outside_the_window(created: dt.datetime | str, expires: dt.datetime | None) -> None:
    """A security timestamp outside the window, expired or unreadable is refused."""
    assert code_of(lambda: GOOD.verify(_with_timestamp(created, expires))) == AUTHENTICATION


@pytest.mark.parametrize(
    "created", ["2026-11-23T12:00:00", "2026-11-23T11:59:59.5950993Z", "2026-11-23T13:00:00+01:00"]
)
def test_timestamp_inside_the_window(created: str) -> None:
    """Any form of xs:dateTime near the present is accepted."""
    later = pki.NOW + dt.timedelta(minutes=5)
    assert GOOD.verify(_with_timestamp(created, later)).party_id == pki.FR


def test_two_timestamps() -> None:
    """Two security timestamps are refused."""

    def attack(root: Root) -> None:
        _with_timestamp(pki.NOW)(root)
        _with_timestamp(pki.NOW)(root)

    assert code_of(lambda: GOOD.verify(attack)) == AUTHENTICATION
