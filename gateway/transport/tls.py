"""TLS contexts of every connection: version 1.2 at least, 1.3 offered (as4.md 34)."""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.core.errors import ConfigError

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CIPHERS_12 = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Forward secrecy and AEAD only, for TLS 1.2 peers."""


def _harden(context: ssl.SSLContext, minimum: str) -> None:
    context.minimum_version = _VERSIONS[minimum]
    context.set_ciphers(_CIPHERS_12)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(
            f"the TLS certificate {certificate.name} or its key {key.name} cannot be used; "
            "put matching PEM files there"
        ) from exc


def _load_anchors(context: ssl.SSLContext, folder: Path) -> None:
    files = sorted(folder.glob("*.pem"))
    if not files:
        raise ConfigError(f"no CA certificate (*.pem) in {folder.name}/; put the partner's anchors there")
    for file in files:
        try:
            context.load_verify_locations(file)
        except (OSError, ssl.SSLError) as exc:
            raise ConfigError(f"{file.name} is not a PEM certificate; replace it") from exc


def server_context(
    *,
    certificate: Path,
    key: Path,
    minimum: str = "1.2",
    client_certificates: str = "none",
    client_anchors: Path | None = None,
) -> ssl.SSLContext:
    """Context of a listener. ``client_certificates``: ``none``, ``optional`` or ``required``.

    Raises ConfigError when a file is missing or unusable.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, minimum)
    _load_pair(context, certificate, key)
    if client_certificates != "none":
        if client_anchors is None:
            raise ConfigError("as4.client_anchors is needed to ask for client certificates")
        _load_anchors(context, client_anchors)
        context.verify_mode = ssl.CERT_REQUIRED if client_certificates == "required" else ssl.CERT_OPTIONAL
    return context


def client_context(
    *,
    anchors: Path | None,
    minimum: str = "1.2",
    certificate: Path | None = None,
    key: Path | None = None,
) -> ssl.SSLContext:
    """Context of a caller: host name and chain are always checked.

    ``anchors`` None means the system's own CA certificates (webhooks). Raises ConfigError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, minimum)
    if anchors is None:
        context.load_default_certs()
    else:
        _load_anchors(context, anchors)
    if certificate is not None and key is not None:
        _load_pair(context, certificate, key)
    return context
