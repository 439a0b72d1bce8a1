"""Forged and broken encryption of profile 2.0: one code, one text, no oracle (as4.md 38, Attacks)."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from contracts.xml import XmlRefused, parse_xml
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.content import whole
from gateway.core.as4.keys import DecryptionKey
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.profiles import SecurityProfile
from gateway.core.as4.wss import decrypt, key_agreement, tokens, tree
from gateway.core.as4.wss.decrypt import REFUSAL, DecryptedParts, decrypt_attachments
from gateway.core.as4.wss.encrypt import encrypt_attachments
from gateway.core.as4.wss.tree import Malformed
from gateway.core.errors import ConfigError, FailedDecryption
from tests.fixtures import pki
from tests.fixtures import profile2 as p2
from tests.fixtures.as4 import find, one
from tests.fixtures.wss_messages import PARTS, signed

pytestmark = pytest.mark.as4(38)
Root = etree._Element
Change = Callable[[Root], None]
UK = {profile: pki.party(pki.UK, profile).decryption for profile in SecurityProfile}


def sealed(profile: SecurityProfile) -> tuple[bytes, dict[str, bytes]]:
    """A message for the UK, as it travels. Its signature is RSA: only the encryption is looked at here."""
    root = signed().tree()
    parts = encrypt_attachments(
        root, PARTS, recipient=UK[profile].certificate, policy=profile.policy(SecurityPolicy())
    )
    return etree.tostring(root), {name: whole(content) for name, content in parts.items()}


SEALED = {profile: sealed(profile) for profile in SecurityProfile}


def opened(
    profile: SecurityProfile,
    change: Change = lambda _: None,
    *,
    keys: tuple[DecryptionKey, ...] = tuple(UK.values()),
    parts: dict[str, bytes] | None = None,
) -> DecryptedParts:
    content, travelling = SEALED[profile]
    root = parse_xml(content)
    change(root)
    return decrypt_attachments(
        parse_xml(etree.tostring(root)),
        travelling if parts is None else parts,
        keys=keys,
        policy=profile.policy(SecurityPolicy()),
    )


def refused(profile: SecurityProfile, change: Change = lambda _: None, **options: object) -> None:
    with pytest.raises(FailedDecryption) as refusal:
        opened(profile, change, **options)  # type: ignore[arg-type]
    assert refusal.value.ebms is not None
    assert (refusal.value.ebms.code, str(refusal.value)) == ("EBMS:0102", REFUSAL)


@pytest.mark.parametrize("profile", list(SecurityProfile))
def test_the_good_one(profile: SecurityProfile) -> None:
    """What every forgery here starts from opens."""
    assert {n: whole(c) for n, c in opened(profile).contents.items()} == PARTS


# ---- what any key agreement can suffer ----------------------------------------------------------


def drop(path: str) -> Change:
    def change(root: Root) -> None:
        element = one(root, path)
        element.getparent().remove(element)

    return change


def twice(path: str) -> Change:
    def change(root: Root) -> None:
        element = one(root, path)
        element.addnext(copy.deepcopy(element))

    return change


def text(path: str, value: str) -> Change:
    def change(root: Root) -> None:
        one(root, path).text = value

    return change


def algorithm(path: str, value: str) -> Change:
    def change(root: Root) -> None:
        one(root, path).set("Algorithm", value)

    return change


def stranger(path: str, name: str) -> Change:
    """An element that the profile does not know, inside another."""

    def change(root: Root) -> None:
        etree.SubElement(one(root, path), name)

    return change


def flipped(path: str, position: int) -> Change:
    def change(root: Root) -> None:
        octets = bytearray(tree.binary(one(root, path)))
        octets[position] ^= 1
        one(root, path).text = tree.base64_text(bytes(octets))

    return change


KEY = "//xenc:EncryptedKey"
WRAPPED = f"{KEY}/xenc:CipherData/xenc:CipherValue"
METHOD = f"{KEY}/ds:KeyInfo/xenc:AgreementMethod"
DERIVATION = f"{METHOD}/xenc11:KeyDerivationMethod"
PARAMETERS = f"{DERIVATION}/dsig-more:HKDFParams"
ORIGINATOR = f"{METHOD}/xenc:OriginatorKeyInfo"
RECIPIENT = f"{METHOD}/xenc:RecipientKeyInfo"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"

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


def der(key: object) -> bytes:
    return key.public_key().public_bytes(  # type: ignore[attr-defined, no-any-return]
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )


X_KEY = der(x25519.X25519PrivateKey.generate())
P_PRIVATE = ec.generate_private_key(ec.SECP256R1())
P_KEY = der(P_PRIVATE)
P_POINT = P_PRIVATE.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
P_COMPRESSED = P_PRIVATE.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
OFF_CURVE = P_POINT[:-1] + bytes([P_POINT[-1] ^ 1])
P384 = ec.generate_private_key(ec.SECP384R1())
SPKI_P256 = P_KEY[: -len(P_POINT)]

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


def originator(value: bytes) -> Change:
    """DEREncodedKeyValue in the place of the key that was there."""

    def change(root: Root) -> None:
        parent = one(root, ORIGINATOR)
        parent.remove(parent[0])
        etree.SubElement(parent, ns.q(ns.DSIG11, "DEREncodedKeyValue")).text = tree.base64_text(value)

    return change


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


# ---- the recipient -----------------------------------------------------------------------------


def to(key: DecryptionKey) -> Change:
    """RecipientKeyInfo that names this key."""

    def change(root: Root) -> None:
        parent = one(root, RECIPIENT)
        parent.remove(parent[0])
        data = etree.SubElement(parent, ns.q(ns.DS, "X509Data"))
        etree.SubElement(data, ns.q(ns.DS, "X509SKI")).text = tree.base64_text(key.subject_key_id)

    return change


@pytest.mark.parametrize("profile", p2.NEW)
def test_recipient_is_another_key_of_ours(profile: SecurityProfile) -> None:
    """Named for our RSA key, our other key, or the other party's: never tried with any other key."""
    others = [UK[other] for other in SecurityProfile if other is not profile]
    second = pki.party(pki.FR, profile).decryption
    for key in (*others, second):
        refused(profile, to(key), keys=(*UK.values(), second))
    opened(profile, to(UK[profile]))


