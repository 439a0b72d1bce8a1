"""Each rule refuses, holds or warns exactly when it should: one broken fact at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import codes, model
from contracts.codes import Direction
from gateway.core.treaty import rules
from gateway.core.treaty.age import Age, add_months, age
from gateway.core.treaty.verdict import CaseView, Registry, Verdict
from tests.unit.treaty import builders as b

replace = msgspec.structs.replace
LONDON = ZoneInfo("Europe/London")


def judged(
    message: model.Message, case: CaseView | None = None, *, agreement: Any = b.AGREEMENT, **more: Any
) -> Verdict:
    """The verdict at the moment of issue; a nomination counts as checked against the returned."""
    more.setdefault("returned", False)
    return rules.judge(message, case=case, agreement=agreement, now=message.issued_at, **more)


def with_body(message: model.Message, **changes: Any) -> model.Message:
    return replace(message, body=replace(message.body, **changes))


def ids(verdict: Verdict) -> set[str]:
    return {f.rule for f in verdict.findings}


def request(**changes: Any) -> model.Message:
    return with_body(b.REQUEST, **changes)


def nomination(**changes: Any) -> model.Message:
    return with_body(b.NOMINATION, **changes)


BODY: Any = b.REQUEST.body
NOMINEE: Any = b.NOMINATION.body
PERSON = BODY.persons[0]
MINOR = replace(
    PERSON, role=codes.PersonRole.MINOR, birth_date=model.BirthDate(year=2015, month=5, day=1), documents=()
)
YESTERDAY = b.REQUEST.issued_at - dt.timedelta(days=1)
TOMORROW = b.REQUEST.issued_at + dt.timedelta(days=1)
LATE = b.NOMINATION.issued_at + dt.timedelta(seconds=1)
CLAIM = codes.ProtectionClaim
BIG = b.attachment(size=10_000_001)


def arrival(**changes: Any) -> model.Arrival:
    return replace(BODY.arrival, **changes)


def claim(state: codes.ProtectionClaim, at: dt.datetime | None) -> model.ClaimStatement:
    return model.ClaimStatement(protection_claim=state, decided_at=at)


def refused(**names: bool) -> model.Art4Confirmations:
    return replace(BODY.confirmations, **names)


BROKEN_OPENINGS: list[tuple[model.Message, set[str]]] = [
    (request(arrival=arrival(criterion=codes.Art3Criterion.REENTRY_AFTER_RETURN)), {"art3.criterion"}),
    (request(claim=claim(CLAIM.PENDING, None)), {"row6.claim"}),
    (request(claim=claim(CLAIM.DECLARED_INADMISSIBLE, None)), {"row6.decision_date"}),
    (request(claim=claim(CLAIM.NONE_MADE, YESTERDAY)), {"row6.decision_date"}),
    (request(claim=claim(CLAIM.DECLARED_INADMISSIBLE, TOMORROW)), {"row6.decision_date"}),
    (
        request(claim=claim(CLAIM.DECLARED_INADMISSIBLE, BODY.arrival.at - dt.timedelta(hours=1))),
        {"row6.decision_date"},
    ),
    (
        request(
            arrival=arrival(criterion=codes.Art3Criterion.PROTECTION_CLAIM),
            claim=claim(CLAIM.NONE_MADE, None),
        ),
        {"row6.claim_contradicts_criterion"},
    ),
    (request(evidence=()), {"art7.evidence_needed"}),
    (
        request(evidence=(replace(BODY.evidence[0], list=codes.EvidenceList.A),)),
        {"art7.evidence_list"},
    ),
    (
        request(evidence=(replace(BODY.evidence[0], attachment="missing.pdf"),)),
        {"general.attachments_list"},
    ),
    (
        request(attachments=(b.attachment(purpose=codes.AttachmentPurpose.MEDICAL_CERTIFICATE),)),
        {"general.health_data"},
    ),
    (
        request(attachments=(BIG, replace(BIG, content_id="second.pdf"))),
        {"general.attachments_size"},
    ),
    (request(attachments=(b.attachment(), b.attachment())), {"general.attachments_list"}),
    (request(priority=True), {"general.reference_kind"}),
    (
        request(arrival=arrival(at=TOMORROW), claim=claim(CLAIM.WITHDRAWN, None)),
        {"art8.arrival_before_request"},
    ),
    (request(persons=(MINOR,)), {"general.principal", "art4.accompanied_minor"}),
    (
        request(persons=(replace(MINOR, role=codes.PersonRole.PRINCIPAL),)),
        {"art4.accompanied_minor"},
    ),
    (request(persons=(PERSON, PERSON)), {"general.principal", "general.family_reference"}),
    (
        request(persons=(PERSON, replace(PERSON, role=codes.PersonRole.MINOR))),
        {"art4.minor_is_adult", "general.family_reference"},
    ),
    (request(persons=(PERSON, MINOR)), {"general.family_reference"}),
    (
        request(persons=(replace(PERSON, birth_date=model.BirthDate(year=2008, month=None, day=None)),)),
        {"art4.age_not_proven"},
    ),
    (nomination(persons=(replace(NOMINEE.persons[0], documents=()),)), {"row4.identity_document"}),
    (nomination(photo=None), {"row4.photo"}),
    (nomination(security_checks=codes.SecurityChecks.PENDING), {"row5.security_checks"}),
    (nomination(security_checks=codes.SecurityChecks.FAILED), {"row5.security_checks"}),
    (nomination(expression_of_interest=None), {"row7.expression_of_interest"}),
    (nomination(located_in_france_at=None), {"row7.located_in_france"}),
    (nomination(located_in_france_at=LATE), {"row7.located_in_france"}),
    (nomination(biometrics_enrolled_at=None), {"row8.biometrics"}),
    (nomination(biometrics_enrolled_at=LATE), {"row8.biometrics"}),
    (nomination(biometrics_reference=None), {"row8.biometrics"}),
    (nomination(gwf=None), {"eats.gwf"}),
    (
        nomination(persons=(replace(NOMINEE.persons[0], nationalities=("SDN", "ITA")),)),
        {"art12.third_country"},
    ),
    (
        nomination(attachments=(b.attachment(purpose=codes.AttachmentPurpose.MEDICAL_CERTIFICATE),)),
        {"general.health_data"},
    ),
]


def test_the_valid_ones_have_no_finding() -> None:
    """The messages that the other tests break are allowed as they are."""
    assert judged(b.REQUEST, direction=Direction.UK_TO_FR).findings == ()
    assert judged(b.NOMINATION, direction=Direction.UK_TO_FR).findings == ()


@pytest.mark.parametrize(("message", "expected"), BROKEN_OPENINGS)
def test_one_broken_fact(message: model.Message, expected: set[str]) -> None:
    """Breaking one fact of a valid opening message triggers exactly its rule."""
    assert ids(judged(message)) == expected


@pytest.mark.parametrize("name", model.Art4Confirmations.__struct_fields__)
def test_every_confirmation_counts_twice(name: str) -> None:
    """Art 4: each confirmation is needed with the request and again with the transfer notice."""
    missing = refused(**{name: False})
    notice = b.message(b.notice(confirmations=missing))
    for verdict in (judged(request(confirmations=missing)), judged(notice, b.case("accepted"))):
        assert [f.path for f in verdict.refuse] == [f"/body/confirmations/{name}"]


def _asylum_receipt(agreement_types: tuple[codes.DocumentType, ...]) -> Verdict:
    document = replace(NOMINEE.persons[0].documents[0], type=codes.DocumentType.ASYLUM_RECEIPT)
    terms = replace(
        b.AGREEMENT.nomination,
        identity_document_types=agreement_types,
        weak_identity_document_types=agreement_types[-1:],
    )
    message = nomination(persons=(replace(NOMINEE.persons[0], documents=(document,)),))
    return judged(message, agreement=replace(b.AGREEMENT, nomination=terms))


def test_an_asylum_receipt_warns_where_the_agreement_accepts_it() -> None:
    """Row 4 [U]: whether an asylum receipt proves identity is configuration, and has an effect."""
    types = (codes.DocumentType.PASSPORT, codes.DocumentType.ASYLUM_RECEIPT)
    assert ids(_asylum_receipt(types)) == {"row4.weak_identity_document"}
    assert ids(_asylum_receipt(types[:1])) == {"row4.identity_document"}


def test_an_expired_document_warns() -> None:
    """An expired document is still a document; an operator sees the label."""
    document = replace(NOMINEE.persons[0].documents[0], expires_on=dt.date(2020, 1, 1))
    verdict = judged(nomination(persons=(replace(NOMINEE.persons[0], documents=(document,)),)))
    assert (ids(verdict), verdict.outcome) == ({"row4.document_expired"}, "allowed")


def test_the_picture_travels_where_agreed() -> None:
    """With photo_travels the reference must name an attached photograph."""
    agreement = replace(b.AGREEMENT, nomination=replace(b.AGREEMENT.nomination, photo_travels=True))
    photo = b.attachment(content_id=NOMINEE.photo, purpose=codes.AttachmentPurpose.PHOTO)
    assert ids(judged(b.NOMINATION, agreement=agreement)) == {"row4.photo"}
    assert ids(judged(nomination(attachments=(photo,)), agreement=agreement)) == set()


def test_restricted_nationalities_wait() -> None:
    """Art 12: a nationality on a restriction list holds the nomination for consultation."""
    listed = replace(b.AGREEMENT.priorities, restricted_nationalities=NOMINEE.persons[0].nationalities)
    verdict = judged(b.NOMINATION, agreement=replace(b.AGREEMENT, priorities=listed))
    assert (ids(verdict), verdict.outcome) == ({"art12.restriction"}, "held")


@pytest.mark.parametrize(
    ("returned", "in_readmission", "expected"),
    [
        (True, True, {"row9.returned"}),
        (None, False, {"row9.not_checked"}),
        (False, True, {"row9.in_readmission"}),
        (False, False, set()),
    ],
)
def test_row_9(returned: bool | None, in_readmission: bool, expected: set[str]) -> None:
    """The returned are refused; what nobody checked, and open readmissions, wait for an operator."""
    verdict = judged(b.NOMINATION, returned=returned, in_readmission=in_readmission)
    assert ids(verdict) == expected


def test_the_fourth_basis_is_a_switch() -> None:
    """Art 3 [U]: enabling the criterion in the agreement lets it pass."""
    criteria = tuple(replace(c, enabled=True) for c in b.AGREEMENT.criteria)
    message = request(arrival=arrival(criterion=codes.Art3Criterion.REENTRY_AFTER_RETURN))
    agreement = replace(b.AGREEMENT, criteria=criteria)
    assert ids(judged(message, agreement=agreement, returned=True)) == set()


LIMIT = [
    ("2026-06-01T00:00:00", "2026-06-15T23:59:59", True),
    ("2026-06-01T23:59:59", "2026-06-16T00:00:00", False),
    # summer time ends between arrival and request: 15 days have 361 hours
    ("2026-10-11T00:00:00", "2026-10-25T23:59:59", True),
    ("2026-10-20T23:30:00", "2026-11-03T23:59:00", True),
    ("2026-10-20T23:30:00", "2026-11-04T00:00:00", False),
    # summer time begins
    ("2027-03-20T00:30:00", "2027-04-03T23:30:00", True),
    ("2027-03-20T00:30:00", "2027-04-04T00:00:00", False),
]


@pytest.mark.parametrize(("arrived", "requested", "in_time"), LIMIT)
def test_fourteen_calendar_days_in_london(arrived: str, requested: str, in_time: bool) -> None:
    """Art 8: the arrival's London day is day 0 and the whole of day 14 is in time."""
    first, last = (dt.datetime.fromisoformat(t).replace(tzinfo=LONDON) for t in (arrived, requested))
    body = {"arrival": arrival(at=model.to_utc_ms(first)), "claim": claim(CLAIM.WITHDRAWN, None)}
    message = replace(request(**body), issued_at=model.to_utc_ms(last))
    assert ("art8.request_in_time" in ids(judged(message))) is not in_time


