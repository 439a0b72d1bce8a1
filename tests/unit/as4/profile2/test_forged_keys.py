"""Forged and broken encryption of profile 2.0: one code, one text, no oracle (as4.md 38, Attacks)."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from contracts.xml import parse_xml
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.content import whole
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.wss import key_agreement, tree
from gateway.core.as4.wss.tree import Malformed
from tests.fixtures import profile2 as p2
from tests.fixtures.as4 import find, one
from tests.fixtures.forged_keys import (
    DERIVATION,
    KEY,
    METHOD,
    MORE,
    OFF_CURVE,
    ORIGINATOR,
    P384,
    P_COMPRESSED,
    P_KEY,
    P_POINT,
    PARAMETERS,
    RECIPIENT,
    SEALED,
    SPKI_P256,
    WRAPPED,
    X_KEY,
    Change,
    Root,
    algorithm,
    der,
    drop,
    flipped,
    opened,
    originator,
    refused,
    stranger,
    text,
    twice,
)
from tests.fixtures.wss_messages import PARTS

pytestmark = pytest.mark.as4(38)


@pytest.mark.parametrize("profile", list(SecurityProfile))
def test_the_good_one(profile: SecurityProfile) -> None:
    """What every forgery here starts from opens."""
    assert {n: whole(c) for n, c in opened(profile).contents.items()} == PARTS


CHANGES: dict[str, Change] = {
    "key wrap tampered": flipped(WRAPPED, 0),
    "key wrap tampered at its end": flipped(WRAPPED, -1),
    "key wrap empty": text(WRAPPED, ""),
    "key wrap of another length": text(WRAPPED, tree.base64_text(bytes(32))),
    "key wrap cut": text(WRAPPED, tree.base64_text(bytes(23))),
    "key wrap not base64": text(WRAPPED, "*"),
    "kw-aes256": algorithm(f"{KEY}/xenc:EncryptionMethod", "http://www.w3.org/2001/04/xmlenc#kw-aes256"),
    "kw-tripledes": algorithm(
        f"{KEY}/xenc:EncryptionMethod", "http://www.w3.org/2001/04/xmlenc#kw-tripledes"
    ),
    "parameters of the key wrap": stranger(f"{KEY}/xenc:EncryptionMethod", ns.q(ns.XENC, "KeySize")),
    "no AgreementMethod": drop(METHOD),
    "two AgreementMethods": twice(METHOD),
    "another agreement": algorithm(METHOD, "http://www.w3.org/2009/xmlenc11#dh-es"),
    "X448": algorithm(METHOD, "http://www.w3.org/2021/04/xmldsig-more#x448"),
    "KA-Nonce": stranger(METHOD, ns.q(ns.XENC, "KA-Nonce")),
    "no KeyDerivationMethod": drop(DERIVATION),
    "two KeyDerivationMethods": twice(DERIVATION),
    "ConcatKDF": algorithm(DERIVATION, "http://www.w3.org/2009/xmlenc11#ConcatKDF"),
    "PBKDF2": algorithm(DERIVATION, "http://www.w3.org/2009/xmlenc11#pbkdf2"),
    "no HKDFParams": drop(PARAMETERS),
    "two HKDFParams": twice(PARAMETERS),
    "something beside HKDFParams": stranger(DERIVATION, ns.q(ns.XENC11, "ConcatKDFParams")),
    "no PRF": drop(f"{PARAMETERS}/dsig-more:PRF"),
    "two PRFs": twice(f"{PARAMETERS}/dsig-more:PRF"),
    "PRF with HMAC-SHA-1": algorithm(
        f"{PARAMETERS}/dsig-more:PRF", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"
    ),
    "PRF with HMAC-SHA-512": algorithm(f"{PARAMETERS}/dsig-more:PRF", f"{MORE}hmac-sha512"),
    "PRF unknown": algorithm(f"{PARAMETERS}/dsig-more:PRF", "urn:nothing"),
    "something in PRF": stranger(f"{PARAMETERS}/dsig-more:PRF", ns.q(ns.DSIG_MORE, "Parameters")),
    "no Salt": drop(f"{PARAMETERS}/dsig-more:Salt"),
    "two Salts": twice(f"{PARAMETERS}/dsig-more:Salt"),
    "Salt changed": flipped(f"{PARAMETERS}/dsig-more:Salt", 0),
    "Salt too long": text(f"{PARAMETERS}/dsig-more:Salt", tree.base64_text(bytes(257))),
    "Salt not base64": text(f"{PARAMETERS}/dsig-more:Salt", "*"),
    "KeyLength in bits": text(f"{PARAMETERS}/dsig-more:KeyLength", "128"),
    "KeyLength of AES-256": text(f"{PARAMETERS}/dsig-more:KeyLength", "32"),
    "KeyLength of one octet": text(f"{PARAMETERS}/dsig-more:KeyLength", "1"),
    "KeyLength negative": text(f"{PARAMETERS}/dsig-more:KeyLength", "-16"),
    "KeyLength in other digits": text(f"{PARAMETERS}/dsig-more:KeyLength", "١٦"),
    "KeyLength huge": text(f"{PARAMETERS}/dsig-more:KeyLength", "9" * 5000),
    "two KeyLengths": twice(f"{PARAMETERS}/dsig-more:KeyLength"),
    "something in HKDFParams": stranger(PARAMETERS, ns.q(ns.DSIG_MORE, "More")),
    "no originator": drop(ORIGINATOR),
    "two originators": twice(ORIGINATOR),
    "originator empty": drop(f"{ORIGINATOR}/*"),
    "two originator keys": twice(f"{ORIGINATOR}/*"),
    "no recipient": drop(RECIPIENT),
    "recipient empty": drop(f"{RECIPIENT}/*"),
    "two recipients": twice(f"{RECIPIENT}/*"),
    "recipient by nothing known": lambda root: one(root, f"{RECIPIENT}/*/*").set("URI", "#nothing"),
    "two EncryptedKeys": twice(KEY),
}
NAMED = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())


@NAMED
@pytest.mark.parametrize("profile", p2.NEW)
def test_each_defect_looks_the_same(profile: SecurityProfile, change: Change) -> None:
    """Whatever is wrong with the key: EBMS:0102 and the one text."""
    refused(profile, change)


# ---- the originator's key ----------------------------------------------------------------------


WRONG_DER: dict[str, bytes] = {
    "empty": b"",
    "no DER": b"\x30\x03abc",
    "cut": X_KEY[:-1],
    "more after it": X_KEY + b"\0",
    "huge": bytes(5000),
    "RSA": der(rsa.generate_private_key(65537, 2048)),
    "Ed25519": der(ed25519.Ed25519PrivateKey.generate()),
    "P-384": der(P384),
    "secp256k1": der(ec.generate_private_key(ec.SECP256K1())),
    "point not on the curve": SPKI_P256 + OFF_CURVE,
    "point at infinity": bytes.fromhex("3019301306072a8648ce3d020106082a8648ce3d030107030200") + b"\0",
    "raw X25519": X_KEY[-32:],
    "small order": X_KEY[:12] + bytes(32),
    "small order 1": X_KEY[:12] + b"\x01" + bytes(31),
    "a point": P_POINT,
}


@pytest.mark.parametrize("value", WRONG_DER.values(), ids=WRONG_DER.keys())
@pytest.mark.parametrize("profile", p2.NEW)
def test_originator_key(profile: SecurityProfile, value: bytes) -> None:
    """Another kind, another curve, a point that is on none, octets too few or too many."""
    refused(profile, originator(value))


def malformed(profile: SecurityProfile, change: Change) -> None:
    """Refused while it is read: before any key of ours is used."""
    root = parse_xml(SEALED[profile][0])
    change(root)
    with pytest.raises(Malformed):
        key_agreement.read_agreement(one(root, f"{KEY}/ds:KeyInfo"), one(root, "//wsse:Security"))


@pytest.mark.parametrize("name", [name for name in WRONG_DER if not name.startswith("small order")])
@pytest.mark.parametrize("profile", p2.NEW)
def test_originator_key_is_refused_when_read(profile: SecurityProfile, name: str) -> None:
    """None of these keys reaches the exchange; only a point of small order is found there."""
    malformed(profile, originator(WRONG_DER[name]))


def test_originator_key_of_another_curve_is_refused_when_read() -> None:
    """A good key, under the other agreement."""
    malformed(p2.EDDSA, originator(P_KEY))
    malformed(p2.EC, originator(X_KEY))


def true_point(root: Root) -> bytes:
    return tree.binary(one(root, "//dsig11:PublicKey"))


def compressed(octets: bytes) -> bytes:
    return bytes([2 + octets[-1] % 2]) + octets[1:33]


def test_the_true_key_in_another_form() -> None:
    """The sender's own key, compressed or with something after it, is refused: one key has one encoding."""

    def shorter(root: Root) -> None:
        point(compressed(true_point(root)))(root)

    def shorter_der(root: Root) -> None:
        spki = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
        originator(spki + compressed(true_point(root)))(root)

    def longer_der(root: Root) -> None:
        originator(tree.binary(one(root, "//dsig11:DEREncodedKeyValue")) + b"\0")(root)

    for profile, change in ((p2.EC, shorter), (p2.EC, shorter_der), (p2.EDDSA, longer_der)):
        refused(profile, change)
        malformed(profile, change)


