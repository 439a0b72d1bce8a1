"""Runs an instance: binds, opens the store, starts worker and listeners, and drains when stopped."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from gateway.alert_parts import alert_transport, make_alerting
from gateway.alerting import alerting
from gateway.batch_runner import run_batches
from gateway.core.errors import ConfigError, PasserelleError
from gateway.flows.exchange import Exchange
from gateway.flows.inbox_retention import remove_old_events
from gateway.flows.operators_file import OPERATORS_FILE, import_at_start, read_operators
from gateway.flows.ports import Store
from gateway.instance import Instance, url_of
from gateway.logs import configure_logs, get_logger
from gateway.puller import Puller
from gateway.releaser import release_again_and_again
from gateway.shutdown import stop_on_signal
from gateway.sweeper import watch_deadlines
from gateway.telemetry import Telemetry, telemetry_of
from gateway.web.health import make_metrics_app
from gateway.wiring import (
    french_transport,
    make_french_app,
    make_puller,
    make_uk_app,
    make_worker,
    noise_gate,
    pull_transport,
    webhook_transport,
)
from gateway.worker import Worker

__all__ = ["Instance", "Running", "run_gateway", "run_worker", "serving"]
_HOUSEKEEPING_S = 60.0  # the wire of a large message stays on the disk until then


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A gateway that listens and delivers; addresses as bound."""

    store: Store
    exchange: Exchange
    uk_url: str
    as4_url: str
    metrics_url: str | None = None
    """Of the listener of ``metrics.port``."""


def _bind(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket; bound first, so that port 0 has its number before URLs are made."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as exc:
        raise ConfigError(f"{setting}: the address cannot be used; choose another host or port") from exc


async def _listen(
    stack: AsyncExitStack, app: web.Application, sock: socket.socket, tls: ssl.SSLContext | None
) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=10, keepalive_timeout=75)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, sock, ssl_context=tls, backlog=512).start()


async def _listen_for_metrics(
    stack: AsyncExitStack, instance: Instance, exchange: Exchange, telemetry: Telemetry
) -> str | None:
    """The base URL of the listener of its own, or None. Raises ConfigError."""
    part = instance.settings.metrics
    if part.port is None:
        return None
    sock = stack.enter_context(_bind(part.host, part.port, "metrics.port"))
    app = make_metrics_app(exchange, telemetry.metrics, token=telemetry.token, cache_s=part.cache_s)
    await _listen(stack, app, sock, None)
    return url_of(part.host, sock.getsockname()[1], tls=False)


async def _housekeeping(exchange: Exchange) -> None:
    """Removes expired token ids, old answers, dropped blobs and events that were acknowledged long ago, adds
    up counts, again and again."""
    store, clock, walked = exchange.store, exchange.clock, 0
    while True:
        try:
            walked = await remove_old_events(exchange, walked)
            removed = 1
            while removed:
                async with store.begin() as tx:
                    removed = await tx.purge(clock.now())
            folded = 1
            while folded:
                async with store.begin() as tx:
                    folded = await tx.fold_counts()
        except PasserelleError as exc:
            get_logger().warning("housekeeping.failed", code=exc.code)
        await asyncio.sleep(_HOUSEKEEPING_S)


@asynccontextmanager
async def _working(
    worker: Worker, puller: Puller | None, exchange: Exchange
) -> AsyncIterator[Mapping[str, Callable[[], bool]]]:
    """Gives, by name, whether a part that should run has ended."""
    running = [asyncio.create_task(worker.run())]
    parts = {"worker": running[0].done}
    if puller is not None:
        running.append(asyncio.create_task(puller.run()))
        parts["puller"] = running[1].done
    cleaning = asyncio.create_task(_housekeeping(exchange))
    watching = asyncio.create_task(watch_deadlines(exchange))
    releasing = asyncio.create_task(release_again_and_again(exchange, worker.plan.poll_s))
    batching = asyncio.create_task(run_batches(exchange, worker.plan.poll_s))
    parts |= {
        "housekeeping": cleaning.done,
        "clocks": watching.done,
        "quotas": releasing.done,
        "batches": batching.done,
    }
    try:
        yield parts
    finally:
        worker.stop()
        if puller is not None:
            puller.stop()
        cleaning.cancel()
        watching.cancel()
        releasing.cancel()
        batching.cancel()
        await asyncio.gather(*running, cleaning, watching, releasing, batching, return_exceptions=True)


