"""One test per attack of as4.md: a good signed message, changed in one way, refused with its EBMS code."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.keys import SigningKey
from gateway.core.as4.wss import tree
from gateway.core.as4.wss.verify import verify_envelope
from gateway.core.errors import As4Error, InvalidHeader
from tests.fixtures import pki
from tests.fixtures.wss_messages import PARTS, POLICY, Signed, envelope_bytes, find, find_all, resign, signed

GOOD = signed()
AUTHENTICATION, POLICY_CODE, HEADER, FEATURE = "EBMS:0101", "EBMS:0103", "EBMS:0009", "EBMS:0008"
Root = etree._Element


def code_of(attempt: Callable[[], object]) -> str:
    """EBMS code of the refusal; fails when nothing is refused."""
    with pytest.raises(As4Error) as refusal:
        attempt()
    assert refusal.value.ebms is not None
    return refusal.value.ebms.code


def header(root: Root) -> Root:
    return find(root, ns.S12, "Header")


def messaging(root: Root) -> Root:
    return find(root, ns.EB, "Messaging")


def body(root: Root) -> Root:
    return find(root, ns.S12, "Body")


def security(root: Root) -> Root:
    return find(root, ns.WSSE, "Security")


def signature(root: Root) -> Root:
    return find(root, ns.DS, "Signature")


def wrapper(parent: Root) -> Root:
    """A header block or element that nobody knows."""
    return etree.SubElement(parent, "{urn:evil}Wrapper")


def evil_messaging() -> Root:
    """What the attacker wants to be read."""
    element = etree.Element(ns.q(ns.EB, "Messaging"))
    etree.SubElement(element, ns.q(ns.EB, "UserMessage"))
    return element


# ---- signature wrapping ------------------------------------------------------------------------


def messaging_moved_into_a_wrapper(root: Root) -> None:
    """The signed Messaging hides in an unknown header; another stands in its place."""
    original = messaging(root)
    original.getparent().replace(original, evil_messaging())
    wrapper(header(root)).append(original)


def messaging_moved_under_the_signature(root: Root) -> None:
    """The signed Messaging hides in a ds:Object."""
    original = messaging(root)
    original.getparent().replace(original, evil_messaging())
    etree.SubElement(signature(root), ns.q(ns.DS, "Object")).append(original)


def messaging_moved_into_the_body(root: Root) -> None:
    """The only Messaging is no header block."""
    body(root).append(messaging(root))


def messaging_moved_into_a_header_wrapper_alone(root: Root) -> None:
    """The only Messaging is one level too deep."""
    wrapper(header(root)).append(messaging(root))


def messaging_duplicated(root: Root) -> None:
    """Two equal Messagings with one id."""
    header(root).append(copy.deepcopy(messaging(root)))


def messaging_nested(root: Root) -> None:
    """The signed Messaging inside an unsigned one."""
    original = messaging(root)
    outer = evil_messaging()
    original.getparent().replace(original, outer)
    outer.append(original)


def second_messaging_header(root: Root) -> None:
    """A second Messaging without id, before the signed one."""
    header(root).insert(0, evil_messaging())


def body_moved_into_a_wrapper(root: Root) -> None:
    """The signed Body hides in a header; another stands in its place."""
    original = body(root)
    root.replace(original, etree.Element(ns.q(ns.S12, "Body")))
    wrapper(header(root)).append(original)


def body_duplicated(root: Root) -> None:
    """Two Bodies."""
    root.append(etree.Element(ns.q(ns.S12, "Body")))


def body_nested(root: Root) -> None:
    """A Body in the Body."""
    etree.SubElement(body(root), ns.q(ns.S12, "Body"))


def body_before_header(root: Root) -> None:
    """Body and Header change places."""
    root.insert(0, body(root))


def something_after_the_body(root: Root) -> None:
    """A third child of the Envelope."""
    etree.SubElement(root, "{urn:evil}Trailer")


def envelope_nested(root: Root) -> None:
    """A whole second Envelope in the Body."""
    etree.SubElement(body(root), ns.q(ns.S12, "Envelope"))


def second_header(root: Root) -> None:
    """Two Headers."""
    root.insert(0, etree.Element(ns.q(ns.S12, "Header")))


def security_duplicated(root: Root) -> None:
    """Two Security headers."""
    header(root).append(etree.Element(ns.q(ns.WSSE, "Security")))


def security_moved_into_a_wrapper(root: Root) -> None:
    """The only Security is no header block."""
    wrapper(header(root)).append(security(root))


def security_moved_into_the_body(root: Root) -> None:
    """The only Security is in the Body."""
    body(root).append(security(root))


def security_nested(root: Root) -> None:
    """A Security in the Security."""
    etree.SubElement(security(root), ns.q(ns.WSSE, "Security"))


def signature_moved_out_of_security(root: Root) -> None:
    """The signature is a header block of its own."""
    header(root).append(signature(root))


def second_signature(root: Root) -> None:
    """Two signatures."""
    security(root).append(etree.Element(ns.q(ns.DS, "Signature")))


def duplicate_wsu_id(root: Root) -> None:
    """An unknown header has the Messaging's id."""
    wrapper(header(root)).set(tree.WSU_ID, messaging(root).get(tree.WSU_ID))


