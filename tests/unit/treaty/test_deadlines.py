"""What messages and time do to deadlines: starts, ends, extensions, replacements, crossings."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import codes, model
from contracts.codes import CaseKind, Direction, MessageType
from gateway.core.errors import ConfigError
from gateway.core.treaty import states
from gateway.core.treaty.agreement import load_agreement, uk_fr
from gateway.core.treaty.clock_tables import Moment
from gateway.core.treaty.clocks import Deadline, DeadlineState, clocks_of, due
from gateway.core.treaty.deadlines import (
    Changes,
    DateRemark,
    Occurrence,
    Told,
    changes,
    end,
    is_relevant,
    look,
    overtaken,
)

AGREEMENT = uk_fr()
CLOCKS = clocks_of(AGREEMENT)
CONTENT = resources.files("contracts").joinpath("agreement/uk-fr.toml").read_bytes()
REFERENCE = "GB01-7QK3M9ZT4XWC"
T = dt.datetime(2026, 11, 18, 9, 15, tzinfo=dt.UTC)
DAY, MS = dt.timedelta(days=1), dt.timedelta(milliseconds=1)
UK, FR = Direction.UK_TO_FR, Direction.FR_TO_UK
ACCEPTED, RECEIVED = frozenset({Moment.ACCEPTED}), frozenset({Moment.RECEIVED})


def what(name: str, direction: Direction = UK, **more: Any) -> Occurrence:
    """``name``: an event of the tables; messages of France are accepted and received at once."""
    values: dict[str, Any] = {
        "reference": REFERENCE,
        "kind": CaseKind.READMISSION,
        "message_id": name,
        "direction": direction,
        "names": frozenset({name, name.partition(":")[0]}),
        "moments": RECEIVED if direction is UK else ACCEPTED | RECEIVED,
        "at": T,
        "posted_at": T,
    }
    return Occurrence(**{**values, **more})


def row(
    clock: str, message_id: str = "m", *, number: int = 1, start: dt.datetime = T, **more: Any
) -> Deadline:
    end_at = due(start, CLOCKS[clock])
    values: dict[str, Any] = {
        "deadline_id": number,
        "reference": REFERENCE,
        "clock": clock,
        "message_id": message_id,
        "zone": CLOCKS[clock].zone,
        "started_at": start,
        "due_at": end_at,
        "state": DeadlineState.OPEN,
        "next_at": end_at,
        "warnings": 0,
        "closed_at": None,
        "closed_by": None,
    }
    return Deadline(**{**values, **more})


def done(found: Changes) -> tuple[dict[int, str], set[str]]:
    """States of the rows that ended, and the clocks that started open."""
    started = {n.clock for n in found.starts if n.state is DeadlineState.OPEN}
    return {e.deadline_id: e.state.value for e in found.endings}, started


def apply(event: Occurrence, *rows: Deadline, unproven: Sequence[tuple[str, str]] = ()) -> Changes:
    return changes(AGREEMENT, event, rows, unproven)


def test_the_proven_receipt_starts_the_answer_and_ends_the_request() -> None:
    """Art 8: counted from the receipt, not from the posting; the request reached France in time."""
    found = apply(what("ReadmissionRequest", posted_at=T - DAY), row("request", start=T - 3 * DAY))
    assert done(found) == ({1: "met"}, {"answer", "acknowledgement_france"})
    (answer,) = [n for n in found.starts if n.clock == "answer"]
    assert (answer.started_at, answer.due_at) == (T, due(T, CLOCKS["answer"]))


def arrival(at: dt.datetime) -> model.Arrival:
    return model.Arrival(at=at, criterion=codes.Art3Criterion.APPREHENDED, small_boat_event=None, place=None)


def correction(at: dt.datetime | None) -> model.Correction:
    body = None if at is None else arrival(at)
    return model.Correction(corrects="019a8c52-4e1f-7c33-a4d8-6b2e9f0c7a15", persons=None, arrival=body)


def test_a_corrected_arrival_moves_the_ceiling() -> None:
    """The procedure counts from the arrival as corrected; the earlier count is replaced, not forgotten."""
    before = row("procedure", start=T - 20 * DAY)
    event = what("Correction", moments=ACCEPTED, body=correction(T - 30 * DAY))
    found = apply(event, before)
    assert done(found) == ({1: "cancelled"}, {"procedure"})
    assert found.starts[0].started_at == T - 30 * DAY
    assert done(apply(what("Correction", moments=ACCEPTED, body=correction(None)), before)) == ({}, set())


def test_a_correction_moves_only_what_still_runs() -> None:
    """The request that France has does not begin anew; the one that waits counts from the right day."""
    event = what("Correction", moments=ACCEPTED, body=correction(T - 5 * DAY))
    assert done(apply(event)) == ({}, set())
    met = row("request", start=T - 3 * DAY, state=DeadlineState.MET, closed_at=T, closed_by="x")
    assert done(apply(event, met)) == ({}, set())
    waiting = row("request", start=T - 3 * DAY)
    assert done(apply(event, waiting)) == ({1: "cancelled"}, {"request"})


def extension(until: dt.date) -> model.ReadmissionDecision:
    return model.ReadmissionDecision(
        decision=codes.ReadmissionDecisionCode.EXTENSION,
        ground=None,
        information_needed=(),
        extended_until=until,
        decided_at=T,
    )


@pytest.mark.parametrize(
    ("until", "expected", "remark"),
    [
        (dt.date(2026, 12, 10), "2026-12-10T22:59:59.999+00:00", None),
        (dt.date(2026, 12, 16), "2026-12-16T22:59:59.999+00:00", None),
        (dt.date(2026, 12, 17), "2026-12-16T22:59:59.999+00:00", DateRemark.BEYOND_LIMIT),
        (dt.date(2026, 11, 17), "2026-12-16T22:59:59.999+00:00", DateRemark.BEFORE_START),
    ],
)
def test_an_extension_counts_from_the_receipt_of_the_request(
    until: dt.date, expected: str, remark: DateRemark | None
) -> None:
    """28 days from the same start (Art 8); an earlier date of France's binds, a later one is set aside."""
    event = what("ReadmissionDecision:extension", FR, at=T + 10 * DAY, body=extension(until))
    found = apply(event, row("answer"))
    ended, started = done(found)
    assert ended == {1: "met"}
    assert started == {"answer_extended", "acknowledgement_uk"}
    (new,) = [n for n in found.starts if n.clock == "answer_extended"]
    assert (new.started_at, new.due_at.isoformat()) == (T, expected.replace("999+", "999000+"))
    assert found.remarks == (() if remark is None else (("answer_extended", remark),))


