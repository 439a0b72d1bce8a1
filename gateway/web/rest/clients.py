"""Registered UK clients: one ``clients/<client_id>.toml`` each.

```toml
client_id = "home-office-returns"
alg = "ES256"                     # the only algorithm this client may sign with: ES256, PS256 or EdDSA
scopes = ["readmission.write", "messages.read", "inbox.read", "inbox.acknowledge"]
certificate_sha256 = "…"          # optional: x5t#S256 (base64url) of its TLS certificate; binds its tokens

[[jwks]]                          # public JWKs; several while a key is being replaced
kty = "EC"
crv = "P-256"
kid = "…"
x = "…"
y = "…"

[[webhooks]]
id = "returns-1"
url = "https://returns.example.gov.uk/hooks"
events = ["inbox.message", "message.status"]
```
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.core.errors import ConfigError
from gateway.core.jws import Alg, VerificationKey, load_public_jwk
from gateway.core.tokens import SCOPES
from gateway.flows.webhook_targets import TargetPolicy, check_target
from gateway.flows.webhooks import WebhookEvent, WebhookTarget

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MEMBERS = frozenset({"client_id", "alg", "scopes", "certificate_sha256", "jwks", "webhooks"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """One registered client; ``keys`` by kid, all with the client's one algorithm."""

    client_id: str
    alg: Alg
    keys: Mapping[str, VerificationKey]
    scopes: frozenset[str]
    certificate_sha256: str | None = None
    webhooks: tuple[WebhookTarget, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientRegistry:
    """All registered clients, by id."""

    clients: Mapping[str, Client]

    def get(self, client_id: str) -> Client | None:
        return self.clients.get(client_id)

    @property
    def webhooks(self) -> tuple[WebhookTarget, ...]:
        return tuple(hook for client in self.clients.values() for hook in client.webhooks)


def make_registry(clients: Iterable[Client]) -> ClientRegistry:
    """Raises ConfigError when two clients or two webhooks share an id."""
    found: dict[str, Client] = {}
    hooks: set[str] = set()
    for client in clients:
        if client.client_id in found:
            raise ConfigError(f"two clients are called {client.client_id}")
        found[client.client_id] = client
        for hook in client.webhooks:
            if hook.webhook_id in hooks:
                raise ConfigError(f"two webhooks are called {hook.webhook_id}")
            hooks.add(hook.webhook_id)
    return ClientRegistry(clients=found)


def load_clients(
    folder: Path, *, allow_private_webhooks: bool = False, allow_plain_webhooks: bool = False
) -> ClientRegistry:
    """Read every ``*.toml`` of the folder. Raises ConfigError that names the file and the cure."""
    policy = TargetPolicy(allow_private=allow_private_webhooks, allow_plain=allow_plain_webhooks)
    return make_registry(load_client(path, policy) for path in sorted(folder.glob("*.toml")))


def load_client(path: Path, policy: TargetPolicy) -> Client:
    """One client file. Raises ConfigError."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        client = parse_client(raw, policy)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"{path.name}: not a readable TOML file") from exc
    except ConfigError as exc:
        raise ConfigError(f"{path.name}: {exc.detail}") from exc
    if client.client_id != path.stem:
        raise ConfigError(f"{path.name}: client_id must be the name of the file")
    return client


def parse_client(raw: Mapping[str, object], policy: TargetPolicy) -> Client:
    """Check one client's settings. Unknown members are refused: a typing error must not weaken anything."""
    unknown = sorted(set(raw) - _MEMBERS)
    if unknown:
        raise ConfigError(f"unknown setting {unknown[0]}")
    client_id = raw.get("client_id")
    if not isinstance(client_id, str) or not _ID.fullmatch(client_id):
        raise ConfigError("client_id must be letters, digits, dot, hyphen or underscore, at most 64")
    try:
        alg = Alg(str(raw.get("alg")))
    except ValueError:
        raise ConfigError("alg must be ES256, PS256 or EdDSA") from None
    scopes = raw.get("scopes")
    if not isinstance(scopes, list) or not scopes or any(s not in SCOPES for s in scopes):
        raise ConfigError(f"scopes must be a list out of {', '.join(SCOPES)}")
    thumbprint = raw.get("certificate_sha256")
    if thumbprint is not None and not re.fullmatch(r"[A-Za-z0-9_-]{43}", str(thumbprint)):
        raise ConfigError("certificate_sha256 must be the base64url SHA-256 of the certificate (x5t#S256)")
    return Client(
        client_id=client_id,
        alg=alg,
        keys=_keys(raw.get("jwks"), alg),
        scopes=frozenset(scopes),
        certificate_sha256=None if thumbprint is None else str(thumbprint),
        webhooks=_webhooks(raw.get("webhooks", []), client_id, policy),
    )


def _keys(raw: object, alg: Alg) -> dict[str, VerificationKey]:
    if not isinstance(raw, list) or not raw:
        raise ConfigError("at least one public key is needed: [[jwks]]")
    keys: dict[str, VerificationKey] = {}
    for jwk in raw:
        kid = jwk.get("kid") if isinstance(jwk, dict) else None
        if not isinstance(kid, str) or not kid or kid in keys:
            raise ConfigError("every [[jwks]] needs a kid of its own")
        keys[kid] = load_public_jwk(jwk, alg)
    return keys


def _webhooks(raw: object, client_id: str, policy: TargetPolicy) -> tuple[WebhookTarget, ...]:
    if not isinstance(raw, list):
        raise ConfigError("webhooks must be tables: [[webhooks]]")
    targets = []
    for hook in raw:
        if not isinstance(hook, dict) or set(hook) != {"id", "url", "events"}:
            raise ConfigError("a webhook has exactly id, url and events")
        if not _ID.fullmatch(str(hook["id"])) or not isinstance(hook["events"], list) or not hook["events"]:
            raise ConfigError("a webhook needs an id and a list of events")
        try:
            events = frozenset(WebhookEvent(str(e)) for e in hook["events"])
        except ValueError:
            raise ConfigError(f"events must be out of {', '.join(WebhookEvent)}") from None
        check_target(str(hook["url"]), policy)
        targets.append(
            WebhookTarget(
                webhook_id=str(hook["id"]), client_id=client_id, url=str(hook["url"]), events=events
            )
        )
    return tuple(targets)
