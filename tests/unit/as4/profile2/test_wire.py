"""The exact XML that profile 2.0 puts on the wire, and the forms of others that are read too (as4.md 38)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.policy import KeyAgreement, SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.wss import tree
from gateway.core.errors import FailedDecryption
from tests.fixtures import as4, pki
from tests.fixtures import profile2 as p2

pytestmark = pytest.mark.as4(38)
Element = etree._Element
METHOD = "//xenc:EncryptedKey/ds:KeyInfo/xenc:AgreementMethod"


def shape(element: Element) -> list[object]:
    """Names and attributes of a subtree, in order; texts, URIs of tokens and ids are left out."""
    attributes = {str(k): str(v) for k, v in element.attrib.items() if k not in ("Id", "URI")}
    return [etree.QName(element).localname, attributes, [shape(child) for child in element]]


@pytest.mark.parametrize(
    ("profile", "algorithm"),
    [
        (p2.EDDSA, "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519"),
        (p2.EC, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"),
    ],
)
def test_signature(profile: SecurityProfile, algorithm: str) -> None:
    """The algorithm of the profile, SHA-256 digests, and a raw value of 64 octets."""
    root = as4.tree_of(p2.seal(profile))
    assert as4.find(root, "//ds:SignatureMethod/@Algorithm") == [algorithm]
    assert len(as4.one(root, "//ds:SignatureMethod")) == 0
    assert set(as4.find(root, "//ds:SignedInfo//ds:DigestMethod/@Algorithm")) == {
        "http://www.w3.org/2001/04/xmlenc#sha256"
    }
    assert len(tree.binary(as4.one(root, "//ds:SignatureValue"))) == 64


BST = {
    "ValueType": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3",
}
DERIVATION = [
    "KeyDerivationMethod",
    {"Algorithm": "http://www.w3.org/2021/04/xmldsig-more#hkdf"},
    [
        [
            "HKDFParams",
            {},
            [
                ["PRF", {"Algorithm": "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"}, []],
                ["Salt", {}, []],
                ["KeyLength", {}, []],
            ],
        ]
    ],
]
RECIPIENT = ["RecipientKeyInfo", {}, [["SecurityTokenReference", {}, [["Reference", BST, []]]]]]


def key_element(agreement: str, originator: list[object]) -> list[object]:
    return [
        "EncryptedKey",
        {},
        [
            ["EncryptionMethod", {"Algorithm": "http://www.w3.org/2001/04/xmlenc#kw-aes128"}, []],
            [
                "KeyInfo",
                {},
                [
                    [
                        "AgreementMethod",
                        {"Algorithm": agreement},
                        [DERIVATION, ["OriginatorKeyInfo", {}, [originator]], RECIPIENT],
                    ]
                ],
            ],
            ["CipherData", {}, [["CipherValue", {}, []]]],
            ["ReferenceList", {}, [["DataReference", {}, []], ["DataReference", {}, []]]],
        ],
    ]


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (
            p2.EDDSA,
            key_element("http://www.w3.org/2021/04/xmldsig-more#x25519", ["DEREncodedKeyValue", {}, []]),
        ),
        (
            p2.EC,
            key_element(
                "http://www.w3.org/2009/xmlenc11#ECDH-ES",
                ["KeyValue", {}, [["ECKeyValue", {}, [["NamedCurve", {}, []], ["PublicKey", {}, []]]]]],
            ),
        ),
    ],
)
def test_encrypted_key(profile: SecurityProfile, expected: list[object]) -> None:
    """The whole EncryptedKey, element by element."""
    assert shape(as4.one(as4.tree_of(p2.seal(profile)), "//xenc:EncryptedKey")) == expected


@pytest.mark.parametrize("profile", p2.NEW)
def test_namespaces_and_values(profile: SecurityProfile) -> None:
    """Every element in its namespace; 32 octets of salt, a key of 16 octets wrapped into 24."""
    root = as4.tree_of(p2.seal(profile))
    for path in (
        f"{METHOD}/xenc11:KeyDerivationMethod/dsig-more:HKDFParams/dsig-more:PRF",
        f"{METHOD}/xenc:OriginatorKeyInfo",
        f"{METHOD}/xenc:RecipientKeyInfo/wsse:SecurityTokenReference/wsse:Reference",
    ):
        assert len(as4.find(root, path)) == 1
    assert len(tree.binary(as4.one(root, "//dsig-more:Salt"))) == 32
    assert as4.find(root, "//dsig-more:KeyLength/text()") == ["16"]
    assert len(tree.binary(as4.one(root, "//xenc:EncryptedKey/xenc:CipherData/xenc:CipherValue"))) == 24


def test_originator_key_on_curve25519() -> None:
    """SubjectPublicKeyInfo, OID 1.3.101.110; directly in OriginatorKeyInfo, where Santuario looks."""
    root = as4.tree_of(p2.seal(p2.EDDSA))
    der = tree.binary(as4.one(root, f"{METHOD}/xenc:OriginatorKeyInfo/dsig11:DEREncodedKeyValue"))
    assert (len(der), der[:12].hex()) == (44, "302a300506032b656e032100")
    assert isinstance(load_der_public_key(der), x25519.X25519PublicKey)


def test_originator_key_on_p256() -> None:
    """A named curve and an uncompressed point."""
    root = as4.tree_of(p2.seal(p2.EC))
    key = as4.one(root, f"{METHOD}/xenc:OriginatorKeyInfo/ds:KeyValue/dsig11:ECKeyValue")
    assert as4.one(key, "dsig11:NamedCurve/@URI") == "urn:oid:1.2.840.10045.3.1.7"
    point = tree.binary(as4.one(key, "dsig11:PublicKey"))
    assert (len(point), point[0]) == (65, 4)


def test_the_recipient_is_named() -> None:
    """RecipientKeyInfo leads to the certificate of the receiver's key of that profile."""
    for profile in p2.NEW:
        root = as4.tree_of(p2.seal(profile))
        uri = as4.one(root, f"{METHOD}/xenc:RecipientKeyInfo//wsse:Reference/@URI")
        (token,) = [
            t for t in as4.find(root, "//wsse:BinarySecurityToken") if f"#{t.get(tree.WSU_ID)}" == uri
        ]
        expected = pki.party(pki.FR, profile).decryption.certificate.public_bytes(Encoding.DER)
        assert tree.binary(token) == expected


