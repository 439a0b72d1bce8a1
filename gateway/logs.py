"""Structured logs: one JSON object per line, UTC, with a correlation id and never a value of a message.

Events are named by machine codes; the fields that may appear are listed in ``FIELDS``. Anything else is
dropped before it is written: that is what keeps personal data out, not the discipline of each caller.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from gateway.core.trace import trace_id

FIELDS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "logger",
        "exc_type",
        "exception",
        "message_id",
        "as4_message_id",
        "reference",
        "conversation_id",
        "correlation_id",
        "endpoint",
        "channel",
        "type",
        "status",
        "code",
        "ebms",
        "attempt",
        "attempts",
        "due_at",
        "http_status",
        "elapsed_ms",
        "host",
        "port",
        "side",
        "count",
        "signal",
        "client_id",
        "setting",
        "entry_id",
        "method",
        "route",
        "reason",
        "trace_id",
    }
)


def _trace_of_message(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A line about a message names its trace, so that each is found from the other."""
    message_id = event.get("message_id")
    if isinstance(message_id, str):
        event["trace_id"] = trace_id(message_id)
    return event


def _only_known_fields(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value for key, value in event.items() if key in FIELDS}


def _exception_without_values(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces a traceback by type and places: the text of a foreign exception may quote a message."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and info[0] is not None:
        event["exc_type"] = f"{info[0].__module__}.{info[0].__qualname__}"
        frames = []
        trace = info[2]
        while trace is not None:
            code = trace.tb_frame.f_code
            frames.append(f"{trace.tb_frame.f_globals.get('__name__')}:{code.co_name}:{trace.tb_lineno}")
            trace = trace.tb_next
        event["exception"] = " < ".join(reversed(frames[-12:]))
    return event


class _Stderr:
    """Standard error as it is when something is written: a command run inside another program (or test) may
    have had a stderr of its own, which is closed by then."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


def configure_logs(*, level: str = "info", format_: str = "json", stream: TextIO | None = None) -> None:
    """Sets up structlog and the standard library's root logger, both to ``stream`` (default stderr)."""
    out: Any = stream or _Stderr()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _exception_without_values,
        _only_known_fields,
        _trace_of_message,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if format_ == "json"
        else structlog.dev.ConsoleRenderer(colors=out.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[_foreign_without_text, *shared, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _foreign_without_text(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A library's log text may quote what it was given: keep its logger and level, drop the text."""
    record = event.get("_record")
    event["logger"] = getattr(record, "name", None)
    event["event"] = "library.log"
    return event


def get_logger() -> Any:
    """The logger of the house; fields outside ``FIELDS`` are dropped."""
    return structlog.get_logger()
