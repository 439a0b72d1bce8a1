"""Algorithms, transforms, references, parts, certificates and tokens outside the profile (as4.md)."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.keys import SigningKey
from tests.fixtures import pki
from tests.fixtures.wss_attacks import (
    AUTHENTICATION,
    GOOD,
    POLICY_CODE,
    Root,
    code_of,
    header,
    wrapper,
)
from tests.fixtures.wss_messages import PARTS, find, find_all, resign, signed

# ---- algorithms, transforms, references: signed by a trusted key, refused all the same ---------

_MORE = "http://www.w3.org/2001/04/xmldsig-more#"


@pytest.mark.as4(17)
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


@pytest.mark.as4(17)
@pytest.mark.parametrize(
    "algorithm", ["http://www.w3.org/2000/09/xmldsig#sha1", _MORE + "md5", _MORE + "sha384", "none"]
)
def test_weak_or_unexpected_digest_algorithm(algorithm: str) -> None:
    """Any digest outside the policy is refused."""

    def attack(root: Root) -> None:
        find(root, ns.DS, "DigestMethod").set("Algorithm", algorithm)
        resign(root)

    assert code_of(lambda: GOOD.verify(attack)) == POLICY_CODE


@pytest.mark.as4(19)
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


@pytest.mark.as4(20)
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


@pytest.mark.as4(20)
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


@pytest.mark.as4(18)
def test_unsigned_extra_attachment() -> None:
    """A part that no reference covers is refused."""
    assert code_of(lambda: GOOD.verify(parts={**PARTS, "extra": b"x"})) == POLICY_CODE


@pytest.mark.as4(18)
def test_signed_part_missing() -> None:
    """A part that was signed and did not arrive is refused."""
    assert code_of(lambda: GOOD.verify(parts={"leading@example": PARTS["leading@example"]})) == AUTHENTICATION


@pytest.mark.as4(18)
def test_part_changed() -> None:
    """One octet of a part is another."""
    changed = {**PARTS, "second.pdf": PARTS["second.pdf"] + b"\n"}
    assert code_of(lambda: GOOD.verify(parts=changed)) == AUTHENTICATION


@pytest.mark.as4(18)
def test_parts_exchanged() -> None:
    """Two signed parts exchange their names."""
    first, second = PARTS
    assert code_of(lambda: GOOD.verify(parts={first: PARTS[second], second: PARTS[first]})) == AUTHENTICATION


# ---- certificates ------------------------------------------------------------------------------


@pytest.mark.as4(37)
@pytest.mark.parametrize(
    "signer",
    [pki.untrusted, pki.unpinned, pki.expired, pki.not_yet_valid, pki.revoked, pki.encryption_only],
    ids=lambda signer: signer.__name__,
)
def test_bad_certificate(signer: Callable[[], SigningKey]) -> None:
    """A good signature with a certificate that may not sign now is refused."""
    message = signed(signer=signer())
    assert code_of(message.verify) == AUTHENTICATION


@pytest.mark.as4(37)
def test_certificate_of_another_party() -> None:
    """A message signed by another known party tells that party's name."""
    verified = signed(signer=pki.party(pki.OTHER).signing).verify()
    assert verified.party_id == pki.OTHER


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


@pytest.mark.as4(17)
@pytest.mark.as4(22)
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


@pytest.mark.as4(21)
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