# ---- forms that others write --------------------------------------------------------------------


def originator_in_key_value(root: Element) -> None:
    """The DER form inside ds:KeyValue, as the profile's text has it."""
    value = as4.one(root, "//dsig11:DEREncodedKeyValue")
    etree.SubElement(value.getparent(), ns.q(ns.DS, "KeyValue")).append(value)


def prf_in_xenc11(root: Element) -> None:
    """PRF where Santuario looks for it."""
    as4.one(root, "//dsig-more:PRF").tag = ns.q(ns.XENC11, "PRF")


def without_key_length(root: Element) -> None:
    """KeyLength is optional in the schema: the key wrap gives it."""
    length = as4.one(root, "//dsig-more:KeyLength")
    length.getparent().remove(length)


def lines_of_64_with_cr(root: Element) -> None:
    """Base64 in lines that end with CR LF (as4.md, Traps)."""
    for element in as4.find(root, "//dsig-more:Salt | //dsig11:DEREncodedKeyValue | //dsig11:PublicKey"):
        element.text = "\r\n".join(["", element.text[:20], element.text[20:], ""])


def ski_in_x509_data(root: Element) -> None:
    """ds:X509Data/ds:X509SKI directly, WSS4J's X509SKI."""
    profile = p2.EDDSA if as4.find(root, "//dsig11:DEREncodedKeyValue") else p2.EC
    reference = as4.one(root, "//xenc:RecipientKeyInfo/wsse:SecurityTokenReference")
    data = etree.Element(ns.q(ns.DS, "X509Data"))
    ski = pki.party(pki.FR, profile).decryption.subject_key_id
    etree.SubElement(data, ns.q(ns.DS, "X509SKI")).text = tree.base64_text(ski)
    reference.getparent().replace(reference, data)


