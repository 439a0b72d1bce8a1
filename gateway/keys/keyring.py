"""All keys of one instance, loaded once and frozen (docs/architecture.md, instance folder).

A rotated key stays beside the new one as ``<name>.<fingerprint>.…``: old data keys still unwrap, messages
encrypted to the old certificate still decrypt, signatures of the old key can still be published.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.as4.keys import DecryptionKey, KeyKind, SigningKey
from gateway.core.errors import ConfigError
from gateway.keys import files

K = TypeVar("K")
P = TypeVar("P", SigningKey, DecryptionKey)

_NONCE = 12

AS4_SIGN, AS4_DECRYPT, JWS, TOKEN, WEBHOOK, TLS, KEK, INDEX = (
    "as4-sign",
    "as4-decrypt",
    "jws",
    "token",
    "webhook",
    "tls",
    "kek",
    "index",
)


MORE_SIGN = MappingProxyType({KeyKind.ED25519: "as4-sign-ed25519", KeyKind.P256: "as4-sign-p256"})
MORE_DECRYPT = MappingProxyType({KeyKind.X25519: "as4-decrypt-x25519", KeyKind.P256: "as4-decrypt-p256"})
"""Names of the keys of AS4 profile 2.0, by their kind; they are there only where an agreement uses it."""


@dataclass(frozen=True, kw_only=True)
class KeyRing:
    """Implements ``gateway.store.sealing.KeyService``. Where several keys are held, the first is the one
    in use and the others are for reading."""

    folder: Path
    as4_sign: SigningKey = field(repr=False)
    as4_decrypt: tuple[DecryptionKey, ...] = field(repr=False)
    more_sign: Mapping[KeyKind, SigningKey] = field(repr=False, default_factory=dict)
    """Signing keys of AS4 profile 2.0, as far as they are there; ``as4_sign`` is RSA."""
    more_decrypt: tuple[DecryptionKey, ...] = field(repr=False, default=())
    """Decryption keys of AS4 profile 2.0; ``as4_decrypt`` are RSA."""
    jws: tuple[ec.EllipticCurvePrivateKey, ...] = field(repr=False)
    token: tuple[ec.EllipticCurvePrivateKey, ...] = field(repr=False)
    webhook: tuple[ed25519.Ed25519PrivateKey, ...] = field(repr=False)
    tls_key: Path
    tls_certificate: Path
    keks: Mapping[str, bytes] = field(repr=False)
    """By id; the first is the one that wraps."""
    index_key: bytes = field(repr=False)

    @property
    def decryption_keys(self) -> tuple[DecryptionKey, ...]:
        """Every key that an AS4 message may be encrypted to, of every profile."""
        return (*self.as4_decrypt, *self.more_decrypt)

    def wrap(self, data_key: bytes, *, context: str) -> tuple[str, bytes]:
        """(kek id, nonce ‖ AES-256-GCM of the data key); ``context`` is authenticated with it."""
        kek_id, kek = next(iter(self.keks.items()))
        nonce = os.urandom(_NONCE)
        return kek_id, nonce + AESGCM(kek).encrypt(nonce, data_key, _bound(kek_id, context))

    def unwrap(self, kek_id: str, wrapped: bytes, *, context: str) -> bytes:
        """Raises ConfigError when that key encryption key is not in the folder or is not the one."""
        kek = self.keks.get(kek_id)
        if kek is None:
            raise ConfigError(
                f"{self.folder}: the key encryption key {kek_id} is not here. Restore kek.{kek_id}.key."
            )
        try:
            return AESGCM(kek).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _bound(kek_id, context))
        except (InvalidTag, ValueError) as error:
            raise ConfigError(
                f"A data key does not unwrap with the key encryption key {kek_id}: the row was changed."
            ) from error

    def blind_index(self, kind: str, value: str) -> str:
        """HMAC-SHA-256 (hex) over kind and value; the caller normalises the value first."""
        text = f"{len(kind)}:{kind}|{value}".encode()
        return hmac.new(self.index_key, text, hashlib.sha256).hexdigest()


def _bound(kek_id: str, context: str) -> bytes:
    return f"{kek_id}|{context}".encode()


def kek_id_of(kek: bytes) -> str:
    """16 hex digits; a hash of a random 256-bit key gives nothing away."""
    return hashlib.sha256(b"passerelle kek id\n" + kek).hexdigest()[:16]


def earlier(folder: Path, name: str, suffix: str) -> tuple[Path, ...]:
    """Rotated files of one name, the newest first."""
    found = [p for p in folder.glob(f"{name}.*{suffix}") if p.name != f"{name}{suffix}"]
    return tuple(sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True))


def certificate_of(key_file: Path) -> Path:
    """``name.key.pem`` → ``name.crt.pem``."""
    return key_file.with_name(key_file.name.removesuffix(".key.pem") + ".crt.pem")


def _paired(path: Path, make: Callable[[], P]) -> P:
    """Names the file when key and certificate do not belong together."""
    try:
        return make()
    except ConfigError as error:
        if str(path.parent) in error.detail:
            raise
        raise ConfigError(
            f"{path}: {error.detail}. Put the certificate of this key into {certificate_of(path).name}."
        ) from error


def _signing_key(path: Path, kind: KeyKind) -> SigningKey:
    return _paired(
        path,
        lambda: SigningKey(files.read_signing(path, kind), files.read_chain(certificate_of(path))),
    )


def _decryption_key(path: Path, kind: KeyKind) -> DecryptionKey:
    return _paired(
        path,
        lambda: DecryptionKey(files.read_decryption(path, kind), files.read_chain(certificate_of(path))[0]),
    )


def _decryption_keys(folder: Path, name: str, kind: KeyKind) -> tuple[DecryptionKey, ...]:
    """The one in use first, then those that are kept."""
    paths = (folder / f"{name}.key.pem", *earlier(folder, name, ".key.pem"))
    return tuple(_decryption_key(path, kind) for path in paths)


def _all(folder: Path, name: str, read: Callable[[Path], K]) -> tuple[K, ...]:
    return tuple(read(p) for p in (folder / f"{name}.key.pem", *earlier(folder, name, ".key.pem")))


def load_keyring(folder: Path) -> KeyRing:
    """Reads every key of ``folder`` (the instance's ``keys/``). Raises ConfigError that names the file
    and the cure."""
    keks = [files.read_secret(p) for p in (folder / f"{KEK}.key", *earlier(folder, KEK, ".key"))]
    tls_key, tls_certificate = folder / f"{TLS}.key.pem", folder / f"{TLS}.crt.pem"
    files.read_private(tls_key)
    files.read_chain(tls_certificate)
    return KeyRing(
        folder=folder,
        as4_sign=_signing_key(folder / f"{AS4_SIGN}.key.pem", KeyKind.RSA),
        as4_decrypt=_decryption_keys(folder, AS4_DECRYPT, KeyKind.RSA),
        more_sign={
            kind: _signing_key(folder / f"{name}.key.pem", kind)
            for kind, name in MORE_SIGN.items()
            if (folder / f"{name}.key.pem").exists()
        },
        more_decrypt=tuple(
            key
            for kind, name in MORE_DECRYPT.items()
            if (folder / f"{name}.key.pem").exists()
            for key in _decryption_keys(folder, name, kind)
        ),
        jws=_all(folder, JWS, files.read_p256),
        token=_all(folder, TOKEN, files.read_p256),
        webhook=_all(folder, WEBHOOK, files.read_ed25519),
        tls_key=tls_key,
        tls_certificate=tls_certificate,
        keks={kek_id_of(kek): kek for kek in keks},
        index_key=files.read_secret(folder / f"{INDEX}.key"),
    )
