"""Sign, encrypt, travel, decrypt, verify: what was put in comes out, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.keys import SigningKey
from gateway.core.as4.policy import EXC_C14N, SecurityPolicy, TokenReference, UnsafeSecurityPolicy
from gateway.core.as4.wss import reference, tree
from gateway.core.as4.wss.decrypt import decrypt_attachments
from gateway.core.as4.wss.encrypt import encrypt_attachments
from gateway.core.as4.wss.sign import sign_envelope
from gateway.core.as4.wss.verify import verify_envelope
from gateway.core.errors import As4Error, FailedAuthentication, PolicyNoncompliance
from tests.fixtures import pki
from tests.fixtures.wss_messages import (
    PARTS,
    POLICY,
    Signed,
    envelope_bytes,
    find,
    find_all,
    resign,
    signed,
)

CONTENT_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,20}", fullmatch=True)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(CONTENT_IDS, st.binary(max_size=4000), max_size=5))
def test_sealed_parts_come_back(parts: dict[str, bytes]) -> None:
    """Any parts survive signing, encryption, transport, decryption and verification."""
    root = parse_xml(envelope_bytes())
    references = sign_envelope(root, parts, signer=pki.party(pki.FR).signing, policy=POLICY)
    recipient = pki.party(pki.UK).decryption
    sealed = encrypt_attachments(root, parts, recipient=recipient.certificate, policy=POLICY)
    assert {cid: len(content) + 28 for cid, content in parts.items()} == {
        c: len(s) for c, s in sealed.items()
    }

    arrived = parse_xml(etree.tostring(root))
    opened = decrypt_attachments(arrived, sealed, keys=(recipient,), policy=POLICY)
    assert opened.contents == parts
    assert opened.encrypted == frozenset(parts)
    verified = verify_envelope(arrived, opened.contents, trust=pki.trust_store(), policy=POLICY, now=pki.NOW)
    assert verified.attachments == parts
    assert verified.references == references
    assert verified.body_is_empty


@pytest.mark.as4(18)
def test_what_is_signed_and_how() -> None:
    """Messaging and Body by wsu:Id, each part by cid:, with the transforms of the profile (as4.md 18-20)."""
    message = signed()
    root = message.tree()
    found = [(r.uri, [t.algorithm for t in r.transforms]) for r in message.references]
    assert found == [
        (f"#{find(root, ns.EB, 'Messaging').get(tree.WSU_ID)}", [EXC_C14N]),
        (f"#{find(root, ns.S12, 'Body').get(tree.WSU_ID)}", [EXC_C14N]),
        ("cid:leading@example", [ns.SWA_CONTENT_SIGNATURE]),
        ("cid:second.pdf", [ns.SWA_CONTENT_SIGNATURE]),
    ]
    assert [r.key for r in message.references] == [
        (r.uri, r.digest_method, r.digest_value) for r in message.references
    ]


def test_no_line_breaks_in_base64() -> None:
    """No CR, LF or character reference in anything that we write: they break peers (as4.md, Traps)."""
    assert not re.search(rb"\r|\n|&#1[03];", signed().content)


def test_security_stands_before_messaging_and_must_be_understood() -> None:
    """Our Security header comes first and carries mustUnderstand."""
    first, second = tree.elements(find(signed().tree(), ns.S12, "Header"))
    assert first.tag == ns.q(ns.WSSE, "Security")
    assert first.get(ns.q(ns.S12, "mustUnderstand")) == "true"
    assert second.tag == ns.q(ns.EB, "Messaging")


def test_security_after_messaging_is_accepted() -> None:
    """Domibus writes the Security header last: order does not matter."""

    def last(root: etree._Element) -> None:
        find(root, ns.S12, "Header").append(find(root, ns.WSSE, "Security"))

    assert signed().verify(last).party_id == pki.FR


def test_white_space_and_comments_around_are_tolerated() -> None:
    """Indentation and comments outside what is signed do not matter."""

    def indent(root: etree._Element) -> None:
        header = find(root, ns.S12, "Header")
        header.text = "\n  "
        header.insert(0, etree.Comment("from another product"))

    assert signed().verify(indent).party_id == pki.FR


def test_a_comment_in_the_signed_header_is_not_read() -> None:
    """A comment is outside the digest; the verified header has the whole text without it."""

    def comment(root: etree._Element) -> None:
        action = find(root, ns.EB, "Action")
        action.text = "sub"
        note = etree.Comment("x")
        note.tail = "mit"
        action.append(note)

    verified = signed().verify(comment)
    action = find(verified.messaging, ns.EB, "Action")
    assert action.text == "submit"
    assert len(action) == 0


def test_the_verified_header_is_a_fresh_tree() -> None:
    """What comes out has no way back into the document that arrived."""
    messaging = signed().verify().messaging
    assert messaging.getparent() is None
    assert messaging.getroottree().getroot() is messaging


def test_existing_ids_are_kept_and_new_ones_are_fresh() -> None:
    """An id that the header has already is used; a taken one is not given again."""
    content = envelope_bytes(extra_headers='<x wsu:Id="_body"/>').replace(
        b"<eb:Messaging", b'<eb:Messaging wsu:Id="mine"'
    )
    message = signed(content=content)
    assert [r.uri for r in message.references][:2] == ["#mine", "#_body-2"]
    assert message.verify().party_id == pki.FR


@pytest.mark.as4(22)
@pytest.mark.parametrize("kind", list(TokenReference))
def test_every_token_reference_round_trips(kind: TokenReference) -> None:
    """Token, path, key identifier and issuer with serial number all lead to the certificate (as4.md 22)."""
    policy = SecurityPolicy(send_token_reference=kind)
    message = signed(policy=policy)
    assert message.verify().certificate == pki.party(pki.FR).signing.certificate


@pytest.mark.as4(19)
@pytest.mark.parametrize("prefixes", ["S12", "S12 eb wsu", "#default S12", "unknown"])
def test_prefix_lists_are_honoured(prefixes: str) -> None:
    """InclusiveNamespaces counts for SignedInfo and for each reference (as4.md 19)."""
    listed = tuple(prefixes.split())

    def with_prefixes(root: etree._Element) -> None:
        body = find(root, ns.S12, "Body")
        methods = [find(root, ns.DS, "CanonicalizationMethod"), find_all(root, ns.DS, "Transform")[1]]
        for method in methods:
            etree.SubElement(method, f"{{{EXC_C14N}}}InclusiveNamespaces", nsmap={"ec": EXC_C14N}).set(
                "PrefixList", prefixes
            )
        value = find_all(root, ns.DS, "DigestValue")[1]
        value.text = tree.base64_text(
            reference.digest("http://www.w3.org/2001/04/xmlenc#sha256", tree.canonical(body, listed))
        )
        resign(root, prefixes=listed)

    assert signed().verify(with_prefixes).party_id == pki.FR


@pytest.mark.as4(19)
@pytest.mark.parametrize(
    ("prefixes", "expected"),
    [
        ((), b'<p:x xmlns:p="urn:p"><y xmlns="urn:d"></y></p:x>'),
        (("q",), b'<p:x xmlns:p="urn:p" xmlns:q="urn:q"><y xmlns="urn:d"></y></p:x>'),
        (("#default",), b'<p:x xmlns="urn:d" xmlns:p="urn:p"><y></y></p:x>'),
        (("#default", "q", "z"), b'<p:x xmlns="urn:d" xmlns:p="urn:p" xmlns:q="urn:q"><y></y></p:x>'),
    ],
)
def test_canonical_octets_with_a_prefix_list(prefixes: tuple[str, ...], expected: bytes) -> None:
    """Prefixes of the list are written on the apex when in scope, #default too (Exclusive C14N, 3)."""
    root = parse_xml(b'<E xmlns="urn:d" xmlns:p="urn:p" xmlns:q="urn:q"><p:x><y/></p:x></E>')
    assert tree.canonical(root[0], prefixes) == expected


