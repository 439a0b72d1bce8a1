"""Whatever arrives, only As4Error comes out: an unknown exception would be a bug (style.md 9)."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.as4.mime import build_multipart, parse_media_type, parse_multipart
from gateway.core.as4.receipts import build_receipt
from gateway.core.errors import As4Error, MimeInconsistency
from tests.fixtures import pki
from tests.fixtures.as4 import PLAIN, POLICY, open_any, open_user, seal

UNHURRIED = settings(deadline=None)
"""A shared machine is slow at times; speed is not what these tests are about."""
TYPES = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        [
            "application/soap+xml",
            'multipart/related; boundary="b"; type="application/soap+xml"',
            'multipart/related; boundary=b; start="<a@x>"',
        ]
    ),
)


@cache
def _seeds():
    """Honest messages to bend: encrypted, signed only, and a receipt."""
    request = seal()
    receipt = build_receipt(
        open_user(request),
        signer=pki.party(pki.FR).signing,
        message_id="r@fr.test",
        now=pki.NOW,
        policy=POLICY,
    )
    return tuple((s.content_type, s.body) for s in (request, seal(pmode=PLAIN), receipt))


@UNHURRIED
@given(TYPES, st.binary(max_size=500))
def test_random_bytes_raise_only_as4_errors(content_type, body):
    """Random types and bodies never open and never crash."""
    with pytest.raises(As4Error):
        open_any(content_type, body)


@UNHURRIED
@given(st.text(max_size=200))
def test_random_content_types_raise_only_mime_inconsistency(value):
    """The Content-Type parser is total: a value or MimeInconsistency."""
    try:
        media_type, _ = parse_media_type(value)
    except MimeInconsistency:
        return
    assert "/" in media_type


@UNHURRIED
@given(st.binary(max_size=300))
def test_random_multiparts_raise_only_as4_errors(noise):
    """Random bytes between real delimiters."""
    content_type = 'multipart/related; boundary="b"; type="application/soap+xml"'
    body = b"--b\r\nContent-Type: application/soap+xml\r\n\r\n<e/>\r\n--b" + noise + b"\r\n--b--\r\n"
    with pytest.raises(As4Error):
        open_any(content_type, body)


@UNHURRIED
@given(st.integers(0, 2), st.integers(0, 2**32), st.integers(1, 4))
def test_mutated_messages_raise_only_as4_errors(which, seed, count):
    """Bytes flipped, cut, doubled or inserted in honest messages: refused, or still what was signed."""
    content_type, body = _seeds()[which]
    noise = random.Random(seed)
    mutated = bytearray(body)
    for _ in range(count):
        at = noise.randrange(len(mutated))
        match noise.randrange(4):
            case 0:
                mutated[at] ^= 1 << noise.randrange(8)
            case 1:
                del mutated[at : at + noise.randrange(1, 40)]
            case 2:
                mutated[at:at] = mutated[at : at + noise.randrange(1, 40)]
            case _:
                mutated[at:at] = noise.randbytes(noise.randrange(1, 8))
    _refused_or_unchanged(content_type, bytes(mutated), which)


@UNHURRIED
@given(st.integers(0, 2), st.data())
def test_mutated_envelopes_raise_only_as4_errors(which, data):
    """Markup inserted, swapped or removed in the envelope itself."""
    content_type, body = _seeds()[which]
    package = parse_multipart(content_type, body, POLICY)
    tokens = package.root.content.decode().replace("<", "\0<").split("\0")
    first, second = (data.draw(st.integers(1, len(tokens) - 1)) for _ in range(2))
    match data.draw(st.sampled_from(["swap", "drop", "copy", "comment"])):
        case "swap":
            tokens[first], tokens[second] = tokens[second], tokens[first]
        case "drop":
            del tokens[first]
        case "copy":
            tokens.insert(first, tokens[second])
        case _:
            tokens.insert(first, "<!--c-->")
    _refused_or_unchanged(*build_multipart("".join(tokens).encode(), package.parts), which)


def _refused_or_unchanged(content_type, body, which):
    """A mutation outside what is signed (MIME headers, white space) may open: then nothing has changed."""
    try:
        opened = open_any(content_type, body)
    except As4Error:
        return
    original = open_any(*_seeds()[which])
    for name in ("message", "payloads", "references", "acknowledged", "party_id"):
        assert getattr(opened, name, None) == getattr(original, name, None)
