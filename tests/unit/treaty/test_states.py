"""The tables of both lives: the paths of the agreement, the crossings, and what never happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import model
from contracts.codes import CaseKind, MessageType
from gateway.core.errors import OutOfSequence
from gateway.core.treaty import states
from tests.unit.treaty import builders as b

DOCS = Path(__file__).parents[3] / "docs" / "states.md"

LIVES: list[tuple[CaseKind, list[tuple[model.Body, str]]]] = [
    (
        b.R,
        [
            (b.ack(), "acknowledged"),
            (b.decision("extension"), "extended"),
            (b.decision("accepted"), "accepted"),
            (b.supplement(), "accepted"),
            (b.notice(), "transfer_notified"),
            (b.ack(of="00000000-0000-0000-0000-000000000001"), "transfer_notified"),
            (b.confirmation("confirmed"), "transfer_confirmed"),
            (b.outcome("carried_out"), "transferred"),
            (b.receipt(), "received"),
        ],
    ),
    (
        b.R,
        [
            (b.ack(), "acknowledged"),
            (b.decision("information_needed"), "information_needed"),
            (b.update(), "information_needed"),
            (b.supplement(), "acknowledged"),
            (b.decision("accepted"), "accepted"),
            (b.notice(), "transfer_notified"),
            (b.confirmation("alternative_proposed"), "transfer_alternative"),
            (b.notice(), "transfer_notified"),
            (b.outcome("failed"), "transfer_failed"),
            (b.notice(), "transfer_notified"),
            (b.withdrawal(), "withdrawn"),
        ],
    ),
    (b.R, [(b.ack("rejected"), "rejected")]),
    (b.R, [(b.decision("refused"), "refused"), (b.ack(), "refused")]),
    # the receipt overtakes the outcome
    (
        b.R,
        [
            (b.decision("accepted"), "accepted"),
            (b.notice(), "transfer_notified"),
            (b.receipt(), "received"),
            (b.outcome("carried_out"), "received"),
        ],
    ),
    # the decision crosses with the withdrawal
    (b.R, [(b.withdrawal(), "withdrawn"), (b.decision("accepted"), "withdrawn"), (b.ack(), "withdrawn")]),
    (
        b.N,
        [
            (b.ack(of=b.NOMINATION.message_id), "acknowledged"),
            (b.response("no_objection"), "no_objection"),
            (b.visa(), "visa_granted"),
            (b.admission(), "arrived"),
        ],
    ),
    (
        b.N,
        [
            (b.response("no_objection"), "no_objection"),
            (b.ack(of=b.NOMINATION.message_id), "no_objection"),
            (b.visa(), "visa_granted"),
            (b.admission("lapsed"), "lapsed"),
        ],
    ),
    (b.N, [(b.response("objection"), "objected"), (b.visa("refused"), "refused")]),
    (b.N, [(b.visa("withdrawn"), "withdrawn"), (b.response("no_objection"), "withdrawn")]),
    (b.N, [(b.ack("rejected", of=b.NOMINATION.message_id), "rejected")]),
]


@pytest.mark.parametrize(("kind", "steps"), LIVES)
def test_a_life(kind: CaseKind, steps: list[tuple[model.Body, str]]) -> None:
    """Each message moves the case as domain.md tells the life."""
    opening = b.REQUEST if kind is b.R else b.NOMINATION
    status = states.next_status(kind, None, opening)
    seen = []
    for body, _ in steps:
        status = states.next_status(kind, status, b.message(body, of=opening), opening_id=opening.message_id)
        seen.append(status)
    assert seen == [expected for _, expected in steps]


NEVER: list[tuple[CaseKind, str | None, model.Body]] = [
    (b.R, None, b.decision("accepted")),
    (b.R, "requested", b.REQUEST.body),
    (b.R, None, b.NOMINATION.body),
    (b.R, "acknowledged", b.notice()),
    (b.R, "refused", b.notice()),
    (b.R, "information_needed", b.notice()),
    (b.R, "accepted", b.outcome("carried_out")),
    (b.R, "accepted", b.decision("refused")),
    (b.R, "extended", b.decision("extension")),
    (b.R, "transferred", b.withdrawal()),
    (b.R, "received", b.withdrawal()),
    (b.R, "transfer_declined", b.outcome("carried_out")),
    (b.R, "withdrawn", b.notice()),
    (b.R, "rejected", b.decision("accepted")),
    (b.R, "requested", b.response("no_objection")),
    (b.N, "acknowledged", b.visa()),
    (b.N, "objected", b.visa()),
    (b.N, "no_objection", b.admission()),
    (b.N, "arrived", b.withdrawal()),
    (b.N, "nominated", b.notice()),
]


@pytest.mark.parametrize(("kind", "status", "body"), NEVER)
def test_what_never_happens(kind: CaseKind, status: str | None, body: model.Body) -> None:
    """A pair without a row raises OutOfSequence (409, out_of_sequence)."""
    with pytest.raises(OutOfSequence) as caught:
        states.next_status(kind, status, b.message(body))
    assert (caught.value.code, caught.value.http_status) == ("out_of_sequence", 409)


def test_a_rejected_later_message_does_not_close_the_case() -> None:
    """Only the rejection of the opening message rejects the case."""
    later = b.message(b.ack("rejected", of="00000000-0000-0000-0000-000000000001"))
    assert states.next_status(b.R, "requested", later, opening_id=b.REQUEST.message_id) == "requested"


@pytest.mark.parametrize("kind", list(CaseKind))
def test_tables_are_closed_and_reachable(kind: CaseKind) -> None:
    """Every status is known and reachable, every open one has a way on, every final one is left by no
    message but a formal close."""
    table, known = states.TABLES[kind], set(states.STATUSES[kind])
    opening = next(states.OPENING[t] for t, k in states.KIND.items() if k is kind)
    reached, edges = {opening}, [(s, to) for (s, _), to in table.items() if s != to]
    for _ in known:
        reached |= {to for s, to in edges if s in reached}
    assert reached == known
    assert {s for s, _ in edges} >= known - states.FINAL[kind]
    assert {s for s, _ in edges} & states.FINAL[kind] <= {"objected"}


@pytest.mark.parametrize("kind", list(CaseKind))
def test_events_name_message_types(kind: CaseKind) -> None:
    """No row waits for a message type that does not exist."""
    assert {event.split(":")[0] for _, event in states.TABLES[kind]} <= {t.value for t in MessageType}


@pytest.mark.parametrize("kind", list(CaseKind))
def test_an_acknowledgement_never_breaks_a_case(kind: CaseKind) -> None:
    """Acknowledgements may arrive in any state."""
    for status in states.STATUSES[kind]:
        assert states.next_status(kind, status, b.message(b.ack())) in states.STATUSES[kind]


def test_is_final() -> None:
    """Final statuses are known as such, unknown ones are an error."""
    assert states.is_final(b.R, "received")
    assert not states.is_final(b.R, "transferred")
    assert states.is_final(b.N, "lapsed")
    with pytest.raises(KeyError):
        states.is_final(b.N, "transferred")


def test_docs_are_current() -> None:
    """docs/states.md is what the table says (python -m gateway.core.treaty.states > docs/states.md)."""
    assert DOCS.read_text(encoding="utf-8") == states.document()
