"""Certificates and keys that evidence is compared with: those of an instance, or of files given by hand.

Old proofs are signed with old certificates: what was retired or rotated stays known here for ever, its
validity is judged at the time that the proof itself states. Files that cannot be read are left out (whoever
starts the gateway is told of them); that can only make a proof fail, never hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cryptography import x509

from gateway.core.as4.keys import CERTIFICATE_ERRORS
from gateway.core.errors import ConfigError
from gateway.core.jws import Alg, VerificationKey, load_public_jwk
from gateway.core.proofs.known import GATEWAY, Known, thumbprint
from gateway.keys import files
from gateway.keys.keyring import AS4_SIGN, MORE_SIGN, KeyRing, earlier
from gateway.keys.partner import signs


def _read(folder: Path) -> list[x509.Certificate]:
    found: list[x509.Certificate] = []
    for path in sorted(folder.glob("*.pem")):
        try:
            found += files.read_chain(path)
        except ConfigError:
            continue
    return found


def _own(keyring: KeyRing) -> Iterable[x509.Certificate]:
    yield keyring.as4_sign.chain[0]
    for key in keyring.more_sign.values():
        yield key.chain[0]
    for name in (AS4_SIGN, *MORE_SIGN.values()):
        for path in earlier(keyring.folder, name, ".crt.pem"):
            try:
                yield files.read_chain(path)[0]
            except (ConfigError, IndexError):
                continue


def known_of(
    keyring: KeyRing,
    trust: Path,
    *,
    own_party: str,
    partner_party: str,
    clients: Mapping[str, Iterable[VerificationKey]],
) -> Known:
    """What an instance knows: its own signing certificates (rotated ones too), the partner's (retired ones
    too) and CAs, the keys that it signs JSON with, the registered keys of its clients."""
    partner = [c for c in (*_read(trust / "party"), *_read(trust / "retired")) if signs(c)]
    own = [VerificationKey(public_key=key.public_key(), alg=Alg.ES256) for key in keyring.jws]
    keys = {thumbprint(key): owner for owner, listed in clients.items() for key in listed}
    return Known(
        certificates=(*((c, own_party) for c in _own(keyring)), *((c, partner_party) for c in partner)),
        anchors=tuple(_read(trust / "anchors")),
        keys={**keys, **{thumbprint(key): GATEWAY for key in own}},
    )


def known_from(paths: Iterable[Path]) -> Known:
    """PEM certificates and JWK sets (``*.json``) from files and folders, for a verifier without an instance.
    CA certificates become anchors; whose each one is, is not known. Raises ConfigError."""
    listed = [each for path in paths for each in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    certificates: list[x509.Certificate] = []
    keys: dict[str, str] = {}
    for path in listed:
        if path.suffix in {".json", ".jwks"}:
            keys |= {thumbprint(key): "" for key in _jwks(path)}
        elif path.suffix in {".pem", ".crt", ".cer"} and path.is_file():
            certificates += files.read_chain(path)
    if not certificates and not keys:
        raise ConfigError("no certificate (*.pem, *.crt) and no key set (*.json) is there to compare with")
    return Known(
        certificates=tuple((c, "") for c in certificates if not _is_ca(c)),
        anchors=tuple(c for c in certificates if _is_ca(c)),
        keys=keys,
    )


def _jwks(path: Path) -> list[VerificationKey]:
    try:
        raw: Any = json.loads(path.read_bytes())
        rows = raw.get("keys", [raw])
        return [load_public_jwk(row, Alg(row["alg"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ConfigError(f"{path}: this is no JWK set with public keys. Give another file.") from exc


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *CERTIFICATE_ERRORS):
        return False
