"""Every setting of ``[alerts]`` and ``[smtp]`` has its effect, and wrong ones are refused with the cure."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.alert_parts import alert_transport, make_mailer, make_sender, node_name
from gateway.bootstrap import Instance
from gateway.config import make_settings
from gateway.config_alerts import Alerts, Smtp
from gateway.core.alert_kinds import Severity
from gateway.core.alerts import AlertPlan, QuietHours, Recipient, Via
from gateway.core.errors import ConfigError
from gateway.core.roles import Side
from gateway.flows.ports import Store
from gateway.flows.webhook_targets import resolved_address_allowed
from gateway.transport.mail import Security
from tests.fixtures.alerting import anchors
from tests.fixtures.world import make_world

SECONDS = dt.timedelta(seconds=1)


def plan(**values: Any) -> AlertPlan:
    return make_settings({"alerts": values}).alerts.plan()


def one(**values: Any) -> Recipient:
    (recipient,) = plan(**values).recipients
    return recipient


NIGHT = {"quiet_from": "21:30", "quiet_to": "06:15"}
PLANNED: dict[str, tuple[dict[str, Any], Callable[[AlertPlan], Any], Any]] = {
    "interval_s": ({"interval_s": 3}, lambda p: p.interval, 3 * SECONDS),
    "mail_uk": (
        {"mail_uk": ["a@b.uk"]},
        lambda p: [(r.address, r.side, r.via, r.escalation) for r in p.recipients],
        [("a@b.uk", Side.UK, Via.MAIL, False)],
    ),
    "mail_fr": (
        {"mail_fr": ["a@b.fr"]},
        lambda p: [(r.address, r.side, r.escalation) for r in p.recipients],
        [("a@b.fr", Side.FR, False)],
    ),
    "escalation_uk": (
        {"escalation_uk": ["a@b.uk"]},
        lambda p: [(r.side, r.escalation) for r in p.recipients],
        [(Side.UK, True)],
    ),
    "escalation_fr": (
        {"escalation_fr": ["a@b.fr"]},
        lambda p: [(r.side, r.escalation) for r in p.recipients],
        [(Side.FR, True)],
    ),
    "webhooks": (
        {"webhooks": ["https://x.example/in major"]},
        lambda p: [(r.address, r.via, r.side, r.least) for r in p.recipients],
        [("https://x.example/in", Via.WEBHOOK, None, Severity.MAJOR)],
    ),
    "quiet_from": (NIGHT, lambda p: p.quiet[Side.UK].begin, dt.time(21, 30)),
    "quiet_to": (NIGHT, lambda p: p.quiet[Side.FR].end, dt.time(6, 15)),
    "zone_uk": (
        NIGHT | {"zone_uk": "Atlantic/Reykjavik"},
        lambda p: p.quiet[Side.UK].zone,
        "Atlantic/Reykjavik",
    ),
    "zone_fr": (NIGHT | {"zone_fr": "Indian/Reunion"}, lambda p: p.quiet[Side.FR].zone, "Indian/Reunion"),
    "escalate_critical_s": (
        {"escalate_critical_s": 5},
        lambda p: p.policy.escalate[Severity.CRITICAL],
        5 * SECONDS,
    ),
    "escalate_major_s": ({"escalate_major_s": 0}, lambda p: p.policy.escalate[Severity.MAJOR], None),
    "escalate_minor_s": ({"escalate_minor_s": 5}, lambda p: p.policy.escalate[Severity.MINOR], 5 * SECONDS),
    "calm_s": ({"calm_s": 5}, lambda p: p.policy.calm, 5 * SECONDS),
    "repeat_s": ({"repeat_s": 5}, lambda p: p.policy.repeat, 5 * SECONDS),
    "backlog_age_s": ({"backlog_age_s": 5}, lambda p: p.policy.backlog_age, 5 * SECONDS),
    "certificate_days": ({"certificate_days": [3, 90, 3]}, lambda p: p.policy.certificate_days, (90, 3)),
    "quota_left_days": ({"quota_left_days": 0.5}, lambda p: p.policy.quota_left, 43_200 * SECONDS),
    "disk_free_bytes": ({"disk_free_bytes": 5}, lambda p: p.policy.disk_free_bytes, 5),
    "database_down_s": ({"database_down_s": 5}, lambda p: p.policy.database_down, 5 * SECONDS),
    "worker_silent_s": ({"worker_silent_s": 5}, lambda p: p.policy.worker_silent, 5 * SECONDS),
    "audit_full_s": ({"audit_full_s": 600}, lambda p: p.policy.audit_full, 600 * SECONDS),
}


@pytest.mark.parametrize("setting", PLANNED)
def test_what_is_set_is_planned(setting: str) -> None:
    """The value arrives in the plan, and the default gives another."""
    values, look, expected = PLANNED[setting]
    assert look(plan(**values)) == expected
    without = {k: v for k, v in values.items() if k != setting}
    if not setting.startswith("quiet"):
        assert look(plan(**without)) != expected


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with make_world(start=False) as world:
        yield Instance.load(world.uk)


def changed(base: Instance, **sections: dict[str, Any]) -> Instance:
    return dataclasses.replace(base, settings=make_settings(sections))


def sender_of(instance: Instance) -> Any:
    store: Store = object()  # type: ignore[assignment] # wiring only passes it on
    return make_sender(instance, instance.exchange(store), alert_transport(instance))


@pytest.mark.parametrize(
    ("setting", "value", "look", "expected"),
    [
        ("host", "other.test", lambda m: m.host, "other.test"),
        ("port", 465, lambda m: m.port, 465),
        ("security", "tls", lambda m: m.security, Security.TLS),
        ("timeout_s", 7, lambda m: m.timeout_s, 7),
        ("unsafe_plain", True, lambda m: m.security, Security.UNSAFE_PLAIN),
    ],
)
def test_the_mail_server_is_the_one_of_the_settings(
    instance: Instance, setting: str, value: object, look: Callable[[Any], Any], expected: object
) -> None:
    """Host, port, protection, patience."""
    base = {"host": "mail.test"}
    assert look(make_mailer(changed(instance, smtp=base | {setting: value}))) == expected
    assert look(make_mailer(changed(instance, smtp=base))) != expected


def test_no_host_no_mail(instance: Instance) -> None:
    """Without a host there is no mailer."""
    assert make_mailer(changed(instance, smtp={})) is None


def test_the_password_comes_from_its_file(instance: Instance) -> None:
    """Read when the process starts, its line end cut; a missing file is named."""
    smtp = {"host": "mail.test", "username": "gw", "password_file": "keys/smtp.password"}
    with pytest.raises(ConfigError, match=r"smtp\.password_file"):
        make_mailer(changed(instance, smtp=smtp))
    (instance.folder / "keys" / "smtp.password").write_text("s3cret\n")
    mailer = make_mailer(changed(instance, smtp=smtp))
    assert mailer is not None
    assert (mailer.username, mailer.password) == ("gw", "s3cret")


def test_the_anchors_of_the_mail_server(instance: Instance, tmp_path: Path) -> None:
    """Only those of the folder are believed; without one, the system's."""
    folder = anchors(tmp_path)
    mailer = make_mailer(changed(instance, smtp={"host": "mail.test", "anchors": str(folder)}))
    assert mailer is not None
    assert [c["subject"][-1][0][1] for c in mailer.tls.get_ca_certs()] == ["Mail test CA"]