@given(
    minutes=st.integers(0, 60 * 24 * 400),
    hours=st.integers(0, 24 * 20),
)
def test_the_limit_never_depends_on_the_hour(minutes: int, hours: int) -> None:
    """Whatever the instants, the verdict follows from the two London dates alone."""
    arrived = dt.datetime(2026, 3, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes)
    issued = arrived + dt.timedelta(hours=hours)
    message = replace(
        request(arrival=arrival(at=arrived), claim=claim(CLAIM.WITHDRAWN, None)), issued_at=issued
    )
    first, last = (
        dt.date.fromisoformat(t.astimezone(LONDON).strftime("%Y-%m-%d")) for t in (arrived, issued)
    )
    late = last > first + dt.timedelta(days=14)
    assert ("art8.request_in_time" in ids(judged(message))) is late


OPEN = b.case("accepted")
NOTIFIED = b.case("transfer_notified")
GRANTABLE = b.case("no_objection", opening=b.NOMINATION)
GRANTED = b.case("visa_granted", opening=b.NOMINATION)
NOM = b.NOMINATION
SOON = b.LATER - dt.timedelta(days=30)


FOLLOWING: list[tuple[model.Message, CaseView | None, set[str]]] = [
    (b.message(b.notice()), OPEN, set()),
    (b.message(b.notice()), None, {"general.unknown_case"}),
    (b.message(b.notice()), b.case("requested"), {"general.out_of_sequence"}),
    (b.REQUEST, OPEN, {"general.out_of_sequence"}),
    (b.message(b.notice(departure_at=b.LATER)), OPEN, {"transfer.times"}),
    (b.message(b.notice(arrival_at=b.LATER)), OPEN, {"transfer.times"}),
    (b.message(b.notice(arrival_at=b.LATER + dt.timedelta(days=120))), OPEN, {"art1.three_months"}),
    (
        b.message(b.notice()),
        b.case("accepted", b.message(b.update("suspensive_appeal"))),
        {"art4.suspensive_appeal"},
    ),
    (
        b.message(b.notice()),
        b.case(
            "accepted",
            b.message(b.update("suspensive_appeal")),
            b.message(b.update("suspensive_appeal_ended")),
        ),
        set(),
    ),
    (b.message(b.ack()), b.case("requested"), set()),
    (b.message(b.ack(of=b.NOMINATION.message_id)), b.case("requested"), {"general.unknown_message"}),
    (b.message(replace(b.ack(), code=codes.AckCode.OUT_OF_SCOPE)), OPEN, {"general.conditional_field"}),
    (
        b.message(replace(b.decision("refused"), ground=None)),
        b.case("requested"),
        {"general.conditional_field"},
    ),
    (b.message(b.decision("refused")), b.case("requested"), set()),
    (b.message(b.decision("extension")), b.case("requested"), set()),
    (b.message(b.decision("information_needed")), b.case("requested"), set()),
    (b.message(replace(b.confirmation("declined"), reason=None)), NOTIFIED, {"general.conditional_field"}),
    (b.message(replace(b.confirmation("alternative_proposed"), reason=None)), NOTIFIED, set()),
    (b.message(b.outcome("carried_out")), NOTIFIED, set()),
    (b.message(b.outcome("carried_out", 0)), NOTIFIED, {"transfer.persons"}),
    (b.message(b.outcome("carried_out", 2)), NOTIFIED, {"transfer.persons"}),
    (b.message(b.outcome("failed", 1)), NOTIFIED, {"transfer.persons"}),
    (b.message(b.receipt()), NOTIFIED, set()),
    (b.message(b.receipt(2)), NOTIFIED, {"transfer.persons_received"}),
    (b.message(b.withdrawal()), OPEN, set()),
    (b.message(b.correction()), OPEN, set()),
    (b.message(b.correction(corrects=NOM.message_id)), OPEN, {"general.unknown_message"}),
    (b.message(b.correction(persons=(MINOR,))), OPEN, {"general.principal", "art4.accompanied_minor"}),
    (b.message(b.correction(arrival=arrival(at=SOON))), OPEN, {"art8.request_in_time"}),
    (
        b.message(b.correction(arrival=arrival(at=TOMORROW))),
        OPEN,
        {"art8.arrival_before_request", "row6.corrected_claim"},
    ),
    (b.message(b.correction(arrival=arrival(at=BODY.arrival.at - dt.timedelta(hours=1)))), OPEN, set()),
    (b.message(b.response("objection"), of=NOM), b.case("nominated", opening=NOM), set()),
    (b.message(b.visa(), of=NOM), GRANTABLE, set()),
    (b.message(b.visa(until=dt.date(2027, 2, 11)), of=NOM), GRANTABLE, {"art12.visa_three_months"}),
    (b.message(b.visa(until=dt.date(2026, 11, 9)), of=NOM), GRANTABLE, {"art12.visa_ended"}),
    (b.message(b.admission(), of=NOM), GRANTED, set()),
    (b.message(b.admission("lapsed"), of=NOM), GRANTED, set()),
    (b.message(b.admission("arrived", 0), of=NOM), GRANTED, {"admission.persons"}),
    (b.message(b.admission("arrived", 9), of=NOM), GRANTED, {"admission.persons"}),
]


