"""Logs: one JSON object per line, only listed fields, no text of foreign exceptions."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway.logs import FIELDS, configure_logs, get_logger


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    out = io.StringIO()
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    configure_logs(stream=out)
    yield out
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_unlisted_fields_are_dropped(stream: io.StringIO) -> None:
    """A field that is not on the list never reaches the output, whoever logs it."""
    get_logger().info("delivery", message_id="m-1", family_name="DUPONT")
    (line,) = lines(stream)
    assert line["message_id"] == "m-1"
    assert set(line) <= FIELDS
    assert "DUPONT" not in stream.getvalue()


def test_exceptions_show_type_and_place_but_no_text(stream: io.StringIO) -> None:
    """The text of an exception may quote a message: only its type and the places are written."""
    try:
        raise ValueError("DUPONT")  # noqa: TRY301 — what is logged must have been raised
    except ValueError:
        get_logger().exception("worker.bug")
    (line,) = lines(stream)
    assert line["exc_type"] == "builtins.ValueError"
    assert "test_logs" in str(line["exception"])
    assert "DUPONT" not in stream.getvalue()


def test_library_texts_are_not_written(stream: io.StringIO) -> None:
    """Of a library's log only logger, level and time are kept."""
    logging.getLogger("aiohttp.server").error("request of %s failed", "DUPONT")
    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["level"]) == ("library.log", "aiohttp.server", "error")
    assert "DUPONT" not in stream.getvalue()


def test_level_is_obeyed() -> None:
    """``log.level`` decides what is written."""
    out = io.StringIO()
    configure_logs(level="warning", stream=out)
    get_logger().info("quiet")
    get_logger().warning("loud")
    structlog.reset_defaults()
    assert [line["event"] for line in lines(out)] == ["loud"]


def test_console_format_is_for_people() -> None:
    """``log.format = "console"`` writes no JSON."""
    out = io.StringIO()
    configure_logs(format_="console", stream=out)
    get_logger().info("gateway.ready")
    structlog.reset_defaults()
    assert "gateway.ready" in out.getvalue()
    assert not out.getvalue().startswith("{")
