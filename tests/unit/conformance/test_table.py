"""The table of cases and the words of a report: complete, in both languages, and nothing left over."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from gateway.conformance import bad_messages, texts
from gateway.conformance.cases import BUILDERS, all_cases, case_of, chosen
from gateway.conformance.facets import FACETS
from gateway.conformance.model import LANGUAGES, Case, Expectation, Language, Need, Text, Verdict, reason
from gateway.conformance.probes import PROBES
from gateway.core.errors import EBMS, ConfigError

SOURCES = Path(bad_messages.__file__).parent
CASES = all_cases()
each_case = pytest.mark.parametrize("case", CASES, ids=[c.id for c in CASES])


def sources() -> str:
    return "\n".join(p.read_text("utf-8") for p in SOURCES.glob("*.py"))


def test_every_case_is_made_or_looked_at_exactly_once() -> None:
    """A row without a builder, facet or probe could not run; a builder without a row would never run."""
    kinds = [set(BUILDERS), set(FACETS), set(PROBES)]
    assert {c.id for c in CASES} == set().union(*kinds)
    assert len(CASES) == sum(map(len, kinds)) >= 45
    assert {c.id for c in CASES if c.expect is Expectation.FACET} == set(FACETS)
    assert {c.id for c in CASES if c.expect is Expectation.PROBE} == set(PROBES)


@each_case
def test_case_is_complete(case: Case) -> None:
    """Texts in both languages, known codes, a group, requirements between 1 and 37, a facet's case."""
    for language in LANGUAGES:
        assert texts.expected(case, language).endswith(".")
        assert texts.group(case.group, language)
    for text in (case.title, case.why, case.sent):
        assert text.en != text.fr or text.en == "UsernameToken"
    assert set(case.codes) <= set(EBMS)
    assert all(1 <= n <= 37 for n in case.requirements)
    assert all(re.fullmatch(r"(4CT_)?TA\d\d(–\d\d)?", a) for a in case.assertions)
    assert (case.of is None) is (case.expect is not Expectation.FACET)
    assert case.of is None or case_of(case.of).of is None


def test_every_requirement_that_can_be_seen_from_outside_has_a_case() -> None:
    """Only 16 (what the consumer sees inside) cannot be tested from outside."""
    named = {n for c in CASES for n in c.requirements}
    assert set(range(1, 38)) - named == {16}
    assert {n for n in texts.section("requirements") if n.isdigit()} == {str(n) for n in range(1, 38)}


@pytest.mark.parametrize(
    "section", ["groups", "requirements", "expected", "facets", "reasons", "details", "labels"]
)
def test_both_languages_have_the_same_places(section: str) -> None:
    """A value that is filled in in English is filled in in French."""
    for key, text in texts.section(section).items():
        places = [{name for _, name, _, _ in Formatter().parse(t) if name} for t in (text.en, text.fr)]
        assert places[0] == places[1], key


def test_no_reason_is_missing_or_left_over() -> None:
    """Every key that the code names has words, and every entry is used."""
    named = set(re.findall(r'"((?:[a-z0-9]+-)*[a-z0-9]+)"', sources()))
    written = set(texts.section("reasons"))
    needs = {f"needs-{need}" for need in Need}
    assert written - named - needs == set()
    used = set(re.findall(r'(?:reason|_pass|_note|_fail|_stop)\(\s*"([a-z0-9-]+)"', sources()))
    assert (used | needs) <= written
    assert {v.value for v in Verdict} <= set(texts.section("labels"))
    assert {e.value for e in Expectation} - {"facet", "probe"} <= set(texts.section("expected"))
    assert {c.group for c in CASES} == set(texts.section("groups"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_french_keeps_its_spaces(language: Language) -> None:
    """French puts a space before colon, semicolon and question mark; English does not."""
    said = [
        t.say(language) for name in ("reasons", "labels", "expected") for t in texts.section(name).values()
    ]
    said += [t.say(language) for c in CASES for t in (c.title, c.why, c.sent)]
    for text in said:
        bare = re.sub(r"\S*(?:://|[A-Z]+:\w|\w:Id|eb:|ds:|wsu:|wsse:|xs:)\S*", "", text)
        tight = re.search(r"\w[:;?](?:\s|$)", bare)
        loose = re.search(r"\s[:;?](?:\s|$)", bare)
        assert (tight if language == "fr" else loose) is None, text


def test_an_empty_text_is_refused() -> None:
    """A case without French cannot be written down."""
    with pytest.raises(ValueError, match="missing"):
        Text(en="something", fr=" ")


def test_unknown_case_is_refused_with_its_name() -> None:
    """--only with a typing mistake does not silently test nothing."""
    with pytest.raises(ConfigError, match="no such case: pusch"):
        chosen(["push", "pusch"])
    assert [c.id for c in chosen(["unsigned", "push"])] == ["push", "unsigned"]


def test_details_are_word_for_word_those_of_the_errors() -> None:
    """A French detail is found by its English text: a text that was changed in the code would lose it."""
    folders = (SOURCES, SOURCES.parent / "core" / "as4", SOURCES.parent / "transport")
    code = "\n".join(p.read_text("utf-8") for folder in folders for p in folder.rglob("*.py"))
    assert [t.en for t in texts.section("details").values() if t.en not in code] == []


def test_details_are_said_in_french() -> None:
    """A known error is translated inside a finding, an unknown one is quoted."""
    known = texts.say(reason("receipt-mismatch", why="the receipt is for another message"), "fr")
    assert known == "L'accusé ne prouve pas le message : l'accusé est pour un autre message."
    assert "« something new »" in texts.say(reason("receipt-mismatch", why="something new"), "fr")
    assert "something new." in texts.say(reason("receipt-mismatch", why="something new"), "en")