@pytest.mark.parametrize(("message", "case", "expected"), FOLLOWING)
def test_messages_of_an_open_case(message: model.Message, case: CaseView | None, expected: set[str]) -> None:
    """Messages after the opening one are judged against the case they belong to."""
    assert ids(judged(message, case)) == expected


def _files(count: int, size: int = 1) -> tuple[model.Attachment, ...]:
    return tuple(b.attachment(content_id=f"f{i}", size=size) for i in range(count))


def _expiring(day: dt.date) -> model.Message:
    document = replace(NOMINEE.persons[0].documents[0], expires_on=day)
    return nomination(persons=(replace(NOMINEE.persons[0], documents=(document,)),))


NOW = b.NOMINATION.issued_at
FAMILY = model.FamilyLink(family_reference="FAM-1", main_applicant=True)
EDGES: list[tuple[model.Message, model.Message]] = [
    (
        request(attachments=_files(2, 10_000_000)),
        request(attachments=(*_files(2, 10_000_000), b.attachment())),
    ),
    (request(attachments=_files(20)), request(attachments=_files(21))),
    (
        request(persons=(PERSON, *[MINOR] * 19), family=FAMILY),
        request(persons=(PERSON, *[MINOR] * 20), family=FAMILY),
    ),
    (
        request(claim=claim(CLAIM.DECLARED_INADMISSIBLE, b.REQUEST.issued_at)),
        request(claim=claim(CLAIM.DECLARED_INADMISSIBLE, b.REQUEST.issued_at + dt.timedelta(milliseconds=1))),
    ),
    (
        request(claim=claim(CLAIM.DECLARED_INADMISSIBLE, BODY.arrival.at)),
        request(claim=claim(CLAIM.DECLARED_INADMISSIBLE, BODY.arrival.at - dt.timedelta(milliseconds=1))),
    ),
    (nomination(located_in_france_at=NOW), nomination(located_in_france_at=LATE)),
    (nomination(biometrics_enrolled_at=NOW), nomination(biometrics_enrolled_at=LATE)),
    (_expiring(NOW.date()), _expiring(NOW.date() - dt.timedelta(days=1))),
]


