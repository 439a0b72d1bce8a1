"""The realm that the tests make: one client, groups that mean sides and roles, invented agents."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyotp

from gateway.clock import SystemClock
from tests.interop.oidc.keycloak import Keycloak

CLIENT_ID = "passerelle-console"
PASSWORD = secrets.token_urlsafe(12)
"""Of every invented agent of this run."""
OTP_SECRET = secrets.token_hex(10)
"""Keycloak keeps the key of an authenticator as text; its octets are the key."""
AGENTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "oliver": ("Oliver", "Testword", ("passerelle-uk", "passerelle-operators")),
    "amelie": ("Amélie", "Essai", ("passerelle-fr", "passerelle-superviseurs")),
    "norole": ("Nora", "Testword", ("passerelle-uk",)),
    "noside": ("Ned", "Testword", ("passerelle-operators",)),
    "toomuch": ("Tom", "Testword", ("passerelle-uk", "passerelle-operators", "passerelle-admins")),
}
"""User name → given name, family name, groups. Amélie has an authenticator at the provider."""
SETTINGS: dict[str, Any] = {
    "client_id": CLIENT_ID,
    "label": "Ministry ID",
    "create_accounts": True,
    "roles_claim": "groups",
    "roles": [
        "passerelle-operators=operator",
        "passerelle-superviseurs=supervisor",
        "passerelle-admins=administrator",
    ],
    "side_claim": "groups",
    "sides": ["passerelle-uk=uk", "passerelle-fr=fr"],
}
"""Section ``oidc`` for this realm, but for issuer, secret and anchors."""


_REUSABLE_CODES: dict[str, Any] = {
    "otpPolicyType": "totp",
    "otpPolicyAlgorithm": "HmacSHA1",
    "otpPolicyInitialCounter": 0,
    "otpPolicyDigits": 6,
    "otpPolicyLookAheadWindow": 1,
    "otpPolicyPeriod": 30,
    "otpPolicyCodeReusable": True,
}
"""The tests are faster than the half minute of a code. Without the rest Keycloak leaves the last one out."""


def one_time_code() -> str:
    """Of Amélie's authenticator, now."""
    key = base64.b32encode(OTP_SECRET.encode()).decode()
    return pyotp.TOTP(key).at(SystemClock().now())


def _agent(name: str) -> dict[str, Any]:
    given, family, groups = AGENTS[name]
    credentials: list[dict[str, Any]] = [{"type": "password", "value": PASSWORD, "temporary": False}]
    if name == "amelie":
        credentials.append(
            {
                "type": "otp",
                "secretData": f'{{"value":"{OTP_SECRET}"}}',
                "credentialData": '{"subType":"totp","digits":6,"counter":0,"period":30,'
                '"algorithm":"HmacSHA1"}',
            }
        )
    return {
        "username": name,
        "enabled": True,
        "firstName": given,
        "lastName": family,
        "email": f"{name}@agents.example",
        "emailVerified": True,
        "groups": [f"/{group}" for group in groups],
        "realmRoles": ["passerelle-auditeur"] if name == "oliver" else [],
        "credentials": credentials,
    }


def _mapper(name: str, kind: str, **config: str) -> dict[str, Any]:
    return {
        "name": name,
        "protocol": "openid-connect",
        "protocolMapper": kind,
        "config": {"id.token.claim": "true", "access.token.claim": "true", **config},
    }


def _client(secret: str, redirect_uris: Iterable[str]) -> dict[str, Any]:
    """As docs/users.md says: confidential, the code flow alone, PKCE demanded, three mappers."""
    return {
        "clientId": CLIENT_ID,
        "secret": secret,
        "publicClient": False,
        "standardFlowEnabled": True,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "redirectUris": list(redirect_uris),
        "attributes": {"pkce.code.challenge.method": "S256"},
        "protocolMappers": [
            _mapper(
                "groups", "oidc-group-membership-mapper", **{"claim.name": "groups", "full.path": "false"}
            ),
            _mapper("amr", "oidc-amr-mapper"),
            _mapper(
                "realm roles",
                "oidc-usermodel-realm-role-mapper",
                **{"claim.name": "realm_access.roles", "multivalued": "true", "jsonType.label": "String"},
            ),
        ],
    }


