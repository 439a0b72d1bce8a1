"""Every word of a report, in English and French, from ``texts.toml``; the table of cases has its own."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

from gateway.conformance.model import Case, Expectation, Language, Reason, Text, Verdict


@cache
def _table() -> dict[str, dict[str, Text]]:
    content = resources.files("gateway.conformance").joinpath("texts.toml").read_text("utf-8")
    return {
        section: {key: Text(**pair) for key, pair in rows.items()}
        for section, rows in tomllib.loads(content).items()
    }


def section(name: str) -> dict[str, Text]:
    """All texts of one section, by key. Raises KeyError."""
    return _table()[name]


def label(key: str, language: Language) -> str:
    """A word of the page's frame. Raises KeyError for one that does not exist."""
    return section("labels")[key].say(language)


def tally(verdict: Verdict, count: int, language: Language) -> str:
    """``3 notes``, ``1 note``: French has the singular for nought, English the plural."""
    many = count > 1 or (count == 0 and language == "en")
    return label(f"{verdict.value}-many" if many else verdict.value, language)


def say(reason: Reason, language: Language) -> str:
    """A finding as one sentence. Raises KeyError for an unknown key or a missing value."""
    values = {name: _detail(value, language) if name == "why" else value for name, value in reason.values}
    return section("reasons")[reason.key].say(language).format_map(values)


def _detail(text: str, language: Language) -> str:
    """The text of one of the gateway's own errors; in French in quotation marks when it has no French."""
    if language == "en":
        return text
    known = next((t for t in section("details").values() if t.en == text), None)
    return f"« {text} »" if known is None else known.fr


def requirement(number: int, language: Language) -> str:
    """The short name of a requirement of as4.md."""
    return section("requirements")[str(number)].say(language)


def group(name: str, language: Language) -> str:
    return section("groups")[name].say(language)


def _either(codes: tuple[str, ...], language: Language) -> str:
    """``A, B or C``."""
    *others, last = codes
    return f"{', '.join(others)} {'ou' if language == 'fr' else 'or'} {last}" if others else last


def expected(case: Case, language: Language) -> str:
    """What should happen, as one sentence; a refusal names its recommended codes."""
    if case.expect in {Expectation.FACET, Expectation.PROBE}:
        return section("facets")[case.id].say(language)
    text = section("expected")[case.expect.value].say(language)
    if case.expect in {Expectation.REFUSAL, Expectation.REFUSAL_PREFERRED} and case.codes:
        hint = section("expected")["codes"].say(language)
        text += " " + hint.format(codes=_either(case.codes, language))
    if case.expect is Expectation.REFUSAL and not case.signal:
        text += " " + section("expected")["no-signal"].say(language)
    return text
