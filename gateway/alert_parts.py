"""What alerts are made of in a running process, from an ``Instance``: mailer, sender, what the node sees."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.alerting import Alerting
from gateway.core.errors import ConfigError, Side
from gateway.flows.alert_conditions import Certificate, Surroundings
from gateway.flows.alert_notices import AlertSender
from gateway.flows.exchange import Exchange
from gateway.flows.ports import Transport
from gateway.flows.webhooks import resolved_address_allowed
from gateway.instance import Instance
from gateway.keys import files
from gateway.keys.partner import encrypts, signs
from gateway.transport.http import HttpTransport
from gateway.transport.mail import Security, SmtpMailer
from gateway.transport.tls import client_context
from gateway.wiring import retry_schedule

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
    password = None
    if part.password_file is not None:
        try:
            password = (instance.folder / part.password_file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(
                f"smtp.password_file: {part.password_file} cannot be read; correct the path"
            ) from exc
    anchors = None if part.anchors is None else instance.folder / part.anchors
    return SmtpMailer(
        host=part.host,
        port=part.port,
        security=Security.UNSAFE_PLAIN if part.unsafe_plain else Security(part.security),
        tls=client_context(anchors=anchors, minimum=instance.settings.tls.minimum),
        timeout_s=part.timeout_s,
        username=part.username or None,
        password=password,
    )


def alert_transport(instance: Instance) -> HttpTransport:
    """Towards the webhooks of alerts."""
    hooks = instance.settings.webhooks
    private = instance.settings.alerts.unsafe_private_webhooks
    return HttpTransport(
        clock=instance.clock,
        tls=client_context(anchors=None, minimum=instance.settings.tls.minimum),
        connect_timeout_s=hooks.timeout_s,
        total_timeout_s=hooks.timeout_s,
        max_answer_bytes=65_536,
        allowed_address=None if private else resolved_address_allowed,
    )


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


def certificates(instance: Instance) -> tuple[Certificate, ...]:
    """Ours as this process uses them, the partner's as they lie in its folder: of several for one use the one
    that lasts longest. A file that cannot be read is left out: ``passerelle check`` names it."""
    keys = instance.keyring
    own = [
        ("as4-sign", keys.as4_sign.certificate),
        ("as4-decrypt", keys.as4_decrypt[0].certificate),
        *((f"as4-sign ({kind.value})", key.certificate) for kind, key in keys.more_sign.items()),
        *((f"as4-decrypt ({key.kind.value})", key.certificate) for key in keys.more_decrypt),
    ]
    own += [("tls", chain[0]) for chain in _chains(keys.tls_certificate)]
    found = [_certificate(name, Side.UK, certificate) for name, certificate in own]
    longest: dict[str, Certificate] = {}
    for name, certificate in _of_partner(instance):
        one = _certificate(name, Side.FR, certificate)
        held = longest.get(name)
        if held is None or held.not_after < one.not_after:
            longest[name] = one
    return (*found, *longest.values())


def _chains(path: Any) -> Iterator[tuple[x509.Certificate, ...]]:
    try:
        yield tuple(files.read_chain(path))
    except ConfigError:
        return


def _of_partner(instance: Instance) -> Iterator[tuple[str, x509.Certificate]]:
    trust = instance.folder / instance.settings.keys.trust
    party = instance.agreement.parties.fr.id
    for path in sorted((trust / "party").glob("*.pem")):
        for chain in _chains(path):
            for certificate in chain:
                if signs(certificate):
                    yield f"{party} signature", certificate
                if encrypts(certificate):
                    yield f"{party} encryption", certificate
    for path in sorted((trust / "anchors").glob("*.pem")):
        for chain in _chains(path):
            for certificate in chain:
                name = hashes_of(certificate)[:8]
                yield f"{party} anchor {name}", certificate


def hashes_of(certificate: x509.Certificate) -> str:
    """SHA-256 fingerprint, hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _certificate(name: str, side: Side, certificate: x509.Certificate) -> Certificate:
    return Certificate(
        name=name, side=side, fingerprint=hashes_of(certificate), not_after=certificate.not_valid_after_utc
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