def duplicate_xml_id(root: Root) -> None:
    """An unknown header has the Messaging's id as xml:id."""
    wrapper(header(root)).set(ns.q(ns.XML, "id"), messaging(root).get(tree.WSU_ID))


def duplicate_plain_id(root: Root) -> None:
    """An unknown header has the Messaging's id as Id."""
    wrapper(header(root)).set("Id", messaging(root).get(tree.WSU_ID))


def duplicate_upper_case_id(root: Root) -> None:
    """An unknown header has the Body's id as ID."""
    wrapper(header(root)).set("ID", body(root).get(tree.WSU_ID))


def id_on_another_element(root: Root) -> None:
    """The signed id is on a copy in an unknown header; the Messaging has none."""
    decoy = wrapper(header(root))
    decoy.set(tree.WSU_ID, messaging(root).attrib.pop(tree.WSU_ID))
    decoy.extend(copy.deepcopy(list(messaging(root))))


def id_as_another_attribute(root: Root) -> None:
    """The Messaging's wsu:Id becomes a plain Id."""
    messaging(root).set("Id", messaging(root).attrib.pop(tree.WSU_ID))


def ids_exchanged(root: Root) -> None:
    """Messaging and Body exchange their ids."""
    first, second = messaging(root).get(tree.WSU_ID), body(root).get(tree.WSU_ID)
    messaging(root).set(tree.WSU_ID, second)
    body(root).set(tree.WSU_ID, first)


# ---- content changed ---------------------------------------------------------------------------


def header_value_changed(root: Root) -> None:
    """One value of the signed header is another."""
    find(root, ns.EB, "Action").text = "withdraw"


def payload_info_added(root: Root) -> None:
    """An unsigned PartInfo."""
    etree.SubElement(find(root, ns.EB, "UserMessage"), ns.q(ns.EB, "PayloadInfo"))


def body_filled(root: Root) -> None:
    """Something in the Body that was signed empty."""
    etree.SubElement(body(root), "{urn:evil}Payload")


def digest_exchanged(root: Root) -> None:
    """A digest is recomputed without the key."""
    find(root, ns.DS, "DigestValue").text = tree.base64_text(bytes(32))


def signature_value_of_another_key(root: Root) -> None:
    """SignedInfo signed by somebody else under the French certificate."""
    resign(root, pki.party(pki.OTHER).signing)


def comment_in_the_digest(root: Root) -> None:
    """A comment splits the digest, so that two readers could read two values."""
    value = find(root, ns.DS, "DigestValue")
    value.insert(0, etree.Comment("x"))


def signature_value_not_base64(root: Root) -> None:
    """The signature value is no base64."""
    find(root, ns.DS, "SignatureValue").text = "%%%"


# ---- unsigned or not enough signed -------------------------------------------------------------


def no_security_header(root: Root) -> None:
    """Nothing is signed."""
    header(root).remove(security(root))


def no_signature(root: Root) -> None:
    """A Security header with a token only."""
    security(root).remove(signature(root))


def empty_reference_list(root: Root) -> None:
    """A signature by a trusted key over nothing."""
    for one in find_all(root, ns.DS, "Reference"):
        one.getparent().remove(one)
    resign(root)


def _drop_reference(number: int) -> Callable[[Root], None]:
    def drop(root: Root) -> None:
        one = find_all(root, ns.DS, "Reference")[number]
        one.getparent().remove(one)
        resign(root)

    return drop