@pytest.mark.parametrize(("inside", "outside"), EDGES)
def test_both_sides_of_an_edge(inside: model.Message, outside: model.Message) -> None:
    """The last allowed value passes and the next one does not."""
    assert ids(judged(inside)) == set()
    assert len(ids(judged(outside))) == 1


def test_the_visa_may_end_on_the_last_day() -> None:
    """Art 12: three months from the decision, to the day; it may end on the day it was granted."""
    decided = b.LATER.astimezone(LONDON).date()
    for until, expected in (
        (decided - dt.timedelta(days=1), {"art12.visa_ended"}),
        (decided, set()),
        (add_months(decided, 3), set()),
        (add_months(decided, 3) + dt.timedelta(days=1), {"art12.visa_three_months"}),
    ):
        assert ids(judged(b.message(b.visa(until=until), of=NOM), GRANTABLE)) == expected


def test_the_transfer_may_end_on_the_last_day() -> None:
    """Art 1: three months after the London day of the arrival, that day included."""
    last = add_months(BODY.arrival.at.astimezone(LONDON).date(), 3)
    evening = model.to_utc_ms(dt.datetime.combine(last, dt.time(23, 59), LONDON))
    inside, outside = (
        b.message(b.notice(arrival_at=at)) for at in (evening, evening + dt.timedelta(minutes=1))
    )
    assert ids(judged(inside, OPEN)) == set()
    assert ids(judged(outside, OPEN)) == {"art1.three_months"}