def test_the_sender_is_the_one_of_the_settings(instance: Instance) -> None:
    """``smtp.sender`` stands in every mail."""
    made = changed(instance, smtp={"sender": "gw@x.test"})
    assert sender_of(made).sender == "gw@x.test"


def test_private_webhooks_need_the_unsafe_option(instance: Instance) -> None:
    """A loopback address is refused in the settings and, when a name leads there, by the transport."""
    private = {"webhooks": ["https://127.0.0.1/in"]}
    with pytest.raises(ConfigError, match="private"):
        make_settings({"alerts": private})
    allowed = changed(instance, alerts=private | {"unsafe_private_webhooks": True})
    assert alert_transport(allowed)._allowed_address is None
    assert alert_transport(changed(instance))._allowed_address is resolved_address_allowed


def test_plain_webhooks_need_the_unsafe_option() -> None:
    """http is refused unless the operator says unsafe."""
    plain = {"webhooks": ["http://x.example/in"]}
    with pytest.raises(ConfigError, match="https"):
        make_settings({"alerts": plain})
    assert one(**plain, unsafe_plain_http_webhooks=True).address == "http://x.example/in"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"mail_uk": ["nobody"]}, "mail address"),
        ({"mail_fr": ["a@b.fr loud"]}, "minor, major or critical"),
        ({"escalation_uk": ["a@b"]}, "mail address"),
        ({"mail_uk": ["a@b.uk\r\nBcc: x@y.uk"]}, "mail address|severity|critical"),
        ({"webhooks": ["ftp://x.example"]}, "https"),
        ({"webhooks": ["https://u:p@x.example"]}, "credentials"),
        ({"mail_uk": [f"a{n}@b.uk" for n in range(51)]}, "mailing list"),
        ({"quiet_from": "22:00"}, "both times"),
        ({"quiet_from": "24:00", "quiet_to": "07:00"}, "both times"),
        ({"quiet_from": "22:00", "quiet_to": "22:00"}, "differ"),
        ({"zone_uk": "Europe/Londres"}, "Europe/London"),
        ({"zone_fr": "../etc"}, "Europe/London"),
        ({"certificate_days": []}, "certificate_days"),
    ],
)
def test_wrong_alert_settings(values: dict[str, Any], says: str) -> None:
    """Refused with the name and the cure."""
    with pytest.raises(ConfigError, match=says):
        make_settings({"alerts": values})


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"sender": "nobody"}, "mail address"),
        ({"username": "x"}, "go together"),
        ({"password_file": "x"}, "go together"),
        ({"username": "x", "password_file": "y", "unsafe_plain": True}, "without TLS"),
        ({"security": "none"}, "smtp.security"),
    ],
)
def test_wrong_smtp_settings(values: dict[str, Any], says: str) -> None:
    """Refused with the name and the cure; a password never goes with plain text."""
    with pytest.raises(ConfigError, match=says):
        make_settings({"smtp": values})


