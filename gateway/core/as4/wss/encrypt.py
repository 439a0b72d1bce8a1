"""Encrypting the payload parts after signing (as4.md 23-27, 38)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.content import Octets
from gateway.core.as4.keys import certificate_kind, may_agree
from gateway.core.as4.policy import (
    CONTENT_KEY_BYTES,
    HASHES,
    RSA_OAEP,
    KeyAgreement,
    KeyTransport,
    SecurityPolicy,
    encryption_kind,
)
from gateway.core.as4.wss import key_agreement, tokens, tree
from gateway.core.as4.wss import reference as references
from gateway.core.as4.wss.content_cipher import IV_BYTES, encrypt_content
from gateway.core.errors import ConfigError

ENCRYPTED_KEY_TOKEN = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKey"  # noqa: S105 — a URI
GZIP = "application/gzip"
TOKEN_STEM = "_encryption-token"  # noqa: S105 — the beginning of an id


def oaep(transport: KeyTransport) -> padding.OAEP:
    """The padding of one agreed key transport."""
    return padding.OAEP(
        mgf=padding.MGF1(HASHES[transport.mgf]), algorithm=HASHES[transport.digest], label=None
    )


def encrypt_attachments(
    envelope: etree._Element,
    attachments: Mapping[str, Octets],
    *,
    recipient: x509.Certificate,
    policy: SecurityPolicy,
    rng: Callable[[int], bytes] = os.urandom,
    media_types: Mapping[str, str] | None = None,
) -> dict[str, Octets]:
    """Encrypts every part under one fresh content key and puts key and EncryptedData into wsse:Security.

    ``envelope`` is signed already (ValueError otherwise): what was signed is the plaintext. Returns
    Content-ID → IV (12 octets) ‖ ciphertext ‖ tag (16 octets). ``rng(n)`` gives n random octets.
    ``media_types`` tells EncryptedData's MimeType where a part is not gzip. Raises ConfigError when the
    recipient's certificate cannot be encrypted to. Without parts nothing is changed.
    """
    if not attachments:
        return {}
    security = _signed_security(envelope)
    check_recipient(recipient, policy)
    content_key = rng(CONTENT_KEY_BYTES[policy.send_content_encryption])
    key_id = tree.fresh_id(envelope, "_content-key")
    data_ids = [tree.fresh_id(envelope, f"_part-{n}") for n, _ in enumerate(attachments, 1)]

    encrypted_key = etree.Element(ns.q(ns.XENC, "EncryptedKey"), Id=key_id, nsmap={"xenc": ns.XENC})
    security.insert(0, encrypted_key)
    _write_key(
        encrypted_key,
        security,
        recipient,
        policy=policy,
        content_key=content_key,
        data_ids=data_ids,
        rng=rng,
    )
    result: dict[str, Octets] = {}
    position = security.index(encrypted_key) + 1
    for data_id, (content_id, content) in zip(data_ids, attachments.items(), strict=True):
        result[content_id] = encrypt_content(content_key, rng(IV_BYTES), content)
        data = _data_element(
            data_id,
            key_id,
            uri=references.cid_uri(content_id),
            media_type=(media_types or {}).get(content_id, GZIP),
            algorithm=policy.send_content_encryption,
        )
        security.insert(position, data)
        position += 1
    return result


def _signed_security(envelope: etree._Element) -> etree._Element:
    try:
        security = tree.only(tree.only(envelope, ns.q(ns.S12, "Header")), ns.q(ns.WSSE, "Security"))
        tree.only(security, ns.q(ns.DS, "Signature"))
    except tree.Malformed as exc:
        raise ValueError("sign before encrypting") from exc
    return security


def check_recipient(recipient: x509.Certificate, policy: SecurityPolicy) -> None:
    """Raises ConfigError unless the certificate can be encrypted to under this policy."""
    wanted = encryption_kind(policy.send_key_transport)
    if certificate_kind(recipient) is not wanted:
        raise ConfigError(f"the recipient's certificate has no {wanted} key, which the profile encrypts to")
    public_key = recipient.public_key()
    if not isinstance(public_key, rsa.RSAPublicKey):
        if not may_agree(recipient):
            raise ConfigError("the recipient's certificate is not made for key agreement")
        return
    if public_key.key_size < policy.min_rsa_bits:
        raise ConfigError("the recipient's certificate has no RSA key that is long enough")
    try:
        usage = recipient.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not (usage.key_encipherment or usage.data_encipherment):
        raise ConfigError("the recipient's certificate is not made for encryption")


def _write_key(
    encrypted_key: etree._Element,
    security: etree._Element,
    recipient: x509.Certificate,
    *,
    policy: SecurityPolicy,
    content_key: bytes,
    data_ids: list[str],
    rng: Callable[[int], bytes],
) -> None:
    """``recipient`` passed ``check_recipient``."""
    establishment = policy.send_key_transport
    if isinstance(establishment, KeyTransport):
        wrapped = _transport(encrypted_key, security, recipient, establishment, policy, content_key)
    else:
        wrapped = _agree(encrypted_key, security, recipient, establishment, policy, content_key, rng)
    cipher_data = etree.SubElement(encrypted_key, ns.q(ns.XENC, "CipherData"))
    etree.SubElement(cipher_data, ns.q(ns.XENC, "CipherValue")).text = tree.base64_text(wrapped)
    listed = etree.SubElement(encrypted_key, ns.q(ns.XENC, "ReferenceList"))
    for data_id in data_ids:
        etree.SubElement(listed, ns.q(ns.XENC, "DataReference"), URI=f"#{data_id}")


def _transport(
    encrypted_key: etree._Element,
    security: etree._Element,
    recipient: x509.Certificate,
    transport: KeyTransport,
    policy: SecurityPolicy,
    content_key: bytes,
) -> bytes:
    """EncryptionMethod and KeyInfo of RSA key transport; the content key under the recipient's key."""
    method = etree.SubElement(encrypted_key, ns.q(ns.XENC, "EncryptionMethod"), Algorithm=transport.algorithm)
    etree.SubElement(method, ns.q(ns.DS, "DigestMethod"), Algorithm=transport.digest, nsmap={"ds": ns.DS})
    if transport.algorithm == RSA_OAEP:  # rsa-oaep-mgf1p fixes its MGF (XML Encryption 1.1, 5.5.2)
        etree.SubElement(method, ns.q(ns.XENC11, "MGF"), Algorithm=transport.mgf, nsmap={"xenc11": ns.XENC11})
    key_info = etree.SubElement(encrypted_key, ns.q(ns.DS, "KeyInfo"), nsmap={"ds": ns.DS})
    kind = policy.send_token_reference
    tokens.write_token(key_info, security, (recipient,), kind=kind, stem=TOKEN_STEM, position=0)
    public_key = recipient.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)  # noqa: S101 — check_recipient; tells mypy
    return public_key.encrypt(content_key, oaep(transport))


