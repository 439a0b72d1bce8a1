"""Attacks on signature, header and encryption (WS-Security, as4.md 15 to 27), and on compression."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable
from typing import Any

from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4.compression import gzip
from gateway.core.as4.message import PartInfo, Property
from gateway.flows.access_point import LEADING_PART as LEADING
from gateway.keys import load_keyring
from tests.fixtures import pki
from tests.fixtures.as4 import find, one
from tests.integration.hostile.line import CANARY, Case, Line
from tests.integration.hostile.register import (
    AUTHENTICATION,
    DECOMPRESSION,
    DECRYPTION,
    HEADER,
    POLICY,
    Wire,
    attack,
    bend,
    document,
    remove,
)

# ---- signature ----------------------------------------------------------------------------------


@attack(POLICY)
def without_security(line: Line, case: Case) -> Wire:
    """No Security header, payload in clear."""
    return bend(line, case, recipient=None, after=lambda root: remove(root, "//wsse:Security"))


@attack(POLICY)
def encrypted_but_unsigned(line: Line, case: Case) -> Wire:
    return bend(line, case, after=lambda root: remove(root, "//ds:Signature"))


@attack(POLICY)
def signed_but_not_encrypted(line: Line, case: Case) -> Wire:
    return bend(line, case, recipient=None)


@attack(AUTHENTICATION)
def signed_by_a_stranger(line: Line, case: Case) -> Wire:
    return bend(line, case, signer=pki.untrusted())


@attack(AUTHENTICATION)
def signed_with_our_own_key(line: Line, case: Case) -> Wire:
    """Reflection: the gateway's own signing key does not speak for France."""
    return bend(line, case, signer=load_keyring(line.world.uk / "keys").as4_sign)


@attack(AUTHENTICATION)
def signature_value_changed(line: Line, case: Case) -> Wire:
    def change(root: etree._Element) -> None:
        value = one(root, "//ds:SignatureValue")
        value.text = ("A" if value.text[0] != "A" else "B") + value.text[1:]

    return bend(line, case, after=change)


@attack(AUTHENTICATION)
def digest_changed(line: Line, case: Case) -> Wire:
    def change(root: etree._Element) -> None:
        value = find(root, "//ds:DigestValue")[0]
        value.text = ("A" if value.text[0] != "A" else "B") + value.text[1:]

    return bend(line, case, after=change)


@attack(AUTHENTICATION)
def header_changed_after_signing(line: Line, case: Case) -> Wire:
    def change(root: etree._Element) -> None:
        one(root, "//eb:ConversationId").text = CANARY

    return bend(line, case, after=change)


# ---- wrapping -----------------------------------------------------------------------------------


def _wrap(hide: Callable[[etree._Element, etree._Element], None]) -> Callable[[etree._Element], None]:
    """The signed Messaging hidden by ``hide``, a forged one in its place."""

    def change(root: etree._Element) -> None:
        signed = one(root, "/S12:Envelope/S12:Header/eb:Messaging")
        forged = copy.deepcopy(signed)
        forged.attrib.pop(ns.q(ns.WSU, "Id"))
        one(forged, ".//eb:ConversationId").text = CANARY
        signed.getparent().replace(signed, forged)
        hide(root, signed)

    return change


@attack(HEADER)
def wrapped_in_an_unknown_header_block(line: Line, case: Case) -> Wire:
    def hide(root: etree._Element, signed: etree._Element) -> None:
        block = etree.SubElement(one(root, "/S12:Envelope/S12:Header"), "{urn:evil}Wrapper")
        block.append(signed)

    return bend(line, case, after=_wrap(hide))


@attack(HEADER)
def wrapped_in_the_body(line: Line, case: Case) -> Wire:
    return bend(
        line, case, after=_wrap(lambda root, signed: one(root, "/S12:Envelope/S12:Body").append(signed))
    )


@attack(HEADER)
def wrapped_in_the_security_header(line: Line, case: Case) -> Wire:
    return bend(line, case, after=_wrap(lambda root, signed: one(root, "//wsse:Security").append(signed)))


@attack(HEADER)
def second_messaging_beside_the_first(line: Line, case: Case) -> Wire:
    def change(root: etree._Element) -> None:
        signed = one(root, "//eb:Messaging")
        signed.addprevious(copy.deepcopy(signed))

    return bend(line, case, after=change)


# ---- payload ------------------------------------------------------------------------------------


def _flip(parts: dict[str, bytes]) -> dict[str, bytes]:
    changed = {cid: bytearray(content) for cid, content in parts.items()}
    changed[LEADING][-1] ^= 1
    return {cid: bytes(content) for cid, content in changed.items()}


@attack(DECRYPTION)
def ciphertext_tampered(line: Line, case: Case) -> Wire:
    return bend(line, case, travelling=_flip)


@attack(AUTHENTICATION)
def payload_exchanged_after_signing(line: Line, case: Case) -> Wire:
    """Well encrypted for us, but not what was signed."""
    return bend(line, case, before_encryption=lambda _: {LEADING: gzip(f"<x>{CANARY}</x>".encode())})


@attack(DECRYPTION)
def encrypted_for_someone_else(line: Line, case: Case) -> Wire:
    return bend(line, case, recipient=pki.party(pki.OTHER).decryption.certificate)


@attack(DECRYPTION)
def wrapped_key_destroyed(line: Line, case: Case) -> Wire:
    def change(root: etree._Element) -> None:
        value = one(root, "//xenc:EncryptedKey/xenc:CipherData/xenc:CipherValue")
        value.text = ("A" if value.text[0] != "A" else "B") + value.text[1:]

    return bend(line, case, after=change)


def _gzipped(content: bytes) -> dict[str, Any]:
    properties = (
        Property(name="MimeType", value="application/xml"),
        Property(name="CompressionType", value="application/gzip"),
    )
    return {
        "infos": (PartInfo(content_id=LEADING, properties=properties),),
        "contents": {LEADING: content},
    }


@attack(DECOMPRESSION)
def gzip_bomb(line: Line, case: Case) -> Wire:
    """256 MiB of blanks in 260 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    chunk = b" " * (1 << 20)
    bomb = b"".join(packer.compress(chunk) for _ in range(256)) + packer.flush()
    return bend(line, case, **_gzipped(bomb))


@attack(DECOMPRESSION)
def not_gzip_at_all(line: Line, case: Case) -> Wire:
    return bend(line, case, **_gzipped(f"<x>{CANARY}</x>".encode()))


@attack(DECOMPRESSION)
def gzip_cut_short(line: Line, case: Case) -> Wire:
    _, content = document(line, case)
    return bend(line, case, **_gzipped(gzip(content)[:-9]))
