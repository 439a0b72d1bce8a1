"""Decrypting payload parts (as4.md 23-27, 38). Whatever goes wrong looks the same from outside: no oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.content import Octets
from gateway.core.as4.keys import DecryptionKey, names
from gateway.core.as4.policy import (
    AGREEMENT_KINDS,
    CONTENT_KEY_BYTES,
    KW_AES128,
    MGF1_SHA1,
    SHA1,
    KeyTransport,
    SecurityPolicy,
)
from gateway.core.as4.wss import key_agreement, tokens, tree
from gateway.core.as4.wss import reference as references
from gateway.core.as4.wss.content_cipher import decrypt_content
from gateway.core.as4.wss.encrypt import oaep
from gateway.core.as4.wss.tree import Malformed
from gateway.core.errors import FailedDecryption

REFUSAL = "the message could not be decrypted"
"""The one text of every failure."""

_ENCRYPTED_KEY = ns.q(ns.XENC, "EncryptedKey")
_ENCRYPTED_DATA = ns.q(ns.XENC, "EncryptedData")
_METHOD = ns.q(ns.XENC, "EncryptionMethod")


@dataclass(frozen=True, kw_only=True, slots=True)
class DecryptedParts:
    """All parts by Content-ID: decrypted ones in clear, the others as they came.

    ``encrypted`` tells which arrived encrypted; ``media_types`` is EncryptedData's MimeType of those.
    """

    contents: dict[str, Octets]
    encrypted: frozenset[str]
    media_types: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Part:
    content_id: str
    algorithm: str
    media_type: str | None


@dataclass(frozen=True, slots=True)
class _Key:
    unwrap: Callable[[], bytes]
    """The content key. Raises ValueError or InvalidUnwrap, and only when it is called."""
    parts: tuple[_Part, ...]


def decrypt_attachments(
    envelope: etree._Element,
    attachments: Mapping[str, Octets],
    *,
    keys: Sequence[DecryptionKey],
    policy: SecurityPolicy,
) -> DecryptedParts:
    """Decrypts what the security header says is encrypted. The result is not yet verified.

    Raises FailedDecryption (EBMS:0102), always with the same text.
    """
    try:
        # (1) read the whole plan before any key is used
        plan = _read_plan(envelope, attachments, keys, policy)
        # (2) unwrap each key and decrypt its parts
        contents = dict(attachments)
        media_types: dict[str, str] = {}
        for key in plan:
            _decrypt_parts(key, attachments, contents)
            media_types |= {p.content_id: p.media_type for p in key.parts if p.media_type is not None}
    except (Malformed, InvalidTag, ValueError) as exc:
        raise FailedDecryption(REFUSAL) from exc
    encrypted = frozenset(part.content_id for key in plan for part in key.parts)
    return DecryptedParts(contents=contents, encrypted=encrypted, media_types=media_types)


def _decrypt_parts(key: _Key, attachments: Mapping[str, Octets], contents: dict[str, Octets]) -> None:
    try:
        content_key = key.unwrap()
    except (ValueError, InvalidUnwrap):
        content_key = b""
    for part in key.parts:
        size = CONTENT_KEY_BYTES[part.algorithm]
        unwrapped = len(content_key) == size
        # A key that did not unwrap still costs a decryption, so that time does not tell them apart.
        content = decrypt_content(content_key if unwrapped else bytes(size), attachments[part.content_id])
        if not unwrapped:
            raise Malformed("the key could not be unwrapped")
        contents[part.content_id] = content


def _read_plan(
    envelope: etree._Element,
    attachments: Mapping[str, Octets],
    keys: Sequence[DecryptionKey],
    policy: SecurityPolicy,
) -> tuple[_Key, ...]:
    if len(attachments) > policy.max_parts:
        raise Malformed("too many parts")
    header = tree.optional(envelope, ns.q(ns.S12, "Header"))
    security = None if header is None else tree.optional(header, ns.q(ns.WSSE, "Security"))
    here = () if security is None else tree.children(security, _ENCRYPTED_DATA)
    everywhere = list(envelope.iter(_ENCRYPTED_DATA))
    if len(here) != len(everywhere):
        raise Malformed("only payload parts may be encrypted")
    data = {tree.attribute(element, "Id"): element for element in here}
    key_elements = [] if security is None else tree.children(security, _ENCRYPTED_KEY)
    if len(data) != len(here) or len(here) > policy.max_parts or len(key_elements) > len(here):
        raise Malformed("EncryptedData and EncryptedKey do not match")
    if security is None or not here:
        return ()
    plan: list[_Key] = []
    for element in key_elements:
        named = _named_data(element, data)
        parts = tuple(_read_part(one, element, attachments, policy) for one in named)
        plan.append(_read_key(element, security, keys, policy, parts))
    if data:
        raise Malformed("EncryptedData that no key names")
    content_ids = [part.content_id for key in plan for part in key.parts]
    if len(set(content_ids)) != len(content_ids):
        raise Malformed("one part is encrypted twice")
    return tuple(plan)


def _named_data(key: etree._Element, data: dict[str, etree._Element]) -> list[etree._Element]:
    """EncryptedData that the key's ReferenceList names; taken out of ``data``."""
    listed = tree.elements(tree.only(key, ns.q(ns.XENC, "ReferenceList")))
    named: list[etree._Element] = []
    for pointer in listed:
        uri = tree.attribute(pointer, "URI")
        if pointer.tag != ns.q(ns.XENC, "DataReference") or not uri.startswith("#") or uri[1:] not in data:
            raise Malformed("the ReferenceList names something else than EncryptedData")
        named.append(data.pop(uri[1:]))
    if not named:
        raise Malformed("the ReferenceList is empty")
    return named