def messaging_not_signed(root: Root) -> None:
    """The reference of the Messaging is left out."""
    _drop_reference(0)(root)


def body_not_signed(root: Root) -> None:
    """The reference of the Body is left out."""
    _drop_reference(1)(root)


def part_not_signed(root: Root) -> None:
    """The reference of a part is left out."""
    _drop_reference(3)(root)


def reference_twice(root: Root) -> None:
    """One thing is signed twice."""
    one = find(root, ns.DS, "Reference")
    one.addnext(copy.deepcopy(one))
    resign(root)


def too_many_references(root: Root) -> None:
    """More references than Santuario would take."""
    one = find(root, ns.DS, "Reference")
    for _ in range(30):
        one.addnext(copy.deepcopy(one))
    resign(root)


def signature_with_an_object(root: Root) -> None:
    """ds:Object could carry anything."""
    etree.SubElement(signature(root), ns.q(ns.DS, "Object"))


def username_token(root: Root) -> None:
    """Passwords are not part of the profile."""
    etree.SubElement(security(root), ns.q(ns.WSSE, "UsernameToken"))


ATTACKS: list[tuple[Callable[[Root], None], str]] = [
    *(
        (attack, AUTHENTICATION)
        for attack in (
            messaging_moved_into_a_wrapper,
            messaging_moved_under_the_signature,
            messaging_moved_into_the_body,
            messaging_moved_into_a_header_wrapper_alone,
            messaging_duplicated,
            messaging_nested,
            second_messaging_header,
            body_moved_into_a_wrapper,
            body_duplicated,
            body_nested,
            body_before_header,
            something_after_the_body,
            envelope_nested,
            second_header,
            security_duplicated,
            security_moved_into_a_wrapper,
            security_moved_into_the_body,
            security_nested,
            signature_moved_out_of_security,
            second_signature,
            duplicate_wsu_id,
            duplicate_xml_id,
            duplicate_plain_id,
            duplicate_upper_case_id,
            id_on_another_element,
            id_as_another_attribute,
            ids_exchanged,
            header_value_changed,
            payload_info_added,
            body_filled,
            digest_exchanged,
            signature_value_of_another_key,
            comment_in_the_digest,
            signature_value_not_base64,
        )
    ),
    *(
        (attack, POLICY_CODE)
        for attack in (
            no_security_header,
            no_signature,
            empty_reference_list,
            messaging_not_signed,
            body_not_signed,
            part_not_signed,
            reference_twice,
            too_many_references,
            signature_with_an_object,
            username_token,
        )
    ),
]


@pytest.mark.parametrize(("attack", "code"), ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS])
def test_attack_is_refused(attack: Callable[[Root], None], code: str) -> None:
    """Each attack is refused, with the code that tells forgery from too weak a signature."""
    assert code_of(lambda: GOOD.verify(attack)) == code


def test_the_message_under_attack_is_good() -> None:
    """Without a change the same message verifies: what is refused above is the attack."""
    assert GOOD.verify().party_id == pki.FR


# ---- algorithms, transforms, references: signed by a trusted key, refused all the same ---------

_MORE = "http://www.w3.org/2001/04/xmldsig-more#"


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        _MORE + "rsa-md5",
        _MORE + "rsa-sha384",
        _MORE + "hmac-sha256",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        _MORE + "ecdsa-sha256",
        "",
        "none",
    ],
)
def test_weak_or_unexpected_signature_algorithm(algorithm: str) -> None:
    """Any signature algorithm outside the policy is refused before it is used."""

    def attack(root: Root) -> None:
        find(root, ns.DS, "SignatureMethod").set("Algorithm", algorithm)
        resign(root)

    assert code_of(lambda: GOOD.verify(attack)) == POLICY_CODE