async def _take_over_accounts(instance: Instance, store: Store) -> None:
    """Those of an older release, into a database that has none. Raises ConfigError."""
    path = instance.folder / OPERATORS_FILE
    if await asyncio.to_thread(path.exists):
        text = await asyncio.to_thread(read_operators, path)
        done = await import_at_start(instance.people(store), text)
        if done is not None:
            get_logger().info("users.imported", count=len(done.added))


async def _raise_alerts(
    stack: AsyncExitStack,
    instance: Instance,
    exchange: Exchange,
    parts: Mapping[str, Callable[[], bool]],
    *,
    works: bool,
) -> None:
    """Raises ConfigError."""
    if not instance.settings.alerts.enabled:
        return
    hooks = await stack.enter_async_context(alert_transport(instance))
    watcher = make_alerting(instance, exchange, hooks, parts, works=works)
    await stack.enter_async_context(alerting(watcher))


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
        telemetry = await stack.enter_async_context(telemetry_of(instance))
        uk_port, as4_port = uk.port, as4.port
        if with_listeners:
            uk_socket = stack.enter_context(_bind(uk.host, uk.port, "uk_api.port"))
            as4_socket = stack.enter_context(_bind(as4.host, as4.port, "as4.port"))
            uk_port, as4_port = uk_socket.getsockname()[1], as4_socket.getsockname()[1]
        store = await instance.open_store(create=True)
        stack.push_async_callback(store.close)
        await _take_over_accounts(instance, store)
        uk_url = url_of(uk.host, uk_port, tls=uk.tls)
        exchange = instance.exchange(store, clients, issuer=uk_url, watch=telemetry.watch)
        parts: Mapping[str, Callable[[], bool]] = {}
        if with_worker:
            french = await stack.enter_async_context(french_transport(instance))
            hooks = await stack.enter_async_context(webhook_transport(instance))
            worker = make_worker(instance, exchange, access_point, french=french, webhooks=hooks)
            telemetry.follow(worker)
            pulling = await stack.enter_async_context(pull_transport(instance))
            puller = make_puller(instance, exchange, access_point, pulling)
            parts = await stack.enter_async_context(_working(worker, puller, exchange))
        await _raise_alerts(stack, instance, exchange, parts, works=with_worker)
        if with_listeners:
            noise = noise_gate(instance.settings)
            telemetry.metrics.watch_noise(noise)
            uk_app = make_uk_app(
                instance, exchange, clients, metrics=telemetry.metrics, metrics_token=telemetry.token
            )
            await _listen(stack, uk_app, uk_socket, instance.uk_tls())
            french_app = make_french_app(
                instance, exchange, access_point, noise=noise, metrics=telemetry.metrics
            )
            await _listen(stack, french_app, as4_socket, instance.as4_tls())
        metrics_url = await _listen_for_metrics(stack, instance, exchange, telemetry)
        yield Running(
            store=store,
            exchange=exchange,
            metrics_url=metrics_url,
            uk_url=uk_url,
            as4_url=url_of(as4.host, as4_port, tls=as4.tls) + "/as4",
        )


def _settle_memory() -> None:
    """What start-up made lives as long as the process: the collector need not walk it again and again."""
    gc.collect()
    gc.freeze()


async def run_gateway(instance: Instance, *, with_worker: bool = True) -> None:
    """Serves both listeners (and delivers) until SIGTERM or SIGINT, then drains; logs as the settings say."""
    configure_logs(level=instance.settings.log.level, format_=instance.settings.log.format)
    stop = stop_on_signal()
    async with serving(instance, with_worker=with_worker) as running:
        _settle_memory()
        get_logger().info("gateway.ready", host=running.uk_url, endpoint=running.as4_url)
        await stop.wait()
        get_logger().info("gateway.stopping")


async def run_worker(instance: Instance) -> None:
    """Delivers without listening, until SIGTERM or SIGINT: one more node on the same database."""
    configure_logs(level=instance.settings.log.level, format_=instance.settings.log.format)
    stop = stop_on_signal()
    async with serving(instance, with_listeners=False):
        get_logger().info("worker.ready")
        await stop.wait()
        get_logger().info("worker.stopping")
