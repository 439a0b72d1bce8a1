"""Sealing and opening with Contents: the wire, the results and the refusals are those of ``bytes``."""

from __future__ import annotations

import base64
import random
import re
import tracemalloc
from dataclasses import replace
from functools import cache, partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.as4 import compression, gzip_stream, open, seal  # noqa: A004 — modules, as named there
from gateway.core.as4.content import CHUNK, IN_MEMORY, Content, digest_of, size_of, whole
from gateway.core.as4.message import Payload
from gateway.core.as4.mime import MimePart, build_multipart, parse_multipart
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.errors import (
    As4Error,
    ContentChanged,
    DecompressionFailure,
    FailedAuthentication,
    FailedDecryption,
    InvalidHeader,
    MimeInconsistency,
    PolicyNoncompliance,
)
from tests.fixtures import as4
from tests.fixtures.as4 import PLAIN, POLICY, REQUEST, open_any, open_user
from tests.fixtures.contents import Changing, Chopped, Generated, everything_streams

UNHURRIED = settings(deadline=None, max_examples=25)
"""A shared machine is slow at times, and each example signs and verifies several messages."""
TINY = 7
TYPES = ("image/png", "text/plain", "text/csv; charset=utf-8")


def payload(octets, number=0, *, compress=True, mime_type="image/png"):
    """A payload of these octets or this Content."""
    return Payload(content_id=f"p{number}@uk.test", mime_type=mime_type, content=octets, compress=compress)


@pytest.fixture(autouse=True)
def fixed(monkeypatch):
    """One gzip level, content key and IV for both ways, so that their octets can be compared."""

    def rng(count):
        return bytes(range(count))

    monkeypatch.setattr(gzip_stream, "level_for", lambda _: compression._LEVEL)
    monkeypatch.setattr(seal, "encrypt_attachments", partial(seal.encrypt_attachments, rng=rng))


def without_key(octets: bytes) -> bytes:
    """An envelope without the wrapped key, which RSA-OAEP makes different every time."""
    return re.sub(rb"<xenc:CipherValue>[^<]*<", b"<xenc:CipherValue><", octets)


def wire_of(sealed):
    """Envelope and parts as a receiver sees them."""
    package = parse_multipart(sealed.content_type, whole(sealed.body), POLICY)
    return without_key(whole(package.root.content)), [
        (part.content_id, part.content_type, whole(part.content)) for part in package.parts
    ]


def assert_same_both_ways(payloads, *, pmode, sizes):
    """Seals ``payloads`` as bytes and as Contents, compares the wire, opens all four ways, compares those."""
    plain = as4.seal(payloads=payloads, pmode=pmode)
    chopped = [replace(p, content=Chopped(p.content, sizes)) for p in payloads]
    with everything_streams(TINY):
        streamed = as4.seal(payloads=chopped, pmode=pmode)
        body = whole(streamed.body)
        assert size_of(streamed.body) == len(body)
        assert whole(streamed.body) == body, "the same octets at every reading"
        if any(p.content for p in payloads):
            assert not isinstance(streamed.body, bytes)
        direct = open_any(streamed.content_type, streamed.body)
        assert all(isinstance(p.content, Content) or p.content == b"" for p in direct.payloads)
        opened = as4.outcome(direct)
    if not pmode.encrypt:
        assert (streamed.content_type, body) == (plain.content_type, whole(plain.body))
    assert wire_of(replace(streamed, body=body)) == wire_of(plain)
    assert [r.key for r in streamed.references] == [r.key for r in plain.references]
    # ``open_any`` opens bytes as a Content too, and compares
    for sealed in (replace(streamed, body=body), plain):
        other = as4.outcome(open_any(sealed.content_type, sealed.body))
        assert differences(other, opened) <= {"envelope"}
    assert [whole(p.content) for p in direct.payloads] == [expected(p, pmode) for p in payloads]


def differences(one, other):
    """Names of fields that differ; the envelope does when it is encrypted (RSA-OAEP is random)."""
    return {name for name in one[1] if one[1][name] != other[1][name]}


def expected(sent, pmode):
    """What arrives: text that travels uncompressed has CR LF line ends (SwA 5.4.2)."""
    if (sent.compress and pmode.compress) or not sent.mime_type.startswith("text/"):
        return sent.content
    return re.sub(rb"\r\n|\r|\n", b"\r\n", sent.content)


