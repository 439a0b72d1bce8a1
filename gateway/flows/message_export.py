"""A listing of messages as a file: CSV or JSON lines, page by page, without any personal data."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any, Final

from gateway.core.records import MessageRecord
from gateway.flows.exchange import Exchange
from gateway.flows.message_search import MessageQuery, narrow
from gateway.flows.uk_receipts import instant

MOST_EXPORTED: Final = 50_000
"""Messages of one file, the newest of what matches."""
_PAGE: Final = 500
COLUMNS: Final = (
    "message_id",
    "reference",
    "conversation_id",
    "type",
    "direction",
    "status",
    "code",
    "attempts",
    "receipt_verified",
    "received_at",
    "delivered_at",
    "updated_at",
)


class Form(StrEnum):
    CSV = "csv"
    JSON = "json"


def row(record: MessageRecord) -> dict[str, Any]:
    """One message, JSON-ready; instants ISO 8601 UTC."""
    values: dict[str, Any] = {name: getattr(record, name) for name in COLUMNS}
    for name in ("received_at", "delivered_at", "updated_at"):
        values[name] = None if values[name] is None else instant(values[name])
    return {name: getattr(value, "value", value) for name, value in values.items()}


async def pages(exchange: Exchange, query: MessageQuery) -> AsyncIterator[tuple[MessageRecord, ...]]:
    """What the query finds, newest first, at most ``MOST_EXPORTED``; each page in a transaction of its own.
    Raises InvalidParameter."""
    where = narrow(query, exchange.clock.now())
    cursor: str | None = None
    left = MOST_EXPORTED
    while left:
        async with exchange.store.begin(read_only=True) as tx:
            page = await tx.list_messages(where, cursor=cursor, limit=min(_PAGE, left))
        if page.items:
            yield page.items
        left -= len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return


async def export(exchange: Exchange, query: MessageQuery, form: Form) -> AsyncIterator[bytes]:
    """The file in pieces: CSV with a heading (RFC 4180), or one JSON array. Raises InvalidParameter."""
    if form is Form.CSV:
        yield _csv([list(COLUMNS)])
        async for items in pages(exchange, query):
            yield _csv([list(row(record).values()) for record in items])
        return
    separator = b"[\n"
    async for items in pages(exchange, query):
        for record in items:
            yield separator + json.dumps(row(record), ensure_ascii=False).encode()
            separator = b",\n"
    yield b"[]\n" if separator == b"[\n" else b"\n]\n"


def _csv(lines: list[list[Any]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["" if cell is None else cell for cell in line] for line in lines])
    return out.getvalue().encode()
