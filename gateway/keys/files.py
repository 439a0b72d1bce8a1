"""Key files: written whole or not at all and for their owner only; errors name the file and the cure."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from gateway.core.as4.keys import DecryptionPrivateKey, KeyKind, SigningPrivateKey, key_kind
from gateway.core.errors import ConfigError

SECRET_BYTES = 32


def write_private(path: Path, content: bytes) -> None:
    """Mode 0600 from the first instant; replaces an old file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_public(path: Path, content: bytes) -> None:
    """A certificate: readable by all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(content)
    temporary.replace(path)


def read_private(path: Path) -> bytes:
    """Raises ConfigError when the file is missing, unreadable or open to other users."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: the key file is missing. Run `passerelle init`, or restore it."
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: the key file cannot be read. Check its owner and permissions.") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: the key file is open to other users. Run: chmod 600 '{path}'")
    return content


PrivateKey = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey
)


def read_key(path: Path) -> PrivateKey:
    """A PEM private key of one of the kinds we use. Raises ConfigError."""
    try:
        key = serialization.load_pem_private_key(read_private(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            f"{path}: this is not a PEM private key without a password. Restore or rotate it."
        ) from error
    if not isinstance(key, PrivateKey):
        raise _other_algorithm(path)
    return key


def read_signing(path: Path, kind: KeyKind) -> SigningPrivateKey:
    """A key that signs AS4 messages, of exactly this kind. Raises ConfigError."""
    key = read_key(path)
    if isinstance(key, x25519.X25519PrivateKey) or key_kind(key.public_key()) is not kind:
        raise _other_algorithm(path)
    return key


def read_decryption(path: Path, kind: KeyKind) -> DecryptionPrivateKey:
    """A key that AS4 messages are encrypted to, of exactly this kind. Raises ConfigError."""
    key = read_key(path)
    if isinstance(key, ed25519.Ed25519PrivateKey) or key_kind(key.public_key()) is not kind:
        raise _other_algorithm(path)
    return key


def _other_algorithm(path: Path) -> ConfigError:
    return ConfigError(f"{path}: the key has another algorithm than this purpose needs. Rotate it.")


def read_rsa(path: Path) -> rsa.RSAPrivateKey:
    """Raises ConfigError."""
    key = read_key(path)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _other_algorithm(path)
    return key


def read_p256(path: Path) -> ec.EllipticCurvePrivateKey:
    """Raises ConfigError, also for another curve."""
    key = read_key(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _other_algorithm(path)
    return key


def read_ed25519(path: Path) -> ed25519.Ed25519PrivateKey:
    """Raises ConfigError."""
    key = read_key(path)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise _other_algorithm(path)
    return key


def read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    """PEM certificates, the leaf first. Raises ConfigError."""
    try:
        chain = tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: the certificate is missing. Put it there, or rotate the key.") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: these are not PEM certificates. Put the right file there.") from error
    return chain


def read_secret(path: Path) -> bytes:
    """32 bytes in base64url. Raises ConfigError."""
    text = read_private(path).strip()
    try:
        secret = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ConfigError(f"{path}: this is not base64url. Restore the file from its backup.") from error
    if len(secret) != SECRET_BYTES:
        raise ConfigError(f"{path}: the key must be {SECRET_BYTES} bytes long. Restore it from its backup.")
    return secret


def read_secret_text(path: Path, *, setting: str) -> str:
    """A password or token that ``setting`` keeps in a file of its own: UTF-8, without spaces and line ends
    around it. Raises ConfigError."""
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{setting}: {path} cannot be read; correct the path") from error


def write_secret(path: Path, secret: bytes) -> None:
    write_private(path, base64.urlsafe_b64encode(secret) + b"\n")