@pytest.mark.as4(19)
def test_a_prefix_list_changes_the_digest() -> None:
    """Adding a PrefixList without digesting again is noticed."""

    def attack(root: etree._Element) -> None:
        method = find_all(root, ns.DS, "Transform")[1]
        etree.SubElement(method, f"{{{EXC_C14N}}}InclusiveNamespaces").set("PrefixList", "eb")
        resign(root)

    with pytest.raises(FailedAuthentication):
        signed().verify(attack)


def test_two_prefixes_of_one_namespace() -> None:
    """Canonicalises what arrived: a second prefix for the same namespace stays what it was."""
    content = envelope_bytes().replace(
        b"<eb:UserMessage>", f'<eb:UserMessage xmlns:eb2="{ns.EB}"><eb2:Note eb:a="1" eb2:b="2"/>'.encode()
    )
    message = signed(content=content)
    verified = message.verify()
    assert b"<eb2:Note" in tree.canonical(verified.messaging)


def test_a_signed_timestamp_and_token_are_accepted() -> None:
    """Peers may sign a Timestamp and their token as well; both are known places."""

    def more(root: etree._Element) -> None:
        security = find(root, ns.WSSE, "Security")
        stamp = etree.SubElement(security, ns.q(ns.WSU, "Timestamp"))
        stamp.set(tree.WSU_ID, "_timestamp")
        etree.SubElement(stamp, ns.q(ns.WSU, "Created")).text = "2026-11-23T12:00:00Z"
        token = find(root, ns.WSSE, "BinarySecurityToken")
        for element in (stamp, token):
            reference.append_reference(
                find(root, ns.DS, "SignedInfo"),
                uri=f"#{element.get(tree.WSU_ID)}",
                transform=EXC_C14N,
                digest_method="http://www.w3.org/2001/04/xmlenc#sha256",
                octets=tree.canonical(element),
            )
        resign(root)

    assert len(signed().verify(more).references) == 6