def _read_part(
    data: etree._Element, key: etree._Element, attachments: Mapping[str, Octets], policy: SecurityPolicy
) -> _Part:
    if tree.attribute(data, "Type") != ns.SWA_CONTENT_ONLY:
        raise Malformed("not an attachment")
    method = tree.only(data, _METHOD)
    algorithm = tree.attribute(method, "Algorithm")
    if algorithm not in policy.content_encryptions or tree.elements(method):
        raise Malformed("content encryption is not allowed")
    key_info = tree.optional(data, ns.q(ns.DS, "KeyInfo"))
    if key_info is not None:
        reference = tree.only(key_info, ns.q(ns.WSSE, "SecurityTokenReference"))
        pointer = tree.only(reference, ns.q(ns.WSSE, "Reference"))
        if tree.attribute(pointer, "URI") != f"#{tree.attribute(key, 'Id')}":
            raise Malformed("EncryptedData names another key than the one that lists it")
    cipher = tree.only(tree.only(data, ns.q(ns.XENC, "CipherData")), ns.q(ns.XENC, "CipherReference"))
    steps = tree.elements(tree.only(cipher, ns.q(ns.XENC, "Transforms")))
    if [(s.tag, s.get("Algorithm")) for s in steps] != [(ns.q(ns.DS, "Transform"), ns.SWA_CIPHERTEXT)]:
        raise Malformed("unexpected transforms of the ciphertext")
    uri = tree.attribute(cipher, "URI")
    content_id = references.find_content_id(uri, attachments) if uri.startswith(references.CID) else None
    if content_id is None:
        raise Malformed("the encrypted part is not in the message")
    return _Part(content_id, algorithm, data.get("MimeType"))


def _read_key(
    key: etree._Element,
    security: etree._Element,
    keys: Sequence[DecryptionKey],
    policy: SecurityPolicy,
    parts: tuple[_Part, ...],
) -> _Key:
    method = tree.only(key, _METHOD)
    wrapped = tree.binary(
        tree.only(tree.only(key, ns.q(ns.XENC, "CipherData")), ns.q(ns.XENC, "CipherValue"))
    )
    key_info = tree.only(key, ns.q(ns.DS, "KeyInfo"))
    if tree.attribute(method, "Algorithm") == KW_AES128:
        return _Key(_read_agreement(method, key_info, security, keys, policy, wrapped), parts)
    return _Key(_read_transport(method, key_info, security, keys, policy, wrapped), parts)


def _read_transport(
    method: etree._Element,
    key_info: etree._Element,
    security: etree._Element,
    keys: Sequence[DecryptionKey],
    policy: SecurityPolicy,
    wrapped: bytes,
) -> Callable[[], bytes]:
    """RSA key transport (as4.md 25)."""
    if tree.children(method, ns.q(ns.XENC, "OAEPparams")):
        raise Malformed("OAEP parameters are not allowed")
    digest = tree.optional(method, ns.q(ns.DS, "DigestMethod"))
    mgf = tree.optional(method, ns.q(ns.XENC11, "MGF"))
    transport = KeyTransport(
        tree.attribute(method, "Algorithm"),
        SHA1 if digest is None else tree.attribute(digest, "Algorithm"),
        MGF1_SHA1 if mgf is None else tree.attribute(mgf, "Algorithm"),
    )
    if transport not in policy.key_transports:
        raise Malformed("key transport is not allowed")
    private_key = _holder(tokens.read_token(key_info, security), keys, policy).private_key
    if not isinstance(private_key, rsa.RSAPrivateKey):
        raise Malformed("the key named is of another kind")
    return lambda: private_key.decrypt(wrapped, oaep(transport))


def _read_agreement(
    method: etree._Element,
    key_info: etree._Element,
    security: etree._Element,
    keys: Sequence[DecryptionKey],
    policy: SecurityPolicy,
    wrapped: bytes,
) -> Callable[[], bytes]:
    """Key agreement and AES key wrap (as4.md 38)."""
    if tree.elements(method):
        raise Malformed("the key wrap has no parameters")
    agreed = key_agreement.read_agreement(key_info, security)
    if agreed.agreement not in policy.key_transports:
        raise Malformed("key agreement is not allowed")
    holder = _holder(agreed.recipient, keys, policy)
    if holder.kind is not AGREEMENT_KINDS[agreed.agreement.algorithm]:
        raise Malformed("the key named is of another kind")
    return lambda: key_agreement.unwrap(agreed, holder.private_key, wrapped)


def _holder(token: tokens.Token, keys: Sequence[DecryptionKey], policy: SecurityPolicy) -> DecryptionKey:
    """The one key of ours that the message names."""
    if tokens.token_kind(token) not in policy.token_references:
        raise Malformed("token reference is not allowed")
    if isinstance(token, tokens.EmbeddedToken):
        holders = [k for k in keys if k.certificate == token.certificates[0]]
    else:
        holders = [k for k in keys if names(k.certificate, token)]
    if len(holders) != 1:
        raise Malformed("encrypted for a key that is not ours")
    return holders[0]
