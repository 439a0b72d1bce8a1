"""Settings of people who log in: each arrives where it is used; what makes no sense is refused."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.setup import make_instance
from gateway.config import make_settings
from gateway.config_users import Oidc
from gateway.core.errors import ConfigError
from gateway.core.oidc import ProviderPlan
from gateway.core.roles import Role, Side
from gateway.flows.people import SignInPolicy
from gateway.instance import Instance
from gateway.transport.oidc import OidcHttp

Look = Callable[[SignInPolicy], Any]
CONSOLE: dict[str, tuple[Any, Look, Any]] = {
    "session_s": (120, lambda p: p.absolute, dt.timedelta(minutes=2)),
    "idle_s": (120, lambda p: p.idle, dt.timedelta(minutes=2)),
    "failures": (2, lambda p: p.names.failures, 2),
    "address_failures": (7, lambda p: p.addresses.failures, 7),
    "lockout_s": (30, lambda p: (p.names.first, p.addresses.first), (dt.timedelta(seconds=30),) * 2),
    "longest_lockout_s": (
        70,
        lambda p: (p.names.longest, p.addresses.longest),
        (dt.timedelta(seconds=70),) * 2,
    ),
    "local_accounts": (False, lambda p: p.local_accounts, False),
    "unsafe_optional_second_factor": (True, lambda p: p.second_factor, False),
}
PLAN: dict[str, tuple[Any, Callable[[ProviderPlan], Any], Any]] = {
    "issuer": ("https://other.example", lambda p: p.issuer, "https://other.example"),
    "client_id": ("other", lambda p: p.client_id, "other"),
    "label": ("Ministry", lambda p: p.label, "Ministry"),
    "scopes": ("openid email", lambda p: p.scopes, "openid email"),
    "algorithms": (["ES256"], lambda p: p.algorithms, ("ES256",)),
    "name_claim": ("email", lambda p: p.name_claim, "email"),
    "create_accounts": (True, lambda p: p.create_accounts, True),
    "roles_claim": ("roles", lambda p: p.roles_claim, "roles"),
    "roles": (
        ["a=b=viewer", "c=quotas"],
        lambda p: p.roles["a=b"] + p.roles["c"],
        (Role.VIEWER, Role.QUOTAS),
    ),
    "side_claim": ("country", lambda p: p.side_claim, "country"),
    "sides": (["FR=fr"], lambda p: p.sides.get("FR"), Side.FR),
    "side": ("fr", lambda p: p.side, Side.FR),
    "second_factor_amr": (["hwk"], lambda p: p.second_factor_amr, {"hwk"}),
    "unsafe_plain_http": (True, lambda p: p.allow_http, True),
}
BASE: dict[str, Any] = {
    "issuer": "https://id.example",
    "client_id": "gw",
    "roles": ["x=operator"],
    "side_claim": "side",
    "sides": ["GB=uk"],
}


@pytest.mark.parametrize("name", CONSOLE)
def test_settings_of_the_console(name: str) -> None:
    """Each changes the policy that signing in works with."""
    value, look, expected = CONSOLE[name]
    assert look(make_settings({"console": {name: value}, "oidc": BASE}).console.policy()) == expected
    assert look(make_settings({}).console.policy()) != expected


@pytest.mark.parametrize("name", PLAN)
def test_settings_of_the_provider(name: str) -> None:
    """Each changes what is asked of the provider, or taken from it."""
    value, look, expected = PLAN[name]

    def plan(**changes: Any) -> ProviderPlan:
        made = make_settings({"oidc": BASE | changes}).oidc.plan(None)
        assert made is not None
        return made

    assert look(plan(**{name: value})) == expected
    if name != "roles":
        assert look(plan()) != expected


def test_without_an_issuer_there_is_no_provider() -> None:
    """Nothing is configured by default."""
    assert make_settings({}).oidc.plan(None) is None


def test_files_of_the_provider(tmp_path: Path) -> None:
    """The client secret and the certificates are read from where the settings say, in the time they say."""
    folder = tmp_path / "uk"
    oidc = {**BASE, "client_secret_file": "keys/oidc.secret", "timeout_s": 3}
    make_instance(folder, {"oidc": oidc})
    with pytest.raises(ConfigError, match=r"oidc\.client_secret_file"):
        Instance.load(folder).provider()
    (folder / "keys" / "oidc.secret").write_text("s3cret\n", "utf-8")
    provider = Instance.load(folder).provider()
    assert provider is not None
    assert provider.plan.client_secret == "s3cret"
    assert isinstance(provider.calls, OidcHttp)
    assert provider.calls.timeout_s == 3
    text = (folder / "passerelle.toml").read_text("utf-8")
    line = next(line for line in text.splitlines() if line.startswith("# anchors") and "provider" in line)
    (folder / "passerelle.toml").write_text(text.replace(line, 'anchors = "trust/nowhere"'), "utf-8")
    with pytest.raises(ConfigError):
        Instance.load(folder).provider()


@pytest.mark.parametrize(
    "values",
    [
        {"console": {"lockout_s": 60, "longest_lockout_s": 30}},
        {"console": {"proxies": ["proxy.example"]}},
        {"console": {"session_s": 5}},
        {"oidc": {"issuer": "https://id.example"}},
        {"oidc": {**BASE, "issuer": "http://id.example"}},
        {"oidc": {**BASE, "issuer": "https://id.example/?x=1"}},
        {"oidc": {**BASE, "scopes": "profile"}},
        {"oidc": {**BASE, "algorithms": []}},
        {"oidc": {**BASE, "algorithms": ["none"]}},
        {"oidc": {**BASE, "algorithms": ["HS256"]}},
        {"oidc": {**BASE, "roles": ["x=king"]}},
        {"oidc": {**BASE, "roles": ["x=administrator", "x=operator"]}},
        {"oidc": {**BASE, "sides": ["DE=de"]}},
        {"oidc": {**BASE, "sides": []}},
        {"oidc": {**BASE, "side_claim": None}},
        {"oidc": {**BASE, "issuer": "id.example/realms/x"}},
        {"console": {"local_accounts": False}},
        {"oidc": {"issuer": "https://id.example", "client_id": "gw", "create_accounts": True}},
    ],
)
def test_settings_without_sense(values: dict[str, dict[str, Any]]) -> None:
    """Refused at start, not at three in the morning."""
    with pytest.raises(ConfigError):
        make_settings(values)


def test_every_setting_of_the_provider_is_in_the_tables() -> None:
    """None is forgotten here."""
    assert set(Oidc.model_fields) == {*PLAN, "client_secret_file", "anchors", "timeout_s"}
