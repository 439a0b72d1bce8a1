"""Attacks on the message layer, each against an otherwise good message (as4.md, "Attacks")."""

from __future__ import annotations

import copy
import time
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from lxml import etree

from gateway.core.as4 import namespaces as ns
from gateway.core.as4 import open as open_module
from gateway.core.as4.compression import gunzip, gzip
from gateway.core.as4.message import PartInfo, Property
from gateway.core.as4.mime import MimePart, build_multipart, parse_multipart
from gateway.core.as4.opening import same
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.as4.seal import seal_user_message
from gateway.core.errors import (
    As4Error,
    DecompressionFailure,
    ExternalPayload,
    FailedAuthentication,
    FailedDecryption,
    InvalidHeader,
    MimeInconsistency,
    PolicyNoncompliance,
    ValueInconsistent,
)
from tests.fixtures import pki
from tests.fixtures.as4 import (
    DOCUMENT,
    PLAIN,
    POLICY,
    REQUEST,
    Forgery,
    find,
    header,
    one,
    open_any,
    open_user,
    seal,
    tree_of,
)

GZIPPED = (
    Property(name="MimeType", value="application/xml"),
    Property(name="CompressionType", value="application/gzip"),
)


def parts_of(sealed):
    """The MIME parts that travelled."""
    return list(parse_multipart(sealed.content_type, sealed.body, POLICY).parts)


def repack(sealed, *, envelope=None, parts=None):
    """The same message with another envelope tree or other parts."""
    content = sealed.envelope if envelope is None else etree.tostring(envelope)
    return build_multipart(content, parts_of(sealed) if parts is None else parts)


def bomb(size):
    """A gzip of ``size`` zero bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    return b"".join(packer.compress(zeros) for _ in range(size >> 20)) + packer.flush()


@pytest.mark.as4(14)
def test_a_gzip_bomb_costs_bounded_memory():
    """256 MiB of zeros in 260 kB are refused for their ratio, before they are unpacked."""
    forged = Forgery(
        infos=(PartInfo(content_id="a@x", properties=GZIPPED),), contents={"a@x": bomb(256 << 20)}
    )
    content_type, body = forged.wire()
    tracemalloc.start()
    try:
        with pytest.raises(DecompressionFailure):
            open_any(content_type, body)
        assert tracemalloc.get_traced_memory()[1] < 160 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.as4(14)
def test_many_small_bombs_share_one_limit():
    """The limit on decompressed bytes counts all payloads of a message together."""
    small = replace(POLICY, max_decompressed_bytes=3_000_000)
    contents = {f"{n}@x": bomb(1 << 20) for n in range(5)}
    infos = [PartInfo(content_id=cid, properties=GZIPPED) for cid in contents]
    content_type, body = Forgery(infos=infos, contents=contents).wire()
    with pytest.raises(DecompressionFailure):
        open_any(content_type, body, policy=small)
    assert len(open_any(content_type, body).payloads) == 5


@pytest.mark.as4(13)
def test_the_limit_counts_uncompressed_payloads_too():
    """Uncompressed bytes come out of the same allowance."""
    small = SecurityPolicy(max_decompressed_bytes=300_000)
    content = bytes(200_000)
    forged = Forgery(
        infos=[PartInfo(content_id=cid) for cid in ("a@x", "b@x")],
        contents={"a@x": b"", "b@x": content},
    )
    content_type, body = forged.wire()
    assert open_any(content_type, body, policy=small).payloads[1].content == content
    forged.contents = {"a@x": content, "b@x": content}
    content_type, body = forged.wire()
    with pytest.raises(DecompressionFailure):
        open_any(content_type, body, policy=small)


@pytest.mark.parametrize(("size", "fits"), [(999, True), (1000, True), (1001, False)])
def test_gunzip_stops_exactly_at_its_limit(size, fits):
    """One byte more than allowed is too much."""
    packed = gzip(bytes(size))
    if fits:
        assert gunzip(packed, max_bytes=1000, max_ratio=200) == bytes(size)
    else:
        with pytest.raises(DecompressionFailure):
            gunzip(packed, max_bytes=1000, max_ratio=200)


def test_gzip_is_deterministic_and_nameless():
    """No time, no name: the ten header bytes are constant."""
    assert gzip(b"x") == gzip(b"x")
    assert gzip(b"x")[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


@pytest.mark.as4(18)
def test_an_unsigned_extra_attachment_is_refused():
    """A part that nobody announced or signed is not ignored: the message is refused."""
    sealed = seal()
    extra = MimePart(content_id="extra@x", content_type="text/plain", content=b"x")
    with pytest.raises(MimeInconsistency):
        open_any(*repack(sealed, parts=[*parts_of(sealed), extra]))


def test_an_unsigned_announced_attachment_is_refused():
    """A part announced in the signed header but outside the signature is refused."""
    forged = Forgery(infos=[PartInfo(content_id=cid) for cid in ("a@x", "b@x")], contents={"a@x": b"a"})
    forged.travelling = lambda parts: {**parts, "b@x": b"b"}
    with pytest.raises(PolicyNoncompliance):
        forged.open()


def test_a_signed_but_unannounced_attachment_is_refused():
    """A signed part without PartInfo would be delivered as nothing: refused."""
    forged = Forgery(infos=[PartInfo(content_id="a@x")], contents={"a@x": b"a", "b@x": b"b"})
    with pytest.raises(MimeInconsistency):
        forged.open()
    forged.travelling = lambda parts: {"a@x": parts["a@x"]}
    with pytest.raises(FailedAuthentication):
        forged.open()


def test_an_extra_part_info_after_signing_is_refused():
    """PartInfo added by someone on the way."""
    sealed = seal()
    envelope = tree_of(sealed)
    etree.SubElement(one(envelope, "//eb:PayloadInfo"), ns.q(ns.EB, "PartInfo"), href="cid:extra@x")
    extra = MimePart(content_id="extra@x", content_type="text/plain", content=b"x")
    with pytest.raises(ExternalPayload):
        open_any(*repack(sealed, envelope=envelope))
    with pytest.raises(PolicyNoncompliance):
        open_any(*repack(sealed, envelope=envelope, parts=[*parts_of(sealed), extra]))


def test_swapped_contents_are_refused():
    """Two parts under each other's Content-ID do not verify."""
    contents = {"a@x": b"a", "b@x": b"b"}
    forged = Forgery(infos=[PartInfo(content_id=cid) for cid in contents], contents=contents)
    forged.travelling = lambda parts: {"a@x": parts["b@x"], "b@x": parts["a@x"]}
    with pytest.raises(FailedAuthentication):
        forged.open()