def _agree(
    encrypted_key: etree._Element,
    security: etree._Element,
    recipient: x509.Certificate,
    agreement: KeyAgreement,
    policy: SecurityPolicy,
    content_key: bytes,
    rng: Callable[[int], bytes],
) -> bytes:
    """EncryptionMethod and KeyInfo of a key agreement; the content key under the derived key."""
    public_key = recipient.public_key()
    assert isinstance(public_key, x25519.X25519PublicKey | ec.EllipticCurvePublicKey)  # noqa: S101 — as above
    try:
        ephemeral = key_agreement.begin(public_key, agreement, rng=rng)
    except ValueError as exc:
        raise ConfigError("the recipient's certificate has a key that nobody can agree with") from exc
    etree.SubElement(encrypted_key, ns.q(ns.XENC, "EncryptionMethod"), Algorithm=agreement.wrap)
    key_info = etree.SubElement(encrypted_key, ns.q(ns.DS, "KeyInfo"), nsmap={"ds": ns.DS})
    kind = policy.send_token_reference
    key_agreement.write_agreement(key_info, security, ephemeral, (recipient,), kind=kind, stem=TOKEN_STEM)
    return key_agreement.wrap(ephemeral, content_key)


def _data_element(data_id: str, key_id: str, *, uri: str, media_type: str, algorithm: str) -> etree._Element:
    data = etree.Element(ns.q(ns.XENC, "EncryptedData"), Id=data_id, nsmap={"xenc": ns.XENC, "ds": ns.DS})
    data.set("MimeType", media_type)
    data.set("Type", ns.SWA_CONTENT_ONLY)
    etree.SubElement(data, ns.q(ns.XENC, "EncryptionMethod"), Algorithm=algorithm)
    key_info = etree.SubElement(data, ns.q(ns.DS, "KeyInfo"))
    named = etree.SubElement(
        key_info,
        ns.q(ns.WSSE, "SecurityTokenReference"),
        nsmap={"wsse": ns.WSSE, "wsse11": ns.WSSE11},
    )
    named.set(ns.q(ns.WSSE11, "TokenType"), ENCRYPTED_KEY_TOKEN)
    etree.SubElement(named, ns.q(ns.WSSE, "Reference"), URI=f"#{key_id}")
    cipher_data = etree.SubElement(data, ns.q(ns.XENC, "CipherData"))
    pointer = etree.SubElement(cipher_data, ns.q(ns.XENC, "CipherReference"), URI=uri)
    transforms = etree.SubElement(pointer, ns.q(ns.XENC, "Transforms"))
    etree.SubElement(transforms, ns.q(ns.DS, "Transform"), Algorithm=ns.SWA_CIPHERTEXT)
    return data
