"""What every table is made of: the one ``MetaData``, instants as integers, keys used again and again.

Instants are UTC milliseconds since 1970 in a 64-bit integer, which both databases order, index and compare
alike.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, String
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MS = dt.timedelta(milliseconds=1)


class Instant(TypeDecorator[dt.datetime]):
    """Aware datetime ⇄ whole milliseconds since 1970 UTC. A naive datetime is an error."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_ms(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        return None if value is None else from_ms(value)


def to_ms(value: dt.datetime) -> int:
    """Milliseconds since 1970 UTC. Raises TypeError for a naive datetime."""
    return (value - _EPOCH) // _MS


def from_ms(value: int) -> dt.datetime:
    """The instant, UTC."""
    return _EPOCH + value * _MS


metadata = MetaData()
Serial = BigInteger().with_variant(Integer(), "sqlite")  # SQLite's rowid needs the type INTEGER


def case_reference(*, primary_key: bool = False) -> Column[str]:
    return Column(
        "reference", String(32), ForeignKey("cases.reference"), primary_key=primary_key, nullable=False
    )


def message_id_column(*, primary_key: bool = False) -> Column[str]:
    return Column(
        "message_id", String(36), ForeignKey("messages.message_id"), primary_key=primary_key, nullable=False
    )