def test_the_last_correction_counts() -> None:
    """Of two corrections of the arrival the later one stands."""
    early, again = (
        b.message(b.correction(arrival=arrival(at=BODY.arrival.at - dt.timedelta(days=days))))
        for days in (60, 0)
    )
    far = b.message(b.notice(arrival_at=b.LATER + dt.timedelta(days=40)))
    assert ids(judged(far, b.case("accepted", early, again))) == set()
    assert ids(judged(far, b.case("accepted", again, early))) == {"art1.three_months"}


def test_corrections_count() -> None:
    """The three months and the number of persons follow the facts as last corrected."""
    moved = b.message(b.correction(arrival=arrival(at=BODY.arrival.at - dt.timedelta(days=60))))
    far = b.message(b.notice(arrival_at=b.LATER + dt.timedelta(days=40)))
    assert ids(judged(far, b.case("accepted"))) == set()
    assert ids(judged(far, b.case("accepted", moved))) == {"art1.three_months"}
    more = b.message(b.correction(persons=(PERSON, MINOR)))
    assert ids(judged(b.message(b.outcome("carried_out", 2)), b.case("transfer_notified", more))) == set()


def test_what_is_not_at_hand_is_not_judged() -> None:
    """A case without its messages (retention) gives no findings that need them."""
    empty = CaseView(kind=b.R, status="transfer_notified", created_at=b.LATER, messages=())
    assert ids(judged(b.message(b.receipt(9)), empty)) == set()
    assert ids(judged(b.message(b.correction(corrects=NOM.message_id)), empty)) == set()
    far = b.message(b.notice(arrival_at=b.LATER + dt.timedelta(days=120)))
    assert ids(judged(far, empty)) == set()


