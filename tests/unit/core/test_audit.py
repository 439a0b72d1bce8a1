"""The audit chain: a fixed vector, and every kind of tampering found at its place."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.audit import GENESIS, canonical, link, verify_chain
from gateway.core.errors import AuditChainBroken
from gateway.core.records import AuditEntry

AT = dt.datetime(2026, 11, 23, 12, 0, 0, 123000, tzinfo=dt.UTC)


def chain(length: int) -> list[AuditEntry]:
    """A chain of that length from the beginning."""
    entries: list[AuditEntry] = []
    previous = GENESIS
    for sequence in range(1, length + 1):
        data = {"n": sequence, "note": "é", "flag": True, "none": None}
        made = link(previous, sequence, AT, "système", "message.accepted", f"m{sequence}", data)
        entries.append(
            AuditEntry(
                sequence=sequence,
                at=AT,
                actor="système",
                action="message.accepted",
                subject=f"m{sequence}",
                data=data,
                previous_hash=previous,
                hash=made,
            )
        )
        previous = made
    return entries


def test_the_bytes_are_fixed() -> None:
    """The canonical form never changes: sorted keys, no blanks, UTF-8, UTC milliseconds."""
    paris = AT.astimezone(dt.timezone(dt.timedelta(hours=1)))
    expected = (
        '{"action":"a","actor":"é","at":"2026-11-23T12:00:00.123Z","data":{"a":1,"b":null},'
        '"sequence":7,"subject":"s"}'
    ).encode()
    assert canonical(7, paris, "é", "a", "s", {"b": None, "a": 1}) == expected
    digest = hashlib.sha256(GENESIS.encode() + b"\n" + expected).hexdigest()
    assert link(GENESIS, 7, AT, "é", "a", "s", {"a": 1, "b": None}) == digest


def test_a_whole_chain_holds_in_pages() -> None:
    """Verification goes on from page to page with the returned head; an empty log holds."""
    entries = chain(5)
    head = verify_chain(entries[:3])
    assert head == (4, entries[2].hash)
    assert verify_chain(entries[3:], start_hash=head[1], start_sequence=head[0]) == (6, entries[4].hash)
    assert verify_chain([]) == (1, GENESIS)


TAMPERED = [
    ("actor", "someone"),
    ("action", "message.failed"),
    ("subject", "m9"),
    ("at", AT + dt.timedelta(milliseconds=1)),
    ("data", {}),
    ("hash", "f" * 64),
]


@pytest.mark.parametrize(("field", "value"), TAMPERED)
@pytest.mark.parametrize("place", [0, 2, 4])
def test_a_changed_entry_is_found(field: str, value: object, place: int) -> None:
    """Any changed field breaks the hash of its entry."""
    entries = chain(5)
    entries[place] = replace(entries[place], **{field: value})  # type: ignore[arg-type]  # any field
    with pytest.raises(AuditChainBroken) as caught:
        verify_chain(entries)
    assert (caught.value.sequence, caught.value.reason) == (place + 1, "hash")


@given(place=st.integers(0, 3))
def test_a_removed_entry_is_a_gap(place: int) -> None:
    """Taking out an entry leaves a gap at its number."""
    entries = chain(5)
    del entries[place]
    with pytest.raises(AuditChainBroken) as caught:
        verify_chain(entries)
    assert (caught.value.sequence, caught.value.reason) == (place + 1, "gap")


def test_a_renumbered_chain_is_found() -> None:
    """Closing a gap by renumbering and re-hashing one entry breaks the link to the next."""
    entries = chain(4)
    moved = replace(entries[2], sequence=2, previous_hash=entries[0].hash)
    moved = replace(
        moved,
        hash=link(moved.previous_hash, 2, moved.at, moved.actor, moved.action, moved.subject, moved.data),
    )
    with pytest.raises(AuditChainBroken) as caught:
        verify_chain([entries[0], moved, replace(entries[3], sequence=3)])
    assert (caught.value.sequence, caught.value.reason) == (3, "previous_hash")


def test_another_beginning_is_found() -> None:
    """A chain that does not start from the known hash is refused at its first entry."""
    with pytest.raises(AuditChainBroken) as caught:
        verify_chain(chain(1), start_hash="1" * 64)
    assert (caught.value.sequence, caught.value.reason) == (1, "previous_hash")


def test_what_cannot_be_canonical() -> None:
    """A naive or too fine time and nested data have no canonical form; in a log they break the chain."""
    for at in (AT.replace(tzinfo=None), AT.replace(microsecond=1)):
        with pytest.raises(ValueError, match="millisecond"):
            canonical(1, at, "a", "b", "c", {})
    with pytest.raises(TypeError):
        canonical(1, AT, "a", "b", "c", {"x": 1.5})  # type: ignore[dict-item]  # wrong on purpose
    broken = replace(chain(1)[0], at=AT.replace(tzinfo=None))
    with pytest.raises(AuditChainBroken) as caught:
        verify_chain([broken])
    assert caught.value.reason == "not_canonical"
