"""Decryption: whatever goes wrong, one code and one text (no oracle); the wire form of what we encrypt."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from contracts.xml import XmlRefused, parse_xml
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.keys import DecryptionKey
from gateway.core.as4.policy import (
    AES128_GCM,
    MGF1_SHA256,
    OAEP_SHA1_MGF1P,
    OAEP_SHA256,
    RSA_OAEP,
    SHA256,
    SecurityPolicy,
    TokenReference,
    UnsafeSecurityPolicy,
)
from gateway.core.as4.wss import tree
from gateway.core.as4.wss.decrypt import REFUSAL, DecryptedParts, decrypt_attachments
from gateway.core.as4.wss.encrypt import encrypt_attachments, oaep
from gateway.core.errors import ConfigError, FailedDecryption
from tests.fixtures import pki
from tests.fixtures.wss_messages import PARTS, POLICY, envelope_bytes, find, find_all, signed

Root = etree._Element
UK = pki.party(pki.UK).decryption
WEAK = UnsafeSecurityPolicy(
    key_transports=frozenset({OAEP_SHA256, OAEP_SHA1_MGF1P}), send_key_transport=OAEP_SHA1_MGF1P
)


def sealed(policy: SecurityPolicy = POLICY) -> tuple[bytes, dict[str, bytes]]:
    """A signed and encrypted message for the UK, as it travels."""
    root = signed().tree()
    parts = encrypt_attachments(root, PARTS, recipient=UK.certificate, policy=policy)
    return etree.tostring(root), parts


CONTENT, SEALED = sealed()


def opened(
    mutate: Callable[[Root], None] | None = None,
    *,
    content: bytes = CONTENT,
    parts: Mapping[str, bytes] = SEALED,
    keys: tuple[DecryptionKey, ...] = (UK,),
    policy: SecurityPolicy = POLICY,
) -> DecryptedParts:
    """Decrypts what arrives after ``mutate`` changed the tree."""
    root = parse_xml(content)
    if mutate is not None:
        mutate(root)
    return decrypt_attachments(parse_xml(etree.tostring(root)), parts, keys=keys, policy=policy)


def security(root: Root) -> Root:
    return find(root, ns.WSSE, "Security")


def key(root: Root) -> Root:
    return find(root, ns.XENC, "EncryptedKey")


def data(root: Root) -> Root:
    return find(root, ns.XENC, "EncryptedData")


def remove(element: Root) -> None:
    element.getparent().remove(element)


# ---- the wire form (as4.md 24-26) --------------------------------------------------------------


@pytest.mark.as4(25)
def test_wire_form_of_the_encrypted_key() -> None:
    """RSA-OAEP with SHA-256 and MGF1-SHA256; the reference list names every EncryptedData."""
    root = parse_xml(CONTENT)
    method = find(key(root), ns.XENC, "EncryptionMethod")
    assert method.get("Algorithm") == RSA_OAEP
    assert find(method, ns.DS, "DigestMethod").get("Algorithm") == SHA256
    assert find(method, ns.XENC11, "MGF").get("Algorithm") == MGF1_SHA256
    listed = [e.get("URI") for e in find_all(key(root), ns.XENC, "DataReference")]
    assert listed == [f"#{e.get('Id')}" for e in find_all(root, ns.XENC, "EncryptedData")]
    assert len(listed) == 2


@pytest.mark.as4(26)
def test_wire_form_of_encrypted_data() -> None:
    """Type, MimeType, cipher reference, transform, token type and key as the profile says."""
    root = parse_xml(CONTENT)
    one = data(root)
    assert one.get("Type") == ns.SWA_CONTENT_ONLY
    assert one.get("MimeType") == "application/gzip"
    assert find(one, ns.XENC, "EncryptionMethod").get("Algorithm") == AES128_GCM
    assert find(one, ns.XENC, "CipherReference").get("URI") == "cid:leading@example"
    assert find(one, ns.DS, "Transform").get("Algorithm") == ns.SWA_CIPHERTEXT
    token = find(one, ns.WSSE, "SecurityTokenReference")
    assert token.get(ns.q(ns.WSSE11, "TokenType")) == (
        "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKey"
    )
    assert find(token, ns.WSSE, "Reference").get("URI") == f"#{key(root).get('Id')}"


@pytest.mark.as4(23)
def test_keys_come_before_data_and_data_before_the_signature() -> None:
    """A peer that reads once from top to bottom can decrypt before it verifies."""
    order = [etree.QName(e).localname for e in tree.elements(security(parse_xml(CONTENT)))]
    assert order == [
        "BinarySecurityToken",
        "EncryptedKey",
        "EncryptedData",
        "EncryptedData",
        "BinarySecurityToken",
        "Signature",
    ]


def test_random_octets_come_from_the_given_source() -> None:
    """One content key of 16 octets, then an IV of 12 for each part, never the same twice."""
    asked: list[int] = []

    def rng(size: int) -> bytes:
        asked.append(size)
        return bytes([len(asked)]) * size

    parts = encrypt_attachments(signed().tree(), PARTS, recipient=UK.certificate, policy=POLICY, rng=rng)
    assert asked == [16, 12, 12]
    assert [content[:12] for content in parts.values()] == [b"\x02" * 12, b"\x03" * 12]


def test_media_type_of_an_uncompressed_part() -> None:
    """EncryptedData tells the media type, and decryption gives it back."""
    root = signed().tree()
    types = {"second.pdf": "application/pdf"}
    parts = encrypt_attachments(root, PARTS, recipient=UK.certificate, policy=POLICY, media_types=types)
    result = decrypt_attachments(root, parts, keys=(UK,), policy=POLICY)
    assert result.media_types == {"leading@example": "application/gzip", "second.pdf": "application/pdf"}


@pytest.mark.as4(22)
@pytest.mark.parametrize("kind", list(TokenReference))
def test_every_token_reference_finds_our_key(kind: TokenReference) -> None:
    """Token, path, key identifier and issuer with serial number all name the recipient (as4.md 22)."""
    content, parts = sealed(SecurityPolicy(send_token_reference=kind))
    other = pki.party(pki.FR).decryption
    assert opened(content=content, parts=parts, keys=(other, UK)).contents == PARTS


def test_a_message_without_encryption_is_passed_on() -> None:
    """Nothing encrypted: the parts as they came, and none marked as encrypted."""
    result = opened(content=signed().content, parts=PARTS)
    assert result.contents == PARTS
    assert result.encrypted == frozenset()
    assert opened(content=b"<a/>", parts={}).contents == {}


@pytest.mark.as4(23)
def test_a_part_in_clear_beside_encrypted_ones_is_told() -> None:
    """A part that no EncryptedData names is not called encrypted: the P-Mode decides."""
    result = opened(parts={**SEALED, "clear": b"x"})
    assert result.contents["clear"] == b"x"
    assert "clear" not in result.encrypted


def test_data_without_key_info_is_found_by_the_reference_list() -> None:
    """KeyInfo in EncryptedData is optional: the key's list names it."""

    def change(root: Root) -> None:
        remove(find(data(root), ns.DS, "KeyInfo"))

    assert opened(change).contents == PARTS


