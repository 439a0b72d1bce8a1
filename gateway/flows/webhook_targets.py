"""Where webhooks may go: https, and public addresses only, unless an operator says otherwise (SSRF)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetPolicy:
    """Which targets may be registered; both are off unless an operator sets ``unsafe_…``."""

    allow_private: bool = False
    allow_plain: bool = False


def check_target(url: str, policy: TargetPolicy) -> None:
    """Refuse targets that are not https, or whose literal address is not public. Raises ConfigError.

    A host name is judged again by ``resolved_address_allowed`` when it is resolved (rebinding).
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (policy.allow_plain and parts.scheme == "http"):
        raise ConfigError("a webhook target must be https")
    if not host or parts.username or parts.password or parts.fragment:
        raise ConfigError("a webhook target needs a host, and no credentials or fragment")
    if policy.allow_private:
        return
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        raise ConfigError("a webhook target must not be a private or link-local address")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if host.replace(".", "").isdigit() or host.lower().startswith("0x"):
            raise ConfigError("a webhook target must not be a numeric host name") from None
        return
    if not resolved_address_allowed(str(address)):
        raise ConfigError("a webhook target must not be a private or link-local address")


def resolved_address_allowed(address: str) -> bool:
    """Whether a resolved address is public (no private, loopback, link-local, multicast or reserved)."""
    value = ipaddress.ip_address(address)
    if isinstance(value, ipaddress.IPv6Address) and value.ipv4_mapped is not None:
        value = value.ipv4_mapped
    return value.is_global and not value.is_multicast
