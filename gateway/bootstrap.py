"""Wires an instance: settings, keys, store, use cases, listeners, worker. Only this place knows them all."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import random
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from aiohttp import web

from adapters.fr import FrAdapter
from adapters.uk import UkAdapter
from contracts.codes import Direction
from gateway.clock import SystemClock
from gateway.config import Settings, load_settings
from gateway.core.as4.policy import SecurityPolicy
from gateway.core.breaker import BreakerPolicy
from gateway.core.errors import ConfigError, PasserelleError
from gateway.core.jws import Alg, signer_of
from gateway.core.records import Channel, OutboxEntry
from gateway.core.retry import RetrySchedule
from gateway.core.treaty.agreement import Agreement, uk_fr
from gateway.flows import webhooks as webhook_flow
from gateway.flows.accept_fr import FrenchInbox
from gateway.flows.access_point import AccessPoint, make_access_point
from gateway.flows.deliver import deliver
from gateway.flows.delivery_record import Delivery
from gateway.flows.exchange import Exchange, Limits
from gateway.flows.ports import Store
from gateway.flows.webhooks import WebhookSender, resolved_address_allowed
from gateway.keys import KeyRing, load_keyring
from gateway.keys.partner import Partner, load_partner
from gateway.logs import get_logger
from gateway.store import open_store
from gateway.transport.http import HttpTransport
from gateway.transport.tls import client_context, server_context
from gateway.web.app import UkServices, UkSettings, make_app
from gateway.web.as4 import make_as4_app
from gateway.web.console.accounts import Accounts, Sessions
from gateway.web.console.app import ConsoleServices, make_console
from gateway.web.rest.clients import ClientRegistry, load_clients
from gateway.worker import Worker, WorkerPlan

OPERATORS_FILE = "operators.toml"
_HOUSEKEEPING_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Instance:
    """An instance folder as loaded; nothing is opened yet."""

    folder: Path
    settings: Settings
    keyring: KeyRing = field(repr=False)
    agreement: Agreement = field(repr=False)
    clock: SystemClock = field(repr=False, default_factory=SystemClock)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Settings and keys of ``folder``. Raises ConfigError that names the setting and the cure."""
        root = Path(folder).resolve()
        settings = load_settings(root)
        return cls(
            folder=root,
            settings=settings,
            keyring=load_keyring(root / settings.keys.folder),
            agreement=uk_fr(),
        )

    @property
    def database_url(self) -> str:
        """The database; a relative SQLite path counts from the folder."""
        url = self.settings.database.url or "sqlite:///passerelle.db"
        scheme, _, path = url.partition(":///")
        if scheme.startswith("sqlite") and path and not path.startswith("/"):
            return f"{scheme}:///{self.folder / path}"
        return url

    async def open_store(self, *, create: bool = False) -> Store:
        """The store; ``create`` makes or upgrades the schema first. Raises ConfigError, Unavailable."""
        return await asyncio.to_thread(open_store, self.database_url, keyring=self.keyring, create=create)

    def load_partner(self) -> Partner:
        """The French side's certificates. Raises ConfigError."""
        party = self.agreement.parties.fr.id
        return load_partner(self.folder / self.settings.keys.trust, party, now=self.clock.now())

    def load_clients(self) -> ClientRegistry:
        """The registered UK clients. Raises ConfigError."""
        hooks = self.settings.webhooks
        return load_clients(
            self.folder / self.settings.keys.clients, allow_private_webhooks=hooks.unsafe_private_targets
        )

    def make_access_point(self) -> AccessPoint:
        """Our AS4 side. Raises ConfigError when the partner's certificates are missing or expired."""
        partner = self.load_partner()
        return make_access_point(
            self.agreement,
            Direction.UK_TO_FR,
            domain=self.settings.as4.message_id_domain,
            signer=self.keyring.as4_sign,
            decryption_keys=self.keyring.as4_decrypt,
            recipient=partner.recipient,
            trust=partner.trust,
            policy=SecurityPolicy(max_decompressed_bytes=4 * self.settings.limits.as4_message_bytes),
        )

    def french_tls(self) -> ssl.SSLContext:
        """TLS towards the French access point. Raises ConfigError."""
        shown = self.settings.france.present_client_certificate
        return client_context(
            anchors=self.folder / self.settings.france.anchors,
            minimum=self.settings.tls.minimum,
            certificate=self.keyring.tls_certificate if shown else None,
            key=self.keyring.tls_key if shown else None,
        )

    def uk_tls(self) -> ssl.SSLContext | None:
        """TLS of the UK listener, None when it is plain. Raises ConfigError."""
        part = self.settings.uk_api
        return self._listener_tls(part.client_certificates, part.client_anchors) if part.tls else None

    def as4_tls(self) -> ssl.SSLContext | None:
        """TLS of the AS4 listener, None when it is plain. Raises ConfigError."""
        part = self.settings.as4
        return self._listener_tls(part.client_certificates, part.client_anchors) if part.tls else None

    def _listener_tls(self, client_certificates: str, anchors: Path) -> ssl.SSLContext:
        return server_context(
            certificate=self.keyring.tls_certificate,
            key=self.keyring.tls_key,
            minimum=self.settings.tls.minimum,
            client_certificates=client_certificates,
            client_anchors=self.folder / anchors,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A gateway that listens and delivers; addresses as bound."""

    store: Store
    exchange: Exchange
    uk_url: str
    as4_url: str


# ---- parts --------------------------------------------------------------------------------------


def make_exchange(instance: Instance, store: Store, clients: ClientRegistry, *, issuer: str) -> Exchange:
    """What the UK-side use cases work with (also for the command line)."""
    limits = instance.settings.limits
    handling = instance.agreement.sex.handling
    return Exchange(
        store=store,
        clock=instance.clock,
        uk=UkAdapter(),
        fr=FrAdapter(sex_not_specified="hold" if handling == "hold" else "carry"),
        agreement=instance.agreement,
        french_party=instance.agreement.parties.fr.id,
        signer=signer_of(instance.keyring.jws[0], Alg.ES256),
        issuer=issuer,
        limits=Limits(message_bytes=limits.uk_body_bytes, attachments_bytes=limits.attachments_bytes),
        webhooks=clients.webhooks,
    )


def make_uk_app(instance: Instance, exchange: Exchange, clients: ClientRegistry) -> web.Application:
    """The UK API with the console below ``/console``."""
    part = instance.settings.uk_api
    app = make_app(
        UkServices(
            exchange=exchange,
            clients=clients,
            token_signer=signer_of(instance.keyring.token[0], Alg.ES256),
            webhook_signer=signer_of(instance.keyring.webhook[0], Alg.EDDSA),
            settings=UkSettings(
                rate_per_second=part.rate_per_second,
                rate_burst=part.rate_burst,
                longest_wait=dt.timedelta(seconds=part.longest_wait_s),
            ),
        )
    )
    console = ConsoleServices(
        store=exchange.store,
        clock=instance.clock,
        accounts=Accounts.load(instance.folder / OPERATORS_FILE),
        sessions=Sessions(instance.keyring.index_key),
        secure_cookie=part.tls,
    )
    app.add_subapp("/console", make_console(console))
    return app


def make_french_app(instance: Instance, exchange: Exchange, access_point: AccessPoint) -> web.Application:
    """The AS4 endpoint."""
    inbox = FrenchInbox(
        store=exchange.store,
        clock=instance.clock,
        french=exchange.fr,
        access_point=access_point,
        agreement=instance.agreement,
        webhooks=exchange.webhooks,
    )
    return make_as4_app(inbox, max_bytes=instance.settings.limits.as4_message_bytes)


def french_transport(instance: Instance) -> HttpTransport:
    france = instance.settings.france
    return HttpTransport(
        clock=instance.clock,
        tls=instance.french_tls(),
        connect_timeout_s=france.connect_timeout_s,
        total_timeout_s=france.total_timeout_s,
        max_answer_bytes=instance.settings.limits.as4_answer_bytes,
        connections=france.connections,
    )


def webhook_transport(instance: Instance) -> HttpTransport:
    hooks = instance.settings.webhooks
    return HttpTransport(
        clock=instance.clock,
        tls=client_context(anchors=None, minimum=instance.settings.tls.minimum),
        connect_timeout_s=hooks.timeout_s,
        total_timeout_s=hooks.timeout_s,
        max_answer_bytes=65_536,
        allowed_address=None if hooks.unsafe_private_targets else resolved_address_allowed,
    )


def retry_schedule(settings: Settings) -> RetrySchedule:
    return RetrySchedule(
        delays=settings.retry.schedule_s,
        jitter=settings.retry.jitter,
        max_delay=max(*settings.retry.schedule_s, 1.0),
        max_retry_after=settings.retry.retry_after_max_s,
        max_age=dt.timedelta(seconds=settings.retry.max_age_s),
    )


def breaker_policy(settings: Settings) -> BreakerPolicy:
    return BreakerPolicy(
        threshold=settings.breaker.failures,
        first_wait=dt.timedelta(seconds=settings.breaker.first_wait_s),
        longest_wait=dt.timedelta(seconds=settings.breaker.longest_wait_s),
        probe_lease=dt.timedelta(seconds=settings.worker.lease_s),
    )


def make_worker(
    instance: Instance,
    exchange: Exchange,
    access_point: AccessPoint,
    *,
    french: HttpTransport,
    webhooks: HttpTransport,
) -> Worker:
    """The worker with a handler for each channel."""
    settings = instance.settings
    schedule = retry_schedule(settings)
    delivery = Delivery(
        store=exchange.store,
        transport=french,
        clock=instance.clock,
        french=exchange.fr,
        access_point=access_point,
        url=settings.france.url,
        schedule=schedule,
        breaker=breaker_policy(settings),
        random=random.SystemRandom().random,
        webhooks=exchange.webhooks,
    )
    sender = WebhookSender(
        store=exchange.store,
        transport=webhooks,
        clock=instance.clock,
        targets={target.webhook_id: target for target in exchange.webhooks},
        key=instance.keyring.webhook[0],
        issuer=exchange.issuer,
    )

    async def over_as4(entry: OutboxEntry) -> str:
        return await deliver(entry, delivery)

    async def to_webhook(entry: OutboxEntry) -> str:
        return (await webhook_flow.deliver_webhook(entry, sender)).decision

    return Worker(
        store=exchange.store,
        clock=instance.clock,
        handlers={Channel.AS4: over_as4, Channel.WEBHOOK: to_webhook},
        endpoints=(access_point.partner,),
        plan=WorkerPlan(
            concurrency=settings.worker.concurrency,
            poll_s=settings.worker.poll_s,
            lease=dt.timedelta(seconds=settings.worker.lease_s),
            drain_s=settings.worker.drain_s,
        ),
    )


# ---- running ------------------------------------------------------------------------------------


def _bind(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket; bound first, so that port 0 has its number before URLs are made."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as exc:
        raise ConfigError(f"{setting}: the address cannot be used; choose another host or port") from exc


def _url(host: str, port: int, *, tls: bool) -> str:
    if host in {"0.0.0.0", "::"}:  # noqa: S104 — every address: shown as loopback
        host = "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


async def _listen(
    stack: AsyncExitStack, app: web.Application, sock: socket.socket, tls: ssl.SSLContext | None
) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=10, keepalive_timeout=75)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, sock, ssl_context=tls, backlog=512).start()


async def _housekeeping(store: Store, clock: SystemClock) -> None:
    """Removes expired token ids and old answers, once an hour."""
    while True:
        try:
            async with store.begin() as tx:
                await tx.purge(clock.now())
        except PasserelleError as exc:
            get_logger().warning("housekeeping.failed", code=exc.code)
        await asyncio.sleep(_HOUSEKEEPING_S)


@asynccontextmanager
async def _working(worker: Worker, store: Store, clock: SystemClock) -> AsyncIterator[None]:
    running = asyncio.create_task(worker.run())
    cleaning = asyncio.create_task(_housekeeping(store, clock))
    try:
        yield
    finally:
        worker.stop()
        cleaning.cancel()
        await asyncio.gather(running, cleaning, return_exceptions=True)


@asynccontextmanager
async def serving(
    instance: Instance, *, with_worker: bool = True, with_listeners: bool = True
) -> AsyncIterator[Running]:
    """The gateway until the block ends; leaving drains: no new requests, running work finishes, then all is
    closed. Raises ConfigError before anything listens."""
    uk, as4 = instance.settings.uk_api, instance.settings.as4
    access_point = instance.make_access_point()
    clients = instance.load_clients()
    async with AsyncExitStack() as stack:
        uk_port, as4_port = uk.port, as4.port
        if with_listeners:
            uk_socket = stack.enter_context(_bind(uk.host, uk.port, "uk_api.port"))
            as4_socket = stack.enter_context(_bind(as4.host, as4.port, "as4.port"))
            uk_port, as4_port = uk_socket.getsockname()[1], as4_socket.getsockname()[1]
        store = await instance.open_store(create=True)
        stack.push_async_callback(store.close)
        uk_url = _url(uk.host, uk_port, tls=uk.tls)
        exchange = make_exchange(instance, store, clients, issuer=(uk.public_url or uk_url).rstrip("/"))
        if with_worker:
            french = await stack.enter_async_context(french_transport(instance))
            hooks = await stack.enter_async_context(webhook_transport(instance))
            worker = make_worker(instance, exchange, access_point, french=french, webhooks=hooks)
            await stack.enter_async_context(_working(worker, store, instance.clock))
        if with_listeners:
            uk_app = make_uk_app(instance, exchange, clients)
            await _listen(stack, uk_app, uk_socket, instance.uk_tls())
            french_app = make_french_app(instance, exchange, access_point)
            await _listen(stack, french_app, as4_socket, instance.as4_tls())
        yield Running(
            store=store,
            exchange=exchange,
            uk_url=uk_url,
            as4_url=_url(as4.host, as4_port, tls=as4.tls) + "/as4",
        )


async def _until_signal() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    await stop.wait()


async def run_gateway(instance: Instance, *, with_worker: bool = True) -> None:
    """Serves both listeners (and delivers) until SIGTERM or SIGINT, then drains."""
    async with serving(instance, with_worker=with_worker) as running:
        get_logger().info("gateway.ready", host=running.uk_url, endpoint=running.as4_url)
        await _until_signal()
        get_logger().info("gateway.stopping")


async def run_worker(instance: Instance) -> None:
    """Delivers without listening, until SIGTERM or SIGINT: one more node on the same database."""
    async with serving(instance, with_listeners=False):
        get_logger().info("worker.ready")
        await _until_signal()
        get_logger().info("worker.stopping")
