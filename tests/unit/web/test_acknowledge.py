"""What a UK system may post to acknowledge an inbox message."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.core.errors import MalformedBody
from gateway.flows.acknowledge import acknowledgement_body

NOW = dt.datetime(2026, 11, 23, 10, tzinfo=dt.UTC)
MESSAGE = "019a8c52-4e1f-7c33-a4d8-6b2e9f0c7a15"


@pytest.mark.parametrize(
    "content",
    [
        b'{"status":"rejected","status":"taken_into_account"}',
        b'{"status":"\\ud800"}',
        b"{",
        b"[]",
        b"\xff",
        b"[" * 9999,
    ],
)
def test_anything_but_one_strict_object_is_malformed(content: bytes) -> None:
    """Duplicate names, lone surrogates and depth are refused as everywhere else in the API."""
    with pytest.raises(MalformedBody):
        acknowledgement_body(content, MESSAGE, NOW)