def test_a_signed_fault_in_the_body_is_reported() -> None:
    """A Body that is not empty verifies and says so: Domibus sends faults with its errors."""
    message = signed(content=envelope_bytes(body="<S12:Fault/>"))
    assert not message.verify().body_is_empty
    assert not signed(content=envelope_bytes(body="text")).verify().body_is_empty
    assert signed(content=envelope_bytes(body=" \n ")).verify().body_is_empty


def test_an_unsigned_body_needs_an_unsafe_policy_and_emptiness() -> None:
    """Older peers leave the empty Body unsigned; a filled one is never accepted unsigned."""
    unsafe = UnsafeSecurityPolicy(require_signed_body=False)

    def drop_body(root: etree._Element) -> None:
        one = find_all(root, ns.DS, "Reference")[1]
        one.getparent().remove(one)
        resign(root)

    assert signed().verify(drop_body, policy=unsafe).body_is_empty
    with pytest.raises(PolicyNoncompliance):
        signed(content=envelope_bytes(body="<a/>")).verify(drop_body, policy=unsafe)


@pytest.mark.as4(20)
@pytest.mark.parametrize(
    ("media_type", "sent", "arrives", "same"),
    [
        ("application/xml", b'<a  b="1"/>', b'<?xml version="1.0"?><a b="1"></a>', True),
        ("text/xml; charset=utf-8", b"<a><!-- x --></a>", b"<a/>", True),
        ("image/svg+xml", b"<a/>", b"<a></a>", True),
        ("text/plain", b"a\nb\rc\r\n", b"a\r\nb\r\nc\r\n", True),
        ("application/gzip", b"<a/>", b"<a></a>", False),
        ("application/json", b"{}\n", b"{}\r\n", False),
    ],
)
def test_uncompressed_parts_are_normalised_by_media_type(
    media_type: str, sent: bytes, arrives: bytes, same: bool
) -> None:
    """XML is canonicalised and text gets CR LF before the digest; anything else is taken as it is."""
    types = {"p": media_type}
    message = signed(parts={"p": sent}, media_types=types)

    def verify() -> dict[str, bytes]:
        return dict(
            verify_envelope(
                message.tree(),
                {"p": arrives},
                trust=pki.trust_store(),
                policy=POLICY,
                now=pki.NOW,
                media_types=types,
            ).attachments
        )

    if same:
        assert reference.attachment_octets(verify()["p"], media_type) == verify()["p"]
    else:
        with pytest.raises(FailedAuthentication):
            verify()


