"""What alerts are made of in a running process, from an ``Instance``: mailer, sender, what the node sees."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import socket
from collections.abc import Callable, Mapping
from typing import Final

from gateway.alerting import Alerting
from gateway.certificates import certificates
from gateway.flows.alert_conditions import Certificate, Surroundings
from gateway.flows.alert_notices import AlertSender
from gateway.flows.exchange import Exchange
from gateway.flows.ports import Transport
from gateway.instance import Instance
from gateway.transport.http import HttpTransport
from gateway.transport.mail import Security, SmtpMailer
from gateway.transport.tls import client_context
from gateway.wiring import hook_transport, retry_schedule

_CERTIFICATES_FOR: Final = dt.timedelta(hours=1)


def node_name(*, works: bool) -> str:
    """This process among the nodes: its machine; one that does not deliver is told apart."""
    host = socket.gethostname()
    return host if works else f"{host}#web"


def make_mailer(instance: Instance) -> SmtpMailer | None:
    """None when no mail server is set. Raises ConfigError."""
    part = instance.settings.smtp
    if not part.host:
        return None
    anchors = None if part.anchors is None else instance.folder / part.anchors
    return SmtpMailer(
        host=part.host,
        port=part.port,
        security=Security.UNSAFE_PLAIN if part.unsafe_plain else Security(part.security),
        tls=client_context(anchors=anchors, minimum=instance.settings.tls.minimum),
        timeout_s=part.timeout_s,
        username=part.username or None,
        password=instance.secret("smtp.password_file", part.password_file),
    )


def alert_transport(instance: Instance) -> HttpTransport:
    """Towards the webhooks of alerts."""
    return hook_transport(instance, private=instance.settings.alerts.unsafe_private_webhooks)


def make_sender(instance: Instance, exchange: Exchange, transport: Transport) -> AlertSender:
    """What telling works with. Raises ConfigError."""
    return AlertSender(
        store=exchange.store,
        clock=instance.clock,
        transport=transport,
        mailer=make_mailer(instance),
        recipients={recipient.target_id: recipient for recipient in exchange.alerts.recipients},
        sender=instance.settings.smtp.sender,
        issuer=exchange.issuer,
        key=instance.keyring.webhook[0],
        schedule=retry_schedule(instance.settings),
        lease=dt.timedelta(seconds=4 * instance.settings.smtp.timeout_s + 60),
    )


class Outlook:
    """What this node sees of itself; certificates are read once an hour."""

    def __init__(self, instance: Instance, parts: Mapping[str, Callable[[], bool]], *, works: bool) -> None:
        self._instance, self._parts, self._works = instance, parts, works
        self._read_at: dt.datetime | None = None
        self._certificates: tuple[Certificate, ...] = ()

    async def look(self) -> Surroundings:
        """Never raises for a disk that cannot be asked: then it is not judged."""
        now = self._instance.clock.now()
        if self._read_at is None or now - self._read_at >= _CERTIFICATES_FOR:
            self._certificates = await asyncio.to_thread(certificates, self._instance)
            self._read_at = now
        return Surroundings(
            node=node_name(works=self._works),
            works=self._works,
            stopped=tuple(name for name, ended in self._parts.items() if ended()),
            disk_free=await asyncio.to_thread(self._disk_free),
            certificates=self._certificates,
        )

    def _disk_free(self) -> int | None:
        try:
            return shutil.disk_usage(self._instance.folder).free
        except OSError:
            return None


def make_alerting(
    instance: Instance,
    exchange: Exchange,
    transport: Transport,
    parts: Mapping[str, Callable[[], bool]],
    *,
    works: bool,
) -> Alerting:
    """The watcher of this process. ``parts``: by name, whether one that should run has ended. Raises
    ConfigError."""
    return Alerting(
        exchange=exchange,
        sender=make_sender(instance, exchange, transport),
        look_around=Outlook(instance, parts, works=works).look,
        node=node_name(works=works),
    )
