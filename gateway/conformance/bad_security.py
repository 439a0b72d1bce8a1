"""Messages whose signature or encryption is missing, weak, somebody else's, or wrapped."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Final

from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from gateway.conformance.bad_messages import NEVER_FETCHED, weaker
from gateway.conformance.forge import Element, Part, Workshop, document, find, resign, signed_info
from gateway.conformance.good import Builder, security_timestamp
from gateway.conformance.model import Wire
from gateway.core.as4 import namespaces as ns
from gateway.core.as4.content import whole
from gateway.core.as4.keys import SigningKey
from gateway.core.as4.mime import MimePart
from gateway.core.as4.policy import (
    EXC_C14N,
    OAEP_SHA1_MGF1P,
    RSA_SHA1,
    RSA_SHA256,
    SHA1,
    SHA256,
)
from gateway.core.as4.wss import tree
from gateway.core.as4.wss.reference import append_reference, digest

BAD_SECURITY: Final[dict[str, Builder]] = {}
HMAC_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
AES128_CBC: Final = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
XPATH: Final = "http://www.w3.org/TR/1999/REC-xpath-19991116"
_CONVERSATION: Final = "S12:Header/eb:Messaging/eb:UserMessage/eb:CollaborationInfo/eb:ConversationId"
_SECURITY: Final = "S12:Header/wsse:Security"
_WRAPPER: Final = "{urn:passerelle:conformance}Wrapper"


def bad(case_id: str) -> Callable[[Builder], Builder]:
    """Registers the builder of one case of ``cases.toml``."""

    def register(builder: Builder) -> Builder:
        BAD_SECURITY[case_id] = builder
        return builder

    return register


# ---- signature missing, weak or incomplete


@bad("unsigned")
def unsigned(shop: Workshop) -> Wire:
    def strip(envelope: Element) -> None:
        """The parts stay encrypted: only the signature is missing."""
        security = find(envelope, _SECURITY)
        security.remove(find(security, "ds:Signature"))

    return shop.draft(after_encryption=strip).wire()


@bad("weak-digest")
def weak_digest(shop: Workshop) -> Wire:
    both = frozenset({SHA1, SHA256})
    policy = weaker(shop.target.policy, send_digest=SHA1, digest_algorithms=both)
    return shop.draft(policy=policy).wire()


@bad("weak-signature")
def weak_signature(shop: Workshop) -> Wire:
    both = frozenset({RSA_SHA1, RSA_SHA256})
    policy = weaker(shop.target.policy, send_signature=RSA_SHA1, signature_algorithms=both)
    return shop.draft(policy=policy).wire()


@bad("hmac-signature")
def hmac_signature(shop: Workshop) -> Wire:
    def confuse(envelope: Element) -> None:
        info = signed_info(envelope)
        find(info, "ds:SignatureMethod").set("Algorithm", HMAC_SHA256)
        public = shop.target.signer.certificate.public_key()
        secret = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        value = hmac.new(secret, tree.canonical(info), hashlib.sha256).digest()
        find(envelope, f"{_SECURITY}/ds:Signature/ds:SignatureValue").text = tree.base64_text(value)

    return shop.draft(after_signing=confuse).wire()


def _dropping(keep: Callable[[str, Element], bool]) -> Builder:
    """Takes references out of the signature (``keep`` sees URI and envelope) and signs again."""

    def build(shop: Workshop) -> Wire:
        def drop(envelope: Element) -> None:
            info = signed_info(envelope)
            for reference in list(info.iterfind("ds:Reference", dict(ns.PREFIXES))):
                if not keep(reference.get("URI", ""), envelope):
                    info.remove(reference)
            resign(envelope, shop.target.signer)

        return shop.draft(after_signing=drop).wire()

    return build


def _uri_of(envelope: Element, path: str) -> str:
    return f"#{find(envelope, path).get(tree.WSU_ID)}"


BAD_SECURITY["no-references"] = _dropping(lambda _uri, _envelope: False)
BAD_SECURITY["messaging-not-signed"] = _dropping(
    lambda uri, envelope: uri != _uri_of(envelope, "S12:Header/eb:Messaging")
)
BAD_SECURITY["body-not-signed"] = _dropping(lambda uri, envelope: uri != _uri_of(envelope, "S12:Body"))


@bad("part-not-signed")
def part_not_signed(shop: Workshop) -> Wire:
    return shop.draft(covered=lambda _: {}).wire()


# ---- somebody else's key


def _signed_by(key: SigningKey | None, shop: Workshop) -> Wire:
    if key is None:
        raise LookupError("the runner starts this case only with its key")
    return shop.draft(signer=key).wire()


BAD_SECURITY["untrusted-certificate"] = lambda shop: _signed_by(shop.foreign_signer, shop)
BAD_SECURITY["expired-certificate"] = lambda shop: _signed_by(shop.target.expired, shop)
BAD_SECURITY["revoked-certificate"] = lambda shop: _signed_by(shop.target.revoked, shop)
BAD_SECURITY["other-party-certificate"] = lambda shop: _signed_by(shop.target.other_party, shop)


@bad("wrong-key-reference")
def wrong_key_reference(shop: Workshop) -> Wire:
    return shop.draft(after_signing=lambda envelope: resign(envelope, shop.foreign_signer)).wire()


# ---- changed after signing


def _after(case_id: str, edit: Callable[[Element], None]) -> None:
    BAD_SECURITY[case_id] = lambda shop: shop.draft(after_encryption=edit).wire()


def _change_header(envelope: Element) -> None:
    find(envelope, _CONVERSATION).text = "conformance-changed-on-the-way"


def _fill_body(envelope: Element) -> None:
    etree.SubElement(find(envelope, "S12:Body"), _WRAPPER).text = "put in on the way"


_after("tampered-header", _change_header)
_after("tampered-body", _fill_body)


@bad("added-part")
def added_part(shop: Workshop) -> Wire:
    second = shop.part(shop.payload(2))

    def announce(envelope: Element) -> None:
        parts = find(envelope, "S12:Header/eb:Messaging/eb:UserMessage/eb:PayloadInfo")
        parts.append(deepcopy(parts[0]))
        parts[-1].set("href", f"cid:{second.info.content_id}")

    def add(contents: dict[str, bytes]) -> dict[str, bytes]:
        return contents | {second.info.content_id: second.content}

    return shop.draft(after_signing=announce, encrypted=add).wire()


@bad("tampered-payload")
def tampered_payload(shop: Workshop) -> Wire:
    other = shop.part(shop.payload(2)).content
    return shop.draft(encrypted=lambda contents: dict.fromkeys(contents, other)).wire()


# ---- signature wrapping


def _forged(messaging: Element) -> Element:
    """What an attacker wants to be read in place of the signed header."""
    copy = deepcopy(messaging)
    find(copy, "eb:UserMessage/eb:CollaborationInfo/eb:ConversationId").text = "conformance-forged"
    return copy


def _wrap_moved(envelope: Element) -> None:
    messaging = find(envelope, "S12:Header/eb:Messaging")
    forged = _forged(messaging)
    forged.set(tree.WSU_ID, "_forged")
    messaging.addprevious(forged)
    etree.SubElement(find(envelope, "S12:Header"), _WRAPPER).append(messaging)


def _wrap_duplicate_id(envelope: Element) -> None:
    messaging = find(envelope, "S12:Header/eb:Messaging")
    messaging.addprevious(_forged(messaging))
    etree.SubElement(find(envelope, "S12:Header"), _WRAPPER).append(messaging)


def _wrap_other_id(envelope: Element) -> None:
    """The signed bytes stand under an element with a plain ``Id`` of the same value."""
    messaging = find(envelope, "S12:Header/eb:Messaging")
    wrapper = etree.SubElement(find(envelope, "S12:Header"), _WRAPPER)
    wrapper.append(deepcopy(messaging))
    wrapper.set("Id", str(messaging.get(tree.WSU_ID)))
    find(envelope, _CONVERSATION).text = "conformance-forged"


def _wrap_body(envelope: Element) -> None:
    body = find(envelope, "S12:Body")
    forged = etree.Element(ns.q(ns.S12, "Body"))
    etree.SubElement(forged, _WRAPPER).text = "forged"
    body.addprevious(forged)
    etree.SubElement(find(envelope, "S12:Header"), _WRAPPER).append(body)


def _second_messaging(envelope: Element) -> None:
    messaging = find(envelope, "S12:Header/eb:Messaging")
    forged = _forged(messaging)
    forged.set(tree.WSU_ID, "_forged")
    find(envelope, "S12:Header").append(forged)


def _second_security(envelope: Element) -> None:
    security = find(envelope, _SECURITY)
    find(envelope, _CONVERSATION).text = "conformance-forged"
    security.addprevious(etree.Element(security.tag))


_after("wrap-moved", _wrap_moved)
_after("wrap-duplicate-id", _wrap_duplicate_id)
_after("wrap-other-id", _wrap_other_id)
_after("wrap-body", _wrap_body)
_after("second-messaging", _second_messaging)
_after("second-security", _second_security)


# ---- what a signature must not contain


@bad("xpath-transform")
def xpath_transform(shop: Workshop) -> Wire:
    def carve(envelope: Element) -> None:
        """The digest leaves CollaborationInfo out; whoever follows the transform finds it right."""
        messaging = find(envelope, "S12:Header/eb:Messaging")
        uri = _uri_of(envelope, "S12:Header/eb:Messaging")
        for reference in signed_info(envelope).iterfind("ds:Reference", dict(ns.PREFIXES)):
            if reference.get("URI") == uri:
                transforms = find(reference, "ds:Transforms")
                step = etree.Element(ns.q(ns.DS, "Transform"), Algorithm=XPATH)
                expression = etree.SubElement(step, ns.q(ns.DS, "XPath"), nsmap={"eb": ns.EB})
                expression.text = "not(ancestor-or-self::eb:CollaborationInfo)"
                transforms.insert(0, step)
                carved = deepcopy(messaging)
                unit = find(carved, "eb:UserMessage")
                unit.remove(find(unit, "eb:CollaborationInfo"))
                value = digest(
                    find(reference, "ds:DigestMethod").get("Algorithm", ""), tree.canonical(carved)
                )
                find(reference, "ds:DigestValue").text = tree.base64_text(value)
        resign(envelope, shop.target.signer)
        find(envelope, _CONVERSATION).text = "conformance-forged"

    return shop.draft(after_signing=carve).wire()


@bad("external-reference")
def external_reference(shop: Workshop) -> Wire:
    def point_outside(envelope: Element) -> None:
        append_reference(
            signed_info(envelope),
            uri=NEVER_FETCHED,
            transform=EXC_C14N,
            digest_method=shop.target.policy.send_digest,
            octets=b"",
        )
        resign(envelope, shop.target.signer)

    return shop.draft(after_signing=point_outside).wire()


@bad("username-token")
def username_token(shop: Workshop) -> Wire:
    def add(envelope: Element) -> None:
        token = etree.SubElement(find(envelope, _SECURITY), ns.q(ns.WSSE, "UsernameToken"))
        etree.SubElement(token, ns.q(ns.WSSE, "Username")).text = "conformance"

    return shop.draft(after_signing=add).wire()


@bad("expired-timestamp")
def expired_timestamp(shop: Workshop) -> Wire:
    day = dt.timedelta(days=1)
    edit = security_timestamp(shop, created=-401 * day, expires=-400 * day)
    return shop.draft(after_signing=edit).wire()


# ---- encryption


@bad("unencrypted")
def unencrypted(shop: Workshop) -> Wire:
    return shop.draft(recipient=None).wire()


@bad("one-part-unencrypted")
def one_part_unencrypted(shop: Workshop) -> Wire:
    first, second = shop.part(shop.payload(1)), shop.part(shop.payload(2))
    draft = shop.draft(parts=(first, second))
    return replace(
        draft,
        encrypted=lambda contents: {first.info.content_id: contents[first.info.content_id]},
        travelling=lambda parts: [*parts, _in_clear(second)],
    ).wire()


def _in_clear(part: Part) -> MimePart:
    return MimePart(content_id=part.info.content_id, content_type=part.media_type, content=part.content)


@bad("other-recipient")
def other_recipient(shop: Workshop) -> Wire:
    return shop.draft(recipient=shop.foreign_recipient).wire()


def _flipped(octets: bytes) -> bytes:
    return octets[:20] + bytes([octets[20] ^ 1]) + octets[21:]


@bad("damaged-ciphertext")
def damaged_ciphertext(shop: Workshop) -> Wire:
    def flip(parts: list[MimePart]) -> list[MimePart]:
        return [replace(p, content=_flipped(whole(p.content))) for p in parts]

    return shop.draft(travelling=flip).wire()


@bad("short-ciphertext")
def short_ciphertext(shop: Workshop) -> Wire:
    return shop.draft(
        travelling=lambda parts: [replace(p, content=whole(p.content)[:10]) for p in parts]
    ).wire()


@bad("missing-encrypted-key")
def missing_encrypted_key(shop: Workshop) -> Wire:
    def drop(envelope: Element) -> None:
        security = find(envelope, _SECURITY)
        security.remove(find(security, "xenc:EncryptedKey"))

    return shop.draft(after_encryption=drop).wire()


@bad("weak-key-transport")
def weak_key_transport(shop: Workshop) -> Wire:
    old = OAEP_SHA1_MGF1P
    transports = shop.target.policy.key_transports | {old}
    policy = weaker(shop.target.policy, send_key_transport=old, key_transports=transports)
    return shop.draft(policy=policy).wire()


@bad("cbc-encryption")
def cbc_encryption(shop: Workshop) -> Wire:
    secret = os.urandom(16)
    part = replace(shop.part(compress=False), content=document())

    def rename(envelope: Element) -> None:
        path = f"{_SECURITY}/xenc:EncryptedData/xenc:EncryptionMethod"
        find(envelope, path).set("Algorithm", AES128_CBC)

    def encrypt(parts: list[MimePart]) -> list[MimePart]:
        iv = os.urandom(16)
        padder = block_padding.ANSIX923(128).padder()
        padded = padder.update(part.content) + padder.finalize()
        cipher = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
        hidden = iv + cipher.update(padded) + cipher.finalize()
        return [replace(p, content=hidden) for p in parts]

    return shop.draft(
        parts=(part,), rng=lambda n: secret[:n], after_encryption=rename, travelling=encrypt
    ).wire()
