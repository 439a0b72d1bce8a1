"""The parts of a running gateway, each made from an ``Instance``: applications, transports, worker."""

from __future__ import annotations

import datetime as dt
import random

from aiohttp import web

from gateway.certificates import certificates
from gateway.config import Settings
from gateway.console_wiring import system_tools
from gateway.core.breaker import BreakerPolicy
from gateway.core.jws import Alg, signer_of
from gateway.core.records import Channel, OutboxEntry
from gateway.core.retry import RetrySchedule
from gateway.flows.accept_fr import FrenchInbox
from gateway.flows.access_point import AccessPoint
from gateway.flows.callback import deliver_receipt
from gateway.flows.deliver import deliver
from gateway.flows.delivery_record import Delivery
from gateway.flows.exchange import Exchange
from gateway.flows.large import LargeLane
from gateway.flows.noise import NoiseGate, NoiseLimits
from gateway.flows.pull_fetch import Result, fetch
from gateway.flows.webhook_targets import resolved_address_allowed
from gateway.flows.webhooks import WebhookSender, deliver_webhook
from gateway.instance import Instance
from gateway.metrics import Metrics
from gateway.puller import Puller, PullPlan
from gateway.transport.http import HttpTransport
from gateway.transport.tls import client_context
from gateway.web.app import UkServices, UkSettings, make_app
from gateway.web.as4 import make_as4_app
from gateway.web.console.app import ConsoleServices, make_console
from gateway.web.rest.clients import ClientRegistry
from gateway.worker import Worker, WorkerPlan


def make_uk_app(
    instance: Instance,
    exchange: Exchange,
    clients: ClientRegistry,
    *,
    metrics: Metrics | None = None,
    metrics_token: str | None = None,
) -> web.Application:
    """The UK API with the console below ``/console``."""
    part = instance.settings.uk_api
    app = make_app(
        UkServices(
            exchange=exchange,
            clients=clients,
            token_signer=signer_of(instance.keyring.token[0], Alg.ES256),
            earlier_token_signers=tuple(signer_of(k, Alg.ES256) for k in instance.keyring.token[1:]),
            webhook_signer=signer_of(instance.keyring.webhook[0], Alg.EDDSA),
            settings=UkSettings(
                rate_per_second=part.rate_per_second,
                rate_burst=part.rate_burst,
                longest_wait=dt.timedelta(seconds=part.longest_wait_s),
                metrics_token=metrics_token,
                metrics_cache_s=instance.settings.metrics.cache_s,
            ),
            metrics=metrics or Metrics(),
        )
    )
    console = ConsoleServices(
        exchange=exchange,
        people=instance.people(exchange.store),
        certificates=certificates(instance),
        provider=instance.provider(),
        secure_cookie=exchange.issuer.startswith("https:"),
        settings=instance.settings,
        system=system_tools(instance, french_transport),
    )
    app.add_subapp("/console", make_console(console))
    return app


def noise_gate(settings: Settings) -> NoiseGate:
    part = settings.as4
    return NoiseGate(
        limits=NoiseLimits(
            per_second=part.refusals_per_second, burst=part.refusals_burst, entries=part.refusals_audited
        )
    )


def make_french_inbox(
    instance: Instance, exchange: Exchange, access_point: AccessPoint, *, noise: NoiseGate | None = None
) -> FrenchInbox:
    """What taking in from France works with, whether it is pushed to us or we pull it."""
    return FrenchInbox(
        store=exchange.store,
        clock=instance.clock,
        french=exchange.fr,
        access_point=access_point,
        agreement=instance.agreement,
        webhooks=exchange.webhooks,
        issuer=exchange.issuer,
        delivery=make_delivery(instance, exchange, access_point, french_transport(instance)),
        pull_lease=dt.timedelta(seconds=instance.settings.pull.lease_s),
        noise=noise or noise_gate(instance.settings),
        watch=exchange.watch,
    )


def make_french_app(
    instance: Instance,
    exchange: Exchange,
    access_point: AccessPoint,
    *,
    noise: NoiseGate | None = None,
    metrics: Metrics | None = None,
) -> web.Application:
    """The AS4 endpoint."""
    inbox = make_french_inbox(instance, exchange, access_point, noise=noise)
    limits = instance.settings.limits
    return make_as4_app(
        inbox,
        max_bytes=limits.as4_message_bytes,
        read_timeout_s=limits.read_s,
        least_rate=limits.least_rate,
        spool_folder=instance.folder,
        metrics=metrics,
    )


