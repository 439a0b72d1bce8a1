"""The 120 neutral cases give exactly the table ``outcomes.csv``.

The table was derived from the records by ``oracle`` below, which reads only the neutral facts and the text of
the agreement (day counting by hand, no code of the gateway), and then checked by hand on 15 cases.
"""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import pytest

from contracts.codes import Direction
from gateway.core.treaty.agreement import uk_fr
from gateway.core.treaty.rules import judge
from tests.fixtures.cases import Record, load_cases, to_message

AGREEMENT = uk_fr()
TABLE = Path(__file__).parent / "outcomes.csv"
SUMMER_ENDS = dt.datetime(2026, 10, 25, 1, 0, tzinfo=dt.UTC)
"""British summer time ends; every record lies between March 2026 and March 2027."""

BY_HAND = {
    # 30 Sep 12:25 BST + 400 h = 17 Oct: day 17
    "S7-001": ("refused", "art8.request_in_time"),
    # 25 Oct 01:30 BST (the hour that repeats) + 336 h = 8 Nov 00:30 GMT: day 14
    "S7-002": ("allowed", ""),
    # same passport as a returned person
    "S7-003": ("refused", "row9.returned"),
    # 4 Nov 23:30 GMT, already 5 Nov in Paris; + 336 h = 18 Nov: day 14
    "S7-004": ("allowed", ""),
    # no identity document
    "S7-005": ("refused", "row4.identity_document"),
    # search and rescue, no protection claim: nothing to decide
    "S7-009": ("allowed", ""),
    # protection claim without decision: pending
    "S7-016": ("refused", "art4.confirmations;row6.claim"),
    "S7-024": ("refused", "row4.identity_document;row5.security_checks"),
    # 10 Nov 10:33 GMT + 337 h = 24 Nov 11:33: still day 14
    "S7-034": ("allowed", ""),
    "S7-038": ("refused", "row5.security_checks"),
    # never enrolled
    "S7-045": ("refused", "row8.biometrics"),
    # apprehended, no claim, 72 h
    "S7-052": ("allowed", ""),
    # pending claim and 400 h
    "S7-068": ("refused", "art4.confirmations;art8.request_in_time;row6.claim"),
    # 18 Oct 23:57 UTC is 19 Oct in London; + 337 h = 2 Nov 00:57 GMT: day 14
    "S7-093": ("allowed", ""),
    # pending checks, but documents
    "S7-099": ("refused", "row5.security_checks"),
}


def _london_day(instant: dt.datetime) -> dt.date:
    return (instant + dt.timedelta(hours=1 if instant < SUMMER_ENDS else 0)).date()


def _ages(record: Record, on: dt.date) -> list[str]:
    """``minor``, ``adult`` or ``open`` for each person, by role and then by text of the birth date."""
    found = []
    limit = f"{on.year - 18}-{on.month:02d}-{on.day:02d}"
    for person in record["persons"]:
        text = person["date_of_birth"] or ""
        if person["role"] == "minor":
            found.append("minor")
        elif text[: len(limit)] == limit[: len(text)] and len(text) < 10:
            found.append("open")
        else:
            found.append("adult" if text <= limit else "minor")
    return found


def oracle(record: Record) -> tuple[str, str]:
    """(outcome, rule ids joined) by reasoning from the record alone."""
    broken = set()
    if record["kind"] == "readmission":
        arrival = dt.datetime.fromisoformat(record["arrival"]["at"])
        request = arrival + dt.timedelta(hours=record["request_after_hours"])
        on = _london_day(request)
        if (on - _london_day(arrival)).days > 14:
            broken.add("art8.request_in_time")
        if not record["inadmissibility_decided_at"] and record["arrival"]["basis"] == "protection_claim":
            broken |= {"row6.claim", "art4.confirmations"}
        if not record["evidence"]:
            broken.add("art7.evidence_needed")
        probative = ("french_registration", "uk_maritime", "biometric_match", "visa_or_entry")
        if any((e["list"] == "A") != e["kind"].startswith(probative) for e in record["evidence"]):
            broken.add("art7.evidence_list")
        with_request = [a for a in record["attachments"] if "medical" not in a["name"]]
        if sum(a["bytes"] for a in with_request) > 20_000_000:
            broken.add("general.attachments_size")
    else:
        times = [t for t in (record["located_in_france_at"], record["biometrics_enrolled_at"]) if t]
        on = _london_day(max(dt.datetime.fromisoformat(t) for t in times) + dt.timedelta(days=1))
        if not record["persons"][0]["documents"]:
            broken.add("row4.identity_document")
        if record["security_checks"] != "passed":
            broken.add("row5.security_checks")
        if not record["expression_of_interest"]:
            broken.add("row7.expression_of_interest")
        if not record["located_in_france_at"]:
            broken.add("row7.located_in_france")
        if not record["biometrics_enrolled_at"]:
            broken.add("row8.biometrics")
        if record["previously_returned_case"]:
            broken.add("row9.returned")
    if all(a == "minor" for a in _ages(record, on)):
        broken.add("art4.accompanied_minor")
    return ("refused" if broken else "allowed"), ";".join(sorted(broken))


def _table() -> dict[str, tuple[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["case"]: (row["outcome"], row["rules"]) for row in csv.DictReader(file)}


def _judged(record: Record) -> tuple[str, str]:
    message, _ = to_message(record)
    nomination = record["kind"] == "nomination"
    verdict = judge(
        message,
        case=None,
        agreement=AGREEMENT,
        now=message.issued_at,
        direction=Direction.UK_TO_FR,
        returned=bool(record["previously_returned_case"]) if nomination else None,
    )
    return str(verdict.outcome), ";".join(sorted({f.rule for f in verdict.refuse + verdict.hold}))


@pytest.mark.parametrize("record", load_cases(), ids=lambda record: record["case"])
def test_each_case_has_its_outcome(record: Record) -> None:
    """The rules give the outcome of the table, for its reasons and no other."""
    assert _judged(record) == _table()[record["case"]]


def test_the_table_is_what_the_oracle_reasons() -> None:
    """Every row of the table follows from the neutral facts, and no case is missing."""
    assert _table() == {record["case"]: oracle(record) for record in load_cases()}


def test_cases_checked_by_hand() -> None:
    """Fifteen rows were worked out on paper, the edges among them."""
    table = _table()
    assert {case: table[case] for case in BY_HAND} == BY_HAND


def test_the_table_refuses_for_many_reasons() -> None:
    """The cases are worth running: both outcomes, and at least seven different rules."""
    rows = _table().values()
    reasons = {rule for _, rules in rows for rule in rules.split(";") if rule}
    assert {outcome for outcome, _ in rows} == {"allowed", "refused"}
    assert len(reasons) >= 7