@pytest.mark.as4(25)
def test_older_key_transport_only_under_an_unsafe_policy() -> None:
    """rsa-oaep-mgf1p with SHA-1 decrypts when agreed, and not otherwise (as4.md 25)."""
    content, parts = sealed(WEAK)
    method = find(key(parse_xml(content)), ns.XENC, "EncryptionMethod")
    assert method.get("Algorithm") == OAEP_SHA1_MGF1P.algorithm
    assert not find_all(method, ns.XENC11, "MGF")
    assert opened(content=content, parts=parts, policy=WEAK).contents == PARTS

    def implicit(root: Root) -> None:
        remove(find(key(root), ns.DS, "DigestMethod"))

    assert opened(implicit, content=content, parts=parts, policy=WEAK).contents == PARTS
    with pytest.raises(FailedDecryption):
        opened(content=content, parts=parts)


# ---- refusals ----------------------------------------------------------------------------------


def wrapped_key_damaged(root: Root) -> None:
    value = find(key(root), ns.XENC, "CipherValue")
    octets = bytearray(tree.binary(value))
    octets[5] ^= 1
    value.text = tree.base64_text(bytes(octets))


def wrapped_key_of_wrong_length(root: Root) -> None:
    value = find(key(root), ns.XENC, "CipherValue")
    short = UK.certificate.public_key()
    assert isinstance(short, pki.rsa.RSAPublicKey)
    value.text = tree.base64_text(short.encrypt(bytes(24), oaep(OAEP_SHA256)))


def wrapped_key_too_short(root: Root) -> None:
    find(key(root), ns.XENC, "CipherValue").text = tree.base64_text(b"short")


def key_damaged(root: Root) -> None:
    find(key(root), ns.XENC, "CipherValue").text = "%%"


def key_transport_rsa_15(root: Root) -> None:
    method = find(key(root), ns.XENC, "EncryptionMethod")
    method.set("Algorithm", "http://www.w3.org/2001/04/xmlenc#rsa-1_5")