@pytest.mark.parametrize("name", ["Salt", "Info"])
@pytest.mark.parametrize("profile", p2.NEW)
def test_long_parameters_are_refused_when_read(profile: SecurityProfile, name: str) -> None:
    """Salt and Info are bounded."""

    def change(root: Root, size: int = 257) -> None:
        parameters = one(root, PARAMETERS)
        for old in find(parameters, f"dsig-more:{name}"):
            parameters.remove(old)
        etree.SubElement(parameters, ns.q(ns.DSIG_MORE, name)).text = tree.base64_text(bytes(size))

    malformed(profile, change)
    root = parse_xml(SEALED[profile][0])
    change(root, 256)
    key_agreement.read_agreement(one(root, f"{KEY}/ds:KeyInfo"), one(root, "//wsse:Security"))


def test_originator_key_of_the_other_agreement() -> None:
    """A P-256 key under X25519, an X25519 key under ECDH-ES."""
    refused(p2.EDDSA, originator(P_KEY))
    refused(p2.EC, originator(X_KEY))


def test_another_originator_key() -> None:
    """A good key that is not the sender's derives another wrapping key."""
    refused(p2.EDDSA, originator(X_KEY))
    refused(p2.EC, originator(P_KEY))


def point(value: bytes) -> Change:
    return text(f"{ORIGINATOR}//dsig11:PublicKey", tree.base64_text(value))