@pytest.mark.parametrize("block", ["eb:Messaging", "wsse:Security"])
def test_a_second_header_block_is_refused(block):
    """Signature wrapping: a copy beside the original, before or after it."""
    sealed = seal()
    for add in ("addnext", "addprevious"):
        envelope = tree_of(sealed)
        element = one(envelope, f"//{block}")
        getattr(element, add)(copy.deepcopy(element))
        with pytest.raises(As4Error):
            open_any(*repack(sealed, envelope=envelope))


def test_a_moved_messaging_is_refused():
    """Signature wrapping: the signed header hidden in another place, a forged one in its own."""
    sealed = seal()
    for hiding_place in (
        "//wsse:Security",
        "/S12:Envelope/S12:Body",
        "/S12:Envelope/S12:Header/x",
        "/S12:Envelope",
    ):
        envelope = tree_of(sealed)
        signed = one(envelope, "//eb:Messaging")
        forged = copy.deepcopy(signed)
        forged.attrib.pop(ns.q(ns.WSU, "Id"))
        one(forged, ".//eb:ConversationId").text = "forged"
        signed.getparent().replace(signed, forged)
        if hiding_place.endswith("/x"):
            etree.SubElement(one(envelope, "/S12:Envelope/S12:Header"), "x")
        one(envelope, hiding_place).append(signed)
        with pytest.raises(As4Error):
            open_any(*repack(sealed, envelope=envelope))


def test_header_blocks_in_the_wrong_place_are_refused():
    """Messaging or Security alone, but not directly in the Header."""
    sealed = seal()
    for block in ("//eb:Messaging", "//wsse:Security"):
        for place in ("/S12:Envelope/S12:Body", "/S12:Envelope/S12:Header/x"):
            envelope = tree_of(sealed)
            etree.SubElement(one(envelope, "/S12:Envelope/S12:Header"), "x")
            one(envelope, place).append(one(envelope, block))
            with pytest.raises(InvalidHeader):
                open_any(*repack(sealed, envelope=envelope))


def test_the_last_comparisons_hold_by_themselves():
    """Two checks that earlier steps make hard to reach still refuse what they are there for (as4.md 37)."""
    same(header(), header())
    with pytest.raises(ValueInconsistent):
        same(header(), header(conversation_id="other"))
    announced = (PartInfo(content_id="a@x"),)
    open_module._covered(announced, {"a@x": b""})
    for signed in ({}, {"b@x": b""}, {"a@x": b"", "b@x": b""}):
        with pytest.raises(PolicyNoncompliance):
            open_module._covered(announced, signed)


