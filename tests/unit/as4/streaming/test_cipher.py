"""AES-GCM of a Content: the same octets as in memory, and nothing handed on before the tag holds."""

from __future__ import annotations

import random

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.as4.content import size_of, whole
from gateway.core.as4.wss.content_cipher import Decrypted, decrypt_content, encrypt_content
from gateway.core.errors import ContentChanged
from tests.fixtures.contents import Changing, Chopped, everything_streams

KEY, IV = bytes(range(16)), bytes(12)
TINY = 7
"""Octets of a chunk where a test shrinks it."""


def sealed(octets: bytes) -> bytes:
    """IV ‖ ciphertext ‖ tag."""
    return IV + AESGCM(KEY).encrypt(IV, octets, None)


@pytest.mark.parametrize("size", [0, 1, TINY - 1, TINY, TINY + 1, 50])
def test_an_encrypted_content_is_what_the_bytes_are(size):
    """Streamed or not, the same key and IV give the same octets, and back."""
    octets = random.Random(size).randbytes(size)
    assert encrypt_content(KEY, IV, octets) == sealed(octets)
    with everything_streams(TINY):
        streamed = encrypt_content(KEY, IV, Chopped(octets))
        assert size_of(streamed) == size + 28
        assert whole(streamed) == sealed(octets)
        assert whole(decrypt_content(KEY, streamed)) == octets


@pytest.mark.parametrize("position", [*range(40), -1])
@pytest.mark.parametrize("bit", [0, 7])
def test_any_flipped_bit_shows_before_anything_is_handed_on(position, bit):
    """IV, ciphertext or tag: InvalidTag from the first reading, which is of everything."""
    octets = bytearray(sealed(b"twenty-four octets, yes!"))
    octets[position] ^= 1 << bit
    source = Chopped(bytes(octets))
    with everything_streams(TINY), pytest.raises(InvalidTag):
        decrypt_content(KEY, source)
    assert source.given == len(octets)


@pytest.mark.parametrize("size", [0, 11, 12, 27])
def test_something_too_short_to_be_encrypted(size):
    """Shorter than IV and tag: ValueError, as for bytes."""
    for given_as in (bytes(size), Chopped(bytes(size))):
        with everything_streams(TINY), pytest.raises(ValueError, match="too short"):
            decrypt_content(KEY, given_as)


def test_the_last_piece_waits_for_the_tag():
    """Octets that changed after the check: the reading raises, and its end was never given out."""
    octets = random.Random(5).randbytes(1000)
    other = bytearray(sealed(octets))
    other[500] ^= 1
    with everything_streams(100):
        decrypted = decrypt_content(KEY, Changing(sealed(octets), (100,), afterwards=bytes(other)))
        got: list[bytes] = []
        with pytest.raises(ContentChanged):
            got.extend(decrypted.chunks())
    assert 0 < sum(map(len, got)) < 1000


def test_another_message_under_the_same_key_is_not_the_one_that_was_checked():
    """Exchanged for something that is well encrypted too: still not what the signature was over."""
    mine, theirs = b"a" * 50, b"b" * 50
    other = bytes(12)[:-1] + b"\1"
    exchanged = other + AESGCM(KEY).encrypt(other, theirs, None)
    with everything_streams(TINY):
        decrypted = decrypt_content(KEY, Changing(sealed(mine), afterwards=exchanged))
        with pytest.raises(ContentChanged):
            whole(decrypted)


def test_a_section_of_what_was_decrypted_is_read_in_place():
    """Reading the last octets of a large part does not decrypt all of it again."""
    octets = random.Random(6).randbytes(100_000)
    source = Chopped(sealed(octets), (1000,))
    with everything_streams(1000):
        decrypted = decrypt_content(KEY, source)
        source.given = 0
        assert b"".join(decrypted.chunks(99_000, 99_100)) == octets[99_000:99_100]
    assert source.given < 200


def test_a_section_before_the_check_is_checked_first():
    """Even without ``check`` nothing leaves before the tag holds."""
    octets = bytearray(sealed(bytes(100)))
    octets[50] ^= 1
    with pytest.raises(InvalidTag):
        list(Decrypted(KEY, Chopped(bytes(octets))).chunks(3, 9))
