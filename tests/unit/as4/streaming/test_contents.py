"""Every derived Content is the same octets as the whole thing in memory, from any offset, in any pieces."""

from __future__ import annotations

import base64
import gzip as reference_gzip
import hashlib
import random
import re
import zlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.as4 import gzip_stream
from gateway.core.as4.compression import gunzip, gzip
from gateway.core.as4.content import (
    CHUNK,
    IN_MEMORY,
    Content,
    chunks_of,
    digest_of,
    evenly,
    exactly,
    settle,
    size_of,
    whole,
)
from gateway.core.as4.gzip_stream import Gunzipped, Gzipped
from gateway.core.as4.scan import Window
from gateway.core.as4.streams import CrlfText, Joined, Pinned, Slice
from gateway.core.as4.transfer import Unbase64, unbase64
from gateway.core.as4.wss.content_cipher import Decrypted, Encrypted
from gateway.core.errors import ContentChanged, DecompressionFailure, MimeInconsistency
from tests.fixtures.contents import Changing, Chopped, Generated, everything_streams

UNHURRIED = settings(deadline=None)
"""A shared machine is slow at times; speed is not what these tests are about."""
KEY, IV = bytes(range(16)), bytes(12)
LIMITS = {"max_bytes": 1 << 30, "max_ratio": 10_000}
TINY = 7
"""Octets of a chunk where a test shrinks it."""


def sealed(octets: bytes) -> bytes:
    """IV ‖ ciphertext ‖ tag."""
    return IV + AESGCM(KEY).encrypt(IV, octets, None)


def checked(octets: bytes, sizes: tuple[int, ...]) -> Decrypted:
    """The Content that decrypts ``sealed(octets)``."""
    decrypted = Decrypted(KEY, Chopped(sealed(octets), sizes))
    decrypted.check()
    return decrypted


DERIVED: dict[str, Callable[[bytes, tuple[int, ...]], tuple[Content, bytes]]] = {
    "slice": lambda o, s: (Slice(Chopped(b"ab" + o + b"cde", s), 2, 2 + len(o)), o),
    "slice-of-slice": lambda o, s: (
        Slice(Slice(Chopped(b"ab" + o + b"c", s), 1, len(o) + 3), 1, 1 + len(o)),
        o,
    ),
    "joined": lambda o, s: (
        Joined([b"a", b"b", Chopped(o, s), b"", Chopped(o, s), b"c"]),
        b"ab" + o + o + b"c",
    ),
    "crlf": lambda o, s: (CrlfText(Chopped(o, s)), re.sub(rb"\r\n|\r|\n", b"\r\n", o)),
    "pinned": lambda o, s: (Pinned(Chopped(o, s), "sha256", hashlib.sha256(o).digest()), o),
    "gunzipped": lambda o, s: (Gunzipped(Chopped(gzip(o), s), len(o)), o),
    "encrypted": lambda o, s: (Encrypted(KEY, IV, Chopped(o, s)), sealed(o)),
    "decrypted": lambda o, s: (checked(o, s), o),
    "unbase64": lambda o, s: (Unbase64(Chopped(base64.encodebytes(o), s), len(o)), o),
}
OCTETS = st.one_of(
    st.sampled_from([b"", b"\r", b"\r\n", b"\n\r\r\n\r", b"x" * TINY, b"\r\n" * TINY]),
    st.binary(max_size=80),
    st.lists(st.sampled_from([b"\r", b"\n", b"a"]), max_size=40).map(b"".join),
)
SIZES = st.lists(st.integers(1, 20), min_size=1, max_size=4).map(tuple)


@pytest.mark.parametrize("kind", DERIVED)
@UNHURRIED
@given(OCTETS, SIZES, st.data())
def test_any_section_in_any_pieces(kind, octets, sizes, data):
    """Size, digest, all of it and every section are those of the octets; no piece exceeds a chunk."""
    with everything_streams(TINY):
        content, expected = DERIVED[kind](octets, sizes)
        if data.draw(st.booleans(), label="digest first"):
            assert digest_of(content, "sha256") == hashlib.sha256(expected).digest()
        assert size_of(content) == len(expected)
        assert digest_of(content, "sha384") == hashlib.sha384(expected).digest()
        assert whole(content) == expected
        begin = data.draw(st.integers(0, len(expected)), label="begin")
        end = data.draw(st.integers(begin, len(expected)), label="end")
        for stop in (end, None):
            pieces = list(content.chunks(begin, stop))
            assert b"".join(pieces) == expected[begin:stop]
            if kind not in {"slice", "slice-of-slice", "joined", "pinned", "decrypted", "encrypted"}:
                assert all(0 < len(piece) <= TINY for piece in pieces)
        assert isinstance(content, Content)