def key_transport_with_sha1(root: Root) -> None:
    remove(find(find(key(root), ns.XENC, "EncryptionMethod"), ns.DS, "DigestMethod"))


def key_transport_with_mgf1_sha1(root: Root) -> None:
    remove(find(key(root), ns.XENC11, "MGF"))


def key_with_oaep_parameters(root: Root) -> None:
    etree.SubElement(find(key(root), ns.XENC, "EncryptionMethod"), ns.q(ns.XENC, "OAEPparams")).text = "AAAA"


def key_missing(root: Root) -> None:
    remove(key(root))


def key_doubled(root: Root) -> None:
    key(root).addnext(copy.deepcopy(key(root)))


def more_keys_than_data(root: Root) -> None:
    for _ in range(3):
        etree.SubElement(security(root), ns.q(ns.XENC, "EncryptedKey"))


def list_empty(root: Root) -> None:
    del find(key(root), ns.XENC, "ReferenceList")[:]


def list_incomplete(root: Root) -> None:
    remove(find(key(root), ns.XENC, "DataReference"))


def list_names_another(root: Root) -> None:
    find(key(root), ns.XENC, "DataReference").set("URI", "#nowhere")


def list_names_a_key(root: Root) -> None:
    find(key(root), ns.XENC, "DataReference").tag = ns.q(ns.XENC, "KeyReference")


def list_names_the_outside(root: Root) -> None:
    find(key(root), ns.XENC, "DataReference").set("URI", "http://127.0.0.1:1/x")


def data_names_another_key(root: Root) -> None:
    find(data(root), ns.WSSE, "Reference").set("URI", "#nowhere")


def data_cbc(root: Root) -> None:
    method = find(data(root), ns.XENC, "EncryptionMethod")
    method.set("Algorithm", "http://www.w3.org/2001/04/xmlenc#aes128-cbc")


def data_of_another_type(root: Root) -> None:
    data(root).set("Type", "http://www.w3.org/2001/04/xmlenc#Content")


def data_with_a_method_parameter(root: Root) -> None:
    etree.SubElement(find(data(root), ns.XENC, "EncryptionMethod"), ns.q(ns.XENC, "KeySize")).text = "8"


def data_twice_for_one_part(root: Root) -> None:
    for pointer in find_all(root, ns.XENC, "CipherReference"):
        pointer.set("URI", "cid:second.pdf")


def data_for_a_missing_part(root: Root) -> None:
    find(data(root), ns.XENC, "CipherReference").set("URI", "cid:nowhere")


def data_external(root: Root) -> None:
    find(data(root), ns.XENC, "CipherReference").set("URI", "file:///etc/passwd")


def data_inline(root: Root) -> None:
    cipher = find(data(root), ns.XENC, "CipherData")
    del cipher[:]
    etree.SubElement(cipher, ns.q(ns.XENC, "CipherValue")).text = "AAAA"


def data_with_an_xslt_transform(root: Root) -> None:
    find(data(root), ns.DS, "Transform").set("Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116")


def data_with_two_transforms(root: Root) -> None:
    one = find(data(root), ns.DS, "Transform")
    one.addnext(copy.deepcopy(one))


def data_with_one_id(root: Root) -> None:
    for one in find_all(root, ns.XENC, "EncryptedData"):
        one.set("Id", "same")


def data_without_id(root: Root) -> None:
    del data(root).attrib["Id"]


def data_in_the_body(root: Root) -> None:
    find(root, ns.S12, "Body").append(data(root))


def two_security_headers(root: Root) -> None:
    security(root).addnext(etree.Element(ns.q(ns.WSSE, "Security")))


def token_of_another(root: Root) -> None:
    find(root, ns.WSSE, "BinarySecurityToken").text = tree.base64_text(
        pki.party(pki.FR).decryption.certificate.public_bytes(Encoding.DER)
    )


REFUSED = [
    wrapped_key_damaged,
    wrapped_key_of_wrong_length,
    wrapped_key_too_short,
    key_damaged,
    key_transport_rsa_15,
    key_transport_with_sha1,
    key_transport_with_mgf1_sha1,
    key_with_oaep_parameters,
    key_missing,
    key_doubled,
    more_keys_than_data,
    list_empty,
    list_incomplete,
    list_names_another,
    list_names_a_key,
    list_names_the_outside,
    data_names_another_key,
    data_cbc,
    data_of_another_type,
    data_with_a_method_parameter,
    data_twice_for_one_part,
    data_for_a_missing_part,
    data_external,
    data_inline,
    data_with_an_xslt_transform,
    data_with_two_transforms,
    data_with_one_id,
    data_without_id,
    data_in_the_body,
    two_security_headers,
    token_of_another,
]


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__name__)
def test_every_failure_looks_the_same(change: Callable[[Root], None]) -> None:
    """One code and one text, whatever is wrong with the encryption."""
    with pytest.raises(FailedDecryption) as refusal:
        opened(change)
    assert refusal.value.ebms is not None
    assert (refusal.value.ebms.code, str(refusal.value)) == ("EBMS:0102", REFUSAL)


