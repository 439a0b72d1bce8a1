"""Every setting has an effect: what is configured arrives where it is used, and none is forgotten here.

What the values then do is tested beside the parts themselves (transport, worker, retry, REST, AS4).
"""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.bootstrap import Instance
from gateway.config import Settings, make_settings
from gateway.config_alerts import Alerts, Smtp
from gateway.config_users import Oidc
from gateway.core.errors import ConfigError
from gateway.core.records import Channel
from gateway.flows.ports import Store
from gateway.tracing import make_tracing
from gateway.web import as4 as as4_web
from gateway.wiring import (
    breaker_policy,
    french_transport,
    make_french_app,
    make_puller,
    make_uk_app,
    make_worker,
    pull_transport,
    retry_schedule,
    webhook_transport,
)
from tests.fixtures.agreements import PULLED_FR, agreement
from tests.fixtures.world import World, make_world
from tests.unit.config.test_people_settings import CONSOLE


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with make_world(start=False) as made:
        yield made


@dataclasses.dataclass
class Made:
    """An instance with one setting changed, and its parts on demand."""

    instance: Instance

    @property
    def settings(self) -> Settings:
        return self.instance.settings

    def exchange(self) -> Any:
        store: Store = object()  # type: ignore[assignment] # wiring only passes it on
        return self.instance.exchange(store)

    def uk_app(self) -> Any:
        return make_uk_app(self.instance, self.exchange(), self.instance.load_clients())

    def uk_settings(self) -> Any:
        app = self.uk_app()
        return next(v.settings for v in app.values() if hasattr(v, "token_signer"))

    def traced(self) -> bool:
        part = self.settings.tracing.model_copy(update={"endpoint": "http://127.0.0.1:1/v1/traces"})
        tracing = make_tracing(part)
        assert tracing is not None
        parent = tracing.traceparent("01a209a5-3441-7bec-8c67-0b3606c46e59")
        tracing.close()
        return parent is not None and parent.endswith("-01")

    def as4_app(self) -> Any:
        return make_french_app(self.instance, self.exchange(), self.instance.make_access_point())

    def inbox(self) -> Any:
        return self.as4_app()[as4_web._INBOX]

    def noise(self) -> Any:
        return self.inbox().noise.limits

    def puller(self) -> Any:
        pulled = dataclasses.replace(self.instance, agreement=agreement(fr_to_uk=PULLED_FR))
        return make_puller(pulled, self.exchange(), pulled.make_access_point(), pull_transport(self.instance))

    def worker(self) -> Any:
        return make_worker(
            self.instance,
            self.exchange(),
            self.instance.make_access_point(),
            french=french_transport(self.instance),
            webhooks=webhook_transport(self.instance),
        )

    def delivery(self) -> Any:
        handler = self.worker().handlers[Channel.AS4]
        return next(c.cell_contents for c in handler.__closure__ if hasattr(c.cell_contents, "url"))


Look = Callable[[Made], Any]
_OPTIONAL, _REQUIRED = ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED

