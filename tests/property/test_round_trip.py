"""UK → canonical → French → canonical → UK is the identity, over the whole model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.fr import FrAdapter
from adapters.uk import UkAdapter
from contracts import model
from contracts.codes import MessageType
from contracts.ports import ContractError, Problem
from tests.fixtures.strategies import messages, persons, wild_text

T = TypeVar("T")
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
EACH_TYPE = settings(SLOW, max_examples=25)


@functools.cache
def _british() -> UkAdapter:
    return UkAdapter()


@functools.cache
def _french() -> FrAdapter:
    return FrAdapter()


def _attempt(call: Callable[[], T]) -> tuple[T | None, tuple[Problem, ...]]:
    """The result, or the problems of a refusal; any other exception is a bug and gets through."""
    try:
        return call(), ()
    except ContractError as refusal:
        return None, refusal.problems


@pytest.mark.parametrize("kind", list(MessageType))
def test_uk_to_france_and_back_is_the_identity(kind: MessageType) -> None:
    """The UK document that comes back has the same bytes as the one that went."""

    @EACH_TYPE
    @given(messages(kind))
    def check(message: model.Message) -> None:
        sent = _british().from_canonical(message)
        canonical = _british().to_canonical(_british().validate(sent.content))
        assert canonical == message
        wire = _french().from_canonical(canonical).content
        returned = _french().to_canonical(_french().validate(wire))
        assert returned == message
        assert _british().from_canonical(returned).content == sent.content

    check()


@settings(SLOW, max_examples=60)
@given(messages(), st.booleans())
def test_what_is_read_from_france_obeys_the_canonical_limits(message: model.Message, pretty: bool) -> None:
    """What the French side yields passes the model's own checks, indented or not."""
    returned = _french().to_canonical(_french().from_canonical(message, pretty=pretty))
    assert msgspec.convert(msgspec.to_builtins(returned), model.Message) == message


@settings(SLOW, max_examples=30)
@given(messages(MessageType.NOMINATION), persons(), wild_text(), wild_text())
def test_any_text_that_xml_carries_survives(
    message: model.Message, person: model.Person, first: str, second: str
) -> None:
    """Names and places of any Unicode come back unchanged, line ends and outer blanks too."""
    name = model.PersonName(family_name=first, given_names=second)
    person = msgspec.structs.replace(person, name=name, birth_place=second)
    body = msgspec.structs.replace(message.body, persons=(person,))
    message = msgspec.structs.replace(message, body=body)
    wire = _french().from_canonical(message).content
    assert _french().to_canonical(_french().validate(wire)) == message


@settings(SLOW, max_examples=60)
@given(messages(MessageType.CORRECTION), persons(), st.text(min_size=1, max_size=30))
def test_no_text_crashes_the_translation(message: model.Message, person: model.Person, text: str) -> None:
    """Any Python string, lone surrogates included, is either carried whole or held with its place."""
    person = msgspec.structs.replace(person, birth_place=text)
    body = msgspec.structs.replace(message.body, persons=(person,))
    message = msgspec.structs.replace(message, body=body)
    document, problems = _attempt(lambda: _french().from_canonical(message))
    if document is None:
        assert [p.path for p in problems] == ["/body/persons/0/birth_place"]
    else:
        assert _french().to_canonical(_french().validate(document.content)) == message


@settings(SLOW, max_examples=100)
@given(messages(), st.data())
def test_damaged_documents_are_refused_or_read_never_crash(
    message: model.Message, data: st.DataObject
) -> None:
    """Bytes changed at random places give a message or InvalidDocument or Unmappable, nothing else."""
    wire = bytearray(_french().from_canonical(message).content)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(wire) - 1))
        cut = data.draw(st.integers(0, 12))
        wire[place : place + cut] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"<", b"/>", b"9" * 40])
        )
    document, problems = _attempt(lambda: _french().validate(bytes(wire)))
    if document is None:
        assert problems
        return
    returned, problems = _attempt(lambda: _french().to_canonical(document))
    if returned is None:
        assert {p.code for p in problems} == {"country_unmapped"}
    else:
        assert returned.type == document.message_type