@dataclass(frozen=True)
class Realm:
    """One realm of the server, and what its administrator does there."""

    keycloak: Keycloak
    name: str
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(16) + "/%: +")
    """Of the client; with signs that a form or a header would swallow (RFC 6749 2.3.1)."""

    @property
    def issuer(self) -> str:
        return self.keycloak.issuer(self.name)

    def admin(self, method: str, path: str, body: object = None) -> Any:
        return self.keycloak.admin(method, f"/{self.name}{path}", body)

    def make(self, redirect_uris: Iterable[str]) -> Realm:
        """The realm with everything in it; a second factor shows in ``amr``."""
        self.keycloak.admin(
            "POST",
            "",
            {
                "realm": self.name,
                "enabled": True,
                "sslRequired": "all",
                "internationalizationEnabled": True,
                "supportedLocales": ["en", "fr"],
                "defaultLocale": "en",
                **_REUSABLE_CODES,
                "groups": [{"name": g} for g in sorted({g for _, _, gs in AGENTS.values() for g in gs})],
                "roles": {"realm": [{"name": "passerelle-auditeur"}]},
                "clients": [_client(self.secret, redirect_uris)],
                "users": [_agent(name) for name in AGENTS],
            },
        )
        for execution in self.admin("GET", "/authentication/flows/browser/executions"):
            value = {"auth-username-password-form": "pwd", "auth-otp-form": "mfa"}.get(
                execution.get("providerId", "")
            )
            if value:
                config = {"default.reference.value": value, "default.reference.maxAge": "36000"}
                self.admin(
                    "POST",
                    f"/authentication/executions/{execution['id']}/config",
                    {"alias": f"reference {value}", "config": config},
                )
        return self

    # ---- what its administrator changes

    def change_client(self, **changes: Any) -> None:
        """``attributes`` are merged, everything else replaced."""
        (found,) = self.admin("GET", f"/clients?clientId={CLIENT_ID}")
        merged = {**found, **changes}
        merged["attributes"] = {**found["attributes"], **changes.get("attributes", {})}
        self.admin("PUT", f"/clients/{found['id']}", merged)

    def add_mapper(self, name: str, kind: str, **config: str) -> None:
        (found,) = self.admin("GET", f"/clients?clientId={CLIENT_ID}")
        self.admin("POST", f"/clients/{found['id']}/protocol-mappers/models", _mapper(name, kind, **config))

    def agent_id(self, name: str) -> str:
        (found,) = self.admin("GET", f"/users?username={name}&exact=true")
        return str(found["id"])

    def change_agent(self, name: str, **changes: Any) -> None:
        path = f"/users/{self.agent_id(name)}"
        self.admin("PUT", path, {**self.admin("GET", path), **changes})

    def give_group(self, name: str, group: str, *, instead_of: str) -> None:
        groups = {g["name"]: g["id"] for g in self.admin("GET", "/groups")}
        path = f"/users/{self.agent_id(name)}/groups"
        self.admin("DELETE", f"{path}/{groups[instead_of]}")
        self.admin("PUT", f"{path}/{groups[group]}")

    def rotate_key(self, *, keep_old: bool) -> None:
        """A new RSA key signs from now on; the old one is still published, or gone."""
        realm_id = self.admin("GET", "")["id"]
        kind = "org.keycloak.keys.KeyProvider"
        older = [
            c for c in self.admin("GET", f"/components?type={kind}") if c["providerId"] == "rsa-generated"
        ]
        self.add_key("rsa-generated", priority=1000, parent=realm_id)
        if not keep_old:
            for component in older:
                self.admin("DELETE", f"/components/{component['id']}")

    def add_key(self, provider: str, *, priority: int, parent: str | None = None, **config: str) -> None:
        self.admin(
            "POST",
            "/components",
            {
                "name": f"{provider} of the test",
                "providerId": provider,
                "providerType": "org.keycloak.keys.KeyProvider",
                "parentId": parent or self.admin("GET", "")["id"],
                "config": {
                    "priority": [str(priority)],
                    "enabled": ["true"],
                    "active": ["true"],
                    **{name.replace("_", "."): [value] for name, value in config.items()},
                },
            },
        )
