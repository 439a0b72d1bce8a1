"""What we write, byte for byte as the profile says: requirements 10, 17 to 21 and 23 to 27."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.compression import gzip
from gateway.core.as4.mime import parse_multipart
from tests.fixtures import pki
from tests.fixtures.as4 import DOCUMENT, PHOTO, POLICY, find, one, seal, tree_of

WSS = "http://docs.oasis-open.org/wss/"
SWA = WSS + "oasis-wss-SwAProfile-1.1#"


@pytest.fixture(scope="module")
def sealed():
    """One sealed message with two parts."""
    return seal()


@pytest.fixture(scope="module")
def envelope(sealed):
    """Its envelope, read back."""
    return tree_of(sealed)


def algorithms(envelope, path):
    """The Algorithm attributes at this XPath."""
    return {element.get("Algorithm") for element in find(envelope, path)}


@pytest.mark.as4(17)
def test_signature_and_digest_algorithms(envelope):
    """rsa-sha256 over sha256 digests, no UsernameToken."""
    assert algorithms(envelope, "//ds:SignatureMethod") == {
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    }
    assert algorithms(envelope, "//ds:SignedInfo//ds:DigestMethod") == {
        "http://www.w3.org/2001/04/xmlenc#sha256"
    }
    assert not find(envelope, "//wsse:UsernameToken")


@pytest.mark.as4(18)
def test_messaging_body_and_every_attachment_are_signed(envelope):
    """The whole eb:Messaging and the empty Body by wsu:Id, each attachment by cid."""
    ids = [one(envelope, path).get(ns.q(ns.WSU, "Id")) for path in ("//eb:Messaging", "//S12:Body")]
    assert [r.get("URI") for r in find(envelope, "//ds:SignedInfo/ds:Reference")] == [
        *(f"#{value}" for value in ids),
        "cid:document@uk.test",
        "cid:photo.1@uk.test",
    ]


@pytest.mark.as4(19)
def test_canonicalisation_is_exclusive(envelope):
    """Exclusive C14N for SignedInfo and both elements."""
    exclusive = {"http://www.w3.org/2001/10/xml-exc-c14n#"}
    assert algorithms(envelope, "//ds:CanonicalizationMethod") == exclusive
    assert algorithms(envelope, "//ds:Reference[starts-with(@URI, '#')]//ds:Transform") == exclusive


@pytest.mark.as4(20)
def test_attachments_are_signed_by_the_content_transform(envelope, sealed):
    """The SwA transform, over the compressed octets."""
    path = "//ds:Reference[starts-with(@URI, 'cid:')]//ds:Transform"
    assert algorithms(envelope, path) == {SWA + "Attachment-Content-Signature-Transform"}
    assert [r.digest_value for r in sealed.references[2:]] == [
        hashlib.sha256(content).digest() for content in (gzip(DOCUMENT.content), PHOTO.content)
    ]


@pytest.mark.as4(21)
def test_the_signing_certificate_comes_as_a_binary_token(envelope):
    """BST with its EncodingType and ValueType, referred to from KeyInfo."""
    reference = one(envelope, "//ds:Signature/ds:KeyInfo/wsse:SecurityTokenReference/wsse:Reference")
    token = one(envelope, f"//wsse:BinarySecurityToken[@wsu:Id='{reference.get('URI')[1:]}']")
    base = WSS + "2004/01/oasis-200401-wss-"
    assert token.get("EncodingType") == base + "soap-message-security-1.0#Base64Binary"
    assert token.get("ValueType") == base + "x509-token-profile-1.0#X509v3"
    assert token.text == "".join(token.text.split()), "no white space, no CR inside base64"
    pem = f"-----BEGIN CERTIFICATE-----\n{token.text}\n-----END CERTIFICATE-----\n"
    assert x509.load_pem_x509_certificate(pem.encode()) == pki.party(pki.UK).signing.certificate


@pytest.mark.as4(23)
def test_all_parts_and_only_parts_are_encrypted(envelope):
    """Every payload part has its EncryptedData; nothing of the envelope is encrypted."""
    assert [e.get("URI") for e in find(envelope, "//xenc:CipherReference")] == [
        "cid:document@uk.test",
        "cid:photo.1@uk.test",
    ]
    assert len(find(envelope, "//xenc:EncryptedData/xenc:CipherData/xenc:CipherValue")) == 0


@pytest.mark.as4(24)
def test_parts_are_aes_128_gcm_with_iv_and_tag(envelope, sealed):
    """IV of 12 bytes, ciphertext, tag of 16: each part is 28 bytes longer than its content."""
    assert algorithms(envelope, "//xenc:EncryptedData/xenc:EncryptionMethod") == {
        "http://www.w3.org/2009/xmlenc11#aes128-gcm"
    }
    parts = parse_multipart(sealed.content_type, sealed.body, POLICY).parts
    assert [len(p.content) - 28 for p in parts] == [len(gzip(DOCUMENT.content)), len(PHOTO.content)]


@pytest.mark.as4(25)
def test_the_content_key_travels_under_rsa_oaep(envelope):
    """rsa-oaep with sha256 and mgf1sha256, for the responder's certificate."""
    method = one(envelope, "//xenc:EncryptedKey/xenc:EncryptionMethod")
    assert method.get("Algorithm") == "http://www.w3.org/2009/xmlenc11#rsa-oaep"
    assert one(method, "ds:DigestMethod").get("Algorithm") == "http://www.w3.org/2001/04/xmlenc#sha256"
    assert one(method, "xenc11:MGF").get("Algorithm") == "http://www.w3.org/2009/xmlenc11#mgf1sha256"
    certificate = pki.party(pki.FR).decryption.certificate.public_bytes(Encoding.DER)
    path = "//xenc:EncryptedKey/ds:KeyInfo/wsse:SecurityTokenReference/wsse:Reference"
    token_id = one(envelope, path).get("URI")[1:]
    token = one(envelope, f"//wsse:BinarySecurityToken[@wsu:Id='{token_id}']")
    assert base64.b64decode(token.text) == certificate