def test_an_address_named_twice_is_told_once() -> None:
    """The first entry counts."""
    assert one(mail_uk=["a@b.uk", "a@b.uk critical"]).least is Severity.MINOR


def test_ids_of_recipients_do_not_tell_addresses() -> None:
    """They are digests, different for each side and way."""
    made = plan(mail_uk=["a@b.uk"], mail_fr=["a@b.uk"], webhooks=["https://b.uk/a"]).recipients
    assert len({r.target_id for r in made}) == 3
    assert all("b.uk" not in r.target_id for r in made)
    assert all(len(r.target_id) <= 64 for r in made)


def test_no_quiet_hours_unless_set() -> None:
    """By default every alert is told at once."""
    assert plan().quiet == {}
    assert plan(**NIGHT).quiet[Side.FR] == QuietHours(
        begin=dt.time(21, 30), end=dt.time(6, 15), zone="Europe/Paris"
    )


def test_a_process_that_only_listens_is_told_apart() -> None:
    """Both are on one machine."""
    assert node_name(works=False) == f"{node_name(works=True)}#web"


def test_the_settings_that_are_shown_elsewhere() -> None:
    """What this module does not look at is looked at in a process (``enabled``)."""
    looked_at = {*PLANNED, "unsafe_private_webhooks", "unsafe_plain_http_webhooks", "enabled"}
    assert looked_at == set(Alerts.model_fields)
    assert set(Smtp.model_fields) == {
        "host",
        "port",
        "security",
        "username",
        "password_file",
        "sender",
        "anchors",
        "timeout_s",
        "unsafe_plain",
    }