def test_verdict_order() -> None:
    """Refusals outrank holds, and problems are those of the outcome."""
    both = judged(nomination(photo=None), returned=None)
    assert (both.outcome, [p.code for p in both.problems]) == ("refused", ["row4.photo"])
    held = judged(b.NOMINATION, returned=None)
    assert (held.outcome, [p.code for p in held.problems]) == ("held", ["row9.not_checked"])


def test_grounds_are_those_of_the_agreement() -> None:
    """A ground that the agreement does not list is refused on both routes."""
    grounds = replace(b.AGREEMENT.grounds, refusal=(), objection=())
    agreement = replace(b.AGREEMENT, grounds=grounds)
    refusal = judged(b.message(b.decision("refused")), b.case("requested"), agreement=agreement)
    objection = judged(
        b.message(b.response("objection"), of=NOM), b.case("nominated", opening=NOM), agreement=agreement
    )
    assert (ids(refusal), ids(objection)) == ({"art8.ground"}, {"art12.objection_ground"})


@pytest.mark.parametrize(
    ("message", "direction"),
    [(b.REQUEST, Direction.FR_TO_UK), (b.message(b.decision("accepted")), Direction.UK_TO_FR)],
)
def test_the_wrong_sender(message: model.Message, direction: Direction) -> None:
    """Who may send what is fixed: anything else is refused."""
    case = None if message is b.REQUEST else b.case("requested")
    assert ids(judged(message, case, direction=direction)) == {"general.sender"}