@pytest.mark.as4(26)
def test_encrypted_data_has_the_attachment_form(envelope):
    """Type, MimeType, CipherReference with its transform, token type; the key lists them all."""
    data = find(envelope, "//wsse:Security/xenc:EncryptedData")
    assert [d.get("MimeType") for d in data] == ["application/gzip", "image/png"]
    assert {d.get("Type") for d in data} == {SWA + "Attachment-Content-Only"}
    assert algorithms(envelope, "//xenc:CipherReference//ds:Transform") == {
        SWA + "Attachment-Ciphertext-Transform"
    }
    key = one(envelope, "//xenc:EncryptedKey")
    for element in data:
        reference = one(element, "ds:KeyInfo/wsse:SecurityTokenReference")
        assert reference.get(ns.q(ns.WSSE11, "TokenType")) == (
            WSS + "oasis-wss-soap-message-security-1.1#EncryptedKey"
        )
        assert one(reference, "wsse:Reference").get("URI") == f"#{key.get('Id')}"
    listed = [r.get("URI") for r in find(key, "xenc:ReferenceList/xenc:DataReference")]
    assert listed == [f"#{d.get('Id')}" for d in data]


@pytest.mark.as4(27)
def test_encrypted_parts_are_binary_octet_streams(sealed):
    """Content-Type application/octet-stream, Content-Transfer-Encoding binary."""
    parts = parse_multipart(sealed.content_type, sealed.body, POLICY).parts
    assert [p.content_type for p in parts] == ["application/octet-stream"] * 2
    assert sealed.body.count(b"Content-Transfer-Encoding: binary\r\n") == 3
    assert DOCUMENT.content not in sealed.body
    assert gzip(DOCUMENT.content) not in sealed.body


@pytest.mark.as4(10)
def test_the_envelope_alone_is_kept_as_evidence(sealed):
    """Sealed.envelope is the SOAP part of the body, without the payloads."""
    assert sealed.envelope == parse_multipart(sealed.content_type, sealed.body, POLICY).root.content
    assert PHOTO.content not in sealed.envelope
