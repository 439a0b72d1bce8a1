"""Client files: what is read, and every mistake is named instead of ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.core.errors import ConfigError
from gateway.core.jws import Alg, public_jwk, signer_of
from gateway.flows.webhook_targets import TargetPolicy
from gateway.flows.webhooks import WebhookEvent
from gateway.web.rest.clients import load_clients, parse_client

SIGNER = signer_of(ec.generate_private_key(ec.SECP256R1()), Alg.ES256)
HOOK = {"id": "h", "url": "https://hooks.example.gov.uk/in", "events": ["inbox.message"]}
GOOD: dict[str, Any] = {
    "client_id": "home-office",
    "alg": "ES256",
    "scopes": ["messages.read"],
    "jwks": [public_jwk(SIGNER.verification_key)],
    "webhooks": [HOOK],
}


def toml(client_id: str) -> str:
    jwk = public_jwk(SIGNER.verification_key)
    lines = [f'client_id = "{client_id}"', 'alg = "ES256"', 'scopes = ["messages.read"]', "[[jwks]]"]
    return "\n".join([*lines, *(f'{k} = "{v}"' for k, v in jwk.items())])


def test_client_is_read() -> None:
    """Keys, scopes and webhooks come out as registered."""
    client = parse_client(GOOD, TargetPolicy())
    assert client.keys[SIGNER.kid].alg is Alg.ES256
    assert client.scopes == {"messages.read"}
    assert client.webhooks[0].events == {WebhookEvent.INBOX_MESSAGE}


def hook(**changes: Any) -> dict[str, Any]:
    return {"webhooks": [{**HOOK, **changes}]}


MISTAKES: dict[str, dict[str, Any]] = {
    "unknown setting": {"surplus": 1},
    "id with slash": {"client_id": "a/b"},
    "id with line break": {"client_id": "home-office\n"},
    "no id": {"client_id": None},
    "weak algorithm": {"alg": "RS256"},
    "no algorithm": {"alg": "none"},
    "algorithm of another key type": {"alg": "PS256"},
    "no scopes": {"scopes": []},
    "unknown scope": {"scopes": ["admin"]},
    "scopes a string": {"scopes": "messages.read"},
    "no keys": {"jwks": []},
    "keys missing": {"jwks": None},
    "kid twice": {"jwks": [GOOD["jwks"][0], GOOD["jwks"][0]]},
    "kid empty": {"jwks": [{**GOOD["jwks"][0], "kid": ""}]},
    "thumbprint too short": {"certificate_sha256": "short"},
    "webhooks not a list": {"webhooks": {}},
    "webhook with unknown setting": hook(surplus=1),
    "webhook without events": hook(events=[]),
    "webhook with unknown event": hook(events=["everything"]),
    "plain http": hook(url="http://hooks.example.gov.uk/in"),
    "credentials": hook(url="https://user:pass@hooks.example.gov.uk"),
    "loopback": hook(url="https://127.0.0.1/in"),
    "loopback v6": hook(url="https://[::1]/in"),
    "private mapped to v6": hook(url="https://[::ffff:10.0.0.1]/in"),
    "link-local": hook(url="https://169.254.169.254/latest"),
    "private": hook(url="https://10.1.2.3/in"),
    "localhost": hook(url="https://localhost/in"),
    "numeric host": hook(url="https://2130706433/in"),
    "no host": hook(url="https:///in"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_refused(name: str) -> None:
    """A wrong, unknown or weak setting is a ConfigError, never silently ignored."""
    with pytest.raises(ConfigError):
        parse_client({**GOOD, **MISTAKES[name]}, TargetPolicy())


def test_private_and_plain_targets_only_when_allowed() -> None:
    """Each of the two unsafe settings allows just what it says."""
    loopback = {**GOOD, "webhooks": [{**HOOK, "url": "https://127.0.0.1/in"}]}
    plain = {**GOOD, "webhooks": [{**HOOK, "url": "http://hooks.example.gov.uk/in"}]}
    parse_client(loopback, TargetPolicy(allow_private=True))
    parse_client(plain, TargetPolicy(allow_plain=True))
    with pytest.raises(ConfigError):
        parse_client(plain, TargetPolicy(allow_private=True))
    with pytest.raises(ConfigError):
        parse_client(loopback, TargetPolicy(allow_plain=True))


def test_folder_is_read_and_names_must_agree(tmp_path: Path) -> None:
    """Every file is one client; a file named otherwise than its client is refused by name."""
    (tmp_path / "one.toml").write_text(toml("one"), encoding="utf-8")
    (tmp_path / "two.toml").write_text(toml("two"), encoding="utf-8")
    assert set(load_clients(tmp_path).clients) == {"one", "two"}
    (tmp_path / "three.toml").write_text(toml("one"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"three\.toml"):
        load_clients(tmp_path)


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    """Broken TOML is a ConfigError that names the file."""
    (tmp_path / "one.toml").write_text("client_id = ", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"one\.toml"):
        load_clients(tmp_path)