@pytest.mark.as4(24)
@pytest.mark.parametrize(
    "content",
    [b"", SEALED["second.pdf"][:27], SEALED["second.pdf"][:-1], SEALED["second.pdf"] + b"x", bytes(64)],
    ids=["empty", "short", "cut", "longer", "zeros"],
)
def test_damaged_ciphertext_looks_the_same(content: bytes) -> None:
    """A changed, cut or empty ciphertext gives the very same refusal."""
    with pytest.raises(FailedDecryption, match=f"^{REFUSAL}$"):
        opened(parts={**SEALED, "second.pdf": content})


def test_the_key_used_for_equal_time_opens_nothing() -> None:
    """A ciphertext under the all-zero key, beside a key that does not unwrap, is refused."""
    iv = bytes(12)
    forged = {name: iv + AESGCM(bytes(16)).encrypt(iv, b"forged", None) for name in PARTS}
    with pytest.raises(FailedDecryption, match=f"^{REFUSAL}$"):
        opened(wrapped_key_damaged, parts=forged)


def test_somebody_elses_message_looks_the_same() -> None:
    """A message for another key, or no key at all, gives the very same refusal."""
    with pytest.raises(FailedDecryption, match=f"^{REFUSAL}$"):
        opened(keys=(pki.party(pki.FR).decryption,))
    with pytest.raises(FailedDecryption, match=f"^{REFUSAL}$"):
        opened(keys=())


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_changed_octet_gives_the_same_refusal_or_the_same_parts(data: st.DataObject) -> None:
    """Whatever one octet of the envelope becomes: FailedDecryption, or nothing but the true plaintext."""
    position = data.draw(st.integers(0, len(CONTENT) - 1))
    changed = bytearray(CONTENT)
    changed[position] = data.draw(st.integers(0, 255))
    try:
        root = parse_xml(bytes(changed))
    except XmlRefused:
        return
    try:
        result = decrypt_attachments(root, SEALED, keys=(UK,), policy=POLICY)
    except FailedDecryption as exc:
        assert str(exc) == REFUSAL  # noqa: PT017 — either outcome is right, each with its own proof
        return
    assert all(result.contents[name] == PARTS[name] for name in result.encrypted)
    assert all(result.contents[name] == SEALED[name] for name in SEALED if name not in result.encrypted)


# ---- encrypting --------------------------------------------------------------------------------


def test_encrypting_before_signing_is_a_bug() -> None:
    """Only a signed envelope can be encrypted (as4.md 23)."""
    with pytest.raises(ValueError, match="sign before"):
        encrypt_attachments(parse_xml(envelope_bytes()), PARTS, recipient=UK.certificate, policy=POLICY)


def test_a_recipient_that_may_not_decrypt() -> None:
    """A certificate for signatures only is not encrypted to."""
    with pytest.raises(ConfigError, match="not made for encryption"):
        encrypt_attachments(
            signed().tree(),
            PARTS,
            recipient=pki.party(pki.FR).signing.certificate,
            policy=POLICY,
        )


def test_a_recipient_without_key_usage() -> None:
    """Without key usage any RSA key will do."""
    private = pki.private_key("no usage")
    certificate = pki.issue(pki.name("no usage"), private.public_key(), pki.authority(), usage=None)
    root = signed().tree()
    parts = encrypt_attachments(root, PARTS, recipient=certificate, policy=POLICY)
    holder = DecryptionKey(private, certificate)
    assert decrypt_attachments(root, parts, keys=(holder,), policy=POLICY).contents == PARTS


def test_a_recipient_with_another_kind_of_key() -> None:
    """An elliptic curve key cannot take RSA-OAEP."""
    authority = pki.authority()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(pki.name("ec"))
        .issuer_name(authority.certificate.subject)
        .public_key(ec.generate_private_key(ec.SECP256R1()).public_key())
        .serial_number(7)
        .not_valid_before(pki.NOW - pki.DAY)
        .not_valid_after(pki.NOW + pki.DAY)
        .sign(authority.private_key, pki.hashes.SHA256())
    )
    with pytest.raises(ConfigError, match="RSA"):
        encrypt_attachments(signed().tree(), PARTS, recipient=certificate, policy=POLICY)