EFFECTS: dict[str, tuple[Any, Look, Any]] = {
    "uk_api.host": ("127.0.0.2", lambda m: m.exchange().issuer, "https://127.0.0.2:{port}"),
    "uk_api.port": (5555, lambda m: m.exchange().issuer, "https://127.0.0.1:5555"),
    "uk_api.tls": (False, lambda m: m.instance.uk_tls(), None),
    "uk_api.client_certificates": ("optional", lambda m: m.instance.uk_tls().verify_mode, _OPTIONAL),
    "uk_api.rate_per_second": (7.5, lambda m: m.uk_settings().rate_per_second, 7.5),
    "uk_api.rate_burst": (3, lambda m: m.uk_settings().rate_burst, 3),
    "uk_api.longest_wait_s": (9, lambda m: m.uk_settings().longest_wait.total_seconds(), 9),
    "uk_api.public_url": ("https://gw.example/", lambda m: m.exchange().issuer, "https://gw.example"),
    "as4.tls": (False, lambda m: m.instance.as4_tls(), None),
    "as4.client_certificates": ("required", lambda m: m.instance.as4_tls().verify_mode, _REQUIRED),
    "as4.message_id_domain": (
        "gw.example",
        lambda m: m.instance.make_access_point().as4_message_id("1"),
        "1@gw.example",
    ),
    "as4.refusals_per_second": (7, lambda m: m.noise().per_second, 7),
    "as4.refusals_burst": (7, lambda m: m.noise().burst, 7),
    "as4.refusals_audited": (7, lambda m: m.noise().entries, 7),
    "pull.lease_s": (7, lambda m: m.inbox().pull_lease.total_seconds(), 7),
    "pull.receipt_timeout_s": (7, lambda m: m.delivery().receipt_timeout.total_seconds(), 7),
    "pull.interval_s": (7, lambda m: m.puller().plan.interval_s, 7),
    "pull.longest_wait_s": (70, lambda m: m.puller().plan.longest_wait_s, 70),
    "france.url": ("https://as4.example/as4", lambda m: m.delivery().url, "https://as4.example/as4"),
    "france.connect_timeout_s": (
        3,
        lambda m: french_transport(m.instance)._timeout.sock_connect,
        3,
    ),
    "france.total_timeout_s": (4, lambda m: french_transport(m.instance)._timeout.total, 4),
    "france.least_rate": (7, lambda m: french_transport(m.instance)._least_rate, 7),
    "france.connections": (5, lambda m: french_transport(m.instance)._connections, 5),
    "tls.minimum": (
        "1.3",
        lambda m: {
            c.minimum_version for c in (m.instance.as4_tls(), m.instance.uk_tls(), m.instance.french_tls())
        },
        {ssl.TLSVersion.TLSv1_3},
    ),
    "database.url": ("sqlite:///other.db", lambda m: m.instance.database_url[-9:], "/other.db"),
    "retry.schedule_s": ((0, 3), lambda m: m.delivery().schedule.delays, (0, 3)),
    "retry.jitter": (0.5, lambda m: retry_schedule(m.settings).jitter, 0.5),
    "retry.retry_after_max_s": (8, lambda m: retry_schedule(m.settings).max_retry_after, 8),
    "retry.max_age_s": (99, lambda m: retry_schedule(m.settings).max_age.total_seconds(), 99),
    "breaker.failures": (2, lambda m: m.delivery().breaker.threshold, 2),
    "breaker.first_wait_s": (0.3, lambda m: breaker_policy(m.settings).first_wait.total_seconds(), 0.3),
    "breaker.longest_wait_s": (70, lambda m: breaker_policy(m.settings).longest_wait.total_seconds(), 70),
    "limits.as4_message_bytes": (4096, lambda m: m.as4_app()[as4_web._MAX_BYTES], 4096),
    "limits.as4_answer_bytes": (4096, lambda m: french_transport(m.instance)._max_answer_bytes, 4096),
    "limits.uk_body_bytes": (4096, lambda m: m.exchange().limits.message_bytes, 4096),
    "limits.attachments_bytes": (4096, lambda m: m.exchange().limits.attachments_bytes, 4096),
    "limits.attachment_bytes": (4096, lambda m: m.exchange().limits.attachment_bytes, 4096),
    "limits.attachments": (3, lambda m: m.exchange().limits.attachments, 3),
    "limits.read_s": (
        7,
        lambda m: (m.exchange().limits.read_seconds, m.as4_app()[as4_web._READ_TIMEOUT]),
        (7, 7),
    ),
    "limits.least_rate": (
        7,
        lambda m: (m.exchange().limits.least_rate, m.as4_app()[as4_web._LEAST_RATE]),
        (7, 7),
    ),
    "worker.large_concurrency": (3, lambda m: (m.worker().lane.places, m.delivery().lane.places), (3, 3)),
    "worker.concurrency": (17, lambda m: m.worker().plan.concurrency, 17),
    "worker.poll_s": (2.5, lambda m: m.worker().plan.poll_s, 2.5),
    "worker.lease_s": (
        444,
        lambda m: (m.worker().plan.lease.total_seconds(), m.delivery().lease.total_seconds()),
        (444, 444),
    ),
    "worker.drain_s": (1.5, lambda m: m.worker().plan.drain_s, 1.5),
    "holds.two_persons": (["row7."], lambda m: m.exchange().holds.of("row7.located_in_france").persons, 2),
    "metrics.cache_s": (30, lambda m: m.uk_settings().metrics_cache_s, 30),
    "tracing.sample": (0, lambda m: m.traced(), False),
    "webhooks.timeout_s": (1.25, lambda m: webhook_transport(m.instance)._timeout.total, 1.25),
    "webhooks.unsafe_private_targets": (
        True,
        lambda m: webhook_transport(m.instance)._allowed_address,
        None,
    ),
}
"""setting → (value, how to see it, what is then seen)."""