def test_information_is_answered_only_by_what_came_after_the_question() -> None:
    """A document that was posted before France asked answers nothing."""
    asked = row("information")
    early = what("SupplementaryDocument", posted_at=T - MS, at=T + DAY)
    assert done(apply(early, asked))[0] == {}
    assert done(apply(what("SupplementaryDocument", posted_at=T, at=T + DAY), asked))[0] == {1: "met"}


def test_an_acknowledgement_closes_the_clock_of_its_message_alone() -> None:
    """Two messages wait; the one that is spoken of is settled, whatever the status."""
    rows = (row("acknowledgement_france", "a"), row("acknowledgement_france", "b", number=2))
    event = what("Acknowledgement", FR, of_message="b")
    assert done(apply(event, *rows))[0] == {2: "met"}


def test_nobody_acknowledges_for_the_other_side() -> None:
    """Our acknowledgement closes what France's message started, and France's what ours did."""
    rows = (row("acknowledgement_france", "m"), row("acknowledgement_uk", "m", number=2))
    assert done(apply(what("Acknowledgement", UK, of_message="m"), *rows))[0] == {2: "met"}
    assert done(apply(what("Acknowledgement", FR, of_message="m"), *rows))[0] == {1: "met"}


def test_a_rejection_of_the_request_ends_what_it_started() -> None:
    """Nothing is decided about a request that France's system has rejected."""
    rows = (row("answer"), row("procedure", number=2), row("acknowledgement_france", "m", number=3))
    event = what("Acknowledgement:opening_rejected", FR, of_message="m")
    assert done(apply(event, *rows))[0] == {1: "cancelled", 2: "cancelled", 3: "met"}


def test_a_decision_that_overtakes_the_proof_of_receipt_is_in_time() -> None:
    """What France answers it has received: the clock is closed before it starts, and does not start later."""
    event = what("ReadmissionDecision:accepted", FR)
    assert "ReadmissionRequest" in overtaken(AGREEMENT, event, ())
    found = apply(event, unproven=[("ReadmissionRequest", "m")])
    early = {(n.clock, n.state) for n in found.starts if n.message_id == "m"}
    assert early == {("answer", DeadlineState.MET)}
    assert overtaken(AGREEMENT, event, [row("answer")]) == frozenset()


def test_an_acknowledgement_that_overtakes_settles_its_message_only() -> None:
    """Another message whose receipt is unproven keeps its clock for later."""
    event = what("Acknowledgement", FR, of_message="m")
    unproven = [("ReadmissionRequest", "m"), ("SupplementaryDocument", "n")]
    found = apply(event, unproven=unproven)
    assert {(n.clock, n.message_id) for n in found.starts} == {("acknowledgement_france", "m")}
    assert overtaken(AGREEMENT, event, [row("acknowledgement_france", "m")]) == frozenset()
    assert overtaken(AGREEMENT, what("Acknowledgement", UK, of_message="m"), ()) == frozenset()


