"""The MIME layer: what is taken apart, what is refused as EBMS:0007 (as4.md 7, 9, 11, 27)."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.as4.content import whole
from gateway.core.as4.mime import MimePart, build_multipart, parse_media_type, parse_multipart
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.errors import MimeInconsistency
from tests.fixtures.contents import Chopped, everything_streams

POLICY = SecurityPolicy()
TYPE = 'multipart/related; boundary="b"; type="application/soap+xml"'
ROOT = b"Content-Type: application/soap+xml\r\n\r\n<e/>"


def body(*parts: bytes, end: bytes = b"\r\n--b--\r\n") -> bytes:
    """A multipart body with boundary ``b``."""
    return b"--b\r\n" + b"\r\n--b\r\n".join(parts) + end


def part(content: bytes, *headers: str, cid: str | None = "p@x") -> bytes:
    """One MIME part."""
    lines = [*([] if cid is None else [f"Content-ID: <{cid}>"]), *headers]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + content


GOOD = {
    "two-parts": (TYPE, body(ROOT, part(b"x")), [("p@x", b"x")]),
    "lf-inside": (TYPE, body(ROOT, part(b"a\nb\r\n\r\n--c\r\n")), [("p@x", b"a\nb\r\n\r\n--c\r\n")]),
    "delimiter-lookalike": (TYPE, body(ROOT, part(b"a\r\n--bb\r\nc")), [("p@x", b"a\r\n--bb\r\nc")]),
    "many-lookalikes": (TYPE, body(ROOT, part(b"\r\n--bb" * 1000)), [("p@x", b"\r\n--bb" * 1000)]),
    "empty-part": (TYPE, body(ROOT, part(b"")), [("p@x", b"")]),
    "no-final-newline": (TYPE, body(ROOT, part(b"x"), end=b"\r\n--b--"), [("p@x", b"x")]),
    "padded-delimiter": (TYPE, body(ROOT, part(b"x")).replace(b"--b\r\n", b"--b \t\r\n"), [("p@x", b"x")]),
    "preamble": (TYPE, b"\r\n" + body(ROOT, part(b"x")), [("p@x", b"x")]),
    "blank-epilogue": (TYPE, body(ROOT, part(b"x"), end=b"\r\n--b--\r\n\r\n "), [("p@x", b"x")]),
    "unquoted": (
        "Multipart/Related;boundary=b;type=application/soap+xml",
        body(ROOT, part(b"x")),
        [("p@x", b"x")],
    ),
    "folded-header": (TYPE, body(ROOT, part(b"x", "Content-Type: image/png;\r\n name=a")), [("p@x", b"x")]),
    "base64": (
        TYPE,
        body(ROOT, part(base64.encodebytes(bytes(99)), "Content-Transfer-Encoding: BASE64")),
        [("p@x", bytes(99))],
    ),
    "8bit": (TYPE, body(ROOT, part(b"\xff", "content-transfer-encoding: 8bit")), [("p@x", b"\xff")]),
    "start-elsewhere": (
        TYPE + '; start="<root@x>"; start-info="application/soap+xml"',
        body(part(b"x"), b"Content-ID: <root@x>\r\n" + ROOT),
        [("p@x", b"x")],
    ),
}
BAD = {
    "no-closing-boundary": (TYPE, body(ROOT, part(b"x"), end=b"\r\n")),
    "truncated-in-a-header": (TYPE, body(ROOT, b"Content-ID: <p@x", end=b"")),
    "closing-boundary-of-another": (TYPE, body(ROOT, end=b"\r\n--c--\r\n")),
    "epilogue": (TYPE, body(ROOT, end=b"\r\n--b--\r\nmore")),
    "long-blank-epilogue": (TYPE, body(ROOT, end=b"\r\n--b--" + b"\r\n" * 2000)),
    "long-preamble": (TYPE, b"x" * 2000 + b"\r\n" + body(ROOT)),
    "no-parts": (TYPE, b"--b--\r\n"),
    "empty": (TYPE, b""),
    "lookalikes-without-end": (TYPE, body(ROOT, part(b"\r\n--bb" * 1001))),
    "bare-lf": (TYPE, body(ROOT, part(b"x")).replace(b"\r\n", b"\n")),
    "content-id-twice": (TYPE, body(ROOT, part(b"x"), part(b"y"))),
    "header-twice": (TYPE, body(ROOT, part(b"x", "Content-ID: <q@x>"))),
    "no-content-id": (TYPE, body(ROOT, part(b"x", cid=None))),
    "content-id-with-space": (TYPE, body(ROOT, part(b"x", cid="p x"))),
    "content-id-bare": (TYPE, body(ROOT, part(b"x", "Content-ID: p@x", cid=None))),
    "content-id-empty": (TYPE, body(ROOT, part(b"x", cid=""))),
    "header-without-colon": (TYPE, body(ROOT, part(b"x", "nonsense"))),
    "header-with-nul": (TYPE, body(ROOT, part(b"x", "A: b\0c"))),
    "header-with-bare-cr": (TYPE, body(ROOT, part(b"x", "A: b\rContent-Type: c/d"))),
    "header-not-ascii": (TYPE, body(ROOT, part(b"x", "A: é"))),
    "huge-header": (TYPE, body(ROOT, part(b"x", "A: " + "a" * 9000))),
    "thousands-of-headers": (TYPE, body(ROOT, part(b"x", *(f"A{n}: b" for n in range(2000))))),
    "quoted-printable": (TYPE, body(ROOT, part(b"x", "Content-Transfer-Encoding: quoted-printable"))),
    "broken-base64": (TYPE, body(ROOT, part(b"a!b=", "Content-Transfer-Encoding: base64"))),
    "too-many-parts": (TYPE, body(ROOT, *(part(b"x", cid=f"{n}@x") for n in range(29)))),
    "thousands-of-parts": (TYPE, body(ROOT, *(part(b"", cid=f"{n}@x") for n in range(5000)))),
    "root-is-no-soap": (TYPE, body(part(b"x", "Content-Type: text/html"))),
    "root-without-type": (TYPE, body(part(b"<e/>"))),
    "root-in-utf-16": (TYPE, body(ROOT.replace(b"+xml", b"+xml; charset=utf-16"))),
    "start-names-nothing": (TYPE + '; start="<other@x>"', body(ROOT)),
    "soap-1.1": ("text/xml", b"<e/>"),
    "plain-in-latin-1": ("application/soap+xml; charset=iso-8859-1", b"<e/>"),
    "multipart-mixed": (TYPE.replace("related", "mixed"), body(ROOT)),
    "xop": (TYPE.replace("soap+xml", "xop+xml"), body(ROOT)),
    "no-boundary": ("multipart/related", body(ROOT)),
    "boundary-too-long": (TYPE.replace('"b"', '"' + "b" * 71 + '"'), body(ROOT)),
    "boundary-with-crlf": (TYPE.replace('"b"', '"b\r\n"'), body(ROOT)),
    "boundary-twice": (TYPE + "; boundary=c", body(ROOT)),
    "no-type-at-all": ("", b"<e/>"),
    "type-without-subtype": ("multipart", b"<e/>"),
    "parameter-without-value": (TYPE + "; start", body(ROOT)),
    "long-content-type": (TYPE + "; a=" + "b" * 3000, body(ROOT)),
}


@pytest.fixture(params=["bytes", "content"])
def octets(request):
    """What ``bytes`` are given as: themselves, or a Content in odd pieces of which nothing is small."""
    if request.param == "bytes":
        yield lambda content: content
    else:
        with everything_streams():
            yield Chopped


@pytest.mark.as4(9)
@pytest.mark.parametrize("name", GOOD)
def test_what_peers_send_is_taken_apart(name, octets):
    """Legal variations give the same root and exactly the parts sent."""
    content_type, content, parts = GOOD[name]
    package = parse_multipart(content_type, octets(content), POLICY)
    assert package.root.content == b"<e/>"
    assert [(p.content_id, whole(p.content)) for p in package.parts] == parts


@pytest.mark.parametrize("name", BAD)
def test_broken_or_ambiguous_mime_is_ebms_0007(name, octets):
    """Nothing is repaired: each defect is refused as MimeInconsistency, quickly."""
    content_type, content = BAD[name]
    begun = time.process_time()
    with pytest.raises(MimeInconsistency) as caught:
        parse_multipart(content_type, octets(content), POLICY)
    assert time.process_time() - begun < 0.5
    assert caught.value.ebms.code == "EBMS:0007"


def test_a_message_beyond_the_limit_is_refused_before_it_is_read():
    """The size limit comes from the policy."""
    small = SecurityPolicy(max_header_bytes=100, max_decompressed_bytes=100)
    with pytest.raises(MimeInconsistency):
        parse_multipart("application/soap+xml", b" " * 201, small)
    assert parse_multipart("application/soap+xml", b" " * 200, small).parts == ()


@pytest.mark.parametrize("wrapped", [bytes, lambda content: Chopped(content, (262_144, 65_521))])
def test_lookalike_delimiters_cost_little(wrapped):
    """A MIME bomb of hundreds of thousands of almost-boundaries is refused after the first thousand."""
    begun = time.process_time()
    with pytest.raises(MimeInconsistency):
        parse_multipart(TYPE, wrapped(body(ROOT, part(b"\r\n--bb" * 300_000))), POLICY)
    assert time.process_time() - begun < 0.5


@pytest.mark.as4(27)
@settings(deadline=None)  # a shared machine is slow at times
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_any_bytes_travel_unchanged(contents):
    """Whatever octets the parts hold, they come back as they were, marked binary."""
    parts = [
        MimePart(content_id=f"{n}@x", content_type="application/octet-stream", content=content)
        for n, content in enumerate(contents)
    ]
    content_type, wire = build_multipart(b"<e/>", parts)
    assert wire.count(b"Content-Transfer-Encoding: binary\r\n") >= len(parts)
    assert parse_multipart(content_type, wire, POLICY).parts == tuple(parts)


def test_the_boundary_never_occurs_in_a_part():
    """A part that holds the boundary makes it another boundary; the result is still deterministic."""
    plain = [MimePart(content_id="a@x", content_type="image/png", content=b"")]
    boundary = parse_media_type(build_multipart(b"<e/>", plain)[0])[1]["boundary"]
    hostile = [
        MimePart(content_id="a@x", content_type="image/png", content=f"\r\n--{boundary}--\r\n".encode())
    ]
    content_type, wire = build_multipart(b"<e/>", hostile)
    assert parse_media_type(content_type)[1]["boundary"] != boundary
    assert parse_multipart(content_type, wire, POLICY).parts == tuple(hostile)
    assert build_multipart(b"<e/>", hostile) == (content_type, wire)


@pytest.mark.as4(9)
def test_the_multipart_type_is_what_peers_expect():
    """type and start are given, the root comes first, and there is no charset parameter (Traps)."""
    content_type, wire = build_multipart(
        b"<e/>", [MimePart(content_id="a@x", content_type="image/png", content=b"")]
    )
    media_type, parameters = parse_media_type(content_type)
    assert media_type == "multipart/related"
    assert set(parameters) == {"boundary", "type", "start"}
    assert parameters["type"] == "application/soap+xml"
    assert wire.index(parameters["start"].encode()) < wire.index(b"<a@x>")