ELSEWHERE = {
    "as4.agreement": "test_pull_lives: both sides live by an agreement of their own",
    "as4.host": "test_lives: the address the ministry posts to",
    "as4.port": "test_lives: the address the ministry posts to",
    "uk_api.events_kept_days": "tests/integration/inbox/test_retention",
    "database.password_file": "test_database_password",
    "webhooks.unsafe_plain_http": "test_plain_webhooks_need_the_unsafe_option",
    "console.proxies": "tests/integration/people/test_http: test_addresses_behind_a_proxy",
    "console.reveal_s": "test_reveal_setting",
    "console.second_person_above": "tests/integration/actions/test_cli",
    "console.batch_per_second": "tests/integration/actions/test_cli",
    "console.batch_most": "tests/integration/actions/test_cli",
    **{f"console.{name}": "test_people_settings" for name in CONSOLE},
    **{f"oidc.{name}": "test_people_settings" for name in Oidc.model_fields},
    **{f"alerts.{name}": "tests/unit/alerts/test_settings" for name in Alerts.model_fields},
    **{f"smtp.{name}": "tests/unit/alerts/test_settings" for name in Smtp.model_fields},
    **dict.fromkeys(
        ("metrics.host", "metrics.port", "metrics.token_file", "tracing.endpoint"),
        "test_metrics, test_traces: processes that listen there, and ask for the token",
    ),
    "metrics.unsafe_plain_http": "test_plain_http_needs_the_unsafe_option",
    "log.level": "test_processes: what the gateway's process writes",
    "log.format": "test_processes: what the gateway's process writes",
    **dict.fromkeys(
        (
            "uk_api.client_anchors",
            "as4.client_anchors",
            "france.anchors",
            "keys.folder",
            "keys.trust",
            "keys.clients",
        ),
        "test_folders_are_those_of_the_settings",
    ),
    "france.present_client_certificate": "test_our_certificate_is_shown_only_when_asked",
    **{
        f"{part}.unsafe_plain_http": "test_plain_http_needs_the_unsafe_option"
        for part in ("uk_api", "as4", "france")
    },
}


@cache
def loaded(folder: Path) -> Instance:
    return Instance.load(folder)


def make(world: World, setting: str, value: object) -> Made:
    base = loaded(world.uk)
    section, key = setting.split(".")
    values: dict[str, dict[str, Any]] = {
        "uk_api": {"port": world.uk_port},
        "france": {"url": base.settings.france.url},
    }
    values["uk_api"]["client_anchors"] = "trust/fr/anchors"
    values.setdefault(section, {})[key] = value
    return Made(dataclasses.replace(base, settings=make_settings(values)))


@pytest.mark.parametrize("setting", EFFECTS)
async def test_what_is_set_is_used(world: World, setting: str) -> None:
    """The value arrives at the part that uses it, and differs from what the default would give."""
    value, look, expected = EFFECTS[setting]
    if isinstance(expected, str):
        expected = expected.replace("{port}", str(world.uk_port))
    changed = make(world, setting, value)
    assert look(changed) == expected
    section, key = setting.split(".")
    default = getattr(getattr(Settings(), section), key)
    unchanged = make(world, setting, default)
    if setting != "uk_api.port":
        assert look(unchanged) != expected