def test_a_receipt_after_the_end_of_the_case_starts_no_decision() -> None:
    """The withdrawal overtook it: only the acknowledgement is still owed."""
    found = apply(what("ReadmissionRequest", final=True))
    assert done(found)[1] == {"acknowledgement_france"}


def test_a_held_opening_message_starts_its_clocks_and_ends_none() -> None:
    """The days since the arrival run whatever we do with the message."""
    request = model_request()
    event = what("ReadmissionRequest", moments=ACCEPTED, body=request, held=True)
    assert done(apply(event)) == ({}, {"request", "procedure"})
    assert done(apply(what("Withdrawal", moments=ACCEPTED, held=True), row("procedure"))) == ({}, set())


def model_request() -> model.ReadmissionRequest:
    from tests.unit.treaty.builders import REQUEST

    assert isinstance(REQUEST.body, model.ReadmissionRequest)
    return REQUEST.body


def test_the_same_message_starts_nothing_twice() -> None:
    """A replay or a second receipt leaves the clock as it is."""
    rows = (
        row("answer", "ReadmissionRequest"),
        row("acknowledgement_france", "ReadmissionRequest", number=2),
    )
    assert done(apply(what("ReadmissionRequest", at=T + DAY), *rows)) == ({}, set())


def test_a_new_notice_replaces_the_reply_that_is_awaited() -> None:
    """One reply is owed, to the last notice."""
    found = apply(what("TransferNotice", at=T + DAY), row("transfer_acknowledgement"))
    assert done(found) == ({1: "cancelled"}, {"transfer_acknowledgement", "acknowledgement_france"})


def test_a_breach_stays_a_breach() -> None:
    """Met or cancelled too late, before or after anybody looked; what is told already is not told again."""
    waiting = row("answer")
    late = waiting.due_at + MS
    for state in (DeadlineState.MET, DeadlineState.CANCELLED):
        assert end(waiting, state, at=waiting.due_at, by="x").state is state
        unseen = end(waiting, state, at=late, by="x")
        assert (unseen.state, unseen.next_at) == (DeadlineState.BREACHED, late)
        seen = row("answer", state=DeadlineState.BREACHED, next_at=None)
        assert (end(seen, state, at=late, by=None).state, end(seen, state, at=late, by=None).next_at) == (
            DeadlineState.BREACHED,
            None,
        )


def test_closed_rows_are_left_alone() -> None:
    """A second decision changes nothing."""
    closed = row("answer", state=DeadlineState.MET, closed_at=T, closed_by="x")
    assert done(apply(what("ReadmissionDecision:accepted", FR), closed))[0] == {}


def test_a_clock_that_the_file_no_longer_has_still_ends() -> None:
    """Rows of an earlier agreement are looked at by their own due date."""
    old = dataclasses.replace(row("answer"), clock="abolished")
    assert done(apply(what("ReadmissionDecision:accepted", FR), old))[0] == {}
    step = look(AGREEMENT, old, old.due_at)
    assert step is not None
    assert (step.told, step.row.next_at) == (Told.WARNING, old.due_at + MS)
    breach = look(AGREEMENT, old, old.due_at + MS)
    assert breach is not None
    assert breach.told is Told.BREACHED


def test_irrelevant_messages_are_known_without_reading() -> None:
    """Nothing is read from the store for a message that no clock knows."""
    assert not is_relevant(AGREEMENT, what("Acknowledgement", moments=ACCEPTED))
    assert is_relevant(AGREEMENT, what("Acknowledgement"))


@given(st.integers(0, 40 * 24 * 60), st.lists(st.integers(1, 30 * 24 * 60), max_size=12))
def test_whenever_anybody_looks_each_thing_is_told_once(start: int, gaps: list[int]) -> None:
    """Looks at any times: warnings only before the end, one breach after it, never more than configured."""
    waiting = row("procedure")
    waiting = row("procedure", next_at=waiting.due_at - 28 * DAY + MS)
    told: list[tuple[Told, dt.datetime]] = []
    now = waiting.started_at + dt.timedelta(minutes=start)
    for gap in [*gaps, 400 * 24 * 60]:
        now += dt.timedelta(minutes=gap)
        for _ in range(3):  # several nodes one after the other
            step = look(AGREEMENT, waiting, now)
            if step is not None:
                told.append((step.told, now))
                waiting = step.row
    breaches = [at for kind, at in told if kind is Told.BREACHED]
    warnings = [at for kind, at in told if kind is Told.WARNING]
    assert len(breaches) == 1
    assert breaches[0] > waiting.due_at
    assert len(warnings) == waiting.warnings <= len(CLOCKS["procedure"].terms.warn_days)
    assert all(at <= waiting.due_at for at in warnings)
    assert waiting.next_at is None


