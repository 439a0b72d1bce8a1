"""``/livez``, ``/readyz`` and Prometheus ``/metrics`` with its own registry; no personal data in labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from gateway.flows.noise import NoiseGate
from gateway.web.services import SERVICES

_METHODS: Final = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class _NoiseCollector(Collector):
    """Counters that the noise gate keeps itself, read when scraped."""

    def __init__(self, gate: NoiseGate) -> None:
        self._gate = gate

    def collect(self) -> Iterator[CounterMetricFamily]:
        name, text = (
            "passerelle_as4_unauthenticated_refusals",
            "AS4 requests refused that no signature vouches for",
        )
        yield CounterMetricFamily(name, text, value=self._gate.refused)
        yield CounterMetricFamily(f"{name}_limited", f"{text}: HTTP 429", value=self._gate.limited)
        yield CounterMetricFamily(
            f"{name}_unaudited", f"{text}: not in the audit", value=self._gate.unaudited
        )


class Metrics:
    """Counters of one application; labels come from closed sets (route templates, codes)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "passerelle_http_requests_total",
            "Requests by route template, method and status",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "passerelle_http_request_seconds",
            "Time to answer by route template",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.accepted = Counter(
            "passerelle_messages_accepted_total",
            "Messages taken from the UK by type and first status",
            ("type", "status"),
            registry=self.registry,
        )
        self.refused = Counter(
            "passerelle_messages_refused_total",
            "Messages refused before storing, by code",
            ("code",),
            registry=self.registry,
        )
        self.dry_runs = Counter(
            "passerelle_dry_runs_total",
            "Messages judged without being taken, by type and verdict",
            ("type", "verdict"),
            registry=self.registry,
        )
        self.backlog = Gauge(
            "passerelle_outbox_rows", "Rows waiting in the outbox", ("endpoint",), registry=self.registry
        )
        self.deadlines = Gauge(
            "passerelle_deadlines",
            "Time limits open, and breached but not closed, by clock",
            ("clock", "state"),
            registry=self.registry,
        )

    def watch_noise(self, gate: NoiseGate) -> None:
        """Shows what the AS4 listener of this process refused to callers that nobody vouches for."""
        self.registry.register(_NoiseCollector(gate))

    def observe(self, *, route: str, method: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else "OTHER"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)


async def livez(_: web.Request) -> web.Response:
    """200 while the process answers; looks at nothing else (a restart would not cure the database)."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """200 when the database is reachable and its schema current, else 503."""
    try:
        await request.app[SERVICES].exchange.store.ping()
    except Exception:  # noqa: BLE001 — whatever it is, this node must get no traffic
        return web.json_response({"status": "unavailable"}, status=503)
    return web.json_response({"status": "ok"})


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text format 0.0.4; backlog and deadlines are read when scraped."""
    found = request.app[METRICS]
    async with request.app[SERVICES].exchange.store.begin() as tx:
        rows = await tx.backlog()
        limits = await tx.count_deadlines()
    found.deadlines.clear()
    for (clock, state), count in limits.items():
        found.deadlines.labels(clock, state.value).set(count)
    found.backlog.clear()
    for endpoint, count in rows.items():
        found.backlog.labels(endpoint).set(count)
    return web.Response(
        body=generate_latest(found.registry), headers={"Content-Type": "text/plain; version=0.0.4"}
    )


def add_health(app: web.Application) -> None:
    app[METRICS] = Metrics()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