@pytest.mark.parametrize(
    "path", ["//eb:MessageId", "//eb:ConversationId", "//eb:Timestamp", "//eb:PartProperties/eb:Property"]
)
def test_any_change_of_the_signed_header_is_refused(path):
    """One character in the header breaks its digest."""
    sealed = seal()
    envelope = tree_of(sealed)
    element = find(envelope, path)[0]
    element.text = element.text.replace("2", "3").replace("m", "n").replace("c", "d")
    with pytest.raises(As4Error):
        open_any(*repack(sealed, envelope=envelope))


@pytest.mark.as4(18)
def test_an_unsigned_message_is_refused():
    """No signature, whatever the rest says: EBMS:0103."""
    sealed = seal(pmode=PLAIN)
    envelope = tree_of(sealed)
    security = one(envelope, "//wsse:Security")
    security.getparent().remove(security)
    with pytest.raises(PolicyNoncompliance) as caught:
        open_any(*repack(sealed, envelope=envelope))
    assert caught.value.ebms.code == "EBMS:0103"


@pytest.mark.as4(37)
@pytest.mark.parametrize(
    "signer",
    [pki.expired, pki.not_yet_valid, pki.revoked, pki.encryption_only, pki.untrusted, pki.unpinned],
    ids=lambda f: f.__name__,
)
def test_certificates_that_may_not_sign_are_refused(signer):
    """Expired, not yet valid, revoked, not for signing, untrusted, unpinned: EBMS:0101."""
    with pytest.raises(FailedAuthentication):
        Forgery(signer=signer()).open()


def test_a_message_encrypted_for_someone_else_is_refused():
    """Not our key: EBMS:0102."""
    sealed = seal_user_message(
        header(),
        (DOCUMENT,),
        pmode=REQUEST,
        signer=pki.party(pki.UK).signing,
        recipient=pki.party(pki.OTHER).decryption.certificate,
        policy=POLICY,
        now=pki.NOW,
    )
    with pytest.raises(FailedDecryption):
        open_user(sealed)


@pytest.mark.parametrize("position", [0, 12, -1])
def test_a_flipped_bit_in_a_part_is_refused(position):
    """Any changed octet of a ciphertext: EBMS:0102."""
    sealed = seal()
    first, *rest = parts_of(sealed)
    content = bytearray(first.content)
    content[position] ^= 1
    with pytest.raises(FailedDecryption):
        open_any(*repack(sealed, parts=[replace(first, content=bytes(content)), *rest]))


@pytest.mark.as4(18)
def test_every_truncation_is_refused():
    """A body cut anywhere never opens, and raises nothing but As4Error."""
    sealed = seal(pmode=PLAIN)
    for length in range(0, len(sealed.body) - 4, 97):
        with pytest.raises(As4Error):
            open_any(sealed.content_type, sealed.body[:length])


@pytest.mark.parametrize("name", ["attributes", "elements", "depth"])
def test_xml_bombs_cost_little(name):
    """Thousands of attributes or elements, deep nesting: refused, quickly."""
    inside = {
        "attributes": "<x " + " ".join(f'a{n}="v"' for n in range(20_000)) + "/>",
        "elements": "<x/>" * 150_000,
        "depth": "<x>" * 5_000 + "</x>" * 5_000,
    }[name]
    envelope = tree_of(seal(payloads=(), pmode=PLAIN))
    content = etree.tostring(envelope).replace(b"<S12:Header>", b"<S12:Header>" + inside.encode())
    begun = time.process_time()
    with pytest.raises(As4Error):
        open_any("application/soap+xml", content)
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("element", ["S12:Envelope", "S12:Header", "eb:Messaging", "eb:UserMessage"])
def test_thousands_of_prefixes_cost_little(element):
    """Namespace declarations cost time by their square, before any signature is checked: refused."""
    envelope = tree_of(seal(payloads=(), pmode=PLAIN))
    prefixes = " ".join(f'xmlns:p{n}="urn:{n}"' for n in range(20_000))
    content = etree.tostring(envelope).replace(f"<{element}".encode(), f"<{element} {prefixes}".encode())
    begun = time.process_time()
    with pytest.raises(InvalidHeader):
        open_any("application/soap+xml", content)
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "iso-8859-1", "utf-7", "cp037"])
def test_an_envelope_in_another_encoding_is_refused(encoding):
    """Only UTF-8: in another encoding, checks on the bytes would see something else than the parser."""
    content = seal(payloads=(), pmode=PLAIN).envelope.decode().replace("UTF-8", encoding).encode(encoding)
    with pytest.raises(InvalidHeader):
        open_any("application/soap+xml", content)