def test_no_setting_is_forgotten() -> None:
    """Every setting is in the table above or names the test that shows its effect."""
    every = {
        f"{name}.{key}"
        for name, field in Settings.model_fields.items()
        for key in field.annotation.model_fields  # type: ignore[union-attr]
    }
    assert every == {*EFFECTS, *ELSEWHERE}


@pytest.mark.parametrize(
    ("setting", "use"),
    [
        ("france.anchors", lambda i: i.french_tls()),
        ("as4.client_anchors", lambda i: i.as4_tls()),
        ("uk_api.client_anchors", lambda i: i.uk_tls()),
        ("keys.trust", lambda i: i.load_partner()),
    ],
)
def test_folders_are_those_of_the_settings(
    world: World, setting: str, use: Callable[[Instance], object]
) -> None:
    """A folder that is not there is missed: the setting decides where we look."""
    section, key = setting.split(".")
    values: dict[str, dict[str, Any]] = {
        "as4": {"client_certificates": "required"},
        "uk_api": {"client_certificates": "required", "client_anchors": "trust/fr/anchors"},
    }
    base = loaded(world.uk)
    use(dataclasses.replace(base, settings=make_settings(values)))
    values.setdefault(section, {})[key] = "nowhere"
    with pytest.raises(ConfigError, match="nowhere"):
        use(dataclasses.replace(base, settings=make_settings(values)))


def test_key_and_client_folders(world: World, tmp_path: Path) -> None:
    """``keys.folder`` and ``keys.clients`` name where keys and clients are read."""
    (tmp_path / "passerelle.toml").write_text(f'[keys]\nfolder = "{world.uk}/keys"\nclients = "nobody"\n')
    instance = Instance.load(tmp_path)
    assert instance.keyring.folder == world.uk / "keys"
    assert instance.load_clients().clients == {}
    (tmp_path / "passerelle.toml").write_text('[keys]\nfolder = "nowhere"\n')
    with pytest.raises(ConfigError, match="nowhere"):
        Instance.load(tmp_path)


def test_our_certificate_is_shown_only_when_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """``france.present_client_certificate`` loads our TLS key into the context towards France."""
    loaded: list[object] = []
    monkeypatch.setattr("gateway.transport.tls._load_pair", lambda *args: loaded.append(args))
    make(world, "france.present_client_certificate", False).instance.french_tls()
    assert loaded == []
    make(world, "france.present_client_certificate", True).instance.french_tls()
    assert len(loaded) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"uk_api": {"host": "192.0.2.1", "tls": False}},
        {"as4": {"host": "192.0.2.1", "tls": False}},
        {"france": {"url": "http://as4.example.fr/as4"}},
        {"metrics": {"host": "192.0.2.1", "port": 9464}},
    ],
)
def test_plain_http_needs_the_unsafe_option(values: dict[str, dict[str, Any]]) -> None:
    """What is refused becomes possible with the option of that section, and only of that section."""
    ((section, chosen),) = values.items()
    with pytest.raises(ConfigError):
        make_settings(values)
    for other in {"uk_api", "as4", "france", "metrics"} - {section}:
        with pytest.raises(ConfigError):
            make_settings({**values, other: {"unsafe_plain_http": True}})
    make_settings({section: {**chosen, "unsafe_plain_http": True}})


def test_plain_webhooks_need_the_unsafe_option(world: World, tmp_path: Path) -> None:
    """A registered http target is refused at start unless ``webhooks.unsafe_plain_http`` is on."""
    text = next((world.uk / "clients").glob("*.toml")).read_text()
    name = next((world.uk / "clients").glob("*.toml")).name
    hook = '\n[[webhooks]]\nid = "h"\nurl = "http://hooks.example.org/in"\nevents = ["inbox.message"]\n'
    (tmp_path / name).write_text(text + hook)

    def load(allowed: bool) -> object:
        values = {"keys": {"clients": tmp_path}, "webhooks": {"unsafe_plain_http": allowed}}
        return dataclasses.replace(loaded(world.uk), settings=make_settings(values)).load_clients()

    with pytest.raises(ConfigError):
        load(allowed=False)
    load(allowed=True)
