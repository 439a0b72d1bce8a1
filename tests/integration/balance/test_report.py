"""The weekly report from a ledger of eight weeks, against golden files in both languages.

``UPDATE_GOLDENS=1`` writes them anew; look at what changed before it is committed.
"""

from __future__ import annotations

import csv
import datetime as dt
import html.parser
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from contracts import codes, model
from contracts.codes import CaseKind, Direction
from gateway.core.errors import InvalidParameter
from gateway.core.treaty.quotas import QuotaKind
from gateway.flows.balance import weekly_report
from gateway.flows.ledger import book
from gateway.flows.quotas import set_quota
from gateway.reports.weekly import RENDERERS, signed
from tests.fixtures.store_records import new_case, new_message, record_for
from tests.fixtures.uk_gateway import Gateway

GOLDEN = Path(__file__).parent / "golden"
FIRST_MONDAY = dt.datetime(2026, 9, 28, 10, tzinfo=dt.UTC)
WEEKS = ((9, 4), (12, 10), (0, 0), (18, 21), (9, 16), (14, 12), (20, 19), (13, 17))
"""Readmitted and admitted, W40 to W47: both directions lead at times, one week is empty."""
NOW = dt.datetime(2026, 11, 23, 8, 0, tzinfo=dt.UTC)
FORMS = [(form, lang) for form in ("csv", "html") for lang in ("en", "fr")]


async def _outcome(gateway: Gateway, body: model.Body, kind: CaseKind, direction: Direction) -> model.Message:
    """A stored message of a new case, booked as the flows book it."""
    case = new_case(kind=kind)
    message = new_message(case, body)
    async with gateway.exchange.store.begin() as tx:
        await tx.add_case(case)
        await tx.add_message(record_for(message, direction=direction), message, ())
        await book(tx, gateway.exchange.agreement, gateway.exchange.listeners, message, at=NOW)
    return message


def _carried_out(at: dt.datetime, persons: int) -> model.TransferOutcome:
    done = codes.TransferOutcomeCode.CARRIED_OUT
    return model.TransferOutcome(outcome=done, reason=None, at=at, persons_transferred=persons)