@pytest.mark.as4(12)
@pytest.mark.parametrize("pmode", [REQUEST, PLAIN], ids=["encrypted", "signed"])
@UNHURRIED
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.sampled_from([0, 1, TINY - 1, TINY, TINY + 1, 2 * TINY]).map(lambda n: b"\r" * n),
                st.binary(max_size=100),
                st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"--", b"text"]), max_size=20).map(b"".join),
            ),
            st.booleans(),
            st.sampled_from(TYPES),
        ),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.integers(1, TINY), min_size=1, max_size=3),
)
def test_contents_and_bytes_are_the_same_message(pmode, parts, sizes):
    """Any number of parts of any size in any pieces: one wire, one result."""
    payloads = [
        payload(octets, n, compress=compress, mime_type=kind)
        for n, (octets, compress, kind) in enumerate(parts)
    ]
    assert_same_both_ways(payloads, pmode=pmode, sizes=sizes)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize(
    "size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, IN_MEMORY - 1, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY + 5]
)
def test_at_the_real_sizes(size, compress):
    """With nothing shrunk: small parts are bytes, large ones stream, the octets are the same."""
    octets = random.Random(size).randbytes(size)
    for pmode in (REQUEST, PLAIN):
        plain = as4.seal(payloads=[payload(octets, compress=compress)], pmode=pmode)
        streamed = as4.seal(payloads=[payload(Chopped(octets, (CHUNK,)), compress=compress)], pmode=pmode)
        assert isinstance(streamed.body, bytes) == (size <= IN_MEMORY)
        assert wire_of(streamed) == wire_of(plain)
        for body in (whole(streamed.body), Chopped(whole(streamed.body), (65_521,)), streamed.body):
            (got,) = open_user(replace(streamed, body=body)).payloads
            assert whole(got.content) == octets
            if size <= IN_MEMORY:
                assert isinstance(got.content, bytes)
            elif not isinstance(body, bytes):
                assert not isinstance(got.content, bytes)


def test_sealed_twice_from_bytes_is_still_bytes():
    """Nothing that was bytes before becomes a Content: signals, small messages, large ones given as bytes."""
    assert isinstance(as4.seal().body, bytes)
    assert isinstance(as4.seal(payloads=[payload(bytes(3 * IN_MEMORY))]).body, bytes)
    assert isinstance(as4.seal(payloads=[]).body, bytes)


@cache
def honest(pmode):
    """A message with a compressed and a plain part, as bytes."""
    sealed = as4.seal(
        payloads=[payload(b"<demande/>" * 30), payload(b"photo" * 20, 1, compress=False)], pmode=pmode
    )
    return sealed.content_type, whole(sealed.body)


def refusal(content_type, body):
    """The type of the refusal, None when it opens."""
    try:
        open_any(content_type, body)
    except As4Error as exc:
        return type(exc)
    return None


@pytest.mark.parametrize("pmode", [REQUEST, PLAIN], ids=["encrypted", "signed"])
def test_a_flipped_octet_is_refused_alike(pmode):
    """A flip anywhere on the wire: the same refusal (or none, outside what is signed) in both ways.

    ``open_any`` opens each as bytes and as a Content and compares; every third octet of the parts is
    flipped, and every hundredth of the envelope.
    """
    content_type, body = honest(pmode)
    begin = body.index(b"Envelope>\r\n--")
    refused = 0
    for at in [*range(0, begin, 101), *range(begin, len(body), 3)]:
        flipped = bytearray(body)
        flipped[at] ^= 1 << (at % 8)
        refused += refusal(content_type, bytes(flipped)) is not None
    assert refused > 100


@pytest.mark.parametrize("pmode", [REQUEST, PLAIN], ids=["encrypted", "signed"])
def test_every_truncation_is_refused_alike(pmode):
    """Cut anywhere: refused in both ways with the same code."""
    content_type, body = honest(pmode)
    for length in range(0, len(body) - 4, 101):
        assert refusal(content_type, body[:length]) is not None


@pytest.mark.as4(24)
def test_a_bent_tag_hands_nothing_on(monkeypatch):
    """The last octet of a large encrypted part: FailedDecryption after one reading, before all else."""
    octets = random.Random(8).randbytes(2 * IN_MEMORY)
    sealed = as4.seal(payloads=[payload(octets, compress=False)])
    body = bytearray(sealed.body)
    body[body.rindex(b"\r\n--") - 1] ^= 1
    monkeypatch.setattr(open, "verify_envelope", None)  # nobody gets so far
    source = Chopped(bytes(body), (CHUNK,))
    with pytest.raises(FailedDecryption):
        open_any(sealed.content_type, source)
    # once for the delimiters, the beginning again for headers and root, once for the tag
    assert source.given < 2 * len(body) + 4 * CHUNK


