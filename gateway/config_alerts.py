"""Settings of alerts: who is told of what and when, thresholds, and the mail server.

A recipient is an address, optionally with the least severity after a blank: ``"ops@example.gov.uk"`` is told
of everything, ``"night@example.gov.uk critical"`` of critical alerts only. Webhooks are written alike.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from gateway.config_sections import Port, Seconds, _Section
from gateway.core.alert_kinds import Severity
from gateway.core.alerts import AlertPlan, AlertPolicy, QuietHours, Recipient, Via
from gateway.core.errors import ConfigError
from gateway.core.roles import Side
from gateway.flows.webhook_targets import TargetPolicy, check_target

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_ESCALATES = Annotated[float, Field(ge=0, le=31_536_000)]
_MOST_RECIPIENTS = 50


def _split(entry: str) -> tuple[str, Severity]:
    """Address and least severity. Raises ValueError."""
    address, _, least = entry.strip().partition(" ")
    try:
        return address, Severity(least.strip() or Severity.MINOR.value)
    except ValueError:
        raise ValueError("after an address only minor, major or critical may stand") from None


def target_id(via: Via, side: Side | None, address: str) -> str:
    """What stands for a recipient in the database and in logs: it does not tell the address."""
    digest = hashlib.sha256(f"{via.value}|{address}".encode()).hexdigest()[:16]
    return f"{via.value}:{side.value if side else 'all'}:{digest}"


class Alerts(_Section):
    """Alerts by mail and webhook (docs/alerts.md): one when an incident opens, one when it is over."""

    enabled: bool = Field(default=True, description="false to raise no alerts at all")
    interval_s: Annotated[float, Field(ge=0.05, le=3600)] = Field(
        default=15, description="seconds between two looks at everything"
    )
    mail_uk: tuple[str, ...] = Field(
        default=(), description='UK operators: "address" or "address least-severity"'
    )
    mail_fr: tuple[str, ...] = Field(default=(), description="French operators, written alike")
    escalation_uk: tuple[str, ...] = Field(
        default=(), description="told on the UK side when nobody has acknowledged in time"
    )
    escalation_fr: tuple[str, ...] = Field(default=(), description="the same on the French side")
    webhooks: tuple[str, ...] = Field(
        default=(), description='https addresses that are told too: "url" or "url least-severity"'
    )
    quiet_from: str = Field(
        default="", description='local time such as "22:00" from which only critical alerts are told'
    )
    quiet_to: str = Field(default="", description='local time such as "07:00" at which the others are')
    zone_uk: str = Field(default="Europe/London", description="time zone of the UK operators")
    zone_fr: str = Field(default="Europe/Paris", description="time zone of the French operators")
    escalate_critical_s: _ESCALATES = Field(
        default=900, description="seconds until a critical alert escalates, 0 for never"
    )
    escalate_major_s: _ESCALATES = Field(default=3600, description="the same for major alerts")
    escalate_minor_s: _ESCALATES = Field(default=0, description="the same for minor alerts")
    calm_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=120, description="seconds that a condition must be over before its alert is cleared"
    )
    repeat_s: Annotated[float, Field(ge=0, le=604_800)] = Field(
        default=3600, description="least seconds between two notices because an incident grew"
    )
    backlog_age_s: Seconds = Field(
        default=900, description="age of the oldest waiting message that is too old"
    )
    certificate_days: Annotated[tuple[Annotated[int, Field(ge=0, le=3650)], ...], Field(min_length=1)] = (
        Field(default=(60, 30, 7, 1), description="days before its end at which a certificate is told of")
    )
    quota_left_days: Annotated[float, Field(ge=0, le=60)] = Field(
        default=3,
        description="days before its time limit at which a request that waits for its quota is told of, "
        "0 for never",
    )
    disk_free_bytes: Annotated[int, Field(ge=0, le=10**15)] = Field(
        default=1_000_000_000, description="free space on the disk of the instance folder, 0 not to look"
    )
    database_down_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=60, description="seconds without the database before it is told of"
    )
    worker_silent_s: Seconds = Field(
        default=180, description="seconds without a sign of a worker, while messages are due"
    )
    audit_full_s: Annotated[float, Field(ge=60, le=31_536_000)] = Field(
        default=86_400, description="seconds between verifications of the whole audit chain"
    )
    unsafe_private_webhooks: bool = Field(
        default=False, description="true to call private or loopback addresses"
    )
    unsafe_plain_http_webhooks: bool = Field(default=False, description="true to call http addresses")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for entry in (*self.mail_uk, *self.mail_fr, *self.escalation_uk, *self.escalation_fr):
            if not _ADDRESS.fullmatch(_split(entry)[0]):
                raise ValueError("a recipient is a mail address, optionally with a severity after a blank")
        for entry in self.webhooks:
            self._check_webhook(_split(entry)[0])
        if len(list(self._recipients())) > _MOST_RECIPIENTS:
            raise ValueError(f"no more than {_MOST_RECIPIENTS} recipients; use a mailing list")
        times = (self.quiet_from, self.quiet_to)
        if any(times) and not all(_TIME.fullmatch(time) for time in times):
            raise ValueError('quiet_from and quiet_to are both times such as "22:00", or both empty')
        if times[0] and times[0] == times[1]:
            raise ValueError("quiet_from and quiet_to must differ, or the quiet hours would never end")
        for zone in (self.zone_uk, self.zone_fr):
            try:
                ZoneInfo(zone)
            except (ZoneInfoNotFoundError, ValueError) as exc:
                raise ValueError("zone_uk and zone_fr are names such as Europe/London") from exc
        return self

    def _check_webhook(self, url: str) -> None:
        policy = TargetPolicy(
            allow_private=self.unsafe_private_webhooks, allow_plain=self.unsafe_plain_http_webhooks
        )
        try:
            check_target(url, policy)
        except ConfigError as exc:
            raise ValueError(f"{exc.detail}; a severity may stand after a blank") from exc

    def _recipients(self) -> Iterator[Recipient]:
        yield from _mails(self.mail_uk, Side.UK, escalation=False)
        yield from _mails(self.mail_fr, Side.FR, escalation=False)
        yield from _mails(self.escalation_uk, Side.UK, escalation=True)
        yield from _mails(self.escalation_fr, Side.FR, escalation=True)
        for entry in self.webhooks:
            url, least = _split(entry)
            yield Recipient(
                target_id=target_id(Via.WEBHOOK, None, url), via=Via.WEBHOOK, address=url, least=least
            )

    def plan(self) -> AlertPlan:
        """What alerts work with. An address that is named twice is told once: as the first entry says."""
        recipients: dict[str, Recipient] = {}
        for recipient in self._recipients():
            recipients.setdefault(recipient.target_id, recipient)
        escalate = {
            Severity.CRITICAL: self.escalate_critical_s,
            Severity.MAJOR: self.escalate_major_s,
            Severity.MINOR: self.escalate_minor_s,
        }
        return AlertPlan(
            recipients=tuple(recipients.values()),
            quiet=self._quiet(),
            interval=dt.timedelta(seconds=self.interval_s),
            policy=AlertPolicy(
                calm=dt.timedelta(seconds=self.calm_s),
                repeat=dt.timedelta(seconds=self.repeat_s),
                escalate={s: dt.timedelta(seconds=v) if v else None for s, v in escalate.items()},
                backlog_age=dt.timedelta(seconds=self.backlog_age_s),
                certificate_days=tuple(sorted(set(self.certificate_days), reverse=True)),
                quota_left=dt.timedelta(days=self.quota_left_days) if self.quota_left_days else None,
                disk_free_bytes=self.disk_free_bytes,
                worker_silent=dt.timedelta(seconds=self.worker_silent_s),
                audit_full=dt.timedelta(seconds=self.audit_full_s),
                database_down=dt.timedelta(seconds=self.database_down_s),
            ),
        )

    def _quiet(self) -> dict[Side, QuietHours]:
        if not self.quiet_from:
            return {}
        begin, end = dt.time.fromisoformat(self.quiet_from), dt.time.fromisoformat(self.quiet_to)
        zones = {Side.UK: self.zone_uk, Side.FR: self.zone_fr}
        return {side: QuietHours(begin=begin, end=end, zone=zone) for side, zone in zones.items()}


def _mails(entries: Iterable[str], side: Side, *, escalation: bool) -> Iterator[Recipient]:
    for entry in entries:
        address, least = _split(entry)
        yield Recipient(
            target_id=target_id(Via.MAIL, side, address),
            via=Via.MAIL,
            address=address,
            least=least,
            side=side,
            escalation=escalation,
        )


class Smtp(_Section):
    """The mail server that takes the alerts."""

    host: str = Field(default="", description="a host name; empty when no mail is sent")
    port: Port = Field(default=587, description="a TCP port: 587 for starttls, 465 for tls")
    security: Literal["starttls", "tls"] = Field(
        default="starttls", description='"starttls" or "tls"; the certificate is always verified'
    )
    username: str = Field(default="", description="for the log-in; empty for none")
    password_file: Path | None = Field(default=None, description="a file that holds the password")
    sender: str = Field(
        default="passerelle@localhost.localdomain",
        description="the address that alerts come from",
    )
    anchors: Path | None = Field(
        default=None, description="a folder with the CA certificates (*.pem); none for those of the system"
    )
    timeout_s: Annotated[float, Field(gt=0, le=120)] = Field(
        default=20, description="seconds for each answer of the mail server"
    )
    unsafe_plain: bool = Field(default=False, description="true to send without TLS; then without a password")

    @model_validator(mode="after")
    def _meaningful(self) -> Self:
        if not _ADDRESS.fullmatch(self.sender):
            raise ValueError("sender is a mail address")
        if bool(self.username) != (self.password_file is not None):
            raise ValueError("username and password_file go together")
        if self.unsafe_plain and self.username:
            raise ValueError("a password must not travel without TLS: turn unsafe_plain off")
        return self
