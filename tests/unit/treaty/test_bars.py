"""Rules across the messages of a case: extensions, corrected claims, re-entry, priorities, visas."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import codes, model
from gateway.core.treaty import rules
from gateway.core.treaty.verdict import CaseView
from tests.unit.treaty import builders as b

replace = msgspec.structs.replace
REQUEST: Any = b.REQUEST.body
NOMINEE: Any = b.NOMINATION.body
REENTRY = codes.Art3Criterion.REENTRY_AFTER_RETURN
CLAIM = codes.ProtectionClaim
GRANTED = b.message(b.visa(until=dt.date(2027, 2, 1)), of=b.NOMINATION)


def ids(message: model.Message, case: CaseView | None, **more: Any) -> set[str]:
    more.setdefault("agreement", b.AGREEMENT)
    more.setdefault("returned", False)
    verdict = rules.judge(message, case=case, now=message.issued_at, **more)
    return {f.rule for f in verdict.findings}


def extension(until: dt.date, decided: str = "2026-11-10T09:00:00+00:00") -> model.Message:
    at = dt.datetime.fromisoformat(decided)
    return b.message(replace(b.decision("extension"), extended_until=until, decided_at=at), at=at)


def case_received(at: str | None) -> CaseView:
    received = dt.datetime.fromisoformat(at) if at is not None else None
    return dataclasses.replace(b.case("requested"), opening_received_at=received)


EXTENSIONS = [
    # received in Paris on 1 November: day 28 is 29 November
    ("2026-11-01T10:00:00+00:00", dt.date(2026, 11, 29), True),
    ("2026-11-01T10:00:00+00:00", dt.date(2026, 11, 30), False),
    # 23:30 UTC is already 2 November in Paris
    ("2026-11-01T23:30:00+00:00", dt.date(2026, 11, 30), True),
    # summer time ends on 25 October: 22:30 UTC the day before is 00:30 on the 25th in Paris
    ("2026-10-24T22:30:00+00:00", dt.date(2026, 11, 22), True),
    ("2026-10-24T22:30:00+00:00", dt.date(2026, 11, 23), False),
    # not before its own decision of 10 November
    ("2026-11-01T10:00:00+00:00", dt.date(2026, 11, 10), True),
    ("2026-11-01T10:00:00+00:00", dt.date(2026, 11, 9), False),
    # no proven receipt: the day of the decision is the latest that it can have been
    (None, dt.date(2026, 12, 8), True),
    (None, dt.date(2026, 12, 9), False),
]


@pytest.mark.parametrize(("received", "until", "allowed"), EXTENSIONS)
def test_an_extension_ends_within_28_days_of_receipt(
    received: str | None, until: dt.date, allowed: bool
) -> None:
    """Art 8: the extension counts calendar days in Paris from the proven receipt."""
    found = ids(extension(until), case_received(received))
    assert found == (set() if allowed else {"art8.extension"})


@given(hours=st.integers(0, 24 * 400), days=st.integers(0, 40))
def test_the_extension_never_depends_on_the_hour(hours: int, days: int) -> None:
    """Only the two Paris dates count, through both changes of the clock."""
    received = dt.datetime(2026, 3, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hours)
    day = received.astimezone(b.AGREEMENT.answer_zone).date()
    message = extension(day + dt.timedelta(days=days), received.isoformat())
    assert ("art8.extension" in ids(message, case_received(received.isoformat()))) is (days > 28)


def _reentry(returned: bool | None) -> set[str]:
    criteria = tuple(replace(c, enabled=True) for c in b.AGREEMENT.criteria)
    message = replace(b.REQUEST, body=replace(REQUEST, arrival=replace(REQUEST.arrival, criterion=REENTRY)))
    return ids(message, None, agreement=replace(b.AGREEMENT, criteria=criteria), returned=returned)


@pytest.mark.parametrize(("returned", "expected"), [(True, set()), (False, True), (None, True)])
def test_a_reentry_needs_an_earlier_return(returned: bool | None, expected: Any) -> None:
    """Art 3 [U]: where the fourth basis is on, an operator looks unless the return is known."""
    assert _reentry(returned) == ({"art3.reentry_return_unknown"} if expected else set())


def _case_with_claim(state: codes.ProtectionClaim, at: dt.datetime | None) -> CaseView:
    stated = model.ClaimStatement(protection_claim=state, decided_at=at)
    arrival = replace(REQUEST.arrival, criterion=codes.Art3Criterion.APPREHENDED)
    opening = replace(b.REQUEST, body=replace(REQUEST, claim=stated, arrival=arrival))
    return CaseView(kind=b.R, status="accepted", created_at=b.REQUEST.issued_at, messages=(opening,))


def test_a_correction_must_fit_the_claim() -> None:
    """Row 6: what the request could not say, a correction cannot make of it."""
    arrival = replace(REQUEST.arrival, criterion=codes.Art3Criterion.PROTECTION_CLAIM)
    message = b.message(b.correction(arrival=arrival))
    assert ids(message, _case_with_claim(CLAIM.NONE_MADE, None)) == {"row6.corrected_claim"}
    before, after = (REQUEST.arrival.at + dt.timedelta(hours=h) for h in (-1, 1))
    decided = CLAIM.DECLARED_INADMISSIBLE
    assert ids(message, _case_with_claim(decided, before)) == {"row6.corrected_claim"}
    assert ids(message, _case_with_claim(decided, after)) == set()


def test_a_corrected_nominee_is_judged_as_a_nominee() -> None:
    """Art 12 and row 4 hold for persons that a correction puts into a nomination."""
    case = b.case("nominated", opening=b.NOMINATION)
    person = NOMINEE.persons[0]
    wrong = b.correction(
        corrects=b.NOMINATION.message_id, persons=(replace(person, nationalities=("ITA",), documents=()),)
    )
    found = ids(b.message(wrong, of=b.NOMINATION), case)
    assert found == {"art12.third_country", "row4.identity_document"}
    italian = b.correction(persons=(replace(REQUEST.persons[0], nationalities=("ITA",)),))
    assert "art12.third_country" not in ids(b.message(italian), b.case("accepted"))


def test_an_absconded_person_is_labelled_until_found() -> None:
    """A transfer notice for someone who absconded carries a warning."""
    gone, found = b.message(b.update("absconded")), b.message(b.update("found_again"))
    notice = b.message(b.notice())
    assert ids(notice, b.case("accepted", gone)) == {"transfer.absconded"}
    assert ids(notice, b.case("accepted", gone, found)) == set()


def test_priority_lists() -> None:
    """Art 12: priority and list must agree, once a list is agreed."""
    listed = replace(b.AGREEMENT.priorities, priority_nationalities=NOMINEE.persons[0].nationalities)
    other = replace(b.AGREEMENT.priorities, priority_nationalities=("XXA",))
    urgent = replace(
        b.NOMINATION,
        reference=b.NOMINATION.reference.replace("GB02-", "GB02P-"),
        body=replace(NOMINEE, priority=True),
    )
    for message, terms, expected in (
        (b.NOMINATION, listed, {"art12.priority"}),
        (urgent, listed, set()),
        (urgent, other, {"art12.priority"}),
        (b.NOMINATION, other, set()),
    ):
        assert ids(message, None, agreement=replace(b.AGREEMENT, priorities=terms)) == expected


@pytest.mark.parametrize(
    ("code", "at", "expected"),
    [
        ("arrived", "2027-02-01T23:59:00+00:00", set()),
        ("arrived", "2027-02-02T00:00:00+00:00", {"art12.arrival_and_visa"}),
        ("lapsed", "2027-02-01T12:00:00+00:00", {"art12.arrival_and_visa"}),
        ("lapsed", "2027-02-02T12:00:00+00:00", set()),
    ],
)
def test_arrival_and_the_end_of_the_visa(code: str, at: str, expected: set[str]) -> None:
    """Art 12: who arrives later, or lapses earlier, than the visa says is labelled."""
    instant = dt.datetime.fromisoformat(at)
    body = replace(b.admission(code), at=instant)
    case = b.case("visa_granted", GRANTED, opening=b.NOMINATION)
    assert ids(b.message(body, of=b.NOMINATION, at=instant), case) == expected
