"""Prometheus metrics of one process. Labels come from closed sets: types, codes, route templates, endpoints.

What a process does itself is counted here as it happens (``Watch``); what the database knows is read when
scraped, by ``gateway.flows.figures``, and is the same on every node. No personal data, no ids.
"""

from __future__ import annotations

import datetime as dt
import platform
import re
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from contracts.codes import Direction
from gateway.core import breaker as circuit
from gateway.core.alert_kinds import AlertKind, Severity
from gateway.core.errors import PasserelleError
from gateway.core.records import MessageRecord, MessageStatus
from gateway.flows.figures import MOST, Figures
from gateway.flows.noise import NoiseGate
from gateway.flows.watch import Answered, Receipted, Taken, Tried

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_METHODS: Final = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_RECEIPT_BUCKETS: Final = (0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 1800.0, 7200.0, 21_600.0, 86_400.0)
_EBMS: Final = re.compile(r"EBMS:\d{4}")


def _known_codes() -> frozenset[str]:
    found, left = set(), [PasserelleError]
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        found.add(kind.code)
    return frozenset(found)


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


def _gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"passerelle_{name}", text, labels=labels)


def _age(record: MessageRecord | None, now: dt.datetime) -> float:
    return 0.0 if record is None else max(0.0, (now - record.received_at).total_seconds())


class _FigureCollector(Collector):
    """The newest figures of the database; without any, only that it cannot be read."""

    def __init__(self) -> None:
        self.figures: Figures | None = None
        self.now: dt.datetime | None = None
        self.asked = False

    def collect(self) -> Iterator[Metric]:
        if not self.asked:
            return
        up = _gauge("database_up", "1 when the figures of the database could be read")
        up.add_metric((), float(self.figures is not None))
        yield up
        if self.figures is not None and self.now is not None:
            yield from self._messages(self.figures)
            yield from self._routes(self.figures, self.now)
            yield from self._endpoints(self.figures)
            yield from self._rest(self.figures, self.now)

    @staticmethod
    def _messages(figures: Figures) -> Iterator[Metric]:
        counts = _gauge("messages", "Messages by status as it is now", ("direction", "type", "status"))
        for place, count in figures.messages.items():
            counts.add_metric((place.direction.value, place.type.value, place.status.value), count)
        for direction in Direction:  # nothing missing when there is none: alert rules must see the zero
            for status in (MessageStatus.FAILED, MessageStatus.HELD):
                if not figures.count(status, direction):
                    counts.add_metric((direction.value, "none", status.value), 0)
        yield counts
        inbox = _gauge("inbox_unacknowledged", f"Messages from France that the UK has to take, up to {MOST}")
        inbox.add_metric((), figures.inbox)
        yield inbox
        audit = CounterMetricFamily("passerelle_audit_entries", "Entries of the audit chain, by all nodes")
        audit.add_metric((), figures.newest_audit)
        yield audit

    @staticmethod
    def _routes(figures: Figures, now: dt.datetime) -> Iterator[Metric]:
        waiting = _gauge(
            "oldest_waiting_seconds",
            "Age of the oldest message that is not delivered yet, or 0",
            ("direction",),
        )
        oldest = _gauge(
            "oldest_unacknowledged_seconds",
            "Age of the oldest message that the other side has not taken into account yet, or 0",
            ("direction",),
        )
        success = _gauge(
            "last_success_timestamp_seconds",
            "When the newest delivery was proven, or the newest message taken",
            ("direction",),
        )
        for direction, route in figures.routes.items():
            waiting.add_metric((direction.value,), _age(route.oldest_waiting, now))
            oldest.add_metric((direction.value,), _age(route.oldest_unacknowledged, now))
            if route.last_success_at is not None:
                success.add_metric((direction.value,), route.last_success_at.timestamp())
        yield from (waiting, oldest, success)

    @staticmethod
    def _endpoints(figures: Figures) -> Iterator[Metric]:
        rows = _gauge("outbox_rows", "Rows waiting in the outbox", ("endpoint",))
        for endpoint, count in figures.backlog.items():
            rows.add_metric((endpoint,), count)
        opened = _gauge("breaker_open", "1 while the circuit of an endpoint is open", ("endpoint",))
        failures = _gauge("breaker_failures", "Failures in a row", ("endpoint",))
        paused = _gauge("endpoint_paused", "1 while an operator has paused an endpoint", ("endpoint",))
        for found in figures.circuits:
            opened.add_metric((found.endpoint,), float(circuit.is_open(found)))
            failures.add_metric((found.endpoint,), found.consecutive_failures)
            paused.add_metric((found.endpoint,), float(found.paused))
        yield from (rows, opened, failures, paused)

    @staticmethod
    def _rest(figures: Figures, now: dt.datetime) -> Iterator[Metric]:
        limits = _gauge(
            "deadlines", "Time limits open, and breached but not closed, by clock", ("clock", "state")
        )
        for (clock, state), count in figures.deadlines.items():
            limits.add_metric((clock, state.value), count)
        yield limits
        alerts = _gauge("alerts_open", "Open alerts, one for each incident", ("kind", "severity"))
        for kind in AlertKind:
            for severity in Severity:
                alerts.add_metric((kind.value, severity.value), figures.alerts.get((kind, severity), 0))
        yield alerts
        batches = _gauge("batches", "Grouped actions under way, each counted up to 100", ("state",))
        for found, count in figures.batches.items():
            batches.add_metric((found.value,), count)
        yield batches
        seconds = _gauge("database_seconds", "How long reading these figures took")
        seconds.add_metric((), figures.seconds)
        yield seconds
        age = _gauge("figures_age_seconds", "How old the figures of the database are")
        age.add_metric((), max(0.0, (now - figures.at).total_seconds()))
        yield age