@pytest.mark.parametrize("content", [b"not xml", b"<!DOCTYPE a><a/>", b""])
def test_a_part_that_only_claims_to_be_xml(content: bytes) -> None:
    """An uncompressed part labelled XML that is not XML, or has a DTD, is refused."""
    with pytest.raises(FailedAuthentication):
        reference.attachment_octets(content, "text/xml")


def test_percent_encoded_content_ids() -> None:
    """A cid: URI may percent-encode the Content-ID (RFC 2392)."""
    contents = {"a b@x": b"1", "plain": b"2"}
    assert reference.find_content_id("cid:a%20b@x", contents) == "a b@x"
    assert reference.find_content_id("cid:plain", contents) == "plain"
    assert reference.find_content_id("cid:other", contents) is None


@pytest.mark.parametrize("content_id", ["a b", "", "a<b>", 'a"b', "a%20b", "é"])
def test_a_content_id_that_breaks_signatures_is_not_sent(content_id: str) -> None:
    """Spaces, quotes, brackets, percent signs and non-ASCII are a bug of ours."""
    with pytest.raises(ValueError, match="Content-ID"):
        signed(parts={content_id: b""})


def test_signing_twice_or_without_a_header_is_a_bug() -> None:
    """Only an unsigned ebMS envelope can be signed."""
    signer = pki.party(pki.FR).signing
    with pytest.raises(ValueError, match="already"):
        sign_envelope(signed().tree(), {}, signer=signer, policy=POLICY)
    with pytest.raises(ValueError, match="ebMS"):
        sign_envelope(parse_xml(b"<a/>"), {}, signer=signer, policy=POLICY)


@pytest.mark.as4(21)
def test_an_intermediate_travels_in_the_path() -> None:
    """A leaf under an intermediate CA is trusted when the path is sent along, and refused without it."""
    key = pki.private_key("under intermediate")
    middle = pki.intermediate()
    leaf = pki.issue(pki.name("leaf"), key.public_key(), middle)
    store = pki.TrustStore((pki.authority().certificate,), {"peer": (leaf,)})
    with_path = SecurityPolicy(send_token_reference=TokenReference.PKI_PATH)
    signer = SigningKey(key, (leaf, middle.certificate))
    assert signed(signer=signer, policy=with_path).verify(trust=store).party_id == "peer"
    (named,) = signed(signer=signer, policy=with_path).tree().iter(ns.q(ns.WSSE, "SecurityTokenReference"))
    # WSS4J refuses a path that is not announced (Basic Security Profile 1.1, R5215).
    assert named.get(ns.q(ns.WSSE11, "TokenType"), "").endswith("#X509PKIPathv1")
    with pytest.raises(FailedAuthentication):
        signed(signer=signer).verify(trust=store)


def test_a_message_without_parts_round_trips() -> None:
    """A signal has no parts: Messaging and Body are signed, nothing is encrypted."""
    message = signed(parts={})
    assert len(message.verify().references) == 2
    root = message.tree()
    recipient = pki.party(pki.UK).decryption.certificate
    assert encrypt_attachments(root, {}, recipient=recipient, policy=POLICY) == {}
    assert etree.tostring(root) == message.content


def test_receipts_for_equal_messages_have_equal_digests() -> None:
    """Signing the same header and parts again gives the same references (as4.md 31)."""
    assert signed().references == signed().references


def test_a_message_is_not_read_from_a_wrong_type() -> None:
    """Octets of one message with the parts of another do not verify."""
    other = signed(parts={"leading@example": b"x", "second.pdf": b"y"})
    with pytest.raises(As4Error):
        Signed(other.content, PARTS, ()).verify()