@pytest.fixture
async def eight_weeks(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """A gateway on Monday of W48 with eight weeks behind it, one transfer with different numbers."""
    monkeypatch.setattr(gateway.clock, "now", lambda: dt.datetime(2026, 11, 17, 9, tzinfo=dt.UTC))
    await set_quota(
        gateway.exchange, QuotaKind.READMISSIONS, 25, actor="operator:a", reason="joint committee"
    )
    monkeypatch.setattr(gateway.clock, "now", lambda: NOW)
    for number, (gone, came) in enumerate(WEEKS):
        at = FIRST_MONDAY + number * dt.timedelta(weeks=1)
        for persons in (gone // 2, gone - gone // 2):
            if persons:
                body = _carried_out(at, persons)
                await _outcome(gateway, body, CaseKind.READMISSION, Direction.UK_TO_FR)
        if came:
            arrived = codes.AdmissionOutcomeCode.ARRIVED
            admission = model.AdmissionOutcome(outcome=arrived, at=at, persons_admitted=min(came, 20))
            await _outcome(gateway, admission, CaseKind.NOMINATION, Direction.UK_TO_FR)
            if came > 20:
                more = model.AdmissionOutcome(outcome=arrived, at=at, persons_admitted=came - 20)
                await _outcome(gateway, more, CaseKind.NOMINATION, Direction.UK_TO_FR)
    last = await _outcome(
        gateway, _carried_out(NOW - dt.timedelta(days=2), 3), CaseKind.READMISSION, Direction.UK_TO_FR
    )
    receipt = model.TransferReceipt(
        taken_charge_at=NOW - dt.timedelta(days=2), place="FRCDG", flight=None, persons_received=2
    )
    values = {name: getattr(last, name) for name in last.__struct_fields__}
    answer = model.Message(**{**values, "message_id": gateway.clock.new_id(), "body": receipt})
    async with gateway.exchange.store.begin() as tx:
        await tx.add_message(record_for(answer, direction=Direction.FR_TO_UK), answer, ())
        await book(tx, gateway.exchange.agreement, gateway.exchange.listeners, answer, at=NOW)
    return gateway


@pytest.mark.parametrize(("form", "lang"), FORMS)
async def test_reports_are_the_golden_ones(eight_weeks: Gateway, form: str, lang: str) -> None:
    """Page and table in English and French, to the byte, whichever database holds the ledger."""
    text = RENDERERS[form](await weekly_report(eight_weeks.exchange, "2026-W47"), lang)
    golden = GOLDEN / f"2026-W47.{lang}.{form}"
    if os.environ.get("UPDATE_GOLDENS"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8", newline="")
    assert text == golden.read_bytes().decode()


async def test_json_has_both_languages_and_the_same_numbers(eight_weeks: Gateway) -> None:
    """The figures of the week, the sums since the beginning, and the row of the CSV agree."""
    report = await weekly_report(eight_weeks.exchange, "2026-W47")
    values: dict[str, Any] = json.loads(RENDERERS["json"](report, "en"))
    assert values == json.loads(RENDERERS["json"](report, "fr"))
    gone, came = sum(w[0] for w in WEEKS) + 2, sum(w[1] for w in WEEKS)
    assert (values["returned"], values["admitted"], values["difference"]) == (15, 17, -2)
    assert (values["total_returned"], values["total_admitted"]) == (gone, came)
    assert (values["final"], values["corrections"], values["differences"]) == (True, 1, 1)
    assert values["quotas"][0]["limit"] == 25
    assert {set_of for item in values["unverified"] for set_of in item["note"]} == {"en", "fr"}
    rows = list(csv.reader(io.StringIO(RENDERERS["csv"](report, "fr"))))
    assert rows[-1] == ["2026-W47", "2026-11-16", "2026-11-22", "15", "17", "-2", str(gone), str(came), "-2"]
    assert len(rows) == 1 + len(WEEKS)


async def test_the_present_week_is_provisional_and_a_later_one_refused(eight_weeks: Gateway) -> None:
    """W48 has just begun; W49 has not."""
    report = await weekly_report(eight_weeks.exchange, "2026-W48")
    assert (report["final"], report["returned"], report["total_difference"]) == (False, 0, -2)
    assert "Provisional" in RENDERERS["html"](report, "en")
    assert "Provisoire" in RENDERERS["html"](report, "fr")
    for week in ("2026-W49", "2027-W53", "47"):
        with pytest.raises(InvalidParameter):
            await weekly_report(eight_weeks.exchange, week)


class _Links(html.parser.HTMLParser):
    """Attributes that would load something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag}@{name}" for name, _ in attrs if name in {"src", "href", "srcset", "action"}]
        self.found += [tag] if tag in {"script", "link", "img", "iframe", "object"} else []


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_page_needs_nothing_from_outside(lang: str) -> None:
    """No link, script, image or address in style; the language is declared."""
    text = (GOLDEN / f"2026-W47.{lang}.html").read_text("utf-8")
    links = _Links()
    links.feed(text)
    assert links.found == []
    assert not re.search(r"url\(|@import|https?:", text)
    assert f'<html lang="{lang}">' in text


def test_both_languages_have_the_same_words() -> None:
    """Every text has its counterpart with the same places to fill; none is left in the other language."""
    from gateway.reports.texts import TEXTS

    english, french = TEXTS["en"], TEXTS["fr"]
    assert english.keys() == french.keys()
    for name, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", french[name])), name
    assert [name for name in english if english[name] == french[name]] == []


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (7, "+7"), (-12, "\N{MINUS SIGN}12")])
def test_differences_are_printed_with_their_sign(value: int, text: str) -> None:
    """A plus, a real minus, nothing before zero."""
    assert signed(value) == text