WRONG_POINTS: dict[str, Change] = {
    "off the curve": point(OFF_CURVE),
    "compressed": point(P_COMPRESSED),
    "more after it": point(P_POINT + b"\0"),
    "cut": point(P_POINT[:-1]),
    "infinity": point(b"\0"),
    "empty": point(b""),
    "zeros": point(b"\x04" + bytes(64)),
    "P-384": point(P384.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)),
    "named P-384": lambda root: one(root, "//dsig11:NamedCurve").set("URI", "urn:oid:1.3.132.0.34"),
    "named secp256k1": lambda root: one(root, "//dsig11:NamedCurve").set("URI", "urn:oid:1.3.132.0.10"),
    "no curve": drop("//dsig11:NamedCurve"),
    "no point": drop("//dsig11:PublicKey"),
    "two points": twice("//dsig11:PublicKey"),
    "two keys": twice("//dsig11:ECKeyValue"),
    "curve parameters": stranger("//dsig11:ECKeyValue", ns.q(ns.DSIG11, "ECParameters")),
    "RSAKeyValue": lambda root: setattr(one(root, "//dsig11:ECKeyValue"), "tag", ns.q(ns.DS, "RSAKeyValue")),
}


@pytest.mark.parametrize("change", WRONG_POINTS.values(), ids=WRONG_POINTS.keys())
def test_originator_point(change: Change) -> None:
    """A point off the curve, in another form or on another curve never reaches the exchange."""
    refused(p2.EC, change)


def test_ec_key_value_under_x25519() -> None:
    """A named curve has no place in an X25519 agreement."""

    def change(root: Root) -> None:
        parent = one(root, ORIGINATOR)
        parent.remove(parent[0])
        key = etree.SubElement(
            etree.SubElement(parent, ns.q(ns.DS, "KeyValue")), ns.q(ns.DSIG11, "ECKeyValue")
        )
        etree.SubElement(key, ns.q(ns.DSIG11, "NamedCurve"), URI="urn:oid:1.2.840.10045.3.1.7")
        etree.SubElement(key, ns.q(ns.DSIG11, "PublicKey")).text = tree.base64_text(P_POINT)

    refused(p2.EDDSA, change)