@pytest.mark.parametrize("profile", p2.NEW)
def test_a_key_of_another_kind_is_never_used(
    profile: SecurityProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which key is meant, and whether it is of the kind, is settled before any key is used."""
    used: list[object] = []
    monkeypatch.setattr(key_agreement, "unwrap", lambda *given: used.append(given))
    for other in SecurityProfile:
        if other is not profile:
            refused(profile, to(UK[other]))
    assert used == []


@pytest.mark.parametrize("profile", p2.NEW)
def test_recipient_unknown(profile: SecurityProfile) -> None:
    """For somebody else, or with no key at all."""
    refused(profile, to(pki.party(pki.OTHER, profile).decryption))
    refused(profile, keys=())
    refused(profile, keys=tuple(key for kind, key in UK.items() if kind is not profile))


@pytest.mark.parametrize("profile", p2.NEW)
@pytest.mark.parametrize(
    "inside", [("X509SKI", "X509SKI"), (), ("X509SubjectName",), ("X509Certificate",), ("X509SKI", "X509CRL")]
)
def test_x509_data_that_names_nothing_or_more(profile: SecurityProfile, inside: tuple[str, ...]) -> None:
    """X509Data names one certificate, by key identifier or issuer and serial number."""

    def change(root: Root) -> None:
        parent = one(root, RECIPIENT)
        parent.remove(parent[0])
        data = etree.SubElement(parent, ns.q(ns.DS, "X509Data"))
        for name in inside:
            ski = tree.base64_text(UK[profile].subject_key_id)
            etree.SubElement(data, ns.q(ns.DS, name)).text = ski

    refused(profile, change)


def test_rsa_key_that_names_another_kind() -> None:
    """RSA key transport to a certificate of ours that has another kind of key."""
    for profile in p2.NEW:

        def change(root: Root, key: DecryptionKey = UK[profile]) -> None:
            parent = one(root, f"{KEY}/ds:KeyInfo/wsse:SecurityTokenReference")
            parent.remove(parent[0])
            named = etree.SubElement(parent, ns.q(ns.WSSE, "KeyIdentifier"))
            named.set("ValueType", f"{tokens.X509_PROFILE}X509SubjectKeyIdentifier")
            named.text = tree.base64_text(key.subject_key_id)

        refused(p2.RSA, change)


# ---- mixtures ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("agreed", "other"), p2.PAIRS)
def test_key_of_another_profile(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """An EncryptedKey of another profile, wholly genuine, with our key for it at hand."""
    content, parts = SEALED[other]
    with pytest.raises(FailedDecryption, match=f"^{REFUSAL}$"):
        decrypt_attachments(
            parse_xml(content),
            parts,
            keys=tuple(UK.values()),
            policy=agreed.policy(SecurityPolicy()),
        )


@pytest.mark.parametrize(("agreed", "other"), p2.PAIRS)
def test_one_part_by_each_of_two_profiles(agreed: SecurityProfile, other: SecurityProfile) -> None:
    """Two EncryptedKeys, one of the profile and one of another: the second part does not come in by it."""
    root = parse_xml(SEALED[agreed][0])
    second = parse_xml(SEALED[other][0])
    key, foreign = one(root, KEY), one(second, KEY)
    names = find(key, "xenc:ReferenceList/xenc:DataReference")
    foreign.set("Id", "second-key")
    for reference in find(foreign, "xenc:ReferenceList/xenc:DataReference")[:-1]:
        reference.getparent().remove(reference)
    names[-1].getparent().remove(names[-1])
    key.addnext(foreign)
    data = find(root, "//xenc:EncryptedData")[-1]
    one(data, "ds:KeyInfo/wsse:SecurityTokenReference/wsse:Reference").set("URI", "#second-key")
    for token in find(second, "//wsse:BinarySecurityToken"):
        if token.get(tree.WSU_ID) not in {
            t.get(tree.WSU_ID) for t in find(root, "//wsse:BinarySecurityToken")
        }:
            key.getparent().insert(0, token)
    parts = {**SEALED[agreed][1], list(PARTS)[-1]: SEALED[other][1][list(PARTS)[-1]]}
    with pytest.raises(FailedDecryption, match=f"^{REFUSAL}$"):
        decrypt_attachments(
            parse_xml(etree.tostring(root)),
            parts,
            keys=tuple(UK.values()),
            policy=agreed.policy(SecurityPolicy()),
        )


@pytest.mark.parametrize("profile", p2.NEW)
def test_each_part_under_its_own_key(profile: SecurityProfile) -> None:
    """Two EncryptedKeys of the agreed profile, one for each part, are in order."""
    contents: dict[str, bytes] = {}
    root = parse_xml(SEALED[profile][0])
    security = one(root, "//wsse:Security")
    for element in find(root, "//xenc:EncryptedKey | //xenc:EncryptedData"):
        security.remove(element)
    for name, content in PARTS.items():
        hidden = encrypt_attachments(
            root,
            {name: content},
            recipient=UK[profile].certificate,
            policy=profile.policy(SecurityPolicy()),
        )
        contents |= {n: whole(c) for n, c in hidden.items()}
    assert len(find(root, KEY)) == 2
    result = decrypt_attachments(root, contents, keys=(UK[profile],), policy=profile.policy(SecurityPolicy()))
    assert {n: whole(c) for n, c in result.contents.items()} == PARTS


# ---- no oracle ---------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", p2.NEW)
def test_a_key_that_does_not_unwrap_costs_a_decryption(
    profile: SecurityProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts are decrypted all the same, so that time does not tell the failures apart."""
    tried: list[bytes] = []
    real = decrypt.decrypt_content

    def counted(key: bytes, content: bytes) -> object:
        tried.append(key)
        return real(key, content)

    monkeypatch.setattr(decrypt, "decrypt_content", counted)
    for change in (flipped(WRAPPED, 3), text(WRAPPED, tree.base64_text(bytes(24)))):
        refused(profile, change)
    refused(p2.EDDSA, originator(X_KEY[:12] + bytes(32)))
    assert tried == [bytes(16)] * 3


@pytest.mark.parametrize("profile", p2.NEW)
def test_the_key_used_for_equal_time_opens_nothing(profile: SecurityProfile) -> None:
    """A ciphertext under the all-zero key, beside a key that does not unwrap, is refused."""
    iv = bytes(12)
    forged = {name: iv + AESGCM(bytes(16)).encrypt(iv, b"forged", None) for name in PARTS}
    refused(profile, flipped(WRAPPED, 0), parts=forged)


@pytest.mark.parametrize("size", [8, 24, 32])
def test_content_key_of_another_length(size: int) -> None:
    """A well wrapped key that is no AES-128 key is refused."""
    private = x25519.X25519PrivateKey.generate()
    ours = UK[p2.EDDSA]
    public = ours.private_key.public_key()
    assert isinstance(public, x25519.X25519PublicKey)

    def change(root: Root) -> None:
        salt = tree.binary(one(root, f"{PARAMETERS}/dsig-more:Salt"))
        kek = key_agreement.derive(private.exchange(public), salt=salt)
        originator(der(private))(root)
        wrapped = aes_key_wrap(kek, bytes(size)) if size > 8 else bytes(16)
        one(root, WRAPPED).text = tree.base64_text(wrapped)

    refused(p2.EDDSA, change)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_changed_octet_gives_the_same_refusal_or_the_same_parts(data: st.DataObject) -> None:
    """Whatever one octet of the envelope becomes: FailedDecryption, or nothing but the true plaintext."""
    profile = data.draw(st.sampled_from(p2.NEW))
    content, travelling = SEALED[profile]
    start = content.index(b"EncryptedKey")
    changed = bytearray(content)
    changed[data.draw(st.integers(start, content.index(b"ReferenceList")))] = data.draw(st.integers(0, 255))
    try:
        root = parse_xml(bytes(changed))
    except XmlRefused:
        return
    try:
        result = decrypt_attachments(
            root, travelling, keys=tuple(UK.values()), policy=profile.policy(SecurityPolicy())
        )
    except FailedDecryption as exc:
        assert str(exc) == REFUSAL  # noqa: PT017 — either outcome is right, each with its own proof
        return
    assert all(whole(result.contents[name]) == PARTS[name] for name in result.encrypted)


# ---- sending -----------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", p2.NEW)
def test_recipients_that_cannot_be_agreed_with(profile: SecurityProfile) -> None:
    """Nothing is encrypted to a signing certificate, to another kind of key or to another curve."""
    keys = (
        (pki.key_of(profile.encryption_kind, "not for agreement").public_key(), pki.SIGNS, "key agreement"),
        (P384.public_key(), pki.AGREES, "has no"),
        (pki.private_key("rsa").public_key(), pki.ENCRYPTS, "has no"),
        (ed25519.Ed25519PrivateKey.generate().public_key(), pki.AGREES, "has no"),
    )
    for public, usage, words in keys:
        certificate = pki.issue(pki.name("recipient"), public, pki.authority(), usage=usage)
        with pytest.raises(ConfigError, match=words):
            encrypt_attachments(
                signed().tree(), PARTS, recipient=certificate, policy=profile.policy(SecurityPolicy())
            )


@pytest.mark.parametrize("profile", p2.NEW)
def test_recipient_without_key_usage(profile: SecurityProfile) -> None:
    """Without key usage any key of the kind will do, for the sender and for its holder."""
    key = pki.key_of(profile.encryption_kind, "no usage")
    assert not isinstance(key, ed25519.Ed25519PrivateKey)
    certificate = pki.issue(pki.name("no usage"), key.public_key(), pki.authority(), usage=None)
    root, policy = signed().tree(), profile.policy(SecurityPolicy())
    parts = encrypt_attachments(root, PARTS, recipient=certificate, policy=policy)
    holder = DecryptionKey(key, certificate)
    found = decrypt_attachments(root, parts, keys=(holder,), policy=policy).contents
    assert {n: whole(c) for n, c in found.items()} == PARTS


def test_recipient_of_small_order() -> None:
    """A certificate over a point of small order is refused before anything is encrypted."""
    public = x25519.X25519PublicKey.from_public_bytes(bytes(32))
    certificate = pki.issue(pki.name("small"), public, pki.authority(), usage=pki.AGREES)
    with pytest.raises(ConfigError, match="nobody can agree"):
        encrypt_attachments(
            signed().tree(), PARTS, recipient=certificate, policy=p2.EDDSA.policy(SecurityPolicy())
        )