class _ProcessState(Collector):
    """Worker and certificates, looked at when scraped."""

    def __init__(self) -> None:
        self.certificates: Callable[[], Mapping[str, dt.datetime]] = dict
        self.worker: tuple[Callable[[], float], float] | None = None

    def collect(self) -> Iterator[Metric]:
        build = _gauge("build_info", "1, with what runs", ("version", "python"))
        build.add_metric((metadata.version("passerelle"), platform.python_version()), 1)
        yield build
        working = _gauge("worker_alive", "1 while the worker of this process goes round; 0 without one")
        late = _gauge("worker_round_age_seconds", "Since the worker of this process last looked for work")
        if self.worker is None:
            working.add_metric((), 0)
        else:
            last, longest = self.worker
            age = max(0.0, time.monotonic() - last())
            working.add_metric((), float(age < longest))
            late.add_metric((), age)
        yield working
        yield late
        ends = _gauge("certificate_expiry_timestamp_seconds", "When a certificate expires", ("certificate",))
        for name, end in self.certificates().items():
            ends.add_metric((name,), end.timestamp())
        yield ends


class Metrics:
    """All metrics of one process; implements ``gateway.flows.watch.Watch``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._codes = _known_codes()
        self._figures, self._state = _FigureCollector(), _ProcessState()
        self.registry.register(self._figures)
        self.registry.register(self._state)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._make_http()
        self._make_messages()
        self._make_deliveries()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"passerelle_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"passerelle_{name}", text, labels, buckets=buckets, registry=self.registry)

    def _make_http(self) -> None:
        self._requests = self._counter(
            "http_requests_total",
            "Requests by route template, method and status",
            "route",
            "method",
            "status",
        )
        self._seconds = self._histogram(
            "http_request_seconds", "Time to answer by route template", "route", buckets=_BUCKETS
        )

    def _make_messages(self) -> None:
        self.accepted = self._counter(
            "messages_accepted_total", "Messages taken from the UK by type and first status", "type", "status"
        )
        self.taken_in = self._counter(
            "messages_taken_total", "Messages stored by direction and type", "direction", "type"
        )
        self.refused = self._counter(
            "messages_refused_total", "Messages refused before storing, by code", "code"
        )
        self.dry_runs = self._counter(
            "dry_runs_total", "Messages judged without being taken, by type and verdict", "type", "verdict"
        )
        self._store_seconds = self._histogram(
            "store_seconds", "Time to judge and store a message", "direction", buckets=_BUCKETS
        )

    def _make_deliveries(self) -> None:
        self._attempts = self._counter(
            "delivery_attempts_total",
            "Attempts by channel, endpoint and what became of them",
            "channel",
            "endpoint",
            "outcome",
        )
        self._errors = self._counter(
            "delivery_errors_total", "Attempts that brought no receipt, by code", "channel", "code"
        )
        self._attempt_seconds = self._histogram(
            "delivery_attempt_seconds", "Time of one attempt on the wire", "channel", buckets=_BUCKETS
        )
        self._receipt_seconds = self._histogram(
            "receipt_seconds",
            "From accepting a message to the partner's verified receipt",
            "type",
            buckets=_RECEIPT_BUCKETS,
        )

    # ---- Watch

    def traceparent(self, message_id: str) -> str | None:
        return None

    def taken(self, fact: Taken) -> None:
        direction = fact.record.direction.value
        self.taken_in.labels(direction, fact.record.type.value).inc()
        self._store_seconds.labels(direction).observe((fact.stored_at - fact.started_at).total_seconds())

    def answered(self, fact: Answered) -> None:
        pass  # ``observe`` counts every request

    def tried(self, fact: Tried) -> None:
        channel = fact.channel.value
        self._attempts.labels(channel, fact.endpoint, fact.outcome).inc()
        if fact.code is not None:
            known = fact.code in self._codes or _EBMS.fullmatch(fact.code)
            self._errors.labels(channel, fact.code if known else "other").inc()
        if fact.started_at is not None:
            seconds = (fact.finished_at - fact.started_at).total_seconds()
            self._attempt_seconds.labels(channel).observe(seconds)

    def receipted(self, fact: Receipted) -> None:
        seconds = max(0.0, (fact.at - fact.record.received_at).total_seconds())
        self._receipt_seconds.labels(fact.record.type.value).observe(seconds)

    # ---- wiring

    def watch_noise(self, gate: NoiseGate) -> None:
        """Shows what the AS4 listener of this process refused to callers that nobody vouches for."""
        self.registry.register(_NoiseCollector(gate))

    def watch_worker(self, last_round: Callable[[], float], *, longest_s: float) -> None:
        """``last_round``: monotonic seconds of its last look for work; alive within ``longest_s`` of it."""
        self._state.worker = (last_round, longest_s)

    def watch_certificates(self, ends: Callable[[], Mapping[str, dt.datetime]]) -> None:
        """By name (a closed set): when each expires. Called at every scrape."""
        self._state.certificates = ends

    def observe(self, *, route: str, method: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else "OTHER"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self, figures: Figures | None, now: dt.datetime) -> bytes:
        """Prometheus text format 0.0.4. ``figures`` None: the database cannot be read."""
        self._figures.figures, self._figures.now, self._figures.asked = figures, now, True
        return generate_latest(self.registry)
