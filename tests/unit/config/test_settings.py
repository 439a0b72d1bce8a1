"""Settings: closed, explained, and the environment wins."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.check import unsafe_settings
from gateway.config import SETTINGS_FILE, Settings, load_settings, make_settings, settings_text
from gateway.core.errors import ConfigError


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("PASSERELLE_"):
            monkeypatch.delenv(name)


def write(folder: Path, text: str) -> Path:
    (folder / SETTINGS_FILE).write_text(text, "utf-8")
    return folder


def test_the_written_file_says_the_defaults(tmp_path: Path) -> None:
    """A file from ``settings_text`` loads to the defaults, with and without its comments' values in force."""
    assert load_settings(write(tmp_path, settings_text())) == Settings()
    in_force = re.sub(r'^# (\w+ = (?!""))', r"\1", settings_text(), flags=re.MULTILINE)
    assert load_settings(write(tmp_path, in_force)) == Settings()


def test_every_setting_is_explained() -> None:
    """Each key has a description that says what to give: errors quote it as the cure."""
    for name, field in Settings.model_fields.items():
        for key, setting in field.annotation.model_fields.items():  # type: ignore[union-attr]
            assert setting.description, f"{name}.{key}"


def test_values_of_the_file_count(tmp_path: Path) -> None:
    """What the file says is what the settings hold."""
    text = '[france]\nurl = "https://as4.example.fr/as4"\n[retry]\nschedule_s = [0, 1.5]\n'
    settings = load_settings(write(tmp_path, text))
    assert settings.france.url == "https://as4.example.fr/as4"
    assert settings.retry.schedule_s == (0, 1.5)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``PASSERELLE_SECTION__KEY`` replaces one key and leaves its neighbours as the file says."""
    monkeypatch.setenv("PASSERELLE_UK_API__PORT", "9999")
    monkeypatch.setenv("PASSERELLE_RETRY__SCHEDULE_S", "[0, 7]")
    settings = load_settings(write(tmp_path, '[uk_api]\nport = 1\nhost = "::1"\n'))
    assert (settings.uk_api.port, settings.uk_api.host) == (9999, "::1")
    assert settings.retry.schedule_s == (0, 7)


@pytest.mark.parametrize("name", ["PASSERELLE_UK_API__PROT", "PASSERELLE_NOTHING", "PASSERELLE_X__Y"])
def test_unknown_variables_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A variable with our prefix that sets nothing is a mistake, named in the error."""
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigError, match=name):
        load_settings(write(tmp_path, ""))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown section": ({"frnace": {}}, "frnace is not a setting"),
    "unknown key": ({"france": {"uri": "https://x.fr"}}, "france.uri is not a setting"),
    "port out of range": ({"uk_api": {"port": 70_000}}, "uk_api.port.*TCP port"),
    "plain http to France": ({"france": {"url": "http://as4.example.fr"}}, "france.*https"),
    "no host in the url": ({"france": {"url": "https:///as4"}}, "france.*https"),
    "credentials in the url": ({"france": {"url": "https://a:b@x.fr"}}, "france.*https"),
    "plain API on a public address": ({"uk_api": {"host": "192.0.2.1", "tls": False}}, "uk_api.*tls = true"),
    "plain AS4 on a public address": ({"as4": {"host": "192.0.2.1", "tls": False}}, "as4.*tls = true"),
    "client certificates without TLS": (
        {"as4": {"tls": False, "client_certificates": "required"}},
        "as4.*need tls",
    ),
    "old TLS": ({"tls": {"minimum": "1.1"}}, "tls.minimum.*older versions"),
    "no attempts": ({"retry": {"schedule_s": []}}, "retry.schedule_s.*list of seconds"),
    "negative wait": ({"retry": {"schedule_s": [0, -1]}}, "retry.schedule_s"),
    "jitter above one": ({"retry": {"jitter": 1.5}}, "retry.jitter"),
    "waits in the wrong order": ({"breaker": {"first_wait_s": 5, "longest_wait_s": 1}}, "longest_wait_s"),
    "lease shorter than an attempt": ({"worker": {"lease_s": 30}}, "worker.lease_s must be longer"),
    "another database": ({"database": {"url": "mysql://u:geheim@h/d"}}, "database.url.*sqlite"),
    "no worker": ({"worker": {"concurrency": 0}}, "worker.concurrency"),
    "bad domain": ({"as4": {"message_id_domain": "Not A Domain"}}, "message_id_domain.*domain name"),
    "unknown log level": ({"log": {"level": "loud"}}, "log.level"),
}


@pytest.mark.parametrize("defect", WRONG)
def test_wrong_values_are_named_with_their_cure(defect: str) -> None:
    """Each wrong value raises ConfigError that names the setting and what to give instead."""
    values, expected = WRONG[defect]
    with pytest.raises(ConfigError, match=expected):
        make_settings(values)


def test_errors_do_not_quote_values() -> None:
    """A database address may hold a password: the error must not."""
    with pytest.raises(ConfigError) as caught:
        make_settings({"database": {"url": "mysql://u:geheim@h/d"}})
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("content", ["[france", 'url = "\\x"', "\x00"])
def test_a_file_that_is_no_toml(tmp_path: Path, content: str) -> None:
    """The error names the file."""
    with pytest.raises(ConfigError, match=SETTINGS_FILE):
        load_settings(write(tmp_path, content))


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    """Without settings the cure is ``passerelle init``."""
    with pytest.raises(ConfigError, match="passerelle init"):
        load_settings(tmp_path)


def test_plain_http_is_allowed_on_loopback_only() -> None:
    """Development on loopback works without TLS and without any unsafe option."""
    settings = make_settings({"uk_api": {"tls": False}, "france": {"url": "http://127.0.0.1:1/as4"}})
    assert unsafe_settings(settings) == ()


def test_unsafe_options_are_off_and_reported() -> None:
    """Every unsafe option is off by default; one that is on is found by name."""
    assert unsafe_settings(Settings()) == ()
    on = make_settings({"france": {"unsafe_plain_http": True, "url": "http://as4.example.fr/as4"}})
    assert unsafe_settings(on) == ("france.unsafe_plain_http",)


def test_settings_text_refuses_unknown_names() -> None:
    """A generated file cannot hold what the gateway would refuse."""
    with pytest.raises(ConfigError, match=r"uk_api\.prot"):
        settings_text({"uk_api": {"prot": 1}})