@pytest.mark.parametrize(
    "algorithm", ["http://www.w3.org/2000/09/xmldsig#sha1", _MORE + "md5", _MORE + "sha384", "none"]
)
def test_weak_or_unexpected_digest_algorithm(algorithm: str) -> None:
    """Any digest outside the policy is refused."""

    def attack(root: Root) -> None:
        find(root, ns.DS, "DigestMethod").set("Algorithm", algorithm)
        resign(root)

    assert code_of(lambda: GOOD.verify(attack)) == POLICY_CODE


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
        "http://www.w3.org/2006/12/xml-c14n11",
    ],
)
def test_unexpected_canonicalisation(algorithm: str) -> None:
    """Only exclusive canonicalisation without comments is allowed for SignedInfo."""

    def attack(root: Root) -> None:
        find(root, ns.DS, "CanonicalizationMethod").set("Algorithm", algorithm)
        resign(root)

    assert code_of(lambda: GOOD.verify(attack)) == POLICY_CODE


@pytest.mark.parametrize("number", [0, 1, 2], ids=["messaging", "body", "part"])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2",
        "http://www.w3.org/2000/09/xmldsig#base64",
        "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
        "http://www.w3.org/2001/10/xml-exc-c14n#",
    ],
)
def test_extra_transform(algorithm: str, first: bool, number: int) -> None:
    """XSLT, XPath, base64 or any second transform is refused and never run."""

    def attack(root: Root) -> None:
        transforms = find_all(root, ns.DS, "Transforms")[number]
        extra = etree.Element(ns.q(ns.DS, "Transform"), Algorithm=algorithm)
        etree.SubElement(
            extra, "{http://www.w3.org/1999/XSL/Transform}stylesheet"
        ) if "xslt" in algorithm else None
        transforms.insert(0 if first else 1, extra)
        resign(root)

    assert code_of(lambda: GOOD.verify(attack)) == POLICY_CODE


@pytest.mark.parametrize("number", [0, 2], ids=["messaging", "part"])
def test_no_transform(number: int) -> None:
    """A reference without the profile's transform is refused."""

    def attack(root: Root) -> None:
        transforms = find_all(root, ns.DS, "Transforms")[number]
        transforms.getparent().remove(transforms)
        resign(root)

    assert code_of(lambda: GOOD.verify(attack)) == POLICY_CODE


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:1/x",
        "https://example.org/x",
        "file:///etc/passwd",
        "/etc/passwd",
        "other.xml#_messaging",
        "",
        "#xpointer(/)",
        "#xpointer(id('_messaging'))",
        "ftp://example.org/x",
    ],
)
def test_external_or_file_reference(uri: str) -> None:
    """A reference outside the message, to the whole document or by XPointer is refused, never fetched."""

    def attack(root: Root) -> None:
        find(root, ns.DS, "Reference").set("URI", uri)
        resign(root)

    assert code_of(lambda: GOOD.verify(attack)) == POLICY_CODE


@pytest.mark.parametrize("uri", ["#", "#nowhere", "cid:nowhere", "cid:"])
def test_reference_to_nowhere(uri: str) -> None:
    """A reference that means nothing in the message is refused."""

    def attack(root: Root) -> None:
        find_all(root, ns.DS, "Reference")[2 if uri.startswith("cid:") else 0].set("URI", uri)
        resign(root)

    assert code_of(lambda: GOOD.verify(attack)) == AUTHENTICATION


def test_reference_without_uri() -> None:
    """A reference must say what it means."""

    def attack(root: Root) -> None:
        del find(root, ns.DS, "Reference").attrib["URI"]
        resign(root)

    assert code_of(lambda: GOOD.verify(attack)) == AUTHENTICATION


def _signature_parameter(root: Root) -> None:
    method = find(root, ns.DS, "SignatureMethod")
    etree.SubElement(method, ns.q(ns.DS, "HMACOutputLength")).text = "8"


def _unknown_in_signed_info(root: Root) -> None:
    etree.SubElement(find(root, ns.DS, "SignedInfo"), "{urn:evil}More")


def _no_signature_method(root: Root) -> None:
    method = find(root, ns.DS, "SignatureMethod")
    method.getparent().remove(method)


def _unknown_in_transforms(root: Root) -> None:
    find(root, ns.DS, "Transforms").append(etree.Element("{urn:evil}Transform"))


def _unknown_in_c14n(root: Root) -> None:
    etree.SubElement(find(root, ns.DS, "CanonicalizationMethod"), "{urn:evil}Parameter")