@UNHURRIED
@given(OCTETS, SIZES, SIZES)
def test_gzip_is_the_same_however_the_file_is_cut(octets, sizes, others):
    """The octets depend on the content alone, and any gzip reader understands them."""
    with everything_streams(TINY):
        packed = Gzipped(Chopped(octets, sizes))
        assert digest_of(packed, "sha256") == hashlib.sha256(whole(packed)).digest()
        assert size_of(packed) == len(whole(packed))
        assert reference_gzip.decompress(whole(packed)) == octets
        assert whole(Gzipped(Chopped(octets, others))) == whole(packed)


def test_gzip_reads_its_source_once_for_digest_and_size():
    """The digest pass also finds the size: a large file is compressed once when sealing, not twice."""
    source = Chopped(random.Random(1).randbytes(400_000), (65_536,))
    packed = Gzipped(source)
    digest_of(packed, "sha256")
    sampled = source.given
    assert packed.size > 0
    assert digest_of(packed, "sha256")
    assert source.given == sampled <= 400_000 + 3 * 65_536


@pytest.mark.parametrize(
    ("octets", "smaller"),
    [
        (b"<demande/>" * 100_000, True),
        (random.Random(2).randbytes(1_000_000), False),
        (random.Random(3).randbytes(600_000) + b"<demande/>" * 60_000, True),
        (b"<demande/>" * 60_000 + random.Random(4).randbytes(600_000), True),
    ],
    ids=["text", "noise", "text-at-the-end", "text-at-the-beginning"],
)
def test_what_cannot_be_compressed_is_only_wrapped(octets, smaller):
    """A photograph is stored, not laboured over; anything else gets smaller. Both are gzip."""
    packed = whole(Gzipped(Chopped(octets, (100_000,))))
    assert reference_gzip.decompress(packed) == octets
    assert (len(packed) < 0.97 * len(octets)) == smaller
    assert len(packed) < len(octets) * 1.001 + 100


@pytest.mark.parametrize("level", [0, 1])
def test_large_gzip_is_the_same_however_the_file_is_cut(level, monkeypatch):
    """Stored blocks above all: where zlib ends them depends on how it is fed."""
    monkeypatch.setattr(gzip_stream, "level_for", lambda _: level)
    octets = random.Random(11).randbytes(3 * CHUNK + 5)
    cut = {whole(Gzipped(Chopped(octets, sizes))) for sizes in ((CHUNK,), (1000, 70_001), (CHUNK - 1,))}
    assert len(cut) == 1


def test_at_the_same_level_streamed_gzip_is_gzip(monkeypatch):
    """The stream is no format of its own: level for level it is what ``gzip`` makes of the whole."""
    monkeypatch.setattr(gzip_stream, "level_for", lambda _: 6)
    octets = b"".join(b"<n>%d</n>" % n for n in range(200_000))
    for sizes in ((CHUNK,), (1000, 7, CHUNK)):
        assert whole(Gzipped(Chopped(octets, sizes))) == gzip(octets)


@pytest.mark.as4(14)
@UNHURRIED
@given(st.binary(max_size=60), SIZES, st.data())
def test_broken_gzip_is_refused_alike(octets, sizes, data):
    """Cut, bent or prolonged anywhere: a Content is EBMS:0303 exactly when the same bytes are."""
    packed = bytearray(gzip(octets))
    match data.draw(st.sampled_from(["cut", "flip", "append", "twice"])):
        case "cut":
            del packed[data.draw(st.integers(0, len(packed) - 1)) :]
        case "flip":
            packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        case "append":
            packed += data.draw(st.binary(min_size=1, max_size=20))
        case "twice":
            packed *= 2

    def result(given):
        try:
            return whole(gunzip(given, **LIMITS))
        except DecompressionFailure:
            return None

    with everything_streams(TINY):
        streamed = result(Chopped(bytes(packed), sizes))
        middle = result(bytes(packed))
    assert streamed == middle == result(bytes(packed))


