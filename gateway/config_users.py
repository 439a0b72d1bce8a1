"""Settings of people who log in: the console's sessions and lock-out, and the OIDC provider."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from gateway.config_sections import Seconds, _Section, check_url
from gateway.core.batches import BatchPolicy
from gateway.core.errors import InvalidParameter
from gateway.core.lockout import Lockout
from gateway.core.oidc import ProviderPlan
from gateway.core.people import clean_roles
from gateway.core.roles import Role, Side
from gateway.flows.people import SignInPolicy

_Pair = Annotated[str, Field(pattern=r"^.+=[a-z]+$")]
_ALGORITHMS = Literal["RS256", "PS256", "ES256", "EdDSA"]


class Console(_Section):
    """Signing in to the console and to commands that act in a person's name; actions on many messages."""

    session_s: Annotated[float, Field(ge=60, le=86_400)] = Field(
        default=36_000, description="seconds after which a session ends, whatever is done in it"
    )
    idle_s: Annotated[float, Field(ge=60, le=86_400)] = Field(
        default=1800, description="seconds without a request after which a session ends"
    )
    failures: int = Field(default=5, ge=1, le=100, description="failures of one name before it is locked out")
    address_failures: int = Field(
        default=30, ge=1, le=10_000, description="failures from one address before it is locked out"
    )
    lockout_s: Seconds = Field(
        default=60, description="seconds of the first lock-out; each further one doubles"
    )
    longest_lockout_s: Seconds = Field(default=900, description="cap of the lock-out")
    proxies: tuple[str, ...] = Field(
        default=(), description="addresses or networks of proxies whose X-Forwarded-For is believed"
    )
    local_accounts: bool = Field(default=True, description="false to sign in through the OIDC provider only")
    second_person_above: int = Field(
        default=1,
        ge=0,
        le=100_000,
        description="so many messages at once need no second person; 0: one message needs one too",
    )
    batch_per_second: Annotated[float, Field(gt=0, le=1000)] = Field(
        default=5, description="messages per second of an action on many messages, over all nodes"
    )
    reveal_s: Annotated[float, Field(ge=300, le=900)] = Field(
        default=600, description="seconds for which a reasoned look at personal data lasts (5 to 15 minutes)"
    )
    batch_most: int = Field(default=5000, ge=1, le=20_000, description="messages of one action")
    unsafe_optional_second_factor: bool = Field(
        default=False, description="true to let people sign in with a password alone until they enrol"
    )

    @model_validator(mode="after")
    def _meaningful(self) -> Self:
        if self.longest_lockout_s < self.lockout_s:
            raise ValueError("longest_lockout_s must not be below lockout_s")
        for proxy in self.proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as exc:
                raise ValueError("proxies holds addresses or networks, such as 10.0.0.0/8") from exc
        return self

    def batches(self) -> BatchPolicy:
        """As the use cases take it."""
        return BatchPolicy(
            second_person_above=self.second_person_above,
            per_second=self.batch_per_second,
            most=self.batch_most,
        )

    def reveal(self) -> dt.timedelta:
        """How long a look at personal data lasts."""
        return dt.timedelta(seconds=self.reveal_s)

    def policy(self) -> SignInPolicy:
        """As the use cases take it."""
        first = dt.timedelta(seconds=self.lockout_s)
        longest = dt.timedelta(seconds=self.longest_lockout_s)
        return SignInPolicy(
            absolute=dt.timedelta(seconds=self.session_s),
            idle=dt.timedelta(seconds=self.idle_s),
            names=Lockout(failures=self.failures, first=first, longest=longest),
            addresses=Lockout(failures=self.address_failures, first=first, longest=longest),
            second_factor=not self.unsafe_optional_second_factor,
            local_accounts=self.local_accounts,
        )


