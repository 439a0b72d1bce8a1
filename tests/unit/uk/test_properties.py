"""Every canonical message within the UK contract's limits goes to JSON and comes back the same."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.uk import UkAdapter
from contracts.codes import MessageType
from contracts.model import Message
from contracts.ports import InvalidDocument
from tests.fixtures.uk_messages import uk_messages

ADAPTER = UkAdapter()
SLOW_DATA = (HealthCheck.too_slow, HealthCheck.data_too_large)


@pytest.mark.parametrize("message_type", list(MessageType))
def test_canonical_to_uk_to_canonical_is_identity(message_type: MessageType) -> None:
    """from_canonical's bytes validate, and reading them gives the equal message."""

    @settings(max_examples=40, deadline=None, suppress_health_check=SLOW_DATA)
    @given(uk_messages(message_type))
    def check(message: Message) -> None:
        document = ADAPTER.from_canonical(message)
        judged = ADAPTER.validate(document.content)
        assert judged.parsed == document.parsed
        assert ADAPTER.to_canonical(judged) == message
        assert ADAPTER.to_canonical(document) == message
        assert ADAPTER.from_canonical(ADAPTER.to_canonical(judged)).content == document.content

    check()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def _places(node: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] + [p for key, child in items for p in _places(child, (*path, key))]


@settings(max_examples=300, deadline=None, suppress_health_check=SLOW_DATA)
@given(uk_messages(), _JSON, st.randoms(use_true_random=False))
def test_any_value_anywhere_is_accepted_or_refused_with_pointers(message: Message, value, random) -> None:  # type: ignore[no-untyped-def]
    """A mutation is valid and translatable or it is InvalidDocument; nothing else is ever raised."""
    document = json.loads(ADAPTER.from_canonical(message).content)
    *parents, last = random.choice(_places(document)[1:])
    node = document
    for key in parents:
        node = node[key]
    node[last] = value
    content = json.dumps(document).encode()
    with contextlib.suppress(InvalidDocument):  # the one way to refuse; anything else fails the test
        again = ADAPTER.to_canonical(ADAPTER.validate(content))
        assert ADAPTER.to_canonical(ADAPTER.from_canonical(again)) == again


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_are_refused(content: bytes) -> None:
    """No bytes bring anything but a refusal."""
    with pytest.raises(InvalidDocument):
        ADAPTER.validate(content)
    with pytest.raises(InvalidDocument):
        ADAPTER.validate_body(content, MessageType.WITHDRAWAL)
