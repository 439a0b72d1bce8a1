"""JSON, HTML, Markdown and terminal of one made-up run with every kind of verdict."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.console import Console

from gateway.conformance import Report, Result, Verdict
from gateway.conformance.cases import all_cases
from gateway.conformance.forge import document
from gateway.conformance.model import LANGUAGES, Exchange, Kind, Language, Outcome, Seen, Wire, reason
from gateway.conformance.report import by_requirement, to_html, to_json, to_markdown, worst
from gateway.conformance.terminal import listing, progress_line, render
from tests.fixtures import pki
from tests.fixtures.conformance import TARGET

OUTCOMES = {
    "unsigned": Outcome(
        verdict=Verdict.FAIL, reasons=(reason("accepted-bad"),), cure=reason("cure-accepted"), serious=True
    ),
    "push": Outcome(
        verdict=Verdict.FAIL, reasons=(reason("http-server", status=500),), cure=reason("cure-log")
    ),
    "tls13": Outcome(verdict=Verdict.NOTE, reasons=(reason("tls-not-offered", version="1.3"),)),
    "four-corner": Outcome(verdict=Verdict.NOT_RUN, reasons=(reason("needs-four-corner"),)),
}
PASSED = Outcome(verdict=Verdict.PASS, reasons=(reason("refused", codes="EBMS:0010"),))
EXCHANGE = Exchange(
    wire=Wire(content_type="multipart/related", body=document(), message_id="m-1@test", references=()),
    seen=Seen(
        kind=Kind.ERROR,
        status=200,
        content_type="application/soap+xml",
        codes=("EBMS:0010",),
        sha256="ab" * 32,
    ),
)
REPORT = Report(
    target=replace(TARGET, product="<b>Product</b> & Co"),
    started_at=pki.NOW,
    finished_at=pki.NOW,
    results=tuple(
        Result(case=c, outcome=OUTCOMES.get(c.id, PASSED), exchanges=(EXCHANGE,)) for c in all_cases()
    ),
)
each_language = pytest.mark.parametrize("language", LANGUAGES)


class Page(HTMLParser):
    """What the page holds: tags, attributes, ids, links."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open_details: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        for name in ("href", "src", "action", "data"):
            if name in values:
                self.links.append(str(values[name]))
        if tag == "details" and "open" in values:
            self.open_details.append(str(values["id"]))


def page(language: Language, report: Report = REPORT) -> tuple[str, Page]:
    html = to_html(report, language)
    parsed = Page()
    parsed.feed(html)
    return html, parsed


@each_language
def test_page_stands_alone(language: Language) -> None:
    """No scripts and nothing from elsewhere; its language is declared; every link leads to a place on it."""
    html, parsed = page(language)
    assert f'<html lang="{language}">' in html
    assert not {"script", "img", "link", "iframe", "object"} & set(parsed.tags)
    assert all(link.startswith("#") for link in parsed.links)
    assert {link[1:] for link in parsed.links} <= set(parsed.ids)
    assert len(set(parsed.ids)) == len(parsed.ids)
    assert parsed.tags.count("h1") == 1
    assert "url(" not in html
    assert "default-src 'none'" in html


@each_language
def test_page_begins_with_what_matters(language: Language) -> None:
    """Summary, then failures (serious first, unfolded), then notes, requirements, the rest."""
    html, parsed = page(language)
    assert parsed.open_details == ["unsigned", "push"]
    places = [
        html.index(f'id="{name}"') for name in ("summary", "results", "notes", "requirements", "passed")
    ]
    assert places == sorted(places)
    assert [i for i in parsed.ids if i in {c.id for c in all_cases()}][:3] == ["unsigned", "push", "tls13"]
    assert {c.id for c in all_cases()} <= set(parsed.ids)


def test_what_a_user_gives_is_escaped() -> None:
    """The product's name is text, not markup."""
    html, _ = page("en")
    assert "&lt;b&gt;Product&lt;/b&gt; &amp; Co" in html
    assert "<b>Product" not in html


@each_language
def test_every_case_says_what_was_sent_expected_and_seen(language: Language) -> None:
    """Title, what was sent, why and what was found stand on the page for every case."""
    html, _ = page(language)
    for result in REPORT.results:
        for text in (result.case.title, result.case.sent, result.case.why):
            shown = text.say(language).replace("&", "&amp;").replace("'", "&#39;")
            assert shown in html


def test_json_has_both_languages_and_no_content() -> None:
    """Everything to judge by is there; the payload and keys are not."""
    values = json.loads(json.dumps(to_json(REPORT)))
    assert values["format"] == "passerelle-conformance/1"
    assert values["ok"] is False
    assert values["serious"] == ["unsigned"]
    assert values["counts"] == {"fail": 2, "note": 1, "pass": len(all_cases()) - 4, "not-run": 1}
    case: dict[str, Any] = next(c for c in values["cases"] if c["id"] == "unknown-action")
    assert case["requirements"] == [5]
    assert case["seen"] == {
        "en": "Refused with EBMS:0010, signed.",
        "fr": "Refusé par EBMS:0010, signé.",
    }
    assert case["exchanges"][0]["answer"]["codes"] == ["EBMS:0010"]
    for text in (json.dumps(values, ensure_ascii=False), to_html(REPORT, "en"), to_markdown(REPORT, "fr")):
        assert "essai inventé." not in text
        assert "PRIVATE KEY" not in text
        assert "BEGIN CERTIFICATE" not in text


def test_requirements_show_their_worst_case() -> None:
    """A failure outweighs everything; what was not run says nothing."""
    rows = by_requirement(REPORT)
    assert worst(rows["1"]) is Verdict.FAIL
    assert worst(rows["34"]) is Verdict.NOTE
    assert worst(rows["35"]) is Verdict.PASS  # the other two cases of 35 passed
    assert worst(rows["attacks"]) is Verdict.PASS
    assert list(rows)[-1] == "attacks"


def test_ok_needs_something_that_ran() -> None:
    """A run in which nothing could be run is no success."""
    idle = Outcome(verdict=Verdict.NOT_RUN, reasons=(reason("unreachable"),))
    nothing = replace(REPORT, results=tuple(Result(case=c, outcome=idle) for c in all_cases()))
    assert not nothing.ok
    assert "Rien n&#39;a pu être exécuté." in to_html(nothing, "fr")
    assert replace(REPORT, results=(Result(case=all_cases()[0], outcome=PASSED),)).ok


@each_language
def test_markdown_has_a_row_for_every_case(language: Language) -> None:
    """One line per case, its table never broken by a bar."""
    lines = to_markdown(REPORT, language).splitlines()
    for case in all_cases():
        (row,) = [line for line in lines if line.startswith(f"| `{case.id}` ")]
        assert len(re.findall(r"(?<!\\)\|", row)) == 5


@each_language
def test_terminal_names_failures_in_words(language: Language) -> None:
    """Without colours (a pipe) the verdicts are still words; failures come with what helps."""
    console = Console(file=io.StringIO(), width=120)
    console.print(render(REPORT, language))
    console.print(listing(language))
    console.print(progress_line(REPORT.results[0], 1, 2, language))
    file = console.file
    assert isinstance(file, io.StringIO)
    text = file.getvalue()
    assert ("SERIOUS" if language == "en" else "GRAVE") in text
    assert "unsigned (17, 18 · TA12)" in text
    assert ("Do not go live." if language == "en" else "Ne pas mettre en service.") in text