@pytest.mark.as4(28)
def test_a_source_that_changes_after_it_was_opened():
    """Octets that change behind the checks end in ContentChanged when read, never in other octets."""
    octets = random.Random(9).randbytes(2 * IN_MEMORY)
    for pmode, compress in ((REQUEST, True), (REQUEST, False), (PLAIN, True), (PLAIN, False)):
        sealed = as4.seal(payloads=[payload(octets, compress=compress)], pmode=pmode)
        other = bytearray(sealed.body)
        other[len(other) // 2] ^= 1
        source = Changing(sealed.body, (CHUNK,), afterwards=bytes(other), good=10**9)
        (got,) = open_user(replace(sealed, body=source)).payloads
        assert digest_of(got.content, "sha256") == digest_of(octets, "sha256")
        source.good = 0
        with pytest.raises(ContentChanged):
            whole(got.content)


@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "plain"])
@pytest.mark.parametrize("pmode", [REQUEST, PLAIN], ids=["encrypted", "signed"])
def test_a_source_that_changes_before_it_is_sent(pmode, compress):
    """Signed, changed, then sent: ContentChanged stops the body before its end."""
    octets = random.Random(10).randbytes(2 * IN_MEMORY)
    source = Changing(octets, (CHUNK,), afterwards=octets[1:] + b"x", good=10**9)
    sealed = as4.seal(payloads=[payload(source, compress=compress)], pmode=pmode)
    assert open_user(replace(sealed, body=whole(sealed.body)))
    source.good = 0
    sent: list[bytes] = []
    with pytest.raises(ContentChanged):
        sent.extend(sealed.body.chunks())
    assert sum(map(len, sent)) < sealed.body.size


@pytest.mark.as4(14)
@pytest.mark.parametrize("pmode", [REQUEST, PLAIN], ids=["encrypted", "signed"])
def test_a_gzip_bomb_in_a_content_costs_bounded_memory_and_is_refused(pmode):
    """64 MiB of zeros: EBMS:0303, and never in memory, although the part counts as large."""
    bomb = Generated(64 << 20, block=bytes(CHUNK))
    sealed = as4.seal(
        payloads=[payload(bomb), payload(random.Random(1).randbytes(2 * IN_MEMORY), 1)], pmode=pmode
    )
    body = Chopped(whole(sealed.body), (CHUNK,))
    tracemalloc.start()
    try:
        with everything_streams(CHUNK), pytest.raises(DecompressionFailure, match="beyond the limits"):
            open_any(sealed.content_type, body)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_the_limit_is_for_all_parts_together_in_a_content_too():
    """Each part fits, both do not: the budget is shared, compressed or not."""
    octets = random.Random(3).randbytes(2 * IN_MEMORY)
    small = SecurityPolicy(max_decompressed_bytes=3 * IN_MEMORY, max_header_bytes=4 * IN_MEMORY)
    for compress in (True, False):
        sealed = as4.seal(payloads=[payload(octets, n, compress=compress) for n in range(2)])
        for body in (sealed.body, Chopped(sealed.body, (CHUNK,))):
            with pytest.raises(DecompressionFailure):
                open_any(sealed.content_type, body, policy=small)


def test_large_uncompressed_xml_is_refused_before_it_is_read():
    """It would have to be in memory as a whole: refused with the cure, when sealing and when opening."""
    xml = b"<a>" + random.Random(7).randbytes(IN_MEMORY).hex().encode() + b"</a>"
    source = Chopped(xml, (CHUNK,))
    policy = SecurityPolicy(max_canonicalised_bytes=IN_MEMORY)
    part = partial(payload, compress=False, mime_type="application/xml")
    for content in (xml, source):
        with pytest.raises(PolicyNoncompliance, match="compress it"):
            as4.seal(payloads=[part(content)], policy=policy)
    assert source.given == 0
    honest_text = b"<a>" + b" " * (2 * IN_MEMORY) + b"</a>"
    for pmode in (REQUEST, PLAIN):
        sealed = as4.seal(payloads=[part(Chopped(honest_text, (CHUNK,)))], pmode=pmode)
        assert whole(open_user(sealed).payloads[0].content) == honest_text
        for body in (whole(sealed.body), sealed.body):
            with pytest.raises(PolicyNoncompliance, match="compress it"):
                open_any(sealed.content_type, body, policy=policy)
    compressed = as4.seal(payloads=[replace(part(source), compress=True)], policy=policy)
    assert whole(open_user(compressed, policy=policy).payloads[0].content) == xml