@pytest.mark.as4(14)
@pytest.mark.parametrize("wrap", [bytes, lambda packed: Chopped(packed, (CHUNK,))], ids=["bytes", "content"])
def test_garbage_behind_a_large_gzip_is_refused(wrap):
    """In one piece with the end of a gzip that gives many pieces: zlib offers the garbage as input, too."""
    packed = gzip(bytes(3 * IN_MEMORY)) + b"garbage"
    with pytest.raises(DecompressionFailure, match="followed by other data"):
        gunzip(wrap(packed), **LIMITS)


@pytest.mark.parametrize("size", [IN_MEMORY - 1, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY])
@pytest.mark.parametrize("wrap", [bytes, lambda packed: Chopped(packed, (1000,))], ids=["bytes", "content"])
def test_only_what_is_small_is_decompressed_into_memory(size, wrap):
    """Up to IN_MEMORY the payload is bytes, beyond it a Content, whatever the gzip was given as."""
    result = gunzip(wrap(gzip(bytes(size))), **LIMITS)
    assert isinstance(result, bytes) == (size <= IN_MEMORY)
    assert size_of(result) == size
    assert whole(result) == bytes(size)


CHANGED = {
    "pinned": lambda c: Pinned(c, "sha256", hashlib.sha256(c.octets).digest()),
    "first-reading": lambda c: Pinned(c, "sha256"),
    "gzipped": Gzipped,
    "gunzipped": lambda c: gunzip(c, **LIMITS),
    "unbase64": unbase64,
    "crlf": CrlfText,
}


@pytest.mark.parametrize("kind", CHANGED)
@pytest.mark.parametrize("how", ["other", "shorter"])
def test_a_source_that_changes_is_noticed(kind, how):
    """Changed between two readings: ContentChanged at the end, not other octets as if nothing were."""
    content = b"line one\nline two, which is longer\n" * 3
    octets = {"gunzipped": gzip(content), "unbase64": base64.b64encode(content)}.get(kind, content)
    if how == "shorter":
        afterwards = octets[:-4]
    elif kind == "gunzipped":
        afterwards = octets[:-6] + b"\0" + octets[-5:]  # the CRC-32
    elif kind == "unbase64":
        afterwards = b"!" + octets[1:]
    elif kind == "crlf":
        afterwards = octets.replace(b"\n", b"x")
    else:
        afterwards = octets.replace(b"one", b"eno")
    with everything_streams(TINY):
        source = Changing(octets, afterwards=afterwards, good=10**9)
        derived = CHANGED[kind](source)
        expected = b"".join(derived.chunks())
        assert len(expected) == derived.size
        source.good = 0
        with pytest.raises(ContentChanged):
            list(derived.chunks())


@UNHURRIED
@given(st.binary(max_size=60), SIZES, st.data())
def test_base64_is_read_alike(octets, sizes, data):
    """Line ends anywhere, or one strange character: streamed and whole agree."""
    encoded = bytearray(base64.b64encode(octets))
    for _ in range(data.draw(st.integers(0, 4))):
        encoded.insert(data.draw(st.integers(0, len(encoded))), data.draw(st.sampled_from(b"\r\n \t")))
    if data.draw(st.booleans(), label="bent"):
        encoded.insert(data.draw(st.integers(0, len(encoded))), data.draw(st.sampled_from(b"=!-_A\0")))

    def result(given):
        try:
            return whole(unbase64(given))
        except MimeInconsistency:
            return None

    with everything_streams(TINY):
        assert result(Chopped(bytes(encoded), sizes)) == result(bytes(encoded))


@pytest.mark.parametrize(
    "text", [b"AAAA=", b"AAAA====", b"QQ==QQ==", b"Q", b"Q=", b"=", b"QQ=", b"Q=QQ", b"QQ===", b"QQ"]
)
def test_wrong_padding_is_refused(text):
    """Padding belongs to the end, once, and to nothing complete."""
    with everything_streams(TINY):
        for given_as in (text, Chopped(text), Chopped(b"A" * 40 + text)):
            with pytest.raises(MimeInconsistency):
                unbase64(given_as)


@UNHURRIED
@given(st.lists(st.binary(max_size=30), max_size=8))
def test_even_blocks(chunks):
    """Blocks of exactly one chunk but for the last, the same octets."""
    with everything_streams(TINY):
        blocks = list(evenly(chunks))
    assert b"".join(blocks) == b"".join(chunks)
    assert all(len(block) == TINY for block in blocks[:-1])
    assert all(blocks)