EVENTS = sorted({event for table in states.TABLES.values() for _, event in table} | set(MessageType))


@given(
    st.lists(
        st.tuples(st.sampled_from(EVENTS), st.sampled_from([UK, FR]), st.booleans(), st.integers(0, 10_000)),
        max_size=25,
    )
)
def test_no_order_of_messages_breaks_the_deadlines(events: list[tuple[str, Direction, bool, int]]) -> None:
    """One open row per clock and case, no row changes after it is closed, none is due before it began."""
    rows: dict[int, Deadline] = {}
    now = T
    for number, (name, direction, received, minutes) in enumerate(events):
        now += dt.timedelta(minutes=minutes)
        moments = (RECEIVED if received else ACCEPTED) if direction is UK else ACCEPTED | RECEIVED
        body = correction(now - DAY) if name == "Correction" else None
        event = what(
            name, direction, message_id=f"m{number}", moments=moments, at=now, posted_at=now, body=body,
            of_message=f"m{number - 1}",
        )  # fmt: skip
        found = apply(event, *rows.values())
        for ending in found.endings:
            assert rows[ending.deadline_id].closed_at is None
            old = rows[ending.deadline_id]
            values = {f: getattr(old, f) for f in Deadline.__dataclass_fields__}
            values |= {"state": ending.state, "closed_at": ending.closed_at, "next_at": ending.next_at}
            rows[ending.deadline_id] = Deadline(**values)
            assert (ending.state is DeadlineState.BREACHED) == (ending.closed_at > old.due_at)
        for new in found.starts:
            assert new.due_at > new.started_at
            values = {f: getattr(new, f) for f in type(new).__dataclass_fields__}
            rows[len(rows) + 1] = Deadline(deadline_id=len(rows) + 1, warnings=0, **values)
        running = [r.clock for r in rows.values() if r.closed_at is None]
        single = [c for c in running if CLOCKS[c].terms.per == "case"]
        assert len(single) == len(set(single))
        assert len({(r.clock, r.message_id) for r in rows.values()}) == len(rows)


FAULTS = [
    (b'closes = ["NominationResponse"]', b'closes = ["NominationAnswer"]', "NominationAnswer"),
    (b'id = "information"', b'id = "answer"', "twice"),
    (b"warn_days = [28, 14, 7]", b"warn_days = [7, 14]", "warn_days"),
    (b'length = "visa_months"', b'length = "visa_weeks"', "visa_weeks"),
    (b'length = "visa_months"', b'length = "procedure_months"', "visa_months"),
    (b'id = "answer"', b'id = "reply"', "answer_extended"),
    (b'holidays = ["GB-ENG", "FR"]', b'holidays = ["GB-ENG", "QQ"]', "calendar"),
    (b'holidays = ["GB-ENG", "FR"]', b"holidays = []", "holidays"),
    (b'owed_by = "both"', b'owed_by = "nobody"', "owed_by"),
]


@pytest.mark.parametrize(("old", "new", "place"), FAULTS, ids=[f"{f[2]}-{i}" for i, f in enumerate(FAULTS)])
def test_faults_of_the_table_are_told_with_their_place(old: bytes, new: bytes, place: str) -> None:
    """A clock that could never run, or would run wrongly, is refused when the file is read."""
    assert old in CONTENT
    with pytest.raises(ConfigError, match=place):
        load_agreement(CONTENT.replace(old, new, 1))


def test_another_calendar_may_be_agreed() -> None:
    """Scotland's holidays in place of England's."""
    scots = load_agreement(CONTENT.replace(b'"GB-ENG"', b'"GB-SCT"'))
    hogmanay = dt.datetime(2026, 12, 31, 12, tzinfo=dt.UTC)
    clock = clocks_of(scots)["acknowledgement_uk"]
    assert due(hogmanay, clock) == dt.datetime(2027, 1, 6, 23, 59, 59, 999_000, tzinfo=dt.UTC)
    assert due(hogmanay, CLOCKS["acknowledgement_uk"]) < due(hogmanay, clock)


def test_unverified_clocks_say_why() -> None:
    """Everything that the text does not confirm is marked, and the statutory limits are not."""
    marked = {c.id for c in CLOCKS.values() if c.terms.unverified}
    assert marked == {
        "information",
        "transfer_acknowledgement",
        "acknowledgement_france",
        "acknowledgement_uk",
        "nomination_response",
    }
    assert {f"deadlines[{name}]" for name in marked} <= {u.place for u in AGREEMENT.unverified}
