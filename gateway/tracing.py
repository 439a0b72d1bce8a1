"""OpenTelemetry traces over OTLP/HTTP: one trace for the life of a message, whoever works on it and when.

    POST /v1/…  (or: receive from France)      first span, its id derived from the message id
    ├── store
    ├── as4 attempt 1            error, code
    ├── as4 attempt 2
    │   └── receipt
    └── webhook attempt 1

Trace and first span are derived from the message id (``gateway.core.trace``): nothing is stored, and a span
made hours later by another node finds its place. A caller's ``traceparent`` becomes a link, and its own trace
gets a span that links back. Spans are made when what they describe has ended; a thread of the SDK sends them,
and what cannot be sent is dropped: traces never hold up a message.

Needs the extra ``tracing``; without it, and without ``tracing.endpoint``, nothing here is imported or runs.
Attributes are those of ``ATTRIBUTES``: never personal data, never content.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from contracts.codes import Direction
from gateway.config_telemetry import Tracing as TracingSettings
from gateway.core import trace as names
from gateway.core.errors import ConfigError
from gateway.core.records import Channel, MessageRecord
from gateway.flows.watch import Answered, Receipted, Taken, Tried

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import SpanContext, SpanKind

ATTRIBUTES: Final = frozenset(
    {
        "passerelle.message_id",
        "passerelle.message_type",
        "passerelle.direction",
        "passerelle.status",
        "passerelle.code",
        "passerelle.channel",
        "passerelle.endpoint",
        "passerelle.attempt",
        "passerelle.outcome",
        "passerelle.request_id",
        "passerelle.receipt_seconds",
        "http.request.method",
        "http.route",
        "http.response.status_code",
    }
)
_FAILED: Final = frozenset({"retry", "failed", "rejected"})
_TIMEOUT_S: Final = 5.0
_DELAY_MS: Final = 2000


def make_tracing(settings: TracingSettings) -> Tracing | None:
    """None when no endpoint is set. Raises ConfigError when the extra is not installed."""
    if settings.endpoint is None:
        return None
    try:
        import requests
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as exc:
        raise ConfigError(
            "tracing.endpoint is set, but OpenTelemetry is not installed; install passerelle[tracing]"
        ) from exc
    session = requests.Session()
    session.trust_env = False  # the address in the settings is where spans go, not a proxy of the environment
    exporter = OTLPSpanExporter(endpoint=settings.endpoint, timeout=_TIMEOUT_S, session=session)
    return Tracing(BatchSpanProcessor(exporter, schedule_delay_millis=_DELAY_MS), sample=settings.sample)


def _ns(at: dt.datetime) -> int:
    return round(at.timestamp() * 1000) * 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Span:
    """What a finished span says, wherever it stands in its trace."""

    name: str
    kind: str = "INTERNAL"
    """A member of ``opentelemetry.trace.SpanKind``."""
    times: tuple[dt.datetime, dt.datetime]
    attributes: Mapping[str, Any]
    link: SpanContext | None = None
    failed: str | None = None
    """Why, where it did."""


class Tracing:
    """Makes finished spans and hands them to a processor; implements ``gateway.flows.watch.Watch``."""

    def __init__(self, processor: SpanProcessor, *, sample: float = 1.0) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        version = metadata.version("passerelle")
        self._processor = processor
        self._sample = sample
        self._resource = Resource.create({"service.name": "passerelle", "service.version": version})
        self._scope = InstrumentationScope("passerelle", version)
        self._ids = RandomIdGenerator()

    def close(self) -> None:
        """Sends what is left; blocks, for a few seconds at most."""
        self._processor.force_flush(int(_TIMEOUT_S * 1000))
        self._processor.shutdown()

    # ---- Watch

    def traceparent(self, message_id: str) -> str | None:
        return names.traceparent(message_id, recorded=names.sampled(message_id, self._sample))

    def taken(self, fact: Taken) -> None:
        """From the UK the POST is the first span, and comes later; from France this is it."""
        record = fact.record
        times, about = (fact.started_at, fact.stored_at), _about(record)
        if record.direction is Direction.UK_TO_FR:
            span = _Span(name="store", times=times, attributes=about)
            self._below(span, record.message_id, self._ids.generate_span_id())
        else:
            name = f"receive {record.type.value}"
            self._first(_Span(name=name, kind="CONSUMER", times=times, attributes=about), record.message_id)

    def answered(self, fact: Answered) -> None:
        caller = names.read_traceparent(fact.caller)
        theirs = None if caller is None else self._context(caller.trace_id, caller.span_id)
        span = _Span(
            name=f"POST {fact.route}",
            kind="SERVER",
            times=(fact.started_at, fact.finished_at),
            attributes={
                **_about(fact.record),
                "passerelle.request_id": fact.request_id,
                "http.request.method": "POST",
                "http.route": fact.route,
                "http.response.status_code": fact.http_status,
            },
            link=theirs,
        )
        ours = self._first(span, fact.record.message_id)
        if caller is not None and theirs is not None and caller.sampled and ours is not None:
            context = self._context(caller.trace_id, self._ids.generate_span_id())
            self._emit(replace(span, link=ours), context, parent=theirs)

    def tried(self, fact: Tried) -> None:
        channel = fact.channel.value
        sent = fact.started_at is not None
        span = _Span(
            name=f"{channel} attempt" if sent else f"{channel} {fact.outcome}",
            kind="CLIENT" if sent else "INTERNAL",
            times=(fact.started_at or fact.finished_at, fact.finished_at),
            attributes={
                "passerelle.message_id": fact.message_id,
                "passerelle.message_type": fact.type.value if fact.type else None,
                "passerelle.direction": fact.direction.value,
                "passerelle.channel": channel,
                "passerelle.endpoint": fact.endpoint,
                "passerelle.attempt": fact.number,
                "passerelle.outcome": fact.outcome,
                "passerelle.code": fact.code,
                "http.response.status_code": fact.http_status,
            },
            failed=fact.code or fact.outcome if fact.outcome in _FAILED else None,
        )
        span_id = (
            _attempt(fact.message_id, fact.number, fact.finished_at)
            if fact.channel is Channel.AS4
            else self._ids.generate_span_id()
        )
        self._below(span, fact.message_id, span_id)

    def receipted(self, fact: Receipted) -> None:
        record = fact.record
        seconds = (fact.at - record.received_at).total_seconds()
        more = {"passerelle.receipt_seconds": seconds, "passerelle.attempt": fact.number}
        span = _Span(name="receipt", times=(fact.at, fact.at), attributes={**_about(record), **more})
        attempt = _attempt(record.message_id, fact.number, fact.at)
        self._below(span, record.message_id, self._ids.generate_span_id(), parent=attempt)

    # ---- where spans stand

    def _first(self, span: _Span, message_id: str) -> SpanContext | None:
        """The first of a message; None when its trace is not recorded."""
        if not names.sampled(message_id, self._sample):
            return None
        context = self._context(int(names.trace_id(message_id), 16), int(names.span_id(message_id), 16))
        self._emit(span, context)
        return context

    def _below(self, span: _Span, message_id: str, span_id: int, *, parent: int | None = None) -> None:
        """Below another of the same message, by default below the first."""
        if not names.sampled(message_id, self._sample):
            return
        trace_id = int(names.trace_id(message_id), 16)
        above = self._context(trace_id, parent or int(names.span_id(message_id), 16))
        self._emit(span, self._context(trace_id, span_id), parent=above)

    @staticmethod
    def _context(trace_id: int, span_id: int) -> SpanContext:
        from opentelemetry.trace import SpanContext, TraceFlags

        return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    def _emit(self, span: _Span, context: SpanContext, *, parent: SpanContext | None = None) -> None:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Link, SpanKind, Status, StatusCode

        kinds: type[SpanKind] = SpanKind
        self._processor.on_end(
            ReadableSpan(
                span.name,
                context=context,
                parent=parent,
                resource=self._resource,
                attributes={k: v for k, v in span.attributes.items() if k in ATTRIBUTES and v is not None},
                links=() if span.link is None else (Link(span.link),),
                kind=kinds[span.kind],
                status=Status() if span.failed is None else Status(StatusCode.ERROR, span.failed),
                start_time=_ns(span.times[0]),
                end_time=_ns(span.times[1]),
                instrumentation_scope=self._scope,
            )
        )


def _attempt(message_id: str, number: int, finished_at: dt.datetime) -> int:
    """The receipt names the attempt that brought it, without having seen its span."""
    return int(names.span_id(message_id, f"attempt.{number}.{_ns(finished_at)}"), 16)


def _about(record: MessageRecord) -> dict[str, Any]:
    return {
        "passerelle.message_id": record.message_id,
        "passerelle.message_type": record.type.value,
        "passerelle.direction": record.direction.value,
        "passerelle.status": record.status.value,
        "passerelle.code": record.code,
    }