class Oidc(_Section):
    """Sign-in at an OpenID Connect provider (code flow with PKCE); off without an issuer."""

    issuer: str | None = Field(default=None, description="the provider's issuer address, exactly as it says")
    client_id: str | None = Field(default=None, description="our client id at the provider")
    client_secret_file: Path | None = Field(
        default=None, description="a file with our client secret; nothing for a public client"
    )
    label: str = Field(default="OpenID Connect", description="what the button on the log-in page says")
    scopes: str = Field(default="openid profile", description="scopes asked for, openid among them")
    algorithms: tuple[_ALGORITHMS, ...] = Field(
        default=("RS256", "PS256", "ES256", "EdDSA"), description="algorithms of ID tokens that are taken"
    )
    name_claim: str = Field(default="preferred_username", description="the claim that names a new account")
    create_accounts: bool = Field(
        default=False, description="true to make an account at the first sign-in of somebody with a role"
    )
    roles_claim: str = Field(default="groups", description="the claim with the values mapped to roles")
    roles: tuple[_Pair, ...] = Field(
        default=(),
        description="a list of value=role; with one, roles follow the provider at every sign-in",
    )
    side_claim: str | None = Field(default=None, description="the claim with the values mapped to sides")
    sides: tuple[_Pair, ...] = Field(default=(), description="a list of value=side (uk or fr)")
    side: Side = Field(default=Side.UK, description="the side when no claim says it: uk or fr")
    second_factor_amr: tuple[str, ...] = Field(
        default=("mfa",),
        description="values of amr that show a second factor; without one we ask for our own",
    )
    anchors: Path | None = Field(
        default=None, description="a folder with the CA certificates (*.pem) of the provider's TLS server"
    )
    timeout_s: Seconds = Field(default=10, description="seconds for one call to the provider")
    unsafe_plain_http: bool = Field(default=False, description="true only in tests: http beyond loopback")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.issuer is None:
            return self
        try:
            check_url(self.issuer, allowed=self.unsafe_plain_http)
        except ValueError as exc:
            example = "https://id.example.gouv.fr/realms/agents"
            raise ValueError(f"issuer is an https address such as {example}; http on loopback only") from exc
        if urlsplit(self.issuer).query:
            raise ValueError("the issuer has no query")
        if not self.client_id:
            raise ValueError("with an issuer, client_id is needed")
        if "openid" not in self.scopes.split():
            raise ValueError("scopes must hold openid")
        if not self.algorithms:
            raise ValueError("algorithms must name one at least")
        if any(not set(self.role_map[value]) <= set(Role) for value in self.role_map):
            raise ValueError("roles maps values to roles, such as gateway-operators=operator")
        if not set(self.side_map.values()) <= set(Side):
            raise ValueError("sides maps values to uk or fr")
        if (self.side_claim is None) == bool(self.sides):
            raise ValueError("side_claim and sides go together: the claim, and which value is which side")
        if self.create_accounts and not self.roles:
            raise ValueError("create_accounts needs roles: nobody gets an account without a role")
        for wanted in self.role_map.values():
            try:
                clean_roles(wanted)
            except InvalidParameter as exc:
                raise ValueError(exc.detail) from exc
        return self

    @property
    def role_map(self) -> dict[str, tuple[str, ...]]:
        """Value of the claim → roles."""
        found: dict[str, tuple[str, ...]] = {}
        for pair in self.roles:
            value, _, role = pair.rpartition("=")
            found[value] = (*found.get(value, ()), role)
        return found

    @property
    def side_map(self) -> dict[str, str]:
        return {pair.rpartition("=")[0]: pair.rpartition("=")[2] for pair in self.sides}

    def plan(self, client_secret: str | None) -> ProviderPlan | None:
        """As the use cases take it; None without an issuer."""
        if self.issuer is None or self.client_id is None:
            return None
        return ProviderPlan(
            issuer=self.issuer,
            client_id=self.client_id,
            client_secret=client_secret,
            label=self.label,
            scopes=self.scopes,
            algorithms=self.algorithms,
            name_claim=self.name_claim,
            create_accounts=self.create_accounts,
            roles_claim=self.roles_claim,
            roles={value: tuple(Role(role) for role in roles) for value, roles in self.role_map.items()},
            side_claim=self.side_claim,
            sides={value: Side(side) for value, side in self.side_map.items()},
            side=self.side,
            second_factor_amr=frozenset(self.second_factor_amr),
            allow_http=self.unsafe_plain_http,
        )
