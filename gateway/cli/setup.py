"""Making an instance folder and registering UK clients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.clock import SystemClock
from gateway.config import SETTINGS_FILE, settings_text
from gateway.core.errors import ConfigError
from gateway.core.jws import Alg, JwsSigner, public_jwk, signer_of
from gateway.core.tokens import SCOPES
from gateway.keys import UK, files, generate_instance
from gateway.keys.pki import private_pem

CLIENT_KEYS = "client-keys"
"""Keys of UK clients that this folder made itself (tests, demo); a real client keeps its own."""


def make_instance(folder: Path, values: dict[str, dict[str, Any]] | None = None) -> None:
    """Keys, settings and empty trust folders. Raises ConfigError when an instance is there already."""
    if (folder / SETTINGS_FILE).exists():
        raise ConfigError(f"{folder} already holds an instance; nothing was changed")
    text = settings_text(values)
    folder.mkdir(parents=True, exist_ok=True)
    generate_instance(folder, identity=UK, now=SystemClock().now())
    for name in ("trust/fr/anchors", "trust/fr/party", "clients"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS_FILE).write_text(text, "utf-8")


def register_client(folder: Path, client_id: str) -> Path:
    """Registers a UK client with all scopes and a new EC P-256 key (ES256); returns the private key file.

    Raises ConfigError when the client exists, or the folder is no instance.
    """
    if not (folder / SETTINGS_FILE).exists():
        raise ConfigError(f"{SETTINGS_FILE} is missing in the folder; run: passerelle init DIR")
    target = folder / "clients" / f"{client_id}.toml"
    if target.exists():
        raise ConfigError(f"client {client_id} is registered already: {target}")
    key = ec.generate_private_key(ec.SECP256R1())
    signer = signer_of(key, Alg.ES256)
    jwk = public_jwk(signer.verification_key)
    lines = [
        f'client_id = "{client_id}"',
        'alg = "ES256"',
        f"scopes = {json.dumps(sorted(SCOPES))}",
        "[[jwks]]",
        *(f"{name} = {json.dumps(value)}" for name, value in jwk.items()),
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines) + "\n", "utf-8")
    private = folder / CLIENT_KEYS / f"{client_id}.key.pem"
    private.parent.mkdir(parents=True, exist_ok=True)
    private.parent.chmod(0o700)
    files.write_private(private, private_pem(key))
    return private


def client_signer(key_file: Path) -> JwsSigner:
    """The signer of a UK client from its private key file. Raises ConfigError."""
    return signer_of(files.read_p256(key_file), Alg.ES256)