def _long_prefix_list(root: Root) -> None:
    inclusive = etree.SubElement(
        find(root, ns.DS, "Transform"), "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces"
    )
    inclusive.set("PrefixList", " ".join(f"p{n}" for n in range(100)))


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (_signature_parameter, POLICY_CODE),
        (_unknown_in_signed_info, AUTHENTICATION),
        (_no_signature_method, AUTHENTICATION),
        (_unknown_in_transforms, AUTHENTICATION),
        (_unknown_in_c14n, AUTHENTICATION),
        (_long_prefix_list, AUTHENTICATION),
    ],
)
def test_unknown_parameter(attack: Callable[[Root], None], code: str) -> None:
    """What the signature says beyond the profile is refused even when a trusted key signed it."""

    def signed_attack(root: Root) -> None:
        attack(root)
        resign(root)

    assert code_of(lambda: GOOD.verify(signed_attack)) == code


# ---- parts -------------------------------------------------------------------------------------


def test_unsigned_extra_attachment() -> None:
    """A part that no reference covers is refused."""
    assert code_of(lambda: GOOD.verify(parts={**PARTS, "extra": b"x"})) == POLICY_CODE


def test_signed_part_missing() -> None:
    """A part that was signed and did not arrive is refused."""
    assert code_of(lambda: GOOD.verify(parts={"leading@example": PARTS["leading@example"]})) == AUTHENTICATION


def test_part_changed() -> None:
    """One octet of a part is another."""
    changed = {**PARTS, "second.pdf": PARTS["second.pdf"] + b"\n"}
    assert code_of(lambda: GOOD.verify(parts=changed)) == AUTHENTICATION


def test_parts_exchanged() -> None:
    """Two signed parts exchange their names."""
    first, second = PARTS
    assert code_of(lambda: GOOD.verify(parts={first: PARTS[second], second: PARTS[first]})) == AUTHENTICATION


# ---- certificates ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signer",
    [pki.untrusted, pki.unpinned, pki.expired, pki.not_yet_valid, pki.revoked, pki.encryption_only],
    ids=lambda signer: signer.__name__,
)
def test_bad_certificate(signer: Callable[[], SigningKey]) -> None:
    """A good signature with a certificate that may not sign now is refused."""
    message = signed(signer=signer())
    assert code_of(message.verify) == AUTHENTICATION


def test_certificate_of_another_party() -> None:
    """A message signed by another known party tells that party's name, and is refused as the French."""
    verified = signed(signer=pki.party(pki.OTHER).signing).verify()
    assert verified.party_id == pki.OTHER
    assert code_of(lambda: verified.require_party(pki.FR)) == AUTHENTICATION
    verified.require_party(pki.OTHER)


def test_token_of_another_certificate() -> None:
    """The French token over somebody else's signature is refused."""

    def attack(root: Root) -> None:
        token = find(root, ns.WSSE, "BinarySecurityToken")
        other = parse_xml(signed(signer=pki.party(pki.OTHER).signing).content)
        token.text = find(other, ns.WSSE, "BinarySecurityToken").text

    assert code_of(lambda: GOOD.verify(attack)) == AUTHENTICATION


def _key_info_with(tag: str) -> Callable[[Root], None]:
    def attack(root: Root) -> None:
        key_info = find(root, ns.DS, "KeyInfo")
        del key_info[:]
        etree.SubElement(key_info, ns.q(ns.DS, tag))

    return attack


@pytest.mark.parametrize("tag", ["KeyName", "KeyValue", "RetrievalMethod", "X509Data"])
def test_key_info_outside_the_profile(tag: str) -> None:
    """A bare key, a name or a retrieval method never chooses the key."""
    assert code_of(lambda: GOOD.verify(_key_info_with(tag))) == AUTHENTICATION


def key_info_doubled(root: Root) -> None:
    """Two SecurityTokenReferences."""
    one = find(root, ns.WSSE, "SecurityTokenReference")
    one.addnext(copy.deepcopy(one))


def key_identifier_of_another_kind(root: Root) -> None:
    """A thumbprint, which the profile does not know."""
    one = find(root, ns.WSSE, "Reference")
    one.tag = ns.q(ns.WSSE, "KeyIdentifier")
    one.set("ValueType", "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1")


