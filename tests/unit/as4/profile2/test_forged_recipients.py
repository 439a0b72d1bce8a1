"""Key information that names another key, mixes profiles, or asks for an oracle (as4.md 38, Attacks)."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
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
from gateway.core.as4.wss.decrypt import REFUSAL, decrypt_attachments
from gateway.core.as4.wss.encrypt import encrypt_attachments
from gateway.core.errors import ConfigError, FailedDecryption
from tests.fixtures import pki
from tests.fixtures import profile2 as p2
from tests.fixtures.as4 import find, one
from tests.fixtures.forged_keys import (
    KEY,
    P384,
    PARAMETERS,
    RECIPIENT,
    SEALED,
    UK,
    WRAPPED,
    X_KEY,
    Change,
    Root,
    der,
    flipped,
    opened,
    originator,
    refused,
    text,
)
from tests.fixtures.wss_messages import PARTS, signed

pytestmark = pytest.mark.as4(38)


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
