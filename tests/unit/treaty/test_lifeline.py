"""The line of a case: its ordinary life is in the tables, every state has a way ahead, detours come back."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from contracts import codes, model
from contracts.codes import CaseKind
from gateway.core.treaty import lifeline, states
from gateway.core.treaty.lifeline import MAIN, Mark, Moved, ahead, exits, line, walk
from gateway.core.treaty.states import Readmission
from tests.fixtures.cases import load_cases, to_message

STATES = [(kind, status) for kind in CaseKind for status in states.STATUSES[kind]]
NOW = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)


def moves(kind: CaseKind) -> set[tuple[str, str]]:
    return {(status, to) for (status, _), to in states.TABLES[kind].items() if status != to}


@pytest.mark.parametrize("kind", CaseKind)
def test_the_ordinary_life_is_in_the_table(kind: CaseKind) -> None:
    """Each step of the drawn life is a row of the table, from where cases open to a final state."""
    main = MAIN[kind]
    assert set(itertools.pairwise(main)) <= moves(kind)
    assert main[0] in set(states.OPENING.values())
    assert main[-1] in states.FINAL[kind]


@pytest.mark.parametrize(("kind", "status"), STATES)
def test_the_way_ahead_is_possible(kind: CaseKind, status: str) -> None:
    """From every state that has not ended, the line leads to the goal by rows of the table only."""
    way = ahead(kind, status)
    if status in states.FINAL[kind]:
        assert way == ()
        return
    assert way[-1] == MAIN[kind][-1]
    assert set(itertools.pairwise((status, *way))) <= moves(kind)
    assert len(set(way)) == len(way)


@pytest.mark.parametrize(("kind", "status"), STATES)
def test_exits_are_the_other_rows(kind: CaseKind, status: str) -> None:
    """Next state and exits together are exactly what the table allows."""
    possible = {to for source, to in moves(kind) if source == status}
    assert set(exits(kind, status)) | set(ahead(kind, status)[:1]) == possible


@pytest.mark.parametrize("kind", CaseKind)
def test_the_ordinary_life_is_drawn_whole(kind: CaseKind) -> None:
    """A case that has just opened shows every station of its ordinary life, in order."""
    assert (MAIN[kind][0], *ahead(kind, MAIN[kind][0])) == MAIN[kind]


def test_a_side_road_leads_back() -> None:
    """After an alternative was proposed a confirmation comes next, not the end."""
    assert ahead(CaseKind.READMISSION, Readmission.TRANSFER_ALTERNATIVE)[0] == Readmission.TRANSFER_CONFIRMED


# ---- the way walked -----------------------------------------------------------------------------


def _reply(opening: model.Message, body: model.Body, n: int) -> Moved:
    message = model.Message(
        message_id=f"00000000-0000-7000-8000-{n:012x}",
        reference=opening.reference,
        conversation_id=opening.conversation_id,
        issued_at=NOW,
        in_reply_to=opening.message_id,
        body=body,
    )
    return Moved(message=message, at=NOW + dt.timedelta(hours=n), counts=True)


def _opening() -> model.Message:
    return to_message(next(r for r in load_cases() if r["kind"] == "readmission"))[0]


def _decision(what: codes.ReadmissionDecisionCode) -> model.ReadmissionDecision:
    return model.ReadmissionDecision(
        decision=what, ground=None, information_needed=(), extended_until=None, decided_at=NOW
    )


def test_states_come_with_what_brought_them() -> None:
    """Each state of the walk names its message and instant; the last one is where the case is."""
    opening = _opening()
    ack = model.Acknowledgement(
        of_message=opening.message_id, status=codes.AckStatus.TAKEN_INTO_ACCOUNT, code=None, at=NOW
    )
    history = [
        Moved(message=opening, at=NOW, counts=True),
        _reply(opening, ack, 1),
        _reply(opening, _decision(codes.ReadmissionDecisionCode.ACCEPTED), 2),
    ]
    steps = walk(CaseKind.READMISSION, "accepted", history)
    assert [(s.status, s.mark) for s in steps] == [
        ("requested", Mark.DONE),
        ("acknowledged", Mark.DONE),
        ("accepted", Mark.NOW),
    ]
    assert [s.message_id for s in steps] == [m.message.message_id for m in history]
    whole = line(CaseKind.READMISSION, "accepted", history)
    assert [s.mark for s in whole[3:]] == [Mark.AHEAD] * 4


def test_what_was_held_moved_nothing() -> None:
    """A message that never left is not a station."""
    opening = _opening()
    held = _reply(opening, _decision(codes.ReadmissionDecisionCode.ACCEPTED), 1)
    held = Moved(message=held.message, at=held.at, counts=False)
    steps = walk(CaseKind.READMISSION, "requested", [Moved(message=opening, at=NOW, counts=True), held])
    assert [s.status for s in steps] == ["requested"]


@pytest.mark.parametrize(
    ("status", "mark"), [("received", Mark.GOAL), ("refused", Mark.STOPPED), ("accepted", Mark.NOW)]
)
def test_without_content_the_present_state_stays(status: str, mark: Mark) -> None:
    """After retention the line still says where the case is, and no way ahead once it has ended."""
    steps = line(CaseKind.READMISSION, status, [])
    assert (steps[0].status, steps[0].mark, steps[0].at) == (status, mark, None)
    assert (len(steps) == 1) is (mark is not Mark.NOW)


def test_a_final_state_beside_the_goal_is_drawn_as_stopped() -> None:
    """Every final state but the goal stops the line."""
    for kind in CaseKind:
        for status in states.FINAL[kind]:
            wanted = Mark.GOAL if status == MAIN[kind][-1] else Mark.STOPPED
            assert lifeline.walk(kind, status, [])[-1].mark is wanted