def serial_number_not_a_number(root: Root) -> None:
    """A serial number of letters."""
    reference = find(root, ns.WSSE, "SecurityTokenReference")
    del reference[:]
    pair = etree.SubElement(
        etree.SubElement(reference, ns.q(ns.DS, "X509Data")), ns.q(ns.DS, "X509IssuerSerial")
    )
    etree.SubElement(pair, ns.q(ns.DS, "X509IssuerName")).text = "CN=x"
    etree.SubElement(pair, ns.q(ns.DS, "X509SerialNumber")).text = "seven"


def token_outside_security(root: Root) -> None:
    """The token stands in another header."""
    wrapper(header(root)).append(find(root, ns.WSSE, "BinarySecurityToken"))


def token_external(root: Root) -> None:
    """The token is somewhere on the network."""
    find(root, ns.WSSE, "Reference").set("URI", "https://example.org/cert")


def token_garbage(root: Root) -> None:
    """The token holds no certificate."""
    find(root, ns.WSSE, "BinarySecurityToken").text = "AAAA"


def token_of_another_type(root: Root) -> None:
    """The token is of a kind that nobody agreed."""
    find(root, ns.WSSE, "BinarySecurityToken").set("ValueType", "urn:evil")


def token_of_another_encoding(root: Root) -> None:
    """The token is not base64."""
    find(root, ns.WSSE, "BinarySecurityToken").set("EncodingType", "urn:evil")


def token_reference_doubled(root: Root) -> None:
    """Two references in one SecurityTokenReference."""
    one = find(root, ns.WSSE, "Reference")
    one.addnext(copy.deepcopy(one))


def token_reference_unknown(root: Root) -> None:
    """A kind of reference that nobody knows."""
    find(root, ns.WSSE, "Reference").tag = "{urn:evil}Reference"


@pytest.mark.parametrize(
    "attack",
    [
        key_info_doubled,
        key_identifier_of_another_kind,
        serial_number_not_a_number,
        token_outside_security,
        token_external,
        token_garbage,
        token_of_another_type,
        token_of_another_encoding,
        token_reference_doubled,
        token_reference_unknown,
    ],
    ids=lambda attack: attack.__name__,
)
def test_bad_token(attack: Callable[[Root], None]) -> None:
    """A token that cannot be read in exactly one way is refused."""
    assert code_of(lambda: GOOD.verify(attack)) == AUTHENTICATION


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


# ---- anything else -----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_single_octet_can_be_changed_unnoticed(data: st.DataObject) -> None:
    """Whatever one octet becomes: a refusal from the error tree, or the very same signed header."""
    position = data.draw(st.integers(0, len(GOOD.content) - 1))
    changed = bytearray(GOOD.content)
    changed[position] = data.draw(st.integers(0, 255))
    try:
        root = tree.parse_envelope(bytes(changed), POLICY)
        verified = verify_envelope(root, PARTS, trust=pki.trust_store(), policy=POLICY, now=pki.NOW)
    except As4Error:
        return
    assert tree.canonical(verified.messaging) == tree.canonical(GOOD.verify().messaging)
    assert verified.attachments == PARTS


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_element_can_be_moved_or_copied_unnoticed(data: st.DataObject) -> None:
    """Signature wrapping in general: any element moved or copied to any place, with or without its id.

    Either a refusal from the error tree, or the very same signed header and parts.
    """
    root = GOOD.tree()
    everything = list(root.iter(etree.Element))
    for _ in range(data.draw(st.integers(1, 3))):
        taken = data.draw(st.sampled_from(everything[1:]))
        element = copy.deepcopy(taken) if data.draw(st.booleans()) else taken
        if data.draw(st.booleans()):
            for inside in element.iter(etree.Element):
                inside.attrib.pop(tree.WSU_ID, None)
        targets = [e for e in everything if e not in set(taken.iter())]
        target = data.draw(st.sampled_from(targets))
        target.insert(data.draw(st.integers(0, len(target))), element)
    try:
        verified = Signed(etree.tostring(root), PARTS, ()).verify()
    except As4Error:
        return
    assert tree.canonical(verified.messaging) == tree.canonical(GOOD.verify().messaging)
    assert verified.attachments == PARTS
    assert verified.body_is_empty


def test_refusals_hold_no_value_of_the_message() -> None:
    """No refusal quotes the message: texts are fixed."""
    with pytest.raises(InvalidHeader) as refusal:
        tree.parse_envelope(b"<secret-name>", POLICY)
    assert "secret" not in str(refusal.value)
