"""Certificates in security headers: the four ways to name one (as4.md 21, 22; X.509 token profile)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.keys import (
    CERTIFICATE_ERRORS,
    IssuerSerial,
    SubjectKeyId,
    issuer_serial,
    subject_key_id,
)
from gateway.core.as4.policy import TokenReference
from gateway.core.as4.wss import tree
from gateway.core.as4.wss.tree import Malformed

BASE64_BINARY: Final = (
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
)
X509_PROFILE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#"
MAX_PATH = 5
"""Certificates in one PKIPath."""

_BST = ns.q(ns.WSSE, "BinarySecurityToken")
_STR = ns.q(ns.WSSE, "SecurityTokenReference")


@dataclass(frozen=True, slots=True)
class EmbeddedToken:
    """A certificate that came in the message: leaf first, then what was sent along."""

    kind: TokenReference
    element: etree._Element
    certificates: tuple[x509.Certificate, ...]


Token = EmbeddedToken | IssuerSerial | SubjectKeyId


def token_kind(token: Token) -> TokenReference:
    if isinstance(token, EmbeddedToken):
        return token.kind
    return TokenReference.ISSUER_SERIAL if isinstance(token, IssuerSerial) else TokenReference.KEY_IDENTIFIER


def _der_end(der: bytes, start: int) -> tuple[int, int]:
    """(first byte of the content, first byte after it) of the DER SEQUENCE at ``start``."""
    if len(der) < start + 2 or der[start] != 0x30:
        raise Malformed("a PKIPath is a SEQUENCE of certificates")
    length = der[start + 1]
    body = start + 2
    if length >= 0x80:
        size = length - 0x80
        if not 1 <= size <= 4:
            raise Malformed("a length in the PKIPath is not DER")
        length = int.from_bytes(der[body : body + size], "big")
        body += size
    if body + length > len(der):
        raise Malformed("the PKIPath is cut off")
    return body, body + length


def split_pki_path(der: bytes) -> tuple[bytes, ...]:
    """DER certificates of a PKIPath (from the CA down), leaf first. Raises Malformed."""
    position, end = _der_end(der, 0)
    if end != len(der):
        raise Malformed("octets after the PKIPath")
    found: list[bytes] = []
    while position < end:
        _, after = _der_end(der, position)
        found.append(der[position:after])
        position = after
        if position > end or len(found) > MAX_PATH:
            raise Malformed("the PKIPath is too long")
    if not found:
        raise Malformed("the PKIPath is empty")
    return tuple(reversed(found))


def join_pki_path(chain: Sequence[x509.Certificate]) -> bytes:
    """PKIPath of a chain that has its leaf first."""
    content = b"".join(c.public_bytes(Encoding.DER) for c in reversed(chain))
    size = (len(content).bit_length() + 7) // 8
    header = (
        bytes([len(content)]) if len(content) < 0x80 else bytes([0x80 + size]) + len(content).to_bytes(size)
    )
    return b"\x30" + header + content


def _read_binary_token(token: etree._Element) -> EmbeddedToken:
    if token.get("EncodingType", BASE64_BINARY) != BASE64_BINARY:
        raise Malformed("the token has an unknown encoding")
    value_type = token.get("ValueType", "")
    content = tree.binary(token)
    ders: tuple[bytes, ...]
    if value_type == X509_PROFILE + "X509v3":
        kind, ders = TokenReference.BINARY_TOKEN, (content,)
    elif value_type == X509_PROFILE + "X509PKIPathv1":
        kind, ders = TokenReference.PKI_PATH, split_pki_path(content)
    else:
        raise Malformed("the token is not an X.509 certificate")
    try:
        certificates = tuple(x509.load_der_x509_certificate(der) for der in ders)
    except CERTIFICATE_ERRORS as exc:
        raise Malformed("the token holds no readable certificate") from exc
    return EmbeddedToken(kind, token, certificates)


def read_token(key_info: etree._Element, security: etree._Element) -> Token:
    """What the one SecurityTokenReference in ds:KeyInfo names.

    A BinarySecurityToken is looked for only among the direct children of ``security``. Raises Malformed.
    """
    if len(tree.elements(key_info)) != 1:
        raise Malformed("KeyInfo must hold one SecurityTokenReference")
    reference = tree.only(key_info, _STR)
    inside = tree.elements(reference)
    if len(inside) != 1:
        raise Malformed("SecurityTokenReference must hold one reference")
    named = inside[0]
    if named.tag == ns.q(ns.WSSE, "Reference"):
        uri = tree.attribute(named, "URI")
        found = [t for t in tree.children(security, _BST) if uri == f"#{t.get(tree.WSU_ID)}"]
        if len(found) != 1:
            raise Malformed("the token reference points at no token of this header")
        return _read_binary_token(found[0])
    if named.tag == ns.q(ns.WSSE, "KeyIdentifier"):
        if tree.attribute(named, "ValueType") != X509_PROFILE + "X509SubjectKeyIdentifier":
            raise Malformed("unknown kind of key identifier")
        return SubjectKeyId(tree.binary(named))
    if named.tag == ns.q(ns.DS, "X509Data"):
        return _read_issuer_serial(tree.only(named, ns.q(ns.DS, "X509IssuerSerial")))
    raise Malformed("unknown kind of token reference")


def _read_issuer_serial(pair: etree._Element) -> IssuerSerial:
    serial = tree.leaf_text(tree.only(pair, ns.q(ns.DS, "X509SerialNumber")))
    if not (serial.isascii() and serial.isdigit() and len(serial) <= 64):
        raise Malformed("the serial number is not a number")
    return IssuerSerial(tree.leaf_text(tree.only(pair, ns.q(ns.DS, "X509IssuerName"))), int(serial))


def read_recipient(parent: etree._Element, security: etree._Element) -> Token:
    """What xenc:RecipientKeyInfo names: a SecurityTokenReference, or ds:X509Data directly (WSS4J's X509SKI).

    Raises Malformed.
    """
    inside = tree.elements(parent)
    if len(inside) != 1 or inside[0].tag != ns.q(ns.DS, "X509Data"):
        return read_token(parent, security)
    named = tree.elements(inside[0])
    if len(named) != 1:
        raise Malformed("X509Data must name one certificate, once")
    if named[0].tag == ns.q(ns.DS, "X509SKI"):
        return SubjectKeyId(tree.binary(named[0]))
    return _read_issuer_serial(tree.only(inside[0], ns.q(ns.DS, "X509IssuerSerial")))


def write_token(
    key_info: etree._Element,
    security: etree._Element,
    chain: Sequence[x509.Certificate],
    *,
    kind: TokenReference,
    stem: str,
    position: int,
) -> None:
    """Names ``chain[0]`` in ``key_info``; a binary token goes into ``security`` at ``position``."""
    reference = etree.SubElement(key_info, _STR, nsmap={"wsse": ns.WSSE, "wsse11": ns.WSSE11})
    if kind is TokenReference.KEY_IDENTIFIER:
        named = etree.SubElement(reference, ns.q(ns.WSSE, "KeyIdentifier"))
        named.set("EncodingType", BASE64_BINARY)
        named.set("ValueType", X509_PROFILE + kind.value)
        named.text = tree.base64_text(subject_key_id(chain[0]))
        return
    if kind is TokenReference.ISSUER_SERIAL:
        data = etree.SubElement(reference, ns.q(ns.DS, "X509Data"))
        pair = etree.SubElement(data, ns.q(ns.DS, "X509IssuerSerial"))
        value = issuer_serial(chain[0])
        etree.SubElement(pair, ns.q(ns.DS, "X509IssuerName")).text = value.issuer
        etree.SubElement(pair, ns.q(ns.DS, "X509SerialNumber")).text = str(value.serial)
        return
    token_id = tree.fresh_id(security.getroottree().getroot(), stem)
    token = etree.Element(_BST)
    token.set("EncodingType", BASE64_BINARY)
    token.set("ValueType", X509_PROFILE + kind.value)
    token.set(tree.WSU_ID, token_id)
    single = kind is TokenReference.BINARY_TOKEN
    token.text = tree.base64_text(chain[0].public_bytes(Encoding.DER) if single else join_pki_path(chain))
    security.insert(position, token)
    if not single:
        # Basic Security Profile 1.1, R5215; WSS4J refuses a path without it.
        reference.set(ns.q(ns.WSSE11, "TokenType"), X509_PROFILE + kind.value)
    named = etree.SubElement(reference, ns.q(ns.WSSE, "Reference"))
    named.set("URI", f"#{token_id}")
    named.set("ValueType", X509_PROFILE + kind.value)
