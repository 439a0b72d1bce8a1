"""The content of one part under AES-GCM: IV (12 octets) ‖ ciphertext ‖ tag (16 octets) (as4.md 24)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, GCM

from gateway.core.as4.content import Content, Derived, Octets, exactly, is_small, whole
from gateway.core.errors import ContentChanged

IV_BYTES: Final = 12
TAG_BYTES: Final = 16
_BLOCK: Final = 16
_FIRST_COUNTER: Final = 2
"""Of the first block of content; 1 is for the tag (NIST SP 800-38D, 7.1)."""
_USUAL_DIGEST: Final = "sha256"


def encrypt_content(key: bytes, iv: bytes, content: Octets) -> Octets:
    """IV ‖ ciphertext ‖ tag. ``iv`` is used once with this key; a Content is encrypted while it is read."""
    if isinstance(content, bytes):
        return iv + AESGCM(key).encrypt(iv, content, None)
    return Encrypted(key, iv, content)


def decrypt_content(key: bytes, sealed: Octets) -> Octets:
    """The content, its tag checked before any octet of it is handed on.

    A Content is read to its end for that; what comes back decrypts it again while it is read, and checks
    the tag again. Raises InvalidTag, and ValueError for something too short to be encrypted.
    """
    length = len(sealed) if isinstance(sealed, bytes) else sealed.size
    if length < IV_BYTES + TAG_BYTES:
        raise ValueError("too short to be encrypted")
    if not isinstance(sealed, bytes) and not is_small(length - IV_BYTES - TAG_BYTES):
        decrypted = Decrypted(key, sealed)
        decrypted.check()
        return decrypted
    octets = memoryview(whole(sealed))
    return AESGCM(key).decrypt(bytes(octets[:IV_BYTES]), octets[IV_BYTES:], None)


class Encrypted(Derived):
    """IV ‖ ciphertext ‖ tag, the same at every reading: ``content`` never changes (see Content)."""

    def __init__(self, key: bytes, iv: bytes, content: Content) -> None:
        super().__init__()
        self._key = key
        self._iv = iv
        self._content = content

    @property
    def size(self) -> int:
        return IV_BYTES + self._content.size + TAG_BYTES

    def _all(self) -> Iterator[bytes]:
        encryptor = Cipher(AES(self._key), GCM(self._iv)).encryptor()
        yield self._iv
        for chunk in exactly(self._content):
            yield encryptor.update(chunk)
        yield encryptor.finalize() + encryptor.tag


class Decrypted(Derived):
    """The plaintext of ``sealed``, decrypted while it is read.

    Nothing is to be read before ``check``. A reading from the first to the last octet checks the tag again
    before its last piece is given out, and raises ContentChanged when ``sealed`` is not what it was; the
    reading of a section cannot check it, and relies on ``check``.
    """

    def __init__(self, key: bytes, sealed: Content) -> None:
        super().__init__(sealed.size - IV_BYTES - TAG_BYTES)
        self._key = key
        self._sealed = sealed
        self._ends: tuple[bytes, bytes] | None = None

    def check(self) -> None:
        """Reads everything once and gives nothing out. Raises InvalidTag."""
        digest = hashlib.new(_USUAL_DIGEST)  # the signature asks for it next
        for piece in self._plaintext():
            digest.update(piece)
        self._digests[_USUAL_DIGEST] = digest.digest()

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        stop = self.size if end is None else min(end, self.size)
        if begin == 0 and stop == self.size:
            yield from super().chunks()
        elif begin < stop:
            yield from self._section(begin, stop)

    def _all(self) -> Iterator[bytes]:
        try:
            yield from self._plaintext()
        except InvalidTag as exc:
            raise ContentChanged("an encrypted content is not what it was when its tag was checked") from exc

    def _plaintext(self) -> Iterator[bytes]:
        """Holds its last piece back until the tag is checked."""
        end = self._sealed.size - TAG_BYTES
        iv = tag = held = b""
        decryptor = None
        at = 0
        for chunk in exactly(self._sealed):
            view = memoryview(chunk)
            iv += view[: max(IV_BYTES - at, 0)]
            ciphertext = view[max(IV_BYTES - at, 0) : max(end - at, 0)]
            tag += view[max(end - at, 0) :]
            at += len(chunk)
            if decryptor is None and len(iv) == IV_BYTES:
                decryptor = Cipher(AES(self._key), GCM(iv)).decryptor()
            if decryptor is not None and ciphertext:
                if held:
                    yield held
                held = decryptor.update(ciphertext)
        if decryptor is None or self._ends not in (None, (iv, tag)):
            raise InvalidTag
        decryptor.finalize_with_tag(tag)
        self._ends = (iv, tag)
        if held:
            yield held

    def _section(self, begin: int, end: int) -> Iterator[bytes]:
        """GCM is counter mode: any block can be decrypted by itself."""
        if self._ends is None:
            self.check()
        assert self._ends is not None  # noqa: S101 — check() has set it; tells mypy
        block, drop = divmod(begin, _BLOCK)
        counter = self._ends[0] + (_FIRST_COUNTER + block).to_bytes(4, "big")
        decryptor = Cipher(AES(self._key), CTR(counter)).decryptor()
        for chunk in exactly(self._sealed, IV_BYTES + block * _BLOCK, IV_BYTES + end):
            piece = decryptor.update(chunk)
            yield piece[drop:]
            drop = max(drop - len(piece), 0)