def french_transport(instance: Instance) -> HttpTransport:
    france = instance.settings.france
    return HttpTransport(
        clock=instance.clock,
        tls=instance.french_tls(),
        connect_timeout_s=france.connect_timeout_s,
        total_timeout_s=france.total_timeout_s,
        least_rate=france.least_rate,
        max_answer_bytes=instance.settings.limits.as4_answer_bytes,
        connections=france.connections,
    )


def pull_transport(instance: Instance) -> HttpTransport:
    """Towards the same access point, for answers as large as messages."""
    france, limits = instance.settings.france, instance.settings.limits
    return HttpTransport(
        clock=instance.clock,
        tls=instance.french_tls(),
        connect_timeout_s=france.connect_timeout_s,
        total_timeout_s=france.total_timeout_s,
        max_answer_bytes=limits.as4_message_bytes,
        connections=1,
        least_rate=france.least_rate,
    )


def make_puller(
    instance: Instance, exchange: Exchange, access_point: AccessPoint, transport: HttpTransport
) -> Puller | None:
    """The task that pulls from France; None when the agreement says that France pushes."""
    mpc = access_point.incoming.mpc
    if not access_point.incoming.pulled or mpc is None:
        return None
    inbox = make_french_inbox(instance, exchange, access_point)
    delivery = make_delivery(instance, exchange, access_point, transport)

    async def once() -> Result:
        return await fetch(inbox, delivery, transport=transport, mpc=mpc)

    part = instance.settings.pull
    return Puller(fetch=once, plan=PullPlan(interval_s=part.interval_s, longest_wait_s=part.longest_wait_s))


def webhook_transport(instance: Instance) -> HttpTransport:
    """Towards the webhooks of clients."""
    return hook_transport(instance, private=instance.settings.webhooks.unsafe_private_targets)


def hook_transport(instance: Instance, *, private: bool) -> HttpTransport:
    """Towards webhooks. ``private``: names that lead to private addresses are allowed."""
    hooks = instance.settings.webhooks
    return HttpTransport(
        clock=instance.clock,
        tls=client_context(anchors=None, minimum=instance.settings.tls.minimum),
        connect_timeout_s=hooks.timeout_s,
        total_timeout_s=hooks.timeout_s,
        max_answer_bytes=65_536,
        allowed_address=None if private else resolved_address_allowed,
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


def make_delivery(
    instance: Instance, exchange: Exchange, access_point: AccessPoint, transport: HttpTransport
) -> Delivery:
    """What delivering to France works with."""
    return Delivery(
        store=exchange.store,
        transport=transport,
        clock=instance.clock,
        french=exchange.fr,
        access_point=access_point,
        agreement=instance.agreement,
        url=instance.settings.france.url,
        schedule=retry_schedule(instance.settings),
        breaker=breaker_policy(instance.settings),
        random=random.SystemRandom().random,
        webhooks=exchange.webhooks,
        receipt_timeout=dt.timedelta(seconds=instance.settings.pull.receipt_timeout_s),
        lane=LargeLane(instance.settings.worker.large_concurrency),
        lease=dt.timedelta(seconds=instance.settings.worker.lease_s),
        watch=exchange.watch,
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
    delivery = make_delivery(instance, exchange, access_point, french)
    sender = WebhookSender(
        store=exchange.store,
        transport=webhooks,
        clock=instance.clock,
        targets={target.webhook_id: target for target in exchange.webhooks},
        key=instance.keyring.webhook[0],
        issuer=exchange.issuer,
        schedule=retry_schedule(settings),
        watch=exchange.watch,
    )

    async def over_as4(entry: OutboxEntry) -> str:
        return await deliver(entry, delivery)

    async def receipt(entry: OutboxEntry) -> str:
        return await deliver_receipt(entry, delivery)

    async def to_webhook(entry: OutboxEntry) -> str:
        return (await deliver_webhook(entry, sender)).decision

    return Worker(
        store=exchange.store,
        clock=instance.clock,
        handlers={Channel.AS4: over_as4, Channel.AS4_SIGNAL: receipt, Channel.WEBHOOK: to_webhook},
        endpoints=(access_point.partner,),
        fetched=(Channel.AS4,) if access_point.outgoing.pulled else (),
        plan=WorkerPlan(
            concurrency=settings.worker.concurrency,
            poll_s=settings.worker.poll_s,
            lease=dt.timedelta(seconds=settings.worker.lease_s),
            drain_s=settings.worker.drain_s,
        ),
        lane=delivery.lane,
    )
