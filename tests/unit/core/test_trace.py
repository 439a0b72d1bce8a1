"""Names of traces: derived, well-formed, and deaf to malformed callers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import trace

ID = "01a209a5-3441-7bec-8c67-0b3606c46e59"
VALID = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]")


def test_the_trace_id_is_the_message_id() -> None:
    """Whoever has the one has the other."""
    assert trace.trace_id(ID) == "01a209a534417bec8c670b3606c46e59"


@given(st.one_of(st.uuids().map(str), st.text(max_size=60), st.just("0" * 8 + "-0000" * 3 + "-" + "0" * 12)))
def test_names_are_valid_and_the_same_again(message_id: str) -> None:
    """W3C Trace Context: lower-case hex, never all zero, whatever the id is."""
    assert VALID.fullmatch(trace.traceparent(message_id))
    assert trace.traceparent(message_id) == trace.traceparent(message_id)
    assert trace.span_id(message_id) != trace.span_id(message_id, "attempt.1")


def test_a_callers_context_is_read() -> None:
    """Version 00, and later versions with more behind it (W3C Trace Context 3.2.4)."""
    text = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
    caller = trace.read_traceparent(f"00-{text}-01")
    assert caller is not None
    assert (f"{caller.trace_id:032x}-{caller.span_id:016x}", caller.sampled) == (text, True)
    later = trace.read_traceparent(f"cc-{text}-00-what-will-come")
    assert later is not None
    assert not later.sampled


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-" + "x" * 200,
        "Ghebremariam",
    ],
)
def test_what_is_malformed_is_ignored(value: str | None) -> None:
    """A wrong header is as good as none."""
    assert trace.read_traceparent(value) is None


@given(st.text(max_size=140))
def test_no_header_raises(value: str) -> None:
    """Anything may come from outside."""
    trace.read_traceparent(value)


def test_a_share_of_messages_is_chosen() -> None:
    """The same ones on every node; none at 0, all at 1."""
    ids = [f"01a209a5-3441-7bec-8c67-{n:012x}" for n in range(2000)]
    assert not any(trace.sampled(i, 0) for i in ids)
    assert all(trace.sampled(i, 1) for i in ids)
    chosen = [i for i in ids if trace.sampled(i, 0.25)]
    assert 400 < len(chosen) < 600
    assert set(chosen) <= {i for i in ids if trace.sampled(i, 0.5)}