def issuer_serial_in_x509_data(root: Element) -> None:
    """ds:X509Data/ds:X509IssuerSerial directly."""
    profile = p2.EDDSA if as4.find(root, "//dsig11:DEREncodedKeyValue") else p2.EC
    reference = as4.one(root, "//xenc:RecipientKeyInfo/wsse:SecurityTokenReference")
    data = etree.Element(ns.q(ns.DS, "X509Data"))
    pair = etree.SubElement(data, ns.q(ns.DS, "X509IssuerSerial"))
    named = pki.party(pki.FR, profile).decryption.issuer_serial
    etree.SubElement(pair, ns.q(ns.DS, "X509IssuerName")).text = named.issuer
    etree.SubElement(pair, ns.q(ns.DS, "X509SerialNumber")).text = str(named.serial)
    reference.getparent().replace(reference, data)


FORMS: list[tuple[SecurityProfile, Callable[[Element], None]]] = [
    (profile, form)
    for profile in p2.NEW
    for form in (
        prf_in_xenc11,
        without_key_length,
        lines_of_64_with_cr,
        ski_in_x509_data,
        issuer_serial_in_x509_data,
    )
] + [(p2.EDDSA, originator_in_key_value)]


@pytest.mark.parametrize(("profile", "form"), FORMS, ids=lambda x: getattr(x, "__name__", str(x)))
def test_forms_of_others(profile: SecurityProfile, form: Callable[[Element], None]) -> None:
    """The same key information as other products write it opens the message too."""
    sealed = p2.bent(p2.seal(profile), form)
    assert p2.open_user(sealed).party_id == pki.UK


@pytest.mark.parametrize("inside", [False, True], ids=["in OriginatorKeyInfo", "in ds:KeyValue"])
def test_p256_as_der(*, inside: bool) -> None:
    """A P-256 originator key as SubjectPublicKeyInfo."""

    def as_der(root: Element) -> None:
        parent = as4.one(root, "//xenc:OriginatorKeyInfo")
        point = tree.binary(as4.one(parent, "ds:KeyValue/dsig11:ECKeyValue/dsig11:PublicKey"))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        parent.remove(parent[0])
        holder = etree.SubElement(parent, ns.q(ns.DS, "KeyValue")) if inside else parent
        value = etree.SubElement(holder, ns.q(ns.DSIG11, "DEREncodedKeyValue"))
        value.text = tree.base64_text(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    assert p2.open_user(p2.bent(p2.seal(p2.EC), as_der)).party_id == pki.UK


@pytest.mark.parametrize(("info", "opens"), [(b"", True), (b"another context", False)])
def test_info_is_used_when_it_comes(info: bytes, *, opens: bool) -> None:
    """Info is part of the derivation: the sender left it out, so only an empty one gives the sender's key."""

    def with_info(root: Element) -> None:
        element = etree.Element(ns.q(ns.DSIG_MORE, "Info"))
        element.text = tree.base64_text(info)
        as4.one(root, "//dsig-more:KeyLength").addprevious(element)

    sealed = p2.bent(p2.seal(p2.EDDSA), with_info)
    if opens:
        assert p2.open_user(sealed).party_id == pki.UK
    else:
        with pytest.raises(FailedDecryption):
            p2.open_user(sealed)


def test_the_guide_names_what_is_sent() -> None:
    """The French guide's table of profile 2.0 has every algorithm of its two policies."""
    text = (Path(__file__).parents[4] / "docs/fr-as4.md").read_text("utf-8")
    section = text.partition("## Profil 2.0")[2].partition("\n## ")[0]
    for profile in p2.NEW:
        policy = profile.policy(SecurityPolicy())
        agreement = policy.send_key_transport
        assert isinstance(agreement, KeyAgreement)
        assert f"`{profile}`" in section
        for uri in (policy.send_signature, policy.send_content_encryption, *dataclasses.astuple(agreement)):
            assert f"`{uri}`" in section