@UNHURRIED
@given(
    st.lists(st.sampled_from([b"\r\n--b", b"\r\n", b"-", b"b", b"\r", b"x" * 50]), max_size=60).map(b"".join),
    SIZES,
    st.data(),
)
def test_searching_a_content_is_searching_bytes(octets, sizes, data):
    """find, slices, startswith and len answer as ``bytes`` do, forwards and backwards."""
    window = Window(Chopped(octets, sizes))
    assert len(window) == len(octets)
    places = st.integers(0, len(octets) + 3)
    for _ in range(data.draw(st.integers(1, 8))):
        sub = data.draw(st.sampled_from([b"\r\n--b", b"\r\n", b"b", b"--b\r\n"]))
        begin, end = data.draw(places), data.draw(st.none() | places)
        assert window.find(sub, begin, end) == octets.find(sub, begin, end)
        assert window[begin:end] == octets[begin:end]
        assert window.startswith(sub) == octets.startswith(sub)


def test_a_window_reads_forwards_once():
    """Searching from delimiter to delimiter does not begin anew, and little stays in memory."""
    octets = (b"x" * 997 + b"\r\n--b") * 2000
    source = Chopped(octets, (4096,))
    window = Window(source)
    found, position = 0, window.find(b"\r\n--b", 0)
    while position >= 0:
        found += 1
        window.find(b"\r\n", position + 5, position + 261)
        assert len(window._stretch) < 20_000
        position = window.find(b"\r\n--b", position + 5)
    assert found == 2000
    assert source.given == len(octets)


def test_a_content_shorter_or_longer_than_its_size_is_not_taken():
    """A file cut or grown between two readings: ContentChanged instead of other octets."""

    class Wrong(Chopped):
        @property
        def size(self) -> int:
            return 10

    for octets in (b"x" * 9, b"x" * 11, b"x" * 10_000):
        content = Wrong(octets)
        for reading in (
            lambda c: list(exactly(c)),
            whole,
            lambda c: list(chunks_of(c)),
            settle,
            digest_of_sha256,
        ):
            with pytest.raises(ContentChanged):
                reading(content)
            content.given, most = 0, content.given
            assert most <= 14, "it stops where the size said"


def digest_of_sha256(content: Content) -> bytes:
    """For the table above."""
    return digest_of(content, "sha256")


def test_small_contents_settle_as_bytes():
    """At IN_MEMORY still bytes, one octet more is left as it is."""
    assert settle(Generated(IN_MEMORY)) == whole(Generated(IN_MEMORY))
    large = Generated(IN_MEMORY + 1)
    assert settle(large) is large
    assert settle(b"x") == b"x"


def test_neighbouring_bytes_are_sent_together():
    """Delimiters and headers between two large parts are one piece, not three."""
    pieces = list(
        Joined([b"--b\r\n", b"A: b\r\n\r\n", Chopped(b"xyz", (3,)), b"\r\n", b"--b--\r\n"]).chunks()
    )
    assert pieces == [b"--b\r\nA: b\r\n\r\n", b"xyz", b"\r\n--b--\r\n"]
    assert [a for a, b in pairwise(pieces) if a == b] == []


@pytest.mark.parametrize(
    "parts", [[], [Chopped(b"x")], [Chopped(b"x"), Chopped(b"y")], [b""], [b"a", Chopped(b"x")]], ids=repr
)
def test_joining_few_things(parts):
    """Nothing, only Contents, or only bytes."""
    joined = Joined(parts)
    assert whole(joined) == b"".join(map(whole, parts))
    assert b"".join(chunks_of(whole(joined))) == whole(joined)


def test_empty_pieces_of_a_source_are_left_out():
    """A source may give empty pieces; nobody behind it sees them (HTTP chunks would end there)."""

    class Gaps(Chopped):
        def chunks(self, begin=0, end=None):
            for piece in super().chunks(begin, end):
                yield from (b"", piece, b"")

    assert list(exactly(Gaps(b"abc", (2,)))) == [b"ab", b"c"]


def test_gzip_of_a_bomb_stops_at_its_limit():
    """A Content that expands a thousand times is not decompressed to its end."""
    packed = zlib.compress(bytes(64 << 20), 9, wbits=31)
    source = Chopped(packed, (1024,))
    with pytest.raises(DecompressionFailure, match="beyond the limits"):
        gunzip(source, max_bytes=4 << 20, max_ratio=10_000)
    assert source.given < len(packed) // 8