def test_a_large_root_is_refused_before_it_is_read():
    """EBMS:0009 for a SOAP part beyond the limit, plain or first in a multipart, as for bytes."""
    envelope = b"<e>" + b" " * (4 * IN_MEMORY) + b"</e>"
    content_type, multipart = build_multipart(
        envelope, [MimePart(content_id="p@x", content_type="a/b", content=b"")]
    )
    for kind, body, most in (
        ("application/soap+xml", envelope, 0),
        (content_type, multipart, 2 * len(envelope)),
    ):
        source = Chopped(body, (CHUNK,))
        for octets in (body, source):
            with pytest.raises(InvalidHeader):
                open_any(kind, octets)
        assert source.given <= most


def test_base64_of_a_large_part_streams():
    """A peer that sends base64 pays with time, not with our memory; what it means is the same."""
    octets = random.Random(4).randbytes(2 * IN_MEMORY)
    body = (
        b"--b\r\nContent-Type: application/soap+xml\r\n\r\n<e/>\r\n--b\r\nContent-ID: <p@x>\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(octets) + b"\r\n--b--"
    )
    for given_as in (body, Chopped(body, (CHUNK,))):
        (part,) = parse_multipart('multipart/related; boundary="b"', given_as, POLICY).parts
        assert isinstance(part.content, bytes) == isinstance(given_as, bytes)
        assert whole(part.content) == octets
    bent = body[:-50] + b"!" + body[-49:]
    for given_as in (bent, Chopped(bent, (CHUNK,))):
        with pytest.raises(MimeInconsistency):
            parse_multipart('multipart/related; boundary="b"', given_as, POLICY)


def test_too_large_a_message_is_refused_before_it_is_read():
    """By its size alone."""
    source = Generated(POLICY.max_decompressed_bytes + POLICY.max_header_bytes + 1)
    source.chunks = None  # type: ignore[method-assign]  # reading it would fail
    with pytest.raises(MimeInconsistency, match="larger than the limit"):
        open_any("application/soap+xml", source)


def test_too_many_parts_are_refused_at_the_first_that_is_too_many():
    """A hundred thousand parts: the search stops after thirty."""
    body = (
        b"--b\r\nContent-Type: application/soap+xml\r\n\r\n<e/>"
        + b"\r\n--b\r\n\r\n" * 1_000_000
        + b"\r\n--b--"
    )
    source = Chopped(body, (CHUNK,))
    with pytest.raises(MimeInconsistency, match="too many"):
        parse_multipart('multipart/related; boundary="b"', source, POLICY)
    assert source.given <= 2 * CHUNK


@pytest.mark.parametrize("kind", ["noise", "text"])
@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "plain"])
def test_sixty_four_megabytes_never_are_in_memory(kind, compress, monkeypatch):
    """Sealed and opened from a Content to a Content: Python allocates less than 12 MB at any time."""
    monkeypatch.undo()  # the level is chosen as in earnest
    size = 64 << 20
    source = Generated(size) if kind == "noise" else Generated(size, block=b"<demande>%d</demande>" * 12_483)
    tracemalloc.start()
    try:
        sealed = as4.seal(payloads=[as4.DOCUMENT, payload(source, compress=compress)])
        (_, got) = open_user(sealed).payloads
        assert got.content.size == size
        assert digest_of(got.content, "sha256") == digest_of(source, "sha256")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20


def test_a_changed_large_part_is_refused():
    """A Content that was exchanged before verification: its digest does not match (EBMS:0101)."""
    octets = random.Random(5).randbytes(2 * IN_MEMORY)
    sealed = as4.seal(payloads=[payload(octets, compress=False)], pmode=PLAIN)
    body = sealed.body.replace(octets[:100], octets[100:200])
    with pytest.raises(FailedAuthentication):
        open_any(sealed.content_type, Chopped(body, (CHUNK,)))