@pytest.mark.parametrize(("ahead", "found"), [(300, False), (301, True)])
def test_a_message_from_the_future(ahead: int, found: bool) -> None:
    """Five minutes of clock difference are tolerated, a second more is not."""
    now = b.REQUEST.issued_at - dt.timedelta(seconds=ahead)
    verdict = rules.judge(b.REQUEST, case=None, agreement=b.AGREEMENT, now=now)
    assert ("general.issued_in_future" in ids(verdict)) is found


AGES: list[tuple[tuple[int | None, int | None, int | None], str, Age]] = [
    ((2008, 11, 23), "2026-11-23", Age.ADULT),
    ((2008, 11, 24), "2026-11-23", Age.MINOR),
    ((2008, 11, None), "2026-11-23", Age.UNCERTAIN),
    ((2008, 11, None), "2026-11-30", Age.ADULT),
    ((2008, 12, None), "2026-11-30", Age.MINOR),
    ((2008, 12, None), "2026-12-01", Age.UNCERTAIN),
    ((2008, None, None), "2026-12-30", Age.UNCERTAIN),
    ((2008, None, None), "2026-12-31", Age.ADULT),
    ((2009, None, None), "2026-12-31", Age.MINOR),
    ((2008, 2, 29), "2026-02-28", Age.MINOR),
    ((2008, 2, 29), "2026-03-01", Age.ADULT),
    ((None, None, None), "2026-11-23", Age.UNCERTAIN),
]


@pytest.mark.parametrize(("parts", "on", "expected"), AGES)
def test_age_by_precision(parts: tuple[int | None, ...], on: str, expected: Age) -> None:
    """A birth date proves an age only when every possible day of it does."""
    birth = model.BirthDate(year=parts[0], month=parts[1], day=parts[2])
    assert age(birth, dt.date.fromisoformat(on)) is expected


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [("2026-11-30", 3, "2027-02-28"), ("2026-01-15", 3, "2026-04-15"), ("2026-10-01", 3, "2027-01-01")],
)
def test_adding_months(day: str, months: int, expected: str) -> None:
    """A month's last day stands in for a day that it does not have."""
    assert add_months(dt.date.fromisoformat(day), months) == dt.date.fromisoformat(expected)


def test_findings_carry_no_values_and_both_languages() -> None:
    """Texts are constants in two languages, and problems carry rule id and place."""
    for rule in rules.all_rules():
        assert rule.text_en != rule.text_fr
        assert rule.text_en.endswith(".")
        assert rule.text_fr.endswith(".")
    problem = judged(request(evidence=())).problems[0]
    assert (problem.code, problem.path) == ("art7.evidence_needed", "/body/evidence")


def test_a_rule_id_is_taken_once() -> None:
    """Registering an id twice is an error of the programmer, told at import."""
    registry = Registry()
    register: Callable[..., Any] = registry.rule("x", "Art 1", en="A.", fr="B.")
    register(lambda facts: iter(()))
    with pytest.raises(ValueError, match="exists"):
        register(lambda facts: iter(()))
