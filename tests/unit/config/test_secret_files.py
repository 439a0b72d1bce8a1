"""Passwords and tokens that settings keep in files of their own: what is said when one cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.alert_parts import make_mailer
from gateway.cli.setup import make_instance
from gateway.core.errors import ConfigError
from gateway.instance import Instance
from gateway.telemetry import telemetry_of

_OIDC = {
    "issuer": "https://id.example",
    "client_id": "gw",
    "roles": ["x=operator"],
    "side_claim": "c",
    "sides": ["GB=uk"],
}
SECRETS: Mapping[str, tuple[dict[str, Any], Callable[[Instance], object]]] = {
    "database.password_file": (
        {"url": "postgresql://passerelle@db.example/passerelle"},
        lambda instance: instance.database_url,
    ),
    "oidc.client_secret_file": (_OIDC, lambda instance: instance.provider()),
    "smtp.password_file": ({"host": "mail.test", "username": "gw"}, make_mailer),
}


def made(folder: Path, setting: str, values: dict[str, Any]) -> Instance:
    section, name = setting.split(".")
    make_instance(folder, {section: values | {name: "keys/the.secret"}})
    return Instance.load(folder)


def told(folder: Path, setting: str) -> str:
    return f"{setting}: {folder.resolve() / 'keys' / 'the.secret'} cannot be read; correct the path"


@pytest.mark.parametrize("setting", SECRETS)
def test_a_missing_secret_is_named(tmp_path: Path, setting: str) -> None:
    """The setting, the whole path and the cure; never a start without the secret."""
    values, read = SECRETS[setting]
    instance = made(tmp_path / "uk", setting, values)
    with pytest.raises(ConfigError) as refusal:
        read(instance)
    assert refusal.value.detail == told(tmp_path / "uk", setting)


@pytest.mark.parametrize("setting", SECRETS)
def test_a_secret_that_is_no_text_is_named_without_its_octets(tmp_path: Path, setting: str) -> None:
    """A file of other octets is refused with the same words, and nothing of it is shown."""
    values, read = SECRETS[setting]
    instance = made(tmp_path / "uk", setting, values)
    (tmp_path / "uk" / "keys" / "the.secret").write_bytes(b"s3cret\xff\n")
    with pytest.raises(ConfigError) as refusal:
        read(instance)
    assert refusal.value.detail == told(tmp_path / "uk", setting)


async def test_the_token_of_the_metrics(tmp_path: Path) -> None:
    """Missing it is named like the others; one that is too short is refused too."""
    instance = made(tmp_path / "uk", "metrics.token_file", {})
    with pytest.raises(ConfigError) as refusal:
        async with telemetry_of(instance):
            pass
    assert refusal.value.detail == told(tmp_path / "uk", "metrics.token_file")
    (tmp_path / "uk" / "keys" / "the.secret").write_text("short\n", "utf-8")
    with pytest.raises(ConfigError, match=r"metrics\.token_file: the token needs 20 characters"):
        async with telemetry_of(instance):
            pass
